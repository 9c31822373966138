/** Every instruction whose meaning is TypeScript (VMX instructions are `vmx/`'s). */
import type { SystemInstruction } from '../system-instruction.ts';
import { CONTROL_REGISTERS } from './control-registers.ts';
import { DESCRIPTOR_TABLES } from './descriptor-tables.ts';
import { EXTENSIONS } from './extensions.ts';
import { FAR_TRANSFERS } from './far-transfers.ts';
import { FAST_CALLS } from './fast-calls.ts';
import { FLAG_INSTRUCTIONS } from './flags.ts';
import type { Form } from './forms.ts';
import { INTERRUPTS } from './interrupts.ts';
import { IO_INSTRUCTIONS } from './io.ts';
import { MACHINE_REGISTERS } from './machine-registers.ts';
import { MISCELLANEOUS } from './misc.ts';
import { SEGMENT_REGISTERS } from './segment-registers.ts';

const ALL: readonly Form[] = [
  ...FAR_TRANSFERS,
  ...INTERRUPTS,
  ...FAST_CALLS,
  ...DESCRIPTOR_TABLES,
  ...SEGMENT_REGISTERS,
  ...CONTROL_REGISTERS,
  ...FLAG_INSTRUCTIONS,
  ...MACHINE_REGISTERS,
  ...IO_INSTRUCTIONS,
  ...MISCELLANEOUS,
  ...EXTENSIONS,
];

function tableOf(all: readonly Form[]): ReadonlyMap<number, SystemInstruction> {
  const table = new Map(all);
  if (table.size !== all.length) throw new Error('Invariant broken: a system instruction is defined twice');
  return table;
}

/** By iced `Code`. */
export const SYSTEM_INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = tableOf(ALL);
