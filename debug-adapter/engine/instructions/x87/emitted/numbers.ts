/**
 * Register values in emitted code, and their rounding. Only what programs compute with all day is here: normal numbers and zeros,
 * results within the range of the format, and an inexact result whose exception is masked. Everything else is `UNUSUAL`: the
 * instruction is handed to its TypeScript implementation, which defines all of it.
 */
import { C1, PRECISION } from '../../../cpu/x87-state.ts';
import type { Computation, RoutineBuilder, Value } from '../../builder.ts';
import { unless, variable, whenSet } from '../../values.ts';
import { EXTENDED_BIAS, MAX_EXPONENT } from '../extended.ts';

/** A register's 80 bits: the significand; sign and biased exponent in bits 15:0 of the other, whose upper bits are zero. */
export interface Number80 {
  readonly significand: Value;
  readonly signExponent: Value;
}

/** In place of an outcome: nothing is decided. */
export const UNUSUAL = -1n;
/** Bits of the status word that a result adds, C1 among them, lie in an outcome above sign and exponent. */
export const STATUS_BIT = 16n;
/** Control word: precision control's low bit says 64 bits, its high bit 53; rounding control. */
const PRECISION_64 = 1n << 8n;
const PRECISION_53 = 1n << 9n;
const ROUNDING_BIT = 10n;

export const SIGN_BIT = 15n;
export const INTEGER_BIT_AT = 63n;
const INTEGER_BIT = 1n << INTEGER_BIT_AT;

export const signOf = (c: Computation, signExponent: Value): Value => c.with('shr_u', signExponent, SIGN_BIT);
export const exponentOf = (c: Computation, signExponent: Value): Value =>
  c.with('and', signExponent, BigInt(MAX_EXPONENT));
export const modeOf = (c: Computation, control: Value): Value =>
  c.with('and', c.with('shr_u', control, ROUNDING_BIT), 3n);

/** 0 or 1: exponent neither all zeros nor all ones, integer bit set. */
export function isNormal(c: Computation, { significand }: Number80, exponent: Value): Value {
  const inRange = c.compare('lt_u', c.with('sub', exponent, 1n), c.constant(BigInt(MAX_EXPONENT - 1)));
  return c.binary('and', c.asValue(inRange), c.with('shr_u', significand, INTEGER_BIT_AT));
}
/** 0 or 1: +0.0 or -0.0. */
export const isZeroNumber = (c: Computation, { significand }: Number80, exponent: Value): Value =>
  c.asValue(c.isZero(c.binary('or', significand, exponent)));

/**
 * 0 or 1: whether a magnitude is rounded away from zero. `rest` is what lies below the last place kept, as a fraction of 2^64
 * (SDM Vol. 1, "Rounding" 4.8.4). Directed roundings are DOWN (1) and UP (2): 2 minus the sign is the one that goes away from zero.
 */
export function roundsUp(c: Computation, kept: Value, rest: Value, sign: Value, mode: Value): Value {
  const half = c.with('shr_u', rest, 63n);
  const beyond = c.asValue(c.compare('ne', c.with('shl', rest, 1n), c.constant(0n)));
  const nearest = c.binary('and', half, c.binary('or', beyond, kept));
  const inexact = c.asValue(c.compare('ne', rest, c.constant(0n)));
  const away = c.compare('eq', mode, c.binary('sub', c.constant(2n), sign));
  const directed = c.binary('and', inexact, c.asValue(away));
  return c.select(c.isZero(mode), nearest, directed);
}

/** Status bits of a rounding: PE where `rest` is not zero, C1 where it went up. */
export function roundingStatus(c: Computation, rest: Value, up: Value): Value {
  const inexact = c.asValue(c.compare('ne', rest, c.constant(0n)));
  const precision = c.with('mul', inexact, BigInt(PRECISION));
  return c.binary('or', precision, c.with('mul', up, BigInt(C1)));
}
/** Gives up where a rounding raises an exception that is not masked. */
export function giveUpIfUnmasked(c: RoutineBuilder, status: Value, control: Value, giveUp: () => void): void {
  const unmasked = c.with('and', c.binary('and', status, c.with('xor', control, -1n)), BigInt(PRECISION));
  whenSet(c, unmasked, giveUp);
}

/**
 * Gives a magnitude rounded to the precision that the control word asks for: [significand, outcome]. It is `high` with its top
 * bit set, followed by `low`, whose last bit may stand for everything behind it; `exponent` is biased and may be out of range.
 */
export function giveRounded(
  c: RoutineBuilder,
  magnitude: { readonly sign: Value; readonly exponent: Value; readonly high: Value; readonly low: Value },
  control: Value,
): void {
  const { sign, high, low } = magnitude;
  const exponent = variable(c, magnitude.exponent);
  const giveUp = () => c.give(low, c.constant(UNUSUAL));
  const inRange = (e: Value) => c.compare('lt_u', c.with('sub', e, 1n), c.constant(BigInt(MAX_EXPONENT - 1)));
  c.if(c.not(inRange(exponent)), giveUp);
  const kept = variable(c, high);
  const rest = variable(c, low);
  const dropped = c.constant(0n);
  unless(c, c.with('and', control, PRECISION_64), () => {
    const double = c.compare('ne', c.with('and', control, PRECISION_53), c.constant(0n));
    c.assign(dropped, c.select(double, c.constant(64n - 53n), c.constant(64n - 24n)));
    const sticky = c.asValue(c.compare('ne', low, c.constant(0n)));
    c.assign(rest, c.binary('or', c.binary('shl', high, c.binary('sub', c.constant(64n), dropped)), sticky));
    c.assign(kept, c.binary('shr_u', high, dropped));
  });
  const up = roundsUp(c, kept, rest, sign, modeOf(c, control));
  const significand = c.binary('shl', c.binary('add', kept, up), dropped);
  // All ones and one more: the next power of two.
  c.if(c.isZero(significand), () => {
    c.assign(significand, c.constant(INTEGER_BIT));
    c.assign(exponent, c.with('add', exponent, 1n));
    c.if(c.not(inRange(exponent)), giveUp);
  });
  const status = roundingStatus(c, rest, up);
  giveUpIfUnmasked(c, status, control, giveUp);
  const signExponent = c.binary('or', c.with('shl', sign, SIGN_BIT), exponent);
  c.give(significand, c.binary('or', signExponent, c.with('shl', status, STATUS_BIT)));
}

/** A sign-extended integer as a register value. */
export function fromWhole(c: Computation, whole: Value): Number80 {
  const negative = c.with('shr_u', whole, 63n);
  const positive = c.isZero(negative);
  const magnitude = c.select(positive, whole, c.binary('sub', c.constant(0n), whole));
  const places = c.unary('clz', magnitude);
  const exponent = c.binary('sub', c.constant(BigInt(EXTENDED_BIAS + 63)), places);
  const signExponent = c.binary('or', c.with('shl', negative, SIGN_BIT), exponent);
  return {
    significand: c.binary('shl', magnitude, places),
    signExponent: c.select(c.isZero(magnitude), c.constant(0n), signExponent),
  };
}
