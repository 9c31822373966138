/** Operands in memory: single and double precision and integers, to and from register values. */
import type { Builder, Routine, RoutineBuilder, Value } from '../../builder.ts';
import { DOUBLE, EXTENDED_BIAS, SINGLE, type Format } from '../extended.ts';
import {
  exponentOf,
  fromWhole,
  giveUpIfUnmasked,
  isNormal,
  isZeroNumber,
  modeOf,
  roundingStatus,
  roundsUp,
  SIGN_BIT,
  signOf,
  UNUSUAL,
  type Number80,
} from './numbers.ts';
import { unless, variable, whenSet } from '../../values.ts';

/** What an instruction reads from memory as a number. */
export interface Source {
  readonly bytes: 2 | 4 | 8;
  readonly convert: (b: Builder, bits: Value) => Number80;
}

/** Denormals, infinities and NaNs hand the instruction over. */
const fromFloat =
  ({ precision, bias }: Format, width: 32 | 64): Source['convert'] =>
  (b, bits) => {
    const fractionBits = BigInt(precision - 1);
    const exponent = b.with('and', b.with('shr_u', bits, fractionBits), BigInt(2 * bias + 1));
    const sign = b.with('shl', b.with('shr_u', bits, BigInt(width - 1)), SIGN_BIT);
    const fraction = b.with('shl', bits, 64n - fractionBits);
    const significand = b.with('or', b.with('shr_u', fraction, 1n), 1n << 63n);
    const normal = b.with('add', b.binary('or', sign, exponent), BigInt(EXTENDED_BIAS - bias));
    const inRange = b.compare('lt_u', b.with('sub', exponent, 1n), b.constant(BigInt(2 * bias)));
    const number = { significand, signExponent: normal };
    b.if(b.not(inRange), () => {
      whenSet(b, b.binary('or', exponent, fraction), () => b.defer());
      b.assign(significand, b.constant(0n));
      b.assign(normal, sign);
    });
    return number;
  };

export const SINGLE_SOURCE: Source = { bytes: 4, convert: fromFloat(SINGLE, 32) };
export const DOUBLE_SOURCE: Source = { bytes: 8, convert: fromFloat(DOUBLE, 64) };
export const wholeSource = (bytes: 2 | 4 | 8): Source => ({
  bytes,
  convert: (b, bits) => fromWhole(b, b.signExtend(bits, bytes)),
});

export function readNumber(b: Builder, { bytes, convert }: Source): Number80 {
  return convert(b, b.load(b.place(bytes, 'read'), bytes));
}

/** Numbers to what is stored: parameters are the number and the control word, results the bits and status bits or UNUSUAL. */
function conversion(
  name: string,
  normal: (c: RoutineBuilder, x: Number80, exponent: Value, sign: Value, control: Value) => void,
  zero: (c: RoutineBuilder, sign: Value) => Value,
): Routine {
  return {
    name,
    parameters: 3,
    results: 2,
    body(c, [significand, signExponent, control]) {
      const x = { significand, signExponent };
      const exponent = exponentOf(c, signExponent);
      const sign = signOf(c, signExponent);
      unless(c, isNormal(c, x, exponent), () => {
        whenSet(c, isZeroNumber(c, x, exponent), () => c.give(zero(c, sign), c.constant(0n)));
        c.give(significand, c.constant(UNUSUAL));
      });
      normal(c, x, exponent, sign, control);
    },
  };
}

const toFloat = (name: string, { precision, bias }: Format, width: 32 | 64): Routine =>
  conversion(
    name,
    (c, { significand }, exponent, sign, control) => {
      const giveUp = () => c.give(significand, c.constant(UNUSUAL));
      const dropped = BigInt(64 - precision);
      const kept = c.with('shr_u', significand, dropped);
      const rest = c.with('shl', significand, BigInt(precision));
      const up = roundsUp(c, kept, rest, sign, modeOf(c, control));
      const biased = c.with('sub', exponent, BigInt(EXTENDED_BIAS - bias));
      // One less in the exponent's place: the integer bit adds it, and a carry one more.
      const bits = c.with('shl', c.with('sub', biased, 1n), BigInt(precision - 1));
      const magnitude = c.binary('add', c.binary('add', bits, kept), up);
      const infinite = c.constant(BigInt(2 * bias + 1) << BigInt(precision - 1));
      c.if(c.not(c.compare('lt_u', c.with('sub', biased, 1n), c.constant(BigInt(2 * bias)))), giveUp);
      c.if(c.compare('ge_u', magnitude, infinite), giveUp);
      const status = roundingStatus(c, rest, up);
      giveUpIfUnmasked(c, status, control, giveUp);
      c.give(c.binary('or', magnitude, c.with('shl', sign, BigInt(width - 1))), status);
    },
    (c, sign) => c.with('shl', sign, BigInt(width - 1)),
  );

const TRUNCATING = 3n << 10n;

/** `mode`: what the control word says, or truncation (FISTTP). */
const toWhole = (name: string, width: 16 | 32 | 64, rounding: 'controlled' | 'truncated'): Routine =>
  conversion(
    name,
    (c, { significand }, exponent, sign, control) => {
      const giveUp = () => c.give(significand, c.constant(UNUSUAL));
      const mode = modeOf(c, rounding === 'controlled' ? control : c.with('or', control, TRUNCATING));
      // Places behind the binary point: from 1 where there are 63 before it.
      const behind = c.binary('sub', c.constant(BigInt(EXTENDED_BIAS + 63)), exponent);
      c.if(c.compare('lt_s', behind, c.constant(1n)), giveUp);
      const kept = variable(c, c.constant(0n));
      const rest = variable(c, c.constant(1n));
      c.if(
        c.compare('lt_u', behind, c.constant(64n)),
        () => {
          c.assign(kept, c.binary('shr_u', significand, behind));
          c.assign(rest, c.binary('shl', significand, c.binary('sub', c.constant(64n), behind)));
        },
        () => c.if(c.compare('eq', behind, c.constant(64n)), () => c.assign(rest, significand)),
      );
      const up = roundsUp(c, kept, rest, sign, mode);
      const magnitude = c.binary('add', kept, up);
      const limit = c.with('add', sign, (1n << BigInt(width - 1)) - 1n);
      c.if(c.compare('gt_u', magnitude, limit), giveUp);
      const status = roundingStatus(c, rest, up);
      giveUpIfUnmasked(c, status, control, giveUp);
      c.give(c.select(c.isZero(sign), magnitude, c.binary('sub', c.constant(0n), magnitude)), status);
    },
    (c) => c.constant(0n),
  );

/** What an instruction stores: a conversion and how much of its bits. */
export interface Target {
  readonly bytes: 2 | 4 | 8;
  readonly routine: Routine;
}
export const SINGLE_TARGET: Target = { bytes: 4, routine: toFloat('to single', SINGLE, 32) };
export const DOUBLE_TARGET: Target = { bytes: 8, routine: toFloat('to double', DOUBLE, 64) };
const wholeTarget = (bytes: 2 | 4 | 8, rounding: 'controlled' | 'truncated'): Target => ({
  bytes,
  routine: toWhole(`to ${bytes} bytes, ${rounding}`, (bytes * 8) as 16 | 32 | 64, rounding),
});
export const WHOLE_TARGETS = {
  2: wholeTarget(2, 'controlled'),
  4: wholeTarget(4, 'controlled'),
  8: wholeTarget(8, 'controlled'),
} as const;
export const TRUNCATED_TARGETS = {
  2: wholeTarget(2, 'truncated'),
  4: wholeTarget(4, 'truncated'),
  8: wholeTarget(8, 'truncated'),
} as const;
