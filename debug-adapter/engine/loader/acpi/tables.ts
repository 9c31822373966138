/** The ACPI tables of the machine (ACPI specification 6.3, "ACPI System Description Tables", 5.2). */
import {
  PM1A_CONTROL_PORT,
  PM1A_EVENT_PORT,
  PM_TIMER_PORT,
  RESET_PORT,
  RESET_VALUE,
  SCI_IRQ,
  TIMER_PIN,
} from '../../base/wiring.ts';
import { HPET_ADDRESS, IO_APIC_ADDRESS, LOCAL_APIC_ADDRESS } from '../../base/memory-map.ts';
import { definitionBlock } from './dsdt.ts';
import { descriptionTable, OEM, packed, tableOfEntries, TableWriter } from './table.ts';

/** Active high and level triggered, in the flags of an interrupt source (5.2.12.5). */
const LEVEL_HIGH = 0x000d;
const ALL_PROCESSORS = 0xff;

const FADT_BYTES = 244;
/** WBINVD works; C1 on all processors; neither power nor sleep button in fixed hardware; the reset register is there. */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 10);
/** Legacy devices, an 8042, and no message signalled interrupts. */
const BOOT_ARCHITECTURE = (1 << 0) | (1 << 1) | (1 << 3);
const CENTURY_IN_CMOS = 0x32;
/** Longer than this, C2 and C3 are not there. */
const NO_C2_LATENCY = 101;
const NO_C3_LATENCY = 1001;
export const FACS_BYTES = 64;
const FACS_VERSION = 2;
/** Low half of the HPET's capabilities: what it reads at offset 0. */
const HPET_BLOCK_ID = 0x8086_a201;
/** Counts between interrupts of a periodic timer at least. */
const HPET_LEAST_PERIOD = 0x80;
const RSDP_BYTES = 36;
/** The first checksum of the RSDP covers what ACPI 1.0 has of it. */
const RSDP_1_BYTES = 20;

export interface AcpiTables {
  /** To be placed from `base` on; the RSDP is at `base` itself. */
  readonly bytes: Uint8Array;
  readonly facs: Uint8Array;
  /** Each table by its signature, as it is placed. */
  readonly tables: Readonly<Record<'DSDT' | 'FACP' | 'APIC' | 'HPET' | 'RSDT' | 'XSDT', Uint8Array>>;
}

export interface AcpiOptions {
  readonly processors: number;
  /** Guest-physical address of the tables, a multiple of 16. */
  readonly base: number;
  /** Guest-physical address of the FACS, in memory that can be written, a multiple of 64. */
  readonly facsAddress: number;
}

export function acpiTables({ processors, base, facsAddress }: AcpiOptions): AcpiTables {
  let next = base + Math.ceil(RSDP_BYTES / 16) * 16;
  const placed: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const place = (bytes: Uint8Array): number => {
    const at = next;
    placed.push({ at, bytes });
    next += Math.ceil(bytes.length / 16) * 16;
    return at;
  };
  const dsdt = tableOfEntries('DSDT', 2, definitionBlock(processors), []);
  const fadt = fixedDescription(place(dsdt), facsAddress);
  const madt = multipleApic(processors);
  const hpet = eventTimer();
  const entries = [fadt, madt, hpet].map(place);
  const rsdt = tableOfEntries('RSDT', 1, packed(...entries.map((entry) => [entry, 4] as const)), []);
  const xsdt = tableOfEntries('XSDT', 1, packed(...entries.map((entry) => [entry, 8] as const)), []);
  const rsdp = rootPointer(place(rsdt), place(xsdt));
  const bytes = new Uint8Array(next - base);
  bytes.set(rsdp);
  for (const { at, bytes: table } of placed) bytes.set(table, at - base);
  return {
    bytes,
    facs: firmwareControl(),
    tables: { DSDT: dsdt, FACP: fadt, APIC: madt, HPET: hpet, RSDT: rsdt, XSDT: xsdt },
  };
}

/** Root system description pointer (5.2.5.3). */
function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const table = new TableWriter(RSDP_BYTES);
  table.text(0, 'RSD PTR ');
  table.text(9, OEM.id);
  table.byte(15, 2);
  table.dword(16, rsdt);
  table.dword(20, RSDP_BYTES);
  table.qword(24, xsdt);
  table.checksum(8, RSDP_1_BYTES);
  table.checksum(32);
  return table.bytes;
}

/** Fixed ACPI description table (5.2.9). The machine is always in ACPI mode: there is no SMI command port. */
const fixedDescription = (dsdt: number, facs: number): Uint8Array =>
  descriptionTable('FACP', 3, FADT_BYTES, (table) => {
    table.dword(36, facs);
    table.dword(40, dsdt);
    table.word(46, SCI_IRQ);
    table.dword(56, PM1A_EVENT_PORT);
    table.dword(64, PM1A_CONTROL_PORT);
    table.dword(76, PM_TIMER_PORT);
    table.byte(88, 4);
    table.byte(89, 2);
    table.byte(91, 4);
    table.word(96, NO_C2_LATENCY);
    table.word(98, NO_C3_LATENCY);
    table.byte(108, CENTURY_IN_CMOS);
    table.word(109, BOOT_ARCHITECTURE);
    table.dword(112, FADT_FLAGS);
    table.address(116, 'io', 8, RESET_PORT);
    table.byte(128, RESET_VALUE);
    // The 64-bit pointer to the FACS stays 0: the 32-bit one reaches it, and kernels would take it for a second one.
    table.qword(140, dsdt);
    table.address(148, 'io', 32, PM1A_EVENT_PORT);
    table.address(172, 'io', 16, PM1A_CONTROL_PORT);
    table.address(208, 'io', 32, PM_TIMER_PORT);
  });

/** Firmware ACPI control structure (5.2.10), which has no checksum. */
function firmwareControl(): Uint8Array {
  const table = new TableWriter(FACS_BYTES);
  table.text(0, 'FACS');
  table.dword(4, FACS_BYTES);
  table.byte(32, FACS_VERSION);
  return table.bytes;
}

/** Multiple APIC description table (5.2.12): also a pair of 8259s is there. */
function multipleApic(processors: number): Uint8Array {
  const PC_AT_COMPATIBLE = 1;
  const ENABLED = 1;
  const localApics = Array.from({ length: processors }, (_, index) =>
    packed([0, 1], [8, 1], [index, 1], [index, 1], [ENABLED, 4]),
  );
  const override = (irq: number, pin: number, flags: number) =>
    packed([2, 1], [10, 1], [0, 1], [irq, 1], [pin, 4], [flags, 2]);
  return tableOfEntries('APIC', 3, packed([LOCAL_APIC_ADDRESS, 4], [PC_AT_COMPATIBLE, 4]), [
    ...localApics,
    packed([1, 1], [12, 1], [0, 1], [0, 1], [IO_APIC_ADDRESS, 4], [0, 4]),
    override(0, TIMER_PIN, 0),
    override(SCI_IRQ, SCI_IRQ, LEVEL_HIGH),
    // Every processor's LINT1 is its NMI.
    packed([4, 1], [6, 1], [ALL_PROCESSORS, 1], [0, 2], [1, 1]),
  ]);
}

/** IA-PC HPET specification 1.0a, "The ACPI 2.0 HPET Description Table", 3.2.4. */
const eventTimer = (): Uint8Array =>
  descriptionTable('HPET', 1, 56, (table) => {
    table.dword(36, HPET_BLOCK_ID);
    table.address(40, 'memory', 64, HPET_ADDRESS);
    table.word(53, HPET_LEAST_PERIOD);
  });
