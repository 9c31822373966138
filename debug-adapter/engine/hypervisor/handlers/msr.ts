/** RDMSR and WRMSR. Some MSRs are fields of the VMCS while the guest does not run, others are still in the processor. */
import { debugctlBits } from '../../cpu/branch-records.ts';
import { CR0, EFER } from '../../cpu/control-bits.ts';
import { GP, GuestFault } from '../../cpu/guest-fault.ts';
import { isCanonical } from '../../cpu/modes.ts';
import { patIsValid } from '../../vmx/checks/host.ts';
import type { VmcsFieldKey } from '../../vmx/types.ts';
import type { HypervisorContext } from '../context.ts';
import { VPID } from '../host-layout.ts';
import { step, type ExitHandler } from '../steps.ts';
import { advanceAndResume, faultAndResume } from './common.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const IA32_FEATURE_CONTROL = 0x3a;
/** IA32_VMX_BASIC to IA32_VMX_EXIT_CTLS2. */
const FIRST_CAPABILITY = 0x480;
const LAST_CAPABILITY = 0x493;

/** Gives why a value is refused with #GP(0), or stores it. */
type FieldWrite = (hypervisor: HypervisorContext, field: VmcsFieldKey, value: bigint) => 'refused' | 'written';

const written = (hypervisor: HypervisorContext, field: VmcsFieldKey, value: bigint): 'written' => {
  hypervisor.guest.write(field, value);
  return 'written';
};
const canonicalOnly: FieldWrite = (hypervisor, field, value) =>
  isCanonical(value, hypervisor.cpu.linearBits) ? written(hypervisor, field, value) : 'refused';

/** Reserved bits refuse, LMA is kept, LME cannot change under paging (SDM Vol. 4, IA32_EFER; Vol. 3A, 9.8.5). */
const writeEfer: FieldWrite = (hypervisor, field, value) => {
  const { guest, vmx, cpu } = hypervisor;
  const low = Number(value & 0xffff_ffffn);
  const old = guest.low(field);
  if (value >> 32n !== 0n || (low & ~cpu.features.eferBits) !== 0) return 'refused';
  if ((guest.low('GUEST_CR0') & CR0.PG) !== 0 && ((low ^ old) & EFER.LME) !== 0) return 'refused';
  guest.writeLow(field, (low & ~EFER.LMA) | (old & EFER.LMA));
  if (((low ^ old) & EFER.NXE) !== 0) vmx.invvpidSingle(VPID);
  return 'written';
};

const writeDebugctl: FieldWrite = (hypervisor, field, value) =>
  (value & ~debugctlBits(hypervisor.cpu.features)) !== 0n ? 'refused' : written(hypervisor, field, value);

/** An MSR whose guest value is a field of the guest-state area. */
interface FieldMsr {
  readonly field: VmcsFieldKey;
  readonly write: FieldWrite;
}
const FIELD_MSRS: ReadonlyMap<number, FieldMsr> = new Map<number, FieldMsr>([
  [0x174, { field: 'GUEST_SYSENTER_CS', write: written }],
  [0x175, { field: 'GUEST_SYSENTER_ESP', write: canonicalOnly }],
  [0x176, { field: 'GUEST_SYSENTER_EIP', write: canonicalOnly }],
  [0x1d9, { field: 'GUEST_IA32_DEBUGCTL', write: writeDebugctl }],
  [
    0x277,
    { field: 'GUEST_IA32_PAT', write: (h, field, value) => (patIsValid(value) ? written(h, field, value) : 'refused') },
  ],
  [0xc000_0080, { field: 'GUEST_IA32_EFER', write: writeEfer }],
  [0xc000_0100, { field: 'GUEST_FS_BASE', write: canonicalOnly }],
  [0xc000_0101, { field: 'GUEST_GS_BASE', write: canonicalOnly }],
]);

/** MSRs that belong to features which the guest is told not to have: they do not exist for it. */
const isHidden = (index: number): boolean =>
  index === IA32_FEATURE_CONTROL || (index >= FIRST_CAPABILITY && index <= LAST_CAPABILITY);

/** The value that the guest reads; undefined: #GP(0). An MSR that the machine lacks stops it by name. */
function readGuestMsr(hypervisor: HypervisorContext, index: number): bigint | undefined {
  if (isHidden(index)) return undefined;
  const row = FIELD_MSRS.get(index);
  if (row !== undefined) return hypervisor.guest.read(row.field);
  try {
    return hypervisor.cpu.readMsr(index);
  } catch (thrown) {
    if (thrown instanceof GuestFault) return undefined;
    throw thrown;
  }
}

function writeGuestMsr(hypervisor: HypervisorContext, index: number, value: bigint): 'refused' | 'written' {
  if (isHidden(index)) return 'refused';
  const row = FIELD_MSRS.get(index);
  if (row !== undefined) return row.write(hypervisor, row.field, value);
  try {
    hypervisor.cpu.writeMsr(index, value);
    return 'written';
  } catch (thrown) {
    if (thrown instanceof GuestFault) return 'refused';
    throw thrown;
  }
}

const READ_INDEX = step('read the MSR index', 'The guest has the index in ECX and, for WRMSR, the value in EDX:EAX.');
const READ_MSR = step(
  'read the MSR',
  "Take the guest's value from its VMCS field, or from the processor where entry and exit leave it.",
);
const WRITE_RESULT = step('write RDX:RAX', 'Give the guest the value in EDX:EAX.', { registers: ['RAX', 'RDX'] });
const WRITE_MSR = step('write the MSR', 'Check the value, then put it into the VMCS field or the processor.', {
  vmcs: [...FIELD_MSRS.values()].map(({ field }) => field),
  registers: ['IA32_STAR', 'IA32_LSTAR', 'IA32_CSTAR', 'IA32_FMASK', 'IA32_KERNEL_GS_BASE', 'IA32_APIC_BASE'],
  memory: ['MSRs without a name in the register table'],
});

export const handleRdmsr: ExitHandler = function* (hypervisor) {
  const { guest, cpu } = hypervisor;
  yield READ_INDEX;
  const index = cpu.state.gpr32(RCX);
  yield READ_MSR;
  const value = readGuestMsr(hypervisor, index);
  if (value === undefined) {
    yield* faultAndResume(hypervisor, GP);
    return;
  }
  yield WRITE_RESULT;
  guest.setGeneral32(RAX, Number(value & 0xffff_ffffn));
  guest.setGeneral32(RDX, Number(value >> 32n));
  yield* advanceAndResume(hypervisor);
};

export const handleWrmsr: ExitHandler = function* (hypervisor) {
  const { cpu } = hypervisor;
  yield READ_INDEX;
  const index = cpu.state.gpr32(RCX);
  const value = (BigInt(cpu.state.gpr32(RDX)) << 32n) | BigInt(cpu.state.gpr32(RAX));
  yield WRITE_MSR;
  if (writeGuestMsr(hypervisor, index, value) === 'refused') yield* faultAndResume(hypervisor, GP);
  else yield* advanceAndResume(hypervisor);
};
