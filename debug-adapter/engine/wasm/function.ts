/** Writes one function body: instructions, structured control with labels, and locals that can be reused. */
import { ByteWriter } from './bytes.ts';
import {
  I8X16_SHUFFLE,
  LANE_OP,
  SIMD_MEMORY_OP,
  SIMD_OP,
  SIMD_PREFIX,
  V128_CONST,
  type LaneOpName,
  type SimdMemoryOpName,
  type SimdOpName,
} from './simd.ts';

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof V128;

/** Opcodes without immediates (WebAssembly core specification, "Numeric Instructions" 5.4.7). */
export const OP = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_u: 0x4b,
  i32_le_u: 0x4d,
  i32_ge_u: 0x4f,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_le_u: 0x58,
  i64_ge_u: 0x5a,
  i32_popcnt: 0x69,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_u: 0x76,
  i64_clz: 0x79,
  i64_ctz: 0x7a,
  i64_popcnt: 0x7b,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i64_div_s: 0x7f,
  i64_div_u: 0x80,
  i64_rem_s: 0x81,
  i64_rem_u: 0x82,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_shr_u: 0x88,
  i64_rotl: 0x89,
  i64_rotr: 0x8a,
  f64_sqrt: 0x9f,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
  i64_trunc_f64_u: 0xb1,
  f64_convert_i64_u: 0xba,
  i64_extend8_s: 0xc2,
  i64_extend16_s: 0xc3,
  i64_extend32_s: 0xc4,
  f32_convert_i64_s: 0xb4,
  f64_convert_i64_s: 0xb9,
} as const;
export type OpName = keyof typeof OP;

const MEMORY_OP = {
  i32_load: 0x28,
  i64_load: 0x29,
  i32_load8_u: 0x2d,
  i32_load16_u: 0x2f,
  i64_load8_s: 0x30,
  i64_load8_u: 0x31,
  i64_load16_s: 0x32,
  i64_load16_u: 0x33,
  i64_load32_s: 0x34,
  i64_load32_u: 0x35,
  i32_store: 0x36,
  i64_store: 0x37,
  i32_store8: 0x3a,
  i32_store16: 0x3b,
  i64_store8: 0x3c,
  i64_store16: 0x3d,
  i64_store32: 0x3e,
} as const;
export type MemoryOpName = keyof typeof MEMORY_OP;

/** FCh and a number: conversions of what is out of range to the nearest integer, of NaN to 0. */
const SATURATING_PREFIX = 0xfc;
const SATURATING_OP = { i64_trunc_sat_f32_s: 0x04, i64_trunc_sat_f64_s: 0x06 } as const;
export type SaturatingOpName = keyof typeof SATURATING_OP;

const EMPTY_BLOCK = 0x40;

/** A branch target; valid while its block is open. */
export interface Label {
  readonly depth: number;
}

export class FunctionWriter {
  readonly code = new ByteWriter();
  private readonly parameterCount: number;
  private readonly localTypes: ValueType[] = [];
  private readonly free: Record<ValueType, number[]> = { [I32]: [], [I64]: [], [V128]: [] };
  private depth = 0;

  constructor(parameterCount: number) {
    this.parameterCount = parameterCount;
  }

  /** A new or released local. Its value is arbitrary: set it before reading. */
  local(type: ValueType): number {
    return this.free[type].pop() ?? this.parameterCount + this.localTypes.push(type) - 1;
  }
  release(local: number): void {
    this.free[this.localTypes[local - this.parameterCount]].push(local);
  }
  get localDeclarations(): readonly ValueType[] {
    return this.localTypes;
  }

  op(name: OpName): void {
    this.code.byte(OP[name]);
  }
  get(local: number): void {
    this.code.byte(0x20);
    this.code.unsigned(local);
  }
  set(local: number): void {
    this.code.byte(0x21);
    this.code.unsigned(local);
  }
  tee(local: number): void {
    this.code.byte(0x22);
    this.code.unsigned(local);
  }
  i32(value: number): void {
    this.code.byte(0x41);
    this.code.signed(value);
  }
  i64(value: bigint): void {
    this.code.byte(0x42);
    this.code.signed64(value);
  }
  /** A load or store; alignment is never promised. */
  memory(name: MemoryOpName, offset = 0): void {
    this.code.byte(MEMORY_OP[name]);
    this.code.unsigned(0);
    this.code.unsigned(offset);
  }
  saturating(name: SaturatingOpName): void {
    this.code.byte(SATURATING_PREFIX);
    this.code.unsigned(SATURATING_OP[name]);
  }
  simd(name: SimdOpName): void {
    this.code.byte(SIMD_PREFIX);
    this.code.unsigned(SIMD_OP[name]);
  }
  lane(name: LaneOpName, lane: number): void {
    this.code.byte(SIMD_PREFIX);
    this.code.unsigned(LANE_OP[name]);
    this.code.byte(lane);
  }
  /** A vector load or store; alignment is never promised. */
  simdMemory(name: SimdMemoryOpName, offset = 0): void {
    this.code.byte(SIMD_PREFIX);
    this.code.unsigned(SIMD_MEMORY_OP[name]);
    this.code.unsigned(0);
    this.code.unsigned(offset);
  }
  /** A vector of 16 bytes, given as two little-endian halves. */
  v128(low: bigint, high: bigint): void {
    this.code.byte(SIMD_PREFIX);
    this.code.unsigned(V128_CONST);
    for (const half of [low, high]) for (let i = 0n; i < 64n; i += 8n) this.code.byte(Number((half >> i) & 0xffn));
  }
  /** Bytes of the two vectors on the stack: 0-15 of the first, 16-31 of the second. */
  shuffle(bytes: readonly number[]): void {
    this.code.byte(SIMD_PREFIX);
    this.code.unsigned(I8X16_SHUFFLE);
    for (const from of bytes) this.code.byte(from);
  }
  /** Calls the function whose number in the module's table is on the stack, above its arguments. */
  callIndirect(typeIndex: number): void {
    this.code.byte(0x11);
    this.code.unsigned(typeIndex);
    this.code.unsigned(0);
  }
  call(functionIndex: number): void {
    this.code.byte(0x10);
    this.code.unsigned(functionIndex);
  }

  private open(opcode: number, body: (label: Label) => void): void {
    this.code.byte(opcode);
    this.code.byte(EMPTY_BLOCK);
    this.depth++;
    body({ depth: this.depth });
    this.depth--;
    this.code.byte(0x0b);
  }
  /** Branching to the label leaves the block. */
  block(body: (label: Label) => void): void {
    this.open(0x02, body);
  }
  /** Branching to the label starts the loop again; falling out of the end leaves it. */
  loop(body: (label: Label) => void): void {
    this.open(0x03, body);
  }
  /** Takes its condition from the stack. */
  if(then: () => void, otherwise?: () => void): void {
    this.code.byte(0x04);
    this.code.byte(EMPTY_BLOCK);
    this.depth++;
    then();
    if (otherwise) {
      this.code.byte(0x05);
      otherwise();
    }
    this.depth--;
    this.code.byte(0x0b);
  }
  br(label: Label): void {
    this.code.byte(0x0c);
    this.code.unsigned(this.depth - label.depth);
  }
  brIf(label: Label): void {
    this.code.byte(0x0d);
    this.code.unsigned(this.depth - label.depth);
  }
  /**
   * `cases` bodies behind one `br_table` on the i32 that `selector` pushes. A body that falls out of its end continues after
   * the whole switch; a selector beyond the last case takes the last case.
   */
  switch(selector: () => void, cases: readonly (() => void)[]): void {
    this.block((end) => {
      for (let i = 0; i < cases.length; i++) {
        this.code.byte(0x02);
        this.code.byte(EMPTY_BLOCK);
      }
      this.depth += cases.length;
      selector();
      this.code.byte(0x0e);
      this.code.unsigned(cases.length - 1);
      for (let i = 0; i < cases.length; i++) this.code.unsigned(i);
      for (const body of cases) {
        this.depth--;
        this.code.byte(0x0b);
        body();
        this.br(end);
      }
    });
  }
}
