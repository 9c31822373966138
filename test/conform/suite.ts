/** What a conformance suite is: an oracle that nobody here wrote, cases run against it, and what came of them. */

export interface SuiteOptions {
  /** How many cases to run; undefined for the suite's usual number. */
  readonly cases: number | undefined;
  readonly seed: number;
  /** Words that narrow the suite down, as typed behind its name with `--only=`; empty for all of it. */
  readonly only: readonly string[];
  /** For progress and details: printed at once. */
  readonly say: (line: string) => void;
}

/** A reason why our machine and the oracle rightly differ. */
export interface ExcusedDifference {
  /** A sentence that cites the manual. */
  readonly why: string;
  readonly count: number;
}

export interface SuiteResult {
  /** Who judged, with version or make. */
  readonly oracle: string;
  /** Cases run; each either agrees, is excused or is wrong. */
  readonly cases: number;
  readonly passed: number;
  readonly failed: number;
  readonly excused: readonly ExcusedDifference[];
  /** Cases of each instruction form, by the name of its iced `Code`. */
  readonly forms: Readonly<Record<string, number>>;
  /** One line for each failure, the first ones. */
  readonly wrong: readonly string[];
  /** Facts worth reading in the report: how the cases were made, what was left out and why. */
  readonly notes: readonly string[];
}

export interface Suite {
  readonly name: string;
  /** One sentence for the report. */
  readonly about: string;
  /** Why it cannot run here, in words that name the remedy; undefined where it can. */
  readonly missing: () => string | undefined;
  readonly run: (options: SuiteOptions) => SuiteResult | Promise<SuiteResult>;
}

/** Counts cases of instruction forms. */
export class FormCounts {
  private readonly counts = new Map<string, number>();
  add(name: string, cases = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + cases);
  }
  get record(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** Counts differences by the reason that excuses them. */
export class ExcuseCounts {
  private readonly counts: Map<string, number>;
  constructor(reasons: readonly string[]) {
    this.counts = new Map(reasons.map((why) => [why, 0]));
  }
  add(why: string): void {
    this.counts.set(why, (this.counts.get(why) ?? 0) + 1);
  }
  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
  get list(): readonly ExcusedDifference[] {
    return [...this.counts].map(([why, count]) => ({ why, count }));
  }
}
