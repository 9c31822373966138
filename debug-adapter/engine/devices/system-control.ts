/**
 * System control ports A (92h) and B (61h) of the PS/2 and its successors (chipset data sheets: "Fast A20 and Init", "NMI
 * Status and Control").
 */
import { decodeRegisters, flag, type AccessBytes, type PortDevice, type RegisterRow } from './device.ts';

const FAST_RESET = 0x01;
const A20 = 0x02;

const CONTROL_A_REGISTERS = {
  CONTROL: {
    title: 'System Control Port A',
    offset: 0,
    access: 'read-write',
    bits: 8,
    fields: [flag('INIT', 0, 'a rise resets the processor'), flag('A20', 1, 'address line 20 passes')],
  },
} as const satisfies Record<string, RegisterRow>;

export interface SystemControlAState {
  readonly value: number;
}

export interface SystemControlALines {
  /** The A20 gate changed. */
  setA20(on: boolean): void;
  /** The processor is reset. */
  reset(): void;
}

export class SystemControlA implements PortDevice<SystemControlAState> {
  readonly name = 'system control port A';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #lines: SystemControlALines;
  #value: number;

  /** `a20` is the level the firmware leaves the gate at. */
  constructor(a20: boolean, lines: SystemControlALines) {
    this.#lines = lines;
    this.#value = a20 ? A20 : 0;
  }

  get a20(): boolean {
    return (this.#value & A20) !== 0;
  }

  /** Moves the gate for someone else who may (the firmware's INT 15h service). */
  setA20(on: boolean): void {
    if (on === this.a20) return;
    this.#value ^= A20;
    this.#lines.setA20(on);
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return this.#value;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    const resets = (value & ~this.#value & FAST_RESET) !== 0;
    this.setA20((value & A20) !== 0);
    this.#value = value & (FAST_RESET | A20);
    if (resets) this.#lines.reset();
  }

  save(): SystemControlAState {
    return { value: this.#value };
  }

  load(state: SystemControlAState): void {
    this.#value = state.value;
  }

  registers() {
    return decodeRegisters(CONTROL_A_REGISTERS, { CONTROL: this.#value });
  }
}

const SPEAKER_GATE = 0x01;
const CONTROL_B_WRITABLE = 0x0f;
const REFRESH_TOGGLE = 0x10;
const SPEAKER_OUT = 0x20;

const CONTROL_B_REGISTERS = {
  CONTROL: {
    title: 'System Control Port B',
    offset: 0,
    access: 'read-write',
    bits: 8,
    fields: [
      flag('GATE2', 0, 'gate of timer counter 2'),
      flag('SPEAKER', 1, 'speaker data'),
      flag('PARITY', 2, 'memory parity check off'),
      flag('IOCHK', 3, 'I/O channel check off'),
      flag('REFRESH', 4, 'refresh toggle'),
      flag('OUT2', 5, 'output of timer counter 2'),
    ],
  },
} as const satisfies Record<string, RegisterRow>;

/** What port 61h is wired to on the timer. */
export interface SpeakerTimer {
  setSpeakerGate(level: boolean): void;
  readonly speakerOut: boolean;
  readonly refreshToggle: boolean;
}

export interface SystemControlBState {
  readonly value: number;
}

/** The board advances the timer before it passes an access on, since bits 4 and 5 are the timer's. */
export class SystemControlB implements PortDevice<SystemControlBState> {
  readonly name = 'system control port B';
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #timer: SpeakerTimer;
  #value = 0;

  constructor(timer: SpeakerTimer) {
    this.#timer = timer;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return this.#value | (this.#timer.refreshToggle ? REFRESH_TOGGLE : 0) | (this.#timer.speakerOut ? SPEAKER_OUT : 0);
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#value = value & CONTROL_B_WRITABLE;
    this.#timer.setSpeakerGate((value & SPEAKER_GATE) !== 0);
  }

  save(): SystemControlBState {
    return { value: this.#value };
  }

  load(state: SystemControlBState): void {
    this.#value = state.value;
  }

  registers() {
    return decodeRegisters(CONTROL_B_REGISTERS, { CONTROL: this.read(0, 1) });
  }
}
