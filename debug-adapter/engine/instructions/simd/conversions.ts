/** Conversions between integers and floating-point formats. */
import { control, ROUND, type Rounding } from './mxcsr.ts';
import { convert, DOUBLE, fromInteger, HALF, SINGLE, toInteger } from './soft-float.ts';
import type { Meaning, Meanings, Vector } from './vector.ts';

/** Packed to 32-bit integers. Converts `n / 8` doubles or `n / 4` singles. */
const toIntegers =
  (from: 'single' | 'double', truncating: boolean): Meaning =>
  (d, _a, b, n) => {
    const rounding = truncating ? ROUND.truncate : control.rounding;
    const count = n / (from === 'single' ? 4 : 8);
    d.u64.fill(0n);
    for (let i = 0; i < count; i++) {
      const format = from === 'single' ? SINGLE : DOUBLE;
      const bits = from === 'single' ? BigInt(b.u32[i]) : b.u64[i];
      d.u32[i] = Number(toInteger(format, bits, 32, rounding));
    }
  };
/** A scalar to a general register, whose width `vector.ts` cannot know: `bits` comes from the form. */
const toGeneral =
  (from: 'single' | 'double', truncating: boolean, bits: 32 | 64): Meaning =>
  (d, _a, b) => {
    const rounding = truncating ? ROUND.truncate : control.rounding;
    d.u64[0] =
      from === 'single'
        ? toInteger(SINGLE, BigInt(b.u32[0]), bits, rounding)
        : toInteger(DOUBLE, b.u64[0], bits, rounding);
  };
/** A general register or memory integer to a scalar. */
const fromGeneral =
  (to: 'single' | 'double', bits: 32 | 64): Meaning =>
  (d, a, b) => {
    const value = bits === 32 ? BigInt(b.i32[0]) : b.i64[0];
    d.u64.set(a.u64);
    if (to === 'single') d.u32[0] = Number(fromInteger(SINGLE, value));
    else d.u64[0] = fromInteger(DOUBLE, value);
  };

const singlesToDoubles: Meaning = (d, _a, b, n) => {
  for (let i = 0; i < n / 8; i++) d.u64[i] = convert(SINGLE, DOUBLE, BigInt(b.u32[i]));
};
const doublesToSingles: Meaning = (d, _a, b, n) => {
  d.u64.fill(0n);
  for (let i = 0; i < n / 8; i++) d.u32[i] = Number(convert(DOUBLE, SINGLE, b.u64[i]));
};
const integersToSingles: Meaning = (d, _a, b, n) => {
  for (let i = 0; i < n / 4; i++) d.u32[i] = Number(fromInteger(SINGLE, BigInt(b.i32[i])));
};
const integersToDoubles: Meaning = (d, _a, b, n) => {
  for (let i = 0; i < n / 8; i++) d.f64[i] = b.i32[i]!;
};
const scalarWidened: Meaning = (d, a, b) => {
  d.u64.set(a.u64);
  d.u64[0] = convert(SINGLE, DOUBLE, BigInt(b.u32[0]));
};
const scalarNarrowed: Meaning = (d, a, b) => {
  d.u64.set(a.u64);
  d.u32[0] = Number(convert(DOUBLE, SINGLE, b.u64[0]));
};

const halvesToSingles: Meaning = (d, _a, b, n) => {
  for (let i = 0; i < n / 4; i++) d.u32[i] = Number(convert(HALF, SINGLE, BigInt(b.u16[i])));
};
const USE_MXCSR = 4;
const singlesToHalves: Meaning = (d, _a, b: Vector, n, { immediate }) => {
  const rounding = (immediate & USE_MXCSR) !== 0 ? control.rounding : ((immediate & 3) as Rounding);
  d.u64.fill(0n);
  for (let i = 0; i < n / 4; i++)
    d.u16[i] = Number(convert(SINGLE, HALF, BigInt(b.u32[i]), { rounding, flush: 'never' }));
};

/** To the two integers of an MMX register. */
const toPair =
  (from: 'single' | 'double', truncating: boolean): Meaning =>
  (d, a, b, _n, extra) => {
    toIntegers(from, truncating)(d, a, b, from === 'single' ? 8 : 16, extra);
  };
const pairToSingles: Meaning = (d, a, b) => {
  d.u64.set(a.u64);
  for (let i = 0; i < 2; i++) d.u32[i] = Number(fromInteger(SINGLE, BigInt(b.i32[i])));
};

export const CONVERSIONS: Meanings = {
  cvtpi2ps: pairToSingles,
  cvtpi2pd: integersToDoubles,
  cvtps2pi: toPair('single', false),
  cvttps2pi: toPair('single', true),
  cvtpd2pi: toPair('double', false),
  cvttpd2pi: toPair('double', true),
  cvtps2dq: toIntegers('single', false),
  cvttps2dq: toIntegers('single', true),
  cvtpd2dq: toIntegers('double', false),
  cvttpd2dq: toIntegers('double', true),
  cvtps2pd: singlesToDoubles,
  cvtpd2ps: doublesToSingles,
  cvtss2sd: scalarWidened,
  cvtsd2ss: scalarNarrowed,
  cvtdq2ps: integersToSingles,
  cvtdq2pd: integersToDoubles,
};
export const HALF_CONVERSIONS: Meanings = { vcvtph2ps: halvesToSingles, vcvtps2ph: singlesToHalves };

/** Conversions with a general register: mnemonic to what `bits` of the form makes of it. */
export const GENERAL_CONVERSIONS: Readonly<Record<string, (bits: 32 | 64) => Meaning>> = {
  cvtss2si: (bits) => toGeneral('single', false, bits),
  cvttss2si: (bits) => toGeneral('single', true, bits),
  cvtsd2si: (bits) => toGeneral('double', false, bits),
  cvttsd2si: (bits) => toGeneral('double', true, bits),
  cvtsi2ss: (bits) => fromGeneral('single', bits),
  cvtsi2sd: (bits) => fromGeneral('double', bits),
};
