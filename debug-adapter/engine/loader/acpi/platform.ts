/** Where the tables that describe the machine are: in the ROM below the firmware, and what may be written in the extended BIOS data area. */
import { CONVENTIONAL_END, PLATFORM_TABLES } from '../../base/memory-map.ts';
import type { LoadSegment } from '../../base/program.ts';
import { mpTable, MP_POINTER_BYTES } from './mp-table.ts';
import { acpiTables, FACS_BYTES } from './tables.ts';

/** The last 64 bytes of the extended BIOS data area; the firmware uses its beginning. */
const FACS_ADDRESS = CONVENTIONAL_END - FACS_BYTES;
/** Kernels look for the pointer in the area's first KiB, at multiples of 16 (MultiProcessor Specification 1.4, 4.1). */
const MP_POINTER_ADDRESS = FACS_ADDRESS - MP_POINTER_BYTES;

/** All tables, for a machine with so many processors. */
export function platformTables(processors: number): readonly LoadSegment[] {
  const acpi = acpiTables({ processors, base: PLATFORM_TABLES, facsAddress: FACS_ADDRESS });
  const configurationAddress = PLATFORM_TABLES + Math.ceil(acpi.bytes.length / 16) * 16;
  const mp = mpTable(processors, configurationAddress);
  return [
    { address: PLATFORM_TABLES, bytes: acpi.bytes, zeroBytes: 0 },
    { address: configurationAddress, bytes: mp.configuration, zeroBytes: 0 },
    { address: MP_POINTER_ADDRESS, bytes: mp.pointer, zeroBytes: 0 },
    { address: FACS_ADDRESS, bytes: acpi.facs, zeroBytes: 0 },
  ];
}
