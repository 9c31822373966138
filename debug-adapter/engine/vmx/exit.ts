/**
 * VM exits (SDM Vol. 3C, "VM Exits", chapter 27): exit information, saving guest state, the MSR areas, loading host state.
 */
import { MachineStop, VmExitTaken } from '../cpu/guest-fault.ts';
import { clearBoundary } from '../cpu/boundary.ts';
import { BLOCKING_BY_MOV_SS, BLOCKING_BY_NMI, CR0, CR4, EFER, VMX_ROOT } from '../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT, SEGMENT_NAMES } from '../cpu/layout.ts';
import type { SegmentName } from '../cpu/layout.ts';
import { RF } from '../cpu/flags.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { controlMask } from './controls.ts';
import type { VmxContext } from './context.ts';
import { pdpteIsValid, pdptesAt } from './checks/guest-state.ts';
import { informationOf, isSoftware } from './events.ts';
import { EXIT_REASON_ENTRY_FAILURE, EXIT_REASONS } from './exit-reasons.ts';
import type { ExitFacts } from './exit-facts.ts';
import type { ExitName } from './exit-reasons.ts';
import { loadMsrs, storeMsrs } from './msr-areas.ts';
import { payloadOf } from './payload.ts';
import type { VmExit, VmcsFieldKey } from './types.ts';
import type { Vmcs } from './vmcs.ts';

interface SegmentFields {
  readonly at: number;
  readonly selector: VmcsFieldKey;
  readonly base: VmcsFieldKey;
  readonly limit: VmcsFieldKey;
  readonly rights: VmcsFieldKey;
  readonly name: SegmentName;
}
export const SEGMENT_FIELDS: readonly SegmentFields[] = SEGMENT_NAMES.map((name) => ({
  name,
  at: LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES,
  selector: `GUEST_${name}_SELECTOR`,
  base: `GUEST_${name}_BASE`,
  limit: `GUEST_${name}_LIMIT`,
  rights: `GUEST_${name}_AR`,
}));

/** Guest-state fields that are whole 64-bit registers, always saved and loaded. */
export const WHOLE_REGISTERS: readonly (readonly [VmcsFieldKey, number])[] = [
  ['GUEST_CR3', LAYOUT.cr3],
  ['GUEST_CR4', LAYOUT.cr4],
  ['GUEST_RSP', LAYOUT.gpr + 8 * 4],
  ['GUEST_RIP', LAYOUT.rip],
  ['GUEST_GDTR_BASE', LAYOUT.gdtrBase],
  ['GUEST_IDTR_BASE', LAYOUT.idtrBase],
  ['GUEST_SYSENTER_ESP', LAYOUT.sysenterEsp],
  ['GUEST_SYSENTER_EIP', LAYOUT.sysenterEip],
];
export const PDPTE_FIELDS: readonly VmcsFieldKey[] = ['GUEST_PDPTE0', 'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3'];

/** CD, NW, bits 28:19, 17, 15:6 and ET: VM entry and VM exit leave them as they are. */
export const CR0_KEPT = 0x7ffa_ffd0;

/** Whether PAE paging is in use: then the PDPTE registers hold something. */
export const usesPdptes = (cr0: number, cr4: number, efer: number): boolean =>
  (cr0 & CR0.PG) !== 0 && (cr4 & CR4.PAE) !== 0 && (efer & EFER.LMA) === 0;

/** Takes a VM exit from non-root operation. Ends what was being executed: always throws `VmExitTaken`. */
export function takeExit(vmx: VmxContext, name: ExitName, facts: ExitFacts = {}): never {
  const { cpu } = vmx;
  const vmcs = vmx.current;
  const exit = writeExitInformation(vmx, vmcs, name, facts);
  const guestRip = cpu.state.rip;
  const guestLinearRip = cpu.state.linearRip;
  saveGuestState(vmx, vmcs, name, facts);
  const failed = storeMsrs(cpu, vmcs.number('EXIT_MSR_STORE_ADDR'), vmcs.low('EXIT_MSR_STORE_COUNT'));
  if (failed !== undefined) abort(vmcs, 1, `saving guest MSRs: entry ${failed} of the VM-exit MSR-store area`);
  const nmi = facts.event?.type === 'nmi';
  loadHostState(vmx, vmcs, nmi);
  vmx.events.exit(exit, guestRip, guestLinearRip);
  throw new VmExitTaken();
}

/** Ends a VM entry that failed after the checks on controls and host state: exit with bit 31 of the reason set. */
export function failEntry(vmx: VmxContext, name: ExitName, qualification: bigint): never {
  const vmcs = vmx.current;
  // SDM Vol. 3C, 26.7: only the reason and the qualification are recorded, and the guest-state area stays as it is.
  vmcs.writeLow('EXIT_REASON', (EXIT_REASONS[name].code | EXIT_REASON_ENTRY_FAILURE) >>> 0);
  vmcs.write('EXIT_QUALIFICATION', qualification);
  loadHostState(vmx, vmcs, false);
  const exit: VmExit = {
    name,
    basicReason: EXIT_REASONS[name].code,
    entryFailure: true,
    qualification,
    instructionBytes: 0,
    interruptionInformation: 0,
    interruptionErrorCode: 0,
    idtVectoringInformation: 0,
    guestLinear: 0n,
    guestPhysical: 0n,
    payload: { reason: BigInt(EXIT_REASONS[name].code), qualification },
  };
  const guestRip = vmcs.read('GUEST_RIP');
  vmx.events.exit(exit, guestRip, BigInt.asUintN(64, vmcs.read('GUEST_CS_BASE') + guestRip));
  throw new VmExitTaken();
}

/** SDM Vol. 3C, "Recording VM-Exit Information and Updating VM-entry Control Fields", 27.2. */
function writeExitInformation(vmx: VmxContext, vmcs: Vmcs, name: ExitName, facts: ExitFacts): VmExit {
  const { event } = facts;
  const { vectoring } = vmx;
  vmx.vectoring = undefined;
  const reason = EXIT_REASONS[name].code;
  const qualification = facts.qualification ?? 0n;
  const interruption = event === undefined ? 0 : informationOf(event);
  const vectoringInformation = vectoring === undefined ? 0 : informationOf(vectoring);
  const software = event !== undefined && isSoftware(event) ? event : vectoring;
  const instructionBytes =
    facts.instructionBytes ?? (software !== undefined && isSoftware(software) ? software.instructionBytes : 0);
  const guestPhysical = facts.guestPhysical ?? 0;
  const guestLinear = facts.guestLinear ?? 0n;

  vmcs.writeLow('EXIT_REASON', reason);
  vmcs.write('EXIT_QUALIFICATION', qualification);
  vmcs.writeLow('EXIT_INTR_INFO', interruption);
  vmcs.writeLow('EXIT_INTR_EC', event?.errorCode ?? 0);
  vmcs.writeLow('IDT_VECTORING_INFO', vectoringInformation);
  vmcs.writeLow('IDT_VECTORING_EC', vectoring?.errorCode ?? 0);
  vmcs.writeLow('EXIT_INSTR_LEN', instructionBytes);
  vmcs.writeLow('EXIT_INSTR_INFO', facts.instructionInformation ?? 0);
  vmcs.writeNumber('GUEST_PHYSICAL_ADDRESS', guestPhysical);
  vmcs.write('GUEST_LINEAR_ADDRESS', guestLinear);
  vmcs.writeLow('ENTRY_INTR_INFO', vmcs.low('ENTRY_INTR_INFO') & 0x7fff_ffff);

  return {
    name,
    basicReason: reason,
    entryFailure: false,
    qualification,
    instructionBytes,
    interruptionInformation: interruption,
    interruptionErrorCode: event?.errorCode ?? 0,
    idtVectoringInformation: vectoringInformation,
    guestLinear,
    guestPhysical: BigInt(guestPhysical),
    payload: payloadOf(vmx.cpu.state, name, qualification, facts),
  };
}

/** SDM Vol. 3C, "Saving Guest State", 27.3. */
function saveGuestState(vmx: VmxContext, vmcs: Vmcs, name: ExitName, facts: ExitFacts): void {
  const { cpu } = vmx;
  const { state } = cpu;
  vmcs.saveFrom('GUEST_CR0', state, LAYOUT.cr0);
  for (const [key, at] of WHOLE_REGISTERS) vmcs.saveFrom(key, state, at);
  vmcs.writeLow('GUEST_SYSENTER_CS', state.low(LAYOUT.sysenterCs));
  vmcs.writeLow('GUEST_GDTR_LIMIT', state.get32(LAYOUT.gdtrLimit));
  vmcs.writeLow('GUEST_IDTR_LIMIT', state.get32(LAYOUT.idtrLimit));
  for (const segment of SEGMENT_FIELDS) {
    vmcs.saveFrom(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
    vmcs.writeLow(segment.limit, state.get32(segment.at + SEGMENT_LAYOUT.limit));
    vmcs.writeLow(segment.rights, state.get32(segment.at + SEGMENT_LAYOUT.accessRights));
    vmcs.writeLow(segment.selector, state.get32(segment.at + SEGMENT_LAYOUT.selector));
  }
  const flags = state.rflags;
  vmcs.writeLow(
    'GUEST_RFLAGS',
    facts.resumeFlag === undefined ? flags : facts.resumeFlag === 1 ? flags | RF : flags & ~RF,
  );
  const interruptibility = cpu.interruptibility();
  vmcs.writeLow('GUEST_INTERRUPTIBILITY', interruptibility);
  vmcs.writeLow('GUEST_ACTIVITY', state.get32(LAYOUT.activity));
  // SDM Vol. 3C, 27.3.4: debug traps have been delivered before most exits; they stay pending where something held them back.
  const held = name === 'monitorTrapFlag' || (interruptibility & BLOCKING_BY_MOV_SS) !== 0;
  if (held) vmcs.saveFrom('GUEST_PENDING_DEBUG', state, LAYOUT.pendingDebug);
  else vmcs.writeLow('GUEST_PENDING_DEBUG', 0);
  if (vmx.on('exitSaveDebugControls')) {
    vmcs.saveFrom('GUEST_DR7', state, LAYOUT.dr7);
    vmcs.saveFrom('GUEST_IA32_DEBUGCTL', state, LAYOUT.debugctl);
  }
  if (vmx.on('exitSavePat')) vmcs.saveFrom('GUEST_IA32_PAT', state, LAYOUT.pat);
  if (vmx.on('exitSaveEfer')) vmcs.saveFrom('GUEST_IA32_EFER', state, LAYOUT.efer);
  if (vmx.on('exitSavePreemptionTimer')) vmcs.writeLow('PREEMPTION_TIMER_VALUE', timerValue(vmx));
  const efer = state.low(LAYOUT.efer);
  if (vmx.on('enableEpt') && usesPdptes(state.low(LAYOUT.cr0), state.low(LAYOUT.cr4), efer))
    PDPTE_FIELDS.forEach((key, index) => vmcs.saveFrom(key, state, LAYOUT.pdpte + 8 * index));
  // IA32_VMX_MISC[5]: the guest may have changed its mode, so "IA-32e mode guest" follows EFER.LMA.
  const mask = controlMask('ia32eModeGuest');
  const controls = vmcs.low('ENTRY_CONTROLS');
  const updated = (efer & EFER.LMA) !== 0 ? controls | mask : controls & ~mask;
  if (updated >>> 0 !== controls) {
    vmcs.writeLow('ENTRY_CONTROLS', updated);
    vmcs.changed = undefined; // the mode decides which rules apply: judge everything at the next entry
  }
}

/** What is left of the VMX-preemption timer. */
function timerValue(vmx: VmxContext): number {
  const { timerEnd } = vmx.watch;
  if (timerEnd === undefined) return 0;
  const left = timerEnd - timerClock(vmx);
  return left > 0n ? Number(left) : 0;
}

/** The clock of the preemption timer: the TSC without its lowest bits. */
export const timerClock = (vmx: VmxContext): bigint =>
  vmx.cpu.timeStampCounter() >> BigInt(Number(vmx.capabilities.msr(0x485) ?? 0n) & 31);

const CODE_RIGHTS = 0x809b; // G, P, S, DPL 0, execute/read accessed
const DATA_RIGHTS = 0xc093; // G, D/B, P, S, DPL 0, read/write accessed
const TSS_RIGHTS = 0x8b;

/**
 * SDM Vol. 3C, "Loading Host State", 27.5. CR0 bits that are not loaded (ET, CD, NW and the reserved ones) keep their values.
 */
export function loadHostState(vmx: VmxContext, vmcs: Vmcs, dueToNmi: boolean): void {
  const { cpu } = vmx;
  const { state } = cpu;
  const host64 = vmx.on('hostAddressSpaceSize');
  const vpid = vmx.on('enableVpid');
  const cr0 = (vmcs.low('HOST_CR0') & ~CR0_KEPT) | (state.low(LAYOUT.cr0) & CR0_KEPT);
  state.set64(LAYOUT.cr0, BigInt(cr0 >>> 0));
  vmcs.loadInto('HOST_CR3', state, LAYOUT.cr3);
  const cr4 = vmcs.low('HOST_CR4');
  state.set64(LAYOUT.cr4, BigInt((host64 ? cr4 | CR4.PAE : cr4 & ~CR4.PCIDE) >>> 0));
  state.set64(LAYOUT.dr7, 0x400n);
  state.set64(LAYOUT.debugctl, 0n);
  state.set64(LAYOUT.sysenterCs, BigInt(vmcs.low('HOST_SYSENTER_CS')));
  vmcs.loadInto('HOST_SYSENTER_ESP', state, LAYOUT.sysenterEsp);
  vmcs.loadInto('HOST_SYSENTER_EIP', state, LAYOUT.sysenterEip);
  const efer = state.low(LAYOUT.efer) & ~(EFER.LME | EFER.LMA);
  state.words[LAYOUT.efer >> 2] = host64 ? efer | EFER.LME | EFER.LMA : efer;
  if (vmx.on('exitLoadPat')) vmcs.loadInto('HOST_IA32_PAT', state, LAYOUT.pat);
  if (vmx.on('exitLoadEfer')) vmcs.loadInto('HOST_IA32_EFER', state, LAYOUT.efer);
  loadHostSegments(vmx, vmcs, host64);
  vmcs.loadInto('HOST_RSP', state, LAYOUT.gpr + 8 * 4);
  vmcs.loadInto('HOST_RIP', state, LAYOUT.rip);
  state.rflags = 2;
  state.set32(LAYOUT.activity, 0);
  const nmiBlocked = dueToNmi || (state.get32(LAYOUT.interruptibility) & BLOCKING_BY_NMI) !== 0;
  state.set32(LAYOUT.interruptibility, nmiBlocked ? BLOCKING_BY_NMI : 0);
  state.set64(LAYOUT.pendingDebug, 0n);
  clearBoundary(state);
  state.set32(LAYOUT.vmxMode, VMX_ROOT);
  state.set64(LAYOUT.eptPointer, 0n);
  state.set64(LAYOUT.vpid, 0n);
  state.set64(LAYOUT.tscOffset, 0n);
  vmx.watch.timerEnd = undefined;
  vmx.watch.mtfPending = false;
  vmx.vectoring = undefined;
  if (usesPdptes(state.low(LAYOUT.cr0), state.low(LAYOUT.cr4), state.low(LAYOUT.efer))) {
    const pdptes = pdptesAt(cpu, state.low(LAYOUT.cr3));
    if (!pdptes.every((entry) => pdpteIsValid(entry, vmx.capabilities.facts.physicalBits)))
      abort(vmcs, 2, 'the PDPTEs at the host CR3 have reserved bits set');
    pdptes.forEach((entry, index) => state.set64(LAYOUT.pdpte + 8 * index, entry));
  }
  // SDM Vol. 3C, "Invalidating Cached Translations", 28.3.3.1: without VPID, everything tagged 0 is dropped.
  if (!vpid) cpu.flushTlb({ vpid: 0 });
  cpu.modeChanged();
  const failure = loadMsrs(
    cpu,
    vmcs.number('EXIT_MSR_LOAD_ADDR'),
    vmcs.low('EXIT_MSR_LOAD_COUNT'),
    'EXIT_MSR_LOAD_ADDR',
  );
  if (failure !== undefined)
    abort(vmcs, 4, `loading host MSRs: entry ${failure.entry} of the VM-exit MSR-load area, ${failure.report.rule}`);
  cpu.requestAttention();
}

function loadHostSegments(vmx: VmxContext, vmcs: Vmcs, host64: boolean): void {
  const { state } = vmx.cpu;
  state.setSegment('CS', {
    selector: vmcs.low('HOST_CS_SELECTOR'),
    base: 0n,
    limit: 0xffff_ffff,
    accessRights: CODE_RIGHTS | (host64 ? ACCESS_RIGHTS.L : ACCESS_RIGHTS.DB),
  });
  const data = (name: 'SS' | 'DS' | 'ES' | 'FS' | 'GS', base: bigint) => {
    const selector = vmcs.low(`HOST_${name}_SELECTOR`);
    const usable = selector !== 0;
    state.setSegment(name, {
      selector,
      base,
      limit: usable ? 0xffff_ffff : 0,
      accessRights: usable
        ? DATA_RIGHTS
        : name === 'SS'
          ? ACCESS_RIGHTS.UNUSABLE | ACCESS_RIGHTS.DB
          : ACCESS_RIGHTS.UNUSABLE,
    });
  };
  data('SS', 0n);
  data('DS', 0n);
  data('ES', 0n);
  data('FS', vmcs.read('HOST_FS_BASE'));
  data('GS', vmcs.read('HOST_GS_BASE'));
  state.setSegment('TR', {
    selector: vmcs.low('HOST_TR_SELECTOR'),
    base: vmcs.read('HOST_TR_BASE'),
    limit: 0x67,
    accessRights: TSS_RIGHTS,
  });
  state.setSegment('LDTR', { selector: 0, base: 0n, limit: 0, accessRights: ACCESS_RIGHTS.UNUSABLE });
  vmcs.loadInto('HOST_GDTR_BASE', state, LAYOUT.gdtrBase);
  vmcs.loadInto('HOST_IDTR_BASE', state, LAYOUT.idtrBase);
  state.set32(LAYOUT.gdtrLimit, 0xffff);
  state.set32(LAYOUT.idtrLimit, 0xffff);
}

/** A VMX abort: the processor stops for good with an indicator in the VMCS (SDM Vol. 3C, "VMX Aborts", 27.7). */
function abort(vmcs: Vmcs, indicator: number, why: string): never {
  vmcs.abortIndicator = indicator;
  throw new MachineStop(`VMX abort ${indicator} (${why})`);
}
