/** PTEST, VTESTPS, VTESTPD: ZF says that no tested bit is set in both, CF that b has none beyond a's. */
import { CF, ZF } from '../../cpu/flags.ts';
import { comparison } from './execute.ts';
import type { Meaning, Meanings } from './vector.ts';

const test =
  (even: number, odd: number): Meaning =>
  (_d, a, b, n) => {
    let both = 0;
    let onlySecond = 0;
    for (let i = 0; i < n / 4; i++) {
      const tested = (i & 1) === 0 ? even : odd;
      both |= a.i32[i] & b.i32[i] & tested;
      onlySecond |= ~a.i32[i] & b.i32[i] & tested;
    }
    comparison.flags = (both === 0 ? ZF : 0) | (onlySecond === 0 ? CF : 0);
  };
const SIGN = 1 << 31;

export const TESTS: Meanings = { ptest: test(-1, -1), vtestps: test(SIGN, SIGN), vtestpd: test(0, SIGN) };
