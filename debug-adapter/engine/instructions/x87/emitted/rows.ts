/** Rows of x87 instructions. `bytes` of a row only tells rows of one name apart: of its memory operand, or 8. */
import { LAYOUT } from '../../../cpu/layout.ts';
import type { Builder, Bytes, EmittedRow, Operand, Value } from '../../builder.ts';

type Shape = readonly Operand['kind'][];

export function row(
  name: string,
  codes: readonly string[],
  shape: Shape,
  bytes: Bytes,
  sdm: string,
  meaning: EmittedRow['meaning'],
): EmittedRow {
  return { name, codes, bytes, shapes: [shape], sdm: `Vol. 2A, "${sdm}"`, meaning };
}

export const controlWord = (b: Builder): Value => b.state(LAYOUT.x87Control, 4);
