/** What both meanings of a vector instruction, the TypeScript and the emitted one, must know about its form. */
import type { VectorForm } from './forms.ts';

/** What is particular about an instruction besides its lanes. */
export interface VectorTraits {
  /** Floating point: takes part in MXCSR. */
  readonly float?: true;
  /** Legacy forms accept memory that is not aligned to 16 bytes. */
  readonly unaligned?: true;
  /** VEX forms refuse memory that is not aligned to their length, too. */
  readonly alignedAlways?: true;
  /** The first operand is read, not written: the result is in the flags. */
  readonly compares?: true;
}

/** Indices of the first source (0, the destination, where the form has none of its own) and of the last operand but immediates. */
export function sourcesOf({ operands, vex }: VectorForm): {
  readonly first: number;
  readonly last: number;
  /** Whether operand 3 is a register, the third source. */
  readonly fourth: boolean;
} {
  const count = operands.filter(({ kind }) => kind !== 'immediate').length;
  const fourth = count === 4;
  const last = fourth ? 2 : count - 1;
  return { first: vex && last >= 2 ? last - 1 : 0, last, fourth };
}

/** To how many bytes operand `index` must be aligned where it is in memory; 1 where it need not be. */
export function alignedBytes({ operands, vex }: VectorForm, traits: VectorTraits, index: number): number {
  const { memoryBytes } = operands[index];
  if (memoryBytes < 16) return 1;
  return (vex ? traits.alignedAlways === true : traits.unaligned !== true) ? memoryBytes : 1;
}
