/** What one VM-entry check is, and what it may look at. */
import { isCanonical, isLongMode } from '../../cpu/modes.ts';
import type { CpuState } from '../../cpu/state.ts';
import type { PhysicalMemory } from '../../memory/physical.ts';
import type { VmxCapabilities } from '../capabilities.ts';
import { CONTROLS, CONTROL_GROUPS, controlMask } from '../controls.ts';
import type { ControlKey } from '../controls.ts';
import type { EntryCheckReport, VmcsFieldKey } from '../types.ts';
import type { Vmcs } from '../vmcs.ts';

/** Sections of SDM Vol. 3C, chapter 26 "VM Entries" (27 in editions from late 2022 on). */
export const SECTIONS = {
  '26.1': 'Basic VM-Entry Checks',
  '26.2.1.1': 'VM-Execution Control Fields',
  '26.2.1.2': 'VM-Exit Control Fields',
  '26.2.1.3': 'VM-Entry Control Fields',
  '26.2.2': 'Checks on Host Control Registers and MSRs',
  '26.2.3': 'Checks on Host Segment and Descriptor-Table Registers',
  '26.2.4': 'Checks Related to Address-Space Size',
  '26.3.1.1': 'Checks on Guest Control Registers, Debug Registers, and MSRs',
  '26.3.1.2': 'Checks on Guest Segment Registers',
  '26.3.1.3': 'Checks on Guest Descriptor-Table Registers',
  '26.3.1.4': 'Checks on Guest RIP and RFLAGS',
  '26.3.1.5': 'Checks on Guest Non-Register State',
  '26.3.1.6': 'Checks on Guest Page-Directory-Pointer-Table Entries',
  '26.4': 'Loading MSRs',
} as const;
export type SectionNumber = keyof typeof SECTIONS;
export const sectionTitle = (section: SectionNumber): string => `SDM Vol. 3C, "${SECTIONS[section]}", ${section}`;

/**
 * How entry fails: VMfailValid with an instruction error (nothing loaded), or exit reason 33 with this qualification (the
 * host state is loaded). SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State", 26.7.
 */
export type CheckFailure =
  | { readonly kind: 'VMfailValid'; readonly error: 7 | 8 }
  | { readonly kind: 'entry-failure'; readonly qualification: 0 | 2 | 3 | 4 };

export const BAD_CONTROLS: CheckFailure = { kind: 'VMfailValid', error: 7 };
export const BAD_HOST_STATE: CheckFailure = { kind: 'VMfailValid', error: 8 };
export const BAD_GUEST_STATE: CheckFailure = { kind: 'entry-failure', qualification: 0 };

export interface EntryCheck {
  readonly id: string;
  readonly section: SectionNumber;
  readonly rule: string;
  /** The fields that are judged: shown with their values. */
  readonly fields: readonly VmcsFieldKey[];
  /** Fields that decide whether the rule applies; with `fields` all that the check reads. */
  readonly given?: readonly VmcsFieldKey[];
  readonly failure: CheckFailure;
  /** Absent: the rule always applies. */
  readonly when?: (c: CheckContext) => boolean;
  readonly holds: (c: CheckContext) => boolean;
  readonly remedy: string | ((c: CheckContext) => string);
}

/** What checks read: the VMCS, the capabilities, and the few facts of the processor itself. */
export class CheckContext {
  readonly vmcs: Vmcs;
  readonly capabilities: VmxCapabilities;
  readonly physical: PhysicalMemory;
  readonly state: CpuState;

  constructor(vmcs: Vmcs, capabilities: VmxCapabilities, physical: PhysicalMemory, state: CpuState) {
    this.vmcs = vmcs;
    this.capabilities = capabilities;
    this.physical = physical;
    this.state = state;
  }

  read(key: VmcsFieldKey): bigint {
    return this.vmcs.read(key);
  }
  /** A 16- or 32-bit field, or bits 31:0 of a wider one, unsigned. */
  low(key: VmcsFieldKey): number {
    return this.vmcs.low(key);
  }
  bit(key: VmcsFieldKey, bit: number): boolean {
    return bit < 32 ? ((this.vmcs.low(key) >>> bit) & 1) === 1 : ((this.vmcs.high(key) >>> (bit - 32)) & 1) === 1;
  }

  /** Whether a control is 1 and its group in use. */
  on(control: ControlKey): boolean {
    return controlIsOn(this.vmcs, control);
  }

  /** EFER.LMA of the processor now (the host's). */
  get longModeNow(): boolean {
    return isLongMode(this.state);
  }

  /** Linear-address width. */
  get linearBits(): number {
    return this.capabilities.facts.linearBits;
  }
  /** Whether a register may hold the address. */
  isCanonical(address: bigint): boolean {
    return isCanonical(address, this.linearBits);
  }

  /** Bits at or above the physical-address width. */
  beyondPhysicalWidth(value: bigint): boolean {
    return value >> BigInt(this.capabilities.facts.physicalBits) !== 0n;
  }
}

/** Whether a control is 1 in a VMCS and the control that activates its group, if any, is too. */
export function controlIsOn(vmcs: Vmcs, control: ControlKey): boolean {
  const group = CONTROL_GROUPS[CONTROLS[control].group];
  if ((vmcs.low(group.field) & controlMask(control)) === 0) return false;
  return group.activatedBy === undefined || controlIsOn(vmcs, group.activatedBy);
}

const applies = (check: EntryCheck, c: CheckContext): boolean => check.when === undefined || check.when(c);

/** Whether a check fails now. */
export const fails = (check: EntryCheck, c: CheckContext): boolean => applies(check, c) && !check.holds(c);

export function reportOf(check: EntryCheck, c: CheckContext): EntryCheckReport {
  return {
    id: check.id,
    section: sectionTitle(check.section),
    rule: check.rule,
    fields: check.fields,
    values: check.fields.map((key) => c.read(key)),
    remedy: typeof check.remedy === 'string' ? check.remedy : check.remedy(c),
  };
}
