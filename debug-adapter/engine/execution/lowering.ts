/** Turns a decoded instruction into the fields of a record. */
import { OpKind, Register } from 'iced-x86';
import { LAYOUT, SEGMENT_BYTES } from '../cpu/layout.ts';
import { operandKind, operandRegister } from '../cpu/operands.ts';
import type { CodeBits } from '../base/program.ts';
import type { Operand } from '../instructions/builder.ts';
import { vectorNumber } from '../instructions/simd/execute.ts';
import { EMITTED_VECTORS } from '../instructions/simd/index.ts';
import { sourcesOf } from '../instructions/simd/traits.ts';
import { VECTOR_BYTES } from '../instructions/simd/vector.ts';
import type { Repeat } from '../instructions/strings.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import { registerInfo } from '../isa/registers.ts';
import { LOWERED, LOWERED_STRINGS, PSEUDO_HANDLER, shapeKey, type LoweredCode } from './handlers.ts';
import { RECORD, RECORD_FLAG } from './record.ts';
import { VECTOR_SLOT } from './vector-interpreter.ts';

const SEGMENT_OF_REGISTER: ReadonlyMap<number, number> = new Map([
  [Register.ES, 0],
  [Register.CS, 1],
  [Register.SS, 2],
  [Register.DS, 3],
  [Register.FS, 4],
  [Register.GS, 5],
]);

function isImmediate(kind: number): boolean {
  return kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64;
}
function isNearBranch(kind: number): boolean {
  return kind === OpKind.NearBranch16 || kind === OpKind.NearBranch32 || kind === OpKind.NearBranch64;
}

const operandKinds = (d: DecodedInstruction): readonly number[] =>
  [d.op0Kind, d.op1Kind, d.op2Kind, d.op3Kind, d.op4Kind].slice(0, d.opCount);

/** Operand kinds as rows name them; branch targets and implicit string operands are not operands there. */
function shapeOf(kinds: readonly number[]): string {
  const shape: Operand['kind'][] = [];
  for (const kind of kinds) {
    if (kind === OpKind.Register) shape.push('register');
    else if (kind === OpKind.Memory) shape.push('memory');
    else if (isImmediate(kind)) shape.push('immediate');
  }
  return shapeKey(shape);
}

function repeatOf(d: DecodedInstruction): Repeat {
  if (!d.rep && !d.repne) return 'once';
  return d.repne ? 'repne' : 'repe';
}

/** Row and handler of an instruction, or undefined where its meaning is TypeScript (or nobody's). */
function handlerOf(
  d: DecodedInstruction,
  kinds: readonly number[],
): { readonly lowered: LoweredCode; readonly handler: number } | undefined {
  const plain = LOWERED.get(d.code);
  if (plain) {
    const handler = plain.handlers.get(shapeOf(kinds));
    return handler === undefined ? undefined : { lowered: plain, handler };
  }
  const repeat = repeatOf(d);
  // MOVS, STOS and LODS have no condition: both prefixes repeat them alike.
  const string =
    LOWERED_STRINGS[repeat].get(d.code) ?? (repeat === 'once' ? undefined : LOWERED_STRINGS.rep.get(d.code));
  const handler = string?.handlers.get('');
  return string === undefined || handler === undefined ? undefined : { lowered: string, handler };
}

const ADDRESS_MASK = { 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn } as const;

function targetMask(kind: number): bigint {
  if (kind === OpKind.NearBranch16) return ADDRESS_MASK[2];
  return kind === OpKind.NearBranch32 ? ADDRESS_MASK[4] : ADDRESS_MASK[8];
}

/** Offset of a general register in the processor state, or the number of a register of the x87 FPU's stack. */
function registerOffset(register: number): number {
  const info = registerInfo(register);
  if (info?.class === 'st') return info.number;
  if (info === undefined || !info.class.startsWith('gpr')) return LAYOUT.zero;
  return LAYOUT.gpr + 8 * info.number + (info.highByte ? 1 : 0);
}

function baseOffset(register: number): number {
  if (register === Register.None) return LAYOUT.zero;
  return register === Register.RIP || register === Register.EIP ? LAYOUT.pageRip : registerOffset(register);
}

/**
 * Writes everything but the links. Returns the handler proper, which the caller may hide behind a pseudo handler;
 * `PSEUDO_HANDLER.SYSTEM` where the instruction is not emitted.
 * @param pageOffset where the instruction starts in its page; `d` was decoded with ip 0
 */
export function lower(
  view: DataView,
  record: number,
  d: DecodedInstruction,
  bits: CodeBits,
  pageOffset: number,
): number {
  const kinds = operandKinds(d);
  const found = handlerOf(d, kinds);
  view.setUint8(record + RECORD.length, d.length);
  view.setUint16(record + RECORD.pageOffset, pageOffset, true);
  const segment = SEGMENT_OF_REGISTER.get(d.segment);
  const flags = (bits === 64 ? 0 : RECORD_FLAG.LEGACY) | (d.segment === Register.SS ? RECORD_FLAG.STACK_SEGMENT : 0);
  view.setUint8(record + RECORD.flags, flags);
  const segmentCounts = segment !== undefined && (bits !== 64 || segment >= 4);
  view.setUint16(
    record + RECORD.segment,
    segmentCounts ? LAYOUT.segments + SEGMENT_BYTES * segment : LAYOUT.zero,
    true,
  );
  if (found === undefined) return PSEUDO_HANDLER.SYSTEM;
  if (segment !== undefined) view.setUint8(record + RECORD.segmentNumber, segment);

  const registers = [d.op0Register, d.op1Register, d.op2Register];
  for (let i = 0; i < 3; i++)
    view.setUint16(
      record + RECORD.registers + 2 * i,
      kinds[i] === OpKind.Register ? registerOffset(registers[i]) : LAYOUT.zero,
      true,
    );
  lowerAddress(view, record, d, pageOffset);

  const branch = kinds.find(isNearBranch);
  if (branch !== undefined) {
    view.setBigInt64(record + RECORD.immediate, BigInt.asIntN(64, signedTarget(d, branch) + BigInt(pageOffset)), true);
    view.setBigUint64(record + RECORD.targetMask, targetMask(branch), true);
  } else {
    const immediateAt = kinds.findIndex(isImmediate);
    const value = (BigInt(d.immediateHi) << 32n) | BigInt(d.immediateLo >>> 0);
    const bytes = found.lowered.row.operandBytes?.[immediateAt] ?? found.lowered.row.bytes;
    view.setBigUint64(record + RECORD.immediate, BigInt.asUintN(bytes * 8, value), true);
  }
  return found.handler;
}

/** Writes where the memory operand is. */
function lowerAddress(view: DataView, record: number, d: DecodedInstruction, pageOffset: number): void {
  const ripRelative = d.memoryBase === Register.RIP || d.memoryBase === Register.EIP;
  view.setUint16(record + RECORD.base, baseOffset(d.memoryBase), true);
  view.setUint16(record + RECORD.index, baseOffset(d.memoryIndex), true);
  view.setUint8(record + RECORD.shift, Math.log2(d.memoryScale));
  view.setBigInt64(record + RECORD.displacement, d.displacement + (ripRelative ? BigInt(pageOffset) : 0n), true);
  view.setBigUint64(record + RECORD.mask, ADDRESS_MASK[d.addressSize], true);
}

/**
 * Completes the record of a vector instruction, lowered as one whose meaning is TypeScript, for the late handler whose place is
 * given. Its operands lie where `VECTOR_SLOT` says, whatever the form.
 */
export function lowerVector(view: DataView, record: number, d: DecodedInstruction, place: number): void {
  const { form } = EMITTED_VECTORS.get(d.code)!;
  const { first, last, fourth } = sourcesOf(form);
  const offsetOf = (index: number): number => {
    const kind = form.operands.at(index)?.kind;
    if (kind === undefined || operandKind(d, index) !== OpKind.Register) return LAYOUT.zero;
    const register = operandRegister(d, index);
    if (kind === 'general') return registerOffset(register);
    if (kind === 'mmx') return LAYOUT.x87Registers + 16 * (register - Register.MM0);
    return LAYOUT.vectors + VECTOR_BYTES * vectorNumber(register);
  };
  const slots = { destination: 0, first, last } as const satisfies Record<keyof typeof VECTOR_SLOT, number>;
  for (const name of ['destination', 'first', 'last'] as const)
    view.setUint16(record + RECORD.registers + 2 * VECTOR_SLOT[name], offsetOf(slots[name]), true);
  view.setUint16(record + RECORD.thirdSource, fourth ? offsetOf(3) : LAYOUT.vectors, true);
  lowerAddress(view, record, d, view.getUint16(record + RECORD.pageOffset, true));
  view.setUint16(record + RECORD.lateHandler, place, true);
}

/** Branch target relative to the instruction (decoded at ip 0), as a signed number. */
function signedTarget(d: DecodedInstruction, kind: number): bigint {
  return BigInt.asIntN(kind === OpKind.NearBranch16 ? 16 : kind === OpKind.NearBranch32 ? 32 : 64, d.nearTarget);
}
