/**
 * Random encodings of an instruction form: legacy, REX and VEX prefixes, ModR/M and SIB in all their shapes, redundant prefixes.
 * What is drawn is decoded again and kept only where it is the form wanted.
 */
import { CodeExt, EncodingKind, MandatoryPrefix, OpCodeOperandKind, OpCodeTableKind } from 'iced-x86';
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';
import { decode, MAX_INSTRUCTION_BYTES, type DecodedInstruction } from '../../../debug-adapter/engine/isa/decode.ts';
import type { Random } from './random.ts';

export interface Encoding {
  readonly code: number;
  readonly bits: CodeBits;
  /** The instruction, and random bytes behind it up to 15. */
  readonly bytes: Uint8Array;
  readonly d: DecodedInstruction;
  /** Where a displacement without base register lies, for patching; 0 where there is none. */
  readonly displacementAt: number;
}

/** What the encoding of a form is made of; everything iced tells, kept since asking costs a call each. */
interface Shape {
  readonly vex: boolean;
  readonly table: number;
  readonly opcode: readonly number[];
  readonly mandatory: number;
  readonly operandSize: number;
  readonly group: number;
  readonly rmGroup: number;
  readonly modRm: 'none' | 'any' | 'register' | 'memory' | 'vsib';
  /** A register is in the low bits of the opcode. */
  readonly inOpcode: boolean;
  readonly usesVvvv: boolean;
  readonly length: number | undefined;
  readonly wide: number | undefined;
  readonly canLock: boolean;
  readonly modes: { readonly [B in CodeBits]: boolean };
}

const PREFIX_BYTE: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

function modRmOf(kinds: readonly string[]): Shape['modRm'] {
  if (kinds.some((kind) => kind.startsWith('mem_vsib'))) return 'vsib';
  if (kinds.some((kind) => /^mem(_mib)?$/.test(kind))) return 'memory';
  if (kinds.some((kind) => /_or_mem/.test(kind))) return 'any';
  if (kinds.some((kind) => /_(rm|reg_mem)$/.test(kind)))
    return kinds.some((k) => k.endsWith('_reg_mem')) ? 'memory' : 'register';
  return 'none';
}

const shapes = new Map<number, Shape>();
function shapeOf(code: number): Shape {
  const known = shapes.get(code);
  if (known) return known;
  const info = CodeExt.opCode(code);
  try {
    const kinds = Array.from({ length: info.opCount }, (_, i) => OpCodeOperandKind[info.opKind(i)]);
    const opcode = info.opCodeLength === 2 ? [info.opCode >> 8, info.opCode & 0xff] : [info.opCode];
    const found = modRmOf(kinds);
    const shape: Shape = {
      vex: info.encoding === EncodingKind.VEX,
      table: info.table,
      opcode,
      mandatory: info.mandatoryPrefix,
      operandSize: info.operandSize,
      group: info.groupIndex,
      rmGroup: info.rmGroupIndex,
      modRm: found === 'none' && info.groupIndex >= 0 ? 'register' : found,
      inOpcode: kinds.some((kind) => kind.endsWith('_opcode')),
      usesVvvv: kinds.some((kind) => kind.endsWith('_vvvv')),
      length: info.isLIG ? undefined : info.L,
      wide: info.isWIG ? undefined : info.W,
      canLock: info.canUseLockPrefix,
      // The one maker's decoding of 64-bit code is not the other's: the machine is an Intel processor.
      modes: {
        16: info.mode16 && info.intelDecoder16,
        32: info.mode32 && info.intelDecoder32,
        64: info.mode64 && info.intelDecoder64,
      },
    };
    shapes.set(code, shape);
    return shape;
  } finally {
    info.free();
  }
}

export const existsIn = (code: number, bits: CodeBits): boolean => shapeOf(code).modes[bits];

const TRIES = 60;

/** A random encoding of the form for this size of code; undefined where none was found. */
export function drawEncoding(random: Random, code: number, bits: CodeBits): Encoding | undefined {
  const shape = shapeOf(code);
  for (let i = 0; i < TRIES; i++) {
    const bytes: number[] = [];
    const address = prefixes(random, shape, bits, bytes);
    if (shape.vex) vexAndOpcode(random, shape, bits, bytes);
    else rexAndOpcode(random, shape, bits, bytes);
    const wordAddress = bits === 16 ? !address : bits === 32 && address;
    const displacementAt = modRm(random, shape, wordAddress, bytes);
    if (bytes.length > MAX_INSTRUCTION_BYTES) continue;
    while (bytes.length < MAX_INSTRUCTION_BYTES) bytes.push(random.word() & 0xff);
    const all = Uint8Array.from(bytes);
    const d = decode(all, 0, all.length, 0n, bits);
    if (d.code === code) return { code, bits, bytes: all, d, displacementAt };
  }
  return undefined;
}

/** Adds legacy prefixes; tells whether one for the address size is among them. */
function prefixes(random: Random, shape: Shape, bits: CodeBits, bytes: number[]): boolean {
  const before = random.once(2);
  const mandatory = shape.vex ? undefined : PREFIX_BYTE[shape.mandatory];
  const operand = !shape.vex && operandPrefix(random, shape, bits);
  const address = random.once(8);
  if (operand && before) bytes.push(0x66);
  if (address) bytes.push(0x67);
  if (random.once(8)) bytes.push(random.of(SEGMENT_PREFIXES));
  if (shape.canLock && random.once(4)) bytes.push(0xf0);
  if (operand && !before) bytes.push(0x66);
  if (mandatory !== undefined) bytes.push(mandatory);
  else if (!shape.vex && shape.mandatory === MandatoryPrefix.None && random.once(6)) bytes.push(0xf2 + random.below(2));
  return address;
}

function operandPrefix(random: Random, { operandSize, mandatory }: Shape, bits: CodeBits): boolean {
  if (mandatory === MandatoryPrefix.PNP || mandatory === MandatoryPrefix.P66) return false;
  if (operandSize === 16) return bits !== 16;
  if (operandSize === 32) return bits === 16;
  return random.once(6);
}

function rexAndOpcode(random: Random, shape: Shape, bits: CodeBits, bytes: number[]): void {
  if (bits === 64) {
    const wide = shape.operandSize === 64 ? !random.once(4) : shape.operandSize === 0 && random.once(4);
    if (wide || random.once(2)) bytes.push(0x40 | (wide ? 8 : 0) | random.below(8));
  }
  if (shape.table !== OpCodeTableKind.Normal) bytes.push(0x0f);
  if (shape.table === OpCodeTableKind.T0F38) bytes.push(0x38);
  if (shape.table === OpCodeTableKind.T0F3A) bytes.push(0x3a);
  addOpcode(random, shape, bytes);
}

function addOpcode(random: Random, shape: Shape, bytes: number[]): void {
  const last = shape.opcode.length - 1;
  shape.opcode.forEach((byte, i) => bytes.push(i === last && shape.inOpcode ? byte | random.below(8) : byte));
}

const VEX_PREFIX: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 1,
  [MandatoryPrefix.PF3]: 2,
  [MandatoryPrefix.PF2]: 3,
};

function vexAndOpcode(random: Random, shape: Shape, bits: CodeBits, bytes: number[]): void {
  const pp = VEX_PREFIX[shape.mandatory] ?? 0;
  const length = shape.length ?? random.below(2);
  const wide = shape.wide ?? random.below(2);
  const vvvv = shape.usesVvvv ? random.below(bits === 64 ? 16 : 8) : 0;
  const low = ((~vvvv & 15) << 3) | (length << 2) | pp;
  const register = bits === 64 ? random.below(2) : 0;
  if (shape.table === OpCodeTableKind.T0F && wide === 0 && random.once(2))
    bytes.push(0xc5, ((register ^ 1) << 7) | low);
  else {
    const index = bits === 64 ? random.below(2) : 0;
    const base = bits === 64 ? random.below(2) : 0;
    const map = shape.table === OpCodeTableKind.T0F ? 1 : shape.table === OpCodeTableKind.T0F38 ? 2 : 3;
    bytes.push(0xc4, ((register ^ 1) << 7) | ((index ^ 1) << 6) | ((base ^ 1) << 5) | map, (wide << 7) | low);
  }
  addOpcode(random, shape, bytes);
}

/** Adds ModR/M and SIB; gives the place of a displacement without base register, 0 where there is none. */
function modRm(random: Random, shape: Shape, wordAddress: boolean, bytes: number[]): number {
  // The displacement of MOV with a memory offset follows the opcode directly.
  const opcode = bytes[bytes.length - 1]!;
  if (shape.modRm === 'none')
    return shape.table === OpCodeTableKind.Normal && (opcode & 0xfc) === 0xa0 ? bytes.length : 0;
  const reg = shape.group >= 0 ? shape.group : random.below(8);
  const registerForm = shape.modRm === 'register' || (shape.modRm === 'any' && random.once(3));
  const mod = registerForm ? 3 : random.below(3);
  const rm = shape.rmGroup >= 0 ? shape.rmGroup : shape.modRm === 'vsib' ? 4 : random.below(8);
  bytes.push((mod << 6) | (reg << 3) | rm);
  if (mod === 3) return 0;
  if (mod === 0 && rm === (wordAddress ? 6 : 5)) return bytes.length;
  if (rm !== 4 || wordAddress) return 0;
  const sib = random.below(256);
  bytes.push(sib);
  return mod === 0 && (sib & 7) === 5 ? bytes.length : 0;
}
