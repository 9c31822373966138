/**
 * Our interpreter against the host processor: random instructions of every form that a user program can execute, in 64-, 32-
 * and 16-bit code, each with several random states, and all of the state compared behind each.
 */
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { codeName } from '../../debug-adapter/engine/isa/codes.ts';
import { missingTool, onPath } from '../../scripts/lib/programs.ts';
import { DATA } from '../instructions/environment.ts';
import { hostHasAvx, hostModel } from '../oracles/host-features.ts';
import { aimFixed, isFixed } from './host/aim.ts';
import { describeDifference, describeState, differingParts, normalise } from './host/compare.ts';
import { drawEncoding, existsIn, type Encoding } from './host/encodings.ts';
import { excuseFor, HOST_EXCUSES } from './host/excuses.ts';
import { formsForTheHost } from './host/forms.ts';
import { CODE_BYTES, NativeRunner, type Stray } from './host/native.ts';
import { OurSide } from './host/ours.ts';
import { Random } from './host/random.ts';
import { CASE, CASE_BYTES, Cases } from './host/record.ts';
import { drawBases, drawState } from './host/states.ts';
import { Values } from './host/values.ts';
import { CODE, FIRST_SLOT, SEGMENTS, SLOT_BYTES, SLOTS } from './host/world.ts';
import { ExcuseCounts, FormCounts, type Suite, type SuiteOptions, type SuiteResult } from './suite.ts';

const DEFAULT_CASES = 1_000_000;
const STATES_OF_ENCODING = 8;
/** INT3: what an instruction that runs on by mistake meets. */
const FILL_CODE = 0xcc;
const MOST_WRONG = 200;
const MOST_WRONG_OF_FORM = 2;

interface Task {
  readonly code: number;
  readonly bits: CodeBits;
}

class HostRun {
  private readonly random: Random;
  private readonly values = new Values();
  private readonly native = new NativeRunner();
  /** Executes vector instructions in TypeScript. */
  private readonly interpreted = new OurSide(Infinity);
  private batches = 0;
  readonly executed = new FormCounts();
  readonly excused = new ExcuseCounts(HOST_EXCUSES.map(({ why }) => why));
  readonly wrong: string[] = [];
  private readonly wrongOfForm = new Map<number, number>();
  failed = 0;
  cases = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  close(): void {
    this.native.close();
  }

  /** Runs some states for each task, all tasks being of one code size. */
  batch(tasks: readonly Task[]): void {
    const { random, values } = this;
    const bits = tasks[0]!.bits;
    values.refill(random);
    const code = new Uint8Array(CODE_BYTES).fill(FILL_CODE);
    const encodings = tasks.flatMap(({ code: form }) => drawEncoding(random, form, bits) ?? []);
    const cases = new Cases(encodings.length * STATES_OF_ENCODING);
    encodings.forEach((encoding, slot) => this.drawCases(encoding, slot, code, cases));
    this.compare(bits, code, encodings, cases);
  }

  private drawCases(encoding: Encoding, slot: number, code: Uint8Array, cases: Cases): void {
    const { random } = this;
    const { bytes, d, bits } = encoding;
    const at = FIRST_SLOT + slot * SLOT_BYTES + random.below(SLOT_BYTES / 2);
    const bases = drawBases(random, bits);
    const fixed = d.hasMemory && isFixed(encoding) ? DATA.at + random.below(DATA.absentFrom - DATA.at) : undefined;
    if (fixed !== undefined) aimFixed(encoding, CODE.at + at, fixed, bases);
    code.set(bytes.subarray(0, d.length), at);
    const rip = BigInt(CODE.at + at - (bits === 64 ? 0 : SEGMENTS[bits].CS.base));
    for (let i = 0; i < STATES_OF_ENCODING; i++)
      drawState(random, this.values, encoding, cases, slot * STATES_OF_ENCODING + i, rip, bases, fixed);
  }

  private compare(bits: CodeBits, code: Uint8Array, encodings: readonly Encoding[], cases: Cases): void {
    const hosts = new Cases(cases.count);
    const results = new Cases(cases.count);
    const hostStrays = this.native.run(bits, code, cases, hosts);
    // Every other batch emits its vector instructions; a table of them serves for no more than one.
    const ours = this.batches++ % 2 === 0 ? new OurSide(1) : this.interpreted;
    ours.begin(bits, code);
    const [a, b] = [Buffer.from(results.bytes.buffer), Buffer.from(hosts.bytes.buffer)];
    for (let index = 0; index < cases.count; index++) {
      const encoding = encodings[Math.floor(index / STATES_OF_ENCODING)]!;
      const stopped = ours.run(cases, index, results);
      const steps = cases.word(index, CASE.steps);
      normalise(results, index, steps, bits);
      normalise(hosts, index, steps, bits);
      const from = index * CASE_BYTES;
      if (stopped !== undefined) this.report(encoding, cases, index, `stopped: ${stopped}`);
      else if (a.compare(b, from, from + CASE_BYTES, from, from + CASE_BYTES) !== 0)
        this.differ(encoding, cases, results, hosts, index);
    }
    for (const { code: form } of encodings) this.executed.add(codeName(form), STATES_OF_ENCODING);
    this.cases += cases.count;
    this.compareStrays(bits, ours.takeStrays(), hostStrays);
  }

  /** What no window covers is compared once for the whole batch. */
  private compareStrays(bits: CodeBits, ours: readonly Stray[], hosts: readonly Stray[]): void {
    const key = ({ address, value }: Stray): string => `[${address.toString(16)}]=${value.toString(16)}`;
    const [a, b] = [new Set(ours.map(key)), new Set(hosts.map(key))];
    const onlyOurs = [...a].filter((stray) => !b.has(stray));
    const onlyHosts = [...b].filter((stray) => !a.has(stray));
    if (onlyOurs.length + onlyHosts.length === 0) return;
    this.failed++;
    this.wrong.push(
      `${bits}-bit batch: outside of the windows ${onlyOurs.join(' ')}, should be ${onlyHosts.join(' ')}`,
    );
  }

  private differ(encoding: Encoding, cases: Cases, ours: Cases, hosts: Cases, index: number): void {
    const excuse = excuseFor(encoding, cases, ours, hosts, index);
    if (excuse !== undefined) {
      this.excused.add(excuse);
      return;
    }
    const parts = differingParts(ours, hosts, index);
    if (parts.length > 0) this.report(encoding, cases, index, describeDifference(ours, hosts, index, parts));
  }

  private report(encoding: Encoding, cases: Cases, index: number, what: string): void {
    const { code, bits, bytes, d } = encoding;
    this.failed++;
    const count = (this.wrongOfForm.get(code) ?? 0) + 1;
    this.wrongOfForm.set(code, count);
    if (count > MOST_WRONG_OF_FORM || this.wrong.length >= MOST_WRONG) return;
    const hex = Buffer.from(bytes.subarray(0, d.length)).toString('hex');
    const state = process.env['CONFORM_STATES'] === undefined ? '' : `\n    from ${describeState(cases, index)}`;
    this.wrong.push(`${bits}-bit ${hex} ${codeName(code)}: ${what}${state}`);
  }
}

/** All forms in turn, one code size after the other, until there are enough cases. */
function* batches(forms: readonly number[], random: Random): Generator<readonly Task[]> {
  for (;;)
    for (const bits of [64, 32, 16] as const) {
      const tasks = forms.filter((code) => existsIn(code, bits)).map((code): Task => ({ code, bits }));
      for (let i = tasks.length - 1; i > 0; i--) {
        const other = random.below(i + 1);
        [tasks[i], tasks[other]] = [tasks[other]!, tasks[i]!];
      }
      for (let from = 0; from < tasks.length; from += SLOTS) yield tasks.slice(from, from + SLOTS);
    }
}

function run({ cases: wanted = DEFAULT_CASES, seed, only, say }: SuiteOptions): SuiteResult {
  const { forms, lacking, notForTheHost } = formsForTheHost();
  const chosen = forms.filter(
    (code) => only.length === 0 || only.some((word) => new RegExp(word, 'i').test(codeName(code))),
  );
  const host = new HostRun(seed);
  const began = performance.now();
  try {
    let shown = 0;
    for (const tasks of batches(chosen, new Random(seed + 1))) {
      if (host.cases >= wanted) break;
      host.batch(tasks);
      if (host.cases - shown < 1_000_000) continue;
      shown = host.cases;
      const seconds = (performance.now() - began) / 1000;
      say(`host: ${host.cases} cases, ${Math.round(host.cases / seconds)} a second, ${host.failed} wrong`);
    }
  } finally {
    host.close();
  }
  const left = notForTheHost.map(({ why, forms: names }) => `Not for the host (${names.length} forms): ${why}.`);
  return {
    oracle: `the host processor (${hostModel()})`,
    cases: host.cases,
    passed: host.cases - host.failed - host.excused.total,
    failed: host.failed,
    excused: host.excused.list,
    forms: host.executed.record,
    wrong: host.wrong,
    notes: [
      `Each encoding runs with ${STATES_OF_ENCODING} states.`,
      lacking.length === 0
        ? 'The host has every feature that the machine has.'
        : `Left out, since the host has no ${lacking.join(', ')}.`,
      ...left,
    ],
  };
}

export const hostSuite: Suite = {
  name: 'host',
  about:
    'Random instructions of every user-mode form, in 64-, 32- and 16-bit code, with random prefixes, addressing forms, operands, flags, rounding modes, exception masks and faults; registers, RFLAGS, x87, MXCSR, YMM, memory and exceptions compared.',
  missing() {
    if (process.platform !== 'linux' || process.arch !== 'x64') return 'an x86-64 processor under Linux is missing';
    if (onPath('gcc') === undefined) return missingTool('gcc', 'gcc');
    return hostHasAvx() ? undefined : 'the host processor has no AVX';
  },
  run,
};
