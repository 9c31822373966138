/**
 * Linear addresses to bytes of the engine memory: what happens behind a TLB miss. Walks, refills the TLB with what the page
 * may be used for, and keeps the tag of the current address space in the processor state.
 */
import {
  PAGING_32_BIT,
  PAGING_4_LEVEL,
  PAGING_5_LEVEL,
  PAGING_OFF,
  PAGING_PAE,
  newPagingRegisters,
  SUPERVISOR,
  SUPERVISOR_AC,
  USER,
  USER_ALIGNED,
  WALK_OK,
  WRITE,
  type AccessKind,
  type PagingFacts,
  type PagingMode,
  type PagingRegisters,
  type Privilege,
  type WalkOutcome,
} from '../memory/paging.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import { Spaces, type SpaceKey } from '../memory/spaces.ts';
import { TLB_PAGE_CODE, TLB_PAGE_GLOBAL, TLB_PAGE_LARGE, tlbMix, type Tlb } from '../memory/tlb.ts';
import { PageWalker } from '../memory/walk.ts';
import { CR0, CR4, EFER, VMX_NON_ROOT } from './control-bits.ts';
import type { CpuFeatures } from './features.ts';
import { AC } from './flags.ts';
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';

/** EPT pointer bit 6. */
const EPTP_ACCESSED_DIRTY = 1 << 6;

/** SDM Vol. 3A, "Paging Modes and Control Bits" 4.1.1. */
export function pagingMode(cr0: number, cr4: number, efer: number): PagingMode {
  if ((cr0 & CR0.PG) === 0) return PAGING_OFF;
  if ((cr4 & CR4.PAE) === 0) return PAGING_32_BIT;
  if ((efer & EFER.LMA) === 0) return PAGING_PAE;
  return (cr4 & CR4.LA57) !== 0 ? PAGING_5_LEVEL : PAGING_4_LEVEL;
}

/** PKRU as far as it is in force (SDM Vol. 3A, "Protection Keys" 4.6.2). */
export const effectivePkru = (cr4: number, efer: number, pkru: number): number =>
  (cr4 & CR4.PKE) !== 0 && (efer & EFER.LMA) !== 0 ? pkru >>> 0 : 0;

/** What the processor was made with. */
export const pagingFacts = (cpu: { readonly physicalBits: number; readonly features: CpuFeatures }): PagingFacts => ({
  physicalBits: cpu.physicalBits,
  pse36: cpu.features.has('PSE-36'),
  gigabytePages: cpu.features.has('1GB-pages'),
});

/** Fills the registers that a walk depends on from the state in force. */
export function loadPagingRegisters(state: CpuState, registers: PagingRegisters): void {
  const cr0 = state.get32(LAYOUT.cr0);
  const cr4 = state.get32(LAYOUT.cr4);
  const efer = state.get32(LAYOUT.efer);
  const pae = (cr4 & CR4.PAE) !== 0;
  registers.mode = pagingMode(cr0, cr4, efer);
  registers.cr3 = state.getNumber(LAYOUT.cr3);
  if (registers.mode === PAGING_PAE)
    for (let index = 0; index < 8; index++) registers.pdptes[index] = state.get32(LAYOUT.pdpte + index * 4);
  registers.writeProtect = (cr0 & CR0.WP) !== 0;
  registers.pageSizeExtension = (cr4 & CR4.PSE) !== 0;
  registers.smep = (cr4 & CR4.SMEP) !== 0;
  registers.smap = (cr4 & CR4.SMAP) !== 0;
  registers.executeDisable = (efer & EFER.NXE) !== 0 && pae;
  registers.pkru = effectivePkru(cr4, efer, state.get32(LAYOUT.pkru));
  const eptLow = state.low(LAYOUT.eptPointer);
  const eptHigh = state.high(LAYOUT.eptPointer);
  registers.ept = (eptLow | eptHigh) !== 0;
  registers.eptRoot = (eptHigh & 0xf_ffff) * 0x1_0000_0000 + ((eptLow & ~0xfff) >>> 0);
  registers.eptAccessedDirty = (eptLow & EPTP_ACCESSED_DIRTY) !== 0;
}

/** Who watches memory: the debugger outside, or the breakpoints of DR0 to DR3. */
type Watcher = 'debugger' | 'processor';

/** SDM Vol. 3A, "Interrupt 17—Alignment Check Exception (#AC)" 6.15; at CPL 3. */
const checksAlignment = (state: CpuState): boolean =>
  (state.get32(LAYOUT.cr0) & CR0.AM) !== 0 && (state.systemFlags & AC) !== 0;

/** Privilege of an explicit access at the given CPL. */
export function privilegeAt(state: CpuState, cpl: number): Privilege {
  if (cpl === 3) return checksAlignment(state) ? USER_ALIGNED : USER;
  return (state.get32(LAYOUT.cr4) & CR4.SMAP) !== 0 && (state.systemFlags & AC) !== 0 ? SUPERVISOR_AC : SUPERVISOR;
}

const pageKey = (linearLow: number, linearHigh: number): number => (linearHigh >>> 0) * 0x10_0000 + (linearLow >>> 12);

export class Translation {
  readonly registers: PagingRegisters;
  /** Holds the facts of a fault after `translate` gives one. */
  readonly walker: PageWalker;
  readonly spaces: Spaces;
  /** Results of a `translate` that gives WALK_OK: the byte in the engine memory, or -1 where only `PhysicalMemory` may be asked. */
  hostOffset = -1;
  hostPhysical = 0;

  private readonly state: CpuState;
  private readonly physical: PhysicalMemory;
  private readonly tlb: Tlb;
  private readonly key: SpaceKey = { vpid: 0, pcid: 0, ept: 0, pkru: 0, mode: 0 };
  private readonly watchedPages = new Set<number>();
  private readonly watchedBy: Record<Watcher, readonly bigint[]> = { debugger: [], processor: [] };

  constructor(state: CpuState, physical: PhysicalMemory, tlb: Tlb, facts: PagingFacts) {
    this.state = state;
    this.physical = physical;
    this.tlb = tlb;
    this.spaces = new Spaces(tlb, () => this.refreshTag());
    this.registers = newPagingRegisters(facts);
    this.walker = new PageWalker(physical, this.registers, 'commit');
  }

  /**
   * Walks for one access and caches what the page may be used for. After WALK_OK `hostOffset` and `hostPhysical` are set; a
   * write to decoded code has been announced. MMIO, ROM under a write and holes give `hostOffset` -1.
   */
  translate(linearLow: number, linearHigh: number, kind: AccessKind, privilege: Privilege): WalkOutcome {
    loadPagingRegisters(this.state, this.registers);
    const walker = this.walker;
    const aligned = privilege === USER_ALIGNED;
    const outcome = walker.walk(linearLow, linearHigh, kind, aligned ? USER : privilege);
    if (outcome !== WALK_OK) return outcome;
    const physical = this.physical;
    const host = walker.hostPhysical;
    this.hostPhysical = host;
    const offset = kind === WRITE ? physical.writableOffset(host) : physical.offsetOf(host);
    this.hostOffset = offset < 0 ? -1 : offset;
    if (offset < 0) return WALK_OK;
    const frameOffset = offset - (linearLow & 0xfff);
    const watched = aligned || (this.watchedPages.size !== 0 && this.watchedPages.has(pageKey(linearLow, linearHigh)));
    const mayWriteData = walker.mayWrite && !watched && physical.kind(host) === 'ram';
    const holdsCode = physical.codeFrames[physical.frameAt(frameOffset)] !== 0;
    const tag = (this.state.get32(LAYOUT.tlbTag) & ~3) | privilege;
    let page = Math.floor(host / 4096) & 0x0fff_ffff;
    if (walker.leafLevel > 0) {
      page |= TLB_PAGE_LARGE;
      this.spaces.noteLarge(tag);
    }
    if (walker.global) {
      page |= TLB_PAGE_GLOBAL;
      if ((this.state.get32(LAYOUT.cr4) & CR4.PCIDE) !== 0) this.spaces.noteGlobalUnderPcid();
    }
    if (mayWriteData && holdsCode) page |= TLB_PAGE_CODE;
    const mayRead = walker.mayRead && !watched;
    const mayWrite = mayWriteData && !holdsCode;
    this.tlb.fill(linearLow, linearHigh, tag, mayRead, mayWrite, walker.mayExecute, frameOffset, page);
    return WALK_OK;
  }

  /** Guest-physical to host-physical without a linear address: sets `hostPhysical` after WALK_OK. */
  translateGuestPhysical(guestPhysical: number, kind: AccessKind): WalkOutcome {
    loadPagingRegisters(this.state, this.registers);
    const outcome = this.walker.translateGuestPhysical(guestPhysical, kind);
    if (outcome === WALK_OK) this.hostPhysical = this.walker.hostPhysical;
    return outcome;
  }

  /** Recomputes the tag of the current address space at the current CPL. */
  refreshTag(): void {
    const state = this.state;
    const registers = this.registers;
    loadPagingRegisters(state, registers);
    const key = this.key;
    key.vpid = this.currentVpid();
    key.pcid = this.currentPcid();
    key.ept = registers.ept ? registers.eptRoot + (registers.eptAccessedDirty ? 1 : 0) : 0;
    key.pkru = registers.pkru;
    key.mode =
      registers.mode |
      (registers.pageSizeExtension ? 1 << 3 : 0) |
      (registers.writeProtect ? 1 << 4 : 0) |
      (registers.smep ? 1 << 5 : 0) |
      (registers.smap ? 1 << 6 : 0) |
      (registers.executeDisable ? 1 << 7 : 0);
    const tag = this.spaces.tagOf(key) | privilegeAt(state, state.cpl);
    state.set32(LAYOUT.tlbTag, tag);
    state.set32(LAYOUT.tlbMix, tlbMix(tag));
  }

  /** 0 outside VMX non-root operation. */
  currentVpid(): number {
    return this.state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT ? this.state.get32(LAYOUT.vpid) & 0xffff : 0;
  }
  currentPcid(): number {
    return (this.state.get32(LAYOUT.cr4) & CR4.PCIDE) !== 0 ? this.state.get32(LAYOUT.cr3) & 0xfff : 0;
  }

  /** INVLPG. */
  flushPage(linear: bigint): void {
    this.spaces.flushPage(Number(BigInt.asIntN(32, linear)), this.currentVpid(), this.currentPcid());
    this.refreshTag();
  }

  /**
   * Pages given as linear addresses anywhere in them: their reads and writes are never cached, so that each takes the slow
   * path, where the caller can compare it with its watchpoints. Replaces the former set of the same watcher.
   */
  watchPages(by: Watcher, linears: readonly bigint[]): void {
    this.watchedBy[by] = linears;
    this.watchedPages.clear();
    for (const linear of [...this.watchedBy.debugger, ...this.watchedBy.processor])
      this.watchedPages.add(pageKey(Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n))));
    this.spaces.flushAll();
    this.refreshTag();
  }
}
