/**
 * Converts between ticks (instructions retired) and the pulses of an oscillator, exactly and for as long as a run lasts.
 *
 * The products stay below 2^53 because the tick is split at whole seconds first, where both counts are whole numbers.
 */
export class DeviceClock {
  readonly hertz: number;
  readonly ticksPerSecond: number;

  constructor(hertz: number, ticksPerSecond: number) {
    if (!Number.isInteger(ticksPerSecond) || ticksPerSecond < 1 || hertz * ticksPerSecond > Number.MAX_SAFE_INTEGER) {
      throw new Error(`Invariant broken: ${ticksPerSecond} ticks per second with ${hertz} Hz is not countable exactly`);
    }
    this.hertz = hertz;
    this.ticksPerSecond = ticksPerSecond;
  }

  /** Whole pulses between tick 0 and `tick`. */
  pulsesAt(tick: number): number {
    const seconds = Math.floor(tick / this.ticksPerSecond);
    const rest = tick - seconds * this.ticksPerSecond;
    return seconds * this.hertz + Math.floor((rest * this.hertz) / this.ticksPerSecond);
  }

  /** First tick at which `pulsesAt` has reached `pulse`. */
  tickOfPulse(pulse: number): number {
    const seconds = Math.floor(pulse / this.hertz);
    const rest = pulse - seconds * this.hertz;
    return seconds * this.ticksPerSecond + Math.ceil((rest * this.ticksPerSecond) / this.hertz);
  }
}
