/** Everything that stops the machine by the person's wish. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Breakpoint, DataBreakpointRequest } from '../debugger/breakpoints.ts';
import { evaluateText } from '../debugger/expression-evaluator.ts';
import type { FilterRequest } from '../debugger/stop-rules.ts';
import { UserError } from '../debugger/user-error.ts';
import { hex64, memoryReference, parseMemoryReference } from '../present/text.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { sourceOf } from './inspection.ts';
import { childrenAt } from './variable-tree.ts';

function toBreakpoint(breakpoint: Breakpoint): DebugProtocol.Breakpoint {
  const { id, verified, message, line, addresses } = breakpoint;
  return {
    id,
    verified,
    ...(message === undefined ? {} : { message }),
    ...(line === undefined ? {} : { line: line.line, source: sourceOf(line.file) }),
    ...(addresses[0] === undefined ? {} : { instructionReference: memoryReference(addresses[0]) }),
  };
}

/** Breakpoints sent before a launch wait for it. */
const WAITING = 'The program is not loaded yet.';
const waiting = (count: number): DebugProtocol.Breakpoint[] =>
  Array.from({ length: count }, () => ({ verified: false, message: WAITING }));

const options = (wanted: { condition?: string; hitCondition?: string; logMessage?: string }) => ({
  condition: wanted.condition,
  hitCondition: wanted.hitCondition,
  logMessage: wanted.logMessage,
});

const ACCESS = { read: 'read', write: 'write', readWrite: 'readWrite' } as const;

/** `linear/bytes`, as `dataBreakpointInfo` gives it out. */
const dataId = (linear: bigint, bytes: number): string => `${hex64(linear)}/${bytes}`;

function parseDataId(id: string): { linear: bigint; bytes: number } {
  const match = /^(0x[0-9a-f]{1,16})\/(\d{1,6})$/i.exec(id);
  if (!match) throw new UserError(`"${id}" is no data breakpoint of this adapter; it is written 0xADDRESS/BYTES.`);
  return { linear: BigInt(match[1]!), bytes: Number(match[2]) };
}

function changed(session: Session): void {
  session.target.runner.refreshConditions();
}

export const breakpointRequests: Handlers<
  Session,
  | 'setBreakpoints'
  | 'setFunctionBreakpoints'
  | 'setInstructionBreakpoints'
  | 'setDataBreakpoints'
  | 'dataBreakpointInfo'
  | 'setExceptionBreakpoints'
  | 'breakpointLocations'
> = {
  setBreakpoints: (session, args) => {
    const file = args.source.path;
    if (file === undefined) throw new UserError('"source" must have a "path".');
    const wanted = (args.breakpoints ?? []).map((each) => ({ line: each.line, ...options(each) }));
    session.wishes.sources.set(file, wanted);
    if (!session.launched) return { breakpoints: waiting(wanted.length) };
    const breakpoints = session.target.breakpoints.setSource(session.target.sourceFile(file), wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setFunctionBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each) => ({ name: each.name, ...options(each) }));
    session.wishes.functions = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted.length) };
    const breakpoints = session.target.breakpoints.setFunctions(wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setInstructionBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each) => {
      const reference = parseMemoryReference(each.instructionReference);
      if (reference?.space !== 'linear') {
        throw new UserError(`"${each.instructionReference}" is no linear address, written 0x...`);
      }
      return { linear: BigInt.asUintN(64, reference.address + BigInt(each.offset ?? 0)), ...options(each) };
    });
    session.wishes.instructions = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted.length) };
    const breakpoints = session.target.breakpoints.setInstructions(wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setDataBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each): DataBreakpointRequest => ({
      ...parseDataId(each.dataId),
      access: ACCESS[each.accessType ?? 'write'],
      condition: each.condition,
      hitCondition: each.hitCondition,
    }));
    session.wishes.data = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted.length) };
    const breakpoints = session.target.breakpoints.setData(wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  dataBreakpointInfo: (session, args) => {
    const { symbols } = session.target;
    const described = (linear: bigint, bytes: number) => ({
      dataId: dataId(linear, bytes),
      description: `${bytes} byte${bytes === 1 ? '' : 's'} at ${symbols.describe(linear) ?? hex64(linear)}`,
      accessTypes: ['read', 'write', 'readWrite'] as DebugProtocol.DataBreakpointAccessType[],
      canPersist: true,
    });
    if (args.variablesReference !== undefined && args.variablesReference > 0) {
      const node = childrenAt(session, args.variablesReference).nodes.find((each) => each.name === args.name);
      const reference = node?.memoryReference === undefined ? undefined : parseMemoryReference(node.memoryReference);
      if (reference?.space !== 'linear') {
        return {
          dataId: null,
          description: `${args.name} does not hold a linear address: only memory can be watched.`,
        };
      }
      return described(reference.address, args.bytes ?? 8);
    }
    const { view } = session.frame(args.frameId);
    const result = evaluateText(args.name, { view, symbols });
    if (!result.ok) return { dataId: null, description: `Column ${result.error.column}: ${result.error.message}` };
    const { place, number } = result.value;
    if (place?.kind === 'memory' && place.space === 'linear')
      return described(place.address, args.bytes ?? place.bytes);
    return described(number, args.bytes ?? view.mode.bits / 8);
  },

  setExceptionBreakpoints: (session, args) => {
    const wanted: FilterRequest[] = [
      ...args.filters.map((id) => ({ id })),
      ...(args.filterOptions ?? []).map((each) => ({ id: each.filterId, condition: each.condition })),
    ];
    session.wishes.filters = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted.length) };
    const results = session.target.rules.set(wanted);
    changed(session);
    return {
      breakpoints: results.map(({ verified, message }) => ({
        verified,
        ...(message === undefined ? {} : { message }),
      })),
    };
  },

  breakpointLocations: (session, args) => {
    const lines = session.target.symbols.codeLines(session.target.sourceFile(args.source.path ?? ''));
    const last = args.endLine ?? args.line;
    return { breakpoints: lines.filter((line) => line >= args.line && line <= last).map((line) => ({ line })) };
  },
};
