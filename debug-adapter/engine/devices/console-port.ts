/**
 * The debug console at port E9h, as Bochs and QEMU have it: each byte written is printed; a read answers E9h, by which a
 * program finds out that the console is there.
 */
import { decodeRegisters, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const PRESENT = 0xe9;

const CONSOLE_REGISTERS = {
  DATA: { title: 'Byte to print; reads E9h', offset: 0, access: 'read-write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export class ConsolePort implements PortDevice<null> {
  readonly name = 'debug console';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #print: (byte: number) => void;

  constructor(print: (byte: number) => void) {
    this.#print = print;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return PRESENT;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#print(value);
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(CONSOLE_REGISTERS, { DATA: PRESENT });
  }
}
