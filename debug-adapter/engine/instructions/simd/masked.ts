/** Instructions that touch memory lane by lane: masked moves and gathers. */
import { OpKind, Register } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { GuestFault, UD } from '../../cpu/guest-fault.ts';
import { linearAddress, readRegister, segmentName } from '../../cpu/operands.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { loadRegister, storeRegister, vectorNumber } from './execute.ts';
import { requireAvx, requireMmx, requireSse } from './gates.ts';
import { enterMmx, loadMmx } from './mmx.ts';
import { Vector } from './vector.ts';

type LaneBytes = 4 | 8;

const value = new Vector();
const mask = new Vector();
const index = new Vector();

const isSet = (v: Vector, lane: number, bytes: number): boolean => (v.u8[(lane + 1) * bytes - 1] & 0x80) !== 0;
const get = (v: Vector, lane: number, bytes: LaneBytes): bigint => (bytes === 4 ? BigInt(v.u32[lane]) : v.u64[lane]);
function set(v: Vector, lane: number, bytes: LaneBytes, bits: bigint): void {
  if (bytes === 4) v.u32[lane] = Number(bits);
  else v.u64[lane] = bits;
}
const ADDRESS_MASK = { 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn } as const;

/** Offset of the memory operand without its index. */
function baseOffset(cpu: Cpu, instruction: DecodedInstruction): bigint {
  const { memoryBase, displacement } = instruction;
  if (memoryBase === Register.None) return displacement;
  if (memoryBase === Register.RIP || memoryBase === Register.EIP) return displacement + cpu.state.rip;
  return displacement + readRegister(cpu.state, memoryBase);
}

const lane = (cpu: Cpu, instruction: DecodedInstruction, offset: bigint, bytes: number, access: 'read' | 'write') =>
  linearAddress(
    cpu.state,
    segmentName(instruction.segment),
    offset & ADDRESS_MASK[instruction.addressSize],
    bytes,
    access,
  );

function wholeOffset(cpu: Cpu, instruction: DecodedInstruction): bigint {
  const scaled =
    instruction.memoryIndex === Register.None
      ? 0n
      : readRegister(cpu.state, instruction.memoryIndex) * BigInt(instruction.memoryScale);
  return baseOffset(cpu, instruction) + scaled;
}

/** VMASKMOVPS, VPMASKMOVD and so on from memory: lanes whose mask is clear become zero and are not accessed. */
export const maskedLoad =
  (bytes: LaneBytes, length: 16 | 32): SystemInstruction =>
  (cpu, instruction) => {
    requireAvx(cpu);
    loadRegister(cpu, vectorNumber(instruction.op1Register), mask);
    const offset = wholeOffset(cpu, instruction);
    value.u64.fill(0n);
    for (let i = 0; i < length / bytes; i++)
      if (isSet(mask, i, bytes))
        set(value, i, bytes, cpu.readLinear(lane(cpu, instruction, offset + BigInt(i * bytes), bytes, 'read'), bytes));
    storeRegister(cpu, vectorNumber(instruction.op0Register), value, length, true);
  };
/** To memory: every lane is judged before the first is written. */
export const maskedStore =
  (bytes: LaneBytes, length: 16 | 32): SystemInstruction =>
  (cpu, instruction) => {
    requireAvx(cpu);
    loadRegister(cpu, vectorNumber(instruction.op1Register), mask);
    loadRegister(cpu, vectorNumber(instruction.op2Register), value);
    const offset = wholeOffset(cpu, instruction);
    const targets: [number, bigint][] = [];
    for (let i = 0; i < length / bytes; i++) {
      if (!isSet(mask, i, bytes)) continue;
      const linear = lane(cpu, instruction, offset + BigInt(i * bytes), bytes, 'write');
      cpu.checkWritable(linear, bytes);
      targets.push([i, linear]);
    }
    for (const [i, linear] of targets) cpu.writeLinear(linear, bytes, get(value, i, bytes));
  };

const RDI = 7;
/** MASKMOVDQU: bytes of the first operand whose mask bit is set go to [rDI]. */
export const maskedBytes =
  (vex: boolean): SystemInstruction =>
  (cpu, instruction) => {
    if (vex) requireAvx(cpu);
    else requireSse(cpu);
    loadRegister(cpu, vectorNumber(instruction.op1Register), value);
    loadRegister(cpu, vectorNumber(instruction.op2Register), mask);
    storeBytes(cpu, instruction, 16);
  };
/** MASKMOVQ: the same with MMX registers. */
export const maskedMmxBytes: SystemInstruction = (cpu, instruction) => {
  requireMmx(cpu);
  loadMmx(cpu.state, instruction.op1Register, value);
  loadMmx(cpu.state, instruction.op2Register, mask);
  storeBytes(cpu, instruction, 8);
  enterMmx(cpu.state);
};
function storeBytes(cpu: Cpu, instruction: DecodedInstruction, count: number): void {
  const offset = cpu.state.gpr(RDI);
  const targets: [number, bigint][] = [];
  for (let i = 0; i < count; i++) {
    if (!isSet(mask, i, 1)) continue;
    const linear = lane(cpu, instruction, offset + BigInt(i), 1, 'write');
    cpu.checkWritable(linear, 1);
    targets.push([i, linear]);
  }
  for (const [i, linear] of targets) cpu.writeLinear(linear, 1, BigInt(value.u8[i]));
}

/**
 * VGATHER and VPGATHER: one lane after the other, each done lane clears its mask, so that a fault in between can be resumed
 * (SDM Vol. 2C, "VGATHERDPS/VGATHERQPS").
 */
export const gather =
  (indexBytes: LaneBytes, bytes: LaneBytes, destination: 16 | 32, lanes: number): SystemInstruction =>
  (cpu, instruction) => {
    requireAvx(cpu);
    const to = vectorNumber(instruction.op0Register);
    const from = vectorNumber(instruction.memoryIndex);
    const by = vectorNumber(instruction.op2Register);
    if (instruction.op1Kind !== OpKind.Memory || to === from || to === by || from === by)
      throw new GuestFault(UD, undefined, 'gather with one register in two places');
    loadRegister(cpu, to, value);
    loadRegister(cpu, by, mask);
    loadRegister(cpu, from, index);
    const base = baseOffset(cpu, instruction);
    const scale = BigInt(instruction.memoryScale);
    for (let i = 0; i < lanes; i++) {
      if (isSet(mask, i, bytes)) {
        // This lane may fault: what is done must stay done.
        storeRegister(cpu, to, value, destination, false);
        storeRegister(cpu, by, mask, destination, false);
        const scaled = BigInt.asIntN(8 * indexBytes, get(index, i, indexBytes)) * scale;
        set(value, i, bytes, cpu.readLinear(lane(cpu, instruction, base + scaled, bytes, 'read'), bytes));
      }
      set(mask, i, bytes, 0n);
    }
    for (let i = lanes; i < 32 / bytes; i++) {
      set(value, i, bytes, 0n);
      set(mask, i, bytes, 0n);
    }
    storeRegister(cpu, to, value, destination, true);
    storeRegister(cpu, by, mask, destination, true);
  };
