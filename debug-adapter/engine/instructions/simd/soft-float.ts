/**
 * Binary floating point computed exactly and rounded once, for every format, rounding mode and exception of SSE
 * (SDM Vol. 1, "Floating-Point Exceptions" 4.9; appendix E.4.2). Values are bit patterns in bigints. Slow: `float-lanes.ts` does the
 * ordinary cases with the host's own arithmetic.
 */
import { control, MXCSR, ROUND, type Rounding } from './mxcsr.ts';

export interface Format {
  readonly bits: number;
  /** Stored significand bits. */
  readonly fraction: number;
  /** Largest biased exponent, that of infinities and NaNs. */
  readonly top: number;
  readonly bias: number;
}
export const HALF: Format = { bits: 16, fraction: 10, top: 0x1f, bias: 15 };
export const SINGLE: Format = { bits: 32, fraction: 23, top: 0xff, bias: 127 };
export const DOUBLE: Format = { bits: 64, fraction: 52, top: 0x7ff, bias: 1023 };

/** sig * 2^exp where finite. */
interface Number_ {
  readonly bits: bigint;
  readonly sign: boolean;
  readonly kind: 'finite' | 'infinity' | 'quiet' | 'signaling';
  readonly sig: bigint;
  readonly exp: number;
  readonly denormal: boolean;
}

const one = (shift: number): bigint => 1n << BigInt(shift);

/** Takes a pattern apart. Denormals count as zeros under DAZ, unless `keepDenormals`. */
function unpack(format: Format, bits: bigint, keepDenormals = false): Number_ {
  const { fraction, top, bias } = format;
  const sign = bits >> BigInt(format.bits - 1) !== 0n;
  const biased = Number(bits >> BigInt(fraction)) & top;
  const stored = bits & (one(fraction) - 1n);
  if (biased === top) {
    const kind = stored === 0n ? 'infinity' : stored >> BigInt(fraction - 1) !== 0n ? 'quiet' : 'signaling';
    return { bits, sign, kind, sig: 0n, exp: 0, denormal: false };
  }
  const denormal = biased === 0 && stored !== 0n && (keepDenormals || !control.daz);
  const sig = biased !== 0 ? stored | one(fraction) : denormal ? stored : 0n;
  return { bits, sign, kind: 'finite', sig, exp: Math.max(biased, 1) - bias - fraction, denormal };
}

const isNaNKind = (x: Number_): boolean => x.kind === 'quiet' || x.kind === 'signaling';
const signBit = (format: Format, sign: boolean): bigint => (sign ? one(format.bits - 1) : 0n);
const zero = (format: Format, sign: boolean): bigint => signBit(format, sign);
const infinity = (format: Format, sign: boolean): bigint =>
  signBit(format, sign) | (BigInt(format.top) << BigInt(format.fraction));
/** QNaN floating-point indefinite. */
const indefinite = (format: Format): bigint => infinity(format, true) | one(format.fraction - 1);
const quieted = (format: Format, bits: bigint): bigint => bits | one(format.fraction - 1);

function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return digits.length * 4 - (Math.clz32(parseInt(digits[0], 16)) - 28);
}

/** Whether a magnitude with that remainder goes up. `remainder` against half a unit, `odd`: the kept part's last bit. */
function roundsUp(rounding: Rounding, sign: boolean, odd: boolean, remainder: -1 | 0 | 1, exact: boolean): boolean {
  if (exact) return false;
  if (rounding === ROUND.nearest) return remainder > 0 || (remainder === 0 && odd);
  return rounding === ROUND.up ? !sign : rounding === ROUND.down && sign;
}

interface Rounded {
  readonly sig: bigint;
  readonly exact: boolean;
}

/** Rounds sig (and, with `sticky`, a bit more than that) to a multiple of 2^shift; gives the multiple. */
function roundShift(sig: bigint, shift: number, sticky: boolean, sign: boolean, rounding: Rounding): Rounded {
  if (shift <= 0) {
    if (sticky) throw new Error('Invariant broken: too few bits to round');
    return { sig: sig << BigInt(-shift), exact: true };
  }
  const kept = sig >> BigInt(shift);
  const rest = sig - (kept << BigInt(shift));
  const half = one(shift - 1);
  const remainder = rest > half || (rest === half && sticky) ? 1 : rest === half ? 0 : -1;
  const exact = rest === 0n && !sticky;
  const up = roundsUp(rounding, sign, (kept & 1n) !== 0n, remainder, exact);
  return { sig: up ? kept + 1n : kept, exact };
}

/** What becomes of results too small for the format. */
export type Flush = 'as FTZ says' | 'never';

/** Rounds (sig + sticky) * 2^exp, sig > 0, to a pattern, raising OE, UE and PE. */
function pack(
  format: Format,
  sign: boolean,
  sig: bigint,
  exp: number,
  sticky = false,
  rounding: Rounding = control.rounding,
  flush: Flush = 'as FTZ says',
): bigint {
  const { fraction, bias, top } = format;
  const minimum = 1 - bias;
  let leading = exp + bitLength(sig) - 1;
  // As if exponents had no bounds: tininess is detected after rounding.
  const free = roundShift(sig, leading - fraction - exp, sticky, sign, rounding);
  const carried = bitLength(free.sig) > fraction + 1;
  if (leading + (carried ? 1 : 0) < minimum) {
    if (!control.underflowMasked) control.raise(MXCSR.UE | (free.exact ? 0 : MXCSR.PE));
    else if (control.ftz && flush === 'as FTZ says') {
      control.raise(MXCSR.UE | MXCSR.PE);
      return zero(format, sign);
    }
    const tiny = roundShift(sig, minimum - fraction - exp, sticky, sign, rounding);
    if (!tiny.exact) control.raise(control.underflowMasked ? MXCSR.UE | MXCSR.PE : 0);
    return signBit(format, sign) | tiny.sig;
  }
  let kept = free.sig;
  if (carried) {
    kept >>= 1n;
    leading++;
  }
  if (leading + bias >= top) {
    control.raise(MXCSR.OE | (free.exact && !control.overflowMasked ? 0 : MXCSR.PE));
    const toInfinity =
      rounding === ROUND.nearest || (rounding === ROUND.up && !sign) || (rounding === ROUND.down && sign);
    return toInfinity ? infinity(format, sign) : infinity(format, sign) - 1n;
  }
  if (!free.exact) control.raise(MXCSR.PE);
  return signBit(format, sign) | ((BigInt(leading + bias - 1) << BigInt(fraction)) + kept);
}

const invalid = (format: Format): bigint => {
  control.raise(MXCSR.IE);
  return indefinite(format);
};

/** The NaN that an operation with at least one NaN gives: the first operand that is one, quieted. */
function propagate(format: Format, ...operands: readonly Number_[]): bigint | undefined {
  const first = operands.find(isNaNKind);
  if (first === undefined) return undefined;
  if (operands.some((x) => x.kind === 'signaling')) control.raise(MXCSR.IE);
  return quieted(format, first.bits);
}
const raiseDenormal = (...operands: readonly Number_[]): void => {
  if (operands.some((x) => x.denormal)) control.raise(MXCSR.DE);
};
const isZero = (x: Number_): boolean => x.kind === 'finite' && x.sig === 0n;

/** Exact sum of two finite numbers, rounded once. */
function sum(format: Format, x: Number_, y: Number_): bigint {
  const exp = x.sig === 0n ? y.exp : y.sig === 0n ? x.exp : Math.min(x.exp, y.exp);
  const scaled = (z: Number_): bigint => (z.sig === 0n ? 0n : (z.sign ? -z.sig : z.sig) << BigInt(z.exp - exp));
  const total = scaled(x) + scaled(y);
  if (total !== 0n) return pack(format, total < 0n, total < 0n ? -total : total, exp);
  const sign = x.sign === y.sign && isZero(x) && isZero(y) ? x.sign : control.rounding === ROUND.down;
  return zero(format, sign);
}

export function add(format: Format, a: bigint, b: bigint, subtract = false): bigint {
  const x = unpack(format, a);
  const raw = unpack(format, b);
  const nan = propagate(format, x, raw);
  if (nan !== undefined) return nan;
  const y = subtract ? { ...raw, sign: !raw.sign } : raw;
  if (x.kind === 'infinity' && y.kind === 'infinity' && x.sign !== y.sign) return invalid(format);
  raiseDenormal(x, y);
  if (x.kind === 'infinity') return infinity(format, x.sign);
  if (y.kind === 'infinity') return infinity(format, y.sign);
  return sum(format, x, y);
}

export function multiply(format: Format, a: bigint, b: bigint): bigint {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const nan = propagate(format, x, y);
  if (nan !== undefined) return nan;
  const sign = x.sign !== y.sign;
  const infinite = x.kind === 'infinity' || y.kind === 'infinity';
  if (infinite && (isZero(x) || isZero(y))) return invalid(format);
  raiseDenormal(x, y);
  if (infinite) return infinity(format, sign);
  if (isZero(x) || isZero(y)) return zero(format, sign);
  return pack(format, sign, x.sig * y.sig, x.exp + y.exp);
}

export function divide(format: Format, a: bigint, b: bigint): bigint {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const nan = propagate(format, x, y);
  if (nan !== undefined) return nan;
  const sign = x.sign !== y.sign;
  if ((x.kind === 'infinity' && y.kind === 'infinity') || (isZero(x) && isZero(y))) return invalid(format);
  if (isZero(y) && x.kind === 'finite') {
    control.raise(MXCSR.ZE);
    return infinity(format, sign);
  }
  raiseDenormal(x, y);
  if (x.kind === 'infinity') return infinity(format, sign);
  if (y.kind === 'infinity' || isZero(x)) return zero(format, sign);
  // Enough bits that the quotient has more than the format keeps.
  const shift = Math.max(0, format.fraction + 3 + bitLength(y.sig) - bitLength(x.sig));
  const dividend = x.sig << BigInt(shift);
  const quotient = dividend / y.sig;
  return pack(format, sign, quotient, x.exp - y.exp - shift, quotient * y.sig !== dividend);
}

/** Integer square root, rounded down. */
function integerRoot(value: bigint): bigint {
  let root = one((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export function squareRoot(format: Format, a: bigint): bigint {
  const x = unpack(format, a);
  const nan = propagate(format, x);
  if (nan !== undefined) return nan;
  if (isZero(x)) return zero(format, x.sign);
  if (x.sign) return invalid(format);
  raiseDenormal(x);
  if (x.kind === 'infinity') return infinity(format, false);
  let shift = Math.max(0, 2 * (format.fraction + 3) - bitLength(x.sig));
  if (((x.exp - shift) & 1) !== 0) shift++;
  const radicand = x.sig << BigInt(shift);
  const root = integerRoot(radicand);
  return pack(format, false, root, (x.exp - shift) / 2, root * root !== radicand);
}

export interface FusedSigns {
  /** -(x*y). */
  readonly negateProduct: boolean;
  /** ... - z. */
  readonly negateAddend: boolean;
}

/** x*y+z rounded once (SDM Vol. 1, "FMA Instruction Operand Order and Arithmetic Behavior" 14.5.2). */
export function fusedMultiplyAdd(format: Format, a: bigint, b: bigint, c: bigint, signs: FusedSigns): bigint {
  const x = unpack(format, a);
  const y = unpack(format, b);
  const addend = unpack(format, c);
  const nan = propagate(format, x, y, addend);
  if (nan !== undefined) return nan;
  const infinite = x.kind === 'infinity' || y.kind === 'infinity';
  if (infinite && (isZero(x) || isZero(y))) return invalid(format);
  const z: Number_ = { ...addend, sign: addend.sign !== signs.negateAddend };
  const sign = (x.sign !== y.sign) !== signs.negateProduct;
  if (infinite && z.kind === 'infinity' && z.sign !== sign) return invalid(format);
  raiseDenormal(x, y, z);
  if (infinite) return infinity(format, sign);
  if (z.kind === 'infinity') return infinity(format, z.sign);
  const product: Number_ = { ...x, sign, sig: x.sig * y.sig, exp: x.exp + y.exp };
  return sum(format, product, z);
}

/** One floating-point format into another. */
export function convert(
  from: Format,
  to: Format,
  a: bigint,
  options: { rounding?: Rounding; flush?: Flush } = {},
): bigint {
  // Half-precision denormals are ordinary numbers (SDM Vol. 1, 14.4.1).
  const x = unpack(from, a, from === HALF);
  if (isNaNKind(x)) {
    if (x.kind === 'signaling') control.raise(MXCSR.IE);
    const payload = a & (one(from.fraction) - 1n);
    const shift = to.fraction - from.fraction;
    const moved = shift >= 0 ? payload << BigInt(shift) : payload >> BigInt(-shift);
    return quieted(to, infinity(to, x.sign) | moved);
  }
  if (x.kind === 'infinity') return infinity(to, x.sign);
  if (from !== HALF) raiseDenormal(x);
  if (isZero(x)) return zero(to, x.sign);
  return pack(to, x.sign, x.sig, x.exp, false, options.rounding, options.flush);
}

/** A signed integer to the format. */
export function fromInteger(format: Format, value: bigint): bigint {
  if (value === 0n) return 0n;
  return pack(format, value < 0n, value < 0n ? -value : value, 0);
}

/** To a signed integer of `bits` bits as an unsigned pattern; the integer indefinite where it does not fit. */
export function toInteger(format: Format, a: bigint, bits: 32 | 64, rounding: Rounding): bigint {
  const x = unpack(format, a);
  if (x.kind === 'finite') {
    const { sig, exact } = roundShift(x.sig, -x.exp, false, x.sign, rounding);
    const value = x.sign ? -sig : sig;
    if (BigInt.asIntN(bits, value) === value) {
      if (!exact) control.raise(MXCSR.PE);
      return BigInt.asUintN(bits, value);
    }
  }
  control.raise(MXCSR.IE);
  return one(bits - 1);
}

/** To an integral value in the same format. */
export function roundToIntegral(format: Format, a: bigint, rounding: Rounding, raisePrecision: boolean): bigint {
  const x = unpack(format, a);
  const nan = propagate(format, x);
  if (nan !== undefined) return nan;
  if (x.kind === 'infinity') return a;
  if (x.sig === 0n) return zero(format, x.sign);
  if (x.exp >= 0) return a;
  const { sig, exact } = roundShift(x.sig, -x.exp, false, x.sign, rounding);
  if (!exact && raisePrecision) control.raise(MXCSR.PE);
  if (sig === 0n) return zero(format, x.sign);
  return pack(format, x.sign, sig, 0);
}

/** -1, 0, 1, or undefined where unordered. `signalQuiet`: quiet NaNs raise IE too. */
export function compare(format: Format, a: bigint, b: bigint, signalQuiet: boolean): -1 | 0 | 1 | undefined {
  const x = unpack(format, a);
  const y = unpack(format, b);
  if (isNaNKind(x) || isNaNKind(y)) {
    if (signalQuiet || x.kind === 'signaling' || y.kind === 'signaling') control.raise(MXCSR.IE);
    return undefined;
  }
  raiseDenormal(x, y);
  const key = (z: Number_): bigint => {
    const magnitude = isZero(z) ? 0n : z.bits & (one(format.bits - 1) - 1n);
    return z.sign ? -magnitude : magnitude;
  };
  const p = key(x);
  const q = key(y);
  return p < q ? -1 : p > q ? 1 : 0;
}
/** MIN and MAX: the second operand for NaNs and for two zeros (SDM Vol. 2B, "MINPD", "MAXPD"). */
export function select(format: Format, a: bigint, b: bigint, wanted: -1 | 1): bigint {
  const chosen = compare(format, a, b, true) === wanted ? a : b;
  const x = unpack(format, chosen);
  return isZero(x) ? zero(format, x.sign) : chosen;
}
