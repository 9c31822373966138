/**
 * Elementary functions on fixed-point integers: `places` binary places, arguments small. Errors are a few units of the last
 * place, so callers ask for some 70 places more than they keep.
 */
import { integerSquareRoot } from './arithmetic.ts';

/** Sine and cosine of an angle of at most 1 in magnitude. */
export function sineCosine(angle: bigint, places: number): { sine: bigint; cosine: bigint } {
  const shift = BigInt(places);
  const square = (angle * angle) >> shift;
  let sine = 0n;
  let cosine = 0n;
  let even = 1n << shift;
  let odd = angle;
  for (let k = 1n; even !== 0n || (odd !== 0n && odd !== -1n); k += 2n) {
    cosine += even;
    sine += odd;
    even = -((even * square) >> shift) / (k * (k + 1n));
    odd = -((odd * square) >> shift) / ((k + 1n) * (k + 2n));
  }
  return { sine, cosine };
}

/** e^x - 1 for |x| at most 1. */
export function exponentialMinusOne(x: bigint, places: number): bigint {
  const shift = BigInt(places);
  let total = 0n;
  let term = x;
  for (let k = 2n; term !== 0n && term !== -1n; k++) {
    total += term;
    term = ((term * x) >> shift) / k;
  }
  return total;
}

/** Halvings of the angle before the series of the arc tangent. */
const HALVINGS = 4;

/** Arc tangent of a number from 0 to 1. */
export function arcTangent(t: bigint, places: number): bigint {
  const guard = 16;
  const wide = places + guard;
  const shift = BigInt(wide);
  const one = 1n << shift;
  let x = t << BigInt(guard);
  let halvings = 0;
  // tan(a/2) = tan(a) / (1 + sqrt(1 + tan(a)^2)). A small argument needs none, and would lose places.
  if (x >> (shift - 8n) !== 0n)
    for (; halvings < HALVINGS; halvings++) x = (x << shift) / (one + integerSquareRoot((one << shift) + x * x));
  const square = (x * x) >> shift;
  let total = 0n;
  let power = x;
  for (let k = 1n; power !== 0n; k += 2n) {
    total += (k & 2n) === 0n ? power / k : -(power / k);
    power = (power * square) >> shift;
  }
  return (total << BigInt(halvings)) >> BigInt(guard);
}

/** Inverse hyperbolic tangent of a number between -1/2 and 1/2. */
export function inverseHyperbolicTangent(z: bigint, places: number): bigint {
  const shift = BigInt(places);
  const square = (z * z) >> shift;
  let total = 0n;
  let power = z;
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    total += power / k;
    power = (power * square) >> shift;
  }
  return total;
}
