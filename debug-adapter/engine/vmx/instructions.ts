/** The VMX instructions as guest code executes them: faults in the order of the manual, operands, then `operations.ts`. */
import { Code } from 'iced-x86';
import type { Cpu, InterceptedInstruction } from '../cpu/context.ts';
import { CR4, VMX_NON_ROOT, VMX_OFF } from '../cpu/control-bits.ts';
import { GP, raise, UD } from '../cpu/guest-fault.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { is64Bit, isLongMode, isProtected, isVirtual8086 } from '../cpu/modes.ts';
import type { SystemInstruction } from '../instructions/system-instruction.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import {
  CR0_FIXED0,
  CR0_FIXED1,
  CR4_FIXED0,
  FEATURE_CONTROL_LOCK,
  FEATURE_CONTROL_VMXON_OUTSIDE_SMX,
} from './capabilities.ts';
import { hex } from './hex.ts';
import { respectsFixedBits } from './checks/host.ts';
import { VmxContext } from './context.ts';
import { enter } from './entry.ts';
import type { EntryInstruction } from './entry.ts';
import * as operations from './operations.ts';

type Mnemonic = Extract<InterceptedInstruction, { readonly kind: 'vmx' }>['mnemonic'];

/** VT-x of a processor: what is plugged into its VMX port. */
function vmxOf(cpu: Cpu): VmxContext {
  if (cpu.vmx instanceof VmxContext) return cpu.vmx;
  throw new Error('Invariant broken: the processor has no VT-x plugged in');
}

/** The modes in which no VMX instruction exists: real-address, virtual-8086 and compatibility mode. */
function checkMode(cpu: Cpu): void {
  const { state } = cpu;
  if (!isProtected(state)) raise(UD, undefined, 'VMX instruction in real-address mode');
  if (isVirtual8086(state)) raise(UD, undefined, 'VMX instruction in virtual-8086 mode');
  if (isLongMode(state) && !is64Bit(state)) raise(UD, undefined, 'VMX instruction in compatibility mode');
}

const mode = (cpu: Cpu): number => cpu.state.get32(LAYOUT.vmxMode);

function checkPrivilege(cpu: Cpu): void {
  if (cpu.state.cpl !== 0) raise(GP, 0, 'VMX instruction above CPL 0');
}

/** #UD, exit in non-root operation, #GP: what all VMX instructions but VMXON and VMCALL begin with. */
function begin(cpu: Cpu, instruction: DecodedInstruction, mnemonic: Mnemonic): VmxContext {
  if (mode(cpu) === VMX_OFF)
    raise(UD, undefined, `${mnemonic.toUpperCase()} outside VMX operation: execute VMXON first`);
  checkMode(cpu);
  if (mode(cpu) === VMX_NON_ROOT) cpu.intercepts.instruction({ kind: 'vmx', mnemonic }, instruction);
  checkPrivilege(cpu);
  return vmxOf(cpu);
}

const readPointer = (cpu: Cpu, instruction: DecodedInstruction): bigint =>
  cpu.readLinear(cpu.linearOperand(instruction, 8, 'read'), 8);

/** The 128-bit descriptor of INVEPT and INVVPID. */
function readDescriptor(cpu: Cpu, instruction: DecodedInstruction): readonly [bigint, bigint] {
  const linear = cpu.linearOperand(instruction, 16, 'read');
  const low = cpu.readLinear(linear, 8);
  return [low, cpu.readLinear(is64Bit(cpu.state) ? linear + 8n : (linear + 8n) & 0xffff_ffffn, 8)];
}

const operandBytes = (cpu: Cpu): 4 | 8 => (is64Bit(cpu.state) ? 8 : 4);

function vmxon(cpu: Cpu, instruction: DecodedInstruction): void {
  const { state } = cpu;
  checkMode(cpu);
  if ((state.low(LAYOUT.cr4) & CR4.VMXE) === 0)
    raise(UD, undefined, 'VMXON with CR4.VMXE = 0: set bit 13 of CR4 first');
  if (mode(cpu) === VMX_NON_ROOT) cpu.intercepts.instruction({ kind: 'vmx', mnemonic: 'vmxon' }, instruction);
  checkPrivilege(cpu);
  const vmx = vmxOf(cpu);
  if (mode(cpu) !== VMX_OFF) {
    operations.vmxonAgain(vmx);
    return;
  }
  const cr0 = state.get64(LAYOUT.cr0);
  if (!respectsFixedBits(cr0, CR0_FIXED0, CR0_FIXED1, 0n))
    raise(
      GP,
      0,
      `VMXON with CR0 = ${hex(cr0)}: IA32_VMX_CR0_FIXED0 (486h) wants the bits ${hex(CR0_FIXED0 & ~cr0)} set`,
    );
  const cr4 = state.get64(LAYOUT.cr4);
  if (!respectsFixedBits(cr4, CR4_FIXED0, vmx.capabilities.cr4Fixed1, 0n))
    raise(GP, 0, `VMXON with CR4 = ${hex(cr4)}: not allowed by IA32_VMX_CR4_FIXED1 (489h)`);
  const control = state.low(LAYOUT.featureControl);
  const needed = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON_OUTSIDE_SMX;
  if ((control & needed) !== needed)
    raise(GP, 0, 'VMXON while IA32_FEATURE_CONTROL (3Ah) is not locked with bit 2 set');
  operations.vmxon(vmx, readPointer(cpu, instruction));
}

function vmcall(cpu: Cpu, instruction: DecodedInstruction): void {
  if (mode(cpu) === VMX_OFF) raise(UD, undefined, 'VMCALL outside VMX operation: there is no hypervisor');
  if (mode(cpu) === VMX_NON_ROOT) cpu.intercepts.instruction({ kind: 'vmx', mnemonic: 'vmcall' }, instruction);
  checkMode(cpu);
  checkPrivilege(cpu);
  operations.vmcallInRoot(vmxOf(cpu));
}

const enterWith =
  (instruction: EntryInstruction): SystemInstruction =>
  (cpu, decoded) => {
    const vmx = begin(cpu, decoded, instruction === 'VMLAUNCH' ? 'vmlaunch' : 'vmresume');
    enter(vmx, instruction);
  };

const vmread: SystemInstruction = (cpu, instruction) => {
  const vmx = begin(cpu, instruction, 'vmread');
  const bytes = operandBytes(cpu);
  const value = operations.vmread(vmx, cpu.readOperand(instruction, 1, bytes));
  if (value !== undefined) cpu.writeOperand(instruction, 0, bytes, bytes === 4 ? value & 0xffff_ffffn : value);
};

const vmwrite: SystemInstruction = (cpu, instruction) => {
  const vmx = begin(cpu, instruction, 'vmwrite');
  const bytes = operandBytes(cpu);
  // Without a current VMCS the memory operand is not read (it could fault).
  const value = vmx.hasCurrent ? cpu.readOperand(instruction, 1, bytes) : 0n;
  operations.vmwrite(vmx, cpu.readOperand(instruction, 0, bytes), value, vmx.here());
};

const vmptrst: SystemInstruction = (cpu, instruction) => {
  const vmx = begin(cpu, instruction, 'vmptrst');
  const linear = cpu.linearOperand(instruction, 8, 'write');
  cpu.writeLinear(linear, 8, cpu.state.get64(LAYOUT.vmcsPointer));
  operations.vmptrst(vmx);
};

const withPointer =
  (mnemonic: 'vmclear' | 'vmptrld'): SystemInstruction =>
  (cpu, instruction) => {
    const vmx = begin(cpu, instruction, mnemonic);
    operations[mnemonic](vmx, readPointer(cpu, instruction));
  };

const invalidate =
  (mnemonic: 'invept' | 'invvpid'): SystemInstruction =>
  (cpu, instruction) => {
    const vmx = begin(cpu, instruction, mnemonic);
    const type = cpu.readOperand(instruction, 0, operandBytes(cpu));
    operations[mnemonic](vmx, type, () => readDescriptor(cpu, instruction));
  };

const vmfunc: SystemInstruction = () => raise(UD, undefined, 'VMFUNC: "enable VM functions" is not offered');

export const VMX_INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = new Map<number, SystemInstruction>([
  [Code.Vmxon_m64, vmxon],
  [
    Code.Vmxoff,
    (cpu, instruction) => {
      operations.vmxoff(begin(cpu, instruction, 'vmxoff'));
    },
  ],
  [Code.Vmclear_m64, withPointer('vmclear')],
  [Code.Vmptrld_m64, withPointer('vmptrld')],
  [Code.Vmptrst_m64, vmptrst],
  [Code.Vmread_rm32_r32, vmread],
  [Code.Vmread_rm64_r64, vmread],
  [Code.Vmwrite_r32_rm32, vmwrite],
  [Code.Vmwrite_r64_rm64, vmwrite],
  [Code.Vmlaunch, enterWith('VMLAUNCH')],
  [Code.Vmresume, enterWith('VMRESUME')],
  [Code.Vmcall, vmcall],
  [Code.Vmfunc, vmfunc],
  [Code.Invept_r32_m128, invalidate('invept')],
  [Code.Invept_r64_m128, invalidate('invept')],
  [Code.Invvpid_r32_m128, invalidate('invvpid')],
  [Code.Invvpid_r64_m128, invalidate('invvpid')],
]);
