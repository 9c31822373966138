/** Operands for which emitted code computes itself, and whose results lie where its roundings and carries change. */
import { extendedValue, type Random } from './cases.ts';

const INTEGER_BIT = 1n << 63n;
const MASK_64 = (1n << 64n) - 1n;
const BIAS = 16383;
/** Places that a significand of 24, 53 or 64 bits leaves of 64; of 64 bits none, so that its halves come from operations. */
const DROPPED = [11, 40];

/** The last place kept, and half of it, one more and one less of either. */
function nearHalf(random: Random, significand: bigint): bigint {
  const dropped = BigInt(random.pick(DROPPED));
  const half = 1n << (dropped - 1n);
  const kept = (significand >> dropped) << dropped;
  return (kept + random.pick([0n, 1n, half - 1n, half, half + 1n, 2n * half - 1n])) & MASK_64;
}

function significand(random: Random): bigint {
  const any = random.bits(64) | INTEGER_BIT;
  switch (random.below(8)) {
    case 0:
      return INTEGER_BIT | (1n << BigInt(random.below(64)));
    case 1:
      return MASK_64 - (1n << BigInt(random.below(63)));
    case 2:
      return MASK_64 - BigInt(random.below(3));
    case 3:
      return INTEGER_BIT + BigInt(random.below(3));
    case 4:
      return nearHalf(random, any) | INTEGER_BIT;
    case 5:
      return (((any >> BigInt(random.below(63))) << BigInt(random.below(63))) & MASK_64) | INTEGER_BIT;
    default:
      return any;
  }
}

const at = (random: Random, exponent: number, bits: bigint): bigint =>
  (BigInt(random.below(2)) << 79n) | (BigInt(exponent) << 64n) | bits;

/** Distances at which an addend changes its part in a sum. */
const DISTANCES = [0, 0, 1, 1, 2, 3, 10, 11, 12, 39, 40, 41, 62, 63, 64, 65, 66, 67, 126, 127, 128, 129, 300];

/** A sequence of values: each is related to the one before, which is what makes sums, products and quotients special. */
export function borderValues(): (random: Random) => bigint {
  let before = at0(INTEGER_BIT);
  return (random) => {
    before = next(random, before);
    return before;
  };
}
const at0 = (bits: bigint): bigint => (BigInt(BIAS) << 64n) | bits;

function next(random: Random, before: bigint): bigint {
  const exponent = Number((before >> 64n) & 0x7fffn);
  const bits = before & MASK_64;
  const inRange = exponent > 1000 && exponent < 0x7fff - 1000 ? exponent : BIAS;
  switch (random.below(10)) {
    case 0:
      return before ^ (1n << 79n);
    case 1: // the same but for the last places: cancellation
      return at(random, inRange, (bits ^ BigInt(random.below(4))) | INTEGER_BIT);
    case 2:
      return at(random, inRange + random.pick(DISTANCES), significand(random));
    case 3:
      return at(random, inRange - random.pick(DISTANCES), significand(random));
    case 4: // a multiple: quotients that are exact, or just not
      return multiple(random, bits, inRange);
    case 5: // a square
      return square(random);
    case 6:
      return random.below(4) === 0 ? BigInt(random.below(2)) << 79n : at(random, BIAS, significand(random));
    case 7: // integers and their halves, up to 2^64
      return at(random, BIAS - 2 + random.below(68), significand(random));
    case 8: // the borders of what double and single hold
      return at(
        random,
        BIAS + random.pick([-1023, -1022, -1021, -127, -126, 127, 128, 1023, 1024]),
        significand(random),
      );
    default:
      return random.below(8) === 0 ? extendedValue(random) : at(random, inRange, significand(random));
  }
}

function normalized(random: Random, integer: bigint, exponent: number): bigint {
  const length = integer.toString(2).length;
  const bits = length > 64 ? integer >> BigInt(length - 64) : integer << BigInt(64 - length);
  return at(random, exponent, bits);
}
function multiple(random: Random, bits: bigint, exponent: number): bigint {
  const width = random.pick([1, 12, 24, 25, 53, 54, 64]);
  const factor = (1n << BigInt(width - 1)) | random.bits(width);
  const product = (bits | INTEGER_BIT) * factor + BigInt(random.below(3) - 1);
  return normalized(random, product, exponent);
}
function square(random: Random): bigint {
  const width = random.pick([8, 24, 25, 32, 33, 53, 54, 64]);
  const root = (1n << BigInt(width - 1)) | random.bits(width);
  const value = normalized(random, root * root + BigInt(random.below(3) - 1), BIAS + random.below(200) - 100);
  return value & ((1n << 79n) - 1n);
}
