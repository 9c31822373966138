/** Random and special operands for x87 cases, from a fixed seed. */
import type { Case } from './host.ts';

export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed | 0;
  }
  /** An unsigned 32-bit number (mulberry32). */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.word() % limit;
  }
  bits(count: number): bigint {
    let value = 0n;
    for (let i = 0; i < count; i += 32) value = (value << 32n) | BigInt(this.word());
    return BigInt.asUintN(count, value);
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const INTEGER_BIT = 1n << 63n;
const BIAS = 16383;

/** Every class of value, and what stands at their borders. */
const SPECIAL_SIGNIFICANDS = [
  0n,
  1n,
  INTEGER_BIT,
  INTEGER_BIT | 1n,
  0xffff_ffff_ffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0xc000_0000_0000_0000n,
  0xc000_0000_0000_0001n,
  0x8000_0000_0000_0400n,
  0x8000_0080_0000_0000n,
  0xffff_ff80_0000_0000n,
  0xffff_ffff_ffff_fc00n,
];
const SPECIAL_EXPONENTS = [0, 0, 1, 2, BIAS - 1, BIAS, BIAS + 1, BIAS + 63, 0x7ffe, 0x7fff, 0x7fff];

/** A significand with a few random bits or many, with or without a long run of ones or zeros behind them. */
function randomSignificand(random: Random): bigint {
  const kind = random.below(6);
  const value = random.bits(64) | INTEGER_BIT;
  if (kind === 0)
    return (((value >> BigInt(random.below(64))) << BigInt(random.below(64))) & 0xffff_ffff_ffff_ffffn) | INTEGER_BIT;
  if (kind === 1) return random.pick(SPECIAL_SIGNIFICANDS) | INTEGER_BIT;
  if (kind === 2) return value | ((1n << BigInt(random.below(63))) - 1n);
  if (kind === 3) return ((value >> BigInt(random.below(63))) << BigInt(0)) | INTEGER_BIT;
  return value;
}

/** An 80-bit value: special, of middle size, near either end of the range, or anything. */
export function extendedValue(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 79n;
  const at = (exponent: number, significand: bigint): bigint => sign | (BigInt(exponent) << 64n) | significand;
  switch (random.below(8)) {
    case 0:
      return at(random.pick(SPECIAL_EXPONENTS), random.pick(SPECIAL_SIGNIFICANDS));
    case 1:
      return at(random.below(200), randomSignificand(random));
    case 2:
      return at(0x7fff - 1 - random.below(200), randomSignificand(random));
    case 3:
      return at(0, random.bits(63) >> BigInt(random.below(63)));
    case 4:
      return at(random.below(0x8000), randomSignificand(random));
    default:
      return at(BIAS - 70 + random.below(140), randomSignificand(random));
  }
}

/** A value for conversions and scalings: magnitude around one to 2^66, or around the limits of single and double. */
export function conversionValue(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 79n;
  const borders = [
    BIAS + 127,
    BIAS - 126,
    BIAS - 149,
    BIAS + 1023,
    BIAS - 1022,
    BIAS - 1074,
    BIAS + 15,
    BIAS + 31,
    BIAS + 63,
  ];
  const exponent = random.below(3) === 0 ? random.pick(borders) + random.below(5) - 2 : BIAS - 4 + random.below(70);
  if (random.below(6) === 0) return extendedValue(random);
  return sign | (BigInt(exponent) << 64n) | randomSignificand(random);
}

/** Memory operands: 128 random bits, or single and double specials. */
function memoryOperand(random: Random): bigint {
  const kind = random.below(5);
  if (kind < 2) return random.bits(128);
  const high = random.bits(64) << 64n;
  if (kind === 2) {
    const exponent = random.pick([0, 0, 1, 126, 127, 128, 254, 255, 255]);
    const fraction = random.pick([0, 0, 1, 0x40_0000, 0x40_0001, 0x7f_ffff, random.below(1 << 23)]);
    return high | (BigInt(random.below(2)) << 31n) | (BigInt(exponent) << 23n) | BigInt(fraction);
  }
  if (kind === 3) {
    const exponent = random.pick([0, 0, 1, 1022, 1023, 1024, 2046, 2047, 2047]);
    const fraction = random.pick([0n, 0n, 1n, 1n << 51n, (1n << 51n) | 1n, (1n << 52n) - 1n, random.bits(52)]);
    return high | (BigInt(random.below(2)) << 63n) | (BigInt(exponent) << 52n) | fraction;
  }
  return high | random.pick([0n, 1n, 0x8000n, 0x7fffn, 0xffffn, 0x8000_0000n, 0x7fff_ffffn, 0xffff_ffffn, 1n << 63n]);
}

const ARITHMETIC_FLAGS = [0x001, 0x004, 0x040];

/** State before an instruction; exceptions are mostly masked, and the stack mostly holds seven values. */
export function randomCase(random: Random, code: string, value: (random: Random) => bigint): Case {
  const top = random.below(8);
  const masks = random.below(4) === 0 ? random.below(64) : 0x3f;
  const control = 0x40 | masks | (random.pick([0, 2, 3, 3]) << 8) | (random.below(4) << 10);
  const conditions = (random.below(8) << 8) | (random.below(2) << 14);
  const sticky = masks === 0x3f && random.below(8) === 0 ? random.below(128) : 0;
  // Mostly ST(0)..ST(6) hold values and ST(7) is empty.
  const stack = random.below(12) === 0 ? random.below(256) : 0x7f;
  let tags = 0;
  for (let i = 0; i < 8; i++) if ((stack & (1 << i)) === 0) tags |= 3 << (2 * ((top + i) & 7));
  return {
    code,
    control,
    status: (top << 11) | conditions | sticky,
    tags,
    registers: Array.from({ length: 8 }, (_, i) => (i < 3 ? value(random) : extendedValue(random))),
    operand: memoryOperand(random),
    flags: ARITHMETIC_FLAGS.reduce((flags, bit) => flags | (random.below(2) === 0 ? bit : 0), 0),
    rcx: random.bits(64),
  };
}
