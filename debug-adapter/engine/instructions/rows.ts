/** Small helpers that write out the `Code` names and shapes of a family of rows. */
import type { Bytes, EmittedRow, Operand } from './builder.ts';

export const ALL_BYTES: readonly Bytes[] = [1, 2, 4, 8];
export const WIDE_BYTES: readonly (2 | 4 | 8)[] = [2, 4, 8];

/** Names the accumulator has in iced's `Code` names. */
export const ACCUMULATOR: { readonly [B in Bytes]: string } = { 1: 'AL', 2: 'AX', 4: 'EAX', 8: 'RAX' };

/** Largest immediate an instruction of this operand size carries, in bits. */
export const immediateBits = (bytes: Bytes): number => Math.min(bytes * 8, 32);

export const REGISTER_OR_MEMORY: readonly (readonly Operand['kind'][])[] = [['register'], ['memory']];

/** Rows of the same meaning, one for each size. */
export function forSizes<B extends Bytes>(
  sizes: readonly B[],
  row: (bytes: B) => Omit<EmittedRow, 'bytes'>,
): readonly EmittedRow[] {
  return sizes.map((bytes) => ({ ...row(bytes), bytes }));
}
