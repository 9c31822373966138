/** Runs the same batches of the guest on our machine and on an oracle and explains what differs. */
import { describeDifference, differences, parseCase, type Case } from './cases.ts';
import { avoidedBits, RECOGNISED } from './deviations.ts';
import type { GuestBits, Parameters } from './image.ts';
import { runGuest, type MachineName, type Oracle } from './machines.ts';

export interface Plan {
  readonly oracle: Oracle;
  readonly bits: GuestBits;
  readonly seed: readonly [number, number];
  readonly firstBatch: number;
  readonly batches: number;
  readonly casesPerBatch: number;
  readonly families: number;
}

export interface Comparison {
  /** Instructions that both machines executed as part of a case. */
  readonly instructions: number;
  readonly cases: number;
  /** Cases that a row of deviations.ts recognises, by its words. */
  readonly explained: ReadonlyMap<string, number>;
  /** Cases that nothing explains, for people. */
  readonly unexplained: readonly string[];
}

/** SMEP, SMAP and 1-GiB pages (guest.h), which all three machines have. */
const FEATURES = 1 | 2 | 16;
/** Batches that are run again in detail; behind so many differences there is nothing new to learn. */
const MOST_DETAILED = 8;

async function collect(machine: MachineName, plan: Plan, detail: boolean): Promise<Map<string, string>> {
  const lines = new Map<string, string>();
  const parameters: Parameters = { ...plan, detail, deviations: avoidedBits(plan.oracle), features: FEATURES };
  await runGuest(machine, plan.bits, parameters, (line) => {
    const [kind, batch, index] = line.split(' ');
    lines.set(kind === 'B' ? `B ${batch}` : `C ${batch} ${index}`, line);
  });
  return lines;
}

const both = (plan: Plan, detail: boolean): Promise<[Map<string, string>, Map<string, string>]> =>
  Promise.all([collect('hyperstep', plan, detail), collect(plan.oracle, plan, detail)]);

export async function compare(plan: Plan): Promise<Comparison> {
  const [ours, theirs] = await both(plan, false);
  let instructions = 0;
  const explained = new Map<string, number>();
  const unexplained: string[] = [];
  const differing: number[] = [];
  for (const [key, line] of ours) {
    instructions += Number.parseInt(line.split(' ')[4]!, 16);
    if (theirs.get(key) !== line) differing.push(Number.parseInt(key.slice(2), 16));
  }
  if (ours.size !== plan.batches || theirs.size !== plan.batches)
    unexplained.push(`of ${plan.batches} batches we ran ${ours.size}, ${plan.oracle} ${theirs.size}`);
  for (const batch of differing.slice(0, MOST_DETAILED)) await explain({ ...plan, firstBatch: batch, batches: 1 });
  if (differing.length > MOST_DETAILED) unexplained.push(`${differing.length - MOST_DETAILED} more batches differ`);
  return { instructions, cases: plan.batches * plan.casesPerBatch, explained, unexplained };

  async function explain(one: Plan): Promise<void> {
    const [a, b] = await both(one, true);
    let found = 0;
    for (const [key, line] of a) {
      const other = b.get(key);
      if (!key.startsWith('C') || other === line) continue;
      found++;
      judge(parseCase(line), other === undefined ? undefined : parseCase(other));
    }
    if (found === 0) unexplained.push(`batch ${one.firstBatch.toString(16)} differs in its hash alone`);
  }

  function judge(mine: Case, other: Case | undefined): void {
    if (other === undefined) {
      unexplained.push(`${plan.oracle} did not print batch ${mine.batch} case ${mine.index}`);
      return;
    }
    const found = differences(mine, other);
    const row = RECOGNISED.find((each) => each.oracle === plan.oracle && each.holds(mine, other, found));
    if (row) explained.set(row.why, (explained.get(row.why) ?? 0) + 1);
    else unexplained.push(describeDifference(mine, found));
  }
}
