/** Lines made from iced's opcode table: every legacy instruction form with operands of the right kinds, and some of the wrong size. */
import { Code, CodeExt, EncodingKind, MemorySizeExt, Mnemonic, OpCodeOperandKind, type OpCodeInfo } from 'iced-x86';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';

const SIZE_WORDS: Readonly<Record<number, string>> = {
  1: 'byte',
  2: 'word',
  4: 'dword',
  8: 'qword',
  10: 'tword',
  16: 'oword',
};
const ADDRESSES: Readonly<Record<CodeBits, readonly string[]>> = {
  16: ['[bx+si+4]', '[0x1234]', '[ebx+ecx*4]'],
  32: ['[ebx+4]', '[0x12345678]', '[bx]'],
  64: ['[rbx+4]', '[r9+r10*8+0x1234]', '[rsp]', '[ebx]'],
};
const REGISTERS: Readonly<Record<string, readonly string[]>> = {
  r8: ['al', 'cl', 'bh'],
  r16: ['ax', 'dx', 'di'],
  r32: ['eax', 'edx', 'edi'],
  r64: ['rax', 'rdx', 'r9'],
  mm: ['mm1'],
  xmm: ['xmm0', 'xmm2'],
  bnd: ['bnd1'],
  seg: ['ds', 'es', 'fs'],
  cr: ['cr0', 'cr3', 'cr4'],
  dr: ['dr0', 'dr7'],
  tr: ['tr3'],
  sti: ['st1', 'st7'],
};
const REGISTERS64: Readonly<Record<string, readonly string[]>> = {
  r8: ['sil', 'r9b'],
  r16: ['r9w'],
  r32: ['r9d'],
  xmm: ['xmm9'],
  cr: ['cr8'],
};
const IMMEDIATES = [
  '5',
  '-5',
  '0x7f',
  '0x80',
  '0x1234',
  '0xffff',
  '0x12345678',
  '-1',
  '0x80000000',
  '0xffffffff',
  '0x112233445566',
  'byte 5',
  'word 5',
  'dword 5',
  'strict byte 5',
  'strict dword 5',
];
const TARGETS = ['$', '$+50', '$+300', '$-200', 'near $', 'dword $', 'word $'];

function operands(
  kind: OpCodeOperandKind,
  memoryBytes: number,
  farPointer: boolean,
  bits: CodeBits,
): readonly string[] {
  const name = OpCodeOperandKind[kind] ?? '';
  const stem = name.split('_')[0] ?? '';
  const addresses = ADDRESSES[bits];
  const sized = (list: readonly string[]) => {
    const word = SIZE_WORDS[memoryBytes];
    if (farPointer) return list.map((address) => `far ${address}`);
    return word === undefined ? list : list.flatMap((address) => [address, `${word} ${address}`]);
  };
  if (name === 'mem_offs') return bits === 64 ? ['[0x1234]', '[qword 0x112233445566]'] : ['[0x1234]'];
  if (name.startsWith('mem')) return sized(addresses);
  if (/^(?:es|cs|ss|ds|fs|gs|al|cl|ax|dx|eax|rax|st0)$/.test(name)) return [name];
  if (name === 'imm8_const_1') return ['1'];
  if (name.startsWith('imm')) return IMMEDIATES;
  if (name.startsWith('far')) return ['0x1234:0x5678', 'dword 8:0x12345678', 'word 8:0x1234'];
  if (name.startsWith('br')) return TARGETS;
  const registers = REGISTERS[stem];
  if (registers === undefined) return [];
  const all = bits === 64 ? [...registers, ...(REGISTERS64[stem] ?? [])] : registers;
  return name.includes('_or_mem') ? [...all, ...sized(addresses.slice(0, 2))] : all;
}

function isWanted(info: OpCodeInfo, bits: CodeBits, name: string): boolean {
  return (
    info.isInstruction &&
    info.decoderOption === 0 &&
    info.isAvailableInMode(bits) &&
    info.encoding === EncodingKind.Legacy &&
    !/^Reservednop|^Declare|_82$|_F[67]r1$|^Xbegin|^Jmpe/.test(name)
  );
}

/** At most `limit` lines per form, spread over all combinations of operands. */
export function corpus(bits: CodeBits, limit: number): readonly string[] {
  const lines = new Set<string>();
  for (let code = 1; Code[code] !== undefined; code++) {
    const info = CodeExt.opCode(code);
    const name = Code[code] ?? '';
    if (isWanted(info, bits, name)) {
      const memoryBytes = MemorySizeExt.size(info.memorySize);
      const farPointer = /^(?:Jmp|Call)_m16/.test(name);
      let combinations: string[][] = [[]];
      for (let index = 0; index < info.opCount; index++) {
        const choices = operands(info.opKind(index), memoryBytes, farPointer, bits);
        // String operands are not written; the form is then its mnemonic alone.
        combinations = combinations.flatMap((before) => choices.map((choice) => [...before, choice]));
      }
      const mnemonic = (Mnemonic[info.mnemonic] ?? '').toLowerCase();
      if (combinations.length === 0) lines.add(mnemonic);
      const step = Math.max(1, combinations.length / limit);
      for (let at = (code % 7) / 7; at < combinations.length; at += step) {
        lines.add(`${mnemonic} ${combinations[Math.floor(at)]!.join(', ')}`.trim());
      }
    }
    info.free();
  }
  return [...lines];
}
