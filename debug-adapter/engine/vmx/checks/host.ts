/** Checks on the host-state area and the address-space size (SDM Vol. 3C, 26.2.2 to 26.2.4). */
import { isCanonical, LINEAR_BITS, LINEAR_BITS_LA57 } from '../../cpu/modes.ts';
import { REGISTERS } from '../../cpu/registers.ts';
import type { RegisterName, RegisterRow } from '../../cpu/registers.ts';
import { CR0_FIXED0, CR0_FIXED1, CR4_FIXED0 } from '../capabilities.ts';
import type { VmcsFieldKey } from '../vmcs-fields.ts';
import { hex } from '../hex.ts';
import { BAD_HOST_STATE } from './check.ts';
import type { CheckContext, EntryCheck, SectionNumber } from './check.ts';

const CR0_NW_CD = 0x6000_0000n;
const PAT_TYPES: ReadonlySet<bigint> = new Set([0n, 1n, 4n, 5n, 6n, 7n]);
export const patIsValid = (pat: bigint): boolean =>
  Array.from({ length: 8 }, (_, entry) => (pat >> BigInt(8 * entry)) & 0xffn).every((type) => PAT_TYPES.has(type));

/** The bits of a mask by name and number: `bit 13 (VMXE)`. */
function bitNames(mask: bigint, register: RegisterName): string {
  const row: RegisterRow = REGISTERS[register];
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 0n) continue;
    const field = row.fields?.find((candidate) => candidate.bit === bit);
    names.push(field === undefined ? `bit ${bit}` : `bit ${bit} (${field.name})`);
  }
  return names.join(', ');
}

/** What would make a register acceptable, as an instruction to the reader: which bits to set and which to clear. */
export const fixedBitsRemedy = (
  register: RegisterName,
  value: bigint,
  fixed0: bigint,
  fixed1: bigint,
  ignored: bigint,
): string => {
  const missing = fixed0 & ~value & ~ignored;
  const extra = value & ~fixed1 & ~ignored;
  return [
    ...(missing === 0n ? [] : [`set ${bitNames(missing, register)}`]),
    ...(extra === 0n ? [] : [`clear ${bitNames(extra, register)}`]),
  ].join(' and ');
};

export const respectsFixedBits = (value: bigint, fixed0: bigint, fixed1: bigint, ignored: bigint): boolean =>
  ((value & fixed0) | ignored) === (fixed0 | ignored) && (value & ~fixed1 & ~ignored) === 0n;

const canonical = (id: string, section: SectionNumber, field: VmcsFieldKey, what: string): EntryCheck => ({
  id,
  section,
  rule: `${what} is canonical.`,
  fields: [field],
  failure: BAD_HOST_STATE,
  holds: (c) => c.isCanonical(c.read(field)),
  remedy: (c) => `use an address whose bits 63:${c.linearBits - 1} are all equal`,
});

const selectorBits = (id: string, field: VmcsFieldKey, register: string): EntryCheck => ({
  id,
  section: '26.2.3',
  rule: `Host ${register} selector: RPL (bits 1:0) and TI (bit 2) are 0.`,
  fields: [field],
  failure: BAD_HOST_STATE,
  holds: (c) => (c.low(field) & 7) === 0,
  remedy: (c) => `use selector ${hex(c.low(field) & 0xfff8)}`,
});

const selectorNotNull = (
  id: string,
  field: VmcsFieldKey,
  register: string,
  when?: { readonly text: string; readonly given: VmcsFieldKey; readonly test: (c: CheckContext) => boolean },
): EntryCheck => ({
  id,
  section: '26.2.3',
  rule: `Host ${register} selector is not 0000h${when === undefined ? '' : when.text}.`,
  fields: [field],
  given: when === undefined ? [] : [when.given],
  failure: BAD_HOST_STATE,
  ...(when === undefined ? {} : { when: when.test }),
  holds: (c) => c.low(field) !== 0,
  remedy:
    register === 'TR'
      ? 'load TR with LTR before VMXON and write its selector here'
      : `write the selector in ${register}`,
});

/** What the host will run with. */
const hostLinearBits = (c: CheckContext): number => (c.bit('HOST_CR4', 12) ? LINEAR_BITS_LA57 : LINEAR_BITS);
const host64 = (c: CheckContext) => c.on('hostAddressSpaceSize');

export const HOST_CHECKS: readonly EntryCheck[] = [
  {
    id: 'HOST-01',
    section: '26.2.2',
    rule: 'Host CR0 has the fixed bits of VMX operation (NW and CD aside).',
    fields: ['HOST_CR0'],
    failure: BAD_HOST_STATE,
    holds: (c) => respectsFixedBits(c.read('HOST_CR0'), CR0_FIXED0, CR0_FIXED1, CR0_NW_CD),
    remedy: (c) => fixedBitsRemedy('CR0', c.read('HOST_CR0'), CR0_FIXED0, CR0_FIXED1, CR0_NW_CD),
  },
  {
    id: 'HOST-02',
    section: '26.2.2',
    rule: 'Host CR4 has the fixed bits of VMX operation: VMXE is 1, bits that do not exist are 0.',
    fields: ['HOST_CR4'],
    failure: BAD_HOST_STATE,
    holds: (c) => respectsFixedBits(c.read('HOST_CR4'), CR4_FIXED0, c.capabilities.cr4Fixed1, 0n),
    remedy: (c) => fixedBitsRemedy('CR4', c.read('HOST_CR4'), CR4_FIXED0, c.capabilities.cr4Fixed1, 0n),
  },
  {
    id: 'HOST-04',
    section: '26.2.2',
    rule: 'Host CR3 has no bit beyond the physical-address width.',
    fields: ['HOST_CR3'],
    failure: BAD_HOST_STATE,
    holds: (c) => !c.beyondPhysicalWidth(c.read('HOST_CR3')),
    remedy: (c) => `use a table address below 2^${c.capabilities.facts.physicalBits}`,
  },
  canonical('HOST-05', '26.2.2', 'HOST_SYSENTER_ESP', 'Host IA32_SYSENTER_ESP'),
  canonical('HOST-06', '26.2.2', 'HOST_SYSENTER_EIP', 'Host IA32_SYSENTER_EIP'),
  {
    id: 'HOST-08',
    section: '26.2.2',
    rule: 'With "load IA32_PAT" on exit, each byte of host IA32_PAT is a memory type: 0, 1, 4, 5, 6 or 7.',
    fields: ['HOST_IA32_PAT'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => c.on('exitLoadPat'),
    holds: (c) => patIsValid(c.read('HOST_IA32_PAT')),
    remedy: 'use the reset value 0007040600070406h',
  },
  {
    id: 'HOST-09',
    section: '26.2.2',
    rule: 'With "load IA32_EFER" on exit, the reserved bits of host IA32_EFER are 0.',
    fields: ['HOST_IA32_EFER'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => c.on('exitLoadEfer'),
    holds: (c) => (c.read('HOST_IA32_EFER') & ~c.capabilities.facts.eferBits) === 0n,
    remedy: (c) => fixedBitsRemedy('IA32_EFER', c.read('HOST_IA32_EFER'), 0n, c.capabilities.facts.eferBits, 0n),
  },
  {
    id: 'HOST-10',
    section: '26.2.2',
    rule: 'With "load IA32_EFER" on exit, LMA and LME of host IA32_EFER both equal "host address-space size".',
    fields: ['HOST_IA32_EFER', 'EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => c.on('exitLoadEfer'),
    holds: (c) => c.bit('HOST_IA32_EFER', 10) === host64(c) && c.bit('HOST_IA32_EFER', 8) === host64(c),
    remedy: (c) => (host64(c) ? 'set bits 8 and 10 (500h)' : 'clear bits 8 and 10'),
  },
  selectorBits('HOST-SEG-01', 'HOST_CS_SELECTOR', 'CS'),
  selectorBits('HOST-SEG-02', 'HOST_SS_SELECTOR', 'SS'),
  selectorBits('HOST-SEG-03', 'HOST_DS_SELECTOR', 'DS'),
  selectorBits('HOST-SEG-04', 'HOST_ES_SELECTOR', 'ES'),
  selectorBits('HOST-SEG-05', 'HOST_FS_SELECTOR', 'FS'),
  selectorBits('HOST-SEG-06', 'HOST_GS_SELECTOR', 'GS'),
  selectorBits('HOST-SEG-07', 'HOST_TR_SELECTOR', 'TR'),
  selectorNotNull('HOST-SEG-08', 'HOST_CS_SELECTOR', 'CS'),
  selectorNotNull('HOST-SEG-09', 'HOST_TR_SELECTOR', 'TR'),
  selectorNotNull('HOST-SEG-10', 'HOST_SS_SELECTOR', 'SS', {
    text: ' for a host that is not in 64-bit mode',
    given: 'EXIT1_CONTROLS',
    test: (c) => !host64(c),
  }),
  canonical('HOST-SEG-11', '26.2.3', 'HOST_FS_BASE', 'Host FS base'),
  canonical('HOST-SEG-12', '26.2.3', 'HOST_GS_BASE', 'Host GS base'),
  canonical('HOST-SEG-13', '26.2.3', 'HOST_GDTR_BASE', 'Host GDTR base'),
  canonical('HOST-SEG-14', '26.2.3', 'HOST_IDTR_BASE', 'Host IDTR base'),
  canonical('HOST-SEG-15', '26.2.3', 'HOST_TR_BASE', 'Host TR base'),
  {
    id: 'ASIZE-01',
    section: '26.2.4',
    rule: 'Outside IA-32e mode, "IA-32e mode guest" is 0.',
    fields: ['ENTRY_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => !c.longModeNow,
    holds: (c) => !c.on('ia32eModeGuest'),
    remedy: 'clear bit 9 of the VM-entry controls, or enter long mode before VMLAUNCH',
  },
  {
    id: 'ASIZE-02',
    section: '26.2.4',
    rule: 'Outside IA-32e mode, "host address-space size" is 0.',
    fields: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => !c.longModeNow,
    holds: (c) => !host64(c),
    remedy: 'clear bit 9 of the VM-exit controls, or enter long mode before VMLAUNCH',
  },
  {
    id: 'ASIZE-03',
    section: '26.2.4',
    rule: 'In IA-32e mode, "host address-space size" is 1.',
    fields: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => c.longModeNow,
    holds: host64,
    remedy: 'set bit 9 of the VM-exit controls: a 64-bit host stays one',
  },
  {
    id: 'ASIZE-04',
    section: '26.2.4',
    rule: 'Without "host address-space size", "IA-32e mode guest" is 0.',
    fields: ['ENTRY_CONTROLS', 'EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => !host64(c),
    holds: (c) => !c.on('ia32eModeGuest'),
    remedy: 'only a 64-bit host can have a 64-bit guest: set bit 9 of the VM-exit controls too',
  },
  {
    id: 'ASIZE-05',
    section: '26.2.4',
    rule: 'Without "host address-space size", host CR4.PCIDE is 0.',
    fields: ['HOST_CR4'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => !host64(c),
    holds: (c) => !c.bit('HOST_CR4', 17),
    remedy: 'clear bit 17 of host CR4',
  },
  {
    id: 'ASIZE-06',
    section: '26.2.4',
    rule: 'Without "host address-space size", bits 63:32 of host RIP are 0.',
    fields: ['HOST_RIP'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: (c) => !host64(c),
    holds: (c) => c.vmcs.high('HOST_RIP') === 0,
    remedy: 'use a 32-bit address',
  },
  {
    id: 'ASIZE-07',
    section: '26.2.4',
    rule: 'With "host address-space size", host CR4.PAE is 1.',
    fields: ['HOST_CR4'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: host64,
    holds: (c) => c.bit('HOST_CR4', 5),
    remedy: 'set bit 5 of host CR4',
  },
  {
    id: 'ASIZE-08',
    section: '26.2.4',
    rule: 'With "host address-space size", host RIP is canonical.',
    fields: ['HOST_RIP', 'HOST_CR4'],
    given: ['EXIT1_CONTROLS'],
    failure: BAD_HOST_STATE,
    when: host64,
    holds: (c) => isCanonical(c.read('HOST_RIP'), hostLinearBits(c)),
    remedy: (c) => `use an address whose bits 63:${hostLinearBits(c) - 1} are all equal`,
  },
];
