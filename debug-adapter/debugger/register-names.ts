/** Names a person may use for registers and parts of them: `eax`, `cr0.PG`, `zf`, `r8d`. */
import { REGISTERS } from '../engine/index.ts';
import type { BitField, RegisterName, RegisterRow } from '../engine/index.ts';

/** Bits of one register. */
export interface RegisterPart {
  readonly register: RegisterName;
  /** Lowest bit. */
  readonly bit: number;
  readonly bits: number;
}

const parts = new Map<string, RegisterPart>();

function define(name: string, register: RegisterName, bit: number, bits: number): void {
  parts.set(name.toLowerCase(), { register, bit, bits });
}

const rowOf = (name: RegisterName): RegisterRow => REGISTERS[name];

/** Bit fields of a register by its table; empty for most. */
export const registerFields = (name: RegisterName): readonly BitField[] => rowOf(name).fields ?? [];

export const registerBits = (name: RegisterName): number => rowOf(name).bits;

for (const name of Object.keys(REGISTERS) as RegisterName[]) {
  define(name, name, 0, rowOf(name).bits);
  for (const field of registerFields(name)) define(`${name}.${field.name}`, name, field.bit, field.width ?? 1);
}
for (const field of registerFields('RFLAGS')) define(field.name, 'RFLAGS', field.bit, field.width ?? 1);
define('EFLAGS', 'RFLAGS', 0, 32);
define('FLAGS', 'RFLAGS', 0, 16);
define('EIP', 'RIP', 0, 32);
define('IP', 'RIP', 0, 16);
for (const table of ['GDTR', 'IDTR'] as const) {
  define(table, `${table}_BASE`, 0, rowOf(`${table}_BASE`).bits);
  define(`${table}.base`, `${table}_BASE`, 0, rowOf(`${table}_BASE`).bits);
  define(`${table}.limit`, `${table}_LIMIT`, 0, rowOf(`${table}_LIMIT`).bits);
}
define('EFER', 'IA32_EFER', 0, 64);
for (const field of registerFields('IA32_EFER')) define(`EFER.${field.name}`, 'IA32_EFER', field.bit, field.width ?? 1);
for (const letter of ['A', 'B', 'C', 'D']) {
  const whole = `R${letter}X` as RegisterName;
  define(`E${letter}X`, whole, 0, 32);
  define(`${letter}X`, whole, 0, 16);
  define(`${letter}L`, whole, 0, 8);
  define(`${letter}H`, whole, 8, 8);
}
for (const pair of ['SI', 'DI', 'BP', 'SP']) {
  const whole = `R${pair}` as RegisterName;
  define(`E${pair}`, whole, 0, 32);
  define(pair, whole, 0, 16);
  define(`${pair}L`, whole, 0, 8);
}
for (let number = 8; number < 16; number++) {
  const whole = `R${number}` as RegisterName;
  define(`${whole}D`, whole, 0, 32);
  define(`${whole}W`, whole, 0, 16);
  define(`${whole}B`, whole, 0, 8);
}

/** Case does not matter. */
export const registerPart = (name: string): RegisterPart | undefined => parts.get(name.toLowerCase());

/** Every name `registerPart` knows, lower case. */
export const registerPartNames = (): IterableIterator<string> => parts.keys();
