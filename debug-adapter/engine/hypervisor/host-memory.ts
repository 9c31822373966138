/** The hypervisor's own pages: fixed areas with what must be in them before the first VM entry, and pages for EPT tables. */
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import { GUEST_BASE, HOST_AREAS, HOST_EXIT_ENTRY, HOST_START, HOST_TSS_SELECTOR } from './host-layout.ts';

/** HLT; JMP to it: what the processor would execute if something sent it here without the hypervisor noticing. */
const HALT_LOOP = Uint8Array.of(0xf4, 0xeb, 0xfd);

const CODE64_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;
/** Type 11: busy 64-bit TSS. */
const TSS_RIGHTS = 0x8bn;
export const TSS_LIMIT = 0x67;

const PRESENT_WRITABLE = 0x3n;
const LARGE_PAGE = 0x80n;
const LARGE_BYTES = 0x20_0000;

export class HostMemory {
  private readonly physical: PhysicalMemory;
  private nextPage: number = HOST_AREAS.ept.address;

  constructor(physical: PhysicalMemory) {
    this.physical = physical;
  }

  /** A zeroed 4 KiB page; its host-physical address. */
  allocatePage(): number {
    const page = this.nextPage;
    if (page + PAGE_BYTES > GUEST_BASE)
      throw new Error('Invariant broken: the hypervisor has no page left for its EPT tables');
    this.nextPage = page + PAGE_BYTES;
    this.fill(page, PAGE_BYTES, 0);
    return page;
  }

  fill(address: number, bytes: number, value: number): void {
    this.physical.poke(address, new Uint8Array(bytes).fill(value));
  }

  /** GDT, TSS, page tables and the landing place of VM exits: what the host-state area of the VMCS points at. */
  prepare(): void {
    const { physical } = this;
    physical.poke(HOST_START, HALT_LOOP);
    physical.poke(HOST_EXIT_ENTRY, HALT_LOOP);
    const gdt = HOST_AREAS.gdt.address;
    physical.write64(gdt + 0x08, CODE64_DESCRIPTOR);
    physical.write64(gdt + 0x10, DATA_DESCRIPTOR);
    const base = BigInt(HOST_AREAS.tss.address);
    const low =
      BigInt(TSS_LIMIT) | ((base & 0xff_ffffn) << 16n) | (TSS_RIGHTS << 40n) | (((base >> 24n) & 0xffn) << 56n);
    physical.write64(gdt + HOST_TSS_SELECTOR, low);
    physical.write64(gdt + HOST_TSS_SELECTOR + 8, base >> 32n);
    const tables = HOST_AREAS.pageTables.address;
    physical.write64(tables, BigInt(tables + PAGE_BYTES) | PRESENT_WRITABLE);
    physical.write64(tables + PAGE_BYTES, BigInt(tables + 2 * PAGE_BYTES) | PRESENT_WRITABLE);
    for (let index = 0; index < 512; index++) {
      const entry = BigInt(index * LARGE_BYTES) | PRESENT_WRITABLE | LARGE_PAGE;
      physical.write64(tables + 2 * PAGE_BYTES + 8 * index, entry);
    }
  }
}
