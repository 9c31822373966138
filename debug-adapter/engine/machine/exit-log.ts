/** VM exits since reset: the most recent ones in full, all of them counted. */
import type { ExitName, VmExit } from '../vmx/types.ts';
import type { VmExitRecord } from './types.ts';

/** Records kept; older ones are forgotten a block at a time. */
const CAPACITY = 100_000;
const FORGET = 10_000;

export class ExitLog {
  private kept: VmExitRecord[] = [];
  private total = 0;
  readonly counts = new Map<ExitName, number>();

  get records(): readonly VmExitRecord[] {
    return this.kept;
  }

  add(cpu: number, instruction: number, exit: VmExit, guestRip: bigint, guestLinearRip: bigint): VmExitRecord {
    const record: VmExitRecord = { number: ++this.total, instruction, cpu, exit, guestRip, guestLinearRip };
    this.kept.push(record);
    if (this.kept.length >= CAPACITY) this.kept = this.kept.slice(FORGET);
    this.counts.set(exit.name, (this.counts.get(exit.name) ?? 0) + 1);
    return record;
  }
}
