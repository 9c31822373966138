import type { CodeBits } from '../base/program.ts';

/** Index of a code size in three-entry tables: 16, 32, 64 -> 0, 1, 2. */
export function bitsIndex(bits: CodeBits): 0 | 1 | 2 {
  return bits === 16 ? 0 : bits === 32 ? 1 : 2;
}
