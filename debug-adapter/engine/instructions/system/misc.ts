/** BOUND XLAT CMPXCHG8B CMPXCHG16B, the undefined opcodes, and instructions without visible effect here. */
import { Code } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { ZF } from '../../cpu/flags.ts';
import { BR, GP, GuestFault, raise } from '../../cpu/guest-fault.ts';
import { MASK_32, MASK_64 } from '../../cpu/stack.ts';
import { signExtend } from '../../cpu/operands.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { forms, intercept, nothing, undefinedOpcode, type Form } from './forms.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

const wrap = (cpu: Cpu, linear: bigint): bigint => linear & (cpu.state.codeBits === 64 ? MASK_64 : MASK_32);

const bound =
  (bytes: 2 | 4): SystemInstruction =>
  (cpu, instruction) => {
    const index = signExtend(cpu.readOperand(instruction, 0, bytes), bytes);
    const linear = cpu.linearOperand(instruction, bytes * 2, 'read');
    const lower = signExtend(cpu.readLinear(linear, bytes), bytes);
    const upper = signExtend(cpu.readLinear(wrap(cpu, linear + BigInt(bytes)), bytes), bytes);
    if (index < lower || index > upper) throw new GuestFault(BR, undefined, 'array index outside its bounds');
  };

const xlat: SystemInstruction = (cpu, instruction) => {
  const value = cpu.readOperand(instruction, 0, 1);
  cpu.state.setGpr(RAX, (cpu.state.gpr(RAX) & ~0xffn) | value);
};

function setZero(cpu: Cpu, on: boolean): void {
  const state = cpu.state;
  state.arithmeticFlags = on ? state.arithmeticFlags | ZF : state.arithmeticFlags & ~ZF;
}

/** Compares EDX:EAX with memory; equal stores ECX:EBX. The write happens in either case, so that its faults do. */
const cmpxchg8b: SystemInstruction = (cpu, instruction) => {
  const state = cpu.state;
  const linear = cpu.linearOperand(instruction, 8, 'write');
  cpu.checkWritable(linear, 8);
  const old = cpu.readLinear(linear, 8);
  const expected = (BigInt(state.gpr32(RDX)) << 32n) | BigInt(state.gpr32(RAX));
  const equal = old === expected;
  cpu.writeLinear(linear, 8, equal ? (BigInt(state.gpr32(RCX)) << 32n) | BigInt(state.gpr32(RBX)) : old);
  if (!equal) {
    state.setGpr(RAX, old & MASK_32);
    state.setGpr(RDX, old >> 32n);
  }
  setZero(cpu, equal);
};

const cmpxchg16b: SystemInstruction = (cpu, instruction) => {
  const state = cpu.state;
  const linear = cpu.linearOperand(instruction, 16, 'write');
  if ((linear & 15n) !== 0n) raise(GP, 0, 'CMPXCHG16B operand not aligned to 16 bytes');
  cpu.checkWritable(linear, 16);
  const low = cpu.readLinear(linear, 8);
  const high = cpu.readLinear(linear + 8n, 8);
  const equal = low === state.gpr(RAX) && high === state.gpr(RDX);
  cpu.writeLinear(linear, 8, equal ? state.gpr(RBX) : low);
  cpu.writeLinear(linear + 8n, 8, equal ? state.gpr(RCX) : high);
  if (!equal) {
    state.setGpr(RAX, low);
    state.setGpr(RDX, high);
  }
  setZero(cpu, equal);
};

const pause: SystemInstruction = (cpu, instruction) => {
  intercept(cpu, { kind: 'pause' }, instruction);
  cpu.pause();
};

const unsupported =
  (because: string): SystemInstruction =>
  () =>
    undefinedOpcode(because);

const rsm: SystemInstruction = (cpu: Cpu, instruction: DecodedInstruction) => {
  intercept(cpu, { kind: 'rsm' }, instruction);
  undefinedOpcode('RSM outside system-management mode');
};

const pops: readonly Form[] = [];

/** Instructions that a feature bit would announce and CPUID does not: they are undefined on this processor. */
const ABSENT: readonly Form[] = [...forms([Code.Getsecd, Code.Getsecq], unsupported('SMX is not advertised'))];

export const MISCELLANEOUS: readonly Form[] = [
  [Code.Bound_r16_m1616, bound(2)],
  [Code.Bound_r32_m3232, bound(4)],
  [Code.Xlat_m8, xlat],
  [Code.Cmpxchg8b_m64, cmpxchg8b],
  [Code.Cmpxchg16b_m128, cmpxchg16b],
  ...pops,
  [Code.Pause, pause],
  [Code.Rsm, rsm],
  ...forms(
    [
      Code.Ud0,
      Code.Ud0_r16_rm16,
      Code.Ud0_r32_rm32,
      Code.Ud0_r64_rm64,
      Code.Ud1_r16_rm16,
      Code.Ud1_r32_rm32,
      Code.Ud1_r64_rm64,
      Code.Ud2,
    ],
    unsupported('undefined on purpose'),
  ),
  ...forms([Code.Lfence, Code.Mfence, Code.Sfence], nothing),
  ...forms(
    [
      Code.Prefetch_m8,
      Code.Prefetchw_m8,
      Code.Prefetchwt1_m8,
      Code.Prefetchnta_m8,
      Code.Prefetcht0_m8,
      Code.Prefetcht1_m8,
      Code.Prefetcht2_m8,
    ],
    nothing,
  ),
  ...ABSENT,
];
