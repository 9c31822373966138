/**
 * The port through which the firmware's ROM stubs call the host. The call's number is on the guest's stack, so the device
 * has nothing to keep; the byte written does not matter.
 */
import { decodeRegisters, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const FIRMWARE_REGISTERS = {
  CALL: { title: 'A write calls the firmware', offset: 0, access: 'write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export class FirmwarePort implements PortDevice<null> {
  readonly name = 'firmware call';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #call: () => void;

  constructor(call: () => void) {
    this.#call = call;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return 0xff;
  }

  write(_offset: number, _bytes: AccessBytes, _value: number): void {
    this.#call();
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(FIRMWARE_REGISTERS, { CALL: 0 });
  }
}
