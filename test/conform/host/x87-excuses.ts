/** What the x87 rows of excuses.ts look at: 80-bit operands and results. */
import type { Differing } from './excuses.ts';
import { CASE, CASE_BYTES, type Cases } from './record.ts';

export const TRANSCENDENTAL = /^(f2xm1|fyl2xp?1?|fsin|fcos|fsincos|fptan|fpatan)$/;
const BIAS = 16383;

function valueOf(cases: Cases, index: number, register: number): bigint {
  const at = index * CASE_BYTES + CASE.st + 16 * register;
  return (BigInt(cases.view.getUint16(at + 8, true)) << 64n) | cases.view.getBigUint64(at, true);
}
const exponentOf = (value: bigint): number => Number((value >> 64n) & 0x7fffn);
/** Neighbours have neighbouring numbers, across powers of two as well. */
const ordinal = (value: bigint): bigint => (((value >> 64n) & 0x7fffn) << 63n) | (value & ((1n << 63n) - 1n));

/** Registers that differ do by one unit in the last place. */
export function areNeighbours({ ours, hosts, index, parts }: Differing): boolean {
  return parts
    .filter((part) => part.startsWith('st'))
    .every((part) => {
      const register = Number(part.slice(2));
      const [a, b] = [valueOf(ours, index, register), valueOf(hosts, index, register)];
      const difference = ordinal(a) - ordinal(b);
      return a >> 79n === b >> 79n && difference >= -1n && difference <= 1n;
    });
}

/** F2XM1 is defined from -1 to 1, FYL2XP1 from -(1 - sqrt(2)/2) to sqrt(2) - 1, both of which have an exponent below -1. */
export function isOutOfDomain({ mnemonic, before, index }: Differing): boolean {
  const exponent = exponentOf(valueOf(before, index, 0));
  if (mnemonic === 'f2xm1') return exponent >= BIAS;
  return mnemonic === 'fyl2xp1' && exponent >= BIAS - 2;
}
