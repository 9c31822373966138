/** A guest's state gathered while its hypervisor runs: general registers from the processor, the rest from the VMCS. */
import { VMX_NON_ROOT } from '../cpu/control-bits.ts';
import { deriveMode } from '../cpu/derive-mode.ts';
import { CPU_STATE_BYTES, LAYOUT, SEGMENT_NAMES } from '../cpu/layout.ts';
import { CpuState } from '../cpu/state.ts';
import type { Vmcs } from '../vmx/vmcs.ts';
import type { VmcsFieldKey } from '../vmx/types.ts';

const RSP_AT = LAYOUT.gpr + 8 * 4;

/** Fields that hold a register whole. */
const FIELDS: readonly (readonly [VmcsFieldKey, number])[] = [
  ['GUEST_CR3', LAYOUT.cr3],
  ['GUEST_CR4', LAYOUT.cr4],
  ['GUEST_RSP', RSP_AT],
  ['GUEST_RIP', LAYOUT.rip],
  ['GUEST_GDTR_BASE', LAYOUT.gdtrBase],
  ['GUEST_IDTR_BASE', LAYOUT.idtrBase],
  ['GUEST_SYSENTER_ESP', LAYOUT.sysenterEsp],
  ['GUEST_SYSENTER_EIP', LAYOUT.sysenterEip],
  ['GUEST_CR0', LAYOUT.cr0],
  ['GUEST_DR7', LAYOUT.dr7],
  ['GUEST_IA32_EFER', LAYOUT.efer],
  ['GUEST_IA32_PAT', LAYOUT.pat],
  ['GUEST_IA32_DEBUGCTL', LAYOUT.debugctl],
  ['EPTP', LAYOUT.eptPointer],
];
const NARROW_FIELDS: readonly (readonly [VmcsFieldKey, number])[] = [
  ['GUEST_GDTR_LIMIT', LAYOUT.gdtrLimit],
  ['GUEST_IDTR_LIMIT', LAYOUT.idtrLimit],
  ['GUEST_ACTIVITY', LAYOUT.activity],
  ['GUEST_INTERRUPTIBILITY', LAYOUT.interruptibility],
];

/** A copy of the processor state as the guest will find it at the next VM entry. */
export function guestStateOf(cpu: CpuState, vmcs: Vmcs): CpuState {
  const copy = new CpuState({ buffer: new ArrayBuffer(CPU_STATE_BYTES) }, 0, cpu.index);
  copy.words.set(cpu.words);
  for (const [field, at] of FIELDS) copy.set64(at, vmcs.read(field));
  for (const [field, at] of NARROW_FIELDS) copy.set32(at, vmcs.low(field));
  for (const name of SEGMENT_NAMES)
    copy.setSegment(name, {
      selector: vmcs.low(`GUEST_${name}_SELECTOR`),
      base: vmcs.read(`GUEST_${name}_BASE`),
      limit: vmcs.low(`GUEST_${name}_LIMIT`),
      accessRights: vmcs.low(`GUEST_${name}_AR`),
    });
  copy.rflags = vmcs.low('GUEST_RFLAGS');
  copy.set32(LAYOUT.vmxMode, VMX_NON_ROOT);
  deriveMode(copy);
  return copy;
}

/** Writes a changed copy back: general registers to the processor, the rest to the VMCS. RSP is in both. */
export function keepGuestState(copy: CpuState, cpu: CpuState, vmcs: Vmcs): void {
  for (let at = LAYOUT.gpr; at < LAYOUT.zero; at += 8) if (at !== RSP_AT) cpu.set64(at, copy.get64(at));
  const write = (field: VmcsFieldKey, value: bigint) => {
    if (vmcs.read(field) !== value) vmcs.programWrite(field, value, undefined);
  };
  for (const [field, at] of FIELDS) write(field, copy.get64(at));
  for (const [field, at] of NARROW_FIELDS) write(field, BigInt(copy.get32(at) >>> 0));
  for (const name of SEGMENT_NAMES) {
    const value = copy.segment(name);
    write(`GUEST_${name}_SELECTOR`, BigInt(value.selector));
    write(`GUEST_${name}_BASE`, value.base);
    write(`GUEST_${name}_LIMIT`, BigInt(value.limit));
    write(`GUEST_${name}_AR`, BigInt(value.accessRights));
  }
  write('GUEST_RFLAGS', BigInt(copy.rflags >>> 0));
}
