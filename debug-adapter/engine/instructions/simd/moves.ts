/** Plain moves: whole vectors, low and high halves, scalars. */
import type { Meaning, Meanings } from './vector.ts';

const whole: Meaning = (d, _a, b) => {
  d.u64.set(b.u64);
};
/** MOVD and MOVQ: the rest of a vector destination becomes zero. */
const doubleword: Meaning = (d, _a, b) => {
  d.u64.fill(0n);
  d.u32[0] = b.u32[0]!;
};
const quadword: Meaning = (d, _a, b) => {
  d.u64.fill(0n);
  d.u64[0] = b.u64[0]!;
};
/** MOVSS and MOVSD: between registers they replace the low lane, from memory they clear the rest. */
const single: Meaning = (d, a, b, _n, { memory }) => {
  if (memory) d.u64.fill(0n);
  else d.u64.set(a.u64);
  d.u32[0] = b.u32[0]!;
};
const double: Meaning = (d, a, b, _n, { memory }) => {
  if (memory) d.u64.fill(0n);
  else d.u64.set(a.u64);
  d.u64[0] = b.u64[0]!;
};
/** Into a vector they replace one half of the first source; into memory (`d` then only holds what is stored) they store it. */
const low: Meaning = (d, a, b) => {
  const value = b.u64[0];
  d.u64.set(a.u64);
  d.u64[0] = value;
};
const high: Meaning = (d, a, b) => {
  const value = b.u64[0];
  d.u64.set(a.u64);
  d.u64[1] = value;
};
const storeHigh: Meaning = (d, _a, b) => {
  d.u64[0] = b.u64[1]!;
};
const highToLow: Meaning = (d, a, b) => {
  d.u64.set(a.u64);
  d.u64[0] = b.u64[1]!;
};

/** MOVHPS and MOVHPD store the upper half and load it. */
export const HALF_MOVES = {
  movhps: { load: high, store: storeHigh },
  movhpd: { load: high, store: storeHigh },
} as const;

export const MOVES: Meanings = {
  movd: doubleword,
  movq: quadword,
  movss: single,
  movsd: double,
  movq2dq: quadword,
  movdq2q: quadword,
  movntq: quadword,
  movlps: low,
  movlpd: low,
  movlhps: high,
  movhlps: highToLow,
};
/** Aligned in every encoding. */
export const ALIGNED_MOVES: Meanings = {
  movaps: whole,
  movapd: whole,
  movdqa: whole,
  movntps: whole,
  movntpd: whole,
  movntdq: whole,
  movntdqa: whole,
};
export const UNALIGNED_MOVES: Meanings = { movups: whole, movupd: whole, movdqu: whole, lddqu: whole };
