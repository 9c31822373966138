/**
 * The EPT walk (SDM Vol. 3C, "The Extended Page Table Mechanism (EPT)", 28.2): guest-physical to host-physical address. The
 * one walk that execution, guest paging and the inspector use; it allocates nothing and leaves its results in its own fields.
 */
import {
  EPT_MISCONFIGURATION,
  EPT_VIOLATION,
  reservedAddressBits,
  WALK_OK,
  type PagingRegisters,
  type WalkOutcome,
} from './paging.ts';
import type { PhysicalMemory } from './physical.ts';

/** Access rights in EPT entries, and what an access needs. */
export const EPT_READ = 1;
export const EPT_WRITE = 2;
export const EPT_EXECUTE = 4;

/** Options of EPT that are built; IA32_VMX_EPT_VPID_CAP must say the same (SDM Vol. 3D, appendix A.10). */
export const EPT_FEATURES = { executeOnly: true, pages2M: true, pages1G: true, accessedDirty: true } as const;

const ACCESSED = 1 << 8;
const DIRTY = 1 << 9;
const PAGE_SIZE = 1 << 7;

/** Low bits of the address that stay untranslated, by level of the entry that maps the page. */
export const PAGE_MASKS = [0xfff, 0x1f_ffff, 0x3fff_ffff] as const;
/** Address bits of a large page's entry that must be zero, by level (bits 31:0). */
const LARGE_RESERVED = [0, 0x1f_f000, 0x3fff_f000] as const;
/** EPT memory types that exist: UC, WC, WT, WP, WB. */
const MEMORY_TYPES = (1 << 0) | (1 << 1) | (1 << 4) | (1 << 5) | (1 << 6);

/** Told about every entry the walk reads, for views. */
export interface EptRecorder {
  /** `level` 3 is the PML4E, 0 the PTE. */
  eptEntry(level: number, address: number, low: number, high: number, leaf: boolean): void;
}

export class EptWalker {
  /** Results of the last `translate`. */
  hostPhysical = 0;
  /** AND of the rights in all entries used; 0 where an entry is not present. */
  permissions = 0;
  /** A further write sets no dirty flag: it is set, or not kept. */
  dirty = false;
  /** Level of the last entry read: of the leaf where the walk succeeds. */
  level = 0;
  recorder: EptRecorder | undefined = undefined;

  private readonly physical: PhysicalMemory;
  private readonly registers: PagingRegisters;
  private readonly commits: boolean;
  private readonly reservedHigh: number;
  private readonly entryAddresses = new Float64Array(4);
  private readonly entryOffsets = new Int32Array(4);

  /** @param effects `look` sets no accessed and dirty flags. */
  constructor(physical: PhysicalMemory, registers: PagingRegisters, effects: 'commit' | 'look') {
    this.physical = physical;
    this.registers = registers;
    this.commits = effects === 'commit';
    this.reservedHigh = reservedAddressBits(registers.physicalBits);
  }

  /** Translates with the rights in `needs` (EPT_READ ...). Gives WALK_OK, EPT_VIOLATION or EPT_MISCONFIGURATION. */
  translate(guestPhysical: number, needs: number): WalkOutcome {
    const physical = this.physical;
    const words = physical.words;
    const addressLow = guestPhysical | 0;
    const addressHigh = (guestPhysical / 0x1_0000_0000) | 0;
    let table = this.registers.eptRoot;
    let permissions = 7;
    this.permissions = 0;
    for (let level = 3; ; level--) {
      const index =
        level === 3
          ? (addressHigh >>> 7) & 511
          : level === 2
            ? ((addressLow >>> 30) | (addressHigh << 2)) & 511
            : level === 1
              ? (addressLow >>> 21) & 511
              : (addressLow >>> 12) & 511;
      const entryAddress = table + index * 8;
      const offset = physical.lookupOffset(entryAddress);
      // Outside memory nothing drives the bus: a table there reads as ones, whatever device is behind it.
      const low = offset >= 0 ? words[offset >> 2] : offset === -1 ? -1 : 0;
      const high = offset >= 0 ? words[(offset >> 2) + 1] : offset === -1 ? -1 : 0;
      const leaf = level === 0 || (level < 3 && (low & PAGE_SIZE) !== 0);
      this.level = level;
      if (this.recorder !== undefined) this.recorder.eptEntry(level, entryAddress, low, high, leaf);
      if ((low & 7) === 0) return EPT_VIOLATION;
      if (this.misconfigured(low, high, level, leaf)) return EPT_MISCONFIGURATION;
      permissions &= low;
      this.entryAddresses[level] = entryAddress;
      this.entryOffsets[level] = offset;
      if (!leaf) {
        table = (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~0xfff) >>> 0);
        continue;
      }
      const mask = PAGE_MASKS[level as 0 | 1 | 2];
      this.permissions = permissions;
      this.hostPhysical = (high & 0xf_ffff) * 0x1_0000_0000 + ((low & ~mask) >>> 0) + (addressLow & mask);
      if ((permissions & needs) !== needs) return EPT_VIOLATION;
      if (this.registers.eptAccessedDirty) this.setAccessedDirty(level, needs);
      else this.dirty = true;
      return WALK_OK;
    }
  }

  /** SDM Vol. 3C, "EPT Misconfigurations", 28.2.3.1. */
  private misconfigured(low: number, high: number, level: number, leaf: boolean): boolean {
    if ((low & 3) === 2 || (!EPT_FEATURES.executeOnly && (low & 7) === 4)) return true;
    if ((high & this.reservedHigh) !== 0) return true;
    if (!leaf) return (low & (level === 3 ? 0xf8 : 0x78)) !== 0;
    return ((MEMORY_TYPES >> ((low >> 3) & 7)) & 1) === 0 || (low & LARGE_RESERVED[level as 0 | 1 | 2]) !== 0;
  }

  private setAccessedDirty(leafLevel: number, needs: number): void {
    const words = this.physical.words;
    const leafBits = (needs & EPT_WRITE) !== 0 ? ACCESSED | DIRTY : ACCESSED;
    for (let level = 3; level >= leafLevel; level--) {
      const bits = level === leafLevel ? leafBits : ACCESSED;
      const low = words[this.entryOffsets[level] >> 2];
      if (level === leafLevel) this.dirty = ((low | leafBits) & DIRTY) !== 0;
      if (this.commits && (low & bits) !== bits) this.physical.write(this.entryAddresses[level], 4, low | bits);
    }
  }
}
