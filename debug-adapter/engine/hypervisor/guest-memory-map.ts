/** What lies at a guest-physical address, and in which pieces EPT maps it. */
import {
  CONVENTIONAL_END,
  EXTENDED_MEMORY,
  HPET_ADDRESS,
  IO_APIC_ADDRESS,
  LOCAL_APIC_ADDRESS,
  memoryMap,
} from '../base/memory-map.ts';
import type { AbsentDevices } from '../devices/device.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import { GUEST_BASE } from './host-layout.ts';

/** A run of guest-physical memory. */
export interface GuestRange {
  readonly base: number;
  readonly bytes: number;
  readonly kind: 'ram' | 'rom';
}

/**
 * VGA memory, A0000h-BFFFFh, is plain RAM as long as there is no display adapter; the rest below 1 MiB is ROM: no option ROMs
 * are fitted, but kernels look for them, and the firmware has the last 64 KiB.
 */
const OPTION_ROMS = 0xc_0000;
/** Below this address memory is mapped page by page, so that a first touch of each shows as an EPT violation. */
const SMALL_PAGES_END = 0x20_0000;
const LARGE_PAGE_BYTES = 0x20_0000;
/** Devices that the guest gets as they are: EPT maps their pages through. */
const DEVICE_PAGES: ReadonlySet<number> = new Set([IO_APIC_ADDRESS, HPET_ADDRESS, LOCAL_APIC_ADDRESS]);

/** Memory of a guest with `memoryBytes` of RAM, sorted by address. */
export function guestRanges(memoryBytes: number): readonly GuestRange[] {
  const extended = memoryMap(memoryBytes).filter(({ base }) => base >= EXTENDED_MEMORY);
  return [
    { base: 0, bytes: CONVENTIONAL_END, kind: 'ram' },
    { base: CONVENTIONAL_END, bytes: OPTION_ROMS - CONVENTIONAL_END, kind: 'ram' },
    { base: OPTION_ROMS, bytes: EXTENDED_MEMORY - OPTION_ROMS, kind: 'rom' },
    ...extended.map(({ base, bytes }): GuestRange => ({ base, bytes, kind: 'ram' })),
  ];
}

/** Declares the hypervisor's and the guest's memory in host-physical memory; loading comes after it. */
export function declareHostPhysicalMemory(physical: PhysicalMemory, memoryBytes: number): void {
  physical.setPages(0, GUEST_BASE / PAGE_BYTES, 'ram');
  for (const { base, bytes, kind } of guestRanges(memoryBytes)) {
    const first = Math.floor((GUEST_BASE + base) / PAGE_BYTES);
    const end = Math.ceil((GUEST_BASE + base + bytes) / PAGE_BYTES);
    physical.setPages(first, end - first, kind);
  }
}

/** One page of the guest as EPT is to map it. */
interface GuestPage {
  /** Guest-physical address of its first byte. */
  readonly base: number;
  readonly bytes: typeof PAGE_BYTES | typeof LARGE_PAGE_BYTES;
  readonly kind: 'ram' | 'rom' | 'device';
}

export class GuestMemoryMap {
  private readonly ranges: readonly GuestRange[];
  private readonly absent: AbsentDevices;

  constructor(memoryBytes: number, absent: AbsentDevices) {
    this.ranges = guestRanges(memoryBytes);
    this.absent = absent;
  }

  /** The page to map for an address; undefined where there is neither memory nor a device. */
  pageAt(guestPhysical: number): GuestPage | undefined {
    const kind = this.kindOf(guestPhysical);
    if (kind === undefined) return undefined;
    const largeBase = guestPhysical - (guestPhysical % LARGE_PAGE_BYTES);
    const largeEnd = largeBase + LARGE_PAGE_BYTES;
    const whole = this.ranges.some(({ base, bytes }) => base <= largeBase && largeEnd <= base + bytes);
    const empty =
      this.ranges.every(({ base, bytes }) => base >= largeEnd || base + bytes <= largeBase) &&
      [...DEVICE_PAGES].every((page) => page < largeBase || page >= largeEnd);
    if (guestPhysical >= SMALL_PAGES_END && (whole || empty)) return { base: largeBase, bytes: LARGE_PAGE_BYTES, kind };
    return { base: guestPhysical - (guestPhysical % PAGE_BYTES), bytes: PAGE_BYTES, kind };
  }

  kindOf(guestPhysical: number): 'ram' | 'rom' | 'device' | undefined {
    for (const { base, bytes, kind } of this.ranges)
      if (guestPhysical >= base && guestPhysical < base + bytes) return kind;
    if (DEVICE_PAGES.has(guestPhysical - (guestPhysical % PAGE_BYTES))) return 'device';
    // The bus behind the page floats, and so does the page.
    return this.absent === 'float' ? 'device' : undefined;
  }
}
