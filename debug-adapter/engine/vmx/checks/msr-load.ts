/** Checks on each entry of the VM-entry and VM-exit MSR-load areas (SDM Vol. 3C, "Loading MSRs", 26.4). */
import { sectionTitle } from './check.ts';

const IA32_FS_BASE = 0xc000_0100;
const IA32_GS_BASE = 0xc000_0101;
const IA32_SMM_MONITOR_CTL = 0x9b;
const IA32_BIOS_UPDT_TRIG = 0x79;
const IA32_BIOS_SIGN_ID = 0x8b;

export interface MsrEntry {
  readonly index: number;
  /** Bits 63:32 of the entry. */
  readonly reserved: number;
  readonly value: bigint;
}

export interface MsrEntryCheck {
  readonly id: string;
  readonly section: string;
  readonly rule: string;
  readonly holds: (entry: MsrEntry) => boolean;
  readonly remedy: string;
}

export const MSR_ENTRY_CHECKS: readonly MsrEntryCheck[] = [
  {
    id: 'MSR-01',
    section: sectionTitle('26.4'),
    rule: 'IA32_FS_BASE and IA32_GS_BASE are not in an MSR-load area.',
    holds: ({ index }) => index !== IA32_FS_BASE && index !== IA32_GS_BASE,
    remedy: 'write the FS and GS base fields of the VMCS instead',
  },
  {
    id: 'MSR-02',
    section: sectionTitle('26.4'),
    rule: 'No x2APIC register (800h to 8FFh) is in an MSR-load area.',
    holds: ({ index }) => index >>> 8 !== 8,
    remedy: 'remove the entry',
  },
  {
    id: 'MSR-03',
    section: sectionTitle('26.4'),
    rule: 'No MSR that can be written only in SMM is in an MSR-load area.',
    holds: ({ index }) => index !== IA32_SMM_MONITOR_CTL,
    remedy: 'remove the entry',
  },
  {
    id: 'MSR-04',
    section: sectionTitle('26.4'),
    rule: 'No microcode-update MSR is in an MSR-load area.',
    holds: ({ index }) => index !== IA32_BIOS_UPDT_TRIG && index !== IA32_BIOS_SIGN_ID,
    remedy: 'remove the entry',
  },
  {
    id: 'MSR-05',
    section: sectionTitle('26.4'),
    rule: 'Bits 63:32 of an entry in an MSR-load area are 0.',
    holds: ({ reserved }) => reserved === 0,
    remedy: 'an entry is the index (4 bytes), 0 (4 bytes) and the value (8 bytes)',
  },
];

/** The value was refused by the register itself: not a rule of its own table row but of WRMSR. */
export const MSR_VALUE_REFUSED = {
  id: 'MSR-06',
  section: sectionTitle('26.4'),
  rule: 'WRMSR of the value at CPL 0 would not fault.',
  remedy: 'use an MSR that exists and a value it can hold',
} as const;
