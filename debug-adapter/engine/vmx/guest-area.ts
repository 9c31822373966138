/**
 * The guest-state area and the processor's registers: saved at every VM exit, loaded at every VM entry (SDM Vol. 3C, "Saving
 * Guest State", 27.3, and "Loading Guest State", 26.3.2). Written for speed: constant slots, words instead of bigints.
 */
import { BLOCKING_BY_MOV_SS, CR0, CR4, EFER } from '../cpu/control-bits.ts';
import { RF } from '../cpu/flags.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT, SEGMENT_NAMES } from '../cpu/layout.ts';
import type { Cpu } from '../cpu/context.ts';
import type { SegmentName } from '../cpu/layout.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import type { CpuState } from '../cpu/state.ts';
import * as CONTROL from './active-controls.ts';
import type { ActiveControls } from './active-controls.ts';
import { pdptesAt } from './checks/guest-state.ts';
import type { VmxContext } from './context.ts';
import type { ExitFacts } from './exit-facts.ts';
import type { ExitName } from './exit-reasons.ts';
import { timerValue } from './timer.ts';
import type { VmcsFieldKey } from './types.ts';
import type { Vmcs } from './vmcs.ts';
import { slotOf } from './vmcs.ts';

interface SegmentSlots {
  readonly name: SegmentName;
  /** Offset of the register in the processor state. */
  readonly at: number;
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly rights: number;
}
const SEGMENTS: readonly SegmentSlots[] = SEGMENT_NAMES.map((name) => ({
  name,
  at: LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES,
  selector: slotOf(`GUEST_${name}_SELECTOR`),
  base: slotOf(`GUEST_${name}_BASE`),
  limit: slotOf(`GUEST_${name}_LIMIT`),
  rights: slotOf(`GUEST_${name}_AR`),
}));

/** Fields that are whole 64-bit registers, always saved and loaded. */
const WHOLE: readonly { readonly slot: number; readonly at: number }[] = (
  [
    ['GUEST_CR3', LAYOUT.cr3],
    ['GUEST_CR4', LAYOUT.cr4],
    ['GUEST_RSP', LAYOUT.gpr + 8 * 4],
    ['GUEST_RIP', LAYOUT.rip],
    ['GUEST_GDTR_BASE', LAYOUT.gdtrBase],
    ['GUEST_IDTR_BASE', LAYOUT.idtrBase],
    ['GUEST_SYSENTER_ESP', LAYOUT.sysenterEsp],
    ['GUEST_SYSENTER_EIP', LAYOUT.sysenterEip],
  ] as const satisfies readonly (readonly [VmcsFieldKey, number])[]
).map(([key, at]) => ({ slot: slotOf(key), at }));

const PDPTES: readonly number[] = [0, 1, 2, 3].map((index) => slotOf(`GUEST_PDPTE${index as 0 | 1 | 2 | 3}`));
const GUEST_CR0 = slotOf('GUEST_CR0');
const SYSENTER_CS = slotOf('GUEST_SYSENTER_CS');
const GDTR_LIMIT = slotOf('GUEST_GDTR_LIMIT');
const IDTR_LIMIT = slotOf('GUEST_IDTR_LIMIT');
const RFLAGS = slotOf('GUEST_RFLAGS');
const INTERRUPTIBILITY = slotOf('GUEST_INTERRUPTIBILITY');
const ACTIVITY_STATE = slotOf('GUEST_ACTIVITY');
const PENDING_DEBUG = slotOf('GUEST_PENDING_DEBUG');
const DR7 = slotOf('GUEST_DR7');
const DEBUGCTL = slotOf('GUEST_IA32_DEBUGCTL');
const PAT = slotOf('GUEST_IA32_PAT');
const GUEST_EFER = slotOf('GUEST_IA32_EFER');
const TIMER = slotOf('PREEMPTION_TIMER_VALUE');
const ENTRY_CONTROLS = slotOf('ENTRY_CONTROLS');

/** CD, NW, bits 28:19, 17, 15:6 and ET of CR0: VM entry and VM exit leave them as they are. */
export const CR0_KEPT = 0x7ffa_ffd0;

/** Whether PAE paging is in use: then the PDPTE registers hold something. */
export const usesPdptes = (cr0: number, cr4: number, efer: number): boolean =>
  (cr0 & CR0.PG) !== 0 && (cr4 & CR4.PAE) !== 0 && (efer & EFER.LMA) === 0;

/** Sets a 64-bit register to a 32-bit value. */
export function setLow(state: CpuState, at: number, value: number): void {
  state.words[at >> 2] = value;
  state.words[(at >> 2) + 1] = 0;
}

export function saveGuestState(
  vmx: VmxContext,
  vmcs: Vmcs,
  controls: ActiveControls,
  name: ExitName,
  facts: ExitFacts,
): void {
  const { cpu } = vmx;
  const { state } = cpu;
  vmcs.saveOf(GUEST_CR0, state, LAYOUT.cr0);
  for (const { slot, at } of WHOLE) vmcs.saveOf(slot, state, at);
  vmcs.setLowOf(SYSENTER_CS, state.low(LAYOUT.sysenterCs));
  vmcs.setLowOf(GDTR_LIMIT, state.get32(LAYOUT.gdtrLimit));
  vmcs.setLowOf(IDTR_LIMIT, state.get32(LAYOUT.idtrLimit));
  for (const segment of SEGMENTS) {
    vmcs.saveOf(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
    vmcs.setLowOf(segment.limit, state.get32(segment.at + SEGMENT_LAYOUT.limit));
    vmcs.setLowOf(segment.rights, state.get32(segment.at + SEGMENT_LAYOUT.accessRights));
    vmcs.setLowOf(segment.selector, state.get32(segment.at + SEGMENT_LAYOUT.selector));
  }
  const flags = state.rflags;
  const { resumeFlag } = facts;
  vmcs.setLowOf(RFLAGS, resumeFlag === undefined ? flags : resumeFlag === 1 ? flags | RF : flags & ~RF);
  const interruptibility = cpu.interruptibility();
  vmcs.setLowOf(INTERRUPTIBILITY, interruptibility);
  vmcs.setLowOf(ACTIVITY_STATE, state.get32(LAYOUT.activity));
  // SDM Vol. 3C, 27.3.4: debug traps have been delivered before most exits; they stay pending where something held them back.
  const held = name === 'monitorTrapFlag' || (interruptibility & BLOCKING_BY_MOV_SS) !== 0;
  if (held) vmcs.saveOf(PENDING_DEBUG, state, LAYOUT.pendingDebug);
  else vmcs.setLowOf(PENDING_DEBUG, 0);
  const { exit1 } = controls;
  if ((exit1 & CONTROL.EXIT_SAVE_DEBUG) !== 0) {
    vmcs.saveOf(DR7, state, LAYOUT.dr7);
    vmcs.saveOf(DEBUGCTL, state, LAYOUT.debugctl);
  }
  if ((exit1 & CONTROL.EXIT_SAVE_PAT) !== 0) vmcs.saveOf(PAT, state, LAYOUT.pat);
  if ((exit1 & CONTROL.EXIT_SAVE_EFER) !== 0) vmcs.saveOf(GUEST_EFER, state, LAYOUT.efer);
  if ((exit1 & CONTROL.EXIT_SAVE_TIMER) !== 0) vmcs.setLowOf(TIMER, timerValue(vmx));
  const efer = state.low(LAYOUT.efer);
  const ept = (controls.proc2 & CONTROL.ENABLE_EPT) !== 0;
  if (ept && usesPdptes(state.low(LAYOUT.cr0), state.low(LAYOUT.cr4), efer))
    PDPTES.forEach((slot, index) => vmcs.saveOf(slot, state, LAYOUT.pdpte + 8 * index));
  // IA32_VMX_MISC[5]: the guest may have changed its mode, so "IA-32e mode guest" follows EFER.LMA.
  const longMode = (efer & EFER.LMA) !== 0;
  if (longMode !== ((controls.entry & CONTROL.IA32E_GUEST) !== 0)) {
    vmcs.setLowOf(ENTRY_CONTROLS, controls.entry ^ CONTROL.IA32E_GUEST);
    vmcs.changed = undefined; // the mode decides which rules apply: judge everything at the next entry
  }
}

/** Control registers, MSRs, tables, RSP, RIP, PDPTEs (SDM Vol. 3C, 26.3.2.1, 26.3.2.3, 26.3.2.4). */
export function loadGuestRegisters(vmx: VmxContext, vmcs: Vmcs, controls: ActiveControls): void {
  const { state } = vmx.cpu;
  const cr0 = (vmcs.lowOf(GUEST_CR0) & ~CR0_KEPT) | (state.low(LAYOUT.cr0) & CR0_KEPT);
  setLow(state, LAYOUT.cr0, cr0);
  for (const { slot, at } of WHOLE) vmcs.loadOf(slot, state, at);
  setLow(state, LAYOUT.sysenterCs, vmcs.lowOf(SYSENTER_CS));
  state.set32(LAYOUT.gdtrLimit, vmcs.lowOf(GDTR_LIMIT));
  state.set32(LAYOUT.idtrLimit, vmcs.lowOf(IDTR_LIMIT));
  const { entry } = controls;
  if ((entry & CONTROL.ENTRY_LOAD_DEBUG) !== 0) {
    // SDM Vol. 3C, 26.3.2.1: bits 12, 14 and 15 of DR7 become 0, bit 10 becomes 1.
    setLow(state, LAYOUT.dr7, (vmcs.lowOf(DR7) & ~0xd000) | 0x400);
    vmcs.loadOf(DEBUGCTL, state, LAYOUT.debugctl);
  }
  if ((entry & CONTROL.ENTRY_LOAD_PAT) !== 0) vmcs.loadOf(PAT, state, LAYOUT.pat);
  const longMode = (entry & CONTROL.IA32E_GUEST) !== 0;
  if ((entry & CONTROL.ENTRY_LOAD_EFER) !== 0) vmcs.loadOf(GUEST_EFER, state, LAYOUT.efer);
  else {
    let efer = state.low(LAYOUT.efer);
    efer = longMode ? efer | EFER.LMA : efer & ~EFER.LMA;
    if ((cr0 & CR0.PG) !== 0) efer = longMode ? efer | EFER.LME : efer & ~EFER.LME;
    state.words[LAYOUT.efer >> 2] = efer;
  }
  if (usesPdptes(cr0, state.low(LAYOUT.cr4), state.low(LAYOUT.efer))) {
    if ((controls.proc2 & CONTROL.ENABLE_EPT) !== 0)
      PDPTES.forEach((slot, index) => vmcs.loadOf(slot, state, LAYOUT.pdpte + 8 * index));
    else
      pdptesAt(vmx.cpu, state.low(LAYOUT.cr3)).forEach((entryOf, index) =>
        state.set64(LAYOUT.pdpte + 8 * index, entryOf),
      );
  }
}

/** SDM Vol. 3C, "Loading Guest Segment Registers and Descriptor-Table Registers", 26.3.2.2. */
export function loadGuestSegments(vmcs: Vmcs, { state, linearBits }: Pick<Cpu, 'state' | 'linearBits'>): void {
  for (const segment of SEGMENTS) {
    const rights = vmcs.lowOf(segment.rights);
    const limit = vmcs.lowOf(segment.limit);
    const selector = vmcs.lowOf(segment.selector);
    if (sameShape(state, segment.at, rights, limit)) {
      vmcs.loadOf(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
      state.set32(segment.at + SEGMENT_LAYOUT.selector, selector);
      continue;
    }
    vmcs.loadOf(segment.base, state, segment.at + SEGMENT_LAYOUT.base);
    let base = state.get64(segment.at + SEGMENT_LAYOUT.base);
    let accessRights = rights;
    if ((rights & ACCESS_RIGHTS.UNUSABLE) !== 0) {
      if (segment.name === 'SS') {
        accessRights |= ACCESS_RIGHTS.DB;
        base &= 0xffff_fff0n;
      } else if (segment.name === 'DS' || segment.name === 'ES') base &= 0xffff_ffffn;
      else if (segment.name === 'LDTR') base = BigInt.asUintN(64, BigInt.asIntN(linearBits, base));
    }
    state.setSegment(segment.name, { selector, base, limit: limit >>> 0, accessRights });
  }
}

/** Whether a usable register already has these rights and limit: what is derived from them is in place, too. */
export const sameShape = (state: CpuState, at: number, rights: number, limit: number): boolean =>
  (rights & ACCESS_RIGHTS.UNUSABLE) === 0 &&
  state.get32(at + SEGMENT_LAYOUT.accessRights) === rights &&
  state.get32(at + SEGMENT_LAYOUT.limit) === limit;
