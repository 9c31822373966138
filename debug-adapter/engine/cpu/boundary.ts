/**
 * What happens between two instructions: debug traps, NMI, external interrupts, their blocking, and waking from HLT
 * (SDM Vol. 3A, "Priority Among Simultaneous Exceptions and Interrupts" 6.9).
 */
import type { Cpu, DeliveredEvent, InterruptController } from './context.ts';
import {
  ACTIVITY,
  BLOCKING_BY_MOV_SS,
  BLOCKING_BY_NMI,
  BLOCKING_BY_STI,
  DEBUGCTL,
  DR6_BS,
  DR6_BT,
  PENDING_ENABLED_BREAKPOINT,
  VMX_NON_ROOT,
  VMX_OFF,
  VMX_ROOT,
} from './control-bits.ts';
import { IF, RF, TF, VIP } from './flags.ts';
import { DB, GP, GuestFault, NMI } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import { initializeProcessor } from './reset.ts';
import { BOUNDARY } from './boundary-bits.ts';
import type { CpuState } from './state.ts';
import { virtualInterruptDue } from './virtual-8086.ts';

const SIPI_VECTOR_BIT = 8;
const SIPI_BITS = BOUNDARY.sipiPending | (0xff << SIPI_VECTOR_BIT);
const SIGNALS = BOUNDARY.initPending | SIPI_BITS;

const VIRTUAL_INTERRUPT_FAULT: DeliveredEvent = {
  vector: GP,
  type: 'hardware-exception',
  errorCode: 0,
  instructionBytes: 0,
  because: 'RFLAGS.VIF and RFLAGS.VIP both set',
};

/**
 * - `nothing`: go on with the instruction at RIP (or stay halted while `state` says so).
 * - `delivered`: an event was delivered: RIP is its handler's.
 * - `exited`: a VM exit was taken: the state is the host's.
 */
export type BoundaryResult = 'nothing' | 'delivered' | 'exited';

/** STI and MOV SS blocking end with the instruction behind them. */
export function expireBlocking(state: CpuState, retired: number): void {
  const blocking = state.get32(LAYOUT.interruptibility);
  const shadows = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
  if ((blocking & shadows) !== 0 && retired >= state.getNumber(LAYOUT.blockingUntil))
    state.set32(LAYOUT.interruptibility, blocking & ~shadows);
}

/** Blocking from the end of the current instruction, number `retired` since reset, to the end of the next. */
export function startBlocking(state: CpuState, retired: number, by: 'STI' | 'MOV SS'): void {
  const blocking = state.get32(LAYOUT.interruptibility);
  const bit = by === 'STI' ? BLOCKING_BY_STI : BLOCKING_BY_MOV_SS;
  // Of several in a row only the first blocks (SDM Vol. 3A, 6.8.3).
  if ((blocking & bit) !== 0) return;
  state.set32(LAYOUT.interruptibility, (blocking & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) | bit);
  state.setNumber(LAYOUT.blockingUntil, retired + 2);
}

/** What spans one boundary only. */
const SPANNING = BOUNDARY.stepArmed | BOUNDARY.resumeArmed | BOUNDARY.repeating | BOUNDARY.branched;

/** An event about to be delivered ends the life of everything that spans one boundary. */
export function clearBoundary(state: CpuState): void {
  state.set32(LAYOUT.boundary, state.get32(LAYOUT.boundary) & ~SPANNING);
}

/** Whether nothing but an interrupt could happen at this boundary: most are like that, and cost no more than finding out. */
const isQuiet = (state: CpuState): boolean =>
  (state.get32(LAYOUT.interruptibility) |
    state.get32(LAYOUT.boundary) |
    state.get32(LAYOUT.debugHits) |
    state.low(LAYOUT.pendingDebug) |
    (state.systemFlags & (TF | RF | VIP))) ===
    0 &&
  state.get32(LAYOUT.activity) === ACTIVITY.active &&
  state.get32(LAYOUT.vmxMode) !== VMX_NON_ROOT;

export function pendingBoundary(cpu: Cpu, controller: InterruptController): Exclude<BoundaryResult, 'exited'> {
  const state = cpu.state;
  if (isQuiet(state) && ((state.systemFlags & IF) === 0 || !controller.pending())) {
    state.set32(LAYOUT.attention, 0);
    return 'nothing';
  }
  const retired = cpu.instructionsRetired();
  expireBlocking(state, retired);
  state.set32(LAYOUT.attention, 0);
  const mode = state.get32(LAYOUT.vmxMode);
  const nonRoot = mode === VMX_NON_ROOT;
  completeArmed(state, retired);
  completeHits(state);

  if ((state.get32(LAYOUT.boundary) & SIGNALS) !== 0 && (takeInit(cpu, mode) || takeStartUp(cpu, nonRoot)))
    return 'delivered';
  // Nothing else ends the wait (SDM Vol. 3C, "Guest Non-Register State" 24.4.2; Vol. 3A, "MP Initialization" 8.4).
  if (state.get32(LAYOUT.activity) === ACTIVITY.waitForSipi) return 'nothing';
  if (debugTrap(cpu)) return 'delivered';
  if (nonRoot) cpu.intercepts.boundary();
  if (takeNmi(cpu)) return 'delivered';
  if (takeInterrupt(cpu, controller, nonRoot)) return 'delivered';
  if (virtualInterruptDue(state)) {
    cpu.deliver(VIRTUAL_INTERRUPT_FAULT);
    return 'delivered';
  }

  arm(state, retired);
  const again =
    looksAgain(state.get32(LAYOUT.boundary)) ||
    state.low(LAYOUT.pendingDebug) !== 0 ||
    (nonRoot && cpu.intercepts.wantsBoundary()) ||
    (controller.pending() && waitsForShadow(state, nonRoot, cpu));
  if (again) state.set32(LAYOUT.attention, 1);
  return 'nothing';
}

/** Notes an INIT. */
export function signalInit(state: CpuState): void {
  state.set32(LAYOUT.boundary, state.get32(LAYOUT.boundary) | BOUNDARY.initPending);
}

/** Notes a start-up IPI: ignored but by a processor that waits for one, or will as soon as it takes its INIT. */
export function signalStartUp(state: CpuState, vector: number): void {
  const bits = state.get32(LAYOUT.boundary);
  const waits = state.get32(LAYOUT.activity) === ACTIVITY.waitForSipi;
  if (!waits && ((bits & BOUNDARY.initPending) === 0 || state.get32(LAYOUT.vmxMode) !== VMX_OFF)) return;
  state.set32(LAYOUT.boundary, (bits & ~SIPI_BITS) | BOUNDARY.sipiPending | ((vector & 0xff) << SIPI_VECTOR_BIT));
}

/**
 * INIT is blocked in VMX root operation, where it stays pending, and by the wait-for-SIPI state of a guest; in VMX non-root
 * operation it exits (SDM Vol. 3C, "Restrictions on VMX Operation" 23.8 and "Other Causes of VM Exits" 25.2).
 */
function takeInit(cpu: Cpu, mode: number): boolean {
  const state = cpu.state;
  const bits = state.get32(LAYOUT.boundary);
  if ((bits & BOUNDARY.initPending) === 0 || mode === VMX_ROOT) return false;
  if (mode === VMX_NON_ROOT && state.get32(LAYOUT.activity) === ACTIVITY.waitForSipi) return false;
  state.set32(LAYOUT.boundary, bits & ~BOUNDARY.initPending);
  if (mode === VMX_NON_ROOT) cpu.intercepts.initSignal();
  const startUp = bits & SIPI_BITS;
  initializeProcessor(cpu);
  // The bootstrap processor starts at its reset vector instead, and ignores start-up IPIs.
  const waits = state.get32(LAYOUT.activity) === ACTIVITY.waitForSipi;
  state.set32(LAYOUT.boundary, waits ? startUp : 0);
  return !waits;
}

/** SDM Vol. 3A, "MP Initialization Protocol Algorithm for MP Systems" 8.4.3: real mode at 000VV000h. */
function takeStartUp(cpu: Cpu, nonRoot: boolean): boolean {
  const state = cpu.state;
  const bits = state.get32(LAYOUT.boundary);
  if ((bits & BOUNDARY.sipiPending) === 0) return false;
  state.set32(LAYOUT.boundary, bits & ~SIPI_BITS);
  if (state.get32(LAYOUT.activity) !== ACTIVITY.waitForSipi) return false;
  const vector = (bits >> SIPI_VECTOR_BIT) & 0xff;
  if (nonRoot) cpu.intercepts.startUp(vector);
  state.setSegment('CS', { ...state.segment('CS'), selector: vector << 8, base: BigInt(vector << 12) });
  state.rip = 0n;
  wake(state);
  cpu.modeChanged();
  return true;
}
/**
 * RFLAGS.RF needs no look between the iterations of a repeated string instruction: it ends with the instruction. INIT and start-up
 * IPIs ask for attention themselves.
 */
function looksAgain(bits: number): boolean {
  const quiet = (bits & BOUNDARY.repeating) !== 0 ? BOUNDARY.repeating | BOUNDARY.resumeArmed : 0;
  return (bits & ~(quiet | SIGNALS)) !== 0;
}

/** Whether the instruction at RIP must run alone because RFLAGS.RF ends with it. */
export const resumes = (state: CpuState): boolean => (state.get32(LAYOUT.boundary) & BOUNDARY.resumeArmed) !== 0;

/** Once the instruction that was armed has completed, what it began with takes effect. */
function completeArmed(state: CpuState, retired: number): void {
  if (retired === state.getNumber(LAYOUT.armedAt)) return;
  const bits = state.get32(LAYOUT.boundary);
  if ((bits & BOUNDARY.stepArmed) !== 0 && stepsBehind(state, bits)) pend(state, DR6_BS);
  if ((bits & BOUNDARY.resumeArmed) !== 0) state.systemFlags &= ~RF;
  clearBoundary(state);
}

/**
 * An iteration of a repeated string instruction has been committed and others follow: for RFLAGS.TF it is an instruction
 * (SDM Vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"; as processors do).
 */
export function completeIteration(state: CpuState): void {
  const bits = state.get32(LAYOUT.boundary);
  if ((bits & BOUNDARY.stepArmed) !== 0 && stepsBehind(state, bits)) pend(state, DR6_BS);
  state.set32(LAYOUT.boundary, (bits & ~BOUNDARY.stepArmed) | BOUNDARY.repeating);
  state.setNumber(LAYOUT.armedAt, state.retired);
}

/** With IA32_DEBUGCTL.BTF only branches are single-stepped (SDM Vol. 3B, "Single-Stepping on Branches" 17.4.3). */
const stepsBehind = (state: CpuState, bits: number): boolean =>
  (state.low(LAYOUT.debugctl) & DEBUGCTL.BTF) === 0 || (bits & BOUNDARY.branched) !== 0;

/**
 * SYSCALL and SYSRET look at RFLAGS.TF as they leave it: a trap follows SYSRET at once where it sets TF, and none follows SYSCALL
 * where IA32_FMASK clears it.
 */
export function stepByNewFlags(cpu: Cpu): void {
  const { state } = cpu;
  const others = state.get32(LAYOUT.boundary) & ~BOUNDARY.stepArmed;
  state.set32(LAYOUT.boundary, (state.systemFlags & TF) !== 0 ? others | BOUNDARY.stepArmed : others);
  state.setNumber(LAYOUT.armedAt, cpu.instructionsRetired());
}

const isRepeating = (state: CpuState, retired: number): boolean =>
  (state.get32(LAYOUT.boundary) & BOUNDARY.repeating) !== 0 && state.getNumber(LAYOUT.armedAt) === retired;

/**
 * What interrupts a repeated string instruction between two iterations finds RFLAGS.RF set, so that its instruction breakpoint
 * does not count again (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition" 17.3.1.1).
 */
function resumeRepeat(cpu: Cpu): void {
  if (isRepeating(cpu.state, cpu.instructionsRetired())) cpu.state.systemFlags |= RF;
}

function pend(state: CpuState, causes: number): void {
  state.set64(LAYOUT.pendingDebug, state.get64(LAYOUT.pendingDebug) | BigInt(causes));
}

/** Data and I/O breakpoints that the instruction met which has just completed (or an iteration of it). */
function completeHits(state: CpuState): void {
  const hits = state.get32(LAYOUT.debugHits);
  if (hits === 0) return;
  state.set32(LAYOUT.debugHits, 0);
  pend(state, hits | PENDING_ENABLED_BREAKPOINT);
}

/** What was met does not count: the instruction did not complete. */
export function dropHits(state: CpuState): void {
  state.set32(LAYOUT.debugHits, 0);
}

/**
 * The fault of an instruction breakpoint whose DR6 bits are given: none with RFLAGS.RF, between the iterations of a repeated
 * string instruction, and directly behind a load of SS (SDM Vol. 3B, 17.3.1.1; Vol. 3A, "Masking Exceptions and Interrupts When
 * Switching Stacks" 6.8.3).
 */
export function instructionBreakpoint(cpu: Cpu, conditions: number): GuestFault | undefined {
  const { state } = cpu;
  if (conditions === 0 || (state.systemFlags & RF) !== 0) return undefined;
  if (isRepeating(state, cpu.instructionsRetired())) return undefined;
  if ((cpu.interruptibility() & BLOCKING_BY_MOV_SS) !== 0) return undefined;
  pend(state, conditions | PENDING_ENABLED_BREAKPOINT);
  return new GuestFault(DB, undefined, 'instruction breakpoint (DR0 to DR3)');
}

/** The instruction before us is about to begin. */
function arm(state: CpuState, retired: number): void {
  const flags = state.systemFlags;
  if (state.get32(LAYOUT.activity) !== ACTIVITY.active) return;
  const bits = ((flags & TF) !== 0 ? BOUNDARY.stepArmed : 0) | ((flags & RF) !== 0 ? BOUNDARY.resumeArmed : 0);
  if (bits === 0) return;
  state.set32(LAYOUT.boundary, state.get32(LAYOUT.boundary) | bits);
  state.setNumber(LAYOUT.armedAt, retired);
}

function debugTrap(cpu: Cpu): boolean {
  const state = cpu.state;
  const pending = state.low(LAYOUT.pendingDebug);
  if ((pending & (DR6_BS | DR6_BT | PENDING_ENABLED_BREAKPOINT)) === 0) return false;
  if ((state.get32(LAYOUT.interruptibility) & BLOCKING_BY_MOV_SS) !== 0) return false;
  wake(state);
  resumeRepeat(cpu);
  cpu.deliver({
    vector: DB,
    type: 'hardware-exception',
    errorCode: undefined,
    instructionBytes: 0,
    because:
      (pending & DR6_BT) !== 0
        ? 'task switch: T flag of the new TSS'
        : (pending & PENDING_ENABLED_BREAKPOINT) !== 0
          ? 'data or I/O breakpoint (DR0 to DR3)'
          : 'single step: RFLAGS.TF',
  });
  return true;
}

function takeNmi(cpu: Cpu): boolean {
  const state = cpu.state;
  const bits = state.get32(LAYOUT.boundary);
  if ((bits & BOUNDARY.nmiPending) === 0) return false;
  if ((state.get32(LAYOUT.interruptibility) & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS)) !== 0) return false;
  state.set32(LAYOUT.boundary, bits & ~BOUNDARY.nmiPending);
  wake(state);
  resumeRepeat(cpu);
  cpu.deliver({ vector: NMI, type: 'nmi', errorCode: undefined, instructionBytes: 0 });
  return true;
}

function takeInterrupt(cpu: Cpu, controller: InterruptController, nonRoot: boolean): boolean {
  const state = cpu.state;
  if (!controller.pending()) return false;
  const activity = state.get32(LAYOUT.activity);
  if (activity === ACTIVITY.shutdown || activity === ACTIVITY.waitForSipi) return false;
  if ((state.get32(LAYOUT.interruptibility) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) !== 0) return false;
  if (nonRoot && cpu.intercepts.externalInterruptsExit()) {
    // The exit saves the activity state as it was; it does not return.
    resumeRepeat(cpu);
    cpu.intercepts.externalInterrupt(() => controller.acknowledge());
    return true;
  }
  if ((state.systemFlags & IF) === 0) return false;
  wake(state);
  resumeRepeat(cpu);
  cpu.deliver({ vector: controller.acknowledge(), type: 'external', errorCode: undefined, instructionBytes: 0 });
  return true;
}

/** A pending interrupt is only held back until the next boundary. */
function waitsForShadow(state: CpuState, nonRoot: boolean, cpu: Cpu): boolean {
  if ((state.get32(LAYOUT.interruptibility) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) === 0) return false;
  return (state.systemFlags & IF) !== 0 || (nonRoot && cpu.intercepts.externalInterruptsExit());
}

function wake(state: CpuState): void {
  state.set32(LAYOUT.activity, ACTIVITY.active);
}
