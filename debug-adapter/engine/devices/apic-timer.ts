/**
 * Timer of the local APIC (SDM Vol. 3A, "APIC Timer" 10.5.4): one-shot, periodic and TSC-deadline mode. It counts one pulse
 * per tick, divided by the divide configuration register.
 */

export type ApicTimerMode = 'one-shot' | 'periodic' | 'TSC-deadline';

export interface ApicTimerState {
  readonly initialCount: number;
  readonly divideConfiguration: number;
  /** Tick at which the count reaches zero; null where it does not run. */
  readonly expiry: number | null;
  /** IA32_TSC_DEADLINE in hexadecimal digits; `0` where it is not armed. */
  readonly deadline: string;
}

export class ApicTimer {
  readonly #timeStampOffset: () => bigint;
  mode: ApicTimerMode = 'one-shot';
  #initialCount = 0;
  #divideConfiguration = 0;
  #expiry: number | undefined;
  #deadline = 0n;

  /** `timeStampOffset`: what the time-stamp counter is ahead of the ticks, modulo 2^64. */
  constructor(timeStampOffset: () => bigint) {
    this.#timeStampOffset = timeStampOffset;
  }

  get initialCount(): number {
    return this.#initialCount;
  }
  get divideConfiguration(): number {
    return this.#divideConfiguration;
  }
  get deadline(): bigint {
    return this.#deadline;
  }

  /** Bits 3, 1 and 0: 000 divides by 2, each next by twice as much, 111 by 1. */
  get #divisor(): number {
    const bits = ((this.#divideConfiguration >> 1) & 4) | (this.#divideConfiguration & 3);
    return 1 << ((bits + 1) & 7);
  }

  currentCount(now: number): number {
    if (this.#expiry === undefined) return 0;
    return Math.max(0, Math.ceil((this.#expiry - now) / this.#divisor));
  }

  /** Writes the initial count: starts the timer, 0 stops it; ignored in TSC-deadline mode. */
  start(initialCount: number, now: number): void {
    if (this.mode === 'TSC-deadline') return;
    this.#initialCount = initialCount;
    this.#expiry = initialCount === 0 ? undefined : now + initialCount * this.#divisor;
  }

  setDivideConfiguration(value: number, now: number): void {
    const left = this.currentCount(now);
    this.#divideConfiguration = value & 0x0b;
    if (this.#expiry !== undefined) this.#expiry = now + left * this.#divisor;
  }

  /** Leaving or entering TSC-deadline mode disarms the timer (SDM Vol. 3A, "TSC-Deadline Mode" 10.5.4.1). */
  setMode(mode: ApicTimerMode): void {
    if (mode !== this.mode && (mode === 'TSC-deadline' || this.mode === 'TSC-deadline')) this.stop();
    this.mode = mode;
  }

  stop(): void {
    this.#initialCount = 0;
    this.#expiry = undefined;
    this.#deadline = 0n;
  }

  /** WRMSR IA32_TSC_DEADLINE: 0 disarms; without effect in the other modes. */
  setDeadline(value: bigint): void {
    if (this.mode === 'TSC-deadline') this.#deadline = value;
  }

  nextEvent(now: number): number | undefined {
    if (this.#deadline === 0n) return this.#expiry;
    const left = this.#deadline - BigInt.asUintN(64, BigInt(now) + this.#timeStampOffset());
    return left <= 0n ? now : left > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : now + Number(left);
  }

  /** Lets time pass; true where the timer expired on the way. Several periods that passed unseen count once. */
  expired(now: number): boolean {
    if (this.#deadline !== 0n) {
      if (this.nextEvent(now) !== now) return false;
      this.#deadline = 0n;
      return true;
    }
    if (this.#expiry === undefined || now < this.#expiry) return false;
    if (this.mode === 'periodic' && this.#initialCount > 0) {
      const period = this.#initialCount * this.#divisor;
      this.#expiry += (Math.floor((now - this.#expiry) / period) + 1) * period;
    } else this.#expiry = undefined;
    return true;
  }

  save(): ApicTimerState {
    return {
      initialCount: this.#initialCount,
      divideConfiguration: this.#divideConfiguration,
      expiry: this.#expiry ?? null,
      deadline: this.#deadline.toString(16),
    };
  }

  load(state: ApicTimerState, mode: ApicTimerMode): void {
    this.mode = mode;
    this.#initialCount = state.initialCount;
    this.#divideConfiguration = state.divideConfiguration;
    this.#expiry = state.expiry ?? undefined;
    this.#deadline = BigInt(`0x${state.deadline}`);
  }
}
