/** System instructions that programs execute often, emitted. Each hands itself over to SYSTEM_INSTRUCTIONS where anything is unusual. */
import type { EmittedRow } from '../../builder.ts';
import { FAST_CALL_ROWS } from './fast-call-rows.ts';
import { FLAG_ROWS } from './flag-rows.ts';
import { INTERRUPT_ROWS } from './interrupt-rows.ts';

export const SYSTEM_ROWS: readonly EmittedRow[] = [...FAST_CALL_ROWS, ...INTERRUPT_ROWS, ...FLAG_ROWS];
