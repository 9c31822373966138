/**
 * Where RAM is in guest-physical memory, for everything that tells a guest about it: E820h, the Multiboot information
 * structure, CMOS and the board.
 */

export interface MemoryRange {
  readonly base: number;
  readonly bytes: number;
  readonly kind: 'usable' | 'reserved';
}

/** End of conventional memory; the extended BIOS data area of 1 KiB follows. */
export const EXTENDED_BIOS_DATA = 0x9_fc00;
export const CONVENTIONAL_END = 0xa_0000;
/** ROM with the ACPI and MP tables, below the firmware's. */
export const PLATFORM_TABLES = 0xe_0000;
export const FIRMWARE_ROM = 0xf_0000;
export const EXTENDED_MEMORY = 0x10_0000;
/** RAM below 4 GiB ends here at the latest, so that local APIC, I/O APIC and other devices have room. */
export const LOW_RAM_LIMIT = 0xc000_0000;
/** Where memory-mapped devices are: one page each. The local APIC is there after reset and may be moved. */
export const IO_APIC_ADDRESS = 0xfec0_0000;
export const HPET_ADDRESS = 0xfed0_0000;
export const LOCAL_APIC_ADDRESS = 0xfee0_0000;
const FOUR_GIB = 0x1_0000_0000;

/** The memory map of a machine with `memoryBytes` of RAM (the 384 KiB below 1 MiB count, as on a PC), sorted by address. */
export function memoryMap(memoryBytes: number): readonly MemoryRange[] {
  const low = Math.min(memoryBytes, LOW_RAM_LIMIT);
  const map: MemoryRange[] = [
    { base: 0, bytes: EXTENDED_BIOS_DATA, kind: 'usable' },
    { base: EXTENDED_BIOS_DATA, bytes: CONVENTIONAL_END - EXTENDED_BIOS_DATA, kind: 'reserved' },
    { base: PLATFORM_TABLES, bytes: EXTENDED_MEMORY - PLATFORM_TABLES, kind: 'reserved' },
  ];
  if (low > EXTENDED_MEMORY) map.push({ base: EXTENDED_MEMORY, bytes: low - EXTENDED_MEMORY, kind: 'usable' });
  if (memoryBytes > LOW_RAM_LIMIT) map.push({ base: FOUR_GIB, bytes: memoryBytes - LOW_RAM_LIMIT, kind: 'usable' });
  return map;
}
