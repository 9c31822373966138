/** Loading the host-state area at a VM exit (SDM Vol. 3C, "Loading Host State", 27.5), and VMX aborts. */
import { clearBoundary } from '../cpu/boundary.ts';
import { ACTIVITY, BLOCKING_BY_NMI, CR4, EFER, VMX_ROOT } from '../cpu/control-bits.ts';
import { MachineStop } from '../cpu/guest-fault.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import type { CpuState } from '../cpu/state.ts';
import * as CONTROL from './active-controls.ts';
import type { ActiveControls } from './active-controls.ts';
import { pdpteIsValid, pdptesAt } from './checks/guest-state.ts';
import type { VmxContext } from './context.ts';
import { CR0_KEPT, sameShape, setLow, usesPdptes } from './guest-area.ts';
import { loadMsrs } from './msr-areas.ts';
import type { Vmcs } from './vmcs.ts';
import { slotOf } from './vmcs.ts';

const HOST_CR0 = slotOf('HOST_CR0');
const HOST_CR3 = slotOf('HOST_CR3');
const HOST_CR4 = slotOf('HOST_CR4');
const SYSENTER_CS = slotOf('HOST_SYSENTER_CS');
const SYSENTER_ESP = slotOf('HOST_SYSENTER_ESP');
const SYSENTER_EIP = slotOf('HOST_SYSENTER_EIP');
const PAT = slotOf('HOST_IA32_PAT');
const HOST_EFER = slotOf('HOST_IA32_EFER');
const RSP = slotOf('HOST_RSP');
const RIP = slotOf('HOST_RIP');
const GDTR_BASE = slotOf('HOST_GDTR_BASE');
const IDTR_BASE = slotOf('HOST_IDTR_BASE');
const TR_BASE = slotOf('HOST_TR_BASE');
const TR_SELECTOR = slotOf('HOST_TR_SELECTOR');
const CS_SELECTOR = slotOf('HOST_CS_SELECTOR');
const LOAD_COUNT = slotOf('EXIT_MSR_LOAD_COUNT');

const CODE_RIGHTS = 0x809b; // G, P, S, DPL 0, execute/read accessed
const DATA_RIGHTS = 0xc093; // G, D/B, P, S, DPL 0, read/write accessed
const TSS_RIGHTS = 0x8b;
const TSS_LIMIT = 0x67;
const WHOLE_LIMIT = -1; // FFFFFFFFh

type HostSegment = 'CS' | 'SS' | 'DS' | 'ES' | 'FS' | 'GS' | 'TR' | 'LDTR';
const at = (name: HostSegment): number => LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES;
const DATA_SEGMENTS = (['SS', 'DS', 'ES', 'FS', 'GS'] as const).map((name) => ({
  name,
  at: at(name),
  selector: slotOf(`HOST_${name}_SELECTOR`),
  /** Only FS and GS have a field; the others begin at 0. */
  base: name === 'FS' || name === 'GS' ? slotOf(`HOST_${name}_BASE`) : undefined,
}));

/** Puts the host in place; ends VMX non-root operation. */
export function loadHostState(vmx: VmxContext, vmcs: Vmcs, controls: ActiveControls, dueToNmi: boolean): void {
  const { cpu } = vmx;
  const { state } = cpu;
  const { exit1 } = controls;
  const host64 = (exit1 & CONTROL.HOST_64) !== 0;
  setLow(state, LAYOUT.cr0, (vmcs.lowOf(HOST_CR0) & ~CR0_KEPT) | (state.low(LAYOUT.cr0) & CR0_KEPT));
  vmcs.loadOf(HOST_CR3, state, LAYOUT.cr3);
  const cr4 = vmcs.lowOf(HOST_CR4);
  setLow(state, LAYOUT.cr4, host64 ? cr4 | CR4.PAE : cr4 & ~CR4.PCIDE);
  setLow(state, LAYOUT.dr7, 0x400);
  setLow(state, LAYOUT.debugctl, 0);
  state.set32(LAYOUT.debugHits, 0);
  cpu.breakpointsChanged('at least');
  setLow(state, LAYOUT.sysenterCs, vmcs.lowOf(SYSENTER_CS));
  vmcs.loadOf(SYSENTER_ESP, state, LAYOUT.sysenterEsp);
  vmcs.loadOf(SYSENTER_EIP, state, LAYOUT.sysenterEip);
  const efer = state.low(LAYOUT.efer) & ~(EFER.LME | EFER.LMA);
  state.words[LAYOUT.efer >> 2] = host64 ? efer | EFER.LME | EFER.LMA : efer;
  if ((exit1 & CONTROL.EXIT_LOAD_PAT) !== 0) vmcs.loadOf(PAT, state, LAYOUT.pat);
  if ((exit1 & CONTROL.EXIT_LOAD_EFER) !== 0) vmcs.loadOf(HOST_EFER, state, LAYOUT.efer);
  loadHostSegments(vmcs, state, host64);
  vmcs.loadOf(RSP, state, LAYOUT.gpr + 8 * 4);
  vmcs.loadOf(RIP, state, LAYOUT.rip);
  state.rflags = 2;
  state.set32(LAYOUT.activity, ACTIVITY.active);
  const nmiBlocked = dueToNmi || (state.get32(LAYOUT.interruptibility) & BLOCKING_BY_NMI) !== 0;
  state.set32(LAYOUT.interruptibility, nmiBlocked ? BLOCKING_BY_NMI : 0);
  setLow(state, LAYOUT.pendingDebug, 0);
  clearBoundary(state);
  state.set32(LAYOUT.vmxMode, VMX_ROOT);
  setLow(state, LAYOUT.eptPointer, 0);
  setLow(state, LAYOUT.vpid, 0);
  setLow(state, LAYOUT.tscOffset, 0);
  vmx.watch.timerEnd = undefined;
  vmx.watch.mtfPending = false;
  vmx.vectoring = undefined;
  if (usesPdptes(state.low(LAYOUT.cr0), state.low(LAYOUT.cr4), state.low(LAYOUT.efer))) {
    const pdptes = pdptesAt(cpu, state.low(LAYOUT.cr3));
    if (!pdptes.every((entry) => pdpteIsValid(entry, vmx.capabilities.facts.physicalBits)))
      abort(vmcs, 2, 'the PDPTEs at the host CR3 have reserved bits set');
    pdptes.forEach((entry, index) => state.set64(LAYOUT.pdpte + 8 * index, entry));
  }
  // SDM Vol. 3C, "Operations that Invalidate Cached Mappings", 28.3.3.1: without VPID, everything tagged 0 is dropped.
  if ((controls.proc2 & CONTROL.ENABLE_VPID) === 0) cpu.flushTlb({ vpid: 0 });
  cpu.modeChanged();
  const count = vmcs.lowOf(LOAD_COUNT) >>> 0;
  if (count !== 0) {
    const failure = loadMsrs(cpu, vmcs.number('EXIT_MSR_LOAD_ADDR'), count, 'EXIT_MSR_LOAD_ADDR');
    if (failure !== undefined)
      abort(vmcs, 4, `loading host MSRs: entry ${failure.entry} of the VM-exit MSR-load area, ${failure.report.rule}`);
  }
  cpu.requestAttention();
}

function loadHostSegments(vmcs: Vmcs, state: CpuState, host64: boolean): void {
  const codeRights = CODE_RIGHTS | (host64 ? ACCESS_RIGHTS.L : ACCESS_RIGHTS.DB);
  load(state, 'CS', at('CS'), vmcs.lowOf(CS_SELECTOR), WHOLE_LIMIT, codeRights);
  for (const segment of DATA_SEGMENTS) {
    const selector = vmcs.lowOf(segment.selector);
    const usable = selector !== 0;
    const unusable = segment.name === 'SS' ? ACCESS_RIGHTS.UNUSABLE | ACCESS_RIGHTS.DB : ACCESS_RIGHTS.UNUSABLE;
    load(state, segment.name, segment.at, selector, usable ? WHOLE_LIMIT : 0, usable ? DATA_RIGHTS : unusable);
    if (segment.base !== undefined) vmcs.loadOf(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
  }
  load(state, 'TR', at('TR'), vmcs.lowOf(TR_SELECTOR), TSS_LIMIT, TSS_RIGHTS);
  vmcs.loadOf(TR_BASE, state, at('TR') + SEGMENT_LAYOUT.base);
  load(state, 'LDTR', at('LDTR'), 0, 0, ACCESS_RIGHTS.UNUSABLE);
  vmcs.loadOf(GDTR_BASE, state, LAYOUT.gdtrBase);
  vmcs.loadOf(IDTR_BASE, state, LAYOUT.idtrBase);
  state.set32(LAYOUT.gdtrLimit, 0xffff);
  state.set32(LAYOUT.idtrLimit, 0xffff);
}

/** Loads a segment register with base 0. */
function load(
  state: CpuState,
  name: HostSegment,
  where: number,
  selector: number,
  limit: number,
  rights: number,
): void {
  if (sameShape(state, where, rights, limit)) {
    setLow(state, where + SEGMENT_LAYOUT.base, 0);
    state.set32(where + SEGMENT_LAYOUT.selector, selector);
  } else state.setSegment(name, { selector, base: 0n, limit: limit >>> 0, accessRights: rights });
}

/** A VMX abort: the processor stops for good with an indicator in the VMCS (SDM Vol. 3C, "VMX Aborts", 27.7). */
export function abort(vmcs: Vmcs, indicator: number, why: string): never {
  vmcs.abortIndicator = indicator;
  throw new MachineStop(`VMX abort ${indicator} (${why})`);
}
