/**
 * The hypervisor's way to the guest's memory: guest-physical addresses directly, linear addresses through the guest's page
 * tables with the registers that the VMCS holds. EPT pages that are missing on the way are mapped as for the guest itself.
 */
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { CR0, CR4, EFER } from '../cpu/control-bits.ts';
import { AC, VM } from '../cpu/flags.ts';
import { GP, MachineStop, PF, SS_FAULT } from '../cpu/guest-fault.ts';
import type { Cpu } from '../cpu/context.ts';
import { LAYOUT, type SegmentName } from '../cpu/layout.ts';
import { effectivePkru, pagingFacts, pagingMode } from '../cpu/translation.ts';
import {
  newPagingRegisters,
  NON_CANONICAL,
  PAGE_FAULT,
  PAGING_PAE,
  READ,
  SUPERVISOR,
  SUPERVISOR_AC,
  USER,
  WALK_OK,
  WRITE,
  type PagingRegisters,
  type Privilege,
} from '../memory/paging.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import { PageWalker } from '../memory/walk.ts';
import type { VmcsFieldKey } from '../vmx/types.ts';
import { EPT_RIGHTS, type EptTables } from './ept-tables.ts';
import type { Guest } from './guest.ts';
import type { GuestMemoryMap } from './guest-memory-map.ts';
import { GUEST_BASE } from './host-layout.ts';

const LOW_32 = 0xffff_ffffn;
const PDPTE_FIELDS: readonly VmcsFieldKey[] = ['GUEST_PDPTE0', 'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3'];

/** A fault that an access by emulation gives the guest. */
export interface AccessFault {
  readonly vector: number;
  readonly errorCode: number;
  /** For CR2. */
  readonly linear?: bigint;
}

/** Bytes in guest-physical memory, one address each: an access may cross pages. */
export type ByteAddresses = readonly number[];

export const isFault = (result: ByteAddresses | AccessFault): result is AccessFault => 'vector' in result;

/** As `GPA 0FEE00000h` in messages. */
export const gpaText = (guestPhysical: number): string => {
  const digits = guestPhysical.toString(16).toUpperCase();
  return `GPA ${/^[A-F]/.test(digits) ? '0' : ''}${digits}h`;
};

export class GuestMemory {
  private readonly physical: PhysicalMemory;
  private readonly ept: EptTables;
  private readonly map: GuestMemoryMap;
  private readonly guest: Guest;
  private readonly cpu: Cpu;
  private readonly registers: PagingRegisters;
  private readonly walker: PageWalker;

  constructor(physical: PhysicalMemory, ept: EptTables, map: GuestMemoryMap, guest: Guest, cpu: Cpu) {
    this.physical = physical;
    this.ept = ept;
    this.map = map;
    this.guest = guest;
    this.cpu = cpu;
    this.registers = newPagingRegisters(pagingFacts(cpu));
    this.walker = new PageWalker(physical, this.registers, 'commit');
  }

  /**
   * Maps the page that holds an address where EPT has none.
   * @returns `mapped` now, `present` before, `nothing` where the guest has no memory there
   */
  mapPage(guestPhysical: number): 'mapped' | 'present' | 'nothing' {
    if (this.ept.rightsAt(guestPhysical) !== 0) return 'present';
    const page = this.map.pageAt(guestPhysical);
    if (page === undefined) return 'nothing';
    const rights = page.kind === 'rom' ? EPT_RIGHTS.read | EPT_RIGHTS.execute : EPT_RIGHTS.all;
    this.ept.map(page.base, GUEST_BASE + page.base, page.bytes, rights);
    return 'mapped';
  }

  /** Host-physical address of guest-physical memory; stops the machine by name where there is none. */
  private hostPhysical(guestPhysical: number): number {
    if (this.map.kindOf(guestPhysical) === undefined)
      throw new MachineStop(`access to ${gpaText(guestPhysical)}, where the guest has neither memory nor a device`);
    return GUEST_BASE + guestPhysical;
  }

  /** Eight bytes within a page. */
  read64(guestPhysical: number): bigint {
    return this.physical.read64(this.hostPhysical(guestPhysical));
  }
  /** Copies bytes out; fewer where the guest's memory ends. */
  peek(guestPhysical: number, bytes: number): Uint8Array {
    return this.physical.peek(GUEST_BASE + guestPhysical, bytes);
  }
  /** Copies bytes in as a store does: ROM keeps its contents. */
  write(guestPhysical: number, bytes: Uint8Array): void {
    bytes.forEach((byte, index) => this.physical.write(this.hostPhysical(guestPhysical + index), 1, byte));
  }

  readBytes(addresses: ByteAddresses): number {
    return addresses.reduce(
      (value, at, index) => value + this.physical.read(this.hostPhysical(at), 1) * 2 ** (8 * index),
      0,
    );
  }
  writeBytes(addresses: ByteAddresses, value: number): void {
    addresses.forEach((at, index) => this.physical.write(this.hostPhysical(at), 1, (value >>> (8 * index)) & 0xff));
  }

  /** Checks an access of the guest through a segment and translates it, byte by byte; sets accessed and dirty flags. */
  locate(
    segment: SegmentName,
    offset: bigint,
    linear: bigint,
    bytes: number,
    access: 'read' | 'write',
  ): ByteAddresses | AccessFault {
    const refused = this.segmentFault(segment, offset, bytes, access);
    if (refused !== undefined) return refused;
    this.loadRegisters();
    const code64 = this.guest.code64;
    const addresses: number[] = [];
    for (let index = 0; index < bytes; index++) {
      const at = linear + BigInt(index);
      const result = this.translate(code64 ? BigInt.asUintN(64, at) : at & LOW_32, segment, access);
      if (typeof result !== 'number') return result;
      addresses.push(result);
    }
    return addresses;
  }

  private translate(linear: bigint, segment: SegmentName, access: 'read' | 'write'): number | AccessFault {
    const low = Number(BigInt.asIntN(32, linear));
    const high = Number(BigInt.asIntN(32, linear >> 32n));
    const { walker } = this;
    for (;;) {
      const outcome = walker.walk(low, high, access === 'read' ? READ : WRITE, this.privilege());
      if (outcome === WALK_OK) return walker.guestPhysical;
      if (outcome === PAGE_FAULT) return { vector: PF, errorCode: walker.errorCode, linear };
      if (outcome === NON_CANONICAL) return { vector: segment === 'SS' ? SS_FAULT : GP, errorCode: 0 };
      const guestPhysical = walker.eptGuestPhysical;
      if (this.mapPage(guestPhysical) === 'mapped') continue;
      // ROM as the target of a store: the store itself is dropped, and EPT is not asked by the hypervisor.
      const isTarget = !walker.duringWalk && this.map.kindOf(guestPhysical) === 'rom';
      if (isTarget) return guestPhysical;
      throw new MachineStop(`access to ${gpaText(guestPhysical)} for an I/O instruction, which EPT refuses`);
    }
  }

  private privilege(): Privilege {
    const { guest } = this;
    const virtual8086 = (guest.flags & VM) !== 0;
    if (virtual8086 || ((guest.segmentRights('SS') >> ACCESS_RIGHTS.DPL_BIT) & 3) === 3) return USER;
    return (guest.low('GUEST_CR4') & CR4.SMAP) !== 0 && (guest.flags & AC) !== 0 ? SUPERVISOR_AC : SUPERVISOR;
  }

  /** Usability, type and limit (SDM Vol. 3A, "Limit Checking" 5.3, "Type Checking" 5.5). */
  private segmentFault(
    segment: SegmentName,
    offset: bigint,
    bytes: number,
    access: 'read' | 'write',
  ): AccessFault | undefined {
    const { guest } = this;
    if (guest.code64) return undefined;
    const rights = guest.segmentRights(segment);
    const limit = guest.low(`GUEST_${segment}_LIMIT`);
    const code = (rights & 8) !== 0;
    const typeAllows = access === 'write' ? !code && (rights & 2) !== 0 : !code || (rights & 2) !== 0;
    const first = Number(offset);
    const last = first + bytes - 1;
    const expandsDown = !code && (rights & 4) !== 0;
    const top = (rights & ACCESS_RIGHTS.DB) !== 0 ? 0xffff_ffff : 0xffff;
    const inside = expandsDown ? first > limit && last <= top : last <= limit;
    if ((rights & ACCESS_RIGHTS.UNUSABLE) === 0 && typeAllows && inside) return undefined;
    return { vector: segment === 'SS' ? SS_FAULT : GP, errorCode: 0 };
  }

  /** What the walk depends on, from the guest-state area. */
  private loadRegisters(): void {
    const { guest, registers } = this;
    const cr0 = guest.low('GUEST_CR0');
    const cr4 = guest.low('GUEST_CR4');
    const efer = guest.low('GUEST_IA32_EFER');
    const pae = (cr4 & CR4.PAE) !== 0;
    registers.mode = pagingMode(cr0, cr4, efer);
    registers.cr3 = Number(guest.read('GUEST_CR3'));
    if (registers.mode === PAGING_PAE)
      PDPTE_FIELDS.forEach((field, index) => {
        const entry = guest.read(field);
        registers.pdptes[2 * index] = Number(BigInt.asIntN(32, entry));
        registers.pdptes[2 * index + 1] = Number(BigInt.asIntN(32, entry >> 32n));
      });
    registers.writeProtect = (cr0 & CR0.WP) !== 0;
    registers.pageSizeExtension = (cr4 & CR4.PSE) !== 0;
    registers.smep = (cr4 & CR4.SMEP) !== 0;
    registers.smap = (cr4 & CR4.SMAP) !== 0;
    registers.executeDisable = (efer & EFER.NXE) !== 0 && pae;
    registers.pkru = effectivePkru(cr4, efer, this.cpu.state.get32(LAYOUT.pkru));
    registers.ept = true;
    registers.eptRoot = this.ept.root;
    registers.eptAccessedDirty = false;
  }
}
