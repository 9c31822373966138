/**
 * Stepping as pure logic. A plan is a generator: it says how far to run, is told why the machine stopped, and goes on until
 * the step is done. Slices, pauses and the person's own breakpoints are the runner's business.
 */
import type { DisassembledInstruction, ExitName, Machine, Stop } from '../engine/index.ts';
import { ProcessorView } from './processor.ts';
import { callers } from './stack.ts';
import type { SymbolTable } from './symbols.ts';
import { UserError } from './user-error.ts';

/** How far to run before asking the plan again. */
export interface Goal {
  /** Whose instructions, arrivals and exits count; those of any where undefined. */
  readonly cpu: number | undefined;
  /** One instruction (or handler step), or until something below happens. */
  readonly extent: 'one' | 'unlimited';
  /** Linear addresses to stop at. */
  readonly stopAt: ReadonlySet<bigint>;
  /** Whether the next VM exit stops. */
  readonly anyExit: boolean;
  readonly handlerSteps: 'stop' | 'run';
}

/** Receives the stop that met the goal; returns when the step is done. */
export type Plan = Generator<Goal, void, Stop>;

export interface StepContext {
  readonly machine: Machine;
  readonly cpu: number;
  readonly symbols: SymbolTable;
  /** Exceptions that this processor's guest has raised: whether there was one decides if a step over follows into its handler. */
  readonly exceptionsSeen: () => number;
}

export type Granularity = 'statement' | 'line' | 'instruction';

const NOWHERE: ReadonlySet<bigint> = new Set();
/** One instruction or handler step. An instruction that exits ends it, before anything is done about the exit. */
const one = (cpu: number): Goal => ({ cpu, extent: 'one', stopAt: NOWHERE, anyExit: true, handlerSteps: 'stop' });
const until = (cpu: number, address: bigint): Goal => ({
  cpu,
  extent: 'unlimited',
  stopAt: new Set([address]),
  anyExit: false,
  handlerSteps: 'run',
});
const untilExit = (cpu: number | undefined, stopAt: ReadonlySet<bigint> = NOWHERE): Goal => ({
  cpu,
  extent: 'unlimited',
  stopAt,
  anyExit: true,
  handlerSteps: 'run',
});

export function* continuePlan(): Plan {
  yield { cpu: undefined, extent: 'unlimited', stopAt: NOWHERE, anyExit: false, handlerSteps: 'run' };
}

/** Of one processor, or of any. */
export function* runToNextExit(cpu?: number): Plan {
  yield untilExit(cpu);
}

export function stepIn(context: StepContext, granularity: Granularity): Plan {
  return granularity === 'instruction' ? intoInstruction(context) : byLine(context, intoOrOverRepeat);
}

export function stepOver(context: StepContext, granularity: Granularity): Plan {
  return granularity === 'instruction' ? overInstruction(context) : byLine(context, overInstruction);
}

/**
 * Out of a handler of the built-in hypervisor, out of a routine to its caller, or out of a guest's outermost routine to the
 * next VM exit.
 */
export function stepOut(context: StepContext): Plan {
  const { machine, cpu, symbols } = context;
  if (machine.handler) return finishHandler(context);
  const view = new ProcessorView(machine, cpu);
  const caller = callers(view, symbols)[0];
  if (caller) return toReturnAddress(context, caller.linear, caller.interrupt ? undefined : view.linearStackPointer);
  if (view.mode.vmx === 'non-root' || machine.options.mode === 'vm') return runToNextExit(cpu);
  throw new UserError(
    'No caller is known here: no return address on the stack follows a CALL. Set a breakpoint where you want to go, or run to the cursor.',
  );
}

function* intoInstruction({ cpu }: StepContext): Plan {
  yield one(cpu);
}

/** A REP instruction is one statement, however many iterations it has. */
function* intoOrOverRepeat(context: StepContext): Plan {
  const instruction = nextInstruction(context);
  if (instruction && isRepeated(instruction)) yield* overTo(context, instruction);
  else yield one(context.cpu);
}

/** Steps until the source line changes, or starts again. */
function* byLine(context: StepContext, step: (context: StepContext) => Plan): Plan {
  const { machine, cpu, symbols } = context;
  const before = linearRip(machine, cpu);
  const start = machine.handler ? undefined : symbols.lineAt(before);
  for (;;) {
    const from = linearRip(machine, cpu);
    yield* step(context);
    if (start === undefined || machine.handler) return;
    const now = linearRip(machine, cpu);
    const line = symbols.lineAt(now);
    if (line?.file !== start.file || line.line !== start.line) return;
    // Back at the line's first instruction, or on the same one: the line runs again, and that is worth a stop.
    if (now === start.address || now <= from) return;
  }
}

function* overInstruction(context: StepContext): Plan {
  const { machine, cpu } = context;
  if (machine.handler) {
    yield one(cpu);
    return;
  }
  const instruction = nextInstruction(context);
  if (instruction === undefined) {
    yield* oneThroughHandlers(context);
    return;
  }
  const next = following(instruction);
  if (instruction.mnemonic === 'vmlaunch' || instruction.mnemonic === 'vmresume') {
    // Over the guest: until it exits, or, where the entry fails, to the next instruction.
    yield untilExit(cpu, new Set([next]));
    return;
  }
  if (instruction.isCall || instruction.mnemonic === 'hlt' || isRepeated(instruction)) {
    yield* overTo(context, instruction);
    return;
  }
  const stackPointer = new ProcessorView(machine, cpu).linearStackPointer;
  const exceptions = context.exceptionsSeen();
  yield* oneThroughHandlers(context);
  if (machine.handler || instruction.isBranch || instruction.isReturn) return;
  const view = new ProcessorView(machine, cpu);
  const interrupted = view.linearRip !== next && view.linearRip !== instruction.address;
  if (interrupted && context.exceptionsSeen() === exceptions && view.mode.vmx !== 'non-root') {
    // An interrupt came in between: its handler is not part of this step. An exception's is.
    yield* toAddress(context, next, stackPointer);
  }
}

/** Exits after which the instruction at hand has yet to run: between instructions, or for want of memory that is there now. */
const BETWEEN: ReadonlySet<ExitName> = new Set([
  'externalInterrupt',
  'interruptWindow',
  'nmiWindow',
  'preemptionTimer',
  'eptViolation',
]);

/** One guest instruction, with whatever the built-in hypervisor does about it. */
function* oneThroughHandlers(context: StepContext): Plan {
  const { machine, cpu } = context;
  for (;;) {
    const from = linearRip(machine, cpu);
    const exits = machine.exits.at(-1)?.number;
    yield one(cpu);
    if (!machine.handler) return;
    yield* finishHandler(context);
    const last = machine.exits.at(-1);
    const postponed = last !== undefined && last.number !== exits && BETWEEN.has(last.exit.name);
    if (!postponed || linearRip(machine, cpu) !== from) return;
  }
}

function* finishHandler({ machine, cpu }: StepContext): Plan {
  while (machine.handler) yield one(cpu);
}

function* overTo(context: StepContext, instruction: DisassembledInstruction): Plan {
  const stackPointer = new ProcessorView(context.machine, context.cpu).linearStackPointer;
  yield* toAddress(context, following(instruction), stackPointer);
}

/** To an address of this routine, not of a deeper call of it: the stack is as high as it was. */
function* toAddress(context: StepContext, address: bigint, stackPointer: bigint): Plan {
  do yield until(context.cpu, address);
  while (linearStackPointer(context) < stackPointer);
}

function* toReturnAddress(context: StepContext, address: bigint, above: bigint | undefined): Plan {
  do yield until(context.cpu, address);
  while (above !== undefined && linearStackPointer(context) <= above);
}

const linearStackPointer = ({ machine, cpu }: StepContext): bigint =>
  new ProcessorView(machine, cpu).linearStackPointer;
const linearRip = (machine: Machine, cpu: number): bigint => ProcessorView.current(machine, cpu).linearRip;
const nextInstruction = ({ machine, cpu }: StepContext) =>
  machine.handler ? undefined : new ProcessorView(machine, cpu).instruction();
const following = (instruction: DisassembledInstruction): bigint => instruction.address + BigInt(instruction.bytes);
const isRepeated = (instruction: DisassembledInstruction): boolean => /^rep/.test(instruction.text);
