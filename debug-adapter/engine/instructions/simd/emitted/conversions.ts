/** Conversions between integers and floating-point formats: the emitted counterparts of ../conversions.ts. */
import type { Test, Value } from '../../builder.ts';
import { sourcesOf } from '../traits.ts';
import { denormal, DOUBLES, every, Exceptions, magnitudeOf, notAll, SINGLES, spread, within } from './float-lanes.ts';
import { bytesFrom, overLow, zeroLanes } from './lanes.ts';
import type { EmittedMeaning, EmittedMeanings, Lanes, VectorBuilder } from './vector-builder.ts';

const upperHalf = (b: VectorBuilder, a: Lanes): Lanes => spread8(b, a, 8);
const spread8 = (b: VectorBuilder, a: Lanes, from: 0 | 8): Lanes =>
  b.shuffle(
    a,
    a,
    bytesFrom((i) => from + (i & 7)),
  );
/** Half of the last operand's first part for each part of the destination, in both halves. */
const halves = (b: VectorBuilder): Lanes[] =>
  Array.from({ length: b.parts }, (_, part) => (part === 0 ? spread8(b, b.last(0), 0) : upperHalf(b, b.last(0))));
/** The low halves of both parts together, or of the only one followed by zeros. */
const joined = (b: VectorBuilder, parts: readonly Lanes[]): Lanes =>
  b.shuffle(
    parts[0],
    parts[1] ?? zeroLanes(b),
    bytesFrom((i) => (i < 8 ? i : 8 + i)),
  );
const everyPart = (b: VectorBuilder): Lanes[] => Array.from({ length: b.parts }, (_, part) => b.last(part));

/** Exact, and raises nothing unless the operand is denormal or a NaN. */
function promote(b: VectorBuilder, source: Lanes): Lanes {
  const result = b.lanes('f64x2_promote_low_f32x4', source);
  b.deferIf(b.maskOf('v128_any_true', denormal(b, SINGLES, magnitudeOf(b, SINGLES, source))));
  b.deferIf(notAll(b, DOUBLES, b.lanes('f64x2_eq', result, result)));
  return result;
}
/** Two doubles to the low half. */
function demote(b: VectorBuilder, source: Lanes, exceptions: Exceptions): Lanes {
  const result = b.lanes('f32x4_demote_f64x2_zero', source);
  const again = b.lanes('f64x2_promote_low_f32x4', result);
  const size = magnitudeOf(b, DOUBLES, again);
  const clear = within(b, DOUBLES, size, SMALLEST_SINGLE + 1n, DOUBLES.infinity - 1n);
  const zero = b.lanes('v128_and', b.lanes('f64x2_eq', source, zeroLanes(b)), b.lanes('f64x2_eq', again, zeroLanes(b)));
  b.deferIf(notAll(b, DOUBLES, b.lanes('v128_or', clear, zero)));
  exceptions.rounded(() => b.not(notAll(b, DOUBLES, b.lanes('f64x2_eq', again, source))));
  return result;
}
/** 2^-126 in double precision. */
const SMALLEST_SINGLE = 0x3810_0000_0000_0000n;

const singlesToDoubles: EmittedMeaning = (b) => b.writeLanes(...halves(b).map((half) => promote(b, half)));
const doublesToSingles: EmittedMeaning = (b) => {
  const exceptions = new Exceptions(b);
  const results = everyPart(b).map((part) => demote(b, part, exceptions));
  exceptions.settle();
  b.writeLanes(joined(b, results));
};
const scalarWidened: EmittedMeaning = (b) =>
  b.writeLanes(overLow(b, 8, b.first(0), promote(b, spread(b, 4, b.last(0)))));
const scalarNarrowed: EmittedMeaning = (b) => {
  const exceptions = new Exceptions(b);
  const result = demote(b, spread(b, 8, b.last(0)), exceptions);
  exceptions.settle();
  b.writeLanes(overLow(b, 4, b.first(0), result));
};

const integersToDoubles: EmittedMeaning = (b) =>
  b.writeLanes(...halves(b).map((half) => b.lanes('f64x2_convert_low_i32x4_s', half)));
const integersToSingles: EmittedMeaning = (b) => {
  const exceptions = new Exceptions(b);
  const results = everyPart(b).map((part) => {
    // Up to 2^24 every integer is a number of single precision.
    const few = (): Lanes =>
      b.lanes('i32x4_lt_u', b.lanes('i32x4_add', part, every(b, SINGLES, 1n << 24n)), every(b, SINGLES, 1n << 25n));
    exceptions.rounded(() => b.not(notAll(b, SINGLES, few())));
    return b.lanes('f32x4_convert_i32x4_s', part);
  });
  exceptions.settle();
  b.writeLanes(...results);
};

type From = 'single' | 'double';
const PRECISION = { single: SINGLES, double: DOUBLES } as const;
/** 2^31 and 2^63 in each precision. */
const LIMITS = {
  single: { 32: 0x4f00_0000n, 64: 0x5f00_0000n },
  double: { 32: 0x41e0_0000_0000_0000n, 64: 0x43e0_0000_0000_0000n },
} as const;

/** Lanes rounded to integers, all of which are within `bits` bits with their sign. */
function integral(
  b: VectorBuilder,
  from: From,
  truncating: boolean,
  bits: 32 | 64,
  source: Lanes,
  exceptions: Exceptions,
): Lanes {
  const p = PRECISION[from];
  const result = b.lanes(`${p.lanes}_${truncating ? 'trunc' : 'nearest'}`, source);
  const small = b.lanes(`${p.lanes}_lt`, magnitudeOf(b, p, result), every(b, p, LIMITS[from][bits]));
  b.deferIf(notAll(b, p, small));
  exceptions.rounded(() => b.not(notAll(b, p, b.lanes(`${p.lanes}_eq`, result, source))));
  return result;
}
const toIntegers =
  (from: From, truncating: boolean): EmittedMeaning =>
  (b) => {
    const exceptions = new Exceptions(b);
    const op = from === 'single' ? 'i32x4_trunc_sat_f32x4_s' : 'i32x4_trunc_sat_f64x2_s_zero';
    const results = everyPart(b).map((part) => b.lanes(op, integral(b, from, truncating, 32, part, exceptions)));
    exceptions.settle();
    if (from === 'single') b.writeLanes(...results);
    else b.writeLanes(joined(b, results));
  };
const toGeneral =
  (from: From, truncating: boolean): EmittedMeaning =>
  (b) => {
    const { bytes } = b.form.operands[0];
    const exceptions = new Exceptions(b);
    const source = spread(b, PRECISION[from].bytes, b.last(0));
    const whole = integral(b, from, truncating, bytes === 8 ? 64 : 32, source, exceptions);
    exceptions.settle();
    b.writeValue(b.truncateLow(from === 'single' ? 'i64_trunc_sat_f32_s' : 'i64_trunc_sat_f64_s', whole));
  };
const fromGeneral =
  (to: From): EmittedMeaning =>
  (b) => {
    const bytes = b.form.operands[sourcesOf(b.form).last].bytes as 4 | 8;
    const value = b.signExtend(b.lastValue(), bytes);
    const p = PRECISION[to];
    const exceptions = new Exceptions(b);
    const significand = to === 'single' ? 24n : 53n;
    if (bytes === 8 || to === 'single') exceptions.rounded(() => fits(b, value, significand));
    const result = b.convertToLow(p.lanes, value);
    exceptions.settle();
    b.writeLanes(overLow(b, p.bytes, b.first(0), result));
  };
/** -2^bits .. 2^bits - 1: exact in a significand of as many bits. */
const fits = (b: VectorBuilder, value: Value, bits: bigint): Test =>
  b.compare('lt_u', b.with('add', value, 1n << bits), b.constant(1n << (bits + 1n)));

export const EMITTED_CONVERSIONS: EmittedMeanings = {
  cvtps2pd: singlesToDoubles,
  cvtpd2ps: doublesToSingles,
  cvtss2sd: scalarWidened,
  cvtsd2ss: scalarNarrowed,
  cvtdq2ps: integersToSingles,
  cvtdq2pd: integersToDoubles,
  cvtps2dq: toIntegers('single', false),
  cvttps2dq: toIntegers('single', true),
  cvtpd2dq: toIntegers('double', false),
  cvttpd2dq: toIntegers('double', true),
  cvtss2si: toGeneral('single', false),
  cvttss2si: toGeneral('single', true),
  cvtsd2si: toGeneral('double', false),
  cvttsd2si: toGeneral('double', true),
  cvtsi2ss: fromGeneral('single'),
  cvtsi2sd: fromGeneral('double'),
};
