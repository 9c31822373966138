/** The x87 instructions that programs execute often, emitted. Each hands itself over to X87_INSTRUCTIONS where anything is unusual. */
import type { EmittedRow } from '../../builder.ts';
import { ARITHMETIC_ROWS } from './arithmetic-rows.ts';
import { COMPARISON_ROWS } from './comparison-rows.ts';
import { CONTROL_ROWS } from './control-rows.ts';
import { TRANSFER_ROWS } from './transfer-rows.ts';

export const X87_ROWS: readonly EmittedRow[] = [
  ...TRANSFER_ROWS,
  ...ARITHMETIC_ROWS,
  ...COMPARISON_ROWS,
  ...CONTROL_ROWS,
];
