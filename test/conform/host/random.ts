/** Pseudo-random numbers from a seed, quick enough for millions of cases. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed | 0;
  }
  /** Unsigned, 32 bits (mulberry32). */
  word(): number {
    this.state = (this.state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.word() % limit;
  }
  /** True once in `times`. */
  once(times: number): boolean {
    return this.word() % times === 0;
  }
  of<T>(values: readonly T[]): T {
    return values[this.word() % values.length]!;
  }
  quad(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
}
