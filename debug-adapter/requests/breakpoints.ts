/** Everything that stops the machine by the person's wish. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { BreakpointRequest, DataRequest } from '../debugger/breakpoints.ts';
import { evaluateText } from '../debugger/expression-evaluator.ts';
import type { FilterRequest } from '../debugger/stop-rules.ts';
import { UserError } from '../debugger/user-error.ts';
import { toBreakpoint } from '../present/breakpoint.ts';
import { hex64, parseMemoryReference } from '../present/text.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { childrenAt } from './variable-tree.ts';

/** Breakpoints sent before a launch wait for it: a `breakpoint` event follows. */
const WAITING = 'The program is not loaded yet.';
const waiting = (wanted: readonly BreakpointRequest[]): DebugProtocol.Breakpoint[] =>
  wanted.map(({ id, problem }) => ({ id, verified: false, message: problem ?? WAITING }));

const common = (session: Session, wanted: { condition?: string; hitCondition?: string; logMessage?: string }) => ({
  id: session.newBreakpointId(),
  condition: wanted.condition,
  hitCondition: wanted.hitCondition,
  logMessage: wanted.logMessage,
});

/** `linear/bytes`, as `dataBreakpointInfo` gives it out. */
const dataId = (linear: bigint, bytes: number): string => `${hex64(linear)}/${bytes}`;

function parseDataId(id: string): { linear: bigint; bytes: number; problem?: string } {
  const match = /^(0x[0-9a-f]{1,16})\/(\d{1,6})$/i.exec(id);
  const bytes = Number(match?.[2] ?? 0);
  if (match && bytes > 0) return { linear: BigInt(match[1]!), bytes };
  const problem = `"dataId" is "${id}", which is no data breakpoint of this adapter: it is written 0xADDRESS/BYTES, at least 1 byte.`;
  return { linear: 0n, bytes: 1, problem };
}

function parseInstruction(reference: string, offset: number): { linear: bigint; problem?: string } {
  const parsed = parseMemoryReference(reference);
  if (parsed?.space === 'linear') return { linear: BigInt.asUintN(64, parsed.address + BigInt(offset)) };
  return { linear: 0n, problem: `"instructionReference" is "${reference}", which is no linear address written 0x...` };
}

const notMemory = (name: string): DebugProtocol.DataBreakpointInfoResponse['body'] => ({
  dataId: null,
  description: `${name} is not in linear memory, and only that can be watched; write [${name}] or "Add Data Breakpoint at Address" to watch what it points at.`,
});

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
    const wanted = (args.breakpoints ?? []).map((each) => ({ line: each.line, ...common(session, each) }));
    session.wishes.sources.set(file, wanted);
    if (!session.launched) return { breakpoints: waiting(wanted) };
    const breakpoints = session.target.breakpoints.setSource(session.target.sourceFile(file), wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setFunctionBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each) => ({ name: each.name, ...common(session, each) }));
    session.wishes.functions = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted) };
    const breakpoints = session.target.breakpoints.setFunctions(wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setInstructionBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each) => ({
      ...common(session, each),
      ...parseInstruction(each.instructionReference, each.offset ?? 0),
    }));
    session.wishes.instructions = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted) };
    const breakpoints = session.target.breakpoints.setInstructions(wanted).map(toBreakpoint);
    changed(session);
    return { breakpoints };
  },

  setDataBreakpoints: (session, args) => {
    const wanted = args.breakpoints.map((each): DataRequest => ({
      ...common(session, each),
      ...parseDataId(each.dataId),
      access: each.accessType ?? 'write',
    }));
    session.wishes.data = wanted;
    if (!session.launched) return { breakpoints: waiting(wanted) };
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
      if (!node) throw new UserError(`There is no "${args.name}" here.`);
      if (node.place?.kind !== 'memory' || node.place.space !== 'linear') return notMemory(args.name);
      return described(node.place.address, args.bytes ?? node.place.bytes);
    }
    const { view } = session.frame(args.frameId);
    const result = evaluateText(args.name, { view, symbols });
    if (!result.ok) return { dataId: null, description: `Column ${result.error.column}: ${result.error.message}` };
    const { place, number, isAddress } = result.value;
    if (args.asAddress === true || isAddress) return described(number, args.bytes ?? view.mode.bits / 8);
    if (place?.kind === 'memory' && place.space === 'linear')
      return described(place.address, args.bytes ?? place.bytes);
    return notMemory(args.name);
  },

  setExceptionBreakpoints: (session, args) => {
    const wanted: FilterRequest[] = [
      ...args.filters.map((id) => ({ id })),
      ...(args.filterOptions ?? []).map((each) => ({ id: each.filterId, condition: each.condition })),
    ];
    session.wishes.filters = wanted;
    if (!session.launched) return { breakpoints: wanted.map(() => ({ verified: false, message: WAITING })) };
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
