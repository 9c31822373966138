/** All instructions of the x87 FPU. */
import type { SystemInstruction } from '../system-instruction.ts';
import { ARITHMETIC_FORMS } from './arithmetic-forms.ts';
import { COMPARISONS } from './comparisons.ts';
import { CONTROL } from './control.ts';
import { DATA_TRANSFER } from './data-transfer.ts';
import { TRANSCENDENTAL_FORMS } from './transcendental-forms.ts';

/** By iced `Code`. */
export const X87_INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = new Map([
  ...DATA_TRANSFER,
  ...ARITHMETIC_FORMS,
  ...COMPARISONS,
  ...TRANSCENDENTAL_FORMS,
  ...CONTROL,
]);
