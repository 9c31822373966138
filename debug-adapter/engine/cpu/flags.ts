/**
 * Arithmetic flags, kept lazily: two 64-bit words that any instruction sets with two stores and from which each flag is a
 * few operations, without a branch (the idea of carry-out vectors; SDM Vol. 1, "EFLAGS Register", 3.4.3 for the meanings).
 *
 * `result`: the result sign-extended from its operand size: ZF = result is 0, SF = bit 63, PF = parity of bits 7:0.
 * `aux`: bit 63 = CF; bit 62 = carry into the top bit, so OF = bit 63 xor bit 62; bit 3 = AF; bit 0 flips SF; bits 15:8 are
 * xor-ed into the byte that PF looks at. The last two let any combination of flags be represented.
 */
export const CF = 1 << 0;
export const PF = 1 << 2;
export const AF = 1 << 4;
export const ZF = 1 << 6;
export const SF = 1 << 7;
export const TF = 1 << 8;
export const IF = 1 << 9;
export const DF = 1 << 10;
export const OF = 1 << 11;
export const IOPL = 3 << 12;
export const IOPL_BIT = 12;
export const NT = 1 << 14;
export const RF = 1 << 16;
export const VM = 1 << 17;
export const AC = 1 << 18;
export const VIF = 1 << 19;
export const VIP = 1 << 20;
export const ID = 1 << 21;

/** The six flags that arithmetic sets. */
export const ARITHMETIC_FLAGS = CF | PF | AF | ZF | SF | OF;
/** Bits that exist in RFLAGS besides those and the always-set bit 1. */
export const SYSTEM_FLAGS = TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;

/** 1 where the number of set bits of a byte is even. */
export function evenParity(byte: number): number {
  const folded = byte ^ (byte >> 4);
  return (0x9669 >> (folded & 15)) & 1;
}

/** The six flags from the two lazy words given as 32-bit halves. */
export function arithmeticFlags(resultLow: number, resultHigh: number, auxLow: number, auxHigh: number): number {
  const parity = evenParity((resultLow ^ (auxLow >> 8)) & 0xff);
  const carry = auxHigh >>> 31;
  return (
    carry |
    (parity << 2) |
    ((auxLow & 8) << 1) |
    ((resultLow | resultHigh) === 0 ? ZF : 0) |
    (((resultHigh >>> 31) ^ (auxLow & 1)) << 7) |
    ((carry ^ ((auxHigh >>> 30) & 1)) << 11)
  );
}

/** Lazy words for a given combination of the six flags; written as [result low, aux low, aux high], result high is 0. */
export function lazyFlags(flags: number): readonly [resultLow: number, auxLow: number, auxHigh: number] {
  const zero = (flags & ZF) !== 0;
  const parityOfResult = zero ? PF : 0; // result is 0 (even) or 1 (odd)
  const carry = flags & CF;
  const overflow = (flags & OF) >> 11;
  return [
    zero ? 0 : 1,
    ((flags & SF) >> 7) | ((flags & AF) >> 1) | ((flags & PF) !== parityOfResult ? 0x100 : 0),
    (carry << 31) | ((carry ^ overflow) << 30),
  ];
}
