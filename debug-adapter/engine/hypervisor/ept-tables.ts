/**
 * The guest's EPT paging structures in host-physical memory, as the processor walks them
 * (SDM Vol. 3C, "EPT Translation Mechanism", 28.2.2: tables 28-1 to 28-6).
 */
import { PAGE_MASKS } from '../memory/ept.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';

/** Access rights, bits 2:0 of an entry. */
export const EPT_RIGHTS = { read: 1, write: 2, execute: 4, all: 7 } as const;

const LARGE = 1 << 7;
const WRITE_BACK = 6;
const MEMORY_TYPE_BIT = 3;
const WALK_LENGTH_4 = 3 << 3;
const ADDRESS_MASK = 0xf_ffff_ffff_f000n;

/** Level of an entry: 3 is the PML4E, 0 the PTE. */
export type EptEntryLevel = 0 | 1 | 2 | 3;

export interface EptEntry {
  readonly level: EptEntryLevel;
  /** Host-physical address of the entry. */
  readonly address: number;
  readonly value: bigint;
  /** The entry maps a page. */
  readonly leaf: boolean;
}

/** Where tables come from. */
export interface PageAllocator {
  allocatePage(): number;
}

export class EptTables {
  /** Host-physical address of the EPT PML4 table. */
  readonly root: number;
  private readonly physical: PhysicalMemory;
  private readonly pages: PageAllocator;

  constructor(physical: PhysicalMemory, pages: PageAllocator) {
    this.physical = physical;
    this.pages = pages;
    this.root = pages.allocatePage();
  }

  /** Value of the EPTP field: write-back tables, four levels, no accessed and dirty flags (24.6.11). */
  get pointer(): bigint {
    return BigInt(this.root) | BigInt(WALK_LENGTH_4 | WRITE_BACK);
  }

  /**
   * Maps one page of 4 KiB or 2 MiB with the given rights, adding tables that are missing.
   * Both addresses are multiples of the page's size.
   */
  map(guestPhysical: number, hostPhysical: number, bytes: number, rights: number): void {
    const leafLevel = bytes === PAGE_BYTES ? 0 : 1;
    const mask = PAGE_MASKS[leafLevel];
    if (((guestPhysical | hostPhysical) & mask) !== 0 || bytes !== mask + 1)
      throw new Error(`Invariant broken: EPT cannot map ${bytes} bytes at ${guestPhysical.toString(16)}h`);
    let table = this.root;
    for (let level: EptEntryLevel = 3; level > leafLevel; level = (level - 1) as EptEntryLevel)
      table = this.tableBelow(table + 8 * indexAt(guestPhysical, level));
    const large = leafLevel === 1 ? LARGE : 0;
    const entry = BigInt(hostPhysical) | BigInt(rights | large | (WRITE_BACK << MEMORY_TYPE_BIT));
    this.physical.write64(table + 8 * indexAt(guestPhysical, leafLevel), entry);
  }

  private tableBelow(entryAddress: number): number {
    const entry = this.physical.read64(entryAddress);
    if ((entry & 7n) !== 0n) {
      if ((entry & BigInt(LARGE)) !== 0n)
        throw new Error(
          `Invariant broken: a large EPT page is where a table should be, at ${entryAddress.toString(16)}h`,
        );
      return Number(entry & ADDRESS_MASK);
    }
    const page = this.pages.allocatePage();
    this.physical.write64(entryAddress, BigInt(page) | BigInt(EPT_RIGHTS.all));
    return page;
  }

  /** The last entry that a walk of the address reads. */
  entryFor(guestPhysical: number): EptEntry {
    let table = this.root;
    for (let level: EptEntryLevel = 3; ; level = (level - 1) as EptEntryLevel) {
      const address = table + 8 * indexAt(guestPhysical, level);
      const value = this.physical.read64(address);
      const leaf = level === 0 || (level < 3 && (value & BigInt(LARGE)) !== 0n);
      if (leaf || (value & 7n) === 0n) return { level, address, value, leaf: leaf && (value & 7n) !== 0n };
      table = Number(value & ADDRESS_MASK);
    }
  }

  /** Rights of the page that maps an address; 0 where none does. */
  rightsAt(guestPhysical: number): number {
    const { leaf, value } = this.entryFor(guestPhysical);
    return leaf ? Number(value & 7n) : 0;
  }

  /** Replaces the rights of the page that maps an address. */
  setRights(guestPhysical: number, rights: number): void {
    const { leaf, value, address } = this.entryFor(guestPhysical);
    if (!leaf) throw new Error(`Invariant broken: no EPT page maps ${guestPhysical.toString(16)}h`);
    this.physical.write64(address, (value & ~7n) | BigInt(rights));
  }
}

/** Index of an address in its table at a level: nine bits from bit 12 + 9 * level (28.2.2). */
const indexAt = (guestPhysical: number, level: number): number =>
  Math.floor(guestPhysical / 2 ** (12 + 9 * level)) % 512;
