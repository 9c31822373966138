/**
 * Floating-point lanes in emitted code. WebAssembly's arithmetic is that of IEEE 754 to the nearest with no flags and no say about
 * NaNs, so a result counts only where it is known what the processor would have raised besides: the flags that are raised are
 * worked out from operands and result, everything must be masked, and exactness need not be known where PE is set already. What is
 * not known that cheaply (denormal operands, tiny results, signaling NaNs, other rounding) is deferred (SDM Vol. 1, "Overview of
 * Floating-Point Exceptions" 4.9 and "SIMD Floating-Point Exceptions" 11.5).
 */
import type { Test, Value } from '../../builder.ts';
import { MXCSR } from '../mxcsr.ts';
import { bytesFrom, quads, words, zeroLanes } from './lanes.ts';
import type { Lanes, VectorBuilder } from './vector-builder.ts';

export type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** One precision: its lanes and the bit patterns of what is special. */
export interface Precision {
  readonly lanes: 'f32x4' | 'f64x2';
  readonly integers: 'i32x4' | 'i64x2';
  readonly bytes: 4 | 8;
  readonly magnitude: bigint;
  readonly smallestNormal: bigint;
  readonly infinity: bigint;
  /** The QNaN floating-point indefinite. */
  readonly indefinite: bigint;
  /** Place of the bit that makes a NaN quiet, from the top. */
  readonly quietFromTop: number;
  /** Low bits of the significand that are clear where it has at most half of its bits. */
  readonly lowHalf: bigint;
}
export const SINGLES: Precision = {
  lanes: 'f32x4',
  integers: 'i32x4',
  bytes: 4,
  magnitude: 0x7fff_ffffn,
  smallestNormal: 0x0080_0000n,
  infinity: 0x7f80_0000n,
  indefinite: 0xffc0_0000n,
  quietFromTop: 9,
  lowHalf: 0xfffn,
};
export const DOUBLES: Precision = {
  lanes: 'f64x2',
  integers: 'i64x2',
  bytes: 8,
  magnitude: 0x7fff_ffff_ffff_ffffn,
  smallestNormal: 0x0010_0000_0000_0000n,
  infinity: 0x7ff0_0000_0000_0000n,
  indefinite: 0xfff8_0000_0000_0000n,
  quietFromTop: 12,
  lowHalf: 0x7ff_ffffn,
};

/** The same bits in every lane. */
export const every = (b: VectorBuilder, p: Precision, bits: bigint): Lanes =>
  p.bytes === 4 ? words(b, bits) : quads(b, bits);
/** The lowest lane in all lanes. */
export const spread = (b: VectorBuilder, bytes: 4 | 8, a: Lanes): Lanes =>
  b.shuffle(
    a,
    a,
    bytesFrom((i) => i % bytes),
  );

export const magnitudeOf = (b: VectorBuilder, p: Precision, a: Lanes): Lanes =>
  b.lanes('v128_and', a, every(b, p, p.magnitude));

const TOP = 1n << 63n;
/** Lanes whose unsigned value lies in first .. last. WebAssembly compares 64-bit lanes as signed only. */
export function within(b: VectorBuilder, p: Precision, a: Lanes, first: bigint, last: bigint): Lanes {
  const count = last - first + 1n;
  if (p.bytes === 4) return b.lanes('i32x4_lt_u', b.lanes('i32x4_sub', a, words(b, first)), words(b, count));
  const moved = b.lanes('i64x2_add', a, quads(b, BigInt.asUintN(64, TOP - first)));
  return b.lanes('i64x2_lt_s', moved, quads(b, BigInt.asUintN(64, count - TOP)));
}
export const denormal = (b: VectorBuilder, p: Precision, magnitude: Lanes): Lanes =>
  within(b, p, magnitude, 1n, p.smallestNormal - 1n);
/** Results that are neither tiny nor zero, nor too large. The smallest normal number may have been rounded up to. */
const clearlyNormal = (b: VectorBuilder, p: Precision, magnitude: Lanes): Lanes =>
  within(b, p, magnitude, p.smallestNormal + 1n, p.infinity - 1n);

export const notAll = (b: VectorBuilder, p: Precision, lanes: Lanes): Test =>
  b.not(b.maskOf(`${p.integers}_all_true`, lanes));
const either = (b: VectorBuilder, first: Lanes, ...others: readonly Lanes[]): Lanes =>
  others.reduce((all, one) => b.lanes('v128_or', all, one), first);
const isNan = (b: VectorBuilder, p: Precision, a: Lanes): Lanes => b.lanes(`${p.lanes}_ne`, a, a);
const isQuiet = (b: VectorBuilder, p: Precision, a: Lanes): Lanes =>
  b.shiftLanes(`${p.integers}_shr_s`, b.shiftLanes(`${p.integers}_shl`, a, p.quietFromTop), 8 * p.bytes - 1);
export const signaling = (b: VectorBuilder, p: Precision, a: Lanes): Lanes =>
  b.lanes('v128_andnot', isNan(b, p, a), isQuiet(b, p, a));

/** MXCSR but the flags other than PE. */
const CONTROL = 0xffe0n;
/** Everything masked, to the nearest, no flush, PE clear. */
const PLAIN = 0x1f80n;
const PLAIN_INEXACT = PLAIN | BigInt(MXCSR.PE);

/** Exceptions of one instruction, all masked, and what is left to settle at its end. */
export class Exceptions {
  private readonly b: VectorBuilder;
  private readonly flags: Value;
  /** For each result a proof of exactness: a test that holds only if it is exact. */
  private readonly proofs: (() => Test)[] = [];

  constructor(b: VectorBuilder) {
    this.b = b;
    this.flags = b.constant(0n);
  }

  raise(flag: number, where: Lanes): void {
    const { b } = this;
    const raised = b.asValue(b.maskOf('v128_any_true', where));
    b.assign(this.flags, b.binary('or', this.flags, b.with('mul', raised, BigInt(flag))));
  }
  /** Defers unless every exception is masked and nothing is flushed; `raise` needs that. */
  requireMasked(): void {
    const { b } = this;
    const control = b.with('and', b.mxcsr(), CONTROL & ~BigInt(MXCSR.PE));
    b.deferIf(b.compare('ne', control, b.constant(PLAIN)));
  }
  /** A result was rounded to the nearest. */
  rounded(exact: () => Test): void {
    this.proofs.push(exact);
  }
  /** Call before anything is written. */
  settle(): void {
    const { b } = this;
    if (this.proofs.length > 0) {
      const control = b.with('and', b.mxcsr(), CONTROL);
      b.if(b.compare('ne', control, b.constant(PLAIN_INEXACT)), () => {
        b.deferIf(b.compare('ne', control, b.constant(PLAIN)));
        for (const proof of this.proofs) b.deferIf(b.not(proof()));
      });
    }
    b.if(b.not(b.isZero(this.flags)), () => b.setMxcsr(b.binary('or', b.mxcsr(), this.flags)));
  }
}

/** x op y in every lane; the square root is y's, given as both. */
export function compute(
  b: VectorBuilder,
  p: Precision,
  op: Operation,
  x: Lanes,
  y: Lanes,
  exceptions: Exceptions,
): Lanes {
  const result = op === 'sqrt' ? b.lanes(`${p.lanes}_sqrt`, y) : b.lanes(`${p.lanes}_${op}`, x, y);
  const [sizeX, sizeY] = [magnitudeOf(b, p, x), magnitudeOf(b, p, y)];
  const size = magnitudeOf(b, p, result);
  const denormals =
    op === 'sqrt' ? denormal(b, p, sizeY) : b.lanes('v128_or', denormal(b, p, sizeX), denormal(b, p, sizeY));
  // A sum that is tiny is exact, a root of what is not denormal never tiny.
  const mayBeTiny = op === 'mul' || op === 'div';
  const finite = (): Lanes => b.lanes(`${p.integers}_lt_s`, size, every(b, p, p.infinity));
  const usual = mayBeTiny ? clearlyNormal(b, p, size) : finite();
  b.if(notAll(b, p, b.lanes('v128_andnot', usual, denormals)), () => {
    b.deferIf(b.maskOf('v128_any_true', denormals));
    const zero = zeroLanes(b);
    const isZero = (v: Lanes): Lanes => b.lanes(`${p.lanes}_eq`, v, zero);
    const infinite = (v: Lanes): Lanes => b.lanes(`${p.integers}_eq`, v, every(b, p, p.infinity));
    const exactZero = (): Lanes =>
      b.lanes('v128_and', isZero(result), either(b, isZero(x), op === 'div' ? infinite(sizeY) : isZero(y)));
    const known = mayBeTiny ? either(b, usual, exactZero()) : usual;
    // Zeros are common and raise nothing; what is left is worth more questions.
    b.if(notAll(b, p, known), () => {
      exceptions.requireMasked();
      b.deferIf(b.maskOf('v128_any_true', either(b, signaling(b, p, x), signaling(b, p, y))));
      const [nanX, nanY, nan] = [isNan(b, p, x), isNan(b, p, y), isNan(b, p, result)];
      const given = either(b, nanX, nanY);
      const invalid = b.lanes('v128_andnot', nan, given);
      const tooLarge = infinite(size);
      b.deferIf(notAll(b, p, either(b, known, given, nan, tooLarge)));
      const divides = op === 'div' ? isZero(y) : zero;
      const infiniteOperand = either(b, infinite(sizeX), infinite(sizeY));
      exceptions.raise(MXCSR.IE, invalid);
      // What overflows is inexact, also where the proof below is content with infinity on both sides.
      exceptions.raise(MXCSR.OE | MXCSR.PE, b.lanes('v128_andnot', tooLarge, either(b, infiniteOperand, divides)));
      if (op === 'div')
        exceptions.raise(MXCSR.ZE, b.lanes('v128_andnot', b.lanes('v128_and', tooLarge, divides), infiniteOperand));
      const first = b.lanes('v128_bitselect', x, y, nanX);
      const withNans = b.lanes('v128_bitselect', first, result, given);
      b.assignLanes(result, b.lanes('v128_bitselect', every(b, p, p.indefinite), withNans, invalid));
    });
  });
  exceptions.rounded(() => isExact(b, p, op, x, y, result));
  return result;
}

/** Holds only if every lane is exact; lanes that are no finite numbers, or whose proof is not this cheap, do not hold. */
function isExact(b: VectorBuilder, p: Precision, op: Operation, x: Lanes, y: Lanes, result: Lanes): Test {
  const all = (lanes: Lanes): Test => b.maskOf(`${p.integers}_all_true`, lanes);
  /** Whether both have so few bits that their product is exact. */
  const short = (v: Lanes, w: Lanes): Lanes =>
    b.lanes(`${p.integers}_eq`, b.lanes('v128_and', either(b, v, w), every(b, p, p.lowHalf)), zeroLanes(b));
  const product = (v: Lanes, w: Lanes, of: Lanes): Test =>
    all(b.lanes('v128_and', short(v, w), b.lanes(`${p.lanes}_eq`, b.lanes(`${p.lanes}_mul`, v, w), of)));
  switch (op) {
    case 'add':
    case 'sub': {
      // The error of a sum is a number, found by the sum of what each operand lost (Knuth). NaN where something overflows.
      const z = b.lanes(`${p.lanes}_sub`, result, x);
      const lostX = b.lanes(`${p.lanes}_sub`, x, b.lanes(`${p.lanes}_sub`, result, z));
      const lostY =
        op === 'add' ? b.lanes(`${p.lanes}_sub`, y, z) : b.lanes(`${p.lanes}_neg`, b.lanes(`${p.lanes}_add`, y, z));
      return all(b.lanes(`${p.lanes}_eq`, b.lanes(`${p.lanes}_add`, lostX, lostY), zeroLanes(b)));
    }
    case 'mul':
      return product(x, y, result);
    case 'div':
      return product(result, y, x);
    case 'sqrt':
      return product(result, result, y);
  }
}
