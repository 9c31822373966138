/**
 * Double extended-precision values and correct rounding to every format of the x87 FPU. Significands are exact integers, so
 * that a result is rounded once, from all of its bits (SDM Vol. 1, "x87 FPU Data Types" 8.2; "Rounding" 4.8.4).
 */
import { DENORMAL, INVALID, OVERFLOW, PRECISION, UNDERFLOW } from '../../cpu/x87-state.ts';

/** 80 bits as they are in a register: `significand` with its explicit integer bit, biased `exponent`. */
export interface Extended {
  readonly sign: 0 | 1;
  readonly exponent: number;
  readonly significand: bigint;
}

/** A positive integer times 2^scale. `sticky`: the exact magnitude is larger by less than one unit of `integer`. */
export interface Magnitude {
  readonly integer: bigint;
  readonly scale: number;
  readonly sticky: boolean;
}

/** Rounding control's encoding (SDM Vol. 1, table 4-8). */
export const NEAREST = 0;
export const DOWN = 1;
const UP = 2;
export const TRUNCATE = 3;

export interface Format {
  /** Bits of the significand, integer bit included. */
  readonly precision: number;
  readonly bias: number;
}
export const SINGLE: Format = { precision: 24, bias: 127 };
export const DOUBLE: Format = { precision: 53, bias: 1023 };
export const EXTENDED_BIAS = 16383;
/** The extended format under each precision control; the reserved encoding 1 acts as 64 bits. */
export const EXTENDED: Format = { precision: 64, bias: EXTENDED_BIAS };
export const PRECISIONS: readonly Format[] = [
  { precision: 24, bias: EXTENDED_BIAS },
  EXTENDED,
  { precision: 53, bias: EXTENDED_BIAS },
  EXTENDED,
];

/** What rounding depends on. */
export interface Environment {
  readonly format: Format;
  readonly mode: number;
  /** Exceptions that are masked. */
  readonly masks: number;
}

/** A result with the exceptions it raises. `up`: the magnitude was rounded up, which C1 tells. */
export interface Result {
  readonly value: Extended;
  readonly flags: number;
  readonly up: boolean;
}

export const MAX_EXPONENT = 0x7fff;
export const INTEGER_BIT = 1n << 63n;
export const QUIET_BIT = 1n << 62n;

export const zero = (sign: 0 | 1): Extended => ({ sign, exponent: 0, significand: 0n });
export const infinity = (sign: 0 | 1): Extended => ({ sign, exponent: MAX_EXPONENT, significand: INTEGER_BIT });
/** QNaN floating-point indefinite. */
export const INDEFINITE: Extended = { sign: 1, exponent: MAX_EXPONENT, significand: INTEGER_BIT | QUIET_BIT };
export const ONE: Extended = { sign: 0, exponent: EXTENDED_BIAS, significand: INTEGER_BIT };
export const negate = (x: Extended): Extended => ({ ...x, sign: x.sign === 0 ? 1 : 0 });

/** `unsupported`: unnormals, pseudo-NaNs and pseudo-infinities. Pseudo-denormals count as denormal. */
export type Kind = 'zero' | 'denormal' | 'normal' | 'infinity' | 'quiet' | 'signaling' | 'unsupported';

export function kindOf({ exponent, significand }: Extended): Kind {
  if (exponent === 0) return significand === 0n ? 'zero' : 'denormal';
  if (significand < INTEGER_BIT) return 'unsupported';
  if (exponent !== MAX_EXPONENT) return 'normal';
  if (significand === INTEGER_BIT) return 'infinity';
  return (significand & QUIET_BIT) !== 0n ? 'quiet' : 'signaling';
}
export const isNan = (kind: Kind): boolean => kind === 'quiet' || kind === 'signaling';

/** Exact magnitude of a finite value. */
export const magnitude = (x: Extended): Magnitude => ({
  integer: x.significand,
  scale: Math.max(x.exponent, 1) - EXTENDED_BIAS - 63,
  sticky: false,
});

/** Number of bits of a non-negative integer; 0 for 0. */
export function bitLength(value: bigint): number {
  let bits = 0;
  let rest = value;
  for (; rest >> 64n !== 0n; rest >>= 64n) bits += 64;
  const high = Number(rest >> 32n);
  return high !== 0 ? bits + 64 - Math.clz32(high) : bits + 32 - Math.clz32(Number(rest));
}

interface Cut {
  readonly kept: bigint;
  readonly inexact: boolean;
  readonly up: boolean;
}

/** Drops the low `bits` bits of an integer (adds zeros for a negative number), rounding. */
export function cut(integer: bigint, sticky: boolean, bits: number, sign: 0 | 1, mode: number): Cut {
  if (bits <= 0) {
    const kept = integer << BigInt(-bits);
    const away = sticky && mode === (sign === 0 ? UP : DOWN);
    return { kept: away ? kept + 1n : kept, inexact: sticky, up: away };
  }
  const width = BigInt(bits);
  const kept = integer >> width;
  const rest = integer - (kept << width);
  const inexact = sticky || rest !== 0n;
  if (!inexact) return { kept, inexact, up: false };
  let up: boolean;
  if (mode === NEAREST) {
    const half = 1n << (width - 1n);
    up = rest > half || (rest === half && (sticky || (kept & 1n) === 1n));
  } else up = mode === (sign === 0 ? UP : DOWN);
  return { kept: up ? kept + 1n : kept, inexact, up };
}

/** A finite rounded number: value = kept * 2^(exponent - bias - precision + 1); exponent 0 for denormals, as in the format. */
interface Rounded {
  readonly exponent: number;
  readonly kept: bigint;
  readonly infinite: boolean;
  readonly flags: number;
  readonly up: boolean;
}

/** Unmasked overflow and underflow deliver a result whose exponent is off by this (SDM Vol. 1, 8.5.4 and 8.5.5). */
const WRAP = 24576;

/**
 * Rounds a non-zero magnitude to a format. Tininess is detected after rounding. With overflow or underflow unmasked the
 * exponent comes wrapped.
 */
export function roundTo(sign: 0 | 1, exact: Magnitude, { format, mode, masks }: Environment): Rounded {
  const { precision, bias } = format;
  const { integer, scale, sticky } = exact;
  const bits = bitLength(integer);
  const limit = 1n << BigInt(precision);
  let exponent = scale + bits - 1 + bias;
  const maximum = 2 * bias + 1;
  const normal = cut(integer, sticky, bits - precision, sign, mode);
  let { kept } = normal;
  const before = exponent;
  if (kept === limit) {
    kept >>= 1n;
    exponent++;
  }
  const precise = normal.inexact ? PRECISION : 0;
  if (before < 1) {
    const tiny = exponent < 1;
    if (tiny && (masks & UNDERFLOW) === 0) {
      const wrapped = exponent + WRAP;
      if (wrapped < 1) return { exponent: 0, kept: 0n, infinite: false, flags: UNDERFLOW | PRECISION, up: false };
      return { exponent: wrapped, kept, infinite: false, flags: UNDERFLOW | precise, up: normal.up };
    }
    // Nothing is left beyond two bits below the smallest denormal but the fact that there was something.
    const drop = Math.min(2 - bias - precision - scale, bits + 2);
    const denormal = cut(integer, sticky, drop, sign, mode);
    const flags = denormal.inexact ? PRECISION | (tiny ? UNDERFLOW : 0) : 0;
    const carried = denormal.kept >> BigInt(precision - 1) !== 0n;
    return { exponent: carried ? 1 : 0, kept: denormal.kept, infinite: false, flags, up: denormal.up };
  }
  if (exponent < maximum) return { exponent, kept, infinite: false, flags: precise, up: normal.up };
  if ((masks & OVERFLOW) === 0) {
    const wrapped = exponent - WRAP;
    if (wrapped >= maximum)
      return { exponent: maximum, kept: limit >> 1n, infinite: true, flags: OVERFLOW | PRECISION, up: true };
    return { exponent: wrapped, kept, infinite: false, flags: OVERFLOW | precise, up: normal.up };
  }
  const infinite = mode === NEAREST || mode === (sign === 0 ? UP : DOWN);
  const flags = OVERFLOW | PRECISION;
  if (infinite) return { exponent: maximum, kept: limit >> 1n, infinite, flags, up: true };
  return { exponent: maximum - 1, kept: limit - 1n, infinite, flags, up: false };
}

/** Rounds a magnitude, zero allowed, to a register value. */
export function roundExtended(sign: 0 | 1, exact: Magnitude, environment: Environment): Result {
  if (exact.integer === 0n) return { value: zero(sign), flags: 0, up: false };
  const { exponent, kept, flags, up } = roundTo(sign, exact, environment);
  const significand = kept << BigInt(64 - environment.format.precision);
  return { value: { sign, exponent, significand }, flags, up };
}

/** Of two NaNs the one with the larger significand; a quiet one before a signaling one. The result is quiet. */
function propagate(a: Extended, b: Extended): Extended {
  const [ka, kb] = [kindOf(a), kindOf(b)];
  const quiet = (x: Extended): Extended => ({ ...x, significand: x.significand | QUIET_BIT });
  if (!isNan(kb)) return quiet(a);
  if (!isNan(ka)) return quiet(b);
  if (ka !== kb) return ka === 'quiet' ? a : b;
  const [fa, fb] = [a.significand | QUIET_BIT, b.significand | QUIET_BIT];
  if (fa !== fb) return quiet(fa > fb ? a : b);
  return quiet(a.sign === 0 ? a : b);
}

/** A result without rounding. */
export const exactly = (value: Extended, flags = 0): Result => ({ value, flags, up: false });
export const INVALID_RESULT: Result = exactly(INDEFINITE, INVALID);

/**
 * What operands decide before the operation itself: unsupported formats and NaNs. Undefined where the operation goes on.
 */
export function nanResult(a: Extended, b: Extended): Result | undefined {
  const [ka, kb] = [kindOf(a), kindOf(b)];
  if (ka === 'unsupported' || kb === 'unsupported') return INVALID_RESULT;
  if (!isNan(ka) && !isNan(kb)) return undefined;
  return exactly(propagate(a, b), ka === 'signaling' || kb === 'signaling' ? INVALID : 0);
}

/** DENORMAL where an operand is one. */
export const denormalFlag = (...operands: readonly Extended[]): number =>
  operands.some((x) => kindOf(x) === 'denormal') ? DENORMAL : 0;

/** Adds a denormal-operand exception; where it is not masked it is the only one, and there is no result. */
export function withDenormal(flag: number, masks: number, compute: () => Result): Result {
  if ((flag & ~masks) !== 0) return exactly(INDEFINITE, flag);
  const result = compute();
  return flag === 0 ? result : { ...result, flags: result.flags | flag };
}
