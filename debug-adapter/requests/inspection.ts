/** Threads, stacks, scopes and variables. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CpuModeView, Machine } from '../engine/index.ts';
import { modeName } from '../debugger/stack.ts';
import type { Frame } from '../debugger/stack.ts';
import { UserError } from '../debugger/user-error.ts';
import { writePlace } from '../debugger/place.ts';
import { evaluateText } from '../debugger/expression-evaluator.ts';
import { exceptionInfo } from '../present/exception-info.ts';
import { sourceOf } from '../present/breakpoint.ts';
import { threadOf } from '../present/exits.ts';
import { memoryReference } from '../present/text.ts';
import type { Handlers } from '../session/handlers.ts';
import type { Session } from '../session/session.ts';
import { childrenAt, scopesOf, toVariable } from './variable-tree.ts';

function toStackFrame(session: Session, cpu: number, frame: Frame, index: number): DebugProtocol.StackFrame {
  const base = { id: session.frameId(cpu, index), name: frame.name, line: 0, column: 0 };
  switch (frame.kind) {
    case 'label':
      return { ...base, presentationHint: 'label' };
    case 'handler':
      return { ...base, presentationHint: 'normal' };
    case 'code':
      return {
        ...base,
        ...(frame.line === undefined ? {} : { source: sourceOf(frame.line.file), line: frame.line.line, column: 1 }),
        instructionPointerReference: memoryReference(frame.linear),
        ...(frame.line === undefined && !frame.top ? { presentationHint: 'subtle' as const } : {}),
      };
  }
}

const ACTIVITY_NAMES: Readonly<Record<CpuModeView['activity'], string>> = {
  active: 'running',
  hlt: 'halted',
  shutdown: 'shut down',
  'wait-for-sipi': 'waiting for SIPI',
};

/** What the processor is and does: `vCPU 0 (64-bit, ring 0)`; where there are several, `Processor 0 (BSP): running, real mode`. */
function threadName(machine: Machine, cpu: number): string {
  const { handler } = machine;
  if (handler) return `vCPU ${cpu} (VMX root, handling ${handler.handler})`;
  const mode = machine.inspect.mode(cpu);
  const running = `${modeName(mode)}${mode.vmx === 'off' ? '' : `, VMX ${mode.vmx}`}`;
  if (machine.cpuCount === 1) return `vCPU ${cpu} (${running})`;
  const name = `Processor ${cpu}${cpu === 0 ? ' (BSP)' : ''}: ${ACTIVITY_NAMES[mode.activity]}`;
  return mode.activity === 'wait-for-sipi' ? name : `${name}, ${running}`;
}

export const inspectionRequests: Handlers<
  Session,
  'threads' | 'stackTrace' | 'scopes' | 'variables' | 'setVariable' | 'exceptionInfo'
> = {
  threads: (session) => {
    // Asked for by clients even before a launch has succeeded.
    if (!session.launched) return { threads: [] };
    const { machine } = session.target;
    const threads = Array.from({ length: machine.cpuCount }, (_, cpu) => ({
      id: threadOf(cpu),
      name: threadName(machine, cpu),
    }));
    return { threads };
  },

  stackTrace: (session, args) => {
    const target = session.stopped;
    const cpu = session.cpuOf(args.threadId);
    const frames = target.stack(cpu);
    const start = args.startFrame ?? 0;
    const count = args.levels === undefined || args.levels === 0 ? frames.length : args.levels;
    const stackFrames = frames
      .map((frame, index) => toStackFrame(session, cpu, frame, index))
      .slice(start, start + count);
    return { stackFrames, totalFrames: frames.length };
  },

  scopes: (session, args) => {
    const { cpu, frame, view } = session.frame(args.frameId);
    session.select(cpu);
    if (frame.kind === 'label') return { scopes: [] };
    return { scopes: scopesOf(session, view) };
  },

  variables: (session, args) => {
    const { path, nodes } = childrenAt(session, args.variablesReference);
    const start = args.start ?? 0;
    const end = args.count ? start + args.count : nodes.length;
    // All rows are named ones; a client that asks for indexed children gets none.
    const wanted = args.filter === 'indexed' ? [] : nodes.slice(start, end);
    return { variables: wanted.map((node) => toVariable(session, path, node, args.format)) };
  },

  setVariable: (session, args) => {
    const { path, nodes, view } = childrenAt(session, args.variablesReference);
    const node = nodes.find((each) => each.name === args.name);
    if (!node) throw new UserError(`There is no "${args.name}" here.`);
    if (!node.place) throw new UserError(`${args.name} cannot be changed.`);
    const { machine, symbols } = session.stopped;
    const evaluated = evaluateText(args.value, { view, symbols });
    if (!evaluated.ok) throw new UserError(`Column ${evaluated.error.column}: ${evaluated.error.message}`);
    const problem = writePlace(machine, node.place, evaluated.value.number);
    if (problem !== undefined) throw new UserError(problem);
    session.stateChanged();
    const after = childrenAt(session, args.variablesReference).nodes.find((each) => each.name === args.name) ?? node;
    const variable = toVariable(session, path, after, args.format);
    return {
      value: variable.value,
      variablesReference: variable.variablesReference,
      ...(variable.type === undefined ? {} : { type: variable.type }),
    };
  },

  exceptionInfo: (session, args) => {
    session.cpuOf(args.threadId);
    const target = session.stopped;
    const stop = target.outcome?.stop;
    const info = stop === undefined ? undefined : exceptionInfo(stop, target);
    if (!info) throw new UserError('The machine did not stop because of an exception, a VM exit or a failure.');
    return info;
  },
};
