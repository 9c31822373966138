/**
 * Emits the interpreter: one WebAssembly module whose main function fetches decoded records, dispatches on their handler
 * with a `br_table`, and stays inside until its budget ends, something needs TypeScript, or an event is due.
 *
 * Hot rows are cases of the main function; the others are functions that the case calls, which keeps the main function small
 * enough for V8's register allocator (measured in test/bench/dispatch.ts).
 */
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { GP } from '../cpu/guest-fault.ts';
import { I32, I64, type FunctionWriter, type Label } from '../wasm/function.ts';
import { ModuleWriter } from '../wasm/module.ts';
import { HANDLERS, PSEUDO_HANDLER, type Handler } from './handlers.ts';
import { InterpreterBuilder, type Exits, type SlowCalls } from './interpreter-builder.ts';
import {
  emitCrossCheck,
  emitLookup,
  emitRipOf,
  emitSegmentCheck,
  type InterpreterOptions,
} from './interpreter-lookup.ts';
import { MOST_LATE_HANDLERS } from './late-handlers.ts';
import { OUTLINED, OUTLINED_CPU, OUTLINED_RECORD, outlinedExits } from './outlined.ts';
import { OUTCOME, RECORD } from './record.ts';
import { ModuleRoutines } from './routines.ts';
import type { RoutineTable } from './value-builder.ts';
import { emitSlowAccesses } from './slow-accesses.ts';
import { emitStraddling } from './straddle.ts';

export type { DispatchStyle } from './interpreter-lookup.ts';

const CS_AT = LAYOUT.segments + SEGMENT_INDEX.CS * SEGMENT_BYTES;
const CODE_BITS_64 = 64;

export function emitInterpreter(options: InterpreterOptions): Uint8Array {
  const module = new ModuleWriter(options.memoryPages);
  const accesses = emitSlowAccesses(module, options);
  const segmentCheck = emitSegmentCheck(module);
  const lookup = emitLookup(module, options);
  const ripOf = emitRipOf(module, options);
  const slow: SlowCalls = { ...accesses, ...emitStraddling(module, options), segmentCheck };
  const routines = new ModuleRoutines(module);

  for (const [name, index] of Object.entries(slow)) module.exportFunction(index as number, name);
  module.defineTable(MOST_LATE_HANDLERS, 'lateHandlers');

  const outlined = new Map<number, number>();
  for (const handler of HANDLERS) {
    if (options.dispatch === 'all' || endsInControl(handler)) continue;
    if (options.dispatch === 'hot' && isHot(handler)) continue;
    outlined.set(handler.number, emitOutlined(module, handler, slow, options.tlbBase, routines));
  }
  emitMain(module, options, slow, routines, lookup, ripOf, outlined);
  return module.toBytes();
}

/** Branches choose the next record themselves: they must be in the main function. */
function endsInControl(handler: Handler): boolean {
  return /^(j|loop|call|ret)/.test(handler.row.name);
}

/**
 * The main function has room for few handlers: V8 allocates the registers of a function with more than 8,192 virtual
 * registers by a quicker method, and everything in it is then half as fast. So it has the forms that gain most from being
 * there: those that do little besides being dispatched, and the memory operands of what moves data.
 */
function isHot({ row, operands }: Handler): boolean {
  if (row.hot === undefined) return false;
  return row.hot === 'always' || (row.bytes >= 4 && operands.every((operand) => operand.kind !== 'memory'));
}

function meaningOf(handler: Handler, builder: InterpreterBuilder, exits: Exits): void {
  handler.row.meaning(builder, handler.operands);
  exits.finish();
  builder.end();
}

/** A handler as a function of its own: (cpu, record) to an OUTCOME. */
function emitOutlined(
  module: ModuleWriter,
  handler: Handler,
  slow: SlowCalls,
  tlbBase: number,
  routines: RoutineTable,
): number {
  const { index, body: f } = module.define(OUTLINED);
  const exits = outlinedExits(f, handler.row.name);
  const builder = new InterpreterBuilder(f, OUTLINED_CPU, OUTLINED_RECORD, exits, slow, tlbBase, routines);
  meaningOf(handler, builder, exits);
  f.op('unreachable');
  return index;
}

function emitMain(
  module: ModuleWriter,
  options: InterpreterOptions,
  slow: SlowCalls,
  routines: RoutineTable,
  lookup: number,
  ripOf: number,
  outlined: ReadonlyMap<number, number>,
): void {
  // run(cpu): OUTCOME. Budget in and out through the state; `retired` grows by what was completed.
  const { body: f } = module.define({ parameters: [I32], results: [I32] }, 'run');
  const cpu = 0;
  const record = f.local(I32);
  const previous = f.local(I32);
  const budget = f.local(I32);
  const given = f.local(I32);
  /** Budget taken away so that the loop ends early; counted as not used. */
  const withheld = f.local(I32);
  /** Iterations of REP instructions: they use budget but retire nothing. */
  const repeats = f.local(I32);
  const outcome = f.local(I32);
  const handler = f.local(I32);
  const offset = f.local(I64);

  f.get(cpu);
  f.memory('i32_load', LAYOUT.budget);
  f.tee(budget);
  f.set(given);
  f.i32(0);
  f.set(previous);
  f.i32(0);
  f.set(withheld);
  f.i32(0);
  f.set(repeats);
  f.block((exit) => {
    f.block((exitHere) => {
      f.loop((enter) => {
        f.get(cpu);
        f.call(lookup);
        f.tee(record);
        f.op('i32_eqz');
        f.if(() => {
          f.i32(OUTCOME.MISS);
          f.set(outcome);
          f.br(exit);
        });
        f.loop((next) => {
          f.get(budget);
          f.op('i32_eqz');
          f.if(() => {
            // A branch whose target was not looked up yet may still turn out to be one that faults.
            f.get(record);
            f.i32(options.linkTarget);
            f.op('i32_eq');
            f.if(() => {
              f.get(cpu);
              f.get(cpu);
              f.get(record);
              f.get(previous);
              f.call(ripOf);
              f.memory('i64_store', LAYOUT.rip);
              emitBranchLimit(f, { cpu, record, previous, outcome }, exitHere);
            });
            f.i32(OUTCOME.BUDGET);
            f.set(outcome);
            f.br(exitHere);
          });
          addTo(f, budget, -1);
          f.get(record);
          f.memory('i32_load16_u', RECORD.handler);
          f.set(handler);
          f.loop((dispatch) => {
            const locals: MainLocals = { cpu, record, previous, budget, withheld, repeats, outcome, offset };
            const labels: MainLabels = { enter, next, exit, exitHere };
            const exits = mainExits(f, locals, labels);
            const builder = new InterpreterBuilder(f, cpu, record, exits, slow, options.tlbBase, routines);
            f.block((outlinedDone) => {
              const link = (field: number, pageOffset: () => void) => () => {
                addTo(f, budget, 1);
                f.get(cpu);
                f.get(cpu);
                f.get(record);
                f.get(previous);
                f.call(ripOf);
                f.memory('i64_store', LAYOUT.rip);
                f.get(cpu);
                f.call(lookup);
                f.tee(record);
                f.op('i32_eqz');
                f.if(() => {
                  if (field === RECORD.target) emitBranchLimit(f, { cpu, record, previous, outcome }, exitHere);
                  f.i32(OUTCOME.MISS);
                  f.set(outcome);
                  f.br(exit);
                });
                // Link only within one page at one linear address: everything else is looked up each time.
                pageOffset();
                f.i64(4096n);
                f.op('i64_lt_u');
                f.get(record);
                f.memory('i32_load', RECORD.page);
                f.get(previous);
                f.memory('i32_load', RECORD.page);
                f.op('i32_eq');
                f.op('i32_and');
                f.if(() => {
                  f.get(previous);
                  f.get(record);
                  f.memory('i32_store', field);
                });
                f.br(next);
              };
              const cases: (() => void)[] = [];
              cases[PSEUDO_HANDLER.LINK_NEXT] = link(RECORD.next, () => {
                f.get(previous);
                f.memory('i64_load16_u', RECORD.pageOffset);
                f.get(previous);
                f.memory('i64_load8_u', RECORD.length);
                f.op('i64_add');
              });
              cases[PSEUDO_HANDLER.LINK_TARGET] = link(RECORD.target, () => {
                f.get(previous);
                f.memory('i64_load', RECORD.immediate);
              });
              cases[PSEUDO_HANDLER.SYSTEM] = () => exits.outcome(OUTCOME.SYSTEM);
              cases[PSEUDO_HANDLER.BREAKPOINT] = () => {
                addTo(f, budget, 1);
                exits.outcome(OUTCOME.BREAKPOINT);
              };
              cases[PSEUDO_HANDLER.STALE] = () => {
                addTo(f, budget, 1);
                exits.outcome(OUTCOME.MISS);
              };
              cases[PSEUDO_HANDLER.CROSS] = () => {
                emitCrossCheck(f, cpu, record, options, () => {
                  addTo(f, budget, 1);
                  exits.outcome(OUTCOME.MISS);
                });
                f.get(record);
                f.memory('i32_load16_u', RECORD.crossHandler);
                f.set(handler);
                f.br(dispatch);
              };
              cases[PSEUDO_HANDLER.LATE] = () => {
                f.get(cpu);
                f.get(record);
                f.get(record);
                f.memory('i32_load16_u', RECORD.lateHandler);
                f.callIndirect(module.type(OUTLINED));
                f.set(outcome);
                f.br(outlinedDone);
              };
              for (const entry of HANDLERS) {
                const functionIndex = outlined.get(entry.number);
                cases[entry.number] =
                  functionIndex === undefined
                    ? () => meaningOf(entry, builder, exits)
                    : () => {
                        f.get(cpu);
                        f.get(record);
                        f.call(functionIndex);
                        f.set(outcome);
                        f.br(outlinedDone);
                      };
              }
              f.switch(() => f.get(handler), cases);
            });
            afterOutlined(f, locals, exits, labels);
          });
        });
      });
    });
    f.get(cpu);
    f.get(cpu);
    f.get(record);
    f.get(previous);
    f.call(ripOf);
    f.memory('i64_store', LAYOUT.rip);
  });
  // Where the next instruction was not found, `record` is 0: the one that led there is what is worth knowing.
  f.get(cpu);
  f.get(record);
  f.get(previous);
  f.get(record);
  f.op('select');
  f.memory('i32_store', LAYOUT.record);
  f.get(cpu);
  f.get(budget);
  f.get(withheld);
  f.op('i32_add');
  f.memory('i32_store', LAYOUT.budget);
  // retired += given - budget - withheld - repeats, minus the one that did not complete.
  f.get(cpu);
  f.get(cpu);
  f.memory('i64_load', LAYOUT.retired);
  f.get(given);
  f.get(budget);
  f.op('i32_sub');
  f.get(withheld);
  f.op('i32_sub');
  f.get(repeats);
  f.op('i32_sub');
  f.get(outcome);
  f.i32(OUTCOME.SYSTEM);
  f.op('i32_eq');
  f.get(outcome);
  f.i32(OUTCOME.FAULT);
  f.op('i32_eq');
  f.op('i32_or');
  f.get(outcome);
  f.i32(OUTCOME.RAISE);
  f.op('i32_ge_u');
  f.op('i32_or');
  f.op('i32_sub');
  f.op('i64_extend_i32_u');
  f.op('i64_add');
  f.memory('i64_store', LAYOUT.retired);
  f.get(outcome);
}

interface MainLocals {
  readonly cpu: number;
  readonly record: number;
  readonly previous: number;
  readonly budget: number;
  readonly withheld: number;
  readonly repeats: number;
  readonly outcome: number;
  /** i64: where in the current page a jump goes. */
  readonly offset: number;
}
interface MainLabels {
  readonly enter: Label;
  readonly next: Label;
  readonly exit: Label;
  readonly exitHere: Label;
}

function addTo(f: FunctionWriter, local: number, amount: number): void {
  f.get(local);
  f.i32(amount);
  f.op('i32_add');
  f.set(local);
}

function withhold(f: FunctionWriter, { budget, withheld }: Pick<MainLocals, 'budget' | 'withheld'>): void {
  f.get(withheld);
  f.get(budget);
  f.op('i32_add');
  f.set(withheld);
  f.i32(0);
  f.set(budget);
}

function mainExits(f: FunctionWriter, locals: MainLocals, labels: MainLabels): Exits {
  const { cpu, record, previous, repeats, outcome, offset } = locals;
  const goTo = (field: number) => () => {
    f.get(record);
    f.tee(previous);
    f.memory('i32_load', field);
    f.set(record);
    f.br(labels.next);
  };
  return {
    finish: goTo(RECORD.next),
    branch: goTo(RECORD.target),
    branchIf(test) {
      f.get(record);
      f.tee(previous);
      f.get(test);
      f.i32(2);
      f.op('i32_shl');
      f.op('i32_add');
      f.memory('i32_load', RECORD.next);
      f.set(record);
      f.br(labels.next);
    },
    jump() {
      f.get(record);
      f.set(previous);
      // Within the page that is being executed its table leads on; everything else is looked up.
      f.get(cpu);
      f.memory('i64_load', LAYOUT.rip);
      f.get(cpu);
      f.memory('i64_load', LAYOUT.pageRip);
      f.op('i64_sub');
      f.tee(offset);
      f.i64(4096n);
      f.op('i64_lt_u');
      f.if(() => {
        f.get(previous);
        f.memory('i32_load', RECORD.page);
        f.get(offset);
        f.op('i32_wrap_i64');
        f.i32(2);
        f.op('i32_shl');
        f.op('i32_add');
        f.memory('i32_load');
        f.tee(record);
        f.brIf(labels.next);
      });
      f.br(labels.enter);
    },
    outcome(code) {
      f.i32(code);
      f.set(outcome);
      f.br(labels.exitHere);
    },
    fault() {
      f.i32(OUTCOME.FAULT);
      f.set(outcome);
      f.br(labels.exit);
    },
    leaveSoon: () => withhold(f, locals),
    enter(looking) {
      f.get(record);
      f.set(previous);
      if (looking === 'at once') f.br(labels.enter);
      else {
        f.i32(OUTCOME.BUDGET);
        f.set(outcome);
        f.br(labels.exit);
      }
    },
    repeat() {
      addTo(f, repeats, 1);
      f.br(labels.next);
    },
  };
}

/** What follows every outlined handler, once for all of them: its OUTCOME is in `outcome`. */
function afterOutlined(f: FunctionWriter, locals: MainLocals, exits: Exits, labels: MainLabels): void {
  const { outcome } = locals;
  f.get(outcome);
  f.if(() => {
    const on = (code: number, then: () => void) => {
      f.get(outcome);
      f.i32(code);
      f.op('i32_eq');
      f.if(then);
    };
    on(OUTCOME.REPEAT, () => exits.repeat());
    on(OUTCOME.LEAVE_REPEAT, () => {
      exits.leaveSoon();
      exits.repeat();
    });
    on(OUTCOME.FAULT, () => f.br(labels.exit));
    on(OUTCOME.ENTER, () => exits.enter('at once'));
    on(OUTCOME.ENTER_LOOKING, () => exits.enter('looking'));
    f.get(outcome);
    f.i32(OUTCOME.LEAVE);
    f.op('i32_ne');
    f.if(() => f.br(labels.exitHere));
    exits.leaveSoon();
  });
  exits.finish();
}

/**
 * With the target in the state's RIP: a branch to a RIP beyond the limit of CS faults itself. It did nothing else, or has asked
 * before (`checkBranch`). Branches within a page that are linked already are not asked again.
 */
function emitBranchLimit(
  f: FunctionWriter,
  { cpu, record, previous, outcome }: Pick<MainLocals, 'cpu' | 'record' | 'previous' | 'outcome'>,
  exitHere: Label,
): void {
  f.get(cpu);
  f.memory('i32_load', LAYOUT.codeBits);
  f.i32(CODE_BITS_64);
  f.op('i32_ne');
  f.get(cpu);
  f.memory('i64_load', LAYOUT.rip);
  f.get(cpu);
  f.memory('i64_load32_u', CS_AT + SEGMENT_LAYOUT.limit);
  f.op('i64_gt_u');
  f.op('i32_and');
  f.if(() => {
    f.get(previous);
    f.set(record);
    f.i32(OUTCOME.RAISE | GP);
    f.set(outcome);
    f.br(exitHere);
  });
}
