/**
 * A port that keeps the last byte written and does nothing else: 80h, where firmware shows its power-on self test codes,
 * and EDh, which programs write to for a short delay.
 */
import { decodeRegisters, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

export interface LatchState {
  readonly value: number;
}

const LATCH_REGISTERS = {
  VALUE: { title: 'Last byte written', offset: 0, access: 'read-write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export class LatchPort implements PortDevice<LatchState> {
  readonly name: string;
  readonly portCount = 1;
  readonly widestAccess = 1;
  #value = 0;

  constructor(name: string) {
    this.name = name;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return this.#value;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#value = value;
  }

  save(): LatchState {
    return { value: this.#value };
  }

  load(state: LatchState): void {
    this.#value = state.value;
  }

  registers() {
    return decodeRegisters(LATCH_REGISTERS, { VALUE: this.#value });
  }
}
