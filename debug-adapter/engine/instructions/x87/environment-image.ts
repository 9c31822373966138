/** FSTENV FLDENV FSAVE FRSTOR: the four formats of the FPU environment (SDM Vol. 1, figures 8-9 to 8-12), and the registers. */
import type { Cpu } from '../../cpu/context.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isRealStyle } from '../../cpu/modes.ts';
import {
  EXCEPTIONS,
  initializeX87,
  setX87Control,
  setX87Register,
  setX87Status,
  setX87TagWord,
  x87Significand,
  x87SignExponent,
  x87TagWord,
  x87Top,
} from '../../cpu/x87-state.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { FpuInstruction } from './fpu.ts';

/** Size of the words of the image: 16- or 32-bit operand size. */
export type WordBytes = 2 | 4;

const REGISTER_BYTES = 10;
const WORDS = 7;
/** Without the registers. */
const environmentBytes = (bytes: WordBytes): number => WORDS * bytes;
const OPCODE_BITS = 0x7ff;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

const low32 = (value: bigint): number => Number(value & 0xffff_ffffn);

/** The seven words of the image; unused upper halves are ones. */
function environmentWords(cpu: Cpu, bytes: WordBytes): number[] {
  const { state } = cpu;
  const control = state.get32(LAYOUT.x87Control);
  const status = state.get32(LAYOUT.x87Status);
  const opcode = state.get32(LAYOUT.x87Opcode);
  const [codeSelector, dataSelector] = [state.get32(LAYOUT.x87CodeSelector), state.get32(LAYOUT.x87DataSelector)];
  let code = low32(state.get64(LAYOUT.x87InstructionPointer));
  let data = low32(state.get64(LAYOUT.x87DataPointer));
  const filler = bytes === 4 ? 0xffff_0000 : 0;
  const first = [control, status, x87TagWord(state)].map((word) => word | filler);
  if (!isRealStyle(state)) {
    if (bytes === 2) return [...first, code, codeSelector, data, dataSelector];
    return [...first, code, codeSelector | (opcode << 16), data, dataSelector | filler];
  }
  // Real-address formats hold linear addresses.
  code += codeSelector * 16;
  data += dataSelector * 16;
  if (bytes === 2) return [...first, code, ((code >> 4) & 0xf000) | opcode, data, (data >> 4) & 0xf000];
  const upper = (address: number): number => (address >>> 16) << 12;
  return [...first, (code & 0xffff) | filler, upper(code) | opcode, (data & 0xffff) | filler, upper(data)];
}

function loadEnvironmentWords(cpu: Cpu, bytes: WordBytes, words: readonly number[]): void {
  const { state } = cpu;
  const [control, status, tags, code, codeHigh, data, dataHigh] = words as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  setX87Control(state, control);
  setX87Status(state, status);
  setX87TagWord(state, tags);
  let opcode = 0;
  let [codeOffset, codeSelector, dataOffset, dataSelector] = [code, codeHigh & 0xffff, data, dataHigh & 0xffff];
  if (!isRealStyle(state)) opcode = bytes === 4 ? codeHigh >>> 16 : 0;
  else {
    opcode = codeHigh;
    const upper = (word: number): number => (bytes === 2 ? (word & 0xf000) << 4 : ((word >>> 12) & 0xffff) << 16);
    codeOffset = (code & 0xffff) | upper(codeHigh);
    dataOffset = (data & 0xffff) | upper(dataHigh);
    codeSelector = 0;
    dataSelector = 0;
  }
  state.set32(LAYOUT.x87Opcode, opcode & OPCODE_BITS);
  state.set64(LAYOUT.x87InstructionPointer, BigInt(codeOffset >>> 0));
  state.set64(LAYOUT.x87DataPointer, BigInt(dataOffset >>> 0));
  state.set32(LAYOUT.x87CodeSelector, codeSelector);
  state.set32(LAYOUT.x87DataSelector, dataSelector);
}

function imageAt(cpu: Cpu, instruction: DecodedInstruction, total: number, access: 'read' | 'write'): bigint {
  const linear = cpu.linearOperand(instruction, total, access);
  if (access === 'write') cpu.checkWritable(linear, total);
  return linear;
}

function writeEnvironment(cpu: Cpu, at: bigint, bytes: WordBytes): void {
  environmentWords(cpu, bytes).forEach((word, index) =>
    cpu.writeLinear(at + BigInt(index * bytes), bytes, BigInt.asUintN(8 * bytes, BigInt(word))),
  );
}
const readWords = (cpu: Cpu, at: bigint, bytes: WordBytes): number[] =>
  Array.from({ length: WORDS }, (_, index) => Number(cpu.readLinear(at + BigInt(index * bytes), bytes)));

/** FNSTENV masks all exceptions once it has stored the control word. */
export const storeEnvironment =
  (bytes: WordBytes): FpuInstruction =>
  ({ cpu, state }, instruction) => {
    writeEnvironment(cpu, imageAt(cpu, instruction, environmentBytes(bytes), 'write'), bytes);
    setX87Control(state, state.get32(LAYOUT.x87Control) | EXCEPTIONS);
  };

export const loadEnvironment =
  (bytes: WordBytes): FpuInstruction =>
  ({ cpu }, instruction) => {
    const at = imageAt(cpu, instruction, environmentBytes(bytes), 'read');
    loadEnvironmentWords(cpu, bytes, readWords(cpu, at, bytes));
  };

/**
 * FNSAVE ends like FNINIT. Registers lie in stack order, without padding: only words of them need be aligned (SDM Vol. 3A, table
 * 6-7).
 */
export const saveAll =
  (bytes: WordBytes): FpuInstruction =>
  ({ cpu, state }, instruction) => {
    const start = imageAt(cpu, instruction, environmentBytes(bytes) + 8 * REGISTER_BYTES, 'write');
    writeEnvironment(cpu, start, bytes);
    for (let index = 0; index < 8; index++) {
      const physical = (x87Top(state) + index) & 7;
      const at = start + BigInt(environmentBytes(bytes) + index * REGISTER_BYTES);
      const value = x87Significand(state, physical) | (BigInt(x87SignExponent(state, physical)) << 64n);
      for (let word = 0; word < REGISTER_BYTES; word += 2)
        cpu.writeLinear(at + BigInt(word), 2, (value >> BigInt(8 * word)) & 0xffffn);
    }
    initializeX87(state);
  };

/** Everything is read before anything changes, so that a page fault in the middle leaves the FPU alone. */
export const restoreAll =
  (bytes: WordBytes): FpuInstruction =>
  ({ cpu, state }, instruction) => {
    const start = imageAt(cpu, instruction, environmentBytes(bytes) + 8 * REGISTER_BYTES, 'read');
    const words = readWords(cpu, start, bytes);
    const registers = Array.from({ length: 8 }, (_, index) => {
      const at = start + BigInt(environmentBytes(bytes) + index * REGISTER_BYTES);
      let value = 0n;
      for (let word = 0; word < REGISTER_BYTES; word += 2)
        value |= cpu.readLinear(at + BigInt(word), 2) << BigInt(8 * word);
      return { significand: value & MASK_64, signExponent: Number(value >> 64n) };
    });
    loadEnvironmentWords(cpu, bytes, words);
    registers.forEach(({ significand, signExponent }, index) =>
      setX87Register(state, (x87Top(state) + index) & 7, signExponent, significand),
    );
  };
