/**
 * Addition, multiplication, division and square root of register values, correctly rounded, as routines of the emitted module.
 * Each finds 128 bits of the exact result, or 64 and how the rest compares with one half, and rounds once.
 */
import type { Computation, Routine, RoutineBuilder, Value } from '../../builder.ts';
import { highProduct } from '../../multiply.ts';
import { DOWN, EXTENDED_BIAS } from '../extended.ts';
import {
  exponentOf,
  giveRounded,
  INTEGER_BIT_AT,
  isNormal,
  isZeroNumber,
  modeOf,
  SIGN_BIT,
  signOf,
  UNUSUAL,
  type Number80,
} from './numbers.ts';
import { unless, variable, whenSet } from '../../values.ts';

const BIAS = BigInt(EXTENDED_BIAS);
const MASK_32 = 0xffff_ffffn;
/** The rest of a division in `giveRounded`'s terms: less than one half of the last place, or more. */
const BELOW_HALF = 1n;
const HALF = 1n << 63n;
const ABOVE_HALF = HALF | 1n;

const giveUnusual = (c: RoutineBuilder): void => c.give(c.constant(0n), c.constant(UNUSUAL));
const giveZero = (c: RoutineBuilder, sign: Value): void => c.give(c.constant(0n), c.with('shl', sign, SIGN_BIT));

interface Operand80 extends Number80 {
  readonly sign: Value;
  readonly exponent: Value;
  /** 0 or 1 each. */
  readonly normal: Value;
  readonly zero: Value;
}

function operandOf(c: Computation, significand: Value, signExponent: Value): Operand80 {
  const exponent = exponentOf(c, signExponent);
  const number = { significand, signExponent };
  return {
    ...number,
    sign: signOf(c, signExponent),
    exponent,
    normal: isNormal(c, number, exponent),
    zero: isZeroNumber(c, number, exponent),
  };
}

/** Parameters: both numbers and the control word. */
function binaryRoutine(
  name: string,
  body: (c: RoutineBuilder, a: Operand80, b: Operand80, control: Value) => void,
): Routine {
  return {
    name,
    parameters: 5,
    results: 2,
    body: (c, [a, ae, b, be, control]) => body(c, operandOf(c, a, ae), operandOf(c, b, be), control),
  };
}

/** Runs `otherwise` unless both are normal, and gives up there unless each is normal or zero. */
function unlessNormal(c: RoutineBuilder, a: Operand80, b: Operand80, otherwise: () => void): void {
  unless(c, c.binary('and', a.normal, b.normal), () => {
    const usual = c.binary('and', c.binary('or', a.normal, a.zero), c.binary('or', b.normal, b.zero));
    unless(c, usual, () => giveUnusual(c));
    otherwise();
  });
}

/** A 64-bit significand shifted right into 128 bits; the last bit stands for all that are lost. */
function shiftedRight(c: Computation, significand: Value, distance: Value): { high: Value; low: Value } {
  const high = variable(c, significand);
  const low = c.constant(0n);
  whenSet(c, distance, () =>
    c.if(
      c.compare('lt_u', distance, c.constant(64n)),
      () => {
        c.assign(high, c.binary('shr_u', significand, distance));
        c.assign(low, c.binary('shl', significand, c.binary('sub', c.constant(64n), distance)));
      },
      () => {
        c.assign(high, c.constant(0n));
        // A shift takes its count modulo 64.
        const shifted = c.binary('shr_u', significand, distance);
        const lost = c.compare('ne', c.binary('shl', shifted, distance), significand);
        const near = c.binary('or', shifted, c.asValue(lost));
        c.assign(low, c.select(c.compare('lt_u', distance, c.constant(128n)), near, c.constant(1n)));
      },
    ),
  );
  return { high, low };
}

/**
 * The smaller magnitude is aligned with the larger: 64 bits below its last place are exact or, from a distance of 64 on, tell by
 * their last bit that there is more. A difference loses more than one leading bit only where the distance is at most one
 * and nothing was lost.
 */
export const ADD: Routine = binaryRoutine('add', (c, a, b, control) => {
  const swap = c.or(
    c.compare('lt_u', a.exponent, b.exponent),
    c.and(c.compare('eq', a.exponent, b.exponent), c.compare('lt_u', a.significand, b.significand)),
  );
  const big = variable(c, c.select(swap, b.significand, a.significand));
  const small = c.select(swap, a.significand, b.significand);
  const exponent = variable(c, c.select(swap, b.exponent, a.exponent));
  const smallExponent = c.select(swap, a.exponent, b.exponent);
  const sign = c.select(swap, b.sign, a.sign);
  const same = c.compare('eq', a.sign, b.sign);
  const zeroSign = () =>
    c.select(same, a.sign, c.asValue(c.compare('eq', modeOf(c, control), c.constant(BigInt(DOWN)))));
  unlessNormal(c, a, b, () => whenSet(c, c.binary('and', a.zero, b.zero), () => giveZero(c, zeroSign())));
  // A zero is the smaller one here: its significand adds nothing, whatever the distance.
  const { high, low } = shiftedRight(c, small, c.binary('sub', exponent, smallExponent));
  c.if(c.isZero(small), () => c.assign(low, c.constant(0n)));
  c.if(
    same,
    () => {
      c.assign(big, c.binary('add', big, high));
      c.if(c.compare('lt_u', big, high), () => {
        const sticky = c.with('and', low, 1n);
        const moved = c.binary('or', c.with('shr_u', low, 1n), c.with('shl', big, 63n));
        c.assign(low, c.binary('or', moved, sticky));
        c.assign(big, c.with('or', c.with('shr_u', big, 1n), 1n << INTEGER_BIT_AT));
        c.assign(exponent, c.with('add', exponent, 1n));
      });
    },
    () => {
      const borrow = c.asValue(c.compare('ne', low, c.constant(0n)));
      c.assign(big, c.binary('sub', c.binary('sub', big, high), borrow));
      c.assign(low, c.binary('sub', c.constant(0n), low));
      c.if(c.isZero(c.binary('or', big, low)), () => giveZero(c, zeroSign()));
      c.if(c.isZero(big), () => {
        c.assign(big, low);
        c.assign(low, c.constant(0n));
        c.assign(exponent, c.with('sub', exponent, 64n));
      });
      const places = c.unary('clz', big);
      whenSet(c, places, () => {
        const from = c.binary('shr_u', low, c.binary('sub', c.constant(64n), places));
        c.assign(big, c.binary('or', c.binary('shl', big, places), from));
        c.assign(low, c.binary('shl', low, places));
        c.assign(exponent, c.binary('sub', exponent, places));
      });
    },
  );
  giveRounded(c, { sign, exponent, high: big, low }, control);
});

export const MULTIPLY: Routine = binaryRoutine('multiply', (c, a, b, control) => {
  const sign = c.binary('xor', a.sign, b.sign);
  unlessNormal(c, a, b, () => giveZero(c, sign));
  const high = highProduct(c, a.significand, b.significand);
  const low = c.binary('mul', a.significand, b.significand);
  const top = c.with('shr_u', high, INTEGER_BIT_AT);
  const exponent = c.binary('add', c.with('sub', c.binary('add', a.exponent, b.exponent), BIAS), top);
  unless(c, top, () => {
    c.assign(high, c.binary('or', c.with('shl', high, 1n), c.with('shr_u', low, 63n)));
    c.assign(low, c.with('shl', low, 1n));
  });
  giveRounded(c, { sign, exponent, high, low }, control);
});

/**
 * One digit of a quotient in base 2^32 (Knuth, The Art of Computer Programming, vol. 2, 4.3.1, algorithm D, steps D3 and D4):
 * (rest * 2^32 + next) / divisor with the divisor's top bit set and rest < divisor. The digit estimated from the divisor's
 * upper half is at most two too large; `rest` becomes the remainder.
 */
function quotientDigit(c: Computation, rest: Value, next: Value, divisor: Value): Value {
  const upper = c.with('shr_u', divisor, 32n);
  const lower = c.with('and', divisor, MASK_32);
  const digit = c.binary('div_u', rest, upper);
  const estimate = c.binary('sub', rest, c.binary('mul', digit, upper));
  const tooLarge = () => {
    const overflows = c.compare('gt_u', digit, c.constant(MASK_32));
    const left = c.binary('or', c.with('shl', estimate, 32n), next);
    return c.or(overflows, c.compare('gt_u', c.binary('mul', digit, lower), left));
  };
  const lowerDigit = () => {
    c.assign(digit, c.with('sub', digit, 1n));
    c.assign(estimate, c.binary('add', estimate, upper));
  };
  c.if(tooLarge(), () => {
    lowerDigit();
    // Once the estimated remainder has more than 32 bits the digit is not too large any more.
    c.if(c.compare('le_u', estimate, c.constant(MASK_32)), () => c.if(tooLarge(), lowerDigit));
  });
  const dividend = c.binary('or', c.with('shl', rest, 32n), next);
  c.assign(rest, c.binary('sub', dividend, c.binary('mul', digit, divisor)));
  return digit;
}

export const DIVIDE: Routine = binaryRoutine('divide', (c, a, b, control) => {
  const sign = c.binary('xor', a.sign, b.sign);
  unless(c, b.normal, () => giveUnusual(c));
  unlessNormal(c, a, b, () => giveZero(c, sign));
  // The dividend is shifted so that the quotient has 64 bits, the first of them set.
  const whole = c.asValue(c.compare('ge_u', a.significand, b.significand));
  const rest = c.binary('shr_u', a.significand, whole);
  const behind = c.with('shl', c.binary('and', a.significand, whole), 63n);
  const upper = quotientDigit(c, rest, c.with('shr_u', behind, 32n), b.significand);
  const lower = quotientDigit(c, rest, c.constant(0n), b.significand);
  const high = c.binary('or', c.with('shl', upper, 32n), lower);
  const missing = c.binary('sub', b.significand, rest);
  const low = variable(c, c.constant(ABOVE_HALF));
  c.if(c.compare('lt_u', rest, missing), () => c.assign(low, c.constant(BELOW_HALF)));
  c.if(c.compare('eq', rest, missing), () => c.assign(low, c.constant(HALF)));
  c.if(c.isZero(rest), () => c.assign(low, c.constant(0n)));
  const quotientExponent = c.with('add', c.binary('sub', a.exponent, b.exponent), BIAS - 1n);
  giveRounded(c, { sign, exponent: c.binary('add', quotientExponent, whole), high, low }, control);
});

/** Floor of the square root of a number of at least 2^62, which has 32 bits. */
function rootOf64(c: Computation, radicand: Value): Value {
  const estimate = c.estimateRoot(radicand);
  // The double nearest to the radicand may be 2^64.
  c.if(c.compare('gt_u', estimate, c.constant(MASK_32)), () => c.assign(estimate, c.constant(MASK_32)));
  c.if(c.compare('gt_u', c.binary('mul', estimate, estimate), radicand), () =>
    c.assign(estimate, c.with('sub', estimate, 1n)),
  );
  return estimate;
}

/**
 * Root and remainder of 128 bits from those of the upper half (Zimmermann, Karatsuba Square Root, INRIA RR-3805): the divisor
 * being twice the upper root, the quotient is its next 32 bits, or one too many.
 */
export const SQUARE_ROOT: Routine = {
  name: 'square root',
  parameters: 3,
  results: 2,
  body(c, [significand, signExponent, control]) {
    const x = operandOf(c, significand, signExponent);
    whenSet(c, x.zero, () => c.give(significand, signExponent));
    unless(c, c.binary('and', x.normal, c.with('xor', x.sign, 1n)), () => giveUnusual(c));
    // An even power of two: the radicand is the significand times 2^63 or 2^64. The bias is odd.
    const even = c.with('and', x.exponent, 1n);
    const upper = c.binary('shr_u', significand, even);
    const behind = c.with('shl', c.binary('and', significand, even), 63n);
    const first = rootOf64(c, upper);
    const remainder = c.binary('sub', upper, c.binary('mul', first, first));
    const doubled = c.binary('or', c.with('shl', remainder, 31n), c.with('shr_u', behind, 33n));
    const next = c.binary('div_u', doubled, first);
    const odd = c.with('and', c.with('shr_u', behind, 32n), 1n);
    const left = c.binary('sub', doubled, c.binary('mul', next, first));
    const over = c.binary('or', c.with('shl', left, 1n), odd);
    const root = c.binary('add', c.with('shl', first, 32n), next);
    // What is left of the radicand: over * 2^32 - next^2. The lower half of `behind` is zero.
    const square = c.binary('mul', next, next);
    const squareHigh = c.with('shr_u', next, 32n); // 2^64 where `next` is 2^32
    const overLow = c.with('shl', over, 32n);
    const low = c.binary('sub', overLow, square);
    const borrow = c.asValue(c.compare('lt_u', overLow, square));
    const high = c.binary('sub', c.binary('sub', c.with('shr_u', over, 32n), squareHigh), borrow);
    const rest = variable(c, c.constant(ABOVE_HALF));
    c.if(
      c.compare('lt_s', high, c.constant(0n)),
      () => {
        // One too many: the remainder of the root below is larger than that root unless it lacks more than that.
        c.assign(root, c.with('sub', root, 1n));
        const lack = c.binary('sub', c.constant(0n), low);
        const lackHigh = c.binary(
          'sub',
          c.binary('sub', c.constant(0n), high),
          c.asValue(c.compare('ne', low, c.constant(0n))),
        );
        const farther = c.or(c.compare('ne', lackHigh, c.constant(0n)), c.compare('gt_u', lack, root));
        c.if(farther, () => c.assign(rest, c.constant(BELOW_HALF)));
      },
      () => {
        const within = c.and(c.isZero(high), c.compare('le_u', low, root));
        c.if(within, () => c.assign(rest, c.constant(BELOW_HALF)));
        c.if(c.isZero(c.binary('or', high, low)), () => c.assign(rest, c.constant(0n)));
      },
    );
    // (E + bias) / 2 rounded up, E being the exponent.
    const halved = c.with('shr_u', c.with('add', x.exponent, BIAS), 1n);
    giveRounded(c, { sign: c.constant(0n), exponent: halved, high: root, low: rest }, control);
  },
};
