/** Integer lane operations: the same thing done to each lane, whatever the vector's length. */
import { partBytes, type Meaning, type Meanings, type Vector } from './vector.ts';

type LaneView = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32';
const LANE_BYTES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4 } as const;
type WideView = 'u64' | 'i64';

/** d[i] = f(a[i], b[i]) in lanes of one kind; stores wrap. */
const lanes =
  (view: LaneView, f: (x: number, y: number) => number): Meaning =>
  (d, a, b, n) => {
    const count = n / LANE_BYTES[view];
    const [to, x, y] = [d[view], a[view], b[view]];
    for (let i = 0; i < count; i++) to[i] = f(x[i], y[i]);
  };
const unary =
  (view: LaneView, f: (x: number) => number): Meaning =>
  (d, _a, b, n) => {
    const count = n / LANE_BYTES[view];
    for (let i = 0; i < count; i++) d[view][i] = f(b[view][i]);
  };
const wide =
  (view: WideView, f: (x: bigint, y: bigint) => bigint): Meaning =>
  (d, a, b, n) => {
    for (let i = 0; i < n / 8; i++) d[view][i] = f(a[view][i], b[view][i]);
  };

const clamp =
  (low: number, high: number) =>
  (value: number): number =>
    value < low ? low : value > high ? high : value;
const toI8 = clamp(-0x80, 0x7f);
const toU8 = clamp(0, 0xff);
const toI16 = clamp(-0x8000, 0x7fff);
const toU16 = clamp(0, 0xffff);

const plus = (x: number, y: number): number => x + y;
const minus = (x: number, y: number): number => x - y;
const equal = (x: number, y: number): number => (x === y ? -1 : 0);
const greater = (x: number, y: number): number => (x > y ? -1 : 0);
const average = (x: number, y: number): number => (x + y + 1) >> 1;
const withSign = (x: number, y: number): number => (y < 0 ? -x : y === 0 ? 0 : x);
const saturated =
  (clampTo: (value: number) => number, f: (x: number, y: number) => number) =>
  (x: number, y: number): number =>
    clampTo(f(x, y));

/** Pairs of neighbouring lanes of a, then of b, in each 128-bit part. */
const horizontal =
  (view: 'i16' | 'i32', f: (x: number, y: number) => number): Meaning =>
  (d, a, b, n) => {
    const perPart = partBytes(n) / LANE_BYTES[view];
    for (let part = 0; part < n / LANE_BYTES[view]; part += perPart)
      for (let i = 0; i < perPart / 2; i++) {
        d[view][part + i] = f(a[view][part + 2 * i], a[view][part + 2 * i + 1]);
        d[view][part + perPart / 2 + i] = f(b[view][part + 2 * i], b[view][part + 2 * i + 1]);
      }
  };

/** Lanes twice as wide into saturated narrower ones: a's in the lower half, b's in the upper half of each 128-bit part. */
const pack =
  (from: 'i16' | 'i32', to: 'i8' | 'u8' | 'i16' | 'u16', clampTo: (value: number) => number): Meaning =>
  (d, a, b, n) => {
    const perPart = partBytes(n) / LANE_BYTES[from];
    for (let part = 0; part < n / LANE_BYTES[from]; part += perPart)
      for (let i = 0; i < perPart; i++) {
        d[to][2 * part + i] = clampTo(a[from][part + i]);
        d[to][2 * part + perPart + i] = clampTo(b[from][part + i]);
      }
  };

/** Lane widening, sign or zero as the source view says. */
const widen =
  (from: LaneView, to: 'i16' | 'i32'): Meaning =>
  (d, _a, b, n) => {
    for (let i = 0; i < n / LANE_BYTES[to]; i++) d[to][i] = b[from][i]!;
  };
const widenTo64 =
  (from: LaneView): Meaning =>
  (d, _a, b, n) => {
    for (let i = 0; i < n / 8; i++) d.i64[i] = BigInt(b[from][i]);
  };

const logic =
  (f: (x: number, y: number) => number): Meaning =>
  (d, a, b, n) => {
    for (let i = 0; i < n / 4; i++) d.i32[i] = f(a.i32[i], b.i32[i]);
  };
const and = logic((x, y) => x & y);
const andNot = logic((x, y) => ~x & y);
const or = logic((x, y) => x | y);
const exclusiveOr = logic((x, y) => x ^ y);

const addProducts: Meaning = (d, a, b, n) => {
  for (let i = 0; i < n / 4; i++) d.i32[i] = (a.i16[2 * i] * b.i16[2 * i] + a.i16[2 * i + 1] * b.i16[2 * i + 1]) | 0;
};
const addByteProducts: Meaning = (d, a, b, n) => {
  for (let i = 0; i < n / 2; i++) d.i16[i] = toI16(a.u8[2 * i] * b.i8[2 * i] + a.u8[2 * i + 1] * b.i8[2 * i + 1]);
};
const sumDifferences: Meaning = (d, a, b, n) => {
  for (let part = 0; part < n; part += 8) {
    let sum = 0;
    for (let i = part; i < part + 8; i++) sum += Math.abs(a.u8[i] - b.u8[i]);
    d.u32[part / 4] = sum;
    d.u32[part / 4 + 1] = 0;
  }
};
const multipleSums: Meaning = (d, a, b, n, { immediate }) => {
  for (let part = 0; part < n; part += 16) {
    const control = part === 0 ? immediate : immediate >> 3;
    const [from, against] = [part + (control & 4), part + (control & 3) * 4];
    for (let i = 0; i < 8; i++) {
      let sum = 0;
      for (let j = 0; j < 4; j++) sum += Math.abs(a.u8[from + i + j] - b.u8[against + j]);
      d.u16[part / 2 + i] = sum;
    }
  }
};
const smallestWord: Meaning = (d, _a, b) => {
  let at = 0;
  for (let i = 1; i < 8; i++) if (b.u16[i] < b.u16[at]) at = i;
  const smallest = b.u16[at];
  d.u64.fill(0n);
  d.u16[0] = smallest;
  d.u16[1] = at;
};

const productOfEvens =
  (view: 'u32' | 'i32'): Meaning =>
  (d, a, b, n) => {
    for (let i = 0; i < n / 8; i++) d.i64[i] = BigInt(a[view][2 * i]) * BigInt(b[view][2 * i]);
  };

type Shift16Or32 = (value: number, count: number) => number;
const LIMIT = 64;
/** The count is the immediate, or the low 64 bits of the last operand. `value` is in b for immediate forms, else in a. */
const countOf = (b: Vector): number => {
  const count = b.u64[0];
  return count >= 64n ? LIMIT : Number(count);
};
const left16: Shift16Or32 = (value, count) => (count > 15 ? 0 : value << count);
const right16: Shift16Or32 = (value, count) => (count > 15 ? 0 : value >>> count);
const arithmetic16: Shift16Or32 = (value, count) => value >> Math.min(count, 15);
const left32: Shift16Or32 = (value, count) => (count > 31 ? 0 : value << count);
const right32: Shift16Or32 = (value, count) => (count > 31 ? 0 : value >>> count);
const arithmetic32: Shift16Or32 = (value, count) => value >> Math.min(count, 31);
const left64 = (value: bigint, count: number): bigint => (count > 63 ? 0n : value << BigInt(count));
const right64 = (value: bigint, count: number): bigint => (count > 63 ? 0n : value >> BigInt(count));

const shift = (view: LaneView, f: Shift16Or32): { byImmediate: Meaning; byVector: Meaning } => {
  const all = (d: Vector, from: Vector, n: number, count: number): void => {
    for (let i = 0; i < n / LANE_BYTES[view]; i++) d[view][i] = f(from[view][i], count);
  };
  return {
    byImmediate: (d, _a, b, n, { immediate }) => all(d, b, n, immediate),
    byVector: (d, a, b, n) => all(d, a, n, countOf(b)),
  };
};
const shift64 = (f: (value: bigint, count: number) => bigint): { byImmediate: Meaning; byVector: Meaning } => {
  const all = (d: Vector, from: Vector, n: number, count: number): void => {
    for (let i = 0; i < n / 8; i++) d.u64[i] = f(from.u64[i], count);
  };
  return {
    byImmediate: (d, _a, b, n, { immediate }) => all(d, b, n, immediate),
    byVector: (d, a, b, n) => all(d, a, n, countOf(b)),
  };
};
const variable32 = (view: 'u32' | 'i32', f: Shift16Or32): Meaning => lanes(view, (x, y) => f(x, y >>> 0));
const variable64 = (f: (value: bigint, count: number) => bigint): Meaning =>
  wide('u64', (x, y) => f(x, y > 63n ? LIMIT : Number(y)));

/** Shifts: forms with an immediate and with a vector count are told apart by `index.ts`. */
export const SHIFTS = {
  psllw: shift('u16', left16),
  pslld: shift('u32', left32),
  psllq: shift64(left64),
  psrlw: shift('u16', right16),
  psrld: shift('u32', right32),
  psrlq: shift64(right64),
  psraw: shift('i16', arithmetic16),
  psrad: shift('i32', arithmetic32),
} as const;

const shiftBytes =
  (direction: 1 | -1): Meaning =>
  (d, _a, b, n, { immediate }) => {
    for (let part = 0; part < n; part += 16)
      for (let i = 0; i < 16; i++) {
        const from = i + direction * immediate;
        d.u8[part + i] = from >= 0 && from < 16 ? b.u8[part + from] : 0;
      }
  };

export const INTEGER: Meanings = {
  paddb: lanes('u8', plus),
  paddw: lanes('u16', plus),
  paddd: lanes('u32', plus),
  paddq: wide('u64', (x, y) => x + y),
  psubb: lanes('u8', minus),
  psubw: lanes('u16', minus),
  psubd: lanes('u32', minus),
  psubq: wide('u64', (x, y) => x - y),
  paddsb: lanes('i8', saturated(toI8, plus)),
  paddsw: lanes('i16', saturated(toI16, plus)),
  paddusb: lanes('u8', saturated(toU8, plus)),
  paddusw: lanes('u16', saturated(toU16, plus)),
  psubsb: lanes('i8', saturated(toI8, minus)),
  psubsw: lanes('i16', saturated(toI16, minus)),
  psubusb: lanes('u8', saturated(toU8, minus)),
  psubusw: lanes('u16', saturated(toU16, minus)),
  pcmpeqb: lanes('u8', equal),
  pcmpeqw: lanes('u16', equal),
  pcmpeqd: lanes('u32', equal),
  pcmpeqq: wide('u64', (x, y) => (x === y ? -1n : 0n)),
  pcmpgtb: lanes('i8', greater),
  pcmpgtw: lanes('i16', greater),
  pcmpgtd: lanes('i32', greater),
  pcmpgtq: wide('i64', (x, y) => (x > y ? -1n : 0n)),
  pminub: lanes('u8', Math.min),
  pminsb: lanes('i8', Math.min),
  pminuw: lanes('u16', Math.min),
  pminsw: lanes('i16', Math.min),
  pminud: lanes('u32', Math.min),
  pminsd: lanes('i32', Math.min),
  pmaxub: lanes('u8', Math.max),
  pmaxsb: lanes('i8', Math.max),
  pmaxuw: lanes('u16', Math.max),
  pmaxsw: lanes('i16', Math.max),
  pmaxud: lanes('u32', Math.max),
  pmaxsd: lanes('i32', Math.max),
  pavgb: lanes('u8', average),
  pavgw: lanes('u16', average),
  pmullw: lanes('i16', Math.imul),
  pmulhw: lanes('i16', (x, y) => (x * y) >> 16),
  pmulhuw: lanes('u16', (x, y) => (x * y) >>> 16),
  pmulhrsw: lanes('i16', (x, y) => (((x * y) >> 14) + 1) >> 1),
  pmulld: lanes('i32', Math.imul),
  pmuludq: productOfEvens('u32'),
  pmuldq: productOfEvens('i32'),
  pmaddwd: addProducts,
  pmaddubsw: addByteProducts,
  psadbw: sumDifferences,
  mpsadbw: multipleSums,
  phminposuw: smallestWord,
  pabsb: unary('i8', Math.abs),
  pabsw: unary('i16', Math.abs),
  pabsd: unary('i32', Math.abs),
  psignb: lanes('i8', withSign),
  psignw: lanes('i16', withSign),
  psignd: lanes('i32', withSign),
  phaddw: horizontal('i16', plus),
  phaddd: horizontal('i32', plus),
  phaddsw: horizontal('i16', saturated(toI16, plus)),
  phsubw: horizontal('i16', minus),
  phsubd: horizontal('i32', minus),
  phsubsw: horizontal('i16', saturated(toI16, minus)),
  packsswb: pack('i16', 'i8', toI8),
  packuswb: pack('i16', 'u8', toU8),
  packssdw: pack('i32', 'i16', toI16),
  packusdw: pack('i32', 'u16', toU16),
  pmovsxbw: widen('i8', 'i16'),
  pmovsxbd: widen('i8', 'i32'),
  pmovsxwd: widen('i16', 'i32'),
  pmovsxbq: widenTo64('i8'),
  pmovsxwq: widenTo64('i16'),
  pmovsxdq: widenTo64('i32'),
  pmovzxbw: widen('u8', 'i16'),
  pmovzxbd: widen('u8', 'i32'),
  pmovzxwd: widen('u16', 'i32'),
  pmovzxbq: widenTo64('u8'),
  pmovzxwq: widenTo64('u16'),
  pmovzxdq: widenTo64('u32'),
  pand: and,
  pandn: andNot,
  por: or,
  pxor: exclusiveOr,
  andps: and,
  andpd: and,
  andnps: andNot,
  andnpd: andNot,
  orps: or,
  orpd: or,
  xorps: exclusiveOr,
  xorpd: exclusiveOr,
  pslldq: shiftBytes(-1),
  psrldq: shiftBytes(1),
  vpsllvd: variable32('u32', left32),
  vpsrlvd: variable32('u32', right32),
  vpsravd: variable32('i32', arithmetic32),
  vpsllvq: variable64(left64),
  vpsrlvq: variable64(right64),
};
