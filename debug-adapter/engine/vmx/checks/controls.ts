/** Checks on the VM-execution, VM-exit and VM-entry control fields (SDM Vol. 3C, "Checks on VMX Controls", 26.2.1). */
import { hasErrorCode } from '../../cpu/guest-fault.ts';
import { CONTROLS, CONTROL_GROUPS, CONTROL_KEYS } from '../controls.ts';
import type { ControlGroup } from '../controls.ts';
import { CR3_TARGETS } from '../capabilities.ts';
import type { VmcsFieldKey } from '../vmcs-fields.ts';
import { hex } from '../hex.ts';
import { BAD_CONTROLS } from './check.ts';
import type { CheckContext, EntryCheck, SectionNumber } from './check.ts';
import { injection, injects } from './injection.ts';
import { eptPointerProblems } from '../ept-pointer.ts';

/** Name of a control bit, or its number where it is reserved. */
const bitName = (group: ControlGroup, bit: number): string => {
  const key = CONTROL_KEYS.find((name) => CONTROLS[name].group === group && CONTROLS[name].bit === bit);
  return key === undefined ? `bit ${bit}` : `bit ${bit} ("${CONTROLS[key].name}")`;
};

function allowedBits(id: string, section: SectionNumber, group: ControlGroup, msr: string): EntryCheck {
  const { field, title, activatedBy } = CONTROL_GROUPS[group];
  const given: VmcsFieldKey[] = activatedBy === undefined ? [] : [CONTROL_GROUPS[CONTROLS[activatedBy].group].field];
  return {
    id,
    section,
    rule: `${title}: reserved bits have their required values and every 1 is allowed by ${msr}.`,
    fields: [field],
    given,
    failure: BAD_CONTROLS,
    ...(activatedBy === undefined ? {} : { when: (c: CheckContext) => c.on(activatedBy) }),
    holds: (c) => {
      const { mustBe1, mayBe1 } = c.capabilities.allowedSettings(group);
      const value = c.low(field);
      return (value & mustBe1) === mustBe1 && (value & ~mayBe1) === 0;
    },
    remedy: (c) => {
      const { mustBe1, mayBe1 } = c.capabilities.allowedSettings(group);
      const value = c.low(field);
      const names = (mask: number) =>
        Array.from({ length: 32 }, (_, bit) => bit)
          .filter((bit) => ((mask >>> bit) & 1) === 1)
          .map((bit) => bitName(group, bit))
          .join(', ');
      const missing = mustBe1 & ~value;
      const extra = value & ~mayBe1;
      const parts = [
        ...(missing === 0 ? [] : [`set ${names(missing)}`]),
        ...(extra === 0 ? [] : [`clear ${names(extra)}`]),
      ];
      return `${parts.join(' and ')}: use (value AND ${hex(mayBe1 >>> 0)}) OR ${hex(mustBe1 >>> 0)}, the two halves of ${msr}`;
    },
  };
}

/** A page or table address: alignment and physical-address width. */
function addressCheck(
  id: string,
  section: SectionNumber,
  field: VmcsFieldKey,
  what: string,
  alignedBits: number,
  given: VmcsFieldKey,
  when: (c: CheckContext) => boolean,
): EntryCheck {
  const low = (1n << BigInt(alignedBits)) - 1n;
  return {
    id,
    section,
    rule: `${what}: bits ${alignedBits - 1}:0 are 0 and no bit is beyond the physical-address width.`,
    fields: [field],
    given: [given],
    failure: BAD_CONTROLS,
    when,
    holds: (c) => (c.read(field) & low) === 0n && !c.beyondPhysicalWidth(c.read(field)),
    remedy: (c) =>
      `use a physical address that is a multiple of ${1 << alignedBits} and below 2^${c.capabilities.facts.physicalBits}`,
  };
}

/** The last byte of an MSR area of 16-byte entries. */
function areaEndCheck(
  id: string,
  section: SectionNumber,
  address: VmcsFieldKey,
  count: VmcsFieldKey,
  what: string,
): EntryCheck {
  return {
    id,
    section,
    rule: `${what}: the last byte of the area is within the physical-address width.`,
    fields: [address, count],
    failure: BAD_CONTROLS,
    when: (c) => c.low(count) !== 0,
    holds: (c) => !c.beyondPhysicalWidth(c.read(address) + 16n * BigInt(c.low(count)) - 1n),
    remedy: 'lower the address or the count: each entry takes 16 bytes',
  };
}

const EXECUTION: readonly EntryCheck[] = [
  allowedBits('EXEC-01', '26.2.1.1', 'pin', 'IA32_VMX_TRUE_PINBASED_CTLS (48Dh)'),
  allowedBits('EXEC-02', '26.2.1.1', 'proc1', 'IA32_VMX_TRUE_PROCBASED_CTLS (48Eh)'),
  allowedBits('EXEC-03', '26.2.1.1', 'proc2', 'IA32_VMX_PROCBASED_CTLS2 (48Bh)'),
  {
    id: 'EXEC-05',
    section: '26.2.1.1',
    rule: 'The CR3-target count is not larger than IA32_VMX_MISC[24:16] allows.',
    fields: ['CR3_TARGET_COUNT'],
    failure: BAD_CONTROLS,
    holds: (c) => c.low('CR3_TARGET_COUNT') <= CR3_TARGETS,
    remedy: `use a count of 0 to ${CR3_TARGETS}`,
  },
  addressCheck('EXEC-06', '26.2.1.1', 'IO_BITMAP_A', 'Address of I/O bitmap A', 12, 'PROC1_CONTROLS', (c) =>
    c.on('ioBitmaps'),
  ),
  addressCheck('EXEC-07', '26.2.1.1', 'IO_BITMAP_B', 'Address of I/O bitmap B', 12, 'PROC1_CONTROLS', (c) =>
    c.on('ioBitmaps'),
  ),
  addressCheck('EXEC-08', '26.2.1.1', 'MSR_BITMAP', 'Address of the MSR bitmaps', 12, 'PROC1_CONTROLS', (c) =>
    c.on('msrBitmaps'),
  ),
  {
    id: 'EXEC-12',
    section: '26.2.1.1',
    rule: 'Without "NMI exiting", "virtual NMIs" is 0.',
    fields: ['PIN_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => !c.on('nmiExiting'),
    holds: (c) => !c.on('virtualNmis'),
    remedy: 'set "NMI exiting" (bit 3) or clear "virtual NMIs" (bit 5)',
  },
  {
    id: 'EXEC-13',
    section: '26.2.1.1',
    rule: 'Without "virtual NMIs", "NMI-window exiting" is 0.',
    fields: ['PIN_CONTROLS', 'PROC1_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => !c.on('virtualNmis'),
    holds: (c) => !c.on('nmiWindowExiting'),
    remedy: 'set "virtual NMIs" or clear "NMI-window exiting" (bit 22 of the primary controls)',
  },
  {
    id: 'EXEC-22',
    section: '26.2.1.1',
    rule: 'With "enable VPID", the VPID is not 0000h.',
    fields: ['VPID'],
    given: ['PROC1_CONTROLS', 'PROC2_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => c.on('enableVpid'),
    holds: (c) => c.low('VPID') !== 0,
    remedy: 'use a VPID of 1 to FFFFh; 0 is the host',
  },
  ...eptPointerProblems.map(({ id, rule, holds, remedy }): EntryCheck => ({
    id,
    section: '26.2.1.1',
    rule,
    fields: ['EPTP'],
    given: ['PROC1_CONTROLS', 'PROC2_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => c.on('enableEpt'),
    holds: (c) => holds(c.read('EPTP'), c.capabilities.facts.physicalBits),
    remedy,
  })),
  {
    id: 'EXEC-29',
    section: '26.2.1.1',
    rule: 'With "unrestricted guest", "enable EPT" is 1.',
    fields: ['PROC2_CONTROLS'],
    given: ['PROC1_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => c.on('unrestrictedGuest'),
    holds: (c) => c.on('enableEpt'),
    remedy: 'set "enable EPT" (bit 1) or clear "unrestricted guest" (bit 7)',
  },
];

const EXIT: readonly EntryCheck[] = [
  allowedBits('EXIT-01', '26.2.1.2', 'exit1', 'IA32_VMX_TRUE_EXIT_CTLS (48Fh)'),
  {
    id: 'EXIT-03',
    section: '26.2.1.2',
    rule: 'Without "activate VMX-preemption timer", "save VMX-preemption timer value" is 0.',
    fields: ['PIN_CONTROLS', 'EXIT1_CONTROLS'],
    failure: BAD_CONTROLS,
    when: (c) => !c.on('preemptionTimer'),
    holds: (c) => !c.on('exitSavePreemptionTimer'),
    remedy: 'clear bit 22 of the VM-exit controls or set bit 6 of the pin-based controls',
  },
  addressCheck(
    'EXIT-04',
    '26.2.1.2',
    'EXIT_MSR_STORE_ADDR',
    'VM-exit MSR-store address',
    4,
    'EXIT_MSR_STORE_COUNT',
    (c) => c.low('EXIT_MSR_STORE_COUNT') !== 0,
  ),
  areaEndCheck('EXIT-05', '26.2.1.2', 'EXIT_MSR_STORE_ADDR', 'EXIT_MSR_STORE_COUNT', 'VM-exit MSR-store area'),
  addressCheck(
    'EXIT-06',
    '26.2.1.2',
    'EXIT_MSR_LOAD_ADDR',
    'VM-exit MSR-load address',
    4,
    'EXIT_MSR_LOAD_COUNT',
    (c) => c.low('EXIT_MSR_LOAD_COUNT') !== 0,
  ),
  areaEndCheck('EXIT-07', '26.2.1.2', 'EXIT_MSR_LOAD_ADDR', 'EXIT_MSR_LOAD_COUNT', 'VM-exit MSR-load area'),
];

/** Whether the event to inject must carry an error code. */
function needsErrorCode(c: CheckContext): boolean {
  const { type, vector } = injection(c);
  const protectedMode = !c.on('unrestrictedGuest') || c.bit('GUEST_CR0', 0);
  return type === 3 && protectedMode && hasErrorCode(vector) && vector !== 21;
}

const ENTRY: readonly EntryCheck[] = [
  allowedBits('ENTRY-01', '26.2.1.3', 'entry', 'IA32_VMX_TRUE_ENTRY_CTLS (490h)'),
  {
    id: 'ENTRY-02',
    section: '26.2.1.3',
    rule: 'The type of the injected event is not reserved (1); 7 (other event) needs the monitor trap flag.',
    fields: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: injects,
    holds: (c) => injection(c).type !== 1 && (injection(c).type !== 7 || c.capabilities.supports('monitorTrapFlag')),
    remedy: 'use type 0 (external), 2 (NMI), 3 (exception), 4 (INT n), 5 (INT1) or 6 (INT3, INTO) in bits 10:8',
  },
  {
    id: 'ENTRY-03',
    section: '26.2.1.3',
    rule: 'An injected NMI (type 2) has vector 2.',
    fields: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: (c) => injects(c) && injection(c).type === 2,
    holds: (c) => injection(c).vector === 2,
    remedy: 'use vector 2',
  },
  {
    id: 'ENTRY-04',
    section: '26.2.1.3',
    rule: 'An injected hardware exception (type 3) has a vector of 0 to 31.',
    fields: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: (c) => injects(c) && injection(c).type === 3,
    holds: (c) => injection(c).vector <= 31,
    remedy: 'use a vector of 0 to 31, or type 0 for an external interrupt',
  },
  {
    id: 'ENTRY-05',
    section: '26.2.1.3',
    rule: 'An injected "other event" (type 7) has vector 0: a pending MTF VM exit.',
    fields: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: (c) => injects(c) && injection(c).type === 7,
    holds: (c) => injection(c).vector === 0,
    remedy: 'use vector 0',
  },
  {
    id: 'ENTRY-06',
    section: '26.2.1.3',
    rule: 'The event delivers an error code (bit 11) exactly when it is exception 8, 10 to 14 or 17 and the guest is in protected mode.',
    fields: ['ENTRY_INTR_INFO', 'GUEST_CR0'],
    given: ['PROC1_CONTROLS', 'PROC2_CONTROLS'],
    failure: BAD_CONTROLS,
    when: injects,
    holds: (c) => injection(c).deliversErrorCode === needsErrorCode(c),
    remedy: (c) =>
      needsErrorCode(c)
        ? `set bit 11 (deliver error code) and write the code to ENTRY_EXCEPTION_EC: vector ${injection(c).vector} pushes one`
        : 'clear bit 11 (deliver error code): this event pushes none',
  },
  {
    id: 'ENTRY-07',
    section: '26.2.1.3',
    rule: 'Bits 30:12 of the VM-entry interruption information are 0.',
    fields: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: injects,
    holds: (c) => (c.low('ENTRY_INTR_INFO') & 0x7fff_f000) === 0,
    remedy: 'clear bits 30:12',
  },
  {
    id: 'ENTRY-08',
    section: '26.2.1.3',
    rule: 'Bits 31:16 of the VM-entry exception error code are 0.',
    fields: ['ENTRY_EXCEPTION_EC'],
    given: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: (c) => injects(c) && injection(c).deliversErrorCode,
    holds: (c) => c.low('ENTRY_EXCEPTION_EC') >>> 16 === 0,
    remedy: 'clear bits 31:16',
  },
  {
    id: 'ENTRY-09',
    section: '26.2.1.3',
    rule: 'The instruction length of an injected software event (type 4, 5 or 6) is 1 to 15.',
    fields: ['ENTRY_INSTR_LEN'],
    given: ['ENTRY_INTR_INFO'],
    failure: BAD_CONTROLS,
    when: (c) => injects(c) && injection(c).type >= 4 && injection(c).type <= 6,
    holds: (c) => c.low('ENTRY_INSTR_LEN') >= 1 && c.low('ENTRY_INSTR_LEN') <= 15,
    remedy: 'write the length of the instruction that raises the event (INT n 2, INT3 1) to ENTRY_INSTR_LEN',
  },
  addressCheck(
    'ENTRY-10',
    '26.2.1.3',
    'ENTRY_MSR_LOAD_ADDR',
    'VM-entry MSR-load address',
    4,
    'ENTRY_MSR_LOAD_COUNT',
    (c) => c.low('ENTRY_MSR_LOAD_COUNT') !== 0,
  ),
  areaEndCheck('ENTRY-11', '26.2.1.3', 'ENTRY_MSR_LOAD_ADDR', 'ENTRY_MSR_LOAD_COUNT', 'VM-entry MSR-load area'),
  {
    id: 'ENTRY-12',
    section: '26.2.1.3',
    rule: 'Outside SMM, "entry to SMM" and "deactivate dual-monitor treatment" are 0.',
    fields: ['ENTRY_CONTROLS'],
    failure: BAD_CONTROLS,
    holds: (c) => !c.on('entryToSmm') && !c.on('entryDeactivateDualMonitor'),
    remedy: 'clear bits 10 and 11: this machine has no SMM',
  },
  {
    id: 'ENTRY-13',
    section: '26.2.1.3',
    rule: '"Entry to SMM" and "deactivate dual-monitor treatment" are not both 1.',
    fields: ['ENTRY_CONTROLS'],
    failure: BAD_CONTROLS,
    holds: (c) => !(c.on('entryToSmm') && c.on('entryDeactivateDualMonitor')),
    remedy: 'clear bits 10 and 11',
  },
];

export const CONTROL_CHECKS: readonly EntryCheck[] = [...EXECUTION, ...EXIT, ...ENTRY];
