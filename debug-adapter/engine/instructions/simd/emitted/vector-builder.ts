/**
 * What the emitted meaning of a vector instruction is written against: one form with its operands in registers or one of them in
 * memory, its immediate known. A meaning that `defer`s gives the case to the TypeScript meaning of the same instruction, which
 * knows everything; so does a memory operand that is not plainly there, aligned as it must be and within one page.
 */
import type { LaneOpName, SimdOpName } from '../../../wasm/simd.ts';
import type { SaturatingOpName } from '../../../wasm/function.ts';
import type { Builder, Test, Value } from '../../builder.ts';
import type { VectorForm } from '../forms.ts';

declare const lanesKind: unique symbol;
/** 128 bits in a WebAssembly local. A YMM register is two of them, its parts. */
export type Lanes = number & { readonly [lanesKind]: 'v128' };

type Ending<Name extends string, End extends string> = Extract<Name, `${string}_${End}`>;
/** Those that give an integer, 0 or 1 or a bit for each lane. */
export type MaskOpName = Ending<SimdOpName, 'all_true' | 'any_true' | 'bitmask'>;
export type ShiftOpName = Ending<SimdOpName, 'shl' | 'shr_s' | 'shr_u'>;
export type SplatOpName = Exclude<Ending<SimdOpName, 'splat'>, 'f32x4_splat' | 'f64x2_splat'>;
/** Those that make lanes of lanes. */
export type LanesOpName = Exclude<SimdOpName, MaskOpName | ShiftOpName | Ending<SimdOpName, 'splat'>>;
type IntegerLaneOp = Exclude<LaneOpName, `f${string}`>;
export type ExtractOpName = Extract<IntegerLaneOp, `${string}extract_lane${string}`>;
export type ReplaceOpName = Ending<IntegerLaneOp, 'replace_lane'>;

export interface VectorBuilder extends Builder {
  readonly form: VectorForm;
  /** The immediate byte; 0 without one. */
  readonly imm: number;
  /** 1, or 2 where there is a YMM register. */
  readonly parts: 1 | 2;
  /** Whether the last operand is in memory. */
  readonly fromMemory: boolean;

  /** First source: for forms that have none of their own the old destination. */
  first(part: number): Lanes;
  /** Last operand. Memory of less than 16 bytes is followed by zeros. */
  last(part: number): Lanes;
  /** Third source of four-operand forms; XMM0 for the legacy ones that use it implicitly. */
  third(part: number): Lanes;
  /** The last operand where it is a general register or memory of at most 8 bytes. */
  lastValue(): Value;
  /** Writes the destination: the parts of a register (under VEX the rest of it becomes zero), or as many bytes of memory as the form has. */
  writeLanes(...parts: readonly Lanes[]): void;
  /** Writes a destination that is a general register, or memory in its place. */
  writeValue(value: Value): void;

  /** Zeros the bytes from `from` on of every vector register that the mode can name. */
  clearRegisters(from: 0 | 16): void;

  /** Given as little-endian halves. */
  constantLanes(low: bigint, high: bigint): Lanes;
  lanes(op: LanesOpName, ...operands: readonly Lanes[]): Lanes;
  /** The count is taken modulo the lane's width. */
  shiftLanes(op: ShiftOpName, a: Lanes, count: number): Lanes;
  shiftLanesBy(op: ShiftOpName, a: Lanes, count: Value): Lanes;
  maskOf(op: MaskOpName, a: Lanes): Test;
  /** Bytes 0-15 are a's, 16-31 c's. */
  shuffle(a: Lanes, c: Lanes, bytes: readonly number[]): Lanes;
  /** Zero-extended. */
  laneOf(op: ExtractOpName, a: Lanes, lane: number): Value;
  withLane(op: ReplaceOpName, a: Lanes, lane: number, value: Value): Lanes;
  splat(op: SplatOpName, value: Value): Lanes;
  assignLanes(target: Lanes, value: Lanes): void;
  /** The low lane of floating-point lanes as a signed 64-bit integer, truncated. */
  truncateLow(op: SaturatingOpName, a: Lanes): Value;
  /** A signed 64-bit integer in the low lane of floating-point lanes. */
  convertToLow(format: 'f32x4' | 'f64x2', value: Value): Lanes;

  mxcsr(): Value;
  setMxcsr(value: Value): void;
  deferIf(test: Test): void;
}

/** Ends with the destination written. */
export type EmittedMeaning = (b: VectorBuilder) => void;
/** By mnemonic, as `Meanings` in vector.ts. */
export type EmittedMeanings = Readonly<Record<string, EmittedMeaning>>;
