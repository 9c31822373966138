/**
 * Random bytes as instructions, in every mode: whatever they do to the guest, no exception of JavaScript, no access outside of the
 * guest's memory, and an end in due time.
 */
import { Random } from './host/random.ts';
import { PLACES, RandomMachine, type Place } from './random/machine.ts';
import type { Suite, SuiteOptions, SuiteResult } from './suite.ts';

const DEFAULT_INSTRUCTIONS = 2_000_000;
/** Stretches of an episode: between them registers and RIP change, and what code has done to the processor stays. */
const STRETCHES = 48;
const EPISODES_OF_CODE = 200;
const DELIVERS_ONCE_IN = 8;
const MOST_WRONG = 50;
/** For 16 instructions, of which repeated ones may take a million iterations each. */
const MOST_MILLISECONDS = 20_000;

const nameOf = (place: Place): string =>
  place === 'non-root' ? 'VMX non-root operation, random controls' : place.name;

class RandomRun {
  private machine = new RandomMachine();
  private readonly random: Random;
  readonly counts = new Map<string, number>(PLACES.map((place) => [nameOf(place), 0]));
  readonly wrong: string[] = [];
  instructions = 0;
  stretches = 0;
  private slowest = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.machine.refill(this.random);
  }

  get slowestMilliseconds(): number {
    return Math.round(this.slowest);
  }

  /** One episode in each mode. */
  round(): void {
    for (const place of PLACES) {
      try {
        this.episode(place);
      } catch (error) {
        const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.wrong.push(`${nameOf(place)}: ${this.machine.describe()}: ${words}`);
        this.machine = new RandomMachine();
        this.machine.refill(this.random);
      }
    }
  }

  private episode(place: Place): void {
    const { random, machine } = this;
    machine.begin(place, random);
    const began = this.instructions;
    for (let i = 0; i < STRETCHES; i++) {
      machine.scatter(random);
      const start = performance.now();
      const { instructions, alive } = machine.run(random.once(DELIVERS_ONCE_IN));
      const taken = performance.now() - start;
      this.slowest = Math.max(this.slowest, taken);
      if (taken > MOST_MILLISECONDS) this.wrong.push(`${nameOf(place)}: took ${taken} ms: ${machine.describe()}`);
      this.instructions += instructions;
      this.stretches++;
      if (!alive) break;
    }
    const name = nameOf(place);
    this.counts.set(name, this.counts.get(name)! + this.instructions - began);
  }

  /** Other code, and a look at what surrounds the guest. */
  renew(): void {
    if (!this.machine.isIntact) {
      this.wrong.push('memory outside of the guest has changed');
      this.machine = new RandomMachine();
    }
    this.machine.refill(this.random);
  }
}

function run({ cases: wanted = DEFAULT_INSTRUCTIONS, seed, say }: SuiteOptions): SuiteResult {
  const run = new RandomRun(seed);
  const began = performance.now();
  let shown = 0;
  for (let round = 1; run.instructions < wanted && run.wrong.length < MOST_WRONG; round++) {
    run.round();
    if (round % EPISODES_OF_CODE === 0) run.renew();
    if (run.instructions - shown < 5_000_000) continue;
    shown = run.instructions;
    const seconds = (performance.now() - began) / 1000;
    say(`random: ${shown} instructions, ${Math.round(shown / seconds)} a second, ${run.wrong.length} wrong`);
  }
  run.renew();
  const counts = [...run.counts].map(([name, count]) => `${name}: ${count.toLocaleString('en-US')}`);
  return {
    oracle: 'the guards around the guest',
    cases: run.instructions,
    passed: run.instructions - run.wrong.length,
    failed: run.wrong.length,
    excused: [],
    forms: {},
    wrong: run.wrong,
    notes: [
      'A case is one instruction that was executed or raised an exception of its own.',
      `Instructions by mode at the beginning: ${counts.join('; ')}.`,
      `${run.stretches.toLocaleString('en-US')} times at a random place with random registers.`,
    ],
  };
}

export const randomSuite: Suite = {
  name: 'random',
  about:
    'Random bytes as code in every mode, user and supervisor, with and without paging, and in VMX non-root operation with random controls: no exception of JavaScript, no hang, nothing changed outside of the guest.',
  missing: () => undefined,
  run,
};
