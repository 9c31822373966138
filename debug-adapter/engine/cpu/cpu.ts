/** The processor: its state together with translation, event delivery and the ports it is plugged into. */
import type { DecodedInstruction } from '../isa/decode.ts';
import {
  EPT_MISCONFIGURATION,
  EXECUTE,
  NON_CANONICAL,
  PAGE_FAULT,
  READ,
  SUPERVISOR,
  USER_ALIGNED,
  WALK_OK,
  WRITE,
  type AccessKind,
  type Privilege,
  type WalkOutcome,
} from '../memory/paging.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import type { Tlb } from '../memory/tlb.ts';
import { BOUNDARY } from './boundary-bits.ts';
import {
  expireBlocking,
  instructionBreakpoint,
  pendingBoundary,
  signalInit,
  signalStartUp,
  startBlocking,
  type BoundaryResult,
} from './boundary.ts';
import type {
  ApicPort,
  Cpu,
  DeliveredEvent,
  EptFault,
  FaultRecord,
  InterruptController,
  Intercepts,
  PortBus,
  Topology,
  VmxPort,
} from './context.ts';
import { ACTIVITY, VMX_NON_ROOT } from './control-bits.ts';
import { linearBitsOf, PHYSICAL_BITS } from './cpuid.ts';
import { DebugUnit } from './debug-unit.ts';
import { deriveMode } from './derive-mode.ts';
import { deliverEvent } from './events.ts';
import { ALL_FEATURES, type CpuFeatures } from './features.ts';
import { AC_FAULT, GP, GuestFault, MachineStop, PF, VmExitTaken } from './guest-fault.ts';
import { LAYOUT, type SegmentName } from './layout.ts';
import { readMsr, writeMsr } from './msrs.ts';
import * as operands from './operands.ts';
import { resetProcessor } from './reset.ts';
import { loadDataSegment, loadLdtr, loadTaskRegister } from './segmentation.ts';
import { MASK_32, MASK_64 } from './stack.ts';
import type { CpuState } from './state.ts';
import { pagingFacts, Translation } from './translation.ts';

/** What a processor is built from; `intercepts` and `vmx` come from `vmx/`, the rest from the board. */
export interface ProcessorParts {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  readonly tlb: Tlb;
  /** Or later, by `plug`: VT-x is built around the processor. */
  readonly intercepts?: Intercepts;
  readonly vmx?: VmxPort;
  readonly ports: PortBus;
  /** Everything built where absent. */
  readonly features?: CpuFeatures;
  readonly interruptController: InterruptController;
  readonly apic?: ApicPort;
  /** The only processor where absent. */
  readonly topology?: Topology;
  /** Told of PAUSE. */
  readonly paused?: () => void;
  /** Instructions retired since reset, exact at any moment. */
  readonly instructionsRetired: () => number;
  /** TSC ticks per instruction. */
  readonly ticksPerInstruction: number;
  /** TSC ticks that passed while the processor was halted; none where absent. */
  readonly idleTicks?: () => number;
  /** As `Cpu.absentMsr`; stops the machine where absent. */
  readonly absentMsr?: (what: string) => void;
}

type Bytes = 1 | 2 | 4 | 8;

const ACCESS_KINDS = { read: READ, write: WRITE, execute: EXECUTE } as const;

const stopAtMsr = (what: string): never => {
  throw new MachineStop(what);
};

export class Processor implements Cpu {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  intercepts!: Intercepts;
  vmx!: VmxPort;
  readonly ports: PortBus;
  readonly features: CpuFeatures;
  readonly apic: ApicPort | undefined;
  readonly topology: Topology;
  readonly translation: Translation;
  readonly debug: DebugUnit;
  readonly physicalBits = PHYSICAL_BITS;
  readonly linearBits: number;
  readonly instructionsRetired: () => number;
  readonly absentMsr: (what: string) => void;
  private readonly tlb: Tlb;
  private readonly view: DataView;
  private readonly interruptController: InterruptController;
  private readonly ticksPerInstruction: number;
  private readonly idleTicks: () => number;
  private readonly paused: (() => void) | undefined;
  private readonly chain: FaultRecord[] = [];
  /** RIP behind the TypeScript instruction that runs, in halves. */
  private nextLow = 0;
  private nextHigh = 0;

  constructor(parts: ProcessorParts) {
    this.state = parts.state;
    this.physical = parts.physical;
    this.tlb = parts.tlb;
    if (parts.intercepts !== undefined && parts.vmx !== undefined) this.plug(parts.intercepts, parts.vmx);
    this.ports = parts.ports;
    this.features = parts.features ?? ALL_FEATURES;
    this.linearBits = linearBitsOf(this.features);
    this.apic = parts.apic;
    this.topology = parts.topology ?? { index: 0, processors: 1 };
    this.paused = parts.paused;
    this.interruptController = parts.interruptController;
    this.instructionsRetired = parts.instructionsRetired;
    this.ticksPerInstruction = parts.ticksPerInstruction;
    this.idleTicks = parts.idleTicks ?? (() => 0);
    this.absentMsr = parts.absentMsr ?? stopAtMsr;
    this.view = new DataView(parts.physical.bytes.buffer);
    this.debug = new DebugUnit(parts.state);
    this.translation = new Translation(parts.state, parts.physical, parts.tlb, pagingFacts(this));
  }

  /** Connects VT-x; before the first instruction. */
  plug(intercepts: Intercepts, vmx: VmxPort): void {
    this.intercepts = intercepts;
    this.vmx = vmx;
  }

  /** Power-on. */
  reset(): void {
    this.chain.length = 0;
    this.nextLow = 0;
    this.nextHigh = 0;
    resetProcessor(this);
    this.breakpointsChanged('exactly');
  }

  /** To be called before a TypeScript instruction runs: sets `nextRip` behind it. */
  beginInstruction(instructionBytes: number): void {
    const { state } = this;
    const low = (state.low(LAYOUT.rip) >>> 0) + instructionBytes;
    this.nextLow = low | 0;
    this.nextHigh = state.codeBits === 64 ? (state.high(LAYOUT.rip) + (low > 0xffff_ffff ? 1 : 0)) | 0 : 0;
    if (state.get32(LAYOUT.interruptibility) !== 0) expireBlocking(state, this.instructionsRetired());
  }
  /** To be called once it has completed: goes on at `nextRip`. */
  completeInstruction(): void {
    const { words } = this.state;
    words[LAYOUT.rip >> 2] = this.nextLow;
    words[(LAYOUT.rip >> 2) + 1] = this.nextHigh;
    if (++words[LAYOUT.retired >> 2] === 0) words[(LAYOUT.retired >> 2) + 1]++;
  }
  get nextRip(): bigint {
    return (BigInt(this.nextHigh >>> 0) << 32n) | BigInt(this.nextLow >>> 0);
  }
  setNextRip(rip: bigint): void {
    this.nextLow = Number(BigInt.asIntN(32, rip));
    this.nextHigh = Number(BigInt.asIntN(32, rip >> 32n));
  }

  // Linear memory.

  /** Told of every access made here, while a debugger watches memory; emitted code reports its own. */
  accessed: ((linear: bigint, bytes: number, access: 'read' | 'write') => void) | undefined;

  private touch(linear: bigint, bytes: number, access: 'read' | 'write'): void {
    this.accessed?.(linear, bytes, access);
    if (this.debug.data) this.dataAccessed(linear, bytes, access);
  }

  readLinear(linear: bigint, bytes: Bytes): bigint {
    this.touch(linear, bytes, 'read');
    return this.read(linear, bytes, this.privilegeOf(Number(linear & 7n), bytes));
  }
  writeLinear(linear: bigint, bytes: Bytes, value: bigint): void {
    this.touch(linear, bytes, 'write');
    this.write(linear, bytes, value, this.privilegeOf(Number(linear & 7n), bytes));
  }
  /** Privilege of an explicit access; where alignment is checked, raises #AC for an address that the size does not divide. */
  privilegeOf(low: number, bytes: number): Privilege {
    const privilege = (this.state.get32(LAYOUT.tlbTag) & 3) as Privilege;
    if (privilege === USER_ALIGNED && (low & (bytes - 1)) !== 0)
      throw new GuestFault(AC_FAULT, 0, `an address that is not a multiple of ${bytes}`);
    return privilege;
  }
  checkWritable(linear: bigint, bytes: number): void {
    const privilege = (this.state.get32(LAYOUT.tlbTag) & 3) as Privilege;
    this.host(linear, WRITE, privilege);
    if (Number(linear & 0xfffn) + bytes > PAGE_BYTES) this.host(this.lastPage(linear, bytes), WRITE, privilege);
  }
  readSystem(linear: bigint, bytes: Bytes): bigint {
    this.touch(linear, bytes, 'read');
    return this.read(linear, bytes, SUPERVISOR);
  }
  writeSystem(linear: bigint, bytes: Bytes, value: bigint): void {
    this.touch(linear, bytes, 'write');
    this.write(linear, bytes, value, SUPERVISOR);
  }

  /** Engine-memory offset of a byte for an access, through the TLB; -1 where `translation.hostPhysical` is no plain memory. */
  private host(linear: bigint, kind: AccessKind, privilege: Privilege): number {
    const low = Number(BigInt.asIntN(32, linear));
    const high = Number(BigInt.asIntN(32, linear >> 32n));
    const tag = (this.state.get32(LAYOUT.tlbTag) & ~3) | privilege;
    const cached = this.tlb.lookup(low, high, tag, kind === READ ? 0 : kind === WRITE ? 2 : 4);
    if (cached >= 0) return cached + (low & (PAGE_BYTES - 1));
    const outcome = this.translation.translate(low, high, kind, privilege);
    if (outcome !== WALK_OK) this.raiseWalk(outcome, linear);
    return this.translation.hostOffset;
  }

  private read(linear: bigint, bytes: Bytes, privilege: Privilege): bigint {
    if (Number(linear & 0xfffn) + bytes > PAGE_BYTES) return this.readAcross(linear, bytes, privilege);
    const offset = this.host(linear, READ, privilege);
    if (offset < 0) {
      const address = this.translation.hostPhysical;
      return bytes === 8 ? this.physical.read64(address) : BigInt(this.physical.read(address, bytes));
    }
    switch (bytes) {
      case 1:
        return BigInt(this.view.getUint8(offset));
      case 2:
        return BigInt(this.view.getUint16(offset, true));
      case 4:
        return BigInt(this.view.getUint32(offset, true));
      case 8:
        return this.view.getBigUint64(offset, true);
    }
  }

  private write(linear: bigint, bytes: Bytes, value: bigint, privilege: Privilege): void {
    if (Number(linear & 0xfffn) + bytes > PAGE_BYTES) {
      this.writeAcross(linear, bytes, value, privilege);
      return;
    }
    const offset = this.host(linear, WRITE, privilege);
    const truncated = BigInt.asUintN(bytes * 8, value);
    if (offset < 0) {
      const address = this.translation.hostPhysical;
      if (bytes === 8) this.physical.write64(address, truncated);
      else this.physical.write(address, bytes, Number(truncated));
      return;
    }
    switch (bytes) {
      case 1:
        this.view.setUint8(offset, Number(truncated));
        return;
      case 2:
        this.view.setUint16(offset, Number(truncated), true);
        return;
      case 4:
        this.view.setUint32(offset, Number(truncated), true);
        return;
      case 8:
        this.view.setBigUint64(offset, truncated, true);
        return;
    }
  }

  /** Addresses wrap at 4 GiB outside 64-bit mode. */
  private byteAt(linear: bigint, index: number): bigint {
    const address = linear + BigInt(index);
    return this.state.codeBits === 64 || linear > MASK_32 ? address & MASK_64 : address & MASK_32;
  }

  /** Where an access that crosses pages enters its last one: the address that a page fault there reports. */
  private lastPage(linear: bigint, bytes: number): bigint {
    return this.byteAt(linear, bytes - 1) & ~BigInt(PAGE_BYTES - 1);
  }

  private readAcross(linear: bigint, bytes: number, privilege: Privilege): bigint {
    let value = 0n;
    for (let index = 0; index < bytes; index++)
      value |= this.read(this.byteAt(linear, index), 1, privilege) << BigInt(index * 8);
    return value;
  }
  private writeAcross(linear: bigint, bytes: number, value: bigint, privilege: Privilege): void {
    // Both pages are judged before either changes.
    this.host(linear, WRITE, privilege);
    this.host(this.lastPage(linear, bytes), WRITE, privilege);
    for (let index = 0; index < bytes; index++)
      this.write(this.byteAt(linear, index), 1, (value >> BigInt(index * 8)) & 0xffn, privilege);
  }

  /** Turns the failure of the last `translation.translate` into what the guest gets: throws `GuestFault` or `VmExitTaken`. */
  raiseWalk(outcome: WalkOutcome, linear: bigint | undefined): never {
    const walker = this.translation.walker;
    if (outcome === PAGE_FAULT) throw new GuestFault(PF, walker.errorCode, walker.reason, linear);
    if (outcome === NON_CANONICAL) throw new GuestFault(GP, 0, 'address is not canonical');
    expireBlocking(this.state, this.instructionsRetired());
    return this.intercepts.eptFault(this.eptFault(outcome, linear));
  }
  private eptFault(outcome: WalkOutcome, linear: bigint | undefined): EptFault {
    const walker = this.translation.walker;
    const needs = walker.eptNeeds;
    return {
      kind: outcome === EPT_MISCONFIGURATION ? 'misconfiguration' : 'violation',
      guestPhysical: walker.eptGuestPhysical,
      linear,
      access: { read: (needs & 1) !== 0, write: (needs & 2) !== 0, execute: (needs & 4) !== 0 },
      permissions: walker.ept.permissions,
      duringWalk: walker.duringWalk,
    };
  }

  translateGuestPhysical(guestPhysical: number, access: 'read' | 'write' | 'execute'): number {
    const outcome = this.translation.translateGuestPhysical(guestPhysical, ACCESS_KINDS[access]);
    return outcome === WALK_OK ? this.translation.hostPhysical : this.raiseWalk(outcome, undefined);
  }

  // Operands.

  linearOperand(instruction: DecodedInstruction, bytes: number, access: 'read' | 'write'): bigint {
    return operands.linearOperand(this, instruction, bytes, access);
  }
  readOperand(instruction: DecodedInstruction, operand: number, bytes: Bytes): bigint {
    return operands.readOperand(this, instruction, operand, bytes);
  }
  writeOperand(instruction: DecodedInstruction, operand: number, bytes: Bytes, value: bigint): void {
    operands.writeOperand(this, instruction, operand, bytes, value);
  }

  // Modes and address spaces.

  /** Asks for attention too: what changed may have opened an interrupt window. */
  modeChanged(): void {
    deriveMode(this.state);
    this.translation.refreshTag();
    this.requestAttention();
  }

  flushTlb(what: 'current' | 'all' | { readonly vpid: number } | { readonly eptPointer: bigint }): void {
    const { translation } = this;
    if (what === 'all') translation.spaces.flushAll();
    else if (what === 'current') translation.spaces.flushContext(translation.currentVpid(), translation.currentPcid());
    else if ('vpid' in what) translation.spaces.flushVpid(what.vpid);
    else translation.spaces.flushEpt(Number(what.eptPointer & 0xf_ffff_ffff_f000n));
    translation.refreshTag();
  }
  flushPage(linear: bigint): void {
    this.translation.flushPage(linear);
  }

  // Hardware breakpoints.

  /** Told where in their pages instructions lie that breakpoints wait for, by who keeps decoded code. */
  executeBreakpointsChanged: ((offsets: ReadonlySet<number>) => void) | undefined;
  private watched: { readonly pages: readonly bigint[]; readonly offsets: ReadonlySet<number> } = {
    pages: [],
    offsets: new Set(),
  };

  breakpointsChanged(watch: 'exactly' | 'at least'): void {
    if (!this.debug.refresh()) return;
    const { dataPages: pages, executeOffsets: offsets } = this.debug;
    const { watched } = this;
    const pagesStay = pages.every((page) => watched.pages.includes(page));
    const offsetsStay = [...offsets].every((offset) => watched.offsets.has(offset));
    if (watch === 'at least' && pagesStay && offsetsStay) return;
    this.watched = { pages, offsets };
    if (!pagesStay || pages.length !== watched.pages.length) this.translation.watchPages('processor', pages);
    this.executeBreakpointsChanged?.(offsets);
  }
  /** To be called for accesses to data that `readLinear` and its like do not make, while `debug.data`. */
  dataAccessed(linear: bigint, bytes: number, access: 'read' | 'write'): void {
    this.hit(this.debug.conditions(access, linear, bytes));
  }
  portAccessed(port: number, bytes: number): void {
    if (this.debug.io) this.hit(this.debug.conditions('io', BigInt(port), bytes));
  }
  /** A trap: it waits for the end of the instruction. */
  private hit(conditions: number): void {
    if (conditions === 0) return;
    this.state.set32(LAYOUT.debugHits, this.state.get32(LAYOUT.debugHits) | conditions);
    this.requestAttention();
  }
  /** The fault of an instruction breakpoint at RIP; undefined where there is none, or it does not count now. */
  instructionBreakpoint(): GuestFault | undefined {
    if (!this.debug.execute) return undefined;
    return instructionBreakpoint(this, this.debug.conditions('execute', this.state.linearRip, 1));
  }

  loadSegment(name: SegmentName, selector: number): void {
    if (name === 'LDTR') loadLdtr(this, selector);
    else if (name === 'TR') loadTaskRegister(this, selector);
    else loadDataSegment(this, name, selector);
    if (name === 'SS') this.modeChanged();
  }

  // Events.

  deliver(event: DeliveredEvent): void {
    expireBlocking(this.state, this.instructionsRetired());
    deliverEvent(this, event, this.chain, 'intercepts');
  }
  inject(event: DeliveredEvent): void {
    deliverEvent(this, event, this.chain, 'injected');
  }
  get faultChain(): readonly FaultRecord[] {
    return this.chain;
  }

  /**
   * To be called between instructions when `attention` is set or the processor is not active: performs at most one event.
   * Afterwards `attention` says whether the next boundary must be looked at as well. An HLT that nothing wakes gives `nothing`
   * with the activity state unchanged.
   */
  pendingBoundary(): BoundaryResult {
    try {
      return pendingBoundary(this, this.interruptController);
    } catch (thrown) {
      if (thrown instanceof VmExitTaken) return 'exited';
      throw thrown;
    }
  }
  /** Halted or waiting for a start-up IPI, and nothing has come since that `pendingBoundary` would have to look at. */
  get undisturbed(): boolean {
    const { state } = this;
    const activity = state.get32(LAYOUT.activity);
    if (activity === ACTIVITY.active || activity === ACTIVITY.shutdown) return false;
    if (state.get32(LAYOUT.attention) !== 0 || state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT) return false;
    return activity === ACTIVITY.waitForSipi || !this.interruptController.pending();
  }

  /** Signals an NMI; at most one is kept. */
  requestNmi(): void {
    this.state.set32(LAYOUT.boundary, this.state.get32(LAYOUT.boundary) | BOUNDARY.nmiPending);
    this.requestAttention();
  }
  requestInit(): void {
    signalInit(this.state);
    this.requestAttention();
  }
  requestStartUp(vector: number): void {
    signalStartUp(this.state, vector);
    this.requestAttention();
  }
  requestAttention(): void {
    this.state.set32(LAYOUT.attention, this.state.get32(LAYOUT.attention) | 1);
  }
  interruptibility(): number {
    expireBlocking(this.state, this.instructionsRetired());
    return this.state.get32(LAYOUT.interruptibility);
  }
  blockInterrupts(by: 'STI' | 'MOV SS'): void {
    startBlocking(this.state, this.instructionsRetired(), by);
    this.requestAttention();
  }
  pause(): void {
    this.paused?.();
  }
  shutdown(): void {
    this.state.set32(LAYOUT.activity, ACTIVITY.shutdown);
    this.requestAttention();
  }

  // MSRs and time.

  timeStampCounter(): bigint {
    const ticks = BigInt(this.instructionsRetired() * this.ticksPerInstruction + this.idleTicks());
    return BigInt.asUintN(64, ticks + this.state.get64(LAYOUT.tscAdjust));
  }
  readMsr(index: number): bigint {
    return readMsr(this, index);
  }
  writeMsr(index: number, value: bigint): void {
    writeMsr(this, index, value);
  }
}
