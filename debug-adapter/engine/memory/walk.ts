/**
 * The page walk (SDM Vol. 3A, "Paging", chapter 4): linear to guest-physical address in every paging mode, and on through EPT
 * where it is in force. Execution and the inspector use this one walk; only the commit of accessed and dirty flags differs.
 * It allocates nothing: results stay in the walker's fields until the next walk.
 */
import { EPT_EXECUTE, EPT_READ, EPT_WRITE, EptWalker, PAGE_MASKS, type EptRecorder } from './ept.ts';
import {
  EXECUTE,
  isCanonicalHigh,
  NON_CANONICAL,
  PAGE_FAULT,
  PAGING_32_BIT,
  PAGING_4_LEVEL,
  PAGING_5_LEVEL,
  PAGING_OFF,
  PAGING_PAE,
  READ,
  reservedAddressBits,
  SUPERVISOR_AC,
  USER,
  WALK_OK,
  WRITE,
  type AccessKind,
  type PagingRegisters,
  type Privilege,
  type WalkOutcome,
} from './paging.ts';
import type { PhysicalMemory } from './physical.ts';

/** Page-fault error code (SDM Vol. 3A, "Page-Fault Exceptions" 4.7). */
const PF_PRESENT = 1 << 0;
const PF_WRITE = 1 << 1;
const PF_USER = 1 << 2;
const PF_RESERVED = 1 << 3;
const PF_FETCH = 1 << 4;
const PF_PROTECTION_KEY = 1 << 5;

const PRESENT = 1 << 0;
const WRITABLE = 1 << 1;
const USER_PAGE = 1 << 2;
const ACCESSED = 1 << 5;
const DIRTY = 1 << 6;
const PAGE_SIZE = 1 << 7;
const GLOBAL = 1 << 8;

/** Bits 31:0 of a large page's entry that must be zero, by level, in PAE, 4-level and 5-level paging. */
const LARGE_RESERVED = [0, 0x1f_e000, 0x3fff_e000] as const;
/** PAE page-directory-pointer entries: bits 2:1 and 8:5 are reserved (SDM Vol. 3A, table 4-8). */
export const PAE_PDPTE_RESERVED_LOW = 0x1e6;

/** Why a page fault happens; also indexes the verdicts of the report. */
export type PageFaultReason =
  | 'not-present'
  | 'reserved-bits'
  | 'not-writable'
  | 'supervisor-only'
  | 'user-page-smep'
  | 'user-page-smap'
  | 'execute-disabled'
  | 'protection-key';

/** Told about every step of a walk, for views. */
export interface WalkRecorder extends EptRecorder {
  /** An access to a guest-physical address is about to go through EPT; `forEntry` when it reads a paging structure. */
  beginEpt(guestPhysical: number, forEntry: boolean): void;
  endEpt(outcome: WalkOutcome): void;
  /** `level` 4 is the PML5E, 0 the PTE. `entryBytes` 0: the entry comes from a PDPTE register. */
  entry(level: number, address: number, low: number, high: number, entryBytes: 0 | 4 | 8, leaf: boolean): void;
}

export class PageWalker {
  /** Valid after WALK_OK; equal without EPT. */
  guestPhysical = 0;
  hostPhysical = 0;
  /** Level of the guest entry that maps the page: 0 for 4 KiB. */
  leafLevel = 0;
  /** What else the page may be used for at this privilege without another walk. */
  mayRead = false;
  /** Includes: every dirty flag that a write sets is already set. */
  mayWrite = false;
  mayExecute = false;
  global = false;
  /** Valid after PAGE_FAULT. */
  errorCode = 0;
  reason: PageFaultReason = 'not-present';
  /** Valid after EPT_VIOLATION and EPT_MISCONFIGURATION; with `ept.permissions`. */
  eptGuestPhysical = 0;
  eptNeeds = 0;
  duringWalk = false;

  readonly ept: EptWalker;
  private readonly physical: PhysicalMemory;
  private readonly registers: PagingRegisters;
  private readonly commits: boolean;
  private readonly recorder: WalkRecorder | undefined;
  private readonly reservedHigh: number;
  /** Of address bits 39:32 in a 4 MiB page's entry (SDM Vol. 3A, table 4-4): all without PSE-36. */
  private readonly reservedUpper: number;
  /** PS of an entry that has no large pages is reserved. */
  private readonly largestLevel: 1 | 2;
  /** The entry just read. */
  private low = 0;
  private high = 0;
  private host = 0;
  /** Entries used by this walk, for accessed and dirty flags. */
  private readonly entryGuest = new Float64Array(5);
  private readonly entryHost = new Float64Array(5);
  private readonly entryLow = new Int32Array(5);

  /** @param effects `look` sets no flags and reads no device. */
  constructor(
    physical: PhysicalMemory,
    registers: PagingRegisters,
    effects: 'commit' | 'look',
    recorder: WalkRecorder | undefined = undefined,
  ) {
    this.physical = physical;
    this.registers = registers;
    this.commits = effects === 'commit';
    this.recorder = recorder;
    this.reservedHigh = reservedAddressBits(registers.physicalBits);
    this.reservedUpper = registers.pse36 ? this.reservedHigh : 0xff;
    this.largestLevel = registers.gigabytePages ? 2 : 1;
    this.ept = new EptWalker(physical, registers, effects);
    this.ept.recorder = recorder;
  }

  /** Walks for one access to the page of a linear address given as 32-bit halves. */
  walk(linearLow: number, linearHigh: number, kind: AccessKind, privilege: Privilege): WalkOutcome {
    const mode = this.registers.mode;
    if (mode === PAGING_OFF) {
      this.guestPhysical = linearLow >>> 0;
      this.leafLevel = 0;
      this.mayRead = this.mayWrite = this.mayExecute = true;
      this.global = false;
      return this.finish(kind);
    }
    if (mode === PAGING_4_LEVEL && !isCanonicalHigh(linearHigh, 48)) return NON_CANONICAL;
    if (mode === PAGING_5_LEVEL && !isCanonicalHigh(linearHigh, 57)) return NON_CANONICAL;
    const outcome =
      mode === PAGING_32_BIT
        ? this.walk32Bit(linearLow, kind, privilege)
        : this.walk64BitEntries(linearLow, linearHigh, kind, privilege);
    return outcome === WALK_OK ? this.finish(kind) : outcome;
  }

  /** Translates a guest-physical address as the final step of a walk does, or as an access without a linear address. */
  translateGuestPhysical(guestPhysical: number, kind: AccessKind): WalkOutcome {
    this.guestPhysical = guestPhysical;
    this.mayRead = this.mayWrite = this.mayExecute = true;
    return this.finish(kind);
  }

  private finish(kind: AccessKind): WalkOutcome {
    if (!this.registers.ept) {
      this.hostPhysical = this.guestPhysical;
      return WALK_OK;
    }
    const needs = kind === READ ? EPT_READ : kind === WRITE ? EPT_WRITE : EPT_EXECUTE;
    const outcome = this.throughEpt(this.guestPhysical, needs, false);
    if (outcome !== WALK_OK) return outcome;
    const ept = this.ept;
    this.hostPhysical = ept.hostPhysical;
    this.mayRead &&= (ept.permissions & EPT_READ) !== 0;
    this.mayWrite &&= (ept.permissions & EPT_WRITE) !== 0 && ept.dirty;
    this.mayExecute &&= (ept.permissions & EPT_EXECUTE) !== 0;
    return WALK_OK;
  }

  private throughEpt(guestPhysical: number, needs: number, duringWalk: boolean): WalkOutcome {
    const recorder = this.recorder;
    if (recorder !== undefined) recorder.beginEpt(guestPhysical, duringWalk);
    const outcome = this.ept.translate(guestPhysical, needs);
    if (recorder !== undefined) recorder.endEpt(outcome);
    if (outcome !== WALK_OK) {
      this.eptGuestPhysical = guestPhysical;
      this.eptNeeds = needs;
      this.duringWalk = duringWalk;
    }
    return outcome;
  }

  /** Reads a paging-structure entry into `low` and `high`, through EPT where it is in force. */
  private readEntry(address: number, entryBytes: 4 | 8): WalkOutcome {
    this.host = address;
    if (this.registers.ept) {
      // SDM Vol. 3C, "Accessed and Dirty Flags for EPT", 28.2.4: with the flags on, such a read counts as a write.
      const needs = this.registers.eptAccessedDirty ? EPT_READ | EPT_WRITE : EPT_READ;
      const outcome = this.throughEpt(address, needs, true);
      if (outcome !== WALK_OK) return outcome;
      this.host = this.ept.hostPhysical;
    }
    const offset = this.physical.lookupOffset(this.host);
    if (offset >= 0) {
      this.low = this.physical.words[offset >> 2];
      this.high = entryBytes === 8 ? this.physical.words[(offset >> 2) + 1] : 0;
    } else {
      // Outside memory nothing drives the bus: a table there reads as ones, whatever device is behind it.
      this.low = offset === -1 ? -1 : 0;
      this.high = entryBytes === 8 ? this.low : 0;
    }
    return WALK_OK;
  }

  /** SDM Vol. 3A, "32-Bit Paging", 4.3. */
  private walk32Bit(linear: number, kind: AccessKind, privilege: Privilege): WalkOutcome {
    const registers = this.registers;
    const directory = ((registers.cr3 & ~0xfff) >>> 0) + ((linear >>> 22) << 2);
    let outcome = this.readEntry(directory, 4);
    if (outcome !== WALK_OK) return outcome;
    const large = (this.low & PAGE_SIZE) !== 0 && registers.pageSizeExtension;
    if (this.recorder !== undefined) this.recorder.entry(1, directory, this.low, 0, 4, large);
    const pde = this.low;
    if ((pde & PRESENT) === 0) return this.pageFault('not-present', kind, privilege);
    this.remember(1, directory);
    if (large) {
      // Bits 20:13 are address bits 39:32 with PSE-36; those beyond the width and bit 21 are reserved.
      const upper = (pde >> 13) & 0xff;
      if ((pde & (1 << 21)) !== 0 || (upper & this.reservedUpper) !== 0)
        return this.pageFault('reserved-bits', kind, privilege);
      const reason = this.permit(pde, false, kind, privilege);
      if (reason !== undefined) return this.pageFault(reason, kind, privilege);
      this.guestPhysical = upper * 0x1_0000_0000 + ((pde & 0xffc0_0000) >>> 0) + (linear & 0x3f_ffff);
      return this.complete(1, 1, pde, kind);
    }
    const table = ((pde & ~0xfff) >>> 0) + (((linear >>> 12) & 1023) << 2);
    outcome = this.readEntry(table, 4);
    if (outcome !== WALK_OK) return outcome;
    if (this.recorder !== undefined) this.recorder.entry(0, table, this.low, 0, 4, true);
    const pte = this.low;
    if ((pte & PRESENT) === 0) return this.pageFault('not-present', kind, privilege);
    this.remember(0, table);
    const reason = this.permit(pde & pte, false, kind, privilege);
    if (reason !== undefined) return this.pageFault(reason, kind, privilege);
    this.guestPhysical = ((pte & ~0xfff) >>> 0) + (linear & 0xfff);
    return this.complete(1, 0, pte, kind);
  }

  /** SDM Vol. 3A, "PAE Paging" 4.4 and "4-Level Paging and 5-Level Paging" 4.5. */
  private walk64BitEntries(linearLow: number, linearHigh: number, kind: AccessKind, privilege: Privilege): WalkOutcome {
    const registers = this.registers;
    const pae = registers.mode === PAGING_PAE;
    let reservedHigh = this.reservedHigh;
    if (pae) reservedHigh |= 0x7ff0_0000;
    if (!registers.executeDisable) reservedHigh |= 1 << 31;
    let rights = -1;
    let executeDisabled = 0;
    let top = registers.mode === PAGING_5_LEVEL ? 4 : 3;
    let table = Math.floor(registers.cr3 / 4096) * 4096;
    if (pae) {
      const index = linearLow >>> 30;
      const low = registers.pdptes[index * 2];
      const high = registers.pdptes[index * 2 + 1];
      if (this.recorder !== undefined)
        this.recorder.entry(2, ((registers.cr3 & ~31) >>> 0) + index * 8, low, high, 0, false);
      if ((low & PRESENT) === 0) return this.pageFault('not-present', kind, privilege);
      table = (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
      top = 1;
    }
    for (let level = top; ; level--) {
      const index =
        level >= 3
          ? (linearHigh >>> (level === 4 ? 16 : 7)) & 511
          : level === 2
            ? ((linearLow >>> 30) | (linearHigh << 2)) & 511
            : level === 1
              ? (linearLow >>> 21) & 511
              : (linearLow >>> 12) & 511;
      const address = table + index * 8;
      const outcome = this.readEntry(address, 8);
      if (outcome !== WALK_OK) return outcome;
      const low = this.low;
      const high = this.high;
      const leaf = level === 0 || (level <= this.largestLevel && (low & PAGE_SIZE) !== 0);
      if (this.recorder !== undefined) this.recorder.entry(level, address, low, high, 8, leaf);
      if ((low & PRESENT) === 0) return this.pageFault('not-present', kind, privilege);
      const reservedLow = !leaf ? (level > this.largestLevel ? PAGE_SIZE : 0) : LARGE_RESERVED[level as 0 | 1 | 2];
      if ((high & reservedHigh) !== 0 || (low & reservedLow) !== 0)
        return this.pageFault('reserved-bits', kind, privilege);
      rights &= low;
      executeDisabled |= high >>> 31;
      this.remember(level, address);
      if (!leaf) {
        table = (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
        continue;
      }
      const reason = this.permit(rights, executeDisabled !== 0, kind, privilege, (high >>> 27) & 15);
      if (reason !== undefined) return this.pageFault(reason, kind, privilege);
      const mask = PAGE_MASKS[level as 0 | 1 | 2];
      this.guestPhysical = (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~mask) >>> 0) + (linearLow & mask);
      return this.complete(top, level, low, kind);
    }
  }

  private remember(level: number, address: number): void {
    this.entryGuest[level] = address;
    this.entryHost[level] = this.host;
    this.entryLow[level] = this.low;
  }

  /**
   * Judges the access by the AND of the entries' R/W and U/S bits and fills `may*`; gives the reason of a refusal.
   * SDM Vol. 3A, "Determination of Access Rights", 4.6.1.
   */
  private permit(
    rights: number,
    executeDisabled: boolean,
    kind: AccessKind,
    privilege: Privilege,
    key = 0,
  ): PageFaultReason | undefined {
    const registers = this.registers;
    const userPage = (rights & USER_PAGE) !== 0;
    const writable = (rights & WRITABLE) !== 0;
    if (privilege === USER) {
      this.mayRead = userPage;
      this.mayWrite = userPage && writable;
      this.mayExecute = userPage && !executeDisabled;
      if (!userPage) return 'supervisor-only';
    } else {
      this.mayRead = !(userPage && registers.smap && privilege !== SUPERVISOR_AC);
      this.mayWrite = this.mayRead && (writable || !registers.writeProtect);
      this.mayExecute = !executeDisabled && !(userPage && registers.smep);
    }
    if (registers.pkru !== 0 && userPage) {
      // AD and WD of the page's key (SDM Vol. 3A, "Protection Keys" 4.6.2); they say nothing about fetches.
      const denied = (registers.pkru >>> (2 * key)) & 3;
      const mayReadKey = (denied & 1) === 0;
      const mayWriteKey = denied === 0 || (denied === 2 && privilege !== USER && !registers.writeProtect);
      this.mayRead &&= mayReadKey;
      this.mayWrite &&= mayWriteKey;
      if (kind === READ ? !mayReadKey : kind === WRITE && !mayWriteKey) return 'protection-key';
    }
    if (kind === READ) return this.mayRead ? undefined : 'user-page-smap';
    if (kind === WRITE) return this.mayWrite ? undefined : this.mayRead ? 'not-writable' : 'user-page-smap';
    return this.mayExecute ? undefined : executeDisabled ? 'execute-disabled' : 'user-page-smep';
  }

  private pageFault(reason: PageFaultReason, kind: AccessKind, privilege: Privilege): WalkOutcome {
    const registers = this.registers;
    this.reason = reason;
    this.errorCode =
      (reason === 'not-present' ? 0 : PF_PRESENT) |
      (kind === WRITE ? PF_WRITE : 0) |
      (privilege === USER ? PF_USER : 0) |
      (reason === 'reserved-bits' ? PF_RESERVED : 0) |
      (reason === 'protection-key' ? PF_PROTECTION_KEY : 0) |
      (kind === EXECUTE && (registers.executeDisable || registers.smep) ? PF_FETCH : 0);
    return PAGE_FAULT;
  }

  /** Sets accessed and dirty flags of the entries used (SDM Vol. 3A, "Accessed and Dirty Flags", 4.8). */
  private complete(top: number, leafLevel: number, leafLow: number, kind: AccessKind): WalkOutcome {
    this.leafLevel = leafLevel;
    this.global = (leafLow & GLOBAL) !== 0;
    const dirty = kind === WRITE || (leafLow & DIRTY) !== 0;
    this.mayWrite &&= dirty;
    for (let level = top; level >= leafLevel; level--) {
      const bits = level === leafLevel && kind === WRITE ? ACCESSED | DIRTY : ACCESSED;
      const low = this.entryLow[level];
      if ((low & bits) === bits) continue;
      if (this.registers.ept && !this.registers.eptAccessedDirty) {
        const outcome = this.updateThroughEpt(this.entryGuest[level]);
        if (outcome !== WALK_OK) return outcome;
      }
      if (this.commits) this.physical.write(this.entryHost[level], 4, low | bits);
    }
    return WALK_OK;
  }

  /** The entry was only read so far; setting its flags is a read-modify-write and needs both rights. Not another table read for views. */
  private updateThroughEpt(guestPhysical: number): WalkOutcome {
    const ept = this.ept;
    const needs = EPT_READ | EPT_WRITE;
    ept.recorder = undefined;
    const outcome = ept.translate(guestPhysical, needs);
    ept.recorder = this.recorder;
    if (outcome !== WALK_OK) {
      this.eptGuestPhysical = guestPhysical;
      this.eptNeeds = needs;
      this.duringWalk = true;
    }
    return outcome;
  }
}
