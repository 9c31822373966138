/**
 * What the processor's registers hold when a program starts, by boot protocol. The same description starts the bare machine
 * and, written into the VMCS guest-state area, a guest of the built-in hypervisor.
 */
import type { BootProtocol, Program } from '../base/program.ts';
import { unreachable } from '../base/unreachable.ts';
import { CR0, CR4, EFER } from '../cpu/control-bits.ts';
import { IF } from '../cpu/flags.ts';
import type { StartState } from '../cpu/start-state.ts';
import type { Segment } from '../cpu/state.ts';
import { BOOT_SECTOR_ADDRESS } from '../loader/binary.ts';
import { MULTIBOOT_BOOTLOADER_MAGIC, multibootInformation } from '../loader/multiboot-information.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';

/** Where programs that bring no stack find one: below the boot sector, as BIOSes leave it. */
const STACK_TOP = 0x7c00n;
const REAL_MODE_IDT_LIMIT = 0x3ff;

const RIGHTS = {
  realCode: 0x93,
  realData: 0x93,
  code32: 0xc09b,
  data32: 0xc093,
  code64: 0xa09b,
  ldtr: 0x1_0082,
  busyTss: 0x8b,
} as const;

const FLAT = 0xffff_ffff;

/** Descriptors of the table that flat programs start with: null, 64-bit code, data, 32-bit code. */
const FLAT_GDT = [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x00cf_9b00_0000_ffffn] as const;
const CODE64_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const CODE32_SELECTOR = 0x18;

const SYSTEM_SEGMENTS = {
  LDTR: { selector: 0, base: 0n, limit: 0xffff, accessRights: RIGHTS.ldtr },
  TR: { selector: 0, base: 0n, limit: 0xffff, accessRights: RIGHTS.busyTss },
} as const;

function segments(code: Segment, data: Segment): StartState['segments'] {
  return { ES: data, CS: code, SS: data, DS: data, FS: data, GS: data, ...SYSTEM_SEGMENTS };
}

function realMode(rip: bigint, dl: bigint): StartState {
  const segment = (accessRights: number): Segment => ({ selector: 0, base: 0n, limit: 0xffff, accessRights });
  return {
    rip,
    rflags: IF | 2,
    general: [0n, 0n, dl, 0n, STACK_TOP, 0n, 0n, 0n],
    segments: segments(segment(RIGHTS.realCode), segment(RIGHTS.realData)),
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: REAL_MODE_IDT_LIMIT },
    cr0: CR0.ET,
    cr3: 0n,
    cr4: 0,
    efer: 0,
  };
}

function protectedMode(rip: bigint, general: readonly bigint[], gdtr: StartState['gdtr']): StartState {
  return {
    rip,
    rflags: 2,
    general,
    segments: segments(
      { selector: CODE32_SELECTOR, base: 0n, limit: FLAT, accessRights: RIGHTS.code32 },
      { selector: DATA_SELECTOR, base: 0n, limit: FLAT, accessRights: RIGHTS.data32 },
    ),
    gdtr,
    idtr: { base: 0n, limit: 0 },
    cr0: CR0.PE | CR0.ET,
    cr3: 0n,
    cr4: 0,
    efer: 0,
  };
}

/** Selectors that the 32-bit boot protocol asks for, in a GDT of four descriptors. */
const LINUX_CODE_SELECTOR = 0x10;
const LINUX_DATA_SELECTOR = 0x18;
const LINUX_GDT_LIMIT = 4 * 8 - 1;

function linuxProtectedMode(boot: Extract<BootProtocol, { readonly kind: 'linux' }>): StartState {
  const general = [0n, 0n, 0n, 0n, STACK_TOP, 0n, BigInt(boot.parameters), 0n];
  return {
    ...protectedMode(BigInt(boot.entry), general, { base: BigInt(boot.gdt), limit: LINUX_GDT_LIMIT }),
    segments: segments(
      { selector: LINUX_CODE_SELECTOR, base: 0n, limit: FLAT, accessRights: RIGHTS.code32 },
      { selector: LINUX_DATA_SELECTOR, base: 0n, limit: FLAT, accessRights: RIGHTS.data32 },
    ),
  };
}

/** The setup code begins one sector into its segment, which CS alone counts from. */
function linuxSetup({ segment, stack }: Extract<BootProtocol, { readonly kind: 'linux-setup' }>): StartState {
  const start = realMode(0n, 0n);
  const at = (selector: number, from: Segment): Segment => ({ ...from, selector, base: BigInt(selector) << 4n });
  return {
    ...start,
    rflags: 2,
    general: [0n, 0n, 0n, 0n, BigInt(stack), 0n, 0n, 0n],
    segments: segments(at(segment + 0x20, start.segments.CS), at(segment, start.segments.DS)),
  };
}

/** Where `prepare` may put tables: guest-physical memory as the program will see it. */
export interface GuestMemoryWriter {
  write(address: number, bytes: Uint8Array): void;
}

/**
 * Places what the boot protocol needs besides the program's own segments (Multiboot information, tables of flat 32- and 64-bit
 * programs at the top of memory) and describes the registers.
 */
export function prepareStart(
  program: Program,
  memoryBytes: number,
  memory: GuestMemoryWriter,
  bootDrive = 0,
): StartState {
  const { boot } = program;
  switch (boot.kind) {
    case 'boot-sector':
      return realMode(BigInt(BOOT_SECTOR_ADDRESS), BigInt(bootDrive));
    case 'multiboot': {
      const information = multibootInformation({
        memoryBytes,
        commandLine: boot.commandLine,
        modules: boot.modules ?? [],
        segments: program.segments,
      });
      if (information) memory.write(information.address, information.segment.bytes);
      const general = [
        BigInt(MULTIBOOT_BOOTLOADER_MAGIC),
        0n,
        0n,
        BigInt(information?.address ?? 0),
        STACK_TOP,
        0n,
        0n,
        0n,
      ];
      return protectedMode(BigInt(boot.entry), general, { base: 0n, limit: 0 });
    }
    case 'linux':
      return linuxProtectedMode(boot);
    case 'linux-setup':
      return linuxSetup(boot);
    case 'flat': {
      if (boot.bits === 16) return realMode(BigInt(boot.entry), 0n);
      const tables = flatTables(memoryBytes, memory);
      const start = protectedMode(BigInt(boot.entry), [0n, 0n, 0n, 0n, STACK_TOP, 0n, 0n, 0n], tables.gdtr);
      if (boot.bits === 32) return start;
      return {
        ...start,
        segments: {
          ...start.segments,
          CS: { selector: CODE64_SELECTOR, base: 0n, limit: FLAT, accessRights: RIGHTS.code64 },
        },
        cr0: CR0.PE | CR0.ET | CR0.PG,
        cr3: BigInt(tables.cr3),
        cr4: CR4.PAE,
        efer: EFER.LME | EFER.LMA,
      };
    }
    default:
      return unreachable(boot, 'boot protocol');
  }
}

const PRESENT_WRITABLE = 0x3n;
const LARGE_PAGE = 0x80n;
const LARGE_BYTES = 0x20_0000;
/** PML4, PDPT, four page directories (4 GiB of 2 MiB pages) and a page for the GDT. */
const TABLE_PAGES = 7;

/** Identity-maps 4 GiB with 2 MiB pages; the tables lie in the last pages of memory. */
function flatTables(
  memoryBytes: number,
  memory: GuestMemoryWriter,
): { readonly cr3: number; readonly gdtr: StartState['gdtr'] } {
  const base = Math.floor(memoryBytes / PAGE_BYTES) * PAGE_BYTES - TABLE_PAGES * PAGE_BYTES;
  const entries = (values: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
  const page = (index: number): number => base + index * PAGE_BYTES;
  memory.write(page(0), entries([BigInt(page(1)) | PRESENT_WRITABLE]));
  memory.write(page(1), entries([0, 1, 2, 3].map((i) => BigInt(page(2 + i)) | PRESENT_WRITABLE)));
  for (let directory = 0; directory < 4; directory++) {
    const mapped = Array.from(
      { length: 512 },
      (_, i) => BigInt((directory * 512 + i) * LARGE_BYTES) | PRESENT_WRITABLE | LARGE_PAGE,
    );
    memory.write(page(2 + directory), entries(mapped));
  }
  memory.write(page(6), entries(FLAT_GDT));
  return { cr3: page(0), gdtr: { base: BigInt(page(6)), limit: FLAT_GDT.length * 8 - 1 } };
}

export const writerOf = (physical: PhysicalMemory, base: number): GuestMemoryWriter => ({
  write(address, bytes) {
    physical.poke(base + address, bytes);
  },
});
