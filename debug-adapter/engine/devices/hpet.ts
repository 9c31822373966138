/**
 * High Precision Event Timer (IA-PC HPET specification 1.0a): a 64-bit counter with three comparators. One count is one tick,
 * so that nothing is rounded.
 */
import {
  decodeRegisters,
  field,
  flag,
  type AccessBytes,
  type InterruptLine,
  type MappedDevice,
  type RegisterRow,
  type TimedDevice,
} from './device.ts';

const TIMERS = 3;
const FEMTOSECONDS_PER_SECOND = 1_000_000_000_000_000;
const CAPABILITIES = 0x00;
const CONFIGURATION = 0x10;
const INTERRUPT_STATUS = 0x20;
const MAIN_COUNTER = 0xf0;
const FIRST_TIMER = 0x100;
const TIMER_BYTES = 0x20;
/** Revision 1, three timers (index of the last one), 64-bit counter, legacy replacement routes, Intel. */
const CAPABILITIES_LOW = 0x8086_0000 + 0x8000 + 0x2000 + ((TIMERS - 1) << 8) + 1;
const ENABLE = 1;
const LEGACY = 2;
const LEVEL = 1 << 1;
const INTERRUPT_ENABLE = 1 << 2;
const PERIODIC = 1 << 3;
const VALUE_SET = 1 << 6;
const NARROW = 1 << 8;
const ROUTE_BIT = 9;
/** Bits of a timer's configuration that can be written; periodic mode and 64-bit size are what every timer can do. */
const TIMER_WRITABLE = 0x3f4e;
const TIMER_CAPABLE = (1 << 4) | (1 << 5);
/** I/O APIC pins that no ISA interrupt uses. */
const ROUTES = 0x00f0_0000;
const MASK_64 = 0xffff_ffff_ffff_ffffn;
const MASK_32 = 0xffff_ffffn;

const timerRow = (index: number): RegisterRow => ({
  title: `Timer ${index} configuration`,
  offset: FIRST_TIMER + index * TIMER_BYTES,
  access: 'read-write',
  bits: 32,
  fields: [
    flag('LEVEL', 1, 'level triggered'),
    flag('ENABLE', 2, 'interrupt enabled'),
    flag('PERIODIC', 3, 'periodic mode'),
    flag('NARROW', 8, '32-bit mode'),
    field('ROUTE', 13, 9, 'I/O APIC pin'),
  ],
});
const HPET_REGISTERS = {
  CONFIGURATION: {
    title: 'General configuration',
    offset: CONFIGURATION,
    access: 'read-write',
    bits: 32,
    fields: [flag('ENABLE', 0, 'counter runs'), flag('LEGACY', 1, 'replaces IRQ 0 and IRQ 8')],
  },
  STATUS: { title: 'General interrupt status', offset: INTERRUPT_STATUS, access: 'read-write', bits: 32, fields: [] },
  COUNTER: { title: 'Main counter, low half', offset: MAIN_COUNTER, access: 'read-write', bits: 32, fields: [] },
  TIMER0: timerRow(0),
  TIMER1: timerRow(1),
  TIMER2: timerRow(2),
} as const satisfies Record<string, RegisterRow>;

interface TimerState {
  readonly configuration: number;
  /** 64-bit values in hexadecimal digits. */
  readonly comparator: string;
  readonly period: string;
  readonly highFollows: boolean;
}

export interface HpetState {
  readonly configuration: number;
  readonly status: number;
  /** Counter at `since`; runs from there while enabled. */
  readonly counter: string;
  readonly since: number;
  readonly now: number;
  readonly timers: readonly TimerState[];
}

interface Timer {
  configuration: number;
  comparator: bigint;
  period: bigint;
  /** The low half of the comparator was just written under VAL_SET. */
  highFollows: boolean;
}

export interface HpetLines {
  /** The wire to an interrupt input: legacy replacement routes are `IRQ 0` and `IRQ 8`. */
  output(to: { readonly pin: number } | { readonly legacyIrq: 0 | 8 }): InterruptLine;
}

export class Hpet implements MappedDevice<HpetState>, TimedDevice {
  readonly name = 'HPET';
  readonly byteCount = 0x400;
  readonly #periodFemtoseconds: number;
  readonly #lines: HpetLines;
  #configuration = 0;
  #status = 0;
  #counter = 0n;
  #since = 0;
  #now = 0;
  readonly #timers: Timer[] = Array.from({ length: TIMERS }, () => ({
    configuration: 0,
    comparator: MASK_64,
    period: 0n,
    highFollows: false,
  }));

  constructor(ticksPerSecond: number, lines: HpetLines) {
    this.#periodFemtoseconds = FEMTOSECONDS_PER_SECOND / ticksPerSecond;
    this.#lines = lines;
  }

  /** Timer 0 and 1 have taken the place of PIT and RTC at IRQ 0 and IRQ 8. */
  get replacesLegacy(): boolean {
    return (this.#configuration & LEGACY) !== 0;
  }

  get #running(): boolean {
    return (this.#configuration & ENABLE) !== 0;
  }

  #countAt(now: number): bigint {
    return this.#running ? (this.#counter + BigInt(now - this.#since)) & MASK_64 : this.#counter;
  }

  /** Counts until the timer matches; a match at the very count is a whole turn away. */
  #distance(timer: Timer): bigint {
    const mask = (timer.configuration & NARROW) !== 0 ? MASK_32 : MASK_64;
    const distance = (timer.comparator - this.#countAt(this.#now)) & mask;
    return distance === 0n ? mask + 1n : distance;
  }

  nextEvent(): number | undefined {
    if (!this.#running) return undefined;
    let next: number | undefined;
    for (const timer of this.#timers) {
      if ((timer.configuration & INTERRUPT_ENABLE) === 0) continue;
      const distance = this.#distance(timer);
      if (distance > BigInt(2 ** 52)) continue;
      const at = this.#now + Number(distance);
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  advanceTo(now: number): void {
    const elapsed = BigInt(now - this.#now);
    const reached = this.#running ? this.#timers.map((timer) => this.#distance(timer) <= elapsed) : [];
    this.#now = now;
    reached.forEach((matched, index) => matched && this.#match(index));
  }

  #match(index: number): void {
    const timer = this.#timers[index];
    if (timer === undefined) return;
    if ((timer.configuration & PERIODIC) !== 0 && timer.period > 0n) {
      const mask = (timer.configuration & NARROW) !== 0 ? MASK_32 : MASK_64;
      const behind = (this.#countAt(this.#now) - timer.comparator) & mask;
      timer.comparator = (timer.comparator + (behind / timer.period + 1n) * timer.period) & mask;
    }
    if ((timer.configuration & LEVEL) !== 0) {
      this.#status |= 1 << index;
      if ((timer.configuration & INTERRUPT_ENABLE) !== 0) this.#output(index).set(true);
    } else if ((timer.configuration & INTERRUPT_ENABLE) !== 0) {
      this.#output(index).set(true);
      this.#output(index).set(false);
    }
  }

  #output(index: number): InterruptLine {
    if (this.replacesLegacy && index < 2) return this.#lines.output({ legacyIrq: index === 0 ? 0 : 8 });
    return this.#lines.output({ pin: ((this.#timers[index]?.configuration ?? 0) >> ROUTE_BIT) & 31 });
  }

  read(offset: number, bytes: AccessBytes): number {
    const value = this.#word(offset & ~3);
    return bytes === 4 ? value : (value >>> ((offset & 3) * 8)) & (bytes === 2 ? 0xffff : 0xff);
  }

  #word(offset: number): number {
    const value = this.#register(offset & ~7);
    return Number((offset & 4) === 0 ? value & MASK_32 : value >> 32n);
  }

  #register(offset: number): bigint {
    switch (offset) {
      case CAPABILITIES:
        return (BigInt(this.#periodFemtoseconds) << 32n) | BigInt(CAPABILITIES_LOW);
      case CONFIGURATION:
        return BigInt(this.#configuration);
      case INTERRUPT_STATUS:
        return BigInt(this.#status);
      case MAIN_COUNTER:
        return this.#countAt(this.#now);
    }
    const timer = this.#timers[Math.floor((offset - FIRST_TIMER) / TIMER_BYTES)];
    if (timer === undefined) return 0n;
    const inTimer = offset % TIMER_BYTES;
    if (inTimer === 0) return (BigInt(ROUTES) << 32n) | BigInt(timer.configuration | TIMER_CAPABLE);
    return inTimer === 8 ? timer.comparator : 0n;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    // Software shall access whole registers or their halves (specification 2.3.2).
    if (bytes !== 4 || (offset & 3) !== 0) return;
    const high = (offset & 4) !== 0;
    switch (offset & ~7) {
      case CONFIGURATION:
        if (!high) this.#configure(value);
        return;
      case INTERRUPT_STATUS:
        if (!high) this.#acknowledge(value);
        return;
      case MAIN_COUNTER:
        this.#counter = replaceHalf(this.#countAt(this.#now), value, high);
        this.#since = this.#now;
        return;
    }
    const index = Math.floor((offset - FIRST_TIMER) / TIMER_BYTES);
    const timer = this.#timers[index];
    if (timer === undefined) return;
    const inTimer = offset % TIMER_BYTES;
    if ((inTimer & ~7) !== 8) timer.highFollows = false;
    if (inTimer === 0) {
      this.#acknowledgeIfEdge(index, value);
      timer.configuration = value & TIMER_WRITABLE;
    } else if ((inTimer & ~7) === 8) writeComparator(timer, value, high);
  }

  #configure(value: number): void {
    this.#counter = this.#countAt(this.#now);
    this.#since = this.#now;
    this.#configuration = value & (ENABLE | LEGACY);
  }

  #acknowledge(bits: number): void {
    this.#timers.forEach((_, index) => {
      if ((bits & this.#status & (1 << index)) === 0) return;
      this.#status &= ~(1 << index);
      this.#output(index).set(false);
    });
  }

  /** A timer that becomes edge triggered, or loses its interrupt, lets go of its line. */
  #acknowledgeIfEdge(index: number, configuration: number): void {
    const holds = LEVEL | INTERRUPT_ENABLE;
    if ((configuration & holds) !== holds) this.#acknowledge(1 << index);
  }

  save(): HpetState {
    return {
      configuration: this.#configuration,
      status: this.#status,
      counter: this.#counter.toString(16),
      since: this.#since,
      now: this.#now,
      timers: this.#timers.map((timer) => ({
        ...timer,
        comparator: timer.comparator.toString(16),
        period: timer.period.toString(16),
      })),
    };
  }

  load(state: HpetState): void {
    this.#configuration = state.configuration;
    this.#status = state.status;
    this.#counter = BigInt(`0x${state.counter}`);
    this.#since = state.since;
    this.#now = state.now;
    state.timers.forEach((timer, index) => {
      const { comparator, period } = timer;
      this.#timers[index] = { ...timer, comparator: BigInt(`0x${comparator}`), period: BigInt(`0x${period}`) };
    });
  }

  registers() {
    const configuration = (index: number) => this.#timers[index]?.configuration ?? 0;
    return decodeRegisters(HPET_REGISTERS, {
      CONFIGURATION: this.#configuration,
      STATUS: this.#status,
      COUNTER: this.#word(MAIN_COUNTER),
      TIMER0: configuration(0),
      TIMER1: configuration(1),
      TIMER2: configuration(2),
    });
  }
}

const replaceHalf = (old: bigint, value: number, high: boolean): bigint =>
  high ? (old & MASK_32) | (BigInt(value >>> 0) << 32n) : (old & ~MASK_32) | BigInt(value >>> 0);

/** In periodic mode VAL_SET lets one write through to the comparator; every write is the period (specification 2.3.9.2.2). */
function writeComparator(timer: Timer, value: number, high: boolean): void {
  if ((timer.configuration & PERIODIC) === 0) {
    timer.comparator = replaceHalf(timer.comparator, value, high);
    return;
  }
  timer.period = replaceHalf(timer.period, value, high);
  const through = (timer.configuration & VALUE_SET) !== 0 || (high && timer.highFollows);
  if (through) timer.comparator = replaceHalf(timer.comparator, value, high);
  // A 64-bit store comes as two halves: its second half still belongs to the one write that VAL_SET allows.
  timer.highFollows = through && !high;
  timer.configuration &= ~VALUE_SET;
}
