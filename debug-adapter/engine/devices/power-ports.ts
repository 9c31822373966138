/**
 * The two ways a test guest ends the machine: isa-debug-exit (usually at F4h), whose process status is value * 2 + 1, and the
 * Bochs shutdown port 8900h, which wants the eight bytes `Shutdown`.
 */
import { decodeRegisters, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const EXIT_REGISTERS = {
  STATUS: {
    title: 'Ends the machine; process status = value * 2 + 1',
    offset: 0,
    access: 'write',
    bits: 32,
    fields: [],
  },
} as const satisfies Record<string, RegisterRow>;

export class DebugExit implements PortDevice<null> {
  readonly name = 'isa-debug-exit';
  readonly portCount = 4;
  readonly widestAccess = 4;
  readonly #powerOff: (status: number) => void;

  /** `powerOff` receives the process status, value * 2 + 1; the board ends the run with it. */
  constructor(powerOff: (status: number) => void) {
    this.#powerOff = powerOff;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return 0;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#powerOff(value * 2 + 1);
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(EXIT_REGISTERS, { STATUS: 0 });
  }
}

const SHUTDOWN_WORD = 'Shutdown';

const SHUTDOWN_REGISTERS = {
  MATCHED: { title: 'Letters of "Shutdown" written so far', offset: 0, access: 'write', bits: 8, fields: [] },
} as const satisfies Record<string, RegisterRow>;

export interface ShutdownState {
  readonly matched: number;
}

export class ShutdownPort implements PortDevice<ShutdownState> {
  readonly name = 'shutdown port';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #powerOff: (status: number) => void;
  #matched = 0;

  /** `powerOff` receives status 0: this port knows only an orderly end. */
  constructor(powerOff: (status: number) => void) {
    this.#powerOff = powerOff;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return 0;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    // A wrong letter starts over; it may itself be the first letter.
    if (value !== SHUTDOWN_WORD.charCodeAt(this.#matched)) this.#matched = 0;
    if (value !== SHUTDOWN_WORD.charCodeAt(this.#matched)) return;
    this.#matched += 1;
    if (this.#matched < SHUTDOWN_WORD.length) return;
    this.#matched = 0;
    this.#powerOff(0);
  }

  save(): ShutdownState {
    return { matched: this.#matched };
  }

  load(state: ShutdownState): void {
    this.#matched = state.matched;
  }

  registers() {
    return decodeRegisters(SHUTDOWN_REGISTERS, { MATCHED: this.#matched });
  }
}
