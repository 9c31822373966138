/**
 * One counter of an 8254 (Intel 82C54 data sheet, "Mode Definitions"): count register, counting element, OUT and GATE.
 * Knows pulses of its clock, not time. Periods without a change are taken in one subtraction.
 */

export type CounterMode = 0 | 1 | 2 | 3 | 4 | 5;
/** Which bytes of the count a program reads and writes. */
export type CounterAccess = 'low' | 'high' | 'low-high';

export interface CounterState {
  readonly mode: CounterMode;
  readonly access: CounterAccess;
  readonly bcd: boolean;
  /** Count register as written, 16 bits. */
  readonly written: number;
  /** Counting element; 1 .. modulus after a load, 0 .. modulus - 1 after it has wrapped. */
  readonly count: number;
  /** The count last loaded was odd (mode 3 counts in twos). */
  readonly odd: boolean;
  readonly out: boolean;
  readonly gate: boolean;
  /** The count register holds something the counting element has not got yet. */
  readonly nullCount: boolean;
  /** A count was written since the control word. */
  readonly programmed: boolean;
  /** The counting element was loaded since the control word. */
  readonly loaded: boolean;
  /** The next pulse loads the counting element instead of counting. */
  readonly loadPending: boolean;
  /** Reaching zero will act on OUT (modes 0, 1, 4, 5 act once for each load). */
  readonly armed: boolean;
  /** OUT is low for this one pulse (modes 4 and 5). */
  readonly strobing: boolean;
  /** First byte of a two-byte write; undefined between writes. */
  readonly lowWritten: number | null;
  /** The next read of a two-byte count answers the high byte. */
  readonly readHigh: boolean;
  readonly latchedCount: number | null;
  readonly latchedStatus: number | null;
}

type Mutable<State> = { -readonly [Key in keyof State]: State[Key] };

const ACCESS_BITS: Readonly<Record<CounterAccess, number>> = { low: 1, high: 2, 'low-high': 3 };

export const fromBcd = (value: number): number =>
  (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
export const toBcd = (value: number): number =>
  (Math.floor(value / 1000) << 12) |
  ((Math.floor(value / 100) % 10) << 8) |
  ((Math.floor(value / 10) % 10) << 4) |
  (value % 10);

export class PitCounter {
  readonly #outChanged: (level: boolean) => void;
  #s: Mutable<CounterState>;

  /** `gate` is the level the board ties GATE to; `outChanged` is called for each change of OUT, in order. */
  constructor(gate: boolean, outChanged: (level: boolean) => void) {
    this.#outChanged = outChanged;
    this.#s = {
      mode: 0,
      access: 'low-high',
      bcd: false,
      written: 0,
      count: 0,
      odd: false,
      out: false,
      gate,
      nullCount: true,
      programmed: false,
      loaded: false,
      loadPending: false,
      armed: false,
      strobing: false,
      lowWritten: null,
      readHigh: false,
      latchedCount: null,
      latchedStatus: null,
    };
  }

  get out(): boolean {
    return this.#s.out;
  }

  /** What a read would give, in the counter's own number format. */
  get countNow(): number {
    const value = this.#s.count % this.#modulus;
    return this.#s.bcd ? toBcd(value) : value;
  }

  /** The status byte of the read-back command. */
  get status(): number {
    const s = this.#s;
    return (
      (Number(s.out) << 7) | (Number(s.nullCount) << 6) | (ACCESS_BITS[s.access] << 4) | (s.mode << 1) | Number(s.bcd)
    );
  }

  get written(): number {
    return this.#s.written;
  }

  /** Programs mode and access; the counter then waits for a count. */
  control(mode: CounterMode, access: CounterAccess, bcd: boolean): void {
    this.#s = {
      ...this.#s,
      mode,
      access,
      bcd,
      nullCount: true,
      programmed: false,
      loaded: false,
      loadPending: false,
      armed: false,
      strobing: false,
      lowWritten: null,
      readHigh: false,
      latchedCount: null,
      latchedStatus: null,
    };
    this.#setOut(mode !== 0);
  }

  latchCount(): void {
    this.#s.latchedCount ??= this.countNow;
  }

  latchStatus(): void {
    this.#s.latchedStatus ??= this.status;
  }

  write(value: number): void {
    const s = this.#s;
    if (s.access === 'low') this.#setCount(value);
    else if (s.access === 'high') this.#setCount(value << 8);
    else if (s.lowWritten === null) {
      s.lowWritten = value;
      // In mode 0 the first byte stops counting and takes OUT down at once.
      if (s.mode === 0) this.#setOut(false);
    } else {
      const low = s.lowWritten;
      s.lowWritten = null;
      this.#setCount(low | (value << 8));
    }
  }

  read(): number {
    const s = this.#s;
    if (s.latchedStatus !== null) {
      const status = s.latchedStatus;
      s.latchedStatus = null;
      return status;
    }
    const count = s.latchedCount ?? this.countNow;
    const high = s.access === 'high' || (s.access === 'low-high' && s.readHigh);
    if (s.access === 'low-high') s.readHigh = !s.readHigh;
    // A latched count is held until all of it has been read.
    if (s.access !== 'low-high' || high) s.latchedCount = null;
    return high ? count >> 8 : count & 0xff;
  }

  setGate(level: boolean): void {
    const s = this.#s;
    if (level === s.gate) return;
    s.gate = level;
    const triggers = s.mode === 1 || s.mode === 2 || s.mode === 3 || s.mode === 5;
    if (level && triggers && s.programmed) s.loadPending = true;
    if (!level && (s.mode === 2 || s.mode === 3)) this.#setOut(true);
  }

  /** Pulses until the counter next does more than count down; undefined where it never does by itself. */
  pulsesToEvent(): number | undefined {
    if (this.#s.loadPending) return 1;
    if (!this.#counting) return undefined;
    const quiet = this.#quietPulses();
    return quiet === Infinity ? undefined : quiet + 1;
  }

  /** Takes `pulses` clock pulses. */
  advance(pulses: number): void {
    let left = pulses;
    while (left > 0) {
      if (!this.#s.loadPending) {
        if (!this.#counting) return;
        left -= this.#skipPeriods(left);
        const quiet = Math.min(this.#quietPulses(), left);
        this.#countDown(quiet);
        left -= quiet;
        if (left === 0) return;
      }
      this.#pulse();
      left -= 1;
    }
  }

  save(): CounterState {
    return { ...this.#s };
  }

  load(state: CounterState): void {
    this.#s = { ...state };
  }

  get #modulus(): number {
    return this.#s.bcd ? 10_000 : 0x1_0000;
  }

  /** The count register as a number of pulses; 0 stands for the modulus. */
  get #reload(): number {
    const { written, bcd } = this.#s;
    const value = bcd ? fromBcd(written) : written;
    return value === 0 ? this.#modulus : value;
  }

  get #counting(): boolean {
    const s = this.#s;
    if (!s.loaded) return false;
    if (s.mode === 1 || s.mode === 5) return true;
    return s.gate && !(s.mode === 0 && s.lowWritten !== null);
  }

  #setOut(level: boolean): void {
    if (level === this.#s.out) return;
    this.#s.out = level;
    this.#outChanged(level);
  }

  #setCount(written: number): void {
    const s = this.#s;
    s.written = written;
    s.nullCount = true;
    s.programmed = true;
    if (s.mode === 0) this.#setOut(false);
    // Modes 0 and 4 start over with each count, 2 and 3 take a new one when they reload, 1 and 5 wait for the gate.
    if (s.mode === 0 || s.mode === 4 || ((s.mode === 2 || s.mode === 3) && !s.loaded)) s.loadPending = true;
  }

  /** Moves the count register into the counting element. */
  #loadCount(): void {
    const s = this.#s;
    const reload = this.#reload;
    // Mode 3 counts in twos, so an odd count loses one here and gets the pulse back while OUT is high.
    s.odd = reload % 2 === 1;
    s.count = s.mode === 3 && s.odd ? reload - 1 : reload;
    s.nullCount = false;
    s.loaded = true;
    s.loadPending = false;
  }

  /** Pulses that only count down before one that also does something. */
  #quietPulses(): number {
    const s = this.#s;
    if (s.mode === 2) return Math.max(s.count - 2, 0);
    if (s.mode === 3) return this.#oddHighHalf ? s.count / 2 : Math.max(s.count / 2 - 1, 0);
    if (s.strobing) return 0;
    if (!s.armed) return Infinity;
    return (s.count === 0 ? this.#modulus : s.count) - 1;
  }

  /** Odd square waves are high one pulse longer than low. */
  get #oddHighHalf(): boolean {
    return this.#s.out && this.#s.odd;
  }

  /** Whole periods leave everything as it is: this many of `pulses` need no work. One period is kept for its edges. */
  #skipPeriods(pulses: number): number {
    const { mode, nullCount } = this.#s;
    if ((mode !== 2 && mode !== 3) || nullCount) return 0;
    const period = this.#reload;
    return Math.max(Math.floor(pulses / period) - 1, 0) * period;
  }

  #countDown(pulses: number): void {
    const s = this.#s;
    if (s.mode === 3) s.count -= 2 * pulses;
    else {
      const modulus = this.#modulus;
      s.count = (((s.count - pulses) % modulus) + modulus) % modulus;
    }
  }

  /** A pulse that loads or changes OUT. */
  #pulse(): void {
    const s = this.#s;
    if (s.loadPending) {
      this.#loadCount();
      s.armed = true;
      s.strobing = false;
      if (s.mode === 1) this.#setOut(false);
      else if (s.mode === 4 || s.mode === 5) this.#setOut(true);
      return;
    }
    switch (s.mode) {
      case 0:
      case 1:
        this.#countDown(1);
        s.armed = false;
        this.#setOut(true);
        return;
      case 2:
        if (s.count <= 1) {
          this.#loadCount();
          this.#setOut(true);
        } else {
          this.#countDown(1);
          this.#setOut(false);
        }
        return;
      case 3: {
        const next = !s.out;
        this.#loadCount();
        this.#setOut(next);
        return;
      }
      case 4:
      case 5:
        this.#countDown(1);
        // The strobe is low for the pulse on which the count expires, and ends with the next.
        s.strobing = s.armed;
        s.armed = false;
        this.#setOut(!s.strobing);
        return;
    }
  }
}
