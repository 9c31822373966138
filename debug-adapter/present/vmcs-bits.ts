/** What the bits of VMCS fields mean (SDM Vol. 3C, chapter "Virtual Machine Control Structures"). */
import { CONTROLS, CONTROL_GROUPS, CONTROL_KEYS, REGISTERS, vectorName } from '../engine/index.ts';
import type { BitField, ControlGroup, RegisterRow, VmcsFieldKey } from '../engine/index.ts';

/** "Guest Register State", 24.4.1, table 24-2. */
export const ACCESS_RIGHTS_FIELDS: readonly BitField[] = [
  { name: 'type', bit: 0, width: 4, meaning: 'segment type' },
  { name: 'S', bit: 4, meaning: 'code or data segment (0: system)' },
  { name: 'DPL', bit: 5, width: 2, meaning: 'descriptor privilege level' },
  { name: 'P', bit: 7, meaning: 'present' },
  { name: 'AVL', bit: 12, meaning: 'for software' },
  { name: 'L', bit: 13, meaning: '64-bit code' },
  { name: 'D/B', bit: 14, meaning: '32-bit code or stack' },
  { name: 'G', bit: 15, meaning: 'limit counts 4 KiB units' },
  { name: 'unusable', bit: 16, meaning: 'no descriptor is loaded' },
];

/** "Guest Non-Register State", 24.4.2, table 24-3. */
const INTERRUPTIBILITY: readonly BitField[] = [
  { name: 'STI', bit: 0, meaning: 'blocking by STI' },
  { name: 'MOV SS', bit: 1, meaning: 'blocking by MOV SS' },
  { name: 'SMI', bit: 2, meaning: 'blocking by SMI' },
  { name: 'NMI', bit: 3, meaning: 'blocking by NMI' },
  { name: 'enclave', bit: 4, meaning: 'enclave interruption' },
];

/** "VM-Entry Controls for Event Injection", 24.8.3, and "Information for VM Exits Due to Vectored Events", 24.9.2. */
const INTERRUPTION: readonly BitField[] = [
  { name: 'vector', bit: 0, width: 8 },
  {
    name: 'type',
    bit: 8,
    width: 3,
    meaning:
      '0 external, 2 NMI, 3 hardware exception, 4 software interrupt, 5 privileged software exception, 6 software exception',
  },
  { name: 'error code', bit: 11, meaning: 'an error code is delivered' },
  { name: 'valid', bit: 31 },
];

/** "Extended-Page-Table Pointer", 24.6.11, table 24-8. */
const EPTP: readonly BitField[] = [
  { name: 'memory type', bit: 0, width: 3, meaning: '0 uncacheable, 6 write-back' },
  { name: 'walk length - 1', bit: 3, width: 3, meaning: '3 for four levels' },
  { name: 'A/D', bit: 6, meaning: 'accessed and dirty flags are used' },
  { name: 'PML4 table', bit: 12, width: 40, meaning: 'host-physical page of the top-level table' },
];

/** "Basic VM-Exit Information", 24.9.1. */
const EXIT_REASON: readonly BitField[] = [
  { name: 'basic reason', bit: 0, width: 16 },
  { name: 'enclave', bit: 27 },
  { name: 'pending MTF', bit: 28 },
  { name: 'from root', bit: 29 },
  { name: 'entry failure', bit: 31, meaning: 'the VM entry failed' },
];

const PENDING_DEBUG: readonly BitField[] = [
  { name: 'B0', bit: 0 },
  { name: 'B1', bit: 1 },
  { name: 'B2', bit: 2 },
  { name: 'B3', bit: 3 },
  { name: 'enabled breakpoint', bit: 12 },
  { name: 'BS', bit: 14, meaning: 'single step' },
  { name: 'RTM', bit: 16 },
];

const EXCEPTIONS: readonly BitField[] = Array.from({ length: 32 }, (_, bit) => ({ name: vectorName(bit), bit }));

const registerFields = (name: keyof typeof REGISTERS): readonly BitField[] =>
  (REGISTERS[name] as RegisterRow).fields ?? [];

const byKey = new Map<VmcsFieldKey, readonly BitField[]>();
for (const group of Object.keys(CONTROL_GROUPS) as ControlGroup[]) {
  byKey.set(
    CONTROL_GROUPS[group].field,
    CONTROL_KEYS.filter((key) => CONTROLS[key].group === group).map((key) => ({
      name: CONTROLS[key].name,
      bit: CONTROLS[key].bit,
    })),
  );
}
for (const side of ['GUEST', 'HOST'] as const) {
  byKey.set(`${side}_CR0`, registerFields('CR0'));
  byKey.set(`${side}_CR3`, registerFields('CR3'));
  byKey.set(`${side}_CR4`, registerFields('CR4'));
  byKey.set(`${side}_IA32_EFER`, registerFields('IA32_EFER'));
}
byKey.set('GUEST_RFLAGS', registerFields('RFLAGS'));
for (const [key, register] of [
  ['CR0_GUEST_HOST_MASK', 'CR0'],
  ['CR0_READ_SHADOW', 'CR0'],
  ['CR4_GUEST_HOST_MASK', 'CR4'],
  ['CR4_READ_SHADOW', 'CR4'],
] as const) {
  byKey.set(key, registerFields(register));
}
for (const segment of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const) {
  byKey.set(`GUEST_${segment}_AR`, ACCESS_RIGHTS_FIELDS);
}
byKey.set('GUEST_INTERRUPTIBILITY', INTERRUPTIBILITY);
byKey.set('GUEST_PENDING_DEBUG', PENDING_DEBUG);
byKey.set('ENTRY_INTR_INFO', INTERRUPTION);
byKey.set('EXIT_INTR_INFO', INTERRUPTION);
byKey.set('IDT_VECTORING_INFO', INTERRUPTION);
byKey.set('EPTP', EPTP);
byKey.set('EXIT_REASON', EXIT_REASON);
byKey.set('EXCEPTION_BITMAP', EXCEPTIONS);

/** Empty for fields that are one number. */
export const vmcsBits = (key: VmcsFieldKey): readonly BitField[] => byKey.get(key) ?? [];

/** Fields whose value is the address of something in memory, and in which space the person can look at it. */
const LINEAR =
  /_(RIP|RSP|GDTR_BASE|IDTR_BASE|TR_BASE|LDTR_BASE|[CDEFGS]S_BASE|SYSENTER_E[IS]P)$|^GUEST_LINEAR_ADDRESS$/;
const PHYSICAL =
  /_ADDR$|^(IO_BITMAP_[AB]|MSR_BITMAP|EPTP|PML_ADDRESS|VMREAD_BITMAP|VMWRITE_BITMAP|VE_INFO_ADDRESS|EPTP_LIST_ADDRESS)$|_CR3$/;

export function addressKindOf(key: VmcsFieldKey): 'linear' | 'guest-physical' | 'host-physical' | undefined {
  if (key === 'GUEST_PHYSICAL_ADDRESS' || key === 'GUEST_CR3') return 'guest-physical';
  if (LINEAR.test(key)) return 'linear';
  return PHYSICAL.test(key) ? 'host-physical' : undefined;
}
