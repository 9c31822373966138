/** PUSH POP of general registers, memory and immediates; LEAVE. */
import { RBP, type EmittedRow } from './builder.ts';
import { forSizes, WIDE_BYTES } from './rows.ts';

const LETTER = { 2: 'w', 4: 'd', 8: 'q' } as const;

const push = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'push',
  codes: [
    `Push_r${bytes * 8}`,
    `Push_rm${bytes * 8}`,
    bytes === 2 ? 'Push_imm16' : `Push${LETTER[bytes]}_imm32`,
    `Push${LETTER[bytes]}_imm8`,
  ],
  shapes: [['register'], ['memory'], ['immediate']],
  sdm: 'Vol. 2B, "PUSH—Push Word, Doubleword or Quadword Onto the Stack"',
  hot: 'always',
  meaning: (b, [source]) => b.push(b.read(source), bytes),
}));

const pop = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'pop',
  codes: [`Pop_r${bytes * 8}`, `Pop_rm${bytes * 8}`],
  shapes: [['register'], ['memory']],
  sdm: 'Vol. 2B, "POP—Pop a Value From the Stack"',
  hot: 'always',
  meaning(b, [target]) {
    // An rSP-based memory target is addressed with the incremented stack pointer and may fault: rare, left to TypeScript.
    if (target.kind === 'memory') return b.defer();
    const value = b.peekStack(bytes);
    b.dropStack(b.constant(BigInt(bytes)), bytes);
    b.write(target, value); // POP rSP: the value wins over the increment
  },
}));

/** The frame's base becomes the stack pointer, then rBP is popped; a fault of the load must leave rSP alone. */
const leave = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'leave',
  codes: [`Leave${LETTER[bytes]}`],
  shapes: [[]],
  sdm: 'Vol. 2A, "LEAVE—High Level Procedure Exit"',
  hot: 'always',
  meaning(b) {
    const value = b.peekFrame(bytes);
    b.setStackToFrame(bytes);
    b.setRegister(RBP, bytes, value);
  },
}));

export const STACK_ROWS: readonly EmittedRow[] = [...push, ...pop, ...leave];
