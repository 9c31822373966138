/** Addition, multiplication, division, square root, remainders, scaling and rounding to integers, all correctly rounded. */
import { C0, C1, C2, C3, PRECISION, ZERO_DIVIDE } from '../../cpu/x87-state.ts';
import {
  bitLength,
  cut,
  denormalFlag,
  exactly,
  EXTENDED_BIAS,
  infinity,
  INVALID_RESULT,
  isNan,
  kindOf,
  magnitude,
  nanResult,
  negate,
  NEAREST,
  roundExtended,
  TRUNCATE,
  withDenormal,
  zero,
  DOWN,
  type Environment,
  type Extended,
  type Magnitude,
  type Result,
} from './extended.ts';

/** `denormal`: DENORMAL where an operand was one in memory, before it was converted. */
export type BinaryOperation = (a: Extended, b: Extended, environment: Environment, denormal: number) => Result;

const product = (a: 0 | 1, b: 0 | 1): 0 | 1 => (a === b ? 0 : 1);

/** Beyond this distance the smaller operand only tells on which side of the larger the sum is. */
const FAR_BITS = 140;

function sum(a: Extended, b: Extended, environment: Environment): Result {
  const [ma, mb] = [magnitude(a), magnitude(b)];
  const zeroSign = environment.mode === DOWN ? 1 : 0;
  if (ma.integer === 0n && mb.integer === 0n) return exactly(zero(a.sign === b.sign ? a.sign : zeroSign));
  if (ma.integer === 0n) return roundExtended(b.sign, mb, environment);
  if (mb.integer === 0n) return roundExtended(a.sign, ma, environment);
  const [high, low, big, small] = ma.scale >= mb.scale ? [ma, mb, a, b] : [mb, ma, b, a];
  const distance = high.scale - low.scale;
  if (distance > FAR_BITS + 64) {
    const integer = high.integer << BigInt(FAR_BITS);
    const scale = high.scale - FAR_BITS;
    const exact = { integer: big.sign === small.sign ? integer : integer - 1n, scale, sticky: true };
    return roundExtended(big.sign, exact, environment);
  }
  const wide = high.integer << BigInt(distance);
  if (big.sign === small.sign)
    return roundExtended(big.sign, { integer: wide + low.integer, scale: low.scale, sticky: false }, environment);
  const difference = wide - low.integer;
  if (difference === 0n) return exactly(zero(zeroSign));
  const exact = { integer: difference < 0n ? -difference : difference, scale: low.scale, sticky: false };
  return roundExtended(difference < 0n ? small.sign : big.sign, exact, environment);
}

export const add: BinaryOperation = (a, b, environment, denormal) => {
  const nan = nanResult(a, b);
  if (nan) return nan;
  const [ka, kb] = [kindOf(a), kindOf(b)];
  if (ka === 'infinity' && kb === 'infinity' && a.sign !== b.sign) return INVALID_RESULT;
  return withDenormal(denormal | denormalFlag(a, b), environment.masks, () => {
    if (ka === 'infinity') return exactly(a);
    if (kb === 'infinity') return exactly(b);
    return sum(a, b, environment);
  });
};

/** A NaN that propagates keeps its sign. */
export const subtract: BinaryOperation = (a, b, environment, denormal) =>
  add(a, isNan(kindOf(b)) ? b : negate(b), environment, denormal);

export const multiply: BinaryOperation = (a, b, environment, denormal) => {
  const nan = nanResult(a, b);
  if (nan) return nan;
  const [ka, kb] = [kindOf(a), kindOf(b)];
  const sign = product(a.sign, b.sign);
  const infinite = ka === 'infinity' || kb === 'infinity';
  if (infinite && (ka === 'zero' || kb === 'zero')) return INVALID_RESULT;
  return withDenormal(denormal | denormalFlag(a, b), environment.masks, () => {
    if (infinite) return exactly(infinity(sign));
    const [ma, mb] = [magnitude(a), magnitude(b)];
    const exact = { integer: ma.integer * mb.integer, scale: ma.scale + mb.scale, sticky: false };
    return roundExtended(sign, exact, environment);
  });
};

/** Bits of a quotient: the widest precision, a round bit and some. */
const QUOTIENT_BITS = 68;

/** Quotient of two magnitudes, the divisor not zero, with at least QUOTIENT_BITS bits. */
export function quotient(a: Magnitude, b: Magnitude): Magnitude {
  const shift = Math.max(0, QUOTIENT_BITS + bitLength(b.integer) - bitLength(a.integer));
  const dividend = a.integer << BigInt(shift);
  const integer = dividend / b.integer;
  return { integer, scale: a.scale - b.scale - shift, sticky: integer * b.integer !== dividend };
}

export const divide: BinaryOperation = (a, b, environment, denormal) => {
  const nan = nanResult(a, b);
  if (nan) return nan;
  const [ka, kb] = [kindOf(a), kindOf(b)];
  const sign = product(a.sign, b.sign);
  if (ka === kb && (ka === 'zero' || ka === 'infinity')) return INVALID_RESULT;
  if (kb === 'zero' && ka !== 'infinity') return exactly(infinity(sign), ZERO_DIVIDE);
  return withDenormal(denormal | denormalFlag(a, b), environment.masks, () => {
    if (ka === 'infinity') return exactly(infinity(sign));
    if (ka === 'zero' || kb === 'infinity') return exactly(zero(sign));
    return roundExtended(sign, quotient(magnitude(a), magnitude(b)), environment);
  });
};

/** Largest integer whose square is at most `value`. */
export function integerSquareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export function squareRoot(x: Extended, environment: Environment): Result {
  const nan = nanResult(x, x);
  if (nan) return nan;
  const kind = kindOf(x);
  if (kind === 'zero') return exactly(x);
  if (x.sign === 1) return INVALID_RESULT;
  return withDenormal(denormalFlag(x), environment.masks, () => {
    if (kind === 'infinity') return exactly(x);
    const { integer, scale } = magnitude(x);
    // An even scale, and so many bits that the root has 68 or more.
    const shift = 140 - bitLength(integer) + ((140 - bitLength(integer) + scale) & 1);
    const radicand = integer << BigInt(shift);
    const root = integerSquareRoot(radicand);
    return roundExtended(
      0,
      { integer: root, scale: (scale - shift) / 2, sticky: root * root !== radicand },
      environment,
    );
  });
}

/** Rounds to an integer in the mode given; also the integer itself for conversions. */
export function roundToInteger(x: Extended, mode: number): { integer: bigint; inexact: boolean; up: boolean } {
  const { integer, scale } = magnitude(x);
  const { kept, inexact, up } = cut(integer, false, Math.min(-scale, 70), x.sign, mode);
  return { integer: kept, inexact, up };
}

/** FRNDINT. */
export function roundInteger(x: Extended, environment: Environment): Result {
  const nan = nanResult(x, x);
  if (nan) return nan;
  if (kindOf(x) === 'infinity' || x.exponent >= EXTENDED_BIAS + 63) return exactly(x);
  return withDenormal(denormalFlag(x), environment.masks, () => {
    const { integer, inexact, up } = roundToInteger(x, environment.mode);
    const { value } = roundExtended(x.sign, { integer, scale: 0, sticky: false }, environment);
    return { value, flags: inexact ? PRECISION : 0, up };
  });
}

/** Larger than any difference of exponents. */
const HUGE_SCALE = 1 << 17;

/** FSCALE: `a` times two to the power of `b` truncated to an integer. */
export function scale(a: Extended, b: Extended, environment: Environment): Result {
  const nan = nanResult(a, b);
  if (nan) return nan;
  const [ka, kb] = [kindOf(a), kindOf(b)];
  if (kb === 'infinity') {
    if (b.sign === 0 ? ka === 'zero' : ka === 'infinity') return INVALID_RESULT;
    return withDenormal(denormalFlag(a), environment.masks, () => {
      if (b.sign === 1) return exactly(zero(a.sign));
      return exactly(infinity(a.sign));
    });
  }
  return withDenormal(denormalFlag(a, b), environment.masks, () => {
    if (ka === 'infinity' || ka === 'zero') return exactly(a);
    const whole = b.exponent > EXTENDED_BIAS + 16 ? HUGE_SCALE : Number(roundToInteger(b, TRUNCATE).integer);
    const exact = magnitude(a);
    return roundExtended(a.sign, { ...exact, scale: exact.scale + (b.sign === 1 ? -whole : whole) }, environment);
  });
}

/** FXTRACT: unbiased exponent and significand as values. */
export interface Parts {
  readonly exponent: Extended;
  readonly significand: Extended;
  readonly flags: number;
}

export function extract(x: Extended, environment: Environment): Parts {
  const nan = nanResult(x, x);
  if (nan) return { exponent: nan.value, significand: nan.value, flags: nan.flags };
  const kind = kindOf(x);
  if (kind === 'zero') return { exponent: infinity(1), significand: x, flags: ZERO_DIVIDE };
  if (kind === 'infinity') return { exponent: infinity(0), significand: x, flags: 0 };
  const { integer, scale: low } = magnitude(x);
  const bits = bitLength(integer);
  const power = low + bits - 1;
  const whole = { integer: BigInt(Math.abs(power)), scale: 0, sticky: false };
  return {
    exponent: roundExtended(power < 0 ? 1 : 0, whole, environment).value,
    significand: { sign: x.sign, exponent: EXTENDED_BIAS, significand: integer << BigInt(64 - bits) },
    flags: denormalFlag(x),
  };
}

/** Partial remainders leave their quotient's low bits in C0, C3 and C1, or C2 where there is more to do. */
export interface Remainder {
  readonly result: Result;
  /** Undefined where there is no quotient: C0 and C3 then keep their values. */
  readonly conditions: number | undefined;
}

const quotientConditions = (integer: bigint): number => {
  const low = Number(integer & 7n);
  return ((low & 4) !== 0 ? C0 : 0) | ((low & 2) !== 0 ? C3 : 0) | ((low & 1) !== 0 ? C1 : 0);
};

/** FPREM (TRUNCATE) and FPREM1 (NEAREST). A step reduces the exponents' difference by 32 to 63 (SDM Vol. 2A, "FPREM"). */
export function remainder(
  a: Extended,
  b: Extended,
  mode: typeof TRUNCATE | typeof NEAREST,
  environment: Environment,
): Remainder {
  const nan = nanResult(a, b);
  if (nan) return { result: nan, conditions: undefined };
  const [ka, kb] = [kindOf(a), kindOf(b)];
  if (ka === 'infinity' || kb === 'zero') return { result: INVALID_RESULT, conditions: undefined };
  let conditions = 0;
  const result = withDenormal(denormalFlag(a, b), environment.masks, () => {
    if (ka === 'zero') return exactly(a);
    if (kb === 'infinity') return roundExtended(a.sign, magnitude(a), environment);
    const [ma, mb] = [magnitude(a), magnitude(b)];
    const distance = ma.scale + bitLength(ma.integer) - mb.scale - bitLength(mb.integer);
    if (distance < -1) return roundExtended(a.sign, ma, environment);
    const low = Math.min(ma.scale, mb.scale);
    const dividend = ma.integer << BigInt(ma.scale - low);
    const divisor = mb.integer << BigInt(mb.scale - low);
    if (distance >= 64) {
      conditions = C2;
      const step = (distance & 31) | 32;
      const unit = divisor << BigInt(distance - step);
      return roundExtended(a.sign, { integer: dividend % unit, scale: low, sticky: false }, environment);
    }
    let whole = dividend / divisor;
    let rest = dividend - whole * divisor;
    let { sign } = a;
    if (mode === NEAREST && (rest * 2n > divisor || (rest * 2n === divisor && (whole & 1n) === 1n))) {
      whole += 1n;
      rest = divisor - rest;
      sign = sign === 0 ? 1 : 0;
    }
    conditions = quotientConditions(whole);
    return rest === 0n
      ? exactly(zero(a.sign))
      : roundExtended(sign, { integer: rest, scale: low, sticky: false }, environment);
  });
  return { result, conditions };
}

/** -1, 0, 1 or unordered. */
export type Order = -1 | 0 | 1 | undefined;

/** Order of two values; undefined with a NaN or an unsupported format. */
export function compare(a: Extended, b: Extended): Order {
  if (nanResult(a, b)) return undefined;
  const [sa, sb] = [signedKey(a), signedKey(b)];
  return sa < sb ? -1 : sa > sb ? 1 : 0;
}
/** An integer with the order of the values. */
function signedKey(x: Extended): bigint {
  const key = (BigInt(Math.max(x.exponent, 1)) << 64n) | x.significand;
  if (x.significand === 0n) return 0n;
  return x.sign === 1 ? -key : key;
}
