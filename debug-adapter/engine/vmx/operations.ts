/**
 * The meaning of the VMX instructions behind their faults and operands (SDM Vol. 3C, "VMX Instruction Reference", 30.3), shared
 * by guest code and by the built-in hypervisor. Each returns whether it succeeded; flags and error number are set.
 */
import { isCanonical } from '../cpu/modes.ts';
import { VMX_OFF, VMX_ROOT } from '../cpu/control-bits.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { REVISION_IDENTIFIER } from './capabilities.ts';
import type { VmxContext } from './context.ts';
import { NO_VMCS } from './context.ts';
import { eptPointerIsValid } from './ept-pointer.ts';
import { INSTRUCTION_ERRORS } from './instruction-errors.ts';
import { fail, failInvalid, failValid, succeed } from './outcome.ts';
import type { FieldAccess } from './vmcs-fields.ts';
import { fieldAccess } from './vmcs-fields.ts';
import type { FieldWrite } from './vmcs.ts';

const succeeded = (vmx: VmxContext): true => {
  succeed(vmx.cpu);
  return true;
};

/** A region address: 4 KiB aligned and within the physical-address width. */
const isRegionAddress = (vmx: VmxContext, address: bigint): boolean =>
  (address & 0xfffn) === 0n && address >> BigInt(vmx.capabilities.facts.physicalBits) === 0n;

const isVmxonPointer = (vmx: VmxContext, address: bigint): boolean =>
  address === vmx.cpu.state.get64(LAYOUT.vmxonPointer);

/** VMXON outside VMX operation, with its #GP conditions already checked. */
export function vmxon(vmx: VmxContext, address: bigint): boolean {
  const { cpu } = vmx;
  const { state } = cpu;
  if (!isRegionAddress(vmx, address) || cpu.physical.read(Number(address), 4) !== REVISION_IDENTIFIER) {
    failInvalid(vmx, 'VMXON');
    return false;
  }
  state.set64(LAYOUT.vmxonPointer, address);
  state.set64(LAYOUT.vmcsPointer, NO_VMCS);
  state.set32(LAYOUT.vmxMode, VMX_ROOT);
  cpu.modeChanged();
  return succeeded(vmx);
}

/** VMXON in VMX root operation. */
export function vmxonAgain(vmx: VmxContext): boolean {
  fail(vmx, 'VMXON', INSTRUCTION_ERRORS.vmxonInRoot.number);
  return false;
}

export function vmxoff(vmx: VmxContext): boolean {
  const { state } = vmx.cpu;
  state.set32(LAYOUT.vmxMode, VMX_OFF);
  state.set64(LAYOUT.vmxonPointer, NO_VMCS);
  state.set64(LAYOUT.vmcsPointer, NO_VMCS);
  vmx.cpu.modeChanged();
  return succeeded(vmx);
}

export function vmclear(vmx: VmxContext, address: bigint): boolean {
  if (!isRegionAddress(vmx, address)) {
    fail(vmx, 'VMCLEAR', INSTRUCTION_ERRORS.vmclearBadAddress.number);
    return false;
  }
  if (isVmxonPointer(vmx, address)) {
    fail(vmx, 'VMCLEAR', INSTRUCTION_ERRORS.vmclearVmxonPointer.number);
    return false;
  }
  vmx.store.at(Number(address)).clear();
  const { state } = vmx.cpu;
  if (state.get64(LAYOUT.vmcsPointer) === address) state.set64(LAYOUT.vmcsPointer, NO_VMCS);
  return succeeded(vmx);
}

export function vmptrld(vmx: VmxContext, address: bigint): boolean {
  const { cpu } = vmx;
  if (!isRegionAddress(vmx, address)) {
    fail(vmx, 'VMPTRLD', INSTRUCTION_ERRORS.vmptrldBadAddress.number);
    return false;
  }
  if (isVmxonPointer(vmx, address)) {
    fail(vmx, 'VMPTRLD', INSTRUCTION_ERRORS.vmptrldVmxonPointer.number);
    return false;
  }
  // Bit 31 marks a shadow VMCS, which this processor does not have: the whole dword has to match.
  if (cpu.physical.read(Number(address), 4) !== REVISION_IDENTIFIER) {
    fail(vmx, 'VMPTRLD', INSTRUCTION_ERRORS.vmptrldBadRevision.number);
    return false;
  }
  cpu.state.set64(LAYOUT.vmcsPointer, address);
  return succeeded(vmx);
}

/** Current-VMCS pointer; FFFFFFFF_FFFFFFFFh where there is none. */
export function vmptrst(vmx: VmxContext): bigint {
  succeed(vmx.cpu);
  return vmx.cpu.state.get64(LAYOUT.vmcsPointer);
}

/** The field behind an encoding where this processor has it. */
function supported(vmx: VmxContext, encoding: bigint): FieldAccess | undefined {
  if (encoding > 0xffff_ffffn) return undefined;
  const access = fieldAccess(Number(encoding));
  return access !== undefined && vmx.capabilities.hasField(access.field.key) ? access : undefined;
}

/** VMREAD: the value zero-extended to 64 bits; undefined where it fails. */
export function vmread(vmx: VmxContext, encoding: bigint): bigint | undefined {
  if (!vmx.hasCurrent) {
    failInvalid(vmx, 'VMREAD');
    return undefined;
  }
  const access = supported(vmx, encoding);
  if (access === undefined) {
    failValid(vmx, 'VMREAD', INSTRUCTION_ERRORS.unsupportedField.number);
    return undefined;
  }
  succeed(vmx.cpu);
  const value = vmx.current.read(access.field.key);
  return access.high ? value >> 32n : value;
}

/** VMWRITE with a value zero-extended from the operand size: outside 64-bit mode a full access clears bits 63:32. */
export function vmwrite(vmx: VmxContext, encoding: bigint, value: bigint, by: FieldWrite): boolean {
  if (!vmx.hasCurrent) {
    failInvalid(vmx, 'VMWRITE');
    return false;
  }
  const access = supported(vmx, encoding);
  if (access === undefined) {
    failValid(vmx, 'VMWRITE', INSTRUCTION_ERRORS.unsupportedField.number);
    return false;
  }
  const { field, high } = access;
  if (field.readOnly) {
    failValid(vmx, 'VMWRITE', INSTRUCTION_ERRORS.vmwriteReadOnly.number);
    return false;
  }
  const vmcs = vmx.current;
  const whole = high ? (vmcs.read(field.key) & 0xffff_ffffn) | ((value & 0xffff_ffffn) << 32n) : value;
  vmcs.programWrite(field.key, whole, by);
  return succeeded(vmx);
}

/** VMCALL in VMX root operation: there is no SMM monitor to call. */
export function vmcallInRoot(vmx: VmxContext): boolean {
  fail(vmx, 'VMCALL', INSTRUCTION_ERRORS.vmcallInRoot.number);
  return false;
}

const INVEPT_SINGLE = 1n;
const INVEPT_ALL = 2n;

/** INVEPT of a type; the descriptor's two quadwords are read only for a supported type. */
export function invept(vmx: VmxContext, type: bigint, descriptor: () => readonly [bigint, bigint]): boolean {
  const refuse = (): boolean => {
    fail(vmx, 'INVEPT', INSTRUCTION_ERRORS.invalidInvalidationOperand.number);
    return false;
  };
  if (type !== INVEPT_SINGLE && type !== INVEPT_ALL) return refuse();
  const [pointer, reserved] = descriptor();
  if (type === INVEPT_SINGLE) {
    if (reserved !== 0n || !eptPointerIsValid(pointer, vmx.capabilities.facts.physicalBits)) return refuse();
    vmx.cpu.flushTlb({ eptPointer: pointer });
  } else vmx.cpu.flushTlb('all');
  return succeeded(vmx);
}

const INVVPID_ADDRESS = 0n;
const INVVPID_SINGLE = 1n;
const INVVPID_ALL = 2n;
const INVVPID_SINGLE_RETAINING_GLOBALS = 3n;

/** INVVPID; more than asked for may be dropped (SDM Vol. 3C, 28.3.3.1), so an address drops its whole VPID. */
export function invvpid(vmx: VmxContext, type: bigint, descriptor: () => readonly [bigint, bigint]): boolean {
  const refuse = (): boolean => {
    fail(vmx, 'INVVPID', INSTRUCTION_ERRORS.invalidInvalidationOperand.number);
    return false;
  };
  if (type > INVVPID_SINGLE_RETAINING_GLOBALS) return refuse();
  const [first, linear] = descriptor();
  if (first >> 16n !== 0n) return refuse();
  const vpid = Number(first);
  switch (type) {
    case INVVPID_ALL:
      vmx.cpu.flushTlb('all');
      return succeeded(vmx);
    case INVVPID_ADDRESS:
      if (!isCanonical(linear, vmx.cpu.linearBits)) return refuse();
      break;
    case INVVPID_SINGLE:
    case INVVPID_SINGLE_RETAINING_GLOBALS:
      break;
  }
  if (vpid === 0) return refuse();
  vmx.cpu.flushTlb({ vpid });
  return succeeded(vmx);
}
