/** What lies at a guest-physical address, and in which pieces EPT maps it. */
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import { GUEST_BASE } from './host-layout.ts';

/** Below this address memory is mapped page by page, so that a first touch of each shows as an EPT violation. */
export const SMALL_PAGES_END = 0x20_0000;
export const LARGE_PAGE_BYTES = 0x20_0000;

/** One page of the guest as EPT is to map it. */
export interface GuestPage {
  /** Guest-physical address of its first byte. */
  readonly base: number;
  readonly bytes: typeof PAGE_BYTES | typeof LARGE_PAGE_BYTES;
  readonly kind: 'ram' | 'rom';
}

/** The guest has what the board placed in host-physical memory from `GUEST_BASE` on: one fact, asked here. */
export class GuestMemoryMap {
  private readonly physical: PhysicalMemory;

  constructor(physical: PhysicalMemory) {
    this.physical = physical;
  }

  /** The page to map for an address; undefined where there is neither RAM nor ROM. */
  pageAt(guestPhysical: number): GuestPage | undefined {
    const kind = this.kindOf(guestPhysical);
    if (kind === undefined) return undefined;
    const largeBase = guestPhysical - (guestPhysical % LARGE_PAGE_BYTES);
    if (guestPhysical >= SMALL_PAGES_END && this.isWhole(largeBase, kind))
      return { base: largeBase, bytes: LARGE_PAGE_BYTES, kind };
    return { base: guestPhysical - (guestPhysical % PAGE_BYTES), bytes: PAGE_BYTES, kind };
  }

  kindOf(guestPhysical: number): 'ram' | 'rom' | undefined {
    const kind = this.physical.kind(GUEST_BASE + guestPhysical);
    return kind === 'none' ? undefined : kind;
  }

  /** All of a large page is of one kind. */
  private isWhole(base: number, kind: 'ram' | 'rom'): boolean {
    for (let at = base; at < base + LARGE_PAGE_BYTES; at += PAGE_BYTES) if (this.kindOf(at) !== kind) return false;
    return true;
  }
}
