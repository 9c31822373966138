/** Checks on guest control registers, debug registers and MSRs (SDM Vol. 3C, 26.3.1.1). */
import { CR0_FIXED0, CR0_FIXED1, CR4_FIXED0 } from '../capabilities.ts';
import type { VmcsFieldKey } from '../vmcs-fields.ts';
import { hex } from '../hex.ts';
import { BAD_GUEST_STATE } from './check.ts';
import type { CheckContext, EntryCheck } from './check.ts';
import { fixedBitsRemedy, patIsValid, respectsFixedBits } from './host.ts';

const SECTION = '26.3.1.1';
const CR0_NW_CD = 0x6000_0000n;
const CR0_PG_PE = 0x8000_0001n;

/** Bits of guest CR0 whose fixed values do not count. */
const cr0Exempt = (c: CheckContext): bigint => (c.on('unrestrictedGuest') ? CR0_NW_CD | CR0_PG_PE : CR0_NW_CD);

const canonical = (id: string, field: VmcsFieldKey, what: string): EntryCheck => ({
  id,
  section: SECTION,
  rule: `${what} is canonical.`,
  fields: [field],
  failure: BAD_GUEST_STATE,
  holds: (c) => c.isCanonical(c.read(field)),
  remedy: (c) => `use an address whose bits 63:${c.linearBits - 1} are all equal`,
});

export const GUEST_REGISTER_CHECKS: readonly EntryCheck[] = [
  {
    id: 'GCR-01',
    section: SECTION,
    rule: 'Guest CR0 has the fixed bits of VMX operation: NE, and without "unrestricted guest" also PE and PG.',
    fields: ['GUEST_CR0'],
    given: ['PROC1_CONTROLS', 'PROC2_CONTROLS'],
    failure: BAD_GUEST_STATE,
    holds: (c) => respectsFixedBits(c.read('GUEST_CR0'), CR0_FIXED0, CR0_FIXED1, cr0Exempt(c)),
    remedy: (c) => fixedBitsRemedy('CR0', c.read('GUEST_CR0'), CR0_FIXED0, CR0_FIXED1, cr0Exempt(c)),
  },
  {
    id: 'GCR-02',
    section: SECTION,
    rule: 'Guest CR0.PG needs CR0.PE.',
    fields: ['GUEST_CR0'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.bit('GUEST_CR0', 31),
    holds: (c) => c.bit('GUEST_CR0', 0),
    remedy: 'set bit 0 (PE) or clear bit 31 (PG)',
  },
  {
    id: 'GCR-03',
    section: SECTION,
    rule: 'Guest CR4 has the fixed bits of VMX operation: VMXE is 1 (hide it with mask and shadow), bits that do not exist are 0.',
    fields: ['GUEST_CR4'],
    failure: BAD_GUEST_STATE,
    holds: (c) => respectsFixedBits(c.read('GUEST_CR4'), CR4_FIXED0, c.capabilities.cr4Fixed1, 0n),
    remedy: (c) => fixedBitsRemedy('CR4', c.read('GUEST_CR4'), CR4_FIXED0, c.capabilities.cr4Fixed1, 0n),
  },
  {
    id: 'GCR-05',
    section: SECTION,
    rule: 'With "load debug controls", the reserved bits of guest IA32_DEBUGCTL are 0.',
    fields: ['GUEST_IA32_DEBUGCTL'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadDebugControls'),
    holds: (c) => (c.read('GUEST_IA32_DEBUGCTL') & ~c.capabilities.facts.debugctlBits) === 0n,
    remedy: (c) => `clear ${hex(c.read('GUEST_IA32_DEBUGCTL') & ~c.capabilities.facts.debugctlBits)}`,
  },
  {
    id: 'GCR-06',
    section: SECTION,
    rule: 'With "IA-32e mode guest", guest CR0.PG and CR4.PAE are 1.',
    fields: ['GUEST_CR0', 'GUEST_CR4'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('ia32eModeGuest'),
    holds: (c) => c.bit('GUEST_CR0', 31) && c.bit('GUEST_CR4', 5),
    remedy: 'set CR0 bit 31 and CR4 bit 5, or clear bit 9 of the VM-entry controls',
  },
  {
    id: 'GCR-07',
    section: SECTION,
    rule: 'Without "IA-32e mode guest", guest CR4.PCIDE is 0.',
    fields: ['GUEST_CR4'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => !c.on('ia32eModeGuest'),
    holds: (c) => !c.bit('GUEST_CR4', 17),
    remedy: 'clear bit 17 of guest CR4',
  },
  {
    id: 'GCR-08',
    section: SECTION,
    rule: 'Guest CR3 has no bit beyond the physical-address width.',
    fields: ['GUEST_CR3'],
    failure: BAD_GUEST_STATE,
    holds: (c) => !c.beyondPhysicalWidth(c.read('GUEST_CR3')),
    remedy: (c) => `use a table address below 2^${c.capabilities.facts.physicalBits}`,
  },
  {
    id: 'GCR-09',
    section: SECTION,
    rule: 'With "load debug controls", bits 63:32 of guest DR7 are 0.',
    fields: ['GUEST_DR7'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadDebugControls'),
    holds: (c) => c.vmcs.high('GUEST_DR7') === 0,
    remedy: 'use 400h, the reset value',
  },
  canonical('GCR-10', 'GUEST_SYSENTER_ESP', 'Guest IA32_SYSENTER_ESP'),
  canonical('GCR-11', 'GUEST_SYSENTER_EIP', 'Guest IA32_SYSENTER_EIP'),
  {
    id: 'GCR-13',
    section: SECTION,
    rule: 'With "load IA32_PAT" on entry, each byte of guest IA32_PAT is a memory type: 0, 1, 4, 5, 6 or 7.',
    fields: ['GUEST_IA32_PAT'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadPat'),
    holds: (c) => patIsValid(c.read('GUEST_IA32_PAT')),
    remedy: 'use the reset value 0007040600070406h',
  },
  {
    id: 'GCR-14',
    section: SECTION,
    rule: 'With "load IA32_EFER" on entry, the reserved bits of guest IA32_EFER are 0.',
    fields: ['GUEST_IA32_EFER'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadEfer'),
    holds: (c) => (c.read('GUEST_IA32_EFER') & ~c.capabilities.facts.eferBits) === 0n,
    remedy: (c) => fixedBitsRemedy('IA32_EFER', c.read('GUEST_IA32_EFER'), 0n, c.capabilities.facts.eferBits, 0n),
  },
  {
    id: 'GCR-15',
    section: SECTION,
    rule: 'With "load IA32_EFER" on entry, guest IA32_EFER.LMA equals "IA-32e mode guest".',
    fields: ['GUEST_IA32_EFER', 'ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadEfer'),
    holds: (c) => c.bit('GUEST_IA32_EFER', 10) === c.on('ia32eModeGuest'),
    remedy: (c) => (c.on('ia32eModeGuest') ? 'set bit 10 (LMA)' : 'clear bit 10 (LMA)'),
  },
  {
    id: 'GCR-16',
    section: SECTION,
    rule: 'With "load IA32_EFER" on entry and guest paging on, guest IA32_EFER.LME equals LMA.',
    fields: ['GUEST_IA32_EFER', 'GUEST_CR0'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('entryLoadEfer') && c.bit('GUEST_CR0', 31),
    holds: (c) => c.bit('GUEST_IA32_EFER', 8) === c.bit('GUEST_IA32_EFER', 10),
    remedy: 'make bit 8 (LME) equal to bit 10 (LMA)',
  },
];
