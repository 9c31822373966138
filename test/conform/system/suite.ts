/**
 * The processor's system side against QEMU's TCG and Bochs: one guest image makes cases from a seed, runs each on the machine it
 * is on and prints a hash for every batch; what differs is run again in detail. Paging, segmentation, far transfers, gates and
 * tasks, and the integer instructions under them, in 16-, 32- and 64-bit code, virtual-8086 mode and at every privilege level.
 */
import { missingTool, onPath } from '../../../scripts/lib/programs.ts';
import { ExcuseCounts, type Suite, type SuiteOptions, type SuiteResult } from '../suite.ts';
import { compare } from './compare.ts';
import { AVOIDED, RECOGNISED } from './deviations.ts';
import { ALL_FAMILIES, CASES_PER_BATCH, familyBits } from './families.ts';
import type { GuestBits } from './image.ts';
import type { Oracle } from './machines.ts';

const SAMPLE = 20_000;
/** Cases of one run of the guest: long enough that starting a machine does not count. */
const CASES_PER_GUEST = 250_000;
const SIZES: readonly GuestBits[] = [32, 64];

const NAMES: { readonly [O in Oracle]: string } = { qemu: 'QEMU 7.2 (TCG)', bochs: 'Bochs 2.7' };
const PROGRAMS: { readonly [O in Oracle]: readonly (readonly [program: string, debianPackage: string])[] } = {
  qemu: [['qemu-system-x86_64', 'qemu-system-x86']],
  bochs: [['bochs', 'bochs bochs-term bochsbios vgabios']],
};
const BUILDERS = [
  ['gcc', 'gcc'],
  ['nasm', 'nasm'],
  ['objcopy', 'binutils'],
] as const;

function missing(oracle: Oracle): string | undefined {
  const absent = [...PROGRAMS[oracle], ...BUILDERS].find(([program]) => onPath(program) === undefined);
  return absent && missingTool(...absent);
}

async function run(oracle: Oracle, { cases = SAMPLE, seed, only, say }: SuiteOptions): Promise<SuiteResult> {
  const excuses = new ExcuseCounts(RECOGNISED.filter((row) => row.oracle === oracle).map(({ why }) => why));
  const wrong: string[] = [];
  let ran = 0;
  let instructions = 0;
  let failed = 0;
  let excused = 0;
  const began = performance.now();
  for (let chunk = 0; ran < cases; chunk++) {
    const bits = SIZES[chunk % SIZES.length]!;
    const most = Math.min(CASES_PER_GUEST, Math.ceil(cases / SIZES.length));
    const batches = Math.ceil(Math.min(most, cases - ran) / CASES_PER_BATCH);
    const found = await compare({
      ...{ oracle, bits, batches, casesPerBatch: CASES_PER_BATCH, families: familyBits(only) },
      ...{ seed: [seed, bits], firstBatch: chunk * Math.ceil(CASES_PER_GUEST / CASES_PER_BATCH) },
    });
    ran += found.cases;
    instructions += found.instructions;
    failed += found.unexplained.length;
    wrong.push(...found.unexplained);
    for (const [why, count] of found.explained) {
      excused += count;
      for (let i = 0; i < count; i++) excuses.add(why);
    }
    if (cases > SAMPLE)
      say(`${oracle}: ${ran} cases, ${failed} wrong, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  const avoided = Object.values(AVOIDED).filter((row) => row.oracle === oracle);
  return {
    oracle: NAMES[oracle],
    cases: ran,
    passed: ran - failed - excused,
    failed,
    excused: excuses.list,
    forms: {},
    wrong,
    notes: [
      `${instructions} instructions executed by both as the matter of a case, of the families ${ALL_FAMILIES.join(', ')}.`,
      ...avoided.map(({ why }) => `Left out: ${why}`),
    ],
  };
}

const suiteOf = (oracle: Oracle): Suite => ({
  name: oracle,
  about: `System state against ${NAMES[oracle]}: the same guest image makes the same random cases on both machines.`,
  missing: () => missing(oracle),
  run: (options) => run(oracle, options),
});

export const qemuSuite = suiteOf('qemu');
export const bochsSuite = suiteOf('bochs');
