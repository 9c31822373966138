/**
 * The VM-exit instruction-information field and the qualification of instructions with a memory operand (SDM Vol. 3C,
 * "Information for VM Exits Due to Instruction Execution", 27.2.5, and "Basic VM-Exit Information", 27.2.1).
 */
import { OpKind, Register } from 'iced-x86';
import type { DecodedInstruction } from '../isa/decode.ts';
import { registerInfo } from '../isa/registers.ts';

const ADDRESS_SIZE_AT = 7;
const REGISTER_FORM = 1 << 10;
const OPERAND_SIZE_32 = 1 << 11;
const SEGMENT_AT = 15;
const INDEX_AT = 18;
const INDEX_INVALID = 1 << 22;
const BASE_AT = 23;
const BASE_INVALID = 1 << 27;
const REG2_AT = 28;
const IDENTITY_AT = 28;
const REG1_AT = 3;

const numberOf = (register: number): number => registerInfo(register)?.number ?? 0;
const addressSize = (instruction: DecodedInstruction): number =>
  (instruction.addressSize === 2 ? 0 : instruction.addressSize === 4 ? 1 : 2) << ADDRESS_SIZE_AT;
/** ES CS SS DS FS GS as the field numbers them: the encoding order. */
const segment = (instruction: DecodedInstruction): number =>
  (instruction.segment === 0 ? 3 : numberOf(instruction.segment)) << SEGMENT_AT;
const isRip = (register: number): boolean => register === Register.RIP || register === Register.EIP;

/** Scaling, address size, segment, index and base of a memory operand. */
function memoryBits(instruction: DecodedInstruction): number {
  const { memoryBase, memoryIndex, memoryScale } = instruction;
  const scaling = memoryScale === 2 ? 1 : memoryScale === 4 ? 2 : memoryScale === 8 ? 3 : 0;
  const index = memoryIndex === 0 ? INDEX_INVALID : numberOf(memoryIndex) << INDEX_AT;
  const base = memoryBase === 0 || isRip(memoryBase) ? BASE_INVALID : numberOf(memoryBase) << BASE_AT;
  return scaling | addressSize(instruction) | segment(instruction) | index | base;
}

/** INS and OUTS: address size, and for OUTS the segment. */
export const insOutsInformation = (instruction: DecodedInstruction, direction: 'in' | 'out'): number =>
  addressSize(instruction) | (direction === 'out' ? segment(instruction) : 0);

/** VMCLEAR, VMPTRLD, VMPTRST, VMXON: a memory operand and nothing else. */
export const memoryInformation = (instruction: DecodedInstruction): number => memoryBits(instruction) >>> 0;

/** INVEPT, INVVPID, INVPCID: the memory descriptor, and the register with the type in bits 31:28. */
export const invalidationInformation = (instruction: DecodedInstruction): number =>
  (memoryBits(instruction) | (numberOf(instruction.op0Register) << REG2_AT)) >>> 0;

const DESCRIPTOR_TABLE_IDENTITY = {
  sgdt: 0,
  sidt: 1,
  lgdt: 2,
  lidt: 3,
  sldt: 0,
  str: 1,
  lldt: 2,
  ltr: 3,
} as const;

/** LGDT, LIDT, SGDT, SIDT: `bits` is the code size, `operand32` whether the operand size is 32 bits. */
export const tableInformation = (
  instruction: DecodedInstruction,
  mnemonic: 'lgdt' | 'lidt' | 'sgdt' | 'sidt',
  operand32: boolean,
): number =>
  (memoryBits(instruction) |
    (operand32 ? OPERAND_SIZE_32 : 0) |
    (DESCRIPTOR_TABLE_IDENTITY[mnemonic] << IDENTITY_AT)) >>>
  0;

/** LLDT, LTR, SLDT, STR: a register or a memory operand. */
export const selectorInformation = (
  instruction: DecodedInstruction,
  mnemonic: 'lldt' | 'ltr' | 'sldt' | 'str',
): number => {
  const identity = DESCRIPTOR_TABLE_IDENTITY[mnemonic] << IDENTITY_AT;
  return instruction.op0Kind === OpKind.Register
    ? (identity | REGISTER_FORM | (numberOf(instruction.op0Register) << REG1_AT)) >>> 0
    : (identity | memoryBits(instruction)) >>> 0;
};

/** VMREAD (r/m first) and VMWRITE (r/m second): the r/m operand, and the register with the encoding in bits 31:28. */
export const fieldAccessInformation = (instruction: DecodedInstruction, mnemonic: 'vmread' | 'vmwrite'): number => {
  const [rmKind, rmRegister, other] =
    mnemonic === 'vmread'
      ? [instruction.op0Kind, instruction.op0Register, instruction.op1Register]
      : [instruction.op1Kind, instruction.op1Register, instruction.op0Register];
  const rm = rmKind === OpKind.Register ? REGISTER_FORM | (numberOf(rmRegister) << REG1_AT) : memoryBits(instruction);
  return (rm | (numberOf(other) << REG2_AT)) >>> 0;
};

/** RDRAND, RDSEED: destination and operand size. */
export const randomInformation = (instruction: DecodedInstruction): number => {
  const bytes = registerInfo(instruction.op0Register)?.bytes ?? 4;
  return (numberOf(instruction.op0Register) << REG1_AT) | ((bytes === 2 ? 0 : bytes === 4 ? 1 : 2) << 11);
};

/**
 * Exit qualification of instructions with a memory operand: the displacement, sign-extended; RIP-relative: the address.
 * 0 for a register operand.
 */
export function displacementQualification(instruction: DecodedInstruction, nextRip: bigint): bigint {
  if (!instruction.hasMemory) return 0n;
  const { displacement } = instruction;
  if (isRip(instruction.memoryBase)) return BigInt.asUintN(64, displacement + nextRip - BigInt(instruction.length));
  const bits = 8 * instruction.addressSize;
  return BigInt.asUintN(64, BigInt.asIntN(bits, displacement));
}
