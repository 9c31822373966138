/** VM entry (SDM Vol. 3C, "VM Entries", chapter 26): checks, loading guest state, the MSR area, event injection. */
import { sectionTitle } from './checks/check.ts';
import { anyFailingOfSlots, CONTROL_AND_HOST_CHECKS, failing, firstFailing, GUEST_CHECKS } from './checks/index.ts';
import { pdptesAt } from './checks/guest-state.ts';
import { INTERRUPTION_VALID } from './checks/injection.ts';
import type { VmxContext } from './context.ts';
import { NO_VMCS } from './context.ts';
import { clearBoundary } from '../cpu/boundary.ts';
import {
  ACTIVITY,
  BLOCKING_BY_MOV_SS,
  BLOCKING_BY_NMI,
  BLOCKING_BY_STI,
  CR0,
  EFER,
  VMX_NON_ROOT,
} from '../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { eventOf } from './events.ts';
import { CR0_KEPT, failEntry, PDPTE_FIELDS, SEGMENT_FIELDS, timerClock, usesPdptes, WHOLE_REGISTERS } from './exit.ts';
import { INSTRUCTION_ERRORS } from './instruction-errors.ts';
import { loadMsrs } from './msr-areas.ts';
import { failed, failInvalid, failValid } from './outcome.ts';
import type { EntryCheckReport } from './types.ts';
import type { Vmcs } from './vmcs.ts';

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
  const information = vmcs.low('ENTRY_INTR_INFO');
  loadRegisters(vmx, vmcs);
  loadSegments(vmcs, vmx);
  state.rflags = vmcs.low('GUEST_RFLAGS') | 0;
  const interruptibility = vmcs.low('GUEST_INTERRUPTIBILITY');
  state.set32(LAYOUT.interruptibility, interruptibility & BLOCKING_BY_NMI);
  state.set32(LAYOUT.activity, vmcs.low('GUEST_ACTIVITY'));
  vmcs.loadInto('GUEST_PENDING_DEBUG', state, LAYOUT.pendingDebug);
  clearBoundary(state);
  state.set32(LAYOUT.vmxMode, VMX_NON_ROOT);
  if (vmx.on('enableEpt')) vmcs.loadInto('EPTP', state, LAYOUT.eptPointer);
  else state.set64(LAYOUT.eptPointer, 0n);
  const vpid = vmx.on('enableVpid');
  state.set64(LAYOUT.vpid, vpid ? vmcs.read('VPID') : 0n);
  if (vmx.on('tscOffsetting')) vmcs.loadInto('TSC_OFFSET', state, LAYOUT.tscOffset);
  else state.set64(LAYOUT.tscOffset, 0n);
  if (!vpid) cpu.flushTlb({ vpid: 0 });
  cpu.modeChanged();

  const count = vmcs.low('ENTRY_MSR_LOAD_COUNT');
  const failure =
    count === 0 ? undefined : loadMsrs(cpu, vmcs.number('ENTRY_MSR_LOAD_ADDR'), count, 'ENTRY_MSR_LOAD_ADDR');
  if (failure !== undefined) {
    const qualification = BigInt(failure.entry);
    failed(vmx, { instruction, linear, exitReason: 34, qualification, reports: [failure.report] });
    failEntry(vmx, 'entryFailureMsrLoad', qualification);
  }
  vmcs.launched = true;
  vmcs.changed = new Set();
  startWatches(vmx, vmcs);
  if ((information & INTERRUPTION_VALID) !== 0) inject(vmx, vmcs, information);
  else {
    if (vmcs.low('GUEST_ACTIVITY') === ACTIVITY.shutdown) state.set64(LAYOUT.pendingDebug, 0n);
    if ((interruptibility & BLOCKING_BY_STI) !== 0) cpu.blockInterrupts('STI');
    if ((interruptibility & BLOCKING_BY_MOV_SS) !== 0) cpu.blockInterrupts('MOV SS');
  }
  cpu.setNextRip(state.rip);
  cpu.requestAttention();
}

function loadRegisters(vmx: VmxContext, vmcs: Vmcs): void {
  const { state } = vmx.cpu;
  const cr0 = (vmcs.low('GUEST_CR0') & ~CR0_KEPT) | (state.low(LAYOUT.cr0) & CR0_KEPT);
  state.set64(LAYOUT.cr0, BigInt(cr0 >>> 0));
  for (const [key, at] of WHOLE_REGISTERS) vmcs.loadInto(key, state, at);
  state.set64(LAYOUT.sysenterCs, BigInt(vmcs.low('GUEST_SYSENTER_CS')));
  state.set32(LAYOUT.gdtrLimit, vmcs.low('GUEST_GDTR_LIMIT'));
  state.set32(LAYOUT.idtrLimit, vmcs.low('GUEST_IDTR_LIMIT'));
  if (vmx.on('entryLoadDebugControls')) {
    // SDM Vol. 3C, 26.3.2.1: bits 12, 14 and 15 of DR7 become 0, bit 10 becomes 1.
    state.set64(LAYOUT.dr7, BigInt(((vmcs.low('GUEST_DR7') & ~0xd000) | 0x400) >>> 0));
    vmcs.loadInto('GUEST_IA32_DEBUGCTL', state, LAYOUT.debugctl);
  }
  if (vmx.on('entryLoadPat')) vmcs.loadInto('GUEST_IA32_PAT', state, LAYOUT.pat);
  const longMode = vmx.on('ia32eModeGuest');
  if (vmx.on('entryLoadEfer')) vmcs.loadInto('GUEST_IA32_EFER', state, LAYOUT.efer);
  else {
    let efer = state.low(LAYOUT.efer);
    efer = longMode ? efer | EFER.LMA : efer & ~EFER.LMA;
    if ((cr0 & CR0.PG) !== 0) efer = longMode ? efer | EFER.LME : efer & ~EFER.LME;
    state.words[LAYOUT.efer >> 2] = efer;
  }
  if (usesPdptes(cr0, state.low(LAYOUT.cr4), state.low(LAYOUT.efer))) {
    if (vmx.on('enableEpt')) PDPTE_FIELDS.forEach((key, index) => vmcs.loadInto(key, state, LAYOUT.pdpte + 8 * index));
    else
      pdptesAt(vmx.cpu, state.low(LAYOUT.cr3)).forEach((entry, index) => state.set64(LAYOUT.pdpte + 8 * index, entry));
  }
}

/** SDM Vol. 3C, "Loading Guest Segment Registers and Descriptor-Table Registers", 26.3.2.2. */
function loadSegments(vmcs: Vmcs, vmx: VmxContext): void {
  const { state } = vmx.cpu;
  for (const segment of SEGMENT_FIELDS) {
    const accessRights = vmcs.low(segment.rights);
    const selector = vmcs.low(segment.selector);
    const limit = vmcs.low(segment.limit);
    const unusable = (accessRights & ACCESS_RIGHTS.UNUSABLE) !== 0;
    if (
      !unusable &&
      state.get32(segment.at + SEGMENT_LAYOUT.accessRights) >>> 0 === accessRights &&
      state.get32(segment.at + SEGMENT_LAYOUT.limit) >>> 0 === limit
    ) {
      // The derived ranges depend on limit and rights alone: only the rest has to be loaded.
      vmcs.loadInto(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
      state.set32(segment.at + SEGMENT_LAYOUT.selector, selector);
      continue;
    }
    let base = vmcs.read(segment.base);
    let rights = accessRights;
    if (unusable) {
      if (segment.name === 'SS') {
        rights |= ACCESS_RIGHTS.DB;
        base &= 0xffff_fff0n;
      } else if (segment.name === 'DS' || segment.name === 'ES') base &= 0xffff_ffffn;
      else if (segment.name === 'LDTR') base = BigInt.asUintN(64, BigInt.asIntN(48, base));
    }
    state.setSegment(segment.name, { selector, base, limit, accessRights: rights });
  }
}

/** MTF and the preemption timer count from here. */
function startWatches(vmx: VmxContext, vmcs: Vmcs): void {
  const { watch, cpu } = vmx;
  watch.mtfPending = false;
  watch.retired = -1;
  watch.rip = cpu.state.rip;
  watch.rcx = cpu.state.gpr(1);
  watch.timerEnd = vmx.on('preemptionTimer') ? timerClock(vmx) + BigInt(vmcs.low('PREEMPTION_TIMER_VALUE')) : undefined;
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
    state.set64(LAYOUT.pendingDebug, 0n);
  if (vmx.on('monitorTrapFlag')) vmx.watch.mtfPending = true;
  cpu.inject(event);
  if (event.type === 'nmi')
    state.set32(LAYOUT.interruptibility, state.get32(LAYOUT.interruptibility) | BLOCKING_BY_NMI);
}
