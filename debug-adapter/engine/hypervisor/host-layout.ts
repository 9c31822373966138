/**
 * Where the built-in hypervisor and its guest lie in host-physical memory. The first 16 MiB are the hypervisor's; guest-physical
 * address 0 is at `GUEST_BASE`, so a guest-physical and its host-physical address always differ visibly.
 */

/** Host-physical address of guest-physical 0. A multiple of 2 MiB, so that large EPT pages stay possible. */
export const GUEST_BASE = 0x100_0000;

const PAGE_BYTES = 4096;

/** One area of hypervisor memory. */
export interface HostArea {
  readonly address: number;
  readonly bytes: number;
  readonly holds: string;
}

/** Fixed areas, in the order of their addresses; what is not listed is free. */
export const HOST_AREAS = {
  code: {
    address: 0x1_0000,
    bytes: PAGE_BYTES,
    holds: 'where VM exits arrive; the handlers themselves are TypeScript and never fetched',
  },
  gdt: { address: 0x1_1000, bytes: PAGE_BYTES, holds: 'GDT: null, 64-bit code, data, TSS' },
  tss: { address: 0x1_2000, bytes: PAGE_BYTES, holds: '64-bit TSS' },
  idt: {
    address: 0x1_3000,
    bytes: PAGE_BYTES,
    holds: 'IDT without a present gate: the hypervisor causes no exceptions',
  },
  stack: { address: 0x2_0000, bytes: 4 * PAGE_BYTES, holds: 'stack that HOST_RSP points at' },
  pageTables: { address: 0x3_0000, bytes: 3 * PAGE_BYTES, holds: 'identity map of the first GiB in 2 MiB pages' },
  vmxon: { address: 0x4_0000, bytes: PAGE_BYTES, holds: 'VMXON region' },
  vmcs: { address: 0x4_1000, bytes: PAGE_BYTES, holds: 'VMCS' },
  ioBitmapA: { address: 0x4_2000, bytes: PAGE_BYTES, holds: 'I/O bitmap A: ports 0000h-7FFFh' },
  ioBitmapB: { address: 0x4_3000, bytes: PAGE_BYTES, holds: 'I/O bitmap B: ports 8000h-FFFFh' },
  msrBitmap: { address: 0x4_4000, bytes: PAGE_BYTES, holds: 'MSR bitmaps' },
  ept: { address: 0x10_0000, bytes: GUEST_BASE - 0x10_0000, holds: 'EPT paging structures' },
} as const satisfies Record<string, HostArea>;

export type HostAreaName = keyof typeof HOST_AREAS;

/** First address behind the stack: it grows down from here. */
export const HOST_STACK_TOP = HOST_AREAS.stack.address + HOST_AREAS.stack.bytes;
/** Where the hypervisor is before its first VM entry. */
export const HOST_START = HOST_AREAS.code.address;
/** HOST_RIP: every VM exit arrives here. */
export const HOST_EXIT_ENTRY = HOST_AREAS.code.address + 0x100;

/** Names for addresses in the hypervisor's memory. */
export const HOST_SYMBOLS: readonly { readonly name: string; readonly address: number }[] = [
  { name: 'hypervisor_start', address: HOST_START },
  { name: 'hypervisor_exit_entry', address: HOST_EXIT_ENTRY },
  ...(Object.keys(HOST_AREAS) as HostAreaName[])
    .filter((name) => name !== 'code')
    .map((name) => ({ name: `hypervisor_${name}`, address: HOST_AREAS[name].address })),
];

export const HOST_CODE_SELECTOR = 0x08;
export const HOST_DATA_SELECTOR = 0x10;
export const HOST_TSS_SELECTOR = 0x18;

/** The guest's virtual-processor identifier: keeps its translations cached across VM exits. */
export const VPID = 1;
