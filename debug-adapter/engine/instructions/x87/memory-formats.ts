/** Values as they lie in memory: single, double, integers and packed decimal, to and from register values. */
import { DENORMAL, INVALID, OVERFLOW, PRECISION, UNDERFLOW } from '../../cpu/x87-state.ts';
import { roundToInteger } from './arithmetic.ts';
import {
  bitLength,
  DOUBLE,
  EXTENDED_BIAS,
  INDEFINITE,
  INTEGER_BIT,
  kindOf,
  magnitude,
  MAX_EXPONENT,
  QUIET_BIT,
  roundTo,
  SINGLE,
  zero,
  type Extended,
  type Format,
} from './extended.ts';

/** An operand read from memory. `denormal`: DENORMAL where the conversion hid that it was one. */
export interface Loaded {
  readonly value: Extended;
  readonly denormal: number;
}

function fromFloat(bits: bigint, format: Format, width: number): Loaded {
  const fractionBits = format.precision - 1;
  const sign = (bits >> BigInt(width - 1)) & 1n ? 1 : 0;
  const exponent = Number(bits >> BigInt(fractionBits)) & (2 * format.bias + 1);
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n);
  const shift = BigInt(63 - fractionBits);
  if (exponent === 2 * format.bias + 1)
    return { value: { sign, exponent: MAX_EXPONENT, significand: INTEGER_BIT | (fraction << shift) }, denormal: 0 };
  if (exponent !== 0) {
    const significand = INTEGER_BIT | (fraction << shift);
    return { value: { sign, exponent: exponent - format.bias + EXTENDED_BIAS, significand }, denormal: 0 };
  }
  if (fraction === 0n) return { value: zero(sign), denormal: 0 };
  const length = bitLength(fraction);
  const value: Extended = {
    sign,
    exponent: length - fractionBits - format.bias + EXTENDED_BIAS,
    significand: fraction << BigInt(64 - length),
  };
  return { value, denormal: DENORMAL };
}

export const fromSingle = (bits: bigint): Loaded => fromFloat(bits, SINGLE, 32);
export const fromDouble = (bits: bigint): Loaded => fromFloat(bits, DOUBLE, 64);

/** A signed integer of at most 64 bits. */
export function fromInteger(value: bigint): Loaded {
  if (value === 0n) return { value: zero(0), denormal: 0 };
  const sign = value < 0n ? 1 : 0;
  const integer = value < 0n ? -value : value;
  const length = bitLength(integer);
  const significand = integer << BigInt(64 - length);
  return { value: { sign, exponent: EXTENDED_BIAS + length - 1, significand }, denormal: 0 };
}

/** What is to be written. With `stores` false an unmasked exception keeps memory and stack as they are. */
export interface Stored {
  readonly bits: bigint;
  readonly flags: number;
  readonly up: boolean;
  readonly stores: boolean;
}

function toFloat(x: Extended, format: Format, width: number, mode: number, masks: number): Stored {
  const fractionBits = BigInt(format.precision - 1);
  const signBit = BigInt(x.sign) << BigInt(width - 1);
  const maximum = BigInt(2 * format.bias + 1) << fractionBits;
  const nan = (value: Extended, flags: number): Stored => ({
    bits:
      (BigInt(value.sign) << BigInt(width - 1)) |
      maximum |
      (((value.significand | QUIET_BIT) & ~INTEGER_BIT) >> (63n - fractionBits)),
    flags,
    up: false,
    stores: (flags & ~masks) === 0,
  });
  const kind = kindOf(x);
  if (kind === 'unsupported') return nan(INDEFINITE, INVALID);
  if (kind === 'quiet' || kind === 'signaling') return nan(x, kind === 'signaling' ? INVALID : 0);
  if (kind === 'infinity') return { bits: signBit | maximum, flags: 0, up: false, stores: true };
  if (kind === 'zero') return { bits: signBit, flags: 0, up: false, stores: true };
  const { exponent, kept, flags, up } = roundTo(x.sign, magnitude(x), { format, mode, masks });
  const fraction = kept & ((1n << fractionBits) - 1n);
  const unstored = flags & ~masks & (OVERFLOW | UNDERFLOW);
  if (unstored !== 0) return { bits: 0n, flags: unstored, up: false, stores: false };
  return { bits: signBit | (BigInt(exponent) << fractionBits) | fraction, flags, up, stores: true };
}

export type Conversion = (x: Extended, mode: number, masks: number) => Stored;

export const toSingle: Conversion = (x, mode, masks) => toFloat(x, SINGLE, 32, mode, masks);
export const toDouble: Conversion = (x, mode, masks) => toFloat(x, DOUBLE, 64, mode, masks);

/** Rounded magnitude where it is below 2^64; undefined for what no integer format holds. */
function wholePart(x: Extended, mode: number): ReturnType<typeof roundToInteger> | undefined {
  const kind = kindOf(x);
  if (kind !== 'zero' && kind !== 'denormal' && kind !== 'normal') return undefined;
  return x.exponent > EXTENDED_BIAS + 63 ? undefined : roundToInteger(x, mode);
}

const invalid = (bits: bigint, masks: number): Stored => ({
  bits,
  flags: INVALID,
  up: false,
  stores: (masks & INVALID) !== 0,
});

/** Two's complement integer; the most negative one is the integer indefinite. */
export const toInteger =
  (width: 16 | 32 | 64): Conversion =>
  (x, mode, masks) => {
    const limit = 1n << BigInt(width - 1);
    const whole = wholePart(x, mode);
    if (whole === undefined || (x.sign === 0 ? whole.integer >= limit : whole.integer > limit))
      return invalid(limit, masks);
    const bits = BigInt.asUintN(width, x.sign === 1 ? -whole.integer : whole.integer);
    return { bits, flags: whole.inexact ? PRECISION : 0, up: whole.up, stores: true };
  };

const DECIMAL_LIMIT = 10n ** 18n;
/** Packed BCD integer indefinite (SDM Vol. 1, table 4-4). */
const DECIMAL_INDEFINITE = 0xffff_c000_0000_0000_0000n;

/** Eighteen packed decimal digits and a sign byte. */
export const toDecimal: Conversion = (x, mode, masks) => {
  const whole = wholePart(x, mode);
  if (whole === undefined || whole.integer >= DECIMAL_LIMIT) return invalid(DECIMAL_INDEFINITE, masks);
  const digits = BigInt(`0x${whole.integer.toString()}`);
  const bits = digits | (BigInt(x.sign) << 79n);
  return { bits, flags: whole.inexact ? PRECISION : 0, up: whole.up, stores: true };
};

/** Digits above 9 count for what they are, as processors do (the manual leaves it undefined). */
export function fromDecimal(bits: bigint): Extended {
  let integer = 0n;
  for (let digit = 17n; digit >= 0n; digit--) integer = integer * 10n + ((bits >> (4n * digit)) & 0xfn);
  const { value } = fromInteger(integer);
  return (bits >> 79n) & 1n ? { ...value, sign: 1 } : value;
}
