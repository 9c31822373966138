/**
 * The list "VM exits and exceptions" that can be ticked in the Breakpoints view: one filter per kind of VM exit, the rest
 * under "Other VM exits", and what stops a guest without one.
 */
import { EXIT_NAMES, exitReason } from '../engine/index.ts';
import type { ExitGroup, ExitName } from '../engine/index.ts';

export interface StopFilter {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** Example shown in the empty condition box. */
  readonly conditionHint: string;
  readonly default: boolean;
  readonly on: 'vm-exit' | 'exception' | 'triple-fault' | 'vm-entry-failure';
}

/** Ids of the filters for VM exits begin with this. */
export const EXIT_FILTER_PREFIX = 'exit.';

interface ExitFilter extends StopFilter {
  readonly on: 'vm-exit';
  /** Exits it stands for: named ones, or a whole group. Earlier rows take first. */
  readonly exits: readonly ExitName[] | ExitGroup;
}

const exitFilter = (
  id: string,
  label: string,
  exits: ExitFilter['exits'],
  description: string,
  conditionHint: string,
): ExitFilter => ({
  id: EXIT_FILTER_PREFIX + id,
  label: `VM exit: ${label}`,
  description,
  conditionHint,
  default: false,
  on: 'vm-exit',
  exits,
});

const EXIT_FILTERS: readonly ExitFilter[] = [
  exitFilter('cpuid', 'CPUID', ['cpuid'], 'The guest executes CPUID, which always exits.', 'rax == 0x80000001'),
  exitFilter('hlt', 'HLT', ['hlt'], 'The guest executes HLT under "HLT exiting".', 'rip >= 0x100000'),
  exitFilter(
    'io',
    'I/O instruction',
    'I/O',
    'IN, OUT, INS or OUTS on an intercepted port.',
    'port == 0x3f8 && size == 1',
  ),
  exitFilter('msr', 'RDMSR and WRMSR', 'MSR', 'Access to an intercepted model-specific register.', 'msr == 0xc0000080'),
  exitFilter(
    'cr',
    'Control and debug registers',
    'control and debug registers',
    'MOV CR, CLTS, LMSW or MOV DR.',
    'cr == 3',
  ),
  exitFilter(
    'ept',
    'EPT violation or misconfiguration',
    'EPT',
    'The EPT entries refuse or garble an access.',
    'gpa >= 0xfee00000',
  ),
  exitFilter(
    'exception',
    'Exception or NMI',
    ['exceptionOrNmi'],
    'An exception whose bit in the exception bitmap is set, or an NMI.',
    'vector == 14',
  ),
  exitFilter(
    'interrupt',
    'External interrupt',
    ['externalInterrupt', 'interruptWindow', 'nmiWindow'],
    'An external interrupt, or an open interrupt window.',
    'reason == interruptWindow',
  ),
  exitFilter('vmcall', 'VMCALL', 'hypercall', 'A hypercall.', 'rax == 1'),
  exitFilter(
    'vmx',
    'VMX instructions',
    'VMX instructions',
    'The guest executes a VMX instruction (nested virtualization).',
    'reason == vmlaunch',
  ),
  exitFilter(
    'invlpg',
    'INVLPG',
    ['invlpg', 'invpcid'],
    'The guest invalidates a translation.',
    'qualification == 0x1000',
  ),
  exitFilter('rdtsc', 'RDTSC', ['rdtsc', 'rdtscp'], 'The guest reads the time-stamp counter.', 'rip == kernel_main'),
  exitFilter('tripleFault', 'Triple fault', ['tripleFault'], 'The guest shuts down by a triple fault.', 'rip < 0x8000'),
  exitFilter(
    'entryFailure',
    'VM-entry failure',
    'VM-entry failure',
    'The entry failed while loading guest state (exit reason bit 31).',
    'reason == entryFailureGuestState',
  ),
];

const OTHER: StopFilter = {
  id: `${EXIT_FILTER_PREFIX}other`,
  label: 'Other VM exits',
  description: 'Every VM exit that no filter above stands for.',
  conditionHint: 'reason == preemptionTimer',
  default: false,
  on: 'vm-exit',
};

const GUEST_FILTERS: readonly StopFilter[] = [
  {
    id: 'guest.exception',
    label: 'Guest exceptions',
    description: 'An exception (#PF, #GP ...) is about to be delivered inside the guest.',
    conditionHint: 'vector == 14 && address >= 0x400000',
    default: false,
    on: 'exception',
  },
  {
    id: 'guest.tripleFault',
    label: 'Triple fault',
    description: 'The processor shuts down because delivering a double fault failed.',
    conditionHint: 'rip < 0x8000',
    default: true,
    on: 'triple-fault',
  },
  {
    id: 'vmEntryFailure',
    label: 'VM-entry and VMX instruction failures',
    description: 'VMLAUNCH, VMRESUME or another VMX instruction fails; every failed check is named.',
    conditionHint: 'error == 7',
    default: true,
    on: 'vm-entry-failure',
  },
];

export const STOP_FILTERS: readonly StopFilter[] = [...EXIT_FILTERS, OTHER, ...GUEST_FILTERS];

const filterByExit: ReadonlyMap<ExitName, string> = new Map(
  EXIT_NAMES.map((name) => {
    const named = EXIT_FILTERS.find(({ exits }) => typeof exits !== 'string' && exits.includes(name));
    const grouped = EXIT_FILTERS.find(({ exits }) => exits === exitReason(name).group);
    return [name, (named ?? grouped ?? OTHER).id];
  }),
);

/** The one filter an exit belongs to. */
export const filterOfExit = (name: ExitName): string => filterByExit.get(name) ?? OTHER.id;

export const stopFilter = (id: string): StopFilter | undefined => STOP_FILTERS.find((filter) => filter.id === id);
