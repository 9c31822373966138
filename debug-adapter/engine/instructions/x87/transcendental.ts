/**
 * FSIN FCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 as functions of values (SDM Vol. 1, "Transcendental Instructions" 8.3.7 to
 * 8.3.10). Each is computed to about 70 bits more than a register holds and rounded once: within half an ulp but for the
 * rarest cases, where processors promise one ulp. Angles are reduced with the 66-bit pi that processors use.
 */
import { ZERO_DIVIDE } from '../../cpu/x87-state.ts';
import { quotient } from './arithmetic.ts';
import { LN_2, LOG2_E, PI, REDUCTION_PI, toPlaces } from './constants.ts';
import {
  bitLength,
  denormalFlag,
  exactly,
  EXTENDED_BIAS,
  infinity,
  INTEGER_BIT,
  INVALID_RESULT,
  kindOf,
  magnitude,
  nanResult,
  ONE,
  roundExtended,
  withDenormal,
  zero,
  type Environment,
  type Extended,
  type Magnitude,
  type Result,
} from './extended.ts';
import { arcTangent, exponentialMinusOne, inverseHyperbolicTangent, sineCosine } from './series.ts';

/** Binary places below the leading bit of a result. */
const PLACES = 144;
/** An argument below 2^-TINY gives the first term of its series and a bit that says there is more. */
const TINY = 80;

const opposite = (sign: 0 | 1): 0 | 1 => (sign === 0 ? 1 : 0);
const product = (a: 0 | 1, b: 0 | 1): 0 | 1 => (a === b ? 0 : 1);

/** The number n with 2^n <= magnitude < 2^(n+1). */
const binade = ({ integer, scale }: Magnitude): number => scale + bitLength(integer) - 1;

function toFixed({ integer, scale }: Magnitude, places: number): bigint {
  const shift = scale + places;
  if (shift >= 0) return integer << BigInt(shift);
  return shift < -1024 ? 0n : integer >> BigInt(-shift);
}
const fixed = (integer: bigint, places: number): Magnitude => ({ integer, scale: -places, sticky: true });
/** Slightly more, or slightly less, than a magnitude. */
const above = ({ integer, scale }: Magnitude): Magnitude => ({
  integer: integer << BigInt(PLACES),
  scale: scale - PLACES,
  sticky: true,
});
const below = (exact: Magnitude): Magnitude => {
  const more = above(exact);
  return { ...more, integer: more.integer - 1n };
};

/** A magnitude with its sign. */
interface Signed {
  readonly sign: 0 | 1;
  readonly value: Magnitude;
}
const signed = (integer: bigint, places: number): Signed => ({
  sign: integer < 0n ? 1 : 0,
  value: fixed(integer < 0n ? -integer : integer, places),
});

/** An angle as quadrant (a multiple of pi/2) and what is left, at most pi/4 in magnitude. */
interface Reduced {
  readonly quadrant: number;
  readonly rest: Signed;
}

function reduce(x: Extended): Reduced {
  const exact = magnitude(x);
  if (binade(exact) < -1) return { quadrant: 0, rest: { sign: x.sign, value: exact } };
  const scale = Math.min(exact.scale, REDUCTION_PI.scale - 1);
  const angle = exact.integer << BigInt(exact.scale - scale);
  const right = REDUCTION_PI.integer << BigInt(REDUCTION_PI.scale - 1 - scale);
  const turns = (2n * angle + right) / (2n * right);
  const rest = angle - turns * right;
  const quadrant = Number(turns & 3n);
  const value = { integer: rest < 0n ? -rest : rest, scale, sticky: false };
  const restSign = rest < 0n ? 1 : 0;
  if (x.sign === 0) return { quadrant, rest: { sign: restSign, value } };
  return { quadrant: (4 - quadrant) & 3, rest: { sign: opposite(restSign), value } };
}

const ONE_MAGNITUDE = magnitude(ONE);

function restSine({ sign, value }: Signed): Signed {
  if (value.integer === 0n) return { sign, value };
  const size = binade(value);
  if (size < -TINY) return { sign, value: below(value) };
  const places = PLACES - Math.min(size, 0);
  return { sign, value: fixed(sineCosine(toFixed(value, places), places).sine, places) };
}
function restCosine({ value }: Signed): Signed {
  if (value.integer === 0n || binade(value) < -TINY) return { sign: 0, value: below(ONE_MAGNITUDE) };
  return { sign: 0, value: fixed(sineCosine(toFixed(value, PLACES), PLACES).cosine, PLACES) };
}
const negated = ({ sign, value }: Signed): Signed => ({ sign: opposite(sign), value });

function sineOf({ quadrant, rest }: Reduced): Signed {
  const value = (quadrant & 1) === 0 ? restSine(rest) : restCosine(rest);
  return quadrant >= 2 ? negated(value) : value;
}
const cosineOf = ({ quadrant, rest }: Reduced): Signed => sineOf({ quadrant: (quadrant + 1) & 3, rest });

/** Angles of 2^63 and more are not reduced: C2 says so. */
export const isAngleInRange = (x: Extended): boolean => {
  const kind = kindOf(x);
  return (kind !== 'normal' && kind !== 'denormal') || x.exponent < EXTENDED_BIAS + 63;
};

type Unary = (x: Extended, environment: Environment) => Result;

/** What all functions of an angle share: NaNs, infinities, zero, denormals. */
const ofAngle =
  (atZero: (x: Extended) => Extended, compute: (angle: Reduced, x: Extended) => Signed): Unary =>
  (x, environment) => {
    const nan = nanResult(x, x);
    if (nan) return nan;
    const kind = kindOf(x);
    if (kind === 'infinity') return INVALID_RESULT;
    if (kind === 'zero') return exactly(atZero(x));
    return withDenormal(denormalFlag(x), environment.masks, () => {
      const { sign, value } = compute(reduce(x), x);
      return roundExtended(sign, value, environment);
    });
  };

export const sine = ofAngle((x) => x, sineOf);
export const cosine = ofAngle(() => ONE, cosineOf);
export const tangent = ofAngle(
  (x) => x,
  (angle) => {
    const { rest } = angle;
    if (angle.quadrant === 0 && binade(rest.value) < -TINY) return { sign: rest.sign, value: above(rest.value) };
    const [over, under] = [sineOf(angle), cosineOf(angle)];
    const wide = { ...over.value, integer: over.value.integer << BigInt(PLACES), scale: over.value.scale - PLACES };
    return { sign: product(over.sign, under.sign), value: { ...quotient(wide, under.value), sticky: true } };
  },
);

/** F2XM1; beyond -1 to +1 the manual leaves the result undefined, and the operand stays. */
export const powerMinusOne: Unary = (x, environment) => {
  const nan = nanResult(x, x);
  if (nan) return nan;
  const kind = kindOf(x);
  if (kind === 'infinity') return exactly(x.sign === 0 ? x : { ...ONE, sign: 1 });
  if (kind === 'zero') return exactly(x);
  return withDenormal(denormalFlag(x), environment.masks, () => {
    const exact = magnitude(x);
    const size = binade(exact);
    if (x.exponent === EXTENDED_BIAS && x.significand === INTEGER_BIT)
      return exactly(x.sign === 0 ? ONE : { ...ONE, sign: 1, exponent: EXTENDED_BIAS - 1 });
    if (size >= 0) return exactly(x);
    if (size < -TINY) {
      const first = { integer: exact.integer * LN_2.integer, scale: exact.scale + LN_2.scale, sticky: true };
      return roundExtended(x.sign, first, environment);
    }
    const places = PLACES - size;
    const argument = (toFixed(exact, places) * toPlaces(LN_2, places)) >> BigInt(places);
    const { sign, value } = signed(exponentialMinusOne(x.sign === 1 ? -argument : argument, places), places);
    return roundExtended(sign, value, environment);
  });
};

/** Angle of the point (x, y), 0 to pi; `y` and `x` are magnitudes of non-zero numbers. */
function angleOf(y: Magnitude, x: Magnitude, left: boolean): Magnitude {
  const distance = binade(y) - binade(x);
  const small = distance < -TINY;
  const wide = (over: Magnitude, under: Magnitude): Magnitude =>
    quotient({ ...over, integer: over.integer << BigInt(2 * PLACES), scale: over.scale - 2 * PLACES }, under);
  if (small && !left) return below(wide(y, x));
  const places = 2 * PLACES;
  const steep = y.scale >= x.scale ? y.integer << shiftOf(y, x) > x.integer : y.integer > x.integer << shiftOf(x, y);
  const ratio = steep ? wide(x, y) : wide(y, x);
  const first = arcTangent(toFixed(ratio, places), places);
  const pi = toPlaces(PI, places);
  const angle = steep ? (pi >> 1n) - first : first;
  return fixed(left ? pi - angle : angle, places);
}
const shiftOf = (high: Magnitude, low: Magnitude): bigint => BigInt(high.scale - low.scale);

const piTimes = (numerator: bigint, power: number): Magnitude => ({
  integer: PI.integer * numerator,
  scale: PI.scale + power,
  sticky: true,
});

/** FPATAN: the angle of the point (x, y), whatever quadrant. */
export function arcTangentOf(y: Extended, x: Extended, environment: Environment): Result {
  const nan = nanResult(x, y);
  if (nan) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  return withDenormal(denormalFlag(x, y), environment.masks, () => {
    const left = x.sign === 1;
    const rounded = (value: Magnitude): Result => roundExtended(y.sign, value, environment);
    if (ky === 'infinity') return rounded(kx !== 'infinity' ? piTimes(1n, -1) : piTimes(left ? 3n : 1n, -2));
    if (ky === 'zero' || kx === 'infinity') return left ? rounded(piTimes(1n, 0)) : exactly(zero(y.sign));
    if (kx === 'zero') return rounded(piTimes(1n, -1));
    return rounded(angleOf(magnitude(y), magnitude(x), left));
  });
}

/** Places of a logarithm: near one, a 64-bit argument leaves only its last bit. */
const LOGARITHM_PLACES = PLACES + 64;

/** log2 of a positive number, with its sign; `exact` where it is an integer. */
function logarithm({ integer, scale }: Magnitude): Signed {
  const places = LOGARITHM_PLACES;
  const bits = bitLength(integer);
  let power = scale + bits - 1;
  const shift = BigInt(places + 1 - bits);
  let mantissa = shift >= 0n ? integer << shift : integer >> -shift;
  const one = 1n << BigInt(places);
  // 3/2 is near enough to the square root of 2 for the series.
  if (mantissa * 2n > 3n * one) {
    mantissa >>= 1n;
    power++;
  }
  const whole = BigInt(power) * one;
  if (mantissa === one) {
    const exact = signed(whole, places);
    return { ...exact, value: { ...exact.value, sticky: false } };
  }
  const z = ((mantissa - one) << BigInt(places)) / (mantissa + one);
  const natural = 2n * inverseHyperbolicTangent(z, places);
  return signed(whole + ((natural * toPlaces(LOG2_E, places)) >> BigInt(places)), places);
}

/** log2(1 + x) for x above -1. */
function logarithmPlusOne(x: Extended): Signed {
  const exact = magnitude(x);
  const size = binade(exact);
  if (size < -TINY)
    return {
      sign: x.sign,
      value: { integer: exact.integer * LOG2_E.integer, scale: exact.scale + LOG2_E.scale, sticky: true },
    };
  if (size >= -1) {
    const places = -Math.min(exact.scale, 0);
    const argument = x.sign === 1 ? -toFixed(exact, places) : toFixed(exact, places);
    return logarithm({ integer: (1n << BigInt(places)) + argument, scale: -places, sticky: false });
  }
  const places = PLACES - size;
  const argument = x.sign === 1 ? -toFixed(exact, places) : toFixed(exact, places);
  const z = (argument << BigInt(places)) / ((2n << BigInt(places)) + argument);
  const natural = 2n * inverseHyperbolicTangent(z, places);
  return signed((natural * toPlaces(LOG2_E, places)) >> BigInt(places), places);
}

function times(y: Extended, log: Signed, environment: Environment): Result {
  const factor = magnitude(y);
  const exact = {
    integer: factor.integer * log.value.integer,
    scale: factor.scale + log.value.scale,
    sticky: log.value.sticky,
  };
  return roundExtended(product(y.sign, log.sign), exact, environment);
}

/** FYL2X: y * log2(x). */
export function logarithmProduct(y: Extended, x: Extended, environment: Environment): Result {
  const nan = nanResult(x, y);
  if (nan) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (kx === 'zero') {
    if (ky === 'zero') return INVALID_RESULT;
    return exactly(infinity(opposite(y.sign)), ky === 'infinity' ? 0 : ZERO_DIVIDE);
  }
  if (x.sign === 1) return INVALID_RESULT;
  if (kx === 'infinity') {
    if (ky === 'zero') return INVALID_RESULT;
    return withDenormal(denormalFlag(y), environment.masks, () => exactly(infinity(y.sign)));
  }
  const isOne = x.exponent === EXTENDED_BIAS && x.significand === INTEGER_BIT;
  if (isOne && ky === 'infinity') return INVALID_RESULT;
  return withDenormal(denormalFlag(x, y), environment.masks, () => {
    const sign = product(y.sign, x.exponent < EXTENDED_BIAS ? 1 : 0);
    if (ky === 'infinity') return exactly(infinity(sign));
    if (ky === 'zero' || isOne) return exactly(zero(sign));
    return times(y, logarithm(magnitude(x)), environment);
  });
}

/** FYL2XP1: y * log2(x + 1), accurate near zero; at or below -1 the manual leaves it undefined, here it is invalid. */
export function logarithmPlusOneProduct(y: Extended, x: Extended, environment: Environment): Result {
  const nan = nanResult(x, y);
  if (nan) return nan;
  const [kx, ky] = [kindOf(x), kindOf(y)];
  if (x.sign === 1 && kx !== 'zero' && x.exponent >= EXTENDED_BIAS) return INVALID_RESULT;
  if (kx === 'zero' && ky === 'infinity') return INVALID_RESULT;
  if (kx === 'infinity' && ky === 'zero') return INVALID_RESULT;
  return withDenormal(denormalFlag(x, y), environment.masks, () => {
    const sign = product(x.sign, y.sign);
    if (kx === 'zero' || ky === 'zero') return exactly(zero(sign));
    if (kx === 'infinity' || ky === 'infinity') return exactly(infinity(sign));
    return times(y, logarithmPlusOne(x), environment);
  });
}
