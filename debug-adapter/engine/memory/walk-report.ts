/**
 * Page walks for people: the walk of walk.ts run without effects, each entry it reads written down. Nothing is changed: no
 * accessed or dirty flag, no TLB entry, no memory frame handed out.
 */
import { ENTRY_FLAGS, EPT_ENTRY_FLAGS, flagNames, MEMORY_TYPE_NAMES } from './entry-flags.ts';
import { EPT_EXECUTE, EPT_READ, EPT_WRITE, EptWalker, PAGE_MASKS, type EptRecorder } from './ept.ts';
import {
  EPT_MISCONFIGURATION,
  EPT_VIOLATION,
  EXECUTE,
  NON_CANONICAL,
  PAGE_FAULT,
  PAGING_32_BIT,
  PAGING_4_LEVEL,
  PAGING_5_LEVEL,
  PAGING_OFF,
  PAGING_PAE,
  READ,
  WALK_OK,
  WRITE,
  type AccessKind,
  type PagingMode,
  type PagingRegisters,
  type Privilege,
  type WalkOutcome,
} from './paging.ts';
import type { PhysicalMemory } from './physical.ts';
import { PageWalker, type PageFaultReason, type WalkRecorder } from './walk.ts';
import type {
  EntryVerdict,
  EptLevel,
  EptStep,
  EptVerdict,
  EptWalk,
  PagingLevel,
  Walk,
  WalkAccess,
  WalkStep,
} from './walk-types.ts';

const LEVELS: readonly PagingLevel[] = ['PTE', 'PDE', 'PDPTE', 'PML4E', 'PML5E'];
const EPT_LEVELS: readonly EptLevel[] = ['EPT PTE', 'EPT PDE', 'EPT PDPTE', 'EPT PML4E'];
/** Paging modes as views name them. */
export const PAGING_NAMES: Readonly<Record<PagingMode, Walk['mode']>> = {
  [PAGING_OFF]: 'off',
  [PAGING_32_BIT]: '32-bit',
  [PAGING_PAE]: 'PAE',
  [PAGING_4_LEVEL]: '4-level',
  [PAGING_5_LEVEL]: '5-level',
};
const KINDS: Readonly<Record<WalkAccess['kind'], AccessKind>> = { read: READ, write: WRITE, execute: EXECUTE };

const REASON_TEXT: Readonly<Record<PageFaultReason, string>> = {
  'not-present': 'not present',
  'reserved-bits': 'has reserved bits set',
  'not-writable': 'not writable',
  'supervisor-only': 'for supervisor mode only',
  'user-page-smep': 'maps a user page, which SMEP keeps a supervisor from executing',
  'user-page-smap': 'maps a user page, which SMAP keeps a supervisor from touching while RFLAGS.AC is 0',
  'execute-disabled': 'execute-disabled',
  'protection-key': 'has a protection key to which PKRU denies the access',
};

const EPT_VERDICT_TEXT: Readonly<Record<Exclude<EptVerdict, 'ok'>, string>> = {
  'not-present': 'not present',
  'not-readable': 'not readable',
  'not-writable': 'not writable',
  'not-executable': 'not executable',
  misconfigured: 'misconfigured',
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const combine = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const addressOf = (low: number, high: number, mask: number): number =>
  (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~mask) >>> 0);

/** Collects the entries of one EPT walk. */
class EptCollector implements EptRecorder {
  steps: Mutable<EptStep>[] = [];

  eptEntry(level: number, address: number, low: number, high: number, leaf: boolean): void {
    const entry = combine(low, high);
    const flags = [...flagNames(EPT_ENTRY_FLAGS, entry, 8, level, leaf)];
    if (leaf && (low & 7) !== 0) flags.push(MEMORY_TYPE_NAMES[(low >> 3) & 7] ?? `memory type ${(low >> 3) & 7}`);
    this.steps.push({
      level: EPT_LEVELS[level],
      entryAddress: address,
      index: (address % 4096) / 8,
      entry,
      leaf,
      flags,
      points: addressOf(low, high, leaf ? PAGE_MASKS[level as 0 | 1 | 2] : 0xfff),
      verdict: 'ok',
    });
  }

  /** Closes a walk: names the entry at fault. */
  finish(
    ept: EptWalker,
    registers: PagingRegisters,
    guestPhysical: number,
    needs: number,
    outcome: WalkOutcome,
  ): EptWalk {
    const steps = this.steps;
    this.steps = [];
    let failure: string | undefined;
    if (outcome !== WALK_OK) {
      const { step, verdict } = eptBlame(steps, needs, outcome);
      step.verdict = verdict;
      const kind = outcome === EPT_MISCONFIGURATION ? 'EPT misconfiguration' : 'EPT violation';
      failure = `${kind}: ${step.level} ${EPT_VERDICT_TEXT[verdict]}`;
    }
    return {
      guestPhysical,
      eptPointer: BigInt(registers.eptRoot) | (registers.eptAccessedDirty ? 0x5en : 0x1en),
      steps,
      hostPhysical: outcome === WALK_OK ? ept.hostPhysical : undefined,
      pageBytes: outcome === WALK_OK ? PAGE_MASKS[ept.level as 0 | 1 | 2] + 1 : undefined,
      failure,
    };
  }
}

function eptBlame(
  steps: readonly Mutable<EptStep>[],
  needs: number,
  outcome: WalkOutcome,
): { step: Mutable<EptStep>; verdict: Exclude<EptVerdict, 'ok'> } {
  const last = steps[steps.length - 1];
  if (outcome === EPT_MISCONFIGURATION) return { step: last, verdict: 'misconfigured' };
  if ((last.entry & 7n) === 0n) return { step: last, verdict: 'not-present' };
  const rights = [
    [EPT_READ, 'not-readable'],
    [EPT_WRITE, 'not-writable'],
    [EPT_EXECUTE, 'not-executable'],
  ] as const;
  for (const [right, verdict] of rights) {
    if ((needs & right) === 0) continue;
    const step = steps.find(({ entry }) => (entry & BigInt(right)) === 0n);
    if (step !== undefined) return { step, verdict };
  }
  throw new Error('Invariant broken: an EPT violation without an entry that lacks the right');
}

/** Collects the steps of one guest walk with the EPT walk of each table read. */
class WalkCollector implements WalkRecorder {
  readonly steps: Mutable<WalkStep>[] = [];
  readonly ept = new EptCollector();
  /** EPT walk of the entry about to be reported. */
  entryEpt: EptWalk | undefined = undefined;
  /** EPT walk of the final address. */
  finalEpt: EptWalk | undefined = undefined;
  walker: PageWalker | undefined = undefined;
  private guestPhysical = 0;
  private forEntry = false;
  private readonly registers: PagingRegisters;
  private readonly finalNeeds: number;

  constructor(registers: PagingRegisters, finalNeeds: number) {
    this.registers = registers;
    this.finalNeeds = finalNeeds;
  }

  eptEntry(level: number, address: number, low: number, high: number, leaf: boolean): void {
    this.ept.eptEntry(level, address, low, high, leaf);
  }
  beginEpt(guestPhysical: number, forEntry: boolean): void {
    this.guestPhysical = guestPhysical;
    this.forEntry = forEntry;
  }
  endEpt(outcome: WalkOutcome): void {
    const tableNeeds = this.registers.eptAccessedDirty ? EPT_READ | EPT_WRITE : EPT_READ;
    const needs = this.forEntry ? tableNeeds : this.finalNeeds;
    const walk = this.ept.finish(this.walker!.ept, this.registers, this.guestPhysical, needs, outcome);
    if (this.forEntry) this.entryEpt = walk;
    else this.finalEpt = walk;
  }
  entry(level: number, address: number, low: number, high: number, entryBytes: 0 | 4 | 8, leaf: boolean): void {
    const bytes = entryBytes === 4 ? 4 : 8;
    const entry = combine(low, high);
    const large32 = bytes === 4 && level === 1 && leaf;
    const upper = large32 ? (low >> 13) & 0xff : high;
    const mask = large32 ? 0x3f_ffff : leaf ? PAGE_MASKS[level as 0 | 1 | 2] : 0xfff;
    this.steps.push({
      level: LEVELS[level],
      entryAddress: address,
      index: entryBytes === 0 ? (address % 32) / 8 : (address % 4096) / bytes,
      entry,
      entryBytes: bytes,
      leaf,
      flags: flagNames(ENTRY_FLAGS, entry, bytes, level, leaf),
      points: addressOf(low, upper, mask),
      verdict: 'ok',
      ept: this.entryEpt,
    });
    this.entryEpt = undefined;
  }
}

/** The entry that a page fault is about. */
function blame(steps: readonly Mutable<WalkStep>[], reason: PageFaultReason): Mutable<WalkStep> {
  const last = steps[steps.length - 1];
  const lacks = (bit: bigint): Mutable<WalkStep> =>
    steps.find(({ entry, level, entryBytes }) => isRightsEntry(level, entryBytes, steps) && (entry & bit) === 0n) ??
    last;
  switch (reason) {
    case 'not-writable':
      return lacks(2n);
    case 'supervisor-only':
      return lacks(4n);
    case 'execute-disabled':
      return steps.find(({ entry }) => entry >> 63n === 1n) ?? last;
    case 'not-present':
    case 'reserved-bits':
    case 'user-page-smep':
    case 'user-page-smap':
    case 'protection-key':
      return last;
  }
}

/** PAE's page-directory-pointer entries have no R/W and U/S bits. */
function isRightsEntry(level: PagingLevel, entryBytes: number, steps: readonly WalkStep[]): boolean {
  return !(level === 'PDPTE' && entryBytes === 8 && steps[0].level === 'PDPTE');
}

/** Pages of the mapping: 4 MiB for a large page of 32-bit paging, else by level. */
function pageBytes(mode: PagingMode, leafLevel: number): number {
  return mode === PAGING_32_BIT && leafLevel === 1 ? 0x40_0000 : PAGE_MASKS[leafLevel as 0 | 1 | 2] + 1;
}

/** Memory references of the walk on a processor without any cached translation. */
function references(steps: readonly WalkStep[], finalEpt: EptWalk | undefined, stopped: EptWalk | undefined): number {
  let count = (finalEpt?.steps.length ?? 0) + (stopped?.steps.length ?? 0);
  for (const step of steps)
    count += isRightsEntry(step.level, step.entryBytes, steps) ? 1 + (step.ept?.steps.length ?? 0) : 0;
  return count;
}

/**
 * The walk of one access to `linear`, step by step.
 * @param privilege who accesses; must agree with `access.user`.
 */
export function reportWalk(
  physical: PhysicalMemory,
  registers: PagingRegisters,
  linear: bigint,
  access: WalkAccess,
  privilege: Privilege,
): Walk {
  const kind = KINDS[access.kind];
  const needs = kind === READ ? EPT_READ : kind === WRITE ? EPT_WRITE : EPT_EXECUTE;
  const collector = new WalkCollector(registers, needs);
  const walker = new PageWalker(physical, registers, 'look', collector);
  collector.walker = walker;
  const low = Number(BigInt.asIntN(32, linear));
  const high = Number(BigInt.asIntN(32, linear >> 32n));
  const outcome = walker.walk(low, high, kind, privilege);
  const steps = collector.steps;
  const finished = outcome === WALK_OK || collector.finalEpt !== undefined;
  return {
    linear,
    mode: PAGING_NAMES[registers.mode],
    cr3: BigInt(registers.cr3),
    access,
    steps,
    guestPhysical: finished ? walker.guestPhysical : undefined,
    ept: collector.finalEpt,
    hostPhysical: outcome === WALK_OK ? walker.hostPhysical : undefined,
    pageBytes: finished ? pageBytes(registers.mode, walker.leafLevel) : undefined,
    failure: failureOf(outcome, walker, collector),
    references: references(steps, collector.finalEpt, collector.entryEpt),
  };
}

function failureOf(outcome: WalkOutcome, walker: PageWalker, collector: WalkCollector): string | undefined {
  const steps = collector.steps;
  switch (outcome) {
    case WALK_OK:
      return undefined;
    case NON_CANONICAL:
      return 'the linear address is not canonical: the bits above its width differ';
    case PAGE_FAULT: {
      const step = blame(steps, walker.reason);
      step.verdict = walker.reason satisfies EntryVerdict;
      return `#PF: ${step.level} ${REASON_TEXT[walker.reason]}`;
    }
    case EPT_VIOLATION:
    case EPT_MISCONFIGURATION: {
      if (collector.finalEpt !== undefined) return collector.finalEpt.failure;
      const address = `guest-physical ${walker.eptGuestPhysical.toString(16).toUpperCase()}h`;
      if (collector.entryEpt !== undefined)
        return `${collector.entryEpt.failure}, reading the table entry at ${address}`;
      const step = steps.find(({ entryAddress }) => entryAddress === walker.eptGuestPhysical);
      if (step !== undefined) step.verdict = 'table-unreadable';
      return `EPT violation: setting the accessed or dirty flag of the entry at ${address}, which EPT keeps read-only`;
    }
  }
}

/** The EPT walk of a guest-physical address, step by step; undefined while EPT is not in force. */
export function reportEptWalk(
  physical: PhysicalMemory,
  registers: PagingRegisters,
  guestPhysical: number,
  access: WalkAccess,
): EptWalk | undefined {
  if (!registers.ept) return undefined;
  const collector = new EptCollector();
  const ept = new EptWalker(physical, registers, 'look');
  ept.recorder = collector;
  const kind = KINDS[access.kind];
  const needs = kind === READ ? EPT_READ : kind === WRITE ? EPT_WRITE : EPT_EXECUTE;
  const outcome = ept.translate(guestPhysical, needs);
  return collector.finish(ept, registers, guestPhysical, needs, outcome);
}
