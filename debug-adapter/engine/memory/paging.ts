/**
 * What a page walk depends on besides memory: the registers that select and modify paging. The processor fills one of these
 * from its state before a walk; the inspector may fill one from a VMCS instead.
 */

export const PAGING_OFF = 0;
export const PAGING_32_BIT = 1;
export const PAGING_PAE = 2;
export const PAGING_4_LEVEL = 3;
export const PAGING_5_LEVEL = 4;
export type PagingMode =
  typeof PAGING_OFF | typeof PAGING_32_BIT | typeof PAGING_PAE | typeof PAGING_4_LEVEL | typeof PAGING_5_LEVEL;

/** Who accesses; the numbers are the low bits of a TLB tag (see tlb.ts). */
export const SUPERVISOR = 0;
export const USER = 1;
/** Supervisor with RFLAGS.AC set under SMAP: may touch user pages. Never for implicit accesses (descriptor tables, TSS). */
export const SUPERVISOR_AC = 2;
/** User while alignment is checked (CR0.AM, RFLAGS.AC): the rights of USER, but no access to data is ever cached. */
export const USER_ALIGNED = 3;
export type Privilege = typeof SUPERVISOR | typeof USER | typeof SUPERVISOR_AC | typeof USER_ALIGNED;

export const READ = 0;
export const WRITE = 1;
export const EXECUTE = 2;
export type AccessKind = typeof READ | typeof WRITE | typeof EXECUTE;

/** What paging depends on besides registers: the processor's make. */
export interface PagingFacts {
  /** Physical-address width. */
  readonly physicalBits: number;
  /** CPUID.1:EDX.PSE-36: 4 MiB pages may lie above 4 GiB. */
  readonly pse36: boolean;
  /** CPUID.80000001H:EDX.Page1GB. */
  readonly gigabytePages: boolean;
}

export interface PagingRegisters extends PagingFacts {
  mode: PagingMode;
  /** CR3 with its low bits; only address bits are used. */
  cr3: number;
  /** PAE page-directory-pointer registers: low and high halves of each of the four. */
  pdptes: Int32Array;
  /** CR0.WP. */
  writeProtect: boolean;
  /** CR4.PSE. */
  pageSizeExtension: boolean;
  /** CR4.SMEP, CR4.SMAP. */
  smep: boolean;
  smap: boolean;
  /** EFER.NXE, with paging that has the bit. */
  executeDisable: boolean;
  /** PKRU, with CR4.PKE and paging that has protection keys; 0, which restricts nothing, otherwise. */
  pkru: number;
  /** EPT is in force. */
  ept: boolean;
  /** Host-physical address of the EPT PML4 table. */
  eptRoot: number;
  /** EPT pointer bit 6. */
  eptAccessedDirty: boolean;
}

export function newPagingRegisters(facts: PagingFacts): PagingRegisters {
  return {
    mode: PAGING_OFF,
    cr3: 0,
    pdptes: new Int32Array(8),
    writeProtect: false,
    pageSizeExtension: false,
    smep: false,
    smap: false,
    executeDisable: false,
    pkru: 0,
    ept: false,
    eptRoot: 0,
    eptAccessedDirty: false,
    ...facts,
  };
}

/** Bits of `high` (bits 63:32 of an entry) that the physical-address width leaves reserved, up to bit 51. */
export const reservedAddressBits = (physicalBits: number): number => 0xf_ffff & ~((2 ** (physicalBits - 32) - 1) | 0);

/** Whether bits 63:47 are equal, or 63:56 with 57 linear-address bits; given bits 63:32 as a signed number. */
export function isCanonicalHigh(high: number, bits: 48 | 57): boolean {
  const sign = high >> (bits - 33);
  return sign === 0 || sign === -1;
}

/** How a walk ends. */
export const WALK_OK = 0;
export const PAGE_FAULT = 1;
export const EPT_VIOLATION = 2;
export const EPT_MISCONFIGURATION = 3;
/** The linear address has no canonical form: no walk is made, the access is #GP(0) or #SS(0). */
export const NON_CANONICAL = 4;
export type WalkOutcome =
  typeof WALK_OK | typeof PAGE_FAULT | typeof EPT_VIOLATION | typeof EPT_MISCONFIGURATION | typeof NON_CANONICAL;
