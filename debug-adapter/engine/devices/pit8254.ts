/**
 * 8254 programmable interval timer (Intel 82C54 data sheet) as a PC has it: counters 0 and 1 with GATE tied high, counter 2
 * gated by port 61h. Counter 0's OUT is IRQ 0.
 */
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
import { PitCounter, type CounterAccess, type CounterMode, type CounterState } from './pit-counter.ts';

/** The PC's timer clock: a third of the colour burst crystal's 3.579545 MHz, in pulses per second. */
export const PIT_HERTZ = 1_193_182;

const CONTROL_OFFSET = 3;
/** The refresh request toggles port 61h bit 4 every 18 pulses, about 15 microseconds. */
const REFRESH_PULSES = 18;

const ACCESS: Readonly<Record<number, CounterAccess>> = { 1: 'low', 2: 'high', 3: 'low-high' };
/** Control word bits 3:1; 6 and 7 are other spellings of modes 2 and 3. */
const MODES = [0, 1, 2, 3, 4, 5, 2, 3] as const satisfies readonly CounterMode[];

const countRow = (counter: number) =>
  ({ title: `Counter ${counter}`, offset: counter, access: 'read-write', bits: 16, fields: [] }) as const;
const reloadRow = (counter: number) =>
  ({ title: `Count register of counter ${counter}`, access: 'internal', bits: 16, fields: [] }) as const;
const statusRow = (counter: number) =>
  ({
    title: `Status of counter ${counter}`,
    access: 'internal',
    bits: 8,
    fields: [
      flag('BCD', 0, 'counts in decimal'),
      field('MODE', 3, 1, 'mode', {
        0: 'interrupt on terminal count',
        1: 'one-shot',
        2: 'rate generator',
        3: 'square wave',
        4: 'software strobe',
        5: 'hardware strobe',
      }),
      field('RW', 5, 4, 'bytes read and written', { 1: 'low', 2: 'high', 3: 'low then high' }),
      flag('NULL', 6, 'count not loaded yet'),
      flag('OUT', 7, 'level of OUT'),
    ],
  }) as const;

const PIT_REGISTERS = {
  COUNT0: countRow(0),
  RELOAD0: reloadRow(0),
  STATUS0: statusRow(0),
  COUNT1: countRow(1),
  RELOAD1: reloadRow(1),
  STATUS1: statusRow(1),
  COUNT2: countRow(2),
  RELOAD2: reloadRow(2),
  STATUS2: statusRow(2),
} as const satisfies Record<string, RegisterRow>;

export interface PitState {
  /** Clock pulses taken since tick 0. */
  readonly pulses: number;
  readonly counters: readonly [CounterState, CounterState, CounterState];
}

export class Pit8254 implements PortDevice<PitState>, TimedDevice {
  readonly name = 'PIT';
  readonly portCount = 4;
  readonly widestAccess = 1;
  readonly #clock: DeviceClock;
  readonly #counters: readonly [PitCounter, PitCounter, PitCounter];
  #pulses = 0;

  /** `interrupt` is IRQ 0. */
  constructor(ticksPerSecond: number, interrupt: InterruptLine) {
    this.#clock = new DeviceClock(PIT_HERTZ, ticksPerSecond);
    const unconnected = () => undefined;
    this.#counters = [
      new PitCounter(true, (level) => interrupt.set(level)),
      new PitCounter(true, unconnected),
      new PitCounter(false, unconnected),
    ];
  }

  nextEvent(): number | undefined {
    // Only counter 0 is wired to anything that must be told in time; the others are computed when they are looked at.
    const pulses = this.#counters[0].pulsesToEvent();
    return pulses === undefined ? undefined : this.#clock.tickOfPulse(this.#pulses + pulses);
  }

  advanceTo(now: number): void {
    const pulses = this.#clock.pulsesAt(now);
    const elapsed = pulses - this.#pulses;
    if (elapsed < 0) throw new Error('Invariant broken: time went backwards for the PIT');
    if (elapsed === 0) return;
    this.#pulses = pulses;
    for (const counter of this.#counters) counter.advance(elapsed);
  }

  /** GATE of counter 2, from port 61h bit 0. */
  setSpeakerGate(level: boolean): void {
    this.#counters[2].setGate(level);
  }

  /** OUT of counter 2, for port 61h bit 5. */
  get speakerOut(): boolean {
    return this.#counters[2].out;
  }

  /** For port 61h bit 4: flips with each memory refresh, whatever counter 1 is programmed to. */
  get refreshToggle(): boolean {
    return Math.floor(this.#pulses / REFRESH_PULSES) % 2 === 1;
  }

  read(offset: number, _bytes: AccessBytes): number {
    // The control word register cannot be read; the bus floats high.
    return this.#counters[offset]?.read() ?? 0xff;
  }

  write(offset: number, _bytes: AccessBytes, value: number): void {
    if (offset === CONTROL_OFFSET) this.#control(value);
    else this.#counters[offset]?.write(value);
  }

  save(): PitState {
    const [first, second, third] = this.#counters;
    return { pulses: this.#pulses, counters: [first.save(), second.save(), third.save()] };
  }

  load(state: PitState): void {
    this.#pulses = state.pulses;
    this.#counters[0].load(state.counters[0]);
    this.#counters[1].load(state.counters[1]);
    this.#counters[2].load(state.counters[2]);
  }

  registers() {
    const [first, second, third] = this.#counters;
    return decodeRegisters(PIT_REGISTERS, {
      COUNT0: first.countNow,
      RELOAD0: first.written,
      STATUS0: first.status,
      COUNT1: second.countNow,
      RELOAD1: second.written,
      STATUS1: second.status,
      COUNT2: third.countNow,
      RELOAD2: third.written,
      STATUS2: third.status,
    });
  }

  #control(value: number): void {
    const counter = this.#counters[value >> 6];
    if (counter === undefined) return this.#readBack(value);
    const access = ACCESS[(value >> 4) & 3];
    if (access === undefined) counter.latchCount();
    else counter.control(MODES[(value >> 1) & 7] ?? 0, access, (value & 1) !== 0);
  }

  #readBack(value: number): void {
    this.#counters.forEach((counter, index) => {
      if ((value & (2 << index)) === 0) return;
      if ((value & 0x20) === 0) counter.latchCount();
      if ((value & 0x10) === 0) counter.latchStatus();
    });
  }
}
