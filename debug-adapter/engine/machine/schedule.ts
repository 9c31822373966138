/**
 * Whose turn it is. All processors advance in parallel in virtual time: it is cut into windows of equal length, and within a
 * window each processor in turn runs until its own time has reached the window's end. What a processor does within a window
 * can therefore be seen by the next ones up to a window too early, by the others a window too late, but always in the same
 * order: the order depends on nothing but the guest, neither on budgets nor on where a debugger stops.
 *
 * A single processor has one window without end.
 */
import type { ProcessorUnit } from './processor-unit.ts';

/** Length of a window in ticks (instructions); see docs/performance.md for what others cost. */
const WINDOW_TICKS = 1000;

export class Schedule {
  private readonly units: readonly ProcessorUnit[];
  private readonly nextEvent: (cpu: number) => number | undefined;
  private turn = 0;
  private end: number;
  /** Whether any processor has run in this window. */
  private busy = false;

  /** @param nextEvent tick of the next event that concerns a processor */
  constructor(units: readonly ProcessorUnit[], nextEvent: (cpu: number) => number | undefined) {
    this.units = units;
    this.nextEvent = nextEvent;
    this.end = units.length === 1 ? Infinity : WINDOW_TICKS;
  }

  get current(): ProcessorUnit {
    const unit = this.units[this.turn];
    if (unit === undefined) throw new Error('Invariant broken: it is the turn of no processor');
    return unit;
  }

  /** Instructions that the current processor may make before it is the turn of the next one. */
  get share(): number {
    return this.end - this.current.now;
  }

  /** The current processor has run. */
  ran(): void {
    this.busy = true;
  }

  /**
   * Passes the turn on where the current processor's time has reached the end of the window, or will by sleeping.
   * @returns `asleep` when a window has ended in which no processor ran
   */
  pass(): 'on' | 'asleep' {
    for (;;) {
      const unit = this.current;
      if (this.share > 0) {
        if (unit.due <= this.end || !unit.cpu.undisturbed) return 'on';
        unit.idleTicks += this.share;
      }
      if (++this.turn < this.units.length) continue;
      this.turn = 0;
      this.end += WINDOW_TICKS;
      if (!this.busy) {
        this.skip();
        return 'asleep';
      }
      this.busy = false;
    }
  }

  /** Where all sleep, windows without an event need not be gone through. */
  private skip(): void {
    const events = this.units.map(({ index }) => this.nextEvent(index) ?? Infinity);
    const windows = Math.floor(Math.min(...events) / WINDOW_TICKS);
    if (Number.isFinite(windows)) this.end = Math.max(this.end, (windows + 1) * WINDOW_TICKS);
  }

  /**
   * The current processor waits: its time passes until something happens to it, at most to the end of the window.
   * @returns false where nothing will happen and the window has no end
   */
  wait(): boolean {
    const unit = this.current;
    const event = this.nextEvent(unit.index) ?? Infinity;
    const until = Math.min(event, this.end);
    if (until === Infinity) return false;
    unit.idleTicks += Math.max(0, until - unit.now);
    if (event === until) unit.due = 0;
    return true;
  }
}
