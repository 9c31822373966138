/** All VM-entry checks in the order in which they are made, and their evaluation. */
import type { EntryCheckReport } from '../types.ts';
import { vmcsField } from '../vmcs-fields.ts';
import { CONTROL_CHECKS } from './controls.ts';
import { GUEST_REGISTER_CHECKS } from './guest-registers.ts';
import { GUEST_SEGMENT_CHECKS } from './guest-segments.ts';
import { GUEST_STATE_CHECKS } from './guest-state.ts';
import { HOST_CHECKS } from './host.ts';
import { fails, reportOf } from './check.ts';
import type { CheckContext, EntryCheck } from './check.ts';

/** Before anything is loaded: failure is VMfailValid. */
export const CONTROL_AND_HOST_CHECKS: readonly EntryCheck[] = [...CONTROL_CHECKS, ...HOST_CHECKS];
/** While the guest state is loaded: failure is a VM exit with reason 33. */
export const GUEST_CHECKS: readonly EntryCheck[] = [
  ...GUEST_REGISTER_CHECKS,
  ...GUEST_SEGMENT_CHECKS,
  ...GUEST_STATE_CHECKS,
];

/**
 * Rules of the manual that no setting can break here, and why: the control or feature they belong to is not offered, so the
 * reserved-bits checks refuse it first. A rule is in exactly one place: here, or among the checks.
 */
export const UNREACHABLE_CHECKS: Readonly<Record<string, string>> = {
  'BASIC-05': 'there are no shadow VMCSs: VMPTRLD refuses them',
  'EXEC-04': 'no tertiary controls',
  'EXEC-09': 'no TPR shadow',
  'EXEC-10': 'no TPR shadow',
  'EXEC-11': 'no TPR shadow',
  'EXEC-14': 'no APIC-access virtualization',
  'EXEC-15': 'no x2APIC mode, APIC-register virtualization or virtual-interrupt delivery',
  'EXEC-16': 'no x2APIC mode virtualization',
  'EXEC-17': 'no virtual-interrupt delivery',
  'EXEC-18': 'no posted interrupts',
  'EXEC-19': 'no posted interrupts',
  'EXEC-20': 'no posted interrupts',
  'EXEC-21': 'no posted interrupts',
  'EXEC-25': 'EPT accessed and dirty flags exist, so EPTP bit 6 is free',
  'EXEC-27': 'no page-modification logging',
  'EXEC-28': 'no page-modification logging',
  'EXEC-30': 'no mode-based execute control',
  'EXEC-31': 'no sub-page write permissions',
  'EXEC-32': 'no VM functions',
  'EXEC-33': 'no VM functions',
  'EXEC-34': 'no VM functions',
  'EXEC-35': 'no VMCS shadowing',
  'EXEC-36': 'no VMCS shadowing',
  'EXEC-37': 'no #VE',
  'EXEC-38': 'no Intel PT',
  'EXEC-39': 'no TSC scaling',
  'EXEC-40': 'no PASID translation',
  'EXEC-41': 'no HLAT, EPT paging-write or guest-paging verification',
  'EXEC-42': 'no IPI virtualization',
  'EXIT-02': 'no secondary VM-exit controls',
  'ENTRY-14': 'no Intel PT',
  'HOST-03': 'no CET: CR4.CET is refused as a reserved bit',
  'HOST-07': 'no IA32_PERF_GLOBAL_CTRL',
  'HOST-11': 'no CET',
  'HOST-12': 'no CET',
  'HOST-13': 'no CET',
  'HOST-14': 'no protection keys for supervisor pages',
  'HOST-15': 'no FRED',
  'ASIZE-09': 'this is an Intel 64 processor',
  'GCR-04': 'no CET: CR4.CET is refused as a reserved bit',
  'GCR-12': 'no IA32_PERF_GLOBAL_CTRL',
  'GCR-17': 'no MPX',
  'GCR-18': 'no MPX',
  'GCR-19': 'no Intel PT',
  'GCR-20': 'no CET',
  'GCR-21': 'no CET',
  'GCR-22': 'no CET',
  'GCR-23': 'no architectural LBRs',
  'GCR-24': 'no protection keys for supervisor pages',
  'GCR-25': 'no user interrupts',
  'GCR-26': 'no FRED',
  'GCR-27': 'no FRED',
  'GACT-07': 'no SMM',
  'GINT-07': 'no SMM',
  'GPDB-04': 'no RTM: bit 16 is refused as a reserved bit',
  'GLNK-06': 'no SMM',
  'MC-01': 'no machine checks',
  'SMM-01': 'no SMM',
  'SMM-02': 'no SMM',
  'SMM-03': 'no SMM',
  'SMM-04': 'no SMM',
};

/** Reports of every check that fails, in order. Changes nothing. */
export function failing(checks: readonly EntryCheck[], c: CheckContext): EntryCheckReport[] {
  return checks.filter((check) => fails(check, c)).map((check) => reportOf(check, c));
}

/** First check that fails; undefined where all hold. */
export function firstFailing(checks: readonly EntryCheck[], c: CheckContext): EntryCheck | undefined {
  for (const check of checks) if (fails(check, c)) return check;
  return undefined;
}

/** Slots of the fields that a check reads. */
const slotsOf = (check: EntryCheck): number[] =>
  [...check.fields, ...(check.given ?? [])].map((key) => vmcsField(key).slot);

const ALL_CHECKS: readonly EntryCheck[] = [...CONTROL_AND_HOST_CHECKS, ...GUEST_CHECKS];
const checksOfSlot: EntryCheck[][] = [];
for (const check of ALL_CHECKS) for (const slot of slotsOf(check)) (checksOfSlot[slot] ??= []).push(check);

/** Whether a check that reads one of these slots fails: all that can have changed since the last successful entry. */
export function anyFailingOfSlots(slots: Iterable<number>, c: CheckContext): boolean {
  for (const slot of slots) for (const check of checksOfSlot[slot] ?? []) if (fails(check, c)) return true;
  return false;
}
