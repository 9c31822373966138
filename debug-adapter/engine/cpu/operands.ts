/**
 * Operands of a decoded instruction: registers, immediates and memory through segmentation
 * (SDM Vol. 1, "Specifying an Offset" 3.7.5; Vol. 3A, "Limit Checking" 5.3).
 */
import { OpKind, Register } from 'iced-x86';
import type { DecodedInstruction } from '../isa/decode.ts';
import { registerInfo } from '../isa/registers.ts';
import type { Cpu } from './context.ts';
import { GP, GuestFault, SS_FAULT } from './guest-fault.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT, type SegmentName } from './layout.ts';
import { isCanonicalNow } from './modes.ts';
import type { CpuState } from './state.ts';

const MASKS = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn } as const;
export type OperandBytes = keyof typeof MASKS;

/** Value truncated to an operand size. */
const truncate = (value: bigint, bytes: OperandBytes): bigint => value & MASKS[bytes];
export const signExtend = (value: bigint, bytes: OperandBytes): bigint => BigInt.asIntN(bytes * 8, value);

const SEGMENTS: readonly SegmentName[] = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
/** Segment register behind an iced `Register` number. */
export function segmentName(register: number): SegmentName {
  const info = registerInfo(register);
  if (info?.class !== 'segment') throw new Error(`Invariant broken: register ${register} is not a segment register`);
  return SEGMENTS[info.number];
}

/** A general register of 1, 2, 4 or 8 bytes by iced number. */
export function readRegister(state: CpuState, register: number): bigint {
  const info = registerInfo(register);
  if (info === undefined) throw new Error(`Invariant broken: no register ${register}`);
  if (info.class === 'segment') return BigInt(state.selector(segmentName(register)));
  const value = state.gpr(info.number);
  return info.highByte ? (value >> 8n) & 0xffn : value & MASKS[info.bytes as OperandBytes];
}

/** Writes a general register; a 32-bit write clears the upper half, narrower ones keep the rest. */
export function writeRegister(state: CpuState, register: number, value: bigint): void {
  const info = registerInfo(register);
  if (info === undefined) throw new Error(`Invariant broken: no register ${register}`);
  const old = state.gpr(info.number);
  if (info.highByte) state.setGpr(info.number, (old & ~0xff00n) | ((value & 0xffn) << 8n));
  else if (info.bytes === 8) state.setGpr(info.number, BigInt.asUintN(64, value));
  else if (info.bytes === 4) state.setGpr(info.number, value & MASKS[4]);
  else {
    const mask = MASKS[info.bytes as OperandBytes];
    state.setGpr(info.number, (old & ~mask) | (value & mask));
  }
}

export function operandKind(instruction: DecodedInstruction, operand: number): number {
  return [instruction.op0Kind, instruction.op1Kind, instruction.op2Kind, instruction.op3Kind, instruction.op4Kind][
    operand
  ];
}
export function operandRegister(instruction: DecodedInstruction, operand: number): number {
  return [
    instruction.op0Register,
    instruction.op1Register,
    instruction.op2Register,
    instruction.op3Register,
    instruction.op4Register,
  ][operand];
}

/** Offset of the memory operand within its segment, truncated to the address size. */
export function effectiveAddress(state: CpuState, instruction: DecodedInstruction): bigint {
  const { memoryBase, memoryIndex } = instruction;
  let offset = instruction.displacement;
  // Decoded as if at address 0, so that the displacement counts from the instruction.
  if (memoryBase === Register.RIP || memoryBase === Register.EIP) offset += state.rip;
  else if (memoryBase !== Register.None) offset += readRegister(state, memoryBase);
  if (memoryIndex !== Register.None) offset += readRegister(state, memoryIndex) * BigInt(instruction.memoryScale);
  return offset & MASKS[instruction.addressSize];
}

/**
 * Linear address of `bytes` bytes at an offset of a segment after the checks of an access; raises #GP(0), or #SS(0) for SS.
 */
export function linearAddress(
  state: CpuState,
  name: SegmentName,
  offset: bigint,
  bytes: number,
  access: 'read' | 'write',
): bigint {
  const vector = name === 'SS' ? SS_FAULT : GP;
  if (state.codeBits === 64) {
    const base = name === 'FS' || name === 'GS' ? state.segmentBase(name) : 0n;
    const linear = BigInt.asUintN(64, base + offset);
    if (!isCanonicalNow(state, linear) || !isCanonicalNow(state, linear + BigInt(bytes - 1)))
      throw new GuestFault(vector, 0, 'address is not canonical');
    return linear;
  }
  const at = LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES;
  const first = state.get32(at + (access === 'read' ? SEGMENT_LAYOUT.readFirst : SEGMENT_LAYOUT.writeFirst)) >>> 0;
  const last = state.get32(at + (access === 'read' ? SEGMENT_LAYOUT.readLast : SEGMENT_LAYOUT.writeLast)) >>> 0;
  const start = Number(offset);
  if (start < first || start + bytes - 1 > last)
    throw new GuestFault(vector, 0, `${name} segment: outside the limit, or no ${access} access`);
  return (state.segmentBase(name) + offset) & MASKS[4];
}

/** Linear address of the instruction's memory operand (not of string instructions). */
export function linearOperand(
  cpu: Cpu,
  instruction: DecodedInstruction,
  bytes: number,
  access: 'read' | 'write',
): bigint {
  const offset = effectiveAddress(cpu.state, instruction);
  return linearAddress(cpu.state, segmentName(instruction.segment), offset, bytes, access);
}

export function readOperand(cpu: Cpu, instruction: DecodedInstruction, operand: number, bytes: OperandBytes): bigint {
  const kind = operandKind(instruction, operand);
  if (kind === OpKind.Register) return truncate(readRegister(cpu.state, operandRegister(instruction, operand)), bytes);
  if (kind === OpKind.Memory) return cpu.readLinear(linearOperand(cpu, instruction, bytes, 'read'), bytes);
  const value = (BigInt(instruction.immediateHi) << 32n) | BigInt(instruction.immediateLo >>> 0);
  return truncate(value, bytes);
}

export function writeOperand(
  cpu: Cpu,
  instruction: DecodedInstruction,
  operand: number,
  bytes: OperandBytes,
  value: bigint,
): void {
  if (operandKind(instruction, operand) === OpKind.Register)
    writeRegister(cpu.state, operandRegister(instruction, operand), value);
  else cpu.writeLinear(linearOperand(cpu, instruction, bytes, 'write'), bytes, truncate(value, bytes));
}
