/**
 * Checks on guest descriptor-table registers, RIP, RFLAGS, non-register state and PDPTEs (SDM Vol. 3C, 26.3.1.3 to 26.3.1.6).
 */
import { REVISION_IDENTIFIER, SUPPORTED_ACTIVITY } from '../capabilities.ts';
import type { VmcsFieldKey } from '../vmcs-fields.ts';
import { hex } from '../hex.ts';
import { BAD_GUEST_STATE } from './check.ts';
import type { CheckContext, CheckFailure, EntryCheck } from './check.ts';
import { injection, injects } from './injection.ts';

const PDPTE_FAILURE: CheckFailure = { kind: 'entry-failure', qualification: 2 };
const NMI_FAILURE: CheckFailure = { kind: 'entry-failure', qualification: 3 };
const LINK_FAILURE: CheckFailure = { kind: 'entry-failure', qualification: 4 };

const NO_VMCS = 0xffff_ffff_ffff_ffffn;
const CS_L = 1 << 13;
const DEBUGCTL_BTF_BIT = 1;

const code64 = (c: CheckContext): boolean => c.on('ia32eModeGuest') && (c.low('GUEST_CS_AR') & CS_L) !== 0;
const blockedBySti = (c: CheckContext): boolean => c.bit('GUEST_INTERRUPTIBILITY', 0);
const blockedByMovSs = (c: CheckContext): boolean => c.bit('GUEST_INTERRUPTIBILITY', 1);
const ACTIVITY_HLT = 1;
const ACTIVITY_SHUTDOWN = 2;
const ACTIVITY_WAIT_FOR_SIPI = 3;
const activity = (c: CheckContext): number => c.low('GUEST_ACTIVITY');

const TABLES_AND_RIP: readonly EntryCheck[] = [
  {
    id: 'GDT-01',
    section: '26.3.1.3',
    rule: 'GDTR base is canonical.',
    fields: ['GUEST_GDTR_BASE'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.isCanonical(c.read('GUEST_GDTR_BASE')),
    remedy: (c) => `use an address whose bits 63:${c.linearBits - 1} are all equal`,
  },
  {
    id: 'GDT-02',
    section: '26.3.1.3',
    rule: 'IDTR base is canonical.',
    fields: ['GUEST_IDTR_BASE'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.isCanonical(c.read('GUEST_IDTR_BASE')),
    remedy: (c) => `use an address whose bits 63:${c.linearBits - 1} are all equal`,
  },
  {
    id: 'GDT-03',
    section: '26.3.1.3',
    rule: 'Bits 31:16 of the GDTR limit are 0.',
    fields: ['GUEST_GDTR_LIMIT'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.low('GUEST_GDTR_LIMIT') >>> 16 === 0,
    remedy: 'use a limit of at most FFFFh',
  },
  {
    id: 'GDT-04',
    section: '26.3.1.3',
    rule: 'Bits 31:16 of the IDTR limit are 0.',
    fields: ['GUEST_IDTR_LIMIT'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.low('GUEST_IDTR_LIMIT') >>> 16 === 0,
    remedy: 'use a limit of at most FFFFh',
  },
  {
    id: 'GRIP-01',
    section: '26.3.1.4',
    rule: 'Outside 64-bit code, bits 63:32 of RIP are 0.',
    fields: ['GUEST_RIP', 'GUEST_CS_AR'],
    given: ['ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => !code64(c),
    holds: (c) => c.vmcs.high('GUEST_RIP') === 0,
    remedy: 'use a 32-bit RIP, or set L (bit 13) in the CS access rights and "IA-32e mode guest"',
  },
  {
    id: 'GRIP-02',
    section: '26.3.1.4',
    rule: 'In 64-bit code, the bits of RIP above the linear-address width are all equal.',
    fields: ['GUEST_RIP'],
    given: ['GUEST_CS_AR', 'ENTRY_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: code64,
    holds: (c) => {
      const top = BigInt.asIntN(64, c.read('GUEST_RIP')) >> BigInt(c.linearBits);
      return top === 0n || top === -1n;
    },
    remedy: (c) => `use a canonical address: bits 63:${c.linearBits - 1} all equal`,
  },
  {
    id: 'GRFL-01',
    section: '26.3.1.4',
    rule: 'RFLAGS bit 1 is 1 and the reserved bits 63:22, 15, 5 and 3 are 0.',
    fields: ['GUEST_RFLAGS'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.vmcs.high('GUEST_RFLAGS') === 0 && (c.low('GUEST_RFLAGS') & 0xffc0_802a) === 2,
    remedy: (c) => `use ${hex(((c.low('GUEST_RFLAGS') & 0x003f_7fd5) | 2) >>> 0)}`,
  },
  {
    id: 'GRFL-02',
    section: '26.3.1.4',
    rule: 'RFLAGS.VM is 0 in an IA-32e mode guest and outside protected mode.',
    fields: ['GUEST_RFLAGS'],
    given: ['ENTRY_CONTROLS', 'GUEST_CR0'],
    failure: BAD_GUEST_STATE,
    when: (c) => c.on('ia32eModeGuest') || !c.bit('GUEST_CR0', 0),
    holds: (c) => !c.bit('GUEST_RFLAGS', 17),
    remedy: 'clear bit 17',
  },
  {
    id: 'GRFL-03',
    section: '26.3.1.4',
    rule: 'An external interrupt is injected only with RFLAGS.IF 1.',
    fields: ['GUEST_RFLAGS', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && injection(c).type === 0,
    holds: (c) => c.bit('GUEST_RFLAGS', 9),
    remedy: 'wait for IF with "interrupt-window exiting" and inject then',
  },
];

/** Whether an event may be injected into a halted guest (SDM Vol. 3C, 26.3.1.5). */
function wakesFromHlt(c: CheckContext): boolean {
  const { type, vector } = injection(c);
  return type === 0 || type === 2 || (type === 3 && (vector === 1 || vector === 18)) || (type === 7 && vector === 0);
}

const NON_REGISTER: readonly EntryCheck[] = [
  {
    id: 'GACT-01',
    section: '26.3.1.5',
    rule: 'The activity state is active (0) or one that IA32_VMX_MISC[8:6] offers: HLT (1), shutdown (2).',
    fields: ['GUEST_ACTIVITY'],
    failure: BAD_GUEST_STATE,
    holds: (c) => SUPPORTED_ACTIVITY.has(activity(c)),
    remedy: 'use 0 (active)',
  },
  {
    id: 'GACT-02',
    section: '26.3.1.5',
    rule: 'In the HLT state, the DPL of SS is 0.',
    fields: ['GUEST_ACTIVITY', 'GUEST_SS_AR'],
    failure: BAD_GUEST_STATE,
    when: (c) => activity(c) === ACTIVITY_HLT,
    holds: (c) => ((c.low('GUEST_SS_AR') >>> 5) & 3) === 0,
    remedy: 'only ring 0 can be halted: use activity 0',
  },
  {
    id: 'GACT-03',
    section: '26.3.1.5',
    rule: 'With blocking by STI or by MOV SS, the activity state is active.',
    fields: ['GUEST_ACTIVITY', 'GUEST_INTERRUPTIBILITY'],
    failure: BAD_GUEST_STATE,
    when: (c) => blockedBySti(c) || blockedByMovSs(c),
    holds: (c) => activity(c) === 0,
    remedy: 'clear bits 1:0 of the interruptibility state, or use activity 0',
  },
  {
    id: 'GACT-04',
    section: '26.3.1.5',
    rule: 'Into a halted guest only interrupts, NMI, #DB, #MC or a pending MTF exit are injected.',
    fields: ['GUEST_ACTIVITY', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && activity(c) === ACTIVITY_HLT,
    holds: wakesFromHlt,
    remedy: 'use activity 0 when injecting this event',
  },
  {
    id: 'GACT-05',
    section: '26.3.1.5',
    rule: 'Into a guest in shutdown only NMI or #MC is injected.',
    fields: ['GUEST_ACTIVITY', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && activity(c) === ACTIVITY_SHUTDOWN,
    holds: (c) => injection(c).type === 2 || (injection(c).type === 3 && injection(c).vector === 18),
    remedy: 'use activity 0 when injecting this event',
  },
  {
    id: 'GACT-06',
    section: '26.3.1.5',
    rule: 'Into a guest that waits for a SIPI nothing is injected.',
    fields: ['GUEST_ACTIVITY', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => activity(c) === ACTIVITY_WAIT_FOR_SIPI,
    holds: (c) => !injects(c),
    remedy: 'clear bit 31 of the VM-entry interruption information',
  },
  {
    id: 'GINT-01',
    section: '26.3.1.5',
    rule: 'Bits 31:5 of the interruptibility state are 0.',
    fields: ['GUEST_INTERRUPTIBILITY'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.low('GUEST_INTERRUPTIBILITY') >>> 5 === 0,
    remedy: 'use 0',
  },
  {
    id: 'GINT-02',
    section: '26.3.1.5',
    rule: 'Blocking by STI (bit 0) and by MOV SS (bit 1) are not both 1.',
    fields: ['GUEST_INTERRUPTIBILITY'],
    failure: BAD_GUEST_STATE,
    holds: (c) => !(blockedBySti(c) && blockedByMovSs(c)),
    remedy: 'clear one of the two bits',
  },
  {
    id: 'GINT-03',
    section: '26.3.1.5',
    rule: 'With RFLAGS.IF 0, blocking by STI (bit 0) is 0.',
    fields: ['GUEST_INTERRUPTIBILITY', 'GUEST_RFLAGS'],
    failure: BAD_GUEST_STATE,
    when: (c) => !c.bit('GUEST_RFLAGS', 9),
    holds: (c) => !blockedBySti(c),
    remedy: 'clear bit 0 of the interruptibility state',
  },
  {
    id: 'GINT-04',
    section: '26.3.1.5',
    rule: 'An external interrupt is injected only without blocking by STI or MOV SS.',
    fields: ['GUEST_INTERRUPTIBILITY', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && injection(c).type === 0,
    holds: (c) => !blockedBySti(c) && !blockedByMovSs(c),
    remedy: 'wait with "interrupt-window exiting" and inject then',
  },
  {
    id: 'GINT-05',
    section: '26.3.1.5',
    rule: 'An NMI is injected only without blocking by MOV SS.',
    fields: ['GUEST_INTERRUPTIBILITY', 'ENTRY_INTR_INFO'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && injection(c).type === 2,
    holds: (c) => !blockedByMovSs(c),
    remedy: 'inject after the next instruction of the guest',
  },
  {
    id: 'GINT-06',
    section: '26.3.1.5',
    rule: 'Outside SMM, blocking by SMI (bit 2) is 0.',
    fields: ['GUEST_INTERRUPTIBILITY'],
    failure: BAD_GUEST_STATE,
    holds: (c) => !c.bit('GUEST_INTERRUPTIBILITY', 2),
    remedy: 'clear bit 2',
  },
  {
    id: 'GINT-08',
    section: '26.3.1.5',
    rule: 'An NMI is injected only without blocking by STI (this processor asks for it, others may not).',
    fields: ['GUEST_INTERRUPTIBILITY', 'ENTRY_INTR_INFO'],
    failure: NMI_FAILURE,
    when: (c) => injects(c) && injection(c).type === 2,
    holds: (c) => !blockedBySti(c),
    remedy: 'inject after the next instruction of the guest',
  },
  {
    id: 'GINT-09',
    section: '26.3.1.5',
    rule: 'With "virtual NMIs", an NMI is injected only without blocking by NMI (bit 3).',
    fields: ['GUEST_INTERRUPTIBILITY', 'ENTRY_INTR_INFO'],
    given: ['PIN_CONTROLS'],
    failure: BAD_GUEST_STATE,
    when: (c) => injects(c) && injection(c).type === 2 && c.on('virtualNmis'),
    holds: (c) => !c.bit('GUEST_INTERRUPTIBILITY', 3),
    remedy: 'wait with "NMI-window exiting" and inject then',
  },
  {
    id: 'GINT-10',
    section: '26.3.1.5',
    rule: 'Enclave interruption (bit 4) is 0: this processor has no SGX.',
    fields: ['GUEST_INTERRUPTIBILITY'],
    failure: BAD_GUEST_STATE,
    holds: (c) => !c.bit('GUEST_INTERRUPTIBILITY', 4),
    remedy: 'clear bit 4',
  },
  {
    id: 'GPDB-01',
    section: '26.3.1.5',
    rule: 'Pending debug exceptions: bits 63:15, 13 and 11:4 are 0.',
    fields: ['GUEST_PENDING_DEBUG'],
    failure: BAD_GUEST_STATE,
    holds: (c) => c.vmcs.high('GUEST_PENDING_DEBUG') === 0 && (c.low('GUEST_PENDING_DEBUG') & 0xffff_aff0) === 0,
    remedy: 'use 0',
  },
  {
    id: 'GPDB-02',
    section: '26.3.1.5',
    rule: 'While events are blocked or the guest is halted, single-stepping (RFLAGS.TF without BTF) needs BS (bit 14) pending.',
    fields: ['GUEST_PENDING_DEBUG', 'GUEST_RFLAGS', 'GUEST_IA32_DEBUGCTL'],
    given: ['GUEST_INTERRUPTIBILITY', 'GUEST_ACTIVITY'],
    failure: BAD_GUEST_STATE,
    when: (c) => held(c) && singleSteps(c),
    holds: (c) => c.bit('GUEST_PENDING_DEBUG', 14),
    remedy: 'set bit 14 (BS) of the pending debug exceptions',
  },
  {
    id: 'GPDB-03',
    section: '26.3.1.5',
    rule: 'While events are blocked or the guest is halted, BS (bit 14) is not pending unless single-stepping.',
    fields: ['GUEST_PENDING_DEBUG', 'GUEST_RFLAGS', 'GUEST_IA32_DEBUGCTL'],
    given: ['GUEST_INTERRUPTIBILITY', 'GUEST_ACTIVITY'],
    failure: BAD_GUEST_STATE,
    when: (c) => held(c) && !singleSteps(c),
    holds: (c) => !c.bit('GUEST_PENDING_DEBUG', 14),
    remedy: 'clear bit 14 (BS) of the pending debug exceptions',
  },
];

function held(c: CheckContext): boolean {
  return blockedBySti(c) || blockedByMovSs(c) || activity(c) === ACTIVITY_HLT;
}
function singleSteps(c: CheckContext): boolean {
  return c.bit('GUEST_RFLAGS', 8) && !c.bit('GUEST_IA32_DEBUGCTL', DEBUGCTL_BTF_BIT);
}

const linked = (c: CheckContext): boolean => c.read('VMCS_LINK_PTR') !== NO_VMCS;
/** First dword of the region that the link pointer names; undefined where the pointer cannot be followed. */
function linkedRevision(c: CheckContext): number | undefined {
  const pointer = c.read('VMCS_LINK_PTR');
  if ((pointer & 0xfffn) !== 0n || c.beyondPhysicalWidth(pointer)) return undefined;
  const bytes = c.physical.peek(Number(pointer), 4);
  if (bytes.length < 4) return 0xffff_ffff; // no memory there: the bus floats high
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
const NOT_LINKED = 'use FFFFFFFF_FFFFFFFFh: VMCS shadowing is not offered here';

const LINK: readonly EntryCheck[] = [
  {
    id: 'GLNK-01',
    section: '26.3.1.5',
    rule: 'A VMCS link pointer other than FFFFFFFF_FFFFFFFFh is 4 KiB aligned.',
    fields: ['VMCS_LINK_PTR'],
    failure: LINK_FAILURE,
    when: linked,
    holds: (c) => (c.read('VMCS_LINK_PTR') & 0xfffn) === 0n,
    remedy: NOT_LINKED,
  },
  {
    id: 'GLNK-02',
    section: '26.3.1.5',
    rule: 'A VMCS link pointer other than FFFFFFFF_FFFFFFFFh is within the physical-address width.',
    fields: ['VMCS_LINK_PTR'],
    failure: LINK_FAILURE,
    when: linked,
    holds: (c) => !c.beyondPhysicalWidth(c.read('VMCS_LINK_PTR')),
    remedy: NOT_LINKED,
  },
  {
    id: 'GLNK-03',
    section: '26.3.1.5',
    rule: 'The region that the VMCS link pointer names starts with the VMCS revision identifier.',
    fields: ['VMCS_LINK_PTR'],
    failure: LINK_FAILURE,
    when: (c) => linked(c) && linkedRevision(c) !== undefined,
    holds: (c) => ((linkedRevision(c) ?? 0) & 0x7fff_ffff) === REVISION_IDENTIFIER,
    remedy: NOT_LINKED,
  },
  {
    id: 'GLNK-04',
    section: '26.3.1.5',
    rule: 'The region that the VMCS link pointer names is a shadow VMCS (bit 31) exactly with "VMCS shadowing".',
    fields: ['VMCS_LINK_PTR'],
    given: ['PROC1_CONTROLS', 'PROC2_CONTROLS'],
    failure: LINK_FAILURE,
    when: (c) => linked(c) && linkedRevision(c) !== undefined,
    holds: (c) => ((linkedRevision(c) ?? 0) >>> 31 === 1) === c.on('vmcsShadowing'),
    remedy: NOT_LINKED,
  },
  {
    id: 'GLNK-05',
    section: '26.3.1.5',
    rule: 'The VMCS link pointer does not name the current VMCS.',
    fields: ['VMCS_LINK_PTR'],
    failure: LINK_FAILURE,
    when: linked,
    holds: (c) => c.read('VMCS_LINK_PTR') !== BigInt(c.vmcs.address),
    remedy: NOT_LINKED,
  },
];

const PDPTE_FIELDS: readonly VmcsFieldKey[] = ['GUEST_PDPTE0', 'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3'];
const usesPae = (c: CheckContext): boolean =>
  c.bit('GUEST_CR0', 31) && c.bit('GUEST_CR4', 5) && !c.on('ia32eModeGuest');
const PAE_GIVEN: readonly VmcsFieldKey[] = [
  'GUEST_CR0',
  'GUEST_CR4',
  'ENTRY_CONTROLS',
  'PROC1_CONTROLS',
  'PROC2_CONTROLS',
];

/** A PAE page-directory-pointer entry that may be loaded: not present, or no reserved bit set. */
export const pdpteIsValid = (entry: bigint, physicalBits: number): boolean =>
  (entry & 1n) === 0n || ((entry & 0x1e6n) === 0n && entry >> BigInt(physicalBits) === 0n);

/** The four entries in memory at a CR3 value under PAE paging. */
export function pdptesAt(c: Pick<CheckContext, 'physical'>, cr3: number): bigint[] {
  const table = cr3 - (cr3 % 32);
  const bytes = c.physical.peek(table, 32);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return [0, 8, 16, 24].map((at) => (at + 8 <= bytes.length ? view.getBigUint64(at, true) : 0xffff_ffff_ffff_ffffn));
}

const PDPTES: readonly EntryCheck[] = [
  {
    id: 'GPDP-01',
    section: '26.3.1.6',
    rule: 'Under PAE paging without EPT, the four PDPTEs in memory at guest CR3 have no reserved bit set.',
    fields: ['GUEST_CR3'],
    given: PAE_GIVEN,
    failure: PDPTE_FAILURE,
    when: (c) => usesPae(c) && !c.on('enableEpt'),
    holds: (c) =>
      pdptesAt(c, c.low('GUEST_CR3')).every((entry) => pdpteIsValid(entry, c.capabilities.facts.physicalBits)),
    remedy: 'clear bits 8:5, 2:1 and those beyond the physical-address width in each present entry',
  },
  {
    id: 'GPDP-02',
    section: '26.3.1.6',
    rule: 'Under PAE paging with EPT, the four guest PDPTE fields have no reserved bit set.',
    fields: PDPTE_FIELDS,
    given: PAE_GIVEN,
    failure: PDPTE_FAILURE,
    when: (c) => usesPae(c) && c.on('enableEpt'),
    holds: (c) => PDPTE_FIELDS.every((key) => pdpteIsValid(c.read(key), c.capabilities.facts.physicalBits)),
    remedy: 'clear bits 8:5, 2:1 and those beyond the physical-address width in each present entry',
  },
];

export const GUEST_STATE_CHECKS: readonly EntryCheck[] = [...TABLES_AND_RIP, ...NON_REGISTER, ...LINK, ...PDPTES];
