/**
 * MC146818 real-time clock with CMOS memory at its two ports (Motorola MC146818A data sheet; IBM PC AT for the memory). Time
 * is virtual: it starts at 1 January 2000 and follows the instruction count.
 */
import { START_OF_TIME, oneSecondLater, type CalendarTime } from './calendar.ts';
import { DeviceClock } from './clock.ts';
import {
  decodeRegisters,
  field,
  flag,
  type AccessBytes,
  type InterruptLine,
  type PortDevice,
  type RegisterRow,
  type TimedDevice,
} from './device.ts';
import { EXTENDED_MEMORY, LOW_RAM_LIMIT } from '../base/memory-map.ts';

/** The clock crystal, in pulses per second. */
export const RTC_HERTZ = 32_768;
/** UIP is set 244 microseconds before an update. */
const UPDATE_NOTICE_PULSES = 8;

const INDEX_OFFSET = 0;
const INDEX_MASK = 0x7f;
const MEMORY_BYTES = 128;

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
const SECOND_ALARM = 0x01;
const MINUTE_ALARM = 0x03;
const HOUR_ALARM = 0x05;
const HOUR = 0x04;
const CENTURY = 0x32;

/** Which register shows which part of the time. */
const TIME_REGISTERS: Readonly<Record<number, keyof CalendarTime>> = {
  0x00: 'second',
  0x02: 'minute',
  [HOUR]: 'hour',
  0x06: 'weekday',
  0x07: 'day',
  0x08: 'month',
  0x09: 'year',
  [CENTURY]: 'century',
};

const A_UIP = 0x80;
/** Divider 010b (32,768 Hz crystal) and rate 0110b (1,024 Hz), as every PC firmware leaves it. */
const A_RESET = 0x26;
const B_24_HOUR = 0x02;
const B_BINARY = 0x04;
const B_SET = 0x80;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const C_CAUSES = C_PF | C_AF | C_UF;
const D_VALID = 0x80;
/** An alarm byte with both top bits set matches any value. */
const ALARM_ANY = 0xc0;
const HOUR_PM = 0x80;

const RTC_REGISTERS = {
  INDEX: { title: 'Selected location', offset: INDEX_OFFSET, access: 'write', bits: 8, fields: [] },
  SECONDS: { title: 'Seconds', access: 'internal', bits: 8, fields: [] },
  MINUTES: { title: 'Minutes', access: 'internal', bits: 8, fields: [] },
  HOURS: { title: 'Hours', access: 'internal', bits: 8, fields: [] },
  DAY: { title: 'Day of the month', access: 'internal', bits: 8, fields: [] },
  MONTH: { title: 'Month', access: 'internal', bits: 8, fields: [] },
  YEAR: { title: 'Year in the century', access: 'internal', bits: 8, fields: [] },
  A: {
    title: 'Register A',
    access: 'internal',
    bits: 8,
    fields: [
      field('RS', 3, 0, 'periodic rate'),
      field('DV', 6, 4, 'divider', { 2: '32,768 Hz' }),
      flag('UIP', 7, 'update in progress'),
    ],
  },
  B: {
    title: 'Register B',
    access: 'internal',
    bits: 8,
    fields: [
      flag('DSE', 0, 'daylight saving'),
      flag('24/12', 1, '24-hour mode'),
      flag('DM', 2, 'binary mode'),
      flag('SQWE', 3, 'square wave'),
      flag('UIE', 4, 'update interrupt'),
      flag('AIE', 5, 'alarm interrupt'),
      flag('PIE', 6, 'periodic interrupt'),
      flag('SET', 7, 'updates inhibited'),
    ],
  },
  C: {
    title: 'Register C',
    access: 'internal',
    bits: 8,
    fields: [
      flag('UF', 4, 'update'),
      flag('AF', 5, 'alarm'),
      flag('PF', 6, 'periodic'),
      flag('IRQF', 7, 'interrupt request'),
    ],
  },
} as const satisfies Record<string, RegisterRow>;

export interface CmosState {
  readonly index: number;
  /** Crystal pulses since tick 0. */
  readonly pulses: number;
  readonly time: CalendarTime;
  readonly registerB: number;
  /** Causes seen since register C was read, without IRQF. */
  readonly causes: number;
  /** Everything else: alarms, register A and battery-backed memory. */
  readonly memory: readonly number[];
  readonly line: boolean;
}

export class Cmos implements PortDevice<CmosState>, TimedDevice {
  readonly name = 'CMOS and real-time clock';
  readonly portCount = 2;
  readonly widestAccess = 1;
  readonly #clock: DeviceClock;
  readonly #interrupt: InterruptLine;
  #index = 0;
  #pulses = 0;
  #time = START_OF_TIME;
  #registerB = B_24_HOUR;
  #causes = 0;
  #memory: number[];
  #line = false;

  /** `interrupt` is IRQ 8. */
  constructor(ticksPerSecond: number, memoryBytes: number, interrupt: InterruptLine) {
    this.#clock = new DeviceClock(RTC_HERTZ, ticksPerSecond);
    this.#interrupt = interrupt;
    this.#memory = initialMemory(memoryBytes);
  }

  nextEvent(): number | undefined {
    if (this.#line) return undefined;
    const events: number[] = [];
    const enabled = this.#registerB & C_CAUSES;
    const period = this.#period;
    if ((enabled & C_PF) !== 0 && period !== undefined) events.push((Math.floor(this.#pulses / period) + 1) * period);
    if ((enabled & (C_UF | C_AF)) !== 0) events.push((Math.floor(this.#pulses / RTC_HERTZ) + 1) * RTC_HERTZ);
    return events.length === 0 ? undefined : this.#clock.tickOfPulse(Math.min(...events));
  }

  advanceTo(now: number): void {
    const pulses = this.#clock.pulsesAt(now);
    if (pulses < this.#pulses) throw new Error('Invariant broken: time went backwards for the real-time clock');
    const period = this.#period;
    if (period !== undefined && Math.floor(pulses / period) > Math.floor(this.#pulses / period)) this.#causes |= C_PF;
    const seconds = Math.floor(pulses / RTC_HERTZ) - Math.floor(this.#pulses / RTC_HERTZ);
    this.#pulses = pulses;
    for (let second = 0; second < seconds; second++) this.#updateTime();
    this.#update();
  }

  read(offset: number, _bytes: AccessBytes): number {
    // The index port cannot be read on an AT.
    if (offset === INDEX_OFFSET) return 0xff;
    const value = this.#peek(this.#index);
    if (this.#index === REGISTER_C) {
      this.#causes = 0;
      this.#update();
    }
    return value;
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    // Bit 7 of the index masks NMI, which nothing on this board raises.
    if (offset === INDEX_OFFSET) this.#index = value & INDEX_MASK;
    else this.#poke(this.#index, value);
  }

  save(): CmosState {
    return {
      index: this.#index,
      pulses: this.#pulses,
      time: this.#time,
      registerB: this.#registerB,
      causes: this.#causes,
      memory: [...this.#memory],
      line: this.#line,
    };
  }

  load(state: CmosState): void {
    this.#index = state.index;
    this.#pulses = state.pulses;
    this.#time = state.time;
    this.#registerB = state.registerB;
    this.#causes = state.causes;
    this.#memory = [...state.memory];
    this.#line = state.line;
  }

  registers() {
    return decodeRegisters(RTC_REGISTERS, {
      INDEX: this.#index,
      SECONDS: this.#peek(0x00),
      MINUTES: this.#peek(0x02),
      HOURS: this.#peek(HOUR),
      DAY: this.#peek(0x07),
      MONTH: this.#peek(0x08),
      YEAR: this.#peek(0x09),
      A: this.#peek(REGISTER_A),
      B: this.#peek(REGISTER_B),
      C: this.#peek(REGISTER_C),
    });
  }

  /** Pulses between periodic interrupts; undefined where the rate is 0. Rates 1 and 2 repeat 8 and 9. */
  get #period(): number | undefined {
    const rate = this.#stored(REGISTER_A) & 0x0f;
    if (rate === 0) return undefined;
    return rate < 3 ? 1 << (rate + 6) : 1 << (rate - 1);
  }

  #stored(index: number): number {
    return this.#memory[index] ?? 0;
  }

  #peek(index: number): number {
    const part = TIME_REGISTERS[index];
    if (part !== undefined) return part === 'hour' ? this.#encodeHour(this.#time.hour) : this.#encode(this.#time[part]);
    switch (index) {
      case REGISTER_A: {
        const untilUpdate = RTC_HERTZ - (this.#pulses % RTC_HERTZ);
        const updating = (this.#registerB & B_SET) === 0 && untilUpdate <= UPDATE_NOTICE_PULSES;
        return this.#stored(REGISTER_A) | (updating ? A_UIP : 0);
      }
      case REGISTER_B:
        return this.#registerB;
      case REGISTER_C:
        return this.#causes | ((this.#causes & this.#registerB) !== 0 ? C_IRQF : 0);
      case REGISTER_D:
        return D_VALID;
      default:
        return this.#stored(index);
    }
  }

  #poke(index: number, value: number): void {
    const part = TIME_REGISTERS[index];
    if (part !== undefined) {
      this.#time = { ...this.#time, [part]: part === 'hour' ? this.#decodeHour(value) : this.#decode(value) };
      return;
    }
    switch (index) {
      case REGISTER_A:
        this.#memory[index] = value & ~A_UIP;
        return;
      case REGISTER_B:
        // SET ends an update in progress and its interrupt (data sheet, "Register B").
        this.#registerB = (value & B_SET) !== 0 ? value & ~C_UF : value;
        this.#update();
        return;
      case REGISTER_C:
      case REGISTER_D:
        return;
      default:
        this.#memory[index] = value;
    }
  }

  #encode(value: number): number {
    return (this.#registerB & B_BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(value: number): number {
    return (this.#registerB & B_BINARY) !== 0 ? value : (value >> 4) * 10 + (value & 15);
  }

  #encodeHour(hour: number): number {
    if ((this.#registerB & B_24_HOUR) !== 0) return this.#encode(hour);
    return this.#encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? HOUR_PM : 0);
  }

  #decodeHour(value: number): number {
    if ((this.#registerB & B_24_HOUR) !== 0) return this.#decode(value);
    return (this.#decode(value & ~HOUR_PM) % 12) + ((value & HOUR_PM) !== 0 ? 12 : 0);
  }

  /** The update cycle, once a second. */
  #updateTime(): void {
    if ((this.#registerB & B_SET) !== 0) return;
    this.#time = oneSecondLater(this.#time);
    this.#causes |= C_UF;
    const { second, minute, hour } = this.#time;
    const matches = (index: number, value: number) => this.#stored(index) >= ALARM_ANY || this.#stored(index) === value;
    if (
      matches(SECOND_ALARM, this.#encode(second)) &&
      matches(MINUTE_ALARM, this.#encode(minute)) &&
      matches(HOUR_ALARM, this.#encodeHour(hour))
    ) {
      this.#causes |= C_AF;
    }
  }

  #update(): void {
    const line = (this.#causes & this.#registerB) !== 0;
    if (line === this.#line) return;
    this.#line = line;
    this.#interrupt.set(line);
  }
}

/** What the firmware's set-up has left in the battery-backed memory. */
function initialMemory(memoryBytes: number): number[] {
  const memory = new Array<number>(MEMORY_BYTES).fill(0);
  const word = (index: number, value: number) => {
    memory[index] = value & 0xff;
    memory[index + 1] = value >> 8;
  };
  const low = Math.min(memoryBytes, LOW_RAM_LIMIT);
  const kibAboveOneMib = Math.max(Math.floor((low - EXTENDED_MEMORY) / 1024), 0);
  const blocksAbove16Mib = Math.max(Math.floor((low - 0x100_0000) / 0x1_0000), 0);
  const blocksAbove4Gib = Math.floor((memoryBytes - low) / 0x1_0000);
  memory[REGISTER_A] = A_RESET;
  // Drive 0 is a 1.44 MB floppy; equipment: one floppy drive, colour display, one serial port (as the BIOS data area says).
  memory[0x10] = 0x40;
  memory[0x14] = 0x21;
  word(0x15, 640);
  word(0x17, Math.min(kibAboveOneMib, 0xffff));
  word(0x30, Math.min(kibAboveOneMib, 0xffff));
  word(0x34, Math.min(blocksAbove16Mib, 0xffff));
  word(0x5b, blocksAbove4Gib & 0xffff);
  memory[0x5d] = Math.floor(blocksAbove4Gib / 0x1_0000) & 0xff;
  // Checksum of 10h to 2Dh, high byte first.
  const checksum = memory.slice(0x10, 0x2e).reduce((sum, byte) => sum + byte, 0);
  memory[0x2e] = checksum >> 8;
  memory[0x2f] = checksum & 0xff;
  return memory;
}
