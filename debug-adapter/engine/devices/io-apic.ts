/** The I/O APIC (Intel 82093AA data sheet), version 20h with the EOI register: 24 pins, one redirection entry each. */
import { DELIVERY_MODE, type ApicDestination, type ApicMessage } from './apic-message.ts';
import {
  decodeRegisters,
  flag,
  type AccessBytes,
  type InterruptLine,
  type MappedDevice,
  type RegisterRow,
} from './device.ts';

const IO_APIC_PINS = 24;
const VERSION = 0x20 | ((IO_APIC_PINS - 1) << 16);
const SELECT_OFFSET = 0x00;
const WINDOW_OFFSET = 0x10;
const EOI_OFFSET = 0x40;
const FIRST_ENTRY = 0x10;
const MASKED = 0x1_0000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;
const LOGICAL = 0x800;
/** Delivery status (bit 12) and remote IRR (bit 14) are read-only. */
const LOW_WRITABLE = 0x1_afff;

const IO_APIC_REGISTERS = {
  SELECT: { title: 'Register select', offset: SELECT_OFFSET, access: 'read-write', bits: 32, fields: [] },
  ID: { title: 'I/O APIC id', access: 'internal', bits: 32, fields: [] },
  LINES: { title: 'Lines that are asserted', access: 'internal', bits: 32, fields: [] },
  OPEN: {
    title: 'Entries that are not masked',
    access: 'internal',
    bits: 32,
    fields: [flag('CASCADE', 0, '8259 pair'), flag('KEYBOARD', 1, 'IRQ 1'), flag('TIMER', 2, 'IRQ 0')],
  },
} as const satisfies Record<string, RegisterRow>;

export interface IoApicState {
  readonly select: number;
  readonly id: number;
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly lines: readonly boolean[];
}

export class IoApic implements MappedDevice<IoApicState> {
  readonly name = 'I/O APIC';
  readonly byteCount = 0x1000;
  readonly #send: (message: ApicMessage, to: ApicDestination) => void;
  #select = 0;
  #id = 0;
  #low = new Array<number>(IO_APIC_PINS).fill(MASKED);
  #high = new Array<number>(IO_APIC_PINS).fill(0);
  #lines = new Array<boolean>(IO_APIC_PINS).fill(false);

  constructor(send: (message: ApicMessage, to: ApicDestination) => void) {
    this.#send = send;
  }

  /** The wire into `pin`. Polarity is the board's affair: `true` is asserted. */
  input(pin: number): InterruptLine {
    return {
      set: (level) => {
        const rises = level && this.#lines[pin] === false;
        this.#lines[pin] = level;
        const low = this.#low[pin] ?? MASKED;
        if ((low & LEVEL) !== 0) this.#deliverLevel(pin);
        // An edge at a masked pin is lost (82093AA, "Interrupt Mask").
        else if (rises && (low & MASKED) === 0) this.#deliver(pin);
      },
    };
  }

  /** A local APIC has ended level-triggered `vector`: the entry may fire again, and does while its line is asserted. */
  endOfInterrupt(vector: number): void {
    this.#low.forEach((low, pin) => {
      if ((low & 0xff) !== vector || (low & REMOTE_IRR) === 0) return;
      this.#low[pin] = low & ~REMOTE_IRR;
      this.#deliverLevel(pin);
    });
  }

  #deliverLevel(pin: number): void {
    const low = this.#low[pin] ?? MASKED;
    if (this.#lines[pin] !== true || (low & (MASKED | REMOTE_IRR)) !== 0) return;
    this.#low[pin] = low | REMOTE_IRR;
    this.#deliver(pin);
  }

  #deliver(pin: number): void {
    const low = this.#low[pin] ?? MASKED;
    const mode = (low >> 8) & 7;
    // The 8259 pair reaches the processor through LINT0 on this board.
    if (mode === DELIVERY_MODE.external) return;
    this.#send(
      { mode, vector: low & 0xff, trigger: (low & LEVEL) !== 0 ? 'level' : 'edge' },
      { id: (this.#high[pin] ?? 0) >>> 24, kind: (low & LOGICAL) !== 0 ? 'logical' : 'physical', wide: false },
    );
  }

  read(offset: number, bytes: AccessBytes): number {
    const inWord = offset & 3;
    const value = this.#word(offset & ~3);
    return bytes === 4 ? value : (value >>> (inWord * 8)) & (bytes === 2 ? 0xffff : 0xff);
  }

  #word(offset: number): number {
    if (offset === SELECT_OFFSET) return this.#select;
    return offset === WINDOW_OFFSET ? this.#indirect(this.#select) : 0;
  }

  #indirect(index: number): number {
    switch (index) {
      case 0:
      case 2:
        return (this.#id << 24) >>> 0;
      case 1:
        return VERSION;
      default: {
        const pin = (index - FIRST_ENTRY) >> 1;
        return (((index & 1) === 0 ? this.#low[pin] : this.#high[pin]) ?? 0) >>> 0;
      }
    }
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    // IOREGSEL decodes a byte, the others whole double words.
    if (offset === SELECT_OFFSET) this.#select = value & 0xff;
    else if (bytes !== 4) return;
    else if (offset === WINDOW_OFFSET) this.#writeIndirect(this.#select, value);
    else if (offset === EOI_OFFSET) this.endOfInterrupt(value & 0xff);
  }

  #writeIndirect(index: number, value: number): void {
    if (index === 0) this.#id = (value >>> 24) & 15;
    const pin = (index - FIRST_ENTRY) >> 1;
    if (pin < 0 || pin >= IO_APIC_PINS) return;
    if ((index & 1) !== 0) {
      this.#high[pin] = (value & 0xff00_0000) >>> 0;
      return;
    }
    // Remote IRR means nothing for an edge-triggered entry: kernels clear it by switching to edge and back.
    const remote = (value & LEVEL) !== 0 ? (this.#low[pin] ?? 0) & REMOTE_IRR : 0;
    this.#low[pin] = (value & LOW_WRITABLE) | remote;
    if ((value & LEVEL) !== 0) this.#deliverLevel(pin);
  }

  save(): IoApicState {
    return {
      select: this.#select,
      id: this.#id,
      low: [...this.#low],
      high: [...this.#high],
      lines: [...this.#lines],
    };
  }

  load(state: IoApicState): void {
    this.#select = state.select;
    this.#id = state.id;
    this.#low = [...state.low];
    this.#high = [...state.high];
    this.#lines = [...state.lines];
  }

  registers() {
    const bits = (test: (pin: number) => boolean) =>
      this.#low.reduce((word, _, pin) => word + (test(pin) ? 2 ** pin : 0), 0);
    return decodeRegisters(IO_APIC_REGISTERS, {
      SELECT: this.#select,
      ID: (this.#id << 24) >>> 0,
      LINES: bits((pin) => this.#lines[pin] === true),
      OPEN: bits((pin) => ((this.#low[pin] ?? MASKED) & MASKED) === 0),
    });
  }
}
