/** Handlers as functions of their own: (cpu, record) to an OUTCOME, which the main loop settles. */
import { I32, type FunctionWriter } from '../wasm/function.ts';
import type { Signature } from '../wasm/module.ts';
import type { Exits } from './interpreter-builder.ts';
import { OUTCOME } from './record.ts';

export const OUTLINED: Signature = { parameters: [I32, I32], results: [I32] };
/** Its parameters. */
export const OUTLINED_CPU = 0;
export const OUTLINED_RECORD = 1;

export function outlinedExits(f: FunctionWriter, name: string): Exits {
  const status = f.local(I32);
  f.i32(OUTCOME.CONTINUE);
  f.set(status);
  const give = (code: number) => {
    f.i32(code);
    f.op('return');
  };
  const inMainOnly = (): never => {
    throw new Error(`Invariant broken: ${name} branches and cannot be outlined`);
  };
  return {
    finish() {
      f.get(status);
      f.op('return');
    },
    outcome: give,
    fault: () => give(OUTCOME.FAULT),
    leaveSoon() {
      f.i32(OUTCOME.LEAVE);
      f.set(status);
    },
    repeat() {
      f.i32(OUTCOME.LEAVE_REPEAT);
      f.i32(OUTCOME.REPEAT);
      f.get(status);
      f.op('select');
      f.op('return');
    },
    enter: (looking) => give(looking === 'looking' ? OUTCOME.ENTER_LOOKING : OUTCOME.ENTER),
    branch: inMainOnly,
    branchIf: inMainOnly,
    jump: inMainOnly,
  };
}
