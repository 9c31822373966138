/** Our machine executing x87 instructions as it does for a guest: emitted, with TypeScript behind. */
import { ARITHMETIC_FLAGS } from '../../../debug-adapter/engine/cpu/flags.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import {
  setX87Register,
  setX87Status,
  setX87TagWord,
  x87SignExponent,
  x87Significand,
  x87TagWord,
  x87Top,
} from '../../../debug-adapter/engine/cpu/x87-state.ts';
import { X87_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/x87/index.ts';
import { decode, type DecodedInstruction } from '../../../debug-adapter/engine/isa/decode.ts';
import { CODE, CODE_OFFSET, DATA, DEFAULT_SEGMENTS, type Outcome, type Setup } from '../environment.ts';
import { Rig } from '../rig.ts';
import type { After, Case } from './host.ts';

/** In one page, or in two. */
const OPERANDS_AT = [DATA.at + 0x1000 - 7, DATA.at + 0x1000 - 1, DATA.at + 0x100];
const operandAt = ({ operand }: Case): number => OPERANDS_AT[Math.min(Number(operand & 7n), 2)]!;
const OPERAND_BYTES = 16;
const RCX = 1;
const RSI = 6;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** All that an x87 instruction may change: the words of the state from R0 to the last operand's selector, and the rest. */
interface Everything {
  readonly fpu: readonly number[];
  readonly outcome: Outcome;
}

function setupOf(test: Case, code: Uint8Array, bits: 32 | 64): Setup {
  const gpr = Array.from({ length: 16 }, () => 0n);
  gpr[RSI] = BigInt(operandAt(test));
  gpr[RCX] = bits === 64 ? test.rcx : BigInt.asUintN(32, test.rcx);
  const operand = Array.from({ length: OPERAND_BYTES }, (_, i) => Number((test.operand >> BigInt(8 * i)) & 0xffn));
  return {
    bits,
    code,
    codeAt: CODE.at + CODE_OFFSET,
    gpr,
    flags: test.flags,
    segments: DEFAULT_SEGMENTS[bits],
    cells: new Map(operand.map((byte, i) => [operandAt(test) + i, byte])),
  };
}

export class EmittedMachine {
  /** Instructions that emitted code handed over. */
  handedOver = 0;
  private readonly rig: Rig;
  private readonly decoded = new Map<string, DecodedInstruction>();

  constructor() {
    const counted = [...X87_INSTRUCTIONS].map(
      ([code, meaning]) =>
        [code, (...parameters: Parameters<typeof meaning>) => (this.handedOver++, meaning(...parameters))] as const,
    );
    this.rig = new Rig('hot', new Map(counted));
  }

  private prepare(test: Case, bits: 32 | 64): { setup: Setup; instruction: DecodedInstruction } {
    const code = Uint8Array.from(Buffer.from(test.code.replaceAll(' ', ''), 'hex'));
    let instruction = this.decoded.get(test.code);
    if (instruction === undefined) this.decoded.set(test.code, (instruction = decode(code, 0, code.length, 0n, bits)));
    const setup = setupOf(test, code, bits);
    this.rig.prepare(setup, 'warm');
    const { state } = this.rig;
    state.set32(LAYOUT.x87Control, test.control);
    setX87Status(state, test.status);
    setX87TagWord(state, test.tags);
    test.registers.forEach((value, i) => {
      setX87Register(state, (x87Top(state) + i) & 7, Number(value >> 64n), value & MASK_64);
    });
    for (const at of [LAYOUT.x87InstructionPointer, LAYOUT.x87DataPointer]) state.set64(at, 0x1234n);
    for (const at of [LAYOUT.x87Opcode, LAYOUT.x87CodeSelector, LAYOUT.x87DataSelector]) state.set32(at, 0x77);
    return { setup, instruction };
  }
  private everything(setup: Setup, vector: number | undefined): Everything {
    const { state } = this.rig;
    const words = Array.from({ length: (LAYOUT.x87DataSelector + 4 - LAYOUT.x87Registers) / 4 }, (_, i) =>
      state.get32(LAYOUT.x87Registers + 4 * i),
    );
    const fault = vector === undefined ? undefined : { vector, errorCode: 0, linear: undefined };
    return { fpu: words, outcome: this.rig.outcome(setup, fault) };
  }

  /** As a guest's instruction. */
  emitted(test: Case, bits: 32 | 64): Everything {
    const { setup } = this.prepare(test, bits);
    const stop = this.rig.executor.run(1, false);
    return this.everything(setup, stop.kind === 'exception' ? stop.event.vector : undefined);
  }
  /** As a guest's instruction, in the terms of the host processor. */
  after(test: Case): After {
    const { setup } = this.prepare(test, 64);
    this.rig.executor.run(1, false);
    const { state } = this.rig;
    const top = x87Top(state);
    const registers = test.registers.map((_, i) => {
      const physical = (top + i) & 7;
      return (BigInt(x87SignExponent(state, physical)) << 64n) | x87Significand(state, physical);
    });
    const { memory, flags, gpr } = this.rig.outcome(setup, undefined);
    let operand = 0n;
    for (let i = OPERAND_BYTES - 1; i >= 0; i--)
      operand = (operand << 8n) | BigInt(memory.get(operandAt(test) + i) ?? setup.cells.get(operandAt(test) + i)!);
    return {
      control: state.get32(LAYOUT.x87Control),
      status: state.get32(LAYOUT.x87Status),
      tags: x87TagWord(state),
      registers,
      operand,
      flags: flags & ARITHMETIC_FLAGS,
      rcx: gpr[RCX]!,
    };
  }
  /** Vector of the exception that an instruction raises as a guest's with these bits of CR0 set. */
  fault(test: Case, cr0: number): number | undefined {
    this.prepare(test, 64);
    const { state, executor } = this.rig;
    const before = state.get64(LAYOUT.cr0);
    state.set64(LAYOUT.cr0, before | BigInt(cr0));
    const stop = executor.run(1, false);
    state.set64(LAYOUT.cr0, before);
    return stop.kind === 'exception' ? stop.event.vector : undefined;
  }
  /** By the TypeScript implementation alone. */
  defined(test: Case, bits: 32 | 64): Everything {
    const { setup, instruction } = this.prepare(test, bits);
    const { cpu, state } = this.rig;
    cpu.beginInstruction(instruction.length);
    X87_INSTRUCTIONS.get(instruction.code)!(cpu, instruction);
    state.rip = cpu.nextRip;
    return this.everything(setup, undefined);
  }
}
