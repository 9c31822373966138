/** VM entry (SDM Vol. 3C, "VM Entries", chapter 26): checks, loading guest state, the MSR area, event injection. */
import { clearBoundary } from '../cpu/boundary.ts';
import {
  ACTIVITY,
  BLOCKING_BY_MOV_SS,
  BLOCKING_BY_NMI,
  BLOCKING_BY_STI,
  EFER,
  VMX_NON_ROOT,
} from '../cpu/control-bits.ts';
import { LAYOUT } from '../cpu/layout.ts';
import * as CONTROL from './active-controls.ts';
import { activeControls } from './active-controls.ts';
import type { ActiveControls } from './active-controls.ts';
import { sectionTitle } from './checks/check.ts';
import { anyFailingOfSlots, CONTROL_AND_HOST_CHECKS, failing, firstFailing, GUEST_CHECKS } from './checks/index.ts';
import { INTERRUPTION_VALID } from './checks/injection.ts';
import type { VmxContext } from './context.ts';
import { NO_VMCS } from './context.ts';
import { eventOf } from './events.ts';
import { failEntry } from './exit.ts';
import { loadGuestRegisters, loadGuestSegments, setLow, usesPdptes } from './guest-area.ts';
import { INSTRUCTION_ERRORS } from './instruction-errors.ts';
import { loadMsrs } from './msr-areas.ts';
import { failed, failInvalid, failValid } from './outcome.ts';
import { timerClock } from './timer.ts';
import type { EntryCheckReport } from './types.ts';
import type { Vmcs } from './vmcs.ts';
import { slotOf } from './vmcs.ts';

const INTERRUPTION_INFORMATION = slotOf('ENTRY_INTR_INFO');
const RFLAGS = slotOf('GUEST_RFLAGS');
const INTERRUPTIBILITY = slotOf('GUEST_INTERRUPTIBILITY');
const ACTIVITY_STATE = slotOf('GUEST_ACTIVITY');
const PENDING_DEBUG = slotOf('GUEST_PENDING_DEBUG');
const EPTP = slotOf('EPTP');
const VPID = slotOf('VPID');
const TSC_OFFSET = slotOf('TSC_OFFSET');
const MSR_LOAD_COUNT = slotOf('ENTRY_MSR_LOAD_COUNT');

export type EntryInstruction = 'VMLAUNCH' | 'VMRESUME';

/** A rule of the basic checks has no fields; the report says what to do (SDM Vol. 3C, 26.1). */
const basicReport = (id: string, rule: string, remedy: string): EntryCheckReport => ({
  id,
  section: sectionTitle('26.1'),
  rule,
  fields: [],
  values: [],
  remedy,
});

const NO_CURRENT = basicReport(
  'BASIC-04',
  'There is a current VMCS.',
  'VMCLEAR the region, then make it current with VMPTRLD',
);
const MOV_SS = basicReport(
  'BASIC-06',
  'Events are not blocked by MOV SS or POP SS.',
  'put another instruction between the load of SS and the VM entry',
);
const NOT_CLEAR = basicReport(
  'BASIC-07',
  'VMLAUNCH needs a VMCS whose launch state is clear.',
  'use VMRESUME for a VMCS that was launched, or VMCLEAR it first',
);
const NOT_LAUNCHED = basicReport(
  'BASIC-08',
  'VMRESUME needs a VMCS whose launch state is launched.',
  'enter the guest with VMLAUNCH the first time after VMCLEAR',
);

/** Reports of all checks that fail for a VMCS, by stage. Changes nothing. */
export interface EntryAudit {
  /** Failing these ends the instruction with VMfailValid 7 or 8. */
  readonly controlsHost: readonly EntryCheckReport[];
  /** Failing these is a VM exit with reason 33. */
  readonly guest: readonly EntryCheckReport[];
}

export function auditEntry(vmx: VmxContext, vmcs: Vmcs): EntryAudit {
  const c = vmx.checkContext(vmcs);
  return { controlsHost: failing(CONTROL_AND_HOST_CHECKS, c), guest: failing(GUEST_CHECKS, c) };
}

/**
 * VMLAUNCH or VMRESUME in VMX root operation, after the checks that fault. Returns with the flags set where the instruction
 * fails, or with the guest's state in place; throws `VmExitTaken` where the entry ends in a VM exit.
 * @returns whether the guest is running
 */
export function enter(vmx: VmxContext, instruction: EntryInstruction): boolean {
  const { cpu } = vmx;
  if (cpu.state.get64(LAYOUT.vmcsPointer) === NO_VMCS) {
    failInvalid(vmx, instruction, [NO_CURRENT]);
    return false;
  }
  const vmcs = vmx.current;
  if ((cpu.interruptibility() & BLOCKING_BY_MOV_SS) !== 0) {
    failValid(vmx, instruction, INSTRUCTION_ERRORS.entryBlockedByMovSs.number, [MOV_SS]);
    return false;
  }
  if (instruction === 'VMLAUNCH' && vmcs.launched) {
    failValid(vmx, instruction, INSTRUCTION_ERRORS.vmlaunchNotClear.number, [NOT_CLEAR]);
    return false;
  }
  if (instruction === 'VMRESUME' && !vmcs.launched) {
    failValid(vmx, instruction, INSTRUCTION_ERRORS.vmresumeNotLaunched.number, [NOT_LAUNCHED]);
    return false;
  }
  if (!knownGood(vmx, vmcs)) {
    const c = vmx.checkContext(vmcs);
    const first = firstFailing(CONTROL_AND_HOST_CHECKS, c);
    if (first !== undefined && first.failure.kind === 'VMfailValid') {
      failValid(vmx, instruction, first.failure.error, failing(CONTROL_AND_HOST_CHECKS, c));
      return false;
    }
    const guest = firstFailing(GUEST_CHECKS, c);
    if (guest !== undefined && guest.failure.kind === 'entry-failure') {
      const qualification = BigInt(guest.failure.qualification);
      failed(vmx, { instruction, exitReason: 33, qualification, reports: failing(GUEST_CHECKS, c) });
      failEntry(vmx, 'entryFailureGuestState', qualification);
    }
  }
  load(vmx, vmcs, instruction);
  return true;
}

/**
 * Whether no check can fail because none of what they read was written since an entry that succeeded. State that VM exits
 * stored is good: the processor was in it. Entries that inject, that name memory (a link pointer, PDPTEs behind CR3) or
 * that changed many fields are judged in full.
 */
function knownGood(vmx: VmxContext, vmcs: Vmcs): boolean {
  const { changed } = vmcs;
  if (changed === undefined) return false;
  if ((vmcs.low('ENTRY_INTR_INFO') & INTERRUPTION_VALID) !== 0) return false;
  if (vmcs.read('VMCS_LINK_PTR') !== NO_VMCS) return false;
  const c = vmx.checkContext(vmcs);
  if (c.longModeNow !== c.on('hostAddressSpaceSize')) return false;
  const pae = usesPdptes(vmcs.low('GUEST_CR0'), vmcs.low('GUEST_CR4'), c.on('ia32eModeGuest') ? EFER.LMA : 0);
  if (pae) return false;
  return changed.size === 0 || (changed.size <= 8 && !anyFailingOfSlots(changed, c));
}

/** SDM Vol. 3C, "Loading Guest State", 26.3.2, to "Event Injection", 26.5. */
function load(vmx: VmxContext, vmcs: Vmcs, instruction: EntryInstruction): void {
  const { cpu } = vmx;
  const { state } = cpu;
  const linear = state.linearRip;
  const controls = activeControls(vmcs);
  const information = vmcs.lowOf(INTERRUPTION_INFORMATION);
  loadGuestRegisters(vmx, vmcs, controls);
  loadGuestSegments(vmcs, cpu);
  cpu.breakpointsChanged('at least');
  state.rflags = vmcs.lowOf(RFLAGS);
  const interruptibility = vmcs.lowOf(INTERRUPTIBILITY);
  state.set32(LAYOUT.interruptibility, interruptibility & BLOCKING_BY_NMI);
  const activity = vmcs.lowOf(ACTIVITY_STATE);
  state.set32(LAYOUT.activity, activity);
  vmcs.loadOf(PENDING_DEBUG, state, LAYOUT.pendingDebug);
  clearBoundary(state);
  state.set32(LAYOUT.vmxMode, VMX_NON_ROOT);
  if ((controls.proc2 & CONTROL.ENABLE_EPT) !== 0) vmcs.loadOf(EPTP, state, LAYOUT.eptPointer);
  else setLow(state, LAYOUT.eptPointer, 0);
  const vpid = (controls.proc2 & CONTROL.ENABLE_VPID) !== 0;
  setLow(state, LAYOUT.vpid, vpid ? vmcs.lowOf(VPID) : 0);
  if ((controls.proc1 & CONTROL.TSC_OFFSETTING) !== 0) vmcs.loadOf(TSC_OFFSET, state, LAYOUT.tscOffset);
  else setLow(state, LAYOUT.tscOffset, 0);
  if (!vpid) cpu.flushTlb({ vpid: 0 });
  cpu.modeChanged();

  const count = vmcs.lowOf(MSR_LOAD_COUNT) >>> 0;
  const failure =
    count === 0 ? undefined : loadMsrs(cpu, vmcs.number('ENTRY_MSR_LOAD_ADDR'), count, 'ENTRY_MSR_LOAD_ADDR');
  if (failure !== undefined) {
    const qualification = BigInt(failure.entry);
    failed(vmx, { instruction, linear, exitReason: 34, qualification, reports: [failure.report] });
    failEntry(vmx, 'entryFailureMsrLoad', qualification);
  }
  vmcs.launched = true;
  if (vmcs.changed === undefined) vmcs.changed = new Set();
  else vmcs.changed.clear();
  startWatches(vmx, vmcs, controls);
  if ((information & INTERRUPTION_VALID) !== 0) inject(vmx, vmcs, information);
  else {
    if (activity === ACTIVITY.shutdown) setLow(state, LAYOUT.pendingDebug, 0);
    if ((interruptibility & BLOCKING_BY_STI) !== 0) cpu.blockInterrupts('STI');
    if ((interruptibility & BLOCKING_BY_MOV_SS) !== 0) cpu.blockInterrupts('MOV SS');
  }
  cpu.setNextRip(state.rip);
  cpu.requestAttention();
}

/** MTF and the preemption timer count from here. */
function startWatches(vmx: VmxContext, vmcs: Vmcs, controls: ActiveControls): void {
  const { watch, cpu } = vmx;
  watch.mtfPending = false;
  watch.retired = -1;
  watch.rip = cpu.state.rip;
  watch.rcx = cpu.state.gpr(1);
  watch.timerEnd =
    (controls.pin & CONTROL.PREEMPTION_TIMER) !== 0
      ? timerClock(vmx) + BigInt(vmcs.low('PREEMPTION_TIMER_VALUE'))
      : undefined;
}

/** SDM Vol. 3C, "Event Injection", 26.5. */
function inject(vmx: VmxContext, vmcs: Vmcs, information: number): void {
  const { cpu } = vmx;
  const { state } = cpu;
  const event = eventOf(information, vmcs.low('ENTRY_EXCEPTION_EC'), vmcs.low('ENTRY_INSTR_LEN'));
  if (event === undefined) {
    vmx.watch.mtfPending = true;
    return;
  }
  state.set32(LAYOUT.activity, ACTIVITY.active);
  // SDM Vol. 3C, 26.6.3: which events drop pending debug exceptions.
  const software = event.type === 'software-interrupt' || event.type === 'software-exception';
  if (!software || (vmcs.low('GUEST_INTERRUPTIBILITY') & BLOCKING_BY_MOV_SS) === 0)
    setLow(state, LAYOUT.pendingDebug, 0);
  if (vmx.on('monitorTrapFlag')) vmx.watch.mtfPending = true;
  cpu.inject({ ...event, injected: true, because: 'injected by VM entry' });
  if (event.type === 'nmi')
    state.set32(LAYOUT.interruptibility, state.get32(LAYOUT.interruptibility) | BLOCKING_BY_NMI);
}
