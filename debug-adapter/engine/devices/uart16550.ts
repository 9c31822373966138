/**
 * 16550 UART (National Semiconductor PC16550D data sheet). Characters take no time: a byte written to THR is at the sink
 * at once and the transmitter is always empty, so guests that poll LSR never wait. The line is an always ready terminal:
 * CTS, DSR and DCD are active.
 *
 * Console input waits in a queue of ours and enters the receiver as soon as it has room, so that no typed byte is lost;
 * an overrun can still be produced in loopback. The character timeout is immediate: data below the trigger level is
 * reported as a timeout and not after four character times.
 */
import { decodeRegisters, type AccessBytes, type InterruptLine, type PortDevice } from './device.ts';
import * as R from './uart16550-registers.ts';

const FIFO_BYTES = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const LSR_ERRORS = 0x1e;
const MODEM_INPUTS = R.MSR_CTS | R.MSR_DSR | R.MSR_DCD;

export interface UartState {
  readonly divisor: number;
  readonly ier: number;
  /** Enable, DMA mode and trigger level as last written. */
  readonly fcr: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scratch: number;
  /** Low nibble of MSR. */
  readonly modemDeltas: number;
  readonly lineErrors: number;
  readonly transmitterEmptyPending: boolean;
  /** Received characters, oldest first; bits 15:8 are the LSR error bits that came with each. */
  readonly received: readonly number[];
  /** Console input that has not entered the receiver yet. */
  readonly waiting: readonly number[];
  readonly lastReceived: number;
  readonly line: boolean;
}

const UART_RESET: UartState = {
  divisor: 12,
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  scratch: 0,
  modemDeltas: 0,
  lineErrors: 0,
  transmitterEmptyPending: false,
  received: [],
  waiting: [],
  lastReceived: 0,
  line: false,
};

type Mutable<State> = { -readonly [Key in keyof State]: State[Key] };

export class Uart16550 implements PortDevice<UartState> {
  readonly name: string;
  readonly portCount = 8;
  readonly widestAccess = 1;
  readonly #transmit: (byte: number) => void;
  readonly #interrupt: InterruptLine;
  #s: Mutable<UartState> = { ...UART_RESET };

  /** `transmit` receives every byte that leaves on the serial line. */
  constructor(name: string, transmit: (byte: number) => void, interrupt: InterruptLine) {
    this.name = name;
    this.#transmit = transmit;
    this.#interrupt = interrupt;
  }

  /** Bytes arriving from the terminal. */
  receive(bytes: Uint8Array): void {
    this.#s.waiting = [...this.#s.waiting, ...bytes];
    this.#update();
  }

  read(offset: number, _bytes: AccessBytes): number {
    const value = this.#peek(offset);
    switch (offset) {
      case R.DATA_OFFSET:
        if (!this.#dlab) this.#takeReceived();
        break;
      case R.INTERRUPT_ID_OFFSET:
        if ((value & 0x0f) === R.IIR_TRANSMITTER_EMPTY) this.#s.transmitterEmptyPending = false;
        break;
      case R.LINE_STATUS_OFFSET:
        this.#s.lineErrors = 0;
        break;
      case R.MODEM_STATUS_OFFSET:
        this.#s.modemDeltas = 0;
        break;
    }
    this.#update();
    return value;
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    const s = this.#s;
    switch (offset) {
      case R.DATA_OFFSET:
        if (this.#dlab) s.divisor = (s.divisor & 0xff00) | value;
        else this.#send(value);
        break;
      case R.INTERRUPT_ENABLE_OFFSET:
        if (this.#dlab) s.divisor = (s.divisor & 0x00ff) | (value << 8);
        else this.#enableInterrupts(value & 0x0f);
        break;
      case R.INTERRUPT_ID_OFFSET:
        this.#controlFifo(value);
        break;
      case R.LINE_CONTROL_OFFSET: {
        const breakStarts = (value & ~s.lcr & R.LCR_SET_BREAK) !== 0;
        s.lcr = value;
        if (breakStarts && this.#looped) this.#push(0 | (R.LSR_BREAK << 8));
        break;
      }
      case R.MODEM_CONTROL_OFFSET: {
        const before = this.#modemInputs;
        s.mcr = value & 0x1f;
        this.#noteModemChange(before);
        break;
      }
      case R.SCRATCH_OFFSET:
        s.scratch = value;
        break;
      // LSR and MSR are not meant to be written; the data sheet reserves writes for factory testing.
    }
    this.#update();
  }

  save(): UartState {
    return { ...this.#s };
  }

  load(state: UartState): void {
    this.#s = { ...state };
  }

  registers() {
    const s = this.#s;
    return decodeRegisters(R.UART_REGISTERS, {
      RBR: this.#receiverBuffer,
      DLL: s.divisor & 0xff,
      DLM: s.divisor >> 8,
      IER: s.ier,
      IIR: this.#interruptId | this.#fifoBits,
      FCR: s.fcr,
      LCR: s.lcr,
      MCR: s.mcr,
      LSR: this.#lineStatus,
      MSR: this.#modemInputs | s.modemDeltas,
      SCR: s.scratch,
    });
  }

  get #dlab(): boolean {
    return (this.#s.lcr & R.LCR_DLAB) !== 0;
  }

  get #looped(): boolean {
    return (this.#s.mcr & R.MCR_LOOP) !== 0;
  }

  get #fifoEnabled(): boolean {
    return (this.#s.fcr & R.FCR_ENABLE) !== 0;
  }

  get #fifoBits(): number {
    return this.#fifoEnabled ? R.IIR_FIFO_ENABLED : 0;
  }

  get #capacity(): number {
    return this.#fifoEnabled ? FIFO_BYTES : 1;
  }

  get #receiverBuffer(): number {
    return (this.#s.received[0] ?? this.#s.lastReceived) & 0xff;
  }

  /** Bits 7:4 of MSR: the terminal's lines, or our own outputs turned around in loopback. */
  get #modemInputs(): number {
    if (!this.#looped) return MODEM_INPUTS;
    const { mcr } = this.#s;
    return (
      ((mcr & R.MCR_RTS) !== 0 ? R.MSR_CTS : 0) |
      ((mcr & R.MCR_DTR) !== 0 ? R.MSR_DSR : 0) |
      ((mcr & R.MCR_OUT1) !== 0 ? R.MSR_RI : 0) |
      ((mcr & R.MCR_OUT2) !== 0 ? R.MSR_DCD : 0)
    );
  }

  get #lineStatus(): number {
    const s = this.#s;
    const queuedError = this.#fifoEnabled && s.received.some((character) => character >> 8 !== 0);
    return (
      (s.received.length > 0 ? R.LSR_DATA_READY : 0) |
      s.lineErrors |
      R.LSR_THR_EMPTY |
      R.LSR_TRANSMITTER_EMPTY |
      (queuedError ? R.LSR_FIFO_ERROR : 0)
    );
  }

  /** Highest pending interrupt in the order of the data sheet's Table III. */
  get #interruptId(): number {
    const s = this.#s;
    if ((s.ier & R.IER_LINE_STATUS) !== 0 && s.lineErrors !== 0) return R.IIR_LINE_STATUS;
    if ((s.ier & R.IER_RECEIVED_DATA) !== 0 && s.received.length > 0) {
      const trigger = this.#fifoEnabled ? (TRIGGER_LEVELS[s.fcr >> 6] ?? 1) : 1;
      return s.received.length >= trigger ? R.IIR_RECEIVED_DATA : R.IIR_CHARACTER_TIMEOUT;
    }
    if ((s.ier & R.IER_TRANSMITTER_EMPTY) !== 0 && s.transmitterEmptyPending) return R.IIR_TRANSMITTER_EMPTY;
    if ((s.ier & R.IER_MODEM_STATUS) !== 0 && s.modemDeltas !== 0) return R.IIR_MODEM_STATUS;
    return R.IIR_NONE;
  }

  #peek(offset: number): number {
    const s = this.#s;
    switch (offset) {
      case R.DATA_OFFSET:
        return this.#dlab ? s.divisor & 0xff : this.#receiverBuffer;
      case R.INTERRUPT_ENABLE_OFFSET:
        return this.#dlab ? s.divisor >> 8 : s.ier;
      case R.INTERRUPT_ID_OFFSET:
        return this.#interruptId | this.#fifoBits;
      case R.LINE_CONTROL_OFFSET:
        return s.lcr;
      case R.MODEM_CONTROL_OFFSET:
        return s.mcr;
      case R.LINE_STATUS_OFFSET:
        return this.#lineStatus;
      case R.MODEM_STATUS_OFFSET:
        return this.#modemInputs | s.modemDeltas;
      case R.SCRATCH_OFFSET:
        return s.scratch;
      default:
        throw new Error(`Invariant broken: ${this.name} has no offset ${offset}`);
    }
  }

  #send(value: number): void {
    const s = this.#s;
    const character = value & (0xff >> (3 - (s.lcr & 3)));
    // The byte is gone before the guest looks again. The line goes down in between as it does while a character is sent:
    // an edge-triggered interrupt controller would otherwise never see the next request.
    s.transmitterEmptyPending = false;
    this.#update();
    s.transmitterEmptyPending = true;
    if (this.#looped) this.#push(character);
    else this.#transmit(character);
  }

  #enableInterrupts(value: number): void {
    // Setting ETBEI while THR is empty interrupts at once: drivers start their transmission this way.
    if ((value & ~this.#s.ier & R.IER_TRANSMITTER_EMPTY) !== 0) this.#s.transmitterEmptyPending = true;
    this.#s.ier = value;
  }

  #controlFifo(value: number): void {
    const s = this.#s;
    const enabled = (value & R.FCR_ENABLE) !== 0;
    const switched = enabled !== this.#fifoEnabled;
    // With bit 0 clear the other bits are not programmed.
    s.fcr = enabled ? value & 0xc9 : 0;
    if (switched || (enabled && (value & R.FCR_CLEAR_RECEIVER) !== 0)) s.received = [];
    if (switched || (enabled && (value & R.FCR_CLEAR_TRANSMITTER) !== 0)) s.transmitterEmptyPending = true;
  }

  /** A character from the line or from the loop; it overruns where there is no room. */
  #push(character: number): void {
    const s = this.#s;
    if (s.received.length >= this.#capacity) {
      s.lineErrors |= R.LSR_OVERRUN;
      // Without FIFOs the new character destroys the old one; with them it is the new one that is lost.
      if (this.#fifoEnabled) return;
      s.received = [];
    }
    s.received = [...s.received, character];
    if (s.received.length === 1) this.#showHeadErrors();
  }

  #takeReceived(): void {
    const s = this.#s;
    s.lastReceived = this.#receiverBuffer;
    if (s.received.length === 0) return;
    s.received = s.received.slice(1);
    this.#showHeadErrors();
  }

  /** A character's errors are shown in LSR when it reaches the top of the FIFO. */
  #showHeadErrors(): void {
    const [head, ...rest] = this.#s.received;
    if (head === undefined) return;
    this.#s.lineErrors |= (head >> 8) & LSR_ERRORS;
    this.#s.received = [head & 0xff, ...rest];
  }

  #noteModemChange(before: number): void {
    const changed = before ^ this.#modemInputs;
    const rose = changed & ~before;
    if ((changed & R.MSR_CTS) !== 0) this.#s.modemDeltas |= R.MSR_DELTA_CTS;
    if ((changed & R.MSR_DSR) !== 0) this.#s.modemDeltas |= R.MSR_DELTA_DSR;
    if ((changed & ~rose & R.MSR_RI) !== 0) this.#s.modemDeltas |= R.MSR_TRAILING_RI;
    if ((changed & R.MSR_DCD) !== 0) this.#s.modemDeltas |= R.MSR_DELTA_DCD;
  }

  /** Lets waiting input in and moves the interrupt line after anything has happened. */
  #update(): void {
    const s = this.#s;
    if (!this.#looped) {
      const room = this.#capacity - s.received.length;
      if (room > 0 && s.waiting.length > 0) {
        s.received = [...s.received, ...s.waiting.slice(0, room)];
        s.waiting = s.waiting.slice(room);
      }
    }
    // In loopback the OUT2 pin is forced inactive, which on a PC disconnects the interrupt.
    const connected = (s.mcr & R.MCR_OUT2) !== 0 && !this.#looped;
    const line = connected && this.#interruptId !== R.IIR_NONE;
    if (line !== s.line) {
      s.line = line;
      this.#interrupt.set(line);
    }
  }
}
