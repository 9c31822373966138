/** From a form and a meaning to an instruction: gates, operands in, meaning, MXCSR, result out. */
import { OpKind, Register } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { GP, GuestFault, UD, XM } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { operandKind, operandRegister, readRegister, writeRegister } from '../../cpu/operands.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import type { VectorForm } from './forms.ts';
import { enterMmx, loadMmx, storeMmx } from './mmx.ts';
import { requireAvx, requireMmx, requireSse } from './gates.ts';
import { control } from './mxcsr.ts';
import { alignedBytes, sourcesOf, type VectorTraits } from './traits.ts';
import { Vector, VECTOR_BYTES, type Extra, type Meaning } from './vector.ts';

const d = new Vector();
const a = new Vector();
const b = new Vector();
const c = new Vector();

export const vectorNumber = (register: number): number =>
  register >= Register.YMM0 ? register - Register.YMM0 : register - Register.XMM0;
const wordOf = (number: number): number => (LAYOUT.vectors + number * VECTOR_BYTES) >> 2;

export function loadRegister(cpu: Cpu, number: number, into: Vector): void {
  const { words } = cpu.state;
  const from = wordOf(number);
  for (let i = 0; i < VECTOR_BYTES / 4; i++) into.i32[i] = words[from + i]!;
}

/** Writes `bytes` bytes; the rest becomes zero under VEX and stays otherwise. */
export function storeRegister(cpu: Cpu, number: number, from: Vector, bytes: number, vex: boolean): void {
  const { words } = cpu.state;
  const to = wordOf(number);
  const count = bytes >> 2;
  for (let i = 0; i < count; i++) words[to + i] = from.i32[i]!;
  if (vex) for (let i = count; i < VECTOR_BYTES / 4; i++) words[to + i] = 0;
}

const follow = (cpu: Cpu, linear: bigint, offset: number): bigint =>
  BigInt.asUintN(cpu.state.codeBits === 64 ? 64 : 32, linear + BigInt(offset));

function readMemory(cpu: Cpu, linear: bigint, bytes: number, into: Vector): void {
  into.u64.fill(0n);
  if (bytes >= 8) for (let at = 0; at < bytes; at += 8) into.u64[at >> 3] = cpu.readLinear(follow(cpu, linear, at), 8);
  else into.u64[0] = cpu.readLinear(linear, bytes as 1 | 2 | 4);
}

function writeMemory(cpu: Cpu, linear: bigint, bytes: number, from: Vector): void {
  if (bytes < 8) {
    cpu.writeLinear(linear, bytes as 1 | 2 | 4, BigInt.asUintN(bytes * 8, from.u64[0]));
    return;
  }
  // A fault in the second part must not leave the first one written.
  if (bytes > 8) cpu.checkWritable(linear, bytes);
  for (let at = 0; at < bytes; at += 8) cpu.writeLinear(follow(cpu, linear, at), 8, from.u64[at >> 3]);
}

function checkAlignment(linear: bigint, bytes: number): void {
  if (bytes > 1 && (Number(linear & 31n) & (bytes - 1)) !== 0)
    throw new GuestFault(GP, 0, `address not aligned to ${bytes} bytes`);
}

/** Reads a source operand into `into`; returns whether it came from memory. */
type Load = (cpu: Cpu, instruction: DecodedInstruction, into: Vector) => boolean;

function loader(form: VectorForm, traits: VectorTraits, index: number): Load {
  const { bytes, memoryBytes, kind } = form.operands[index];
  const alignment = alignedBytes(form, traits, index);
  return (cpu, instruction, into) => {
    if (operandKind(instruction, index) === OpKind.Register) {
      const register = operandRegister(instruction, index);
      if (kind === 'vector') loadRegister(cpu, vectorNumber(register), into);
      else if (kind === 'mmx') loadMmx(cpu.state, register, into);
      else {
        into.u64.fill(0n);
        into.u64[0] = BigInt.asUintN(bytes * 8, readRegister(cpu.state, register));
      }
      return false;
    }
    const linear = cpu.linearOperand(instruction, memoryBytes, 'read');
    checkAlignment(linear, alignment);
    readMemory(cpu, linear, memoryBytes, into);
    return true;
  };
}

function storer(form: VectorForm, traits: VectorTraits): (cpu: Cpu, instruction: DecodedInstruction) => void {
  const { kind, bytes, memoryBytes } = form.operands[0];
  const alignment = alignedBytes(form, traits, 0);
  return (cpu, instruction) => {
    if (instruction.op0Kind === OpKind.Register) {
      if (kind === 'vector') storeRegister(cpu, vectorNumber(instruction.op0Register), d, bytes, form.vex);
      else if (kind === 'mmx') storeMmx(cpu.state, instruction.op0Register, d);
      else writeRegister(cpu.state, instruction.op0Register, BigInt.asUintN(bytes * 8, d.u64[0]));
      return;
    }
    const linear = cpu.linearOperand(instruction, memoryBytes, 'write');
    checkAlignment(linear, alignment);
    writeMemory(cpu, linear, memoryBytes, d);
  };
}

const checkDestination = (cpu: Cpu, instruction: DecodedInstruction, bytes: number): void => {
  cpu.checkWritable(cpu.linearOperand(instruction, bytes, 'write'), bytes);
};

/** A source that may lie in memory at any alignment. */
export function loadSource(
  cpu: Cpu,
  instruction: DecodedInstruction,
  index: number,
  bytes: number,
  into: Vector,
): void {
  if (operandKind(instruction, index) === OpKind.Register)
    loadRegister(cpu, vectorNumber(operandRegister(instruction, index)), into);
  else readMemory(cpu, cpu.linearOperand(instruction, bytes, 'read'), bytes, into);
}

/** Ends a floating-point instruction: MXCSR gets the flags; an unmasked one is #XM, or #UD without CR4.OSXMMEXCPT. */
function commitMxcsr(cpu: Cpu): void {
  const { state } = cpu;
  state.set32(LAYOUT.mxcsr, control.end());
  if (control.unmasked === 0) return;
  const delivered = (state.get32(LAYOUT.cr4) & CR4.OSXMMEXCPT) !== 0;
  throw new GuestFault(delivered ? XM : UD, undefined, 'unmasked SIMD floating-point exception');
}

const beginMxcsr = (cpu: Cpu): void => {
  control.begin(cpu.state.get32(LAYOUT.mxcsr));
};

/** Flags that a comparing meaning sets: CF PF ZF; the others become 0. */
export const comparison = { flags: 0 };

/** The instruction. */
export function bind(form: VectorForm, meaning: Meaning, traits: VectorTraits): SystemInstruction {
  const { operands, vex, length, mmx } = form;
  const { first, last, fourth } = sourcesOf(form);
  const loadB = loader(form, traits, last);
  const store = storer(form, traits);
  const destinationIsVector = operands[0].kind === 'vector';
  const destinationIsMmx = operands[0].kind === 'mmx';
  // A packed conversion to doubles leaves the x87 FPU alone unless it reads an MMX register.
  const entersAlways = mmx && form.mnemonic !== 'cvtpi2pd';
  const extra: { -readonly [K in keyof Extra]: Extra[K] } = { immediate: 0, memory: false, vex, c };
  return (cpu, instruction) => {
    if (vex) requireAvx(cpu);
    else if (length !== 8) requireSse(cpu);
    if (mmx && (entersAlways || instruction.op1Kind === OpKind.Register)) requireMmx(cpu);
    extra.immediate = instruction.immediateLo & 0xff;
    extra.memory = loadB(cpu, instruction, b);
    if (destinationIsVector) {
      if (instruction.op0Kind === OpKind.Register) loadRegister(cpu, vectorNumber(instruction.op0Register), d);
      loadRegister(
        cpu,
        operandKind(instruction, first) === OpKind.Register ? vectorNumber(operandRegister(instruction, first)) : 0,
        a,
      );
    } else {
      d.u64.fill(0n);
      if (destinationIsMmx && instruction.op0Kind === OpKind.Register) loadMmx(cpu.state, instruction.op0Register, a);
    }
    loadRegister(cpu, fourth ? vectorNumber(instruction.op3Register) : 0, c);
    if (traits.float) beginMxcsr(cpu);
    meaning(d, a, b, length, extra);
    if (traits.float) {
      // A page fault comes before a floating-point exception (SDM Vol. 3A, "Priority Among Concurrent Events" 6.9).
      if (instruction.op0Kind === OpKind.Memory) checkDestination(cpu, instruction, operands[0].memoryBytes);
      commitMxcsr(cpu);
    }
    if (traits.compares) cpu.state.arithmeticFlags = comparison.flags;
    else store(cpu, instruction);
    if (entersAlways || (mmx && !extra.memory)) enterMmx(cpu.state);
  };
}
