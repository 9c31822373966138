/**
 * The local APIC (SDM Vol. 3A, chapter 10, "Advanced Programmable Interrupt Controller"), as memory-mapped registers (xAPIC)
 * or MSRs (x2APIC). It is what the processor's interrupt input is connected to; the 8259 pair comes in through LINT0.
 */
import { DELIVERY_MODE, type ApicDestination, type ApicMessage, type ApicReceiver } from './apic-message.ts';
import { ApicTimer, type ApicTimerMode, type ApicTimerState } from './apic-timer.ts';
import { decodeRegisters, type AccessBytes, type MappedDevice, type TimedDevice } from './device.ts';
import {
  LOCAL_APIC_ROWS,
  LVT,
  LVT_ENTRIES,
  REGISTER,
  X2APIC_UNREADABLE,
  X2APIC_WRITABLE,
} from './local-apic-registers.ts';
import { VectorSet } from './vector-set.ts';

/** Version 14h, six local vector table entries, no suppression of EOI broadcasts. */
const VERSION = 0x0005_0014;
const SVR_ENABLE = 0x100;
const SVR_WRITABLE = 0x1ff;
const SVR_RESET = 0xff;
const MASKED = 0x1_0000;
const ESR_SEND_ILLEGAL = 0x20;
const ESR_RECEIVE_ILLEGAL = 0x40;
const ESR_REGISTER = 0x80;
/** Vectors 0 to 15 are reserved. */
const FIRST_LEGAL_VECTOR = 16;
const ICR_WRITABLE = 0xc_cfff;
const ICR_LOGICAL = 0x800;
const ICR_ASSERT = 0x4000;
const ICR_LEVEL = 0x8000;
const DFR_FLAT = 0xf000_0000;
const REGISTER_PAGE = 4096;

export type ApicMode = 'disabled' | 'xAPIC' | 'x2APIC';

export interface LocalApicLines {
  /** Ticks now; the time-stamp counter is `timeStampOffset` ahead of them. */
  now(): number;
  timeStampOffset(): bigint;
  /** CR8 follows bits 7:4 of the task-priority register. */
  taskPriorityChanged(priorityClass: number): void;
  /** An IPI leaves: to a destination, or to all but this one, or to all. */
  send(message: ApicMessage, to: ApicDestination | 'all' | 'others'): void;
  /** The processor's NMI input. */
  nmi(): void;
  /** SMI, INIT or SIPI for this processor. */
  control(kind: 'SMI' | 'INIT' | 'SIPI', vector: number): void;
  /** A level-triggered interrupt has ended: I/O APICs look for its vector. */
  endOfInterrupt(vector: number): void;
  /** The 8259 pair: its output, and the acknowledge cycle that gives its vector. */
  readonly external: { requested(): boolean; acknowledge(): number };
}

export interface LocalApicState {
  readonly mode: ApicMode;
  readonly id: number;
  readonly taskPriority: number;
  readonly logicalDestination: number;
  readonly destinationFormat: number;
  readonly spurious: number;
  readonly inService: readonly number[];
  readonly levelTriggered: readonly number[];
  readonly requested: readonly number[];
  readonly errorStatus: number;
  /** Errors since ESR was last written. */
  readonly errors: number;
  readonly commandLow: number;
  readonly commandHigh: number;
  readonly lvt: readonly number[];
  readonly timer: ApicTimerState;
}

export class LocalApic implements MappedDevice<LocalApicState>, TimedDevice, ApicReceiver {
  readonly name: string;
  readonly byteCount = REGISTER_PAGE;
  readonly #initialId: number;
  readonly #lines: LocalApicLines;
  readonly #timer: ApicTimer;
  readonly #inService = new VectorSet();
  readonly #level = new VectorSet();
  readonly #requested = new VectorSet();
  #mode: ApicMode = 'xAPIC';
  #id = 0;
  #taskPriority = 0;
  #logicalDestination = 0;
  #destinationFormat = 0xffff_ffff;
  #spurious = SVR_RESET;
  #errorStatus = 0;
  #errors = 0;
  #commandLow = 0;
  #commandHigh = 0;
  #lvt: number[] = [];

  constructor(id: number, lines: LocalApicLines) {
    this.name = id === 0 ? 'local APIC' : `local APIC ${id}`;
    this.#initialId = id;
    this.#lines = lines;
    this.#timer = new ApicTimer(() => lines.timeStampOffset());
    this.reset();
  }

  /** Power-up state (SDM Vol. 3A, "Local APIC State After Power-Up or Reset" 10.4.7.1). */
  reset(): void {
    this.#id = this.#mode === 'x2APIC' ? this.#initialId : this.#initialId & 0xff;
    this.#taskPriority = 0;
    this.#logicalDestination = 0;
    this.#destinationFormat = 0xffff_ffff;
    this.#spurious = SVR_RESET;
    this.#inService.clear();
    this.#level.clear();
    this.#requested.clear();
    this.#errorStatus = 0;
    this.#errors = 0;
    this.#commandLow = 0;
    this.#commandHigh = 0;
    this.#lvt = LVT_ENTRIES.map(() => MASKED);
    this.#timer.stop();
    this.#timer.setDivideConfiguration(0, this.#lines.now());
    this.#timer.setMode('one-shot');
  }

  /** INIT: as power-up, but the mode and the id stay (SDM Vol. 3A, "Local APIC State After an INIT Reset" 10.4.7.3; 10.12.5.1). */
  initialize(): void {
    const id = this.#id;
    this.reset();
    this.#id = id;
    if (this.#mode === 'x2APIC') this.#deriveLogicalDestination();
  }

  /** SDM Vol. 3A, "Deriving Logical x2APIC ID from the Local x2APIC ID" 10.12.10.2. */
  #deriveLogicalDestination(): void {
    this.#logicalDestination = (((this.#initialId & ~15) << 12) | (1 << (this.#initialId & 15))) >>> 0;
  }

  /** Virtual wire mode, as firmware leaves it: the 8259 pair through LINT0, NMI through LINT1. */
  setVirtualWire(): void {
    this.#spurious = SVR_RESET | SVR_ENABLE;
    this.#lvt[LVT.lint0] = DELIVERY_MODE.external << 8;
    this.#lvt[LVT.lint1] = DELIVERY_MODE.nmi << 8;
  }

  get mode(): ApicMode {
    return this.#mode;
  }

  /** IA32_APIC_BASE changed the mode. Disabling and enabling again gives the power-up state. */
  setMode(mode: ApicMode): void {
    if (mode === this.#mode) return;
    const resets = mode === 'disabled' || this.#mode === 'disabled';
    this.#mode = mode;
    if (resets) this.reset();
    if (mode !== 'x2APIC') return;
    this.#id = this.#initialId;
    this.#deriveLogicalDestination();
    this.#commandHigh = 0;
  }

  // The processor's interrupt input.

  /** Whether an interrupt of sufficient priority waits. */
  pending(): boolean {
    if (this.#mode === 'disabled') return this.#lines.external.requested();
    return this.#deliverable >= 0 || (this.#takesExternal && this.#lines.external.requested());
  }

  acknowledge(): number {
    const { external } = this.#lines;
    if (this.#mode === 'disabled') return external.acknowledge();
    const vector = this.#deliverable;
    if (vector >= 0) {
      this.#requested.set(vector, false);
      this.#inService.set(vector, true);
      return vector;
    }
    if (this.#takesExternal && external.requested()) return external.acknowledge();
    return this.#spurious & 0xff;
  }

  /** Highest requested vector whose class is above the processor priority's; -1 where there is none. */
  get #deliverable(): number {
    const vector = this.#requested.highest;
    if (vector < 0 || (this.#spurious & SVR_ENABLE) === 0) return -1;
    return vector >> 4 > this.processorPriority >> 4 ? vector : -1;
  }

  get #takesExternal(): boolean {
    const lint0 = this.#lvt[LVT.lint0] ?? MASKED;
    return (lint0 & MASKED) === 0 && ((lint0 >> 8) & 7) === DELIVERY_MODE.external;
  }

  get processorPriority(): number {
    const inService = Math.max(this.#inService.highest, 0);
    return this.#taskPriority >> 4 >= inService >> 4 ? this.#taskPriority : inService & 0xf0;
  }

  /** MOV to CR8 (SDM Vol. 3A, "Interaction of Task Priorities between CR8 and APIC" 10.8.6.1). */
  setTaskPriorityClass(priorityClass: number): void {
    this.#taskPriority = (priorityClass & 15) << 4;
  }

  // Messages.

  isAddressed({ id, kind, wide }: ApicDestination): boolean {
    if (this.#mode === 'disabled') return false;
    if (id === (wide ? 0xffff_ffff : 0xff)) return true;
    if (kind === 'physical') return id === (this.#mode === 'x2APIC' || wide ? this.#id : this.#id & 0xff);
    if (this.#mode === 'x2APIC') {
      const sameCluster = id >>> 16 === this.#logicalDestination >>> 16;
      return sameCluster && (id & this.#logicalDestination & 0xffff) !== 0;
    }
    const mine = this.#logicalDestination >>> 24;
    if (this.#destinationFormat >>> 28 === DFR_FLAT >>> 28) return (id & mine) !== 0;
    return (id >> 4 === 15 || id >> 4 === mine >> 4) && (id & mine & 15) !== 0;
  }

  receive({ mode, vector, trigger }: ApicMessage): void {
    switch (mode) {
      case DELIVERY_MODE.nmi:
        return this.#lines.nmi();
      case DELIVERY_MODE.smi:
        return this.#lines.control('SMI', vector);
      case DELIVERY_MODE.init:
        return this.#lines.control('INIT', vector);
      case DELIVERY_MODE.startup:
        return this.#lines.control('SIPI', vector);
      case DELIVERY_MODE.fixed:
      case DELIVERY_MODE.lowestPriority:
        return this.#request(vector, trigger);
    }
  }

  /** Input LINT1 of the processor or an internal source: what the entry says, unless it is masked. */
  #local(entry: keyof typeof LVT): void {
    const value = this.#lvt[LVT[entry]] ?? MASKED;
    if ((value & MASKED) !== 0 || this.#mode === 'disabled') return;
    const mode = entry === 'timer' || entry === 'error' ? DELIVERY_MODE.fixed : (value >> 8) & 7;
    this.receive({ mode, vector: value & 0xff, trigger: 'edge' });
  }

  #request(vector: number, trigger: 'edge' | 'level'): void {
    if (vector < FIRST_LEGAL_VECTOR) return this.#error(ESR_RECEIVE_ILLEGAL);
    if ((this.#spurious & SVR_ENABLE) === 0) return;
    this.#requested.set(vector, true);
    this.#level.set(vector, trigger === 'level');
  }

  #error(bit: number): void {
    this.#errors |= bit;
    const vector = (this.#lvt[LVT.error] ?? MASKED) & 0xff;
    // An error entry with an illegal vector must not report itself forever.
    if (vector >= FIRST_LEGAL_VECTOR) this.#local('error');
  }

  #end(): void {
    const vector = this.#inService.highest;
    if (vector < 0) return;
    this.#inService.set(vector, false);
    if (this.#level.has(vector)) this.#lines.endOfInterrupt(vector);
  }

  #command(low: number, high: number): void {
    this.#commandLow = low & ICR_WRITABLE;
    this.#commandHigh = high;
    const mode = (low >> 8) & 7;
    const vector = low & 0xff;
    const sendsVector = mode === DELIVERY_MODE.fixed || mode === DELIVERY_MODE.lowestPriority;
    if (sendsVector && vector < FIRST_LEGAL_VECTOR) return this.#error(ESR_SEND_ILLEGAL);
    // INIT level de-assert only synchronises arbitration ids, which processors of today do not have.
    if (mode === DELIVERY_MODE.init && (low & (ICR_ASSERT | ICR_LEVEL)) === ICR_LEVEL) return;
    // IPIs are edge triggered whatever the trigger bit says (SDM Vol. 3A, table 10-3).
    const message: ApicMessage = { mode, vector, trigger: 'edge' };
    const wide = this.#mode === 'x2APIC';
    switch ((low >> 18) & 3) {
      case 1:
        return this.receive(message);
      case 2:
        return this.#lines.send(message, 'all');
      case 3:
        return this.#lines.send(message, 'others');
      default: {
        const id = wide ? high >>> 0 : high >>> 24;
        this.#lines.send(message, { id, kind: (low & ICR_LOGICAL) !== 0 ? 'logical' : 'physical', wide });
      }
    }
  }

  // Time.

  nextEvent(): number | undefined {
    return this.#mode === 'disabled' ? undefined : this.#timer.nextEvent(this.#lines.now());
  }

  advanceTo(now: number): void {
    if (this.#timer.expired(now)) this.#local('timer');
  }

  /** IA32_TSC_DEADLINE. */
  get deadline(): bigint {
    return this.#timer.deadline;
  }
  setDeadline(value: bigint): void {
    this.#timer.setDeadline(value);
  }

  // Registers.

  read(offset: number, bytes: AccessBytes): number {
    const inSlot = offset & 15;
    // Only the low double word of a slot exists; what lies behind it is undefined on hardware, zero here.
    if (inSlot + bytes > 4) return 0;
    const value = this.#register(offset & ~15);
    if (value === undefined) {
      this.#error(ESR_REGISTER);
      return 0;
    }
    return bytes === 4 ? value : (value >>> (inSlot * 8)) & (bytes === 2 ? 0xffff : 0xff);
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    // "Must be accessed with aligned 32-bit accesses"; narrower ones have no effect here.
    if ((offset & 15) !== 0 || bytes !== 4) return;
    switch (offset) {
      case REGISTER.id:
        this.#id = (value >>> 24) & 0xff;
        return;
      case REGISTER.logicalDestination:
        this.#logicalDestination = (value & 0xff00_0000) >>> 0;
        return;
      case REGISTER.destinationFormat:
        this.#destinationFormat = (value | 0x0fff_ffff) >>> 0;
        return;
      case REGISTER.commandHigh:
        this.#commandHigh = (value & 0xff00_0000) >>> 0;
        return;
      case REGISTER.commandLow:
        return this.#command(value, this.#commandHigh);
      case REGISTER.selfInterrupt:
        return this.#error(ESR_REGISTER);
      default:
        this.#write(offset, value);
    }
  }

  /** RDMSR of an x2APIC register; undefined: #GP(0). */
  readMsr(index: number): bigint | undefined {
    const offset = (index - 0x800) << 4;
    if (this.#mode !== 'x2APIC' || X2APIC_UNREADABLE.has(offset)) return undefined;
    const value = this.#register(offset);
    if (value === undefined) return undefined;
    return offset === REGISTER.commandLow ? (BigInt(this.#commandHigh >>> 0) << 32n) | BigInt(value) : BigInt(value);
  }

  /** WRMSR of an x2APIC register; `refused`: #GP(0). */
  writeMsr(index: number, value: bigint): 'refused' | 'written' {
    const offset = (index - 0x800) << 4;
    if (this.#mode !== 'x2APIC') return 'refused';
    const low = Number(value & 0xffff_ffffn);
    if (offset === REGISTER.commandLow) {
      if ((low & ~ICR_WRITABLE) !== 0) return 'refused';
      this.#command(low, Number(value >> 32n));
      return 'written';
    }
    const writable = X2APIC_WRITABLE.get(offset);
    if (writable === undefined || value >> 32n !== 0n || (low & ~writable) !== 0) return 'refused';
    if (offset === REGISTER.selfInterrupt) this.#sendSelf(low);
    else this.#write(offset, low);
    return 'written';
  }

  #sendSelf(vector: number): void {
    if (vector < FIRST_LEGAL_VECTOR) this.#error(ESR_SEND_ILLEGAL);
    else this.#request(vector, 'edge');
  }

  /** Registers that both interfaces read alike; undefined where there is none. */
  #register(offset: number): number | undefined {
    const lvt = LVT_ENTRIES.findIndex((entry) => entry.offset === offset);
    if (lvt >= 0) return this.#lvt[lvt];
    const vectors = this.#vectorWord(offset);
    if (vectors !== undefined) return vectors;
    switch (offset) {
      case REGISTER.id:
        return this.#mode === 'x2APIC' ? this.#id : (this.#id << 24) >>> 0;
      case REGISTER.version:
        return VERSION;
      case REGISTER.taskPriority:
        return this.#taskPriority;
      case REGISTER.arbitrationPriority:
      case REGISTER.processorPriority:
        return this.processorPriority;
      case REGISTER.endOfInterrupt:
      case REGISTER.remoteRead:
        return 0;
      case REGISTER.logicalDestination:
        return this.#logicalDestination;
      case REGISTER.destinationFormat:
        return this.#destinationFormat;
      case REGISTER.spurious:
        return this.#spurious;
      case REGISTER.errorStatus:
        return this.#errorStatus;
      case REGISTER.commandLow:
        return this.#commandLow;
      case REGISTER.commandHigh:
        return this.#commandHigh;
      case REGISTER.initialCount:
        return this.#timer.initialCount;
      case REGISTER.currentCount:
        return this.#timer.currentCount(this.#lines.now());
      case REGISTER.divideConfiguration:
        return this.#timer.divideConfiguration;
      default:
        return undefined;
    }
  }

  #vectorWord(offset: number): number | undefined {
    if (offset < REGISTER.inService || offset >= REGISTER.errorStatus) return undefined;
    const index = (offset >> 4) & 7;
    if (offset < REGISTER.triggerMode) return this.#inService.word(index);
    return offset < REGISTER.requested ? this.#level.word(index) : this.#requested.word(index);
  }

  /** Registers that both interfaces write alike. Writes to read-only ones have no effect. */
  #write(offset: number, value: number): void {
    const lvt = LVT_ENTRIES.findIndex((entry) => entry.offset === offset);
    if (lvt >= 0) return this.#writeLvt(lvt, value);
    switch (offset) {
      case REGISTER.taskPriority:
        this.#taskPriority = value & 0xff;
        this.#lines.taskPriorityChanged(this.#taskPriority >> 4);
        return;
      case REGISTER.endOfInterrupt:
        return this.#end();
      case REGISTER.spurious:
        this.#spurious = value & SVR_WRITABLE;
        // While the APIC is disabled by software all entries are masked and stay so.
        if ((value & SVR_ENABLE) === 0) this.#lvt = this.#lvt.map((entry) => entry | MASKED);
        return;
      case REGISTER.errorStatus:
        this.#errorStatus = this.#errors;
        this.#errors = 0;
        return;
      case REGISTER.initialCount:
        return this.#timer.start(value >>> 0, this.#lines.now());
      case REGISTER.divideConfiguration:
        return this.#timer.setDivideConfiguration(value, this.#lines.now());
      default:
        if (this.#register(offset) === undefined) this.#error(ESR_REGISTER);
    }
  }

  #writeLvt(index: number, value: number): void {
    const forced = (this.#spurious & SVR_ENABLE) === 0 ? MASKED : 0;
    this.#lvt[index] = (value & (LVT_ENTRIES[index]?.writable ?? 0)) | forced;
    if (index === LVT.timer) this.#timer.setMode(timerMode(value));
  }

  save(): LocalApicState {
    return {
      mode: this.#mode,
      id: this.#id,
      taskPriority: this.#taskPriority,
      logicalDestination: this.#logicalDestination,
      destinationFormat: this.#destinationFormat,
      spurious: this.#spurious,
      inService: this.#inService.save(),
      levelTriggered: this.#level.save(),
      requested: this.#requested.save(),
      errorStatus: this.#errorStatus,
      errors: this.#errors,
      commandLow: this.#commandLow,
      commandHigh: this.#commandHigh,
      lvt: [...this.#lvt],
      timer: this.#timer.save(),
    };
  }

  load(state: LocalApicState): void {
    this.#mode = state.mode;
    this.#id = state.id;
    this.#taskPriority = state.taskPriority;
    this.#logicalDestination = state.logicalDestination;
    this.#destinationFormat = state.destinationFormat;
    this.#spurious = state.spurious;
    this.#inService.load(state.inService);
    this.#level.load(state.levelTriggered);
    this.#requested.load(state.requested);
    this.#errorStatus = state.errorStatus;
    this.#errors = state.errors;
    this.#commandLow = state.commandLow;
    this.#commandHigh = state.commandHigh;
    this.#lvt = [...state.lvt];
    this.#timer.load(state.timer, timerMode(state.lvt[LVT.timer] ?? 0));
  }

  registers() {
    const lvt = (entry: keyof typeof LVT) => this.#lvt[LVT[entry]] ?? MASKED;
    return decodeRegisters(LOCAL_APIC_ROWS, {
      ID: this.#register(REGISTER.id) ?? 0,
      TPR: this.#taskPriority,
      PPR: this.processorPriority,
      LDR: this.#logicalDestination,
      DFR: this.#destinationFormat,
      SVR: this.#spurious,
      ISR: Math.max(this.#inService.highest, 0),
      IRR: Math.max(this.#requested.highest, 0),
      ESR: this.#errorStatus,
      ICR: this.#commandLow,
      ICR_HIGH: this.#commandHigh >>> 0,
      LVT_TIMER: lvt('timer'),
      LVT_THERMAL: lvt('thermal'),
      LVT_PMC: lvt('performance'),
      LVT_LINT0: lvt('lint0'),
      LVT_LINT1: lvt('lint1'),
      LVT_ERROR: lvt('error'),
      INITIAL_COUNT: this.#timer.initialCount,
      CURRENT_COUNT: this.#timer.currentCount(this.#lines.now()),
      DIVIDE: this.#timer.divideConfiguration,
    });
  }
}

/** Encoding 3 is reserved and counts as one-shot. */
function timerMode(lvtTimer: number): ApicTimerMode {
  const mode = (lvtTimer >> 17) & 3;
  return mode === 1 ? 'periodic' : mode === 2 ? 'TSC-deadline' : 'one-shot';
}
