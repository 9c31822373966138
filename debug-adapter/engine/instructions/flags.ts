/** Lazy flag words of arithmetic, shared by the instruction groups; see cpu/flags.ts for their format. */
import type { Builder, Bytes, Value } from './builder.ts';

const TOP_TWO = 3n << 62n;
const CARRY_BIT = 1n << 63n;
const SECOND_BIT = 1n << 62n;

/** Aux word from a vector whose bit i is the carry (or borrow) out of bit i. */
function auxFromCarries(b: Builder, carries: Value, bytes: Bytes): Value {
  const adjust = b.with('and', carries, 8n);
  const top = bytes === 8 ? carries : b.with('shl', carries, BigInt(64 - 8 * bytes));
  return b.binary('or', b.with('and', top, TOP_TWO), adjust);
}

/** Carries of `a + c (+ carry in) = sum`. */
function carriesOfSum(b: Builder, a: Value, c: Value, sum: Value): Value {
  const both = b.binary('and', a, c);
  const either = b.binary('or', a, c);
  const notSum = b.with('xor', sum, -1n);
  return b.binary('or', both, b.binary('and', either, notSum));
}

/** Borrows of `a - c (- borrow in) = difference`. */
function borrowsOfDifference(b: Builder, a: Value, c: Value, difference: Value): Value {
  const notA = b.with('xor', a, -1n);
  const both = b.binary('and', notA, c);
  const either = b.binary('or', notA, c);
  return b.binary('or', both, b.binary('and', either, difference));
}

export function flagsOfSum(b: Builder, bytes: Bytes, a: Value, c: Value, sum: Value): void {
  b.setFlags(b.signExtend(sum, bytes), auxFromCarries(b, carriesOfSum(b, a, c, sum), bytes));
}

export function flagsOfDifference(b: Builder, bytes: Bytes, a: Value, c: Value, difference: Value): void {
  b.setFlags(b.signExtend(difference, bytes), auxFromCarries(b, borrowsOfDifference(b, a, c, difference), bytes));
}

/** AND, OR, XOR, TEST: CF = OF = 0; AF, undefined, becomes 0. */
export function flagsOfLogic(b: Builder, bytes: Bytes, result: Value): void {
  b.setFlags(b.signExtend(result, bytes), b.constant(0n));
}

/** INC and DEC: as ADD and SUB of 1, with CF kept. */
export function flagsOfStep(b: Builder, bytes: Bytes, old: Value, result: Value, up: boolean): void {
  const one = b.constant(1n);
  const carries = up ? carriesOfSum(b, old, one, result) : borrowsOfDifference(b, old, one, result);
  const aux = auxFromCarries(b, carries, bytes);
  const overflow = b.with('and', b.with('shr_u', b.binary('xor', aux, b.with('shl', aux, 1n)), 1n), SECOND_BIT);
  b.setFlags(b.signExtend(result, bytes), withCarryKept(b, overflow, b.with('and', aux, 8n)));
}

/** Aux word with the old CF, the given OF (at bit 62) and AF (at bit 3). */
function withCarryKept(b: Builder, overflowAt62: Value, adjust: Value): Value {
  const carry = b.with('and', b.flagsAux(), CARRY_BIT);
  const second = b.binary('xor', b.with('shr_u', carry, 1n), overflowAt62);
  return b.binary('or', b.binary('or', carry, second), adjust);
}

/** CF as 0 or 1. */
export const carryIn = (b: Builder): Value => b.with('shr_u', b.flagsAux(), 63n);

/** Aux word with CF and OF given as 0 or 1, AF = 0. */
export function auxOfCarryOverflow(b: Builder, carry: Value, overflow: Value): Value {
  const second = b.binary('xor', carry, overflow);
  return b.binary('or', b.with('shl', carry, 63n), b.with('shl', second, 62n));
}

/** Replaces CF and OF (0 or 1 each), keeping the other flags (rotates). */
export function setCarryOverflow(b: Builder, carry: Value, overflow: Value): void {
  b.setFlagsAux(b.binary('or', b.with('and', b.flagsAux(), ~TOP_TWO), auxOfCarryOverflow(b, carry, overflow)));
}

/** Replaces CF (0 or 1), keeping OF and the other flags (BT, CLC ...). */
export function setCarry(b: Builder, carry: Value): void {
  const aux = b.flagsAux();
  const overflow = b.with('and', b.with('shr_u', b.binary('xor', aux, b.with('shl', aux, 1n)), 63n), 1n);
  setCarryOverflow(b, carry, overflow);
}
