/**
 * General-purpose instructions that emitted code hands over or that are too rare to emit: POP to memory, 128-bit division,
 * PUSHA POPA, ENTER, LAHF SAHF, the decimal adjustments, bit fields.
 */
import { Code } from 'iced-x86';
import type { Cpu } from '../cpu/context.ts';
import { AF, CF, evenParity, OF, PF, SF, ZF } from '../cpu/flags.ts';
import { DE, GuestFault } from '../cpu/guest-fault.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { Stack } from '../cpu/stack.ts';
import { BIT_FIELD_INSTRUCTIONS } from './bit-fields.ts';
import { RAX, RBP, RDX, RSP } from './builder.ts';
import type { SystemInstruction } from './system-instruction.ts';

type WordBytes = 2 | 4 | 8;

const setGpr = (cpu: Cpu, index: number, bytes: WordBytes, value: bigint): void => {
  const { state } = cpu;
  if (bytes === 2) state.setGpr(index, (state.gpr(index) & ~0xffffn) | (value & 0xffffn));
  else state.setGpr(index, bytes === 4 ? value & 0xffff_ffffn : BigInt.asUintN(64, value));
};

/** POP m: the address is formed with the incremented rSP, which is restored if the store faults. */
const popMemory =
  (bytes: WordBytes): SystemInstruction =>
  (cpu, instruction) => {
    const { state } = cpu;
    const before = state.gpr(RSP);
    const stack = Stack.current(cpu);
    const value = stack.pop(bytes);
    stack.commit();
    try {
      cpu.writeOperand(instruction, 0, bytes, value);
    } catch (error) {
      state.setGpr(RSP, before);
      throw error;
    }
  };

const divide =
  (signed: boolean): SystemInstruction =>
  (cpu, instruction) => {
    const { state } = cpu;
    const raw = cpu.readOperand(instruction, 0, 8);
    const whole = (state.gpr(RDX) << 64n) | state.gpr(RAX);
    const divisor = signed ? BigInt.asIntN(64, raw) : raw;
    const dividend = signed ? BigInt.asIntN(128, whole) : whole;
    if (divisor === 0n) throw new GuestFault(DE, undefined, 'division by zero');
    const quotient = dividend / divisor;
    const fits = signed ? BigInt.asIntN(64, quotient) === quotient : quotient >> 64n === 0n;
    if (!fits) throw new GuestFault(DE, undefined, 'the quotient does not fit');
    state.setGpr(RAX, BigInt.asUintN(64, quotient));
    state.setGpr(RDX, BigInt.asUintN(64, dividend % divisor));
  };

const pushAll =
  (bytes: 2 | 4): SystemInstruction =>
  (cpu) => {
    const stack = Stack.current(cpu);
    const values = Array.from({ length: 8 }, (_, index) => cpu.state.gpr(index));
    for (const value of values) stack.push(bytes, BigInt.asUintN(bytes * 8, value));
    stack.commit();
  };

const popAll =
  (bytes: 2 | 4): SystemInstruction =>
  (cpu) => {
    const stack = Stack.current(cpu);
    const values: bigint[] = [];
    for (let index = 7; index >= 0; index--) values[index] = stack.pop(bytes);
    stack.commit();
    values.forEach((value, index) => {
      if (index !== RSP) setGpr(cpu, index, bytes, value);
    });
  };

/** ENTER with its nesting level modulo 32 (SDM Vol. 2A, "ENTER—Make Stack Frame for Procedure Parameters"). */
const enter =
  (bytes: WordBytes): SystemInstruction =>
  (cpu, instruction) => {
    const { state } = cpu;
    const level = instruction.immediate2 & 31;
    const mask = state.get64(LAYOUT.stackMask);
    const stack = Stack.current(cpu);
    stack.push(bytes, BigInt.asUintN(bytes * 8, state.gpr(RBP)));
    // What rSP would be now: of a 16-bit stack the upper part stays.
    const frame = (state.gpr(RSP) & ~mask) | stack.pointer;
    if (level > 0) {
      const outer = new Stack(cpu, state.gpr(RBP), state.codeBits === 64 ? undefined : state.segment('SS'), mask);
      for (let i = 1; i < level; i++) {
        // Each step goes one frame pointer further down from the caller's rBP.
        outer.pointer = (outer.pointer - BigInt(bytes)) & mask;
        const value = outer.pop(bytes);
        outer.pointer = (outer.pointer - BigInt(bytes)) & mask;
        stack.push(bytes, value);
      }
      stack.push(bytes, frame);
    }
    stack.skip(-(instruction.immediateLo & 0xffff));
    // What the next push would find must be writable: a frame that reaches beyond the stack faults here.
    stack.checkWritable(bytes);
    stack.commit();
    setGpr(cpu, RBP, bytes, frame);
  };

const LOW_FLAGS = SF | ZF | AF | PF | CF;

const loadFlags: SystemInstruction = (cpu) => {
  const { state } = cpu;
  const flags = BigInt((state.rflags & LOW_FLAGS) | 2);
  state.setGpr(RAX, (state.gpr(RAX) & ~0xff00n) | (flags << 8n));
};
const storeFlags: SystemInstruction = (cpu) => {
  const { state } = cpu;
  const ah = Number((state.gpr(RAX) >> 8n) & 0xffn);
  state.arithmeticFlags = (state.rflags & OF) | (ah & LOW_FLAGS);
};

const resultFlags = (al: number): number =>
  (al === 0 ? ZF : 0) | (al & 0x80 ? SF : 0) | (evenParity(al) !== 0 ? PF : 0);
const setAx = (cpu: Cpu, ax: number): void => setGpr(cpu, RAX, 2, BigInt(ax & 0xffff));

/** DAA and DAS; OF is undefined and cleared. */
const adjustPacked =
  (sign: 1 | -1): SystemInstruction =>
  (cpu) => {
    const { state } = cpu;
    const flags = state.rflags;
    const ax = Number(state.gpr(RAX) & 0xffffn);
    const old = ax & 0xff;
    let al = old;
    let carry = false;
    let adjust = false;
    if ((al & 0xf) > 9 || (flags & AF) !== 0) {
      carry = (flags & CF) !== 0 || (sign > 0 ? al + 6 > 0xff : al < 6);
      al = (al + sign * 6) & 0xff;
      adjust = true;
    }
    if (old > 0x99 || (flags & CF) !== 0) {
      al = (al + sign * 0x60) & 0xff;
      carry = true;
    } else if (sign > 0) carry = false;
    setAx(cpu, (ax & 0xff00) | al);
    state.arithmeticFlags = resultFlags(al) | (carry ? CF : 0) | (adjust ? AF : 0);
  };

/** AAA and AAS; flags besides AF and CF are undefined and set from AL as processors do. */
const adjustUnpacked =
  (sign: 1 | -1): SystemInstruction =>
  (cpu) => {
    const { state } = cpu;
    let ax = Number(state.gpr(RAX) & 0xffffn);
    const adjusts = (ax & 0xf) > 9 || (state.rflags & AF) !== 0;
    if (adjusts) ax = (ax + sign * 0x106) & 0xffff;
    ax &= 0xff0f;
    setAx(cpu, ax);
    state.arithmeticFlags = resultFlags(ax & 0xff) | (adjusts ? AF | CF : 0);
  };

const adjustMultiply: SystemInstruction = (cpu, instruction) => {
  const { state } = cpu;
  const base = instruction.immediateLo & 0xff;
  if (base === 0) throw new GuestFault(DE, undefined, 'AAM with base 0');
  const al = Number(state.gpr(RAX) & 0xffn);
  setAx(cpu, (Math.floor(al / base) << 8) | (al % base));
  state.arithmeticFlags = resultFlags(al % base);
};
const adjustDivide: SystemInstruction = (cpu, instruction) => {
  const { state } = cpu;
  const ax = Number(state.gpr(RAX) & 0xffffn);
  const al = ((ax & 0xff) + (ax >> 8) * (instruction.immediateLo & 0xff)) & 0xff;
  setAx(cpu, al);
  state.arithmeticFlags = resultFlags(al);
};

/** By iced `Code`. */
export const DEFERRED_INSTRUCTIONS: ReadonlyMap<number, SystemInstruction> = new Map<number, SystemInstruction>([
  [Code.Pop_rm16, popMemory(2)],
  [Code.Pop_rm32, popMemory(4)],
  [Code.Pop_rm64, popMemory(8)],
  [Code.Div_rm64, divide(false)],
  [Code.Idiv_rm64, divide(true)],
  [Code.Pushaw, pushAll(2)],
  [Code.Pushad, pushAll(4)],
  [Code.Popaw, popAll(2)],
  [Code.Popad, popAll(4)],
  [Code.Enterw_imm16_imm8, enter(2)],
  [Code.Enterd_imm16_imm8, enter(4)],
  [Code.Enterq_imm16_imm8, enter(8)],
  [Code.Lahf, loadFlags],
  [Code.Sahf, storeFlags],
  [Code.Daa, adjustPacked(1)],
  [Code.Das, adjustPacked(-1)],
  [Code.Aaa, adjustUnpacked(1)],
  [Code.Aas, adjustUnpacked(-1)],
  [Code.Aam_imm8, adjustMultiply],
  [Code.Aad_imm8, adjustDivide],
  ...BIT_FIELD_INSTRUCTIONS,
]);
