/** The constants of the x87 FPU to 256 binary places, computed from series when this file is loaded. */

/** integer * 2^scale, truncated. */
export interface Constant {
  readonly integer: bigint;
  readonly scale: number;
}

const PLACES = 256;
const GUARD = 32;
const UNIT = 1n << BigInt(PLACES + GUARD);

/** Sum of sign^k / ((2k+1) n^(2k+1)): atanh(1/n) with sign 1, atan(1/n) with -1. */
function inverseTangent(n: bigint, sign: 1n | -1n): bigint {
  let power = UNIT / n;
  let total = 0n;
  let direction = 1n;
  for (let k = 1n; power !== 0n; k += 2n) {
    total += (direction * power) / k;
    power /= n * n;
    direction *= sign;
  }
  return total;
}

const constant = (wide: bigint): Constant => ({ integer: wide >> BigInt(GUARD), scale: -PLACES });

// Machin's formula; ln 2 = 2 atanh(1/3); ln 10 = 3 ln 2 + ln(5/4).
const pi = 4n * (4n * inverseTangent(5n, -1n) - inverseTangent(239n, -1n));
const ln2 = 2n * inverseTangent(3n, 1n);
const ln10 = 3n * ln2 + 2n * inverseTangent(9n, 1n);

export const PI = constant(pi);
export const LN_2 = constant(ln2);
export const LOG2_E = constant((UNIT * UNIT) / ln2);
export const LOG2_10 = constant((ln10 * UNIT) / ln2);
export const LOG10_2 = constant((ln2 * UNIT) / ln10);

/** A constant with `places` binary places. */
export const toPlaces = ({ integer }: Constant, places: number): bigint =>
  places >= PLACES ? integer << BigInt(places - PLACES) : integer >> BigInt(PLACES - places);

/**
 * Pi as processors hold it for argument reduction: 66 significant bits (SDM Vol. 1, "Approximation of Pi" 8.3.8).
 */
export const REDUCTION_PI: Constant = { integer: 0xc90f_daa2_2168_c234cn, scale: -66 };
