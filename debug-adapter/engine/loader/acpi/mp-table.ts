/** The tables of the Intel MultiProcessor Specification 1.4 (4), for kernels from before ACPI. */
import { TIMER_PIN } from '../../base/wiring.ts';
import { IO_APIC_ADDRESS, LOCAL_APIC_ADDRESS } from '../../base/memory-map.ts';
import { packed, TableWriter } from './table.ts';

export const MP_POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const SPECIFICATION_REVISION = 4;
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x20;
const IO_APIC_ID = 0;
const ENABLED = 1;
const BOOT_PROCESSOR = 2;
const PCI_BUS = 0;
const ISA_BUS = 1;
const ISA_INTERRUPTS = 16;
const CASCADE = 2;
const ALL_PROCESSORS = 0xff;
/** Interrupt types (table 4-11). */
const INT = 0;
const NMI = 1;
const EXTERNAL = 3;
const FROM_I_O = 3;
const LOCAL = 4;
/** Features that every processor of ours has: an FPU and a local APIC. */
const FEATURE_FLAGS = 0x0201;

export interface MpTable {
  readonly pointer: Uint8Array;
  readonly configuration: Uint8Array;
}

/** `configurationAddress`: where the configuration table will be. Signatures are left to CPUID, which tells them better. */
export function mpTable(processors: number, configurationAddress: number): MpTable {
  const text = (value: string, bytes: number) => [...value.padEnd(bytes)].map((letter) => letter.charCodeAt(0));
  const interrupt = (kind: number, type: number, irq: number, to: number, pin: number) =>
    packed([kind, 1], [type, 1], [0, 2], [ISA_BUS, 1], [irq, 1], [to, 1], [pin, 1]);
  const isa = Array.from({ length: ISA_INTERRUPTS }, (_, irq) => irq).filter((irq) => irq !== CASCADE);
  const entries = [
    ...Array.from({ length: processors }, (_, index) =>
      packed(
        [0, 1],
        [index, 1],
        [LOCAL_APIC_VERSION, 1],
        [ENABLED | (index === 0 ? BOOT_PROCESSOR : 0), 1],
        [0, 4],
        [FEATURE_FLAGS, 4],
        [0, 8],
      ),
    ),
    [1, PCI_BUS, ...text('PCI', 6)],
    [1, ISA_BUS, ...text('ISA', 6)],
    packed([2, 1], [IO_APIC_ID, 1], [IO_APIC_VERSION, 1], [ENABLED, 1], [IO_APIC_ADDRESS, 4]),
    ...isa.map((irq) => interrupt(FROM_I_O, INT, irq, IO_APIC_ID, irq === 0 ? TIMER_PIN : irq)),
    interrupt(LOCAL, EXTERNAL, 0, ALL_PROCESSORS, 0),
    interrupt(LOCAL, NMI, 0, ALL_PROCESSORS, 1),
  ];
  const body = entries.flat();
  const table = new TableWriter(HEADER_BYTES + body.length);
  table.text(0, 'PCMP');
  table.word(4, table.bytes.length);
  table.byte(6, SPECIFICATION_REVISION);
  table.text(8, 'HYPERSTP');
  table.text(16, 'HYPERSTEP   ');
  table.word(34, entries.length);
  table.dword(36, LOCAL_APIC_ADDRESS);
  table.bytes.set(body, HEADER_BYTES);
  table.checksum(7);

  const pointer = new TableWriter(MP_POINTER_BYTES);
  pointer.text(0, '_MP_');
  pointer.dword(4, configurationAddress);
  pointer.byte(8, 1);
  pointer.byte(9, SPECIFICATION_REVISION);
  pointer.checksum(10);
  return { pointer: pointer.bytes, configuration: table.bytes };
}
