/** Random states in front of an instruction: registers and memory that give it something to do, now and then a fault. */
import { OpKind, Register } from 'iced-x86';
import { codeName, mnemonicOf } from '../../../debug-adapter/engine/isa/codes.ts';
import { registerInfo } from '../../../debug-adapter/engine/isa/registers.ts';
import { DATA, STACK, TESTED_FLAGS } from '../../instructions/environment.ts';
import { aimRegisters, isVector, reached, stringBase, type Bases } from './aim.ts';
import type { Encoding } from './encodings.ts';
import type { Random } from './random.ts';
import { A_BYTES, B_BYTES, CASE, CASE_BYTES, type Cases } from './record.ts';
import type { Values } from './values.ts';

const PAGE = 4096;
const [RAX, RCX, RDX, RSP, RBP, RSI, RDI] = [0, 1, 2, 4, 5, 6, 7];
const ALWAYS_SET = 0x202;
const TF = 0x100;
/** Iterations of one repeated string instruction, and some to spare. */
const MOST_STEPS = 64;
/** How much of the stack window lies below the stack pointer. */
const BELOW_STACK = 288;
const FX_SUMMARY = 0x8080;
const EXCEPTIONS = 0x3f;

/** PUSH of a segment register with more than its 16 bits. */
export const PUSHES_SEGMENT = /^Push[dq]_[C-GS]S$/;

/** What about a form decides how its operands are chosen. */
interface Traits {
  readonly string: 'movs' | 'stos' | 'lods' | 'cmps' | 'scas' | undefined;
  /** Bytes of a string element. */
  readonly element: number;
  readonly divides: boolean;
  readonly framePointer: boolean;
  /** What happens at the end of the stack is the maker's choice. */
  readonly keepsFromEdge: boolean;
  readonly gathers: boolean;
  readonly bitOffset: boolean;
  readonly destinationByRdi: boolean;
  readonly pushesFlags: boolean;
  readonly popsFlags: boolean;
}

const traits = new Map<number, Traits>();
function traitsOf(code: number): Traits {
  const known = traits.get(code);
  if (known) return known;
  const name = codeName(code);
  const mnemonic = mnemonicOf(code);
  const string = /^(movs|stos|lods|cmps|scas)([bwdq])$/.exec(mnemonic);
  const isString = string !== null && !name.includes('xmm');
  const found: Traits = {
    string: isString ? (string[1] as Traits['string']) : undefined,
    element: isString ? { b: 1, w: 2, d: 4, q: 8 }[string[2] as 'b'] : 0,
    divides: /^i?div$/.test(mnemonic),
    framePointer: /^(leave|enter)$/.test(mnemonic),
    // A CALL with both a bad target and a bad stack may report either; a segment register may be pushed as a word.
    keepsFromEdge: mnemonic === 'call' || PUSHES_SEGMENT.test(name),
    gathers: /gather/.test(mnemonic),
    bitOffset: /^bt[src]?$/.test(mnemonic) && /_r(16|32|64)$/.test(name),
    destinationByRdi: /maskmov(dqu|q)$/.test(mnemonic),
    pushesFlags: /^pushf/.test(mnemonic),
    popsFlags: /^popf/.test(mnemonic),
  };
  traits.set(code, found);
  return found;
}

/** A place for an operand: mostly plain memory, often unaligned or across pages, now and then a fault. */
function place(random: Random): number {
  const page = random.once(24) ? 13 + random.below(3) : random.below(13);
  const kind = random.below(6);
  const inPage =
    kind === 0 ? PAGE - 1 - random.below(32) : kind < 4 ? random.below(PAGE / 32) * 32 : random.below(PAGE);
  return DATA.at + page * PAGE + inPage;
}

/** Where FS and GS of a case begin; the same for every case of an encoding, since changing them costs a system call. */
export function drawBases(random: Random, bits: number): Bases {
  if (bits !== 64) return { fs: 0n, gs: 0n };
  return { fs: BigInt(0x1000 * random.below(4)), gs: BigInt(0x1000 * random.below(4)) };
}

function setWindow(
  cases: Cases,
  index: number,
  which: 'a' | 'b',
  from: number,
  window: typeof DATA,
  content: Uint8Array,
): void {
  const most = which === 'a' ? A_BYTES : B_BYTES;
  const at = Math.max(window.at, Math.min(from, Math.min(window.readOnlyFrom, window.absentFrom) - most));
  cases.setWord(index, which === 'a' ? CASE.aAt : CASE.bAt, at);
  cases.setWord(index, which === 'a' ? CASE.aBytes : CASE.bBytes, most);
  cases.part(index, CASE[which], most).set(content.subarray(0, most));
}

/** Fills case `index` with a state for the encoding, which lies at `codeAt`. `fixed` is where its operand is if no register decides. */
export function drawState(
  random: Random,
  values: Values,
  encoding: Encoding,
  cases: Cases,
  index: number,
  rip: bigint,
  bases: Bases,
  fixed: number | undefined,
): void {
  const { code, bits, d } = encoding;
  const form = traitsOf(code);
  const first = (index * CASE_BYTES) >> 3;
  const gpr = cases.quads;
  cases.part(index, CASE.gpr, 128).set(values.registers(random));
  const stackBase = bits === 16 ? 0 : STACK.at;
  const nearEdge = random.once(16) && !form.keepsFromEdge;
  const stack = (): number => stackBase + (nearEdge ? random.below(24) : 0x4000 + random.below(0x8000));
  gpr[first + RSP] = BigInt(stack());
  if (form.framePointer) gpr[first + RBP] = BigInt(stack());
  if (form.divides && !random.once(3)) gpr[first + RDX] = random.once(2) ? 0n : BigInt(random.below(64));

  let operand = fixed ?? place(random);
  if (form.string) {
    operand = aimStrings(random, encoding, gpr, first, bases, form.string);
  } else if (form.destinationByRdi) {
    gpr[first + RDI] = BigInt(operand) - (bits === 64 ? 0n : stringBase(encoding, bases).source);
  } else if (d.hasMemory && d.op0Kind <= OpKind.Memory) {
    if (form.bitOffset) {
      const register = first + registerInfo(d.op1Register)!.number;
      gpr[register] = BigInt.asUintN(64, BigInt(random.below(0x400) - 0x200));
    }
    if (fixed === undefined) aimRegisters(encoding, gpr, first, operand, bases, random);
    // An offset of 16 bits may not reach the place wanted: the operand is where it wraps to.
    operand = reached(encoding, bases, operand);
  }
  if (bits !== 64) for (let i = 0; i < 16; i++) gpr[first + i] = i < 8 ? gpr[first + i]! & 0xffff_ffffn : 0n;

  cases.setQuad(index, CASE.rip, rip);
  const trap = form.pushesFlags ? TF : 0;
  cases.setQuad(index, CASE.flags, BigInt((random.word() & TESTED_FLAGS) | ALWAYS_SET | trap));
  cases.setQuad(index, CASE.fsBase, bases.fs);
  cases.setQuad(index, CASE.gsBase, bases.gs);
  cases.part(index, CASE.ymm, 512).set(values.bytes(random, 512));
  if (isVector(d)) boundIndices(random, cases, index, encoding);
  drawFloatingState(random, values, cases, index);
  cases.setWord(index, CASE.trap, 0);
  cases.setWord(index, CASE.error, 0);
  // A trap may come in the middle of a gather, too.
  cases.setWord(index, CASE.steps, form.gathers || (form.string && (d.rep || d.repne)) ? MOST_STEPS : 1);
  cases.setQuad(index, CASE.address, 0n);

  setWindow(cases, index, 'a', operand - 32, operand >= STACK.at ? STACK : DATA, values.bytes(random, A_BYTES));
  if (form.string) {
    const destination = Number(BigInt.asUintN(32, gpr[first + RDI]! + stringBase(encoding, bases).destination));
    // What both windows share belongs to the second.
    setWindow(cases, index, 'b', destination - 160, DATA, values.bytes(random, B_BYTES));
    if (form.string === 'cmps' || form.string === 'scas') makeEqual(random, cases, index);
  } else {
    const pointer = Number(BigInt.asUintN(32, gpr[first + RSP]!)) + (bits === 16 ? STACK.at : 0);
    setWindow(cases, index, 'b', pointer - BELOW_STACK, STACK, values.bytes(random, B_BYTES));
    if (form.popsFlags) cleanFlags(cases, index, pointer);
  }
  settleOverlap(cases, index);
}

/** Sets the counter and the pointers; gives the linear address of the source. */
function aimStrings(
  random: Random,
  encoding: Encoding,
  gpr: BigUint64Array,
  first: number,
  bases: Bases,
  string: NonNullable<Traits['string']>,
): number {
  const { source, destination } = stringBase(encoding, bases);
  const size = encoding.d.addressSize;
  const mask = size === 8 ? (1n << 64n) - 1n : size === 4 ? 0xffff_ffffn : 0xffffn;
  const put = (register: number, value: bigint): void => {
    gpr[first + register] = (gpr[first + register]! & ~mask) | (value & mask);
  };
  const from = place(random);
  const to = random.once(8) ? from + random.below(32) - 16 : place(random);
  put(RCX, BigInt(random.below(random.once(8) ? 20 : 5)));
  put(RSI, BigInt(from) - source);
  put(RDI, BigInt(to) - destination);
  if (string === 'scas') gpr[first + RAX] = 0x5555_5555_5555_5555n;
  return string === 'scas' || string === 'stos' ? to : from;
}

/** Equal bytes make repeated comparisons go on. */
function makeEqual(random: Random, cases: Cases, index: number): void {
  cases.part(index, CASE.a, A_BYTES).fill(0x55);
  const b = cases.part(index, CASE.b, B_BYTES).fill(0x55);
  if (!random.once(3)) b[160 + random.below(40) - 8] = random.word() & 0xff;
}

/** Where the windows overlap, both hold what is written last, which is the second. */
function settleOverlap(cases: Cases, index: number): void {
  const [a, b] = [cases.word(index, CASE.aAt), cases.word(index, CASE.bAt)];
  const [from, to] = [Math.max(a, b), Math.min(a + A_BYTES, b + B_BYTES)];
  if (from >= to) return;
  cases.part(index, CASE.a, A_BYTES).set(cases.part(index, CASE.b + from - b, to - from), from - a);
}

/** POPF must not set AC, which would make the harness itself fault, nor TF. */
function cleanFlags(cases: Cases, index: number, pointer: number): void {
  const at = pointer - cases.word(index, CASE.bAt);
  const b = cases.part(index, CASE.b, B_BYTES);
  if (at + 2 < B_BYTES) {
    b[at + 1] = b[at + 1]! & ~1;
    b[at + 2] = b[at + 2]! & ~4;
  }
}

/** Indices of gathers lead to memory that there is: a fault in the middle leaves what the maker chooses. */
function boundIndices(random: Random, cases: Cases, index: number, { d }: Encoding): void {
  const register = (d.memoryIndex - (d.memoryIndex >= Register.YMM0 ? Register.YMM0 : Register.XMM0)) & 15;
  const lanes = cases.part(index, CASE.ymm + 32 * register, 32);
  const view = new DataView(lanes.buffer, lanes.byteOffset, 32);
  const wide = /gatherq/i.test(codeName(d.code));
  for (let at = 0; at < 32; at += wide ? 8 : 4) {
    const value = random.below(12) - 4;
    view.setInt32(at, value, true);
    if (wide) view.setInt32(at + 4, value >> 31, true);
  }
}

/** x87 and MXCSR: exceptions are mostly masked, the stack mostly holds seven values. */
function drawFloatingState(random: Random, values: Values, cases: Cases, index: number): void {
  cases.part(index, CASE.st, 128).set(values.stack(random));
  const top = random.below(8);
  const masks = random.once(4) ? random.word() & EXCEPTIONS : EXCEPTIONS;
  const control = 0x40 | masks | (random.of([0, 2, 3, 3]) << 8) | (random.below(4) << 10);
  const flags = random.once(8) ? random.word() & 0x7f : 0;
  const sticky = masks === EXCEPTIONS || random.once(8) ? flags : 0;
  const summary = (sticky & ~masks & EXCEPTIONS) !== 0 ? FX_SUMMARY : 0;
  const status = (top << 11) | (random.word() & 0x4700) | sticky | summary;
  const stack = random.once(8) ? random.word() & 0xff : 0x7f;
  // Bit i of the tags stands for the physical register.
  const tags = ((stack << top) | (stack >>> (8 - top))) & 0xff;
  const at = index * CASE_BYTES;
  cases.view.setUint16(at + CASE.control, control, true);
  cases.view.setUint16(at + CASE.status, status, true);
  cases.view.setUint16(at + CASE.tags, tags, true);
  cases.view.setUint16(at + CASE.tags + 2, 0, true);
  const sse = random.once(4) ? random.word() & EXCEPTIONS : EXCEPTIONS;
  const modes = random.once(2) ? 0 : random.word() & 0xe040;
  cases.setWord(index, CASE.mxcsr, (sse << 7) | (random.once(3) ? random.word() & EXCEPTIONS : 0) | modes);
}
