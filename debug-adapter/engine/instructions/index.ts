/** All rows that are emitted. Instructions in neither these nor the TypeScript tables stop the machine by name. */
import { ALU_ROWS } from './alu.ts';
import { BIT_ROWS } from './bits.ts';
import { BMI_ROWS } from './bmi.ts';
import type { EmittedRow } from './builder.ts';
import { CONTROL_ROWS } from './control.ts';
import { DATA_ROWS } from './data.ts';
import { MULTIPLY_ROWS } from './multiply.ts';
import { SHIFT_ROWS } from './shift.ts';
import { STACK_ROWS } from './stack.ts';
import { stringRows, type Repeat } from './strings.ts';
import { SYSTEM_ROWS } from './system/emitted/index.ts';
import { X87_ROWS } from './x87/emitted/index.ts';

export const EMITTED_ROWS: readonly EmittedRow[] = [
  ...ALU_ROWS,
  ...DATA_ROWS,
  ...CONTROL_ROWS,
  ...SHIFT_ROWS,
  ...MULTIPLY_ROWS,
  ...STACK_ROWS,
  ...BIT_ROWS,
  ...BMI_ROWS,
  ...X87_ROWS,
  ...SYSTEM_ROWS,
];

/** String rows by repeat kind; REP on a comparing instruction means REPE. */
export const STRING_ROWS: { readonly [R in Repeat]: readonly EmittedRow[] } = {
  once: stringRows('once'),
  rep: stringRows('rep').filter((row) => !/cmps|scas/.test(row.name)),
  repe: stringRows('repe').filter((row) => /cmps|scas/.test(row.name)),
  repne: stringRows('repne').filter((row) => /cmps|scas/.test(row.name)),
};
