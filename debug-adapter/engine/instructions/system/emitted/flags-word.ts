/** RFLAGS as one word in emitted code: put together from the lazy words of cpu/flags.ts, and taken apart into them. */
import { AF, CF, IF, OF, PF, SF, SYSTEM_FLAGS, ZF } from '../../../cpu/flags.ts';
import { LAYOUT } from '../../../cpu/layout.ts';
import type { Builder, Condition, Value } from '../../builder.ts';

export const systemFlags = (b: Builder): Value => b.state(LAYOUT.rflagsSystem, 4);
export const setSystemFlags = (b: Builder, flags: Value): void => b.setState(LAYOUT.rflagsSystem, 4, flags);

const CONDITION_FLAGS: readonly (readonly [Condition, number])[] = [
  ['b', CF],
  ['p', PF],
  ['e', ZF],
  ['s', SF],
  ['o', OF],
];
const AUX_OF_AF = 8n;

export function flagsWord(b: Builder): Value {
  let word = b.binary('or', systemFlags(b), b.with('shl', b.with('and', b.flagsAux(), AUX_OF_AF), 1n));
  for (const [condition, flag] of CONDITION_FLAGS)
    word = b.binary('or', word, b.with('mul', b.asValue(b.condition(condition)), BigInt(flag)));
  return word;
}

/** One flag of a word as 0 or 1. */
const bitOf = (b: Builder, word: Value, flag: number): Value =>
  b.with('and', b.with('shr_u', word, BigInt(Math.log2(flag))), 1n);

/** Sets all flags; reserved bits take their fixed values. As `lazyFlags` of cpu/flags.ts. */
export function setFlagsWord(b: Builder, word: Value): void {
  const zero = bitOf(b, word, ZF);
  const carry = bitOf(b, word, CF);
  const parts = [
    bitOf(b, word, SF),
    b.with('shr_u', b.with('and', word, BigInt(AF)), 1n),
    b.with('shl', b.binary('xor', bitOf(b, word, PF), zero), 8n),
    b.with('shl', carry, 63n),
    b.with('shl', b.binary('xor', carry, bitOf(b, word, OF)), 62n),
  ];
  b.setFlags(
    b.with('xor', zero, 1n),
    parts.reduce((sum, part) => b.binary('or', sum, part)),
  );
  setSystemFlags(b, b.with('or', b.with('and', word, BigInt(SYSTEM_FLAGS)), 2n));
}

/** Interrupts become possible that were not. */
export const opensInterrupts = (b: Builder, before: Value, after: Value) =>
  b.compare('ne', b.with('and', b.binary('and', after, b.with('xor', before, -1n)), BigInt(IF)), b.constant(0n));
