/** Lanes moved about: shuffles, unpacking, blends, broadcasts, insertion and extraction. */
import { partBytes, type Meaning, type Meanings, type Vector, type VectorLength } from './vector.ts';

type View = 'u8' | 'u16' | 'u32' | 'u64';
const LANE_BYTES = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

/** d[i] = b[from] in lanes of one width. */
function move(view: View, d: Vector, to: number, source: Vector, from: number): void {
  if (view === 'u64') d.u64[to] = source.u64[from]!;
  else d[view][to] = source[view][from]!;
}

/** The halves of each 128-bit part of a and b, lane by lane in turn. */
const unpack =
  (view: View, high: boolean): Meaning =>
  (d, a, b, n) => {
    const perPart = partBytes(n) / LANE_BYTES[view];
    for (let part = 0; part < n / LANE_BYTES[view]; part += perPart)
      for (let i = 0; i < perPart / 2; i++) {
        const from = part + i + (high ? perPart / 2 : 0);
        move(view, d, part + 2 * i, a, from);
        move(view, d, part + 2 * i + 1, b, from);
      }
  };

/** Four lanes of each part chosen by two bits each, starting at lane `first`; the others are copied. */
const shuffleFour =
  (view: 'u16' | 'u32', first: number): Meaning =>
  (d, _a, b, n, { immediate }) => {
    d.u64.set(b.u64);
    const perPart = 16 / LANE_BYTES[view];
    for (let part = 0; part < n / LANE_BYTES[view]; part += perPart)
      for (let i = 0; i < 4; i++) d[view][part + first + i] = b[view][part + first + ((immediate >> (2 * i)) & 3)]!;
  };

const shuffleBytes: Meaning = (d, a, b, n) => {
  const part = partBytes(n);
  for (let i = 0; i < n; i++) {
    const control = b.u8[i];
    d.u8[i] = (control & 0x80) !== 0 ? 0 : a.u8[(i & 16) + (control & (part - 1))];
  }
};
const shuffleSingles: Meaning = (d, a, b, n, { immediate }) => {
  for (let part = 0; part < n / 4; part += 4)
    for (let i = 0; i < 4; i++) d.u32[part + i] = (i < 2 ? a : b).u32[part + ((immediate >> (2 * i)) & 3)]!;
};
const shuffleDoubles: Meaning = (d, a, b, n, { immediate }) => {
  for (let i = 0; i < n / 8; i++) d.u64[i] = ((i & 1) === 0 ? a : b).u64[(i & ~1) + ((immediate >> i) & 1)]!;
};

const alignRight: Meaning = (d, a, b, n, { immediate }) => {
  const bytes = partBytes(n);
  for (let part = 0; part < n; part += bytes)
    for (let i = 0; i < bytes; i++) {
      const from = i + immediate;
      d.u8[part + i] = from < bytes ? b.u8[part + from] : from < 2 * bytes ? a.u8[part + from - bytes] : 0;
    }
};

/** Bit i of the immediate takes lane i from b. */
const blend =
  (view: 'u16' | 'u32' | 'u64'): Meaning =>
  (d, a, b, n, { immediate }) => {
    // PBLENDW uses its eight bits for both 128-bit parts.
    for (let i = 0; i < n / LANE_BYTES[view]; i++) move(view, d, i, ((immediate >> (i & 7)) & 1) !== 0 ? b : a, i);
  };
/** The top bit of each lane of c takes it from b. */
const blendBySign =
  (view: 'u8' | 'u32' | 'u64'): Meaning =>
  (d, a, b, n, { c }) => {
    const bytes = LANE_BYTES[view];
    for (let i = 0; i < n / bytes; i++) move(view, d, i, (c.u8[(i + 1) * bytes - 1] & 0x80) !== 0 ? b : a, i);
  };

const broadcast =
  (view: View): Meaning =>
  (d, _a, b, n) => {
    for (let i = 0; i < n / LANE_BYTES[view]; i++) move(view, d, i, b, 0);
  };
const broadcast128: Meaning = (d, _a, b) => {
  for (let i = 0; i < 4; i++) d.u64[i] = b.u64[i & 1]!;
};

/** Replaces one lane of the first source. */
const insert =
  (view: View): Meaning =>
  (d, a, b, n, { immediate }) => {
    d.u64.set(a.u64);
    move(view, d, immediate & (partBytes(n) / LANE_BYTES[view] - 1), b, 0);
  };
const extract =
  (view: View): Meaning =>
  (d, _a, b, n, { immediate }) => {
    d.u64.fill(0n);
    move(view, d, 0, b, immediate & (partBytes(n) / LANE_BYTES[view] - 1));
  };
const insertSingle: Meaning = (d, a, b, _n, { immediate, memory }) => {
  const value = b.u32[memory ? 0 : immediate >> 6];
  d.u64.set(a.u64);
  d.u32[(immediate >> 4) & 3] = value;
  for (let i = 0; i < 4; i++) if (((immediate >> i) & 1) !== 0) d.u32[i] = 0;
};
const insert128: Meaning = (d, a, b, _n, { immediate }) => {
  d.u64.set(a.u64);
  const at = (immediate & 1) * 2;
  d.u64[at] = b.u64[0]!;
  d.u64[at + 1] = b.u64[1]!;
};
const extract128: Meaning = (d, _a, b, _n, { immediate }) => {
  const from = (immediate & 1) * 2;
  d.u64[0] = b.u64[from]!;
  d.u64[1] = b.u64[from + 1]!;
};
const permute128: Meaning = (d, a, b, _n, { immediate }) => {
  for (let half = 0; half < 2; half++) {
    const control = immediate >> (4 * half);
    const source = (control & 2) !== 0 ? b : a;
    for (let i = 0; i < 2; i++) d.u64[2 * half + i] = (control & 8) !== 0 ? 0n : source.u64[2 * (control & 1) + i];
  }
};
const permuteAll32: Meaning = (d, a, b) => {
  for (let i = 0; i < 8; i++) d.u32[i] = b.u32[a.u32[i] & 7]!;
};
const permuteAll64: Meaning = (d, _a, b, _n, { immediate }) => {
  for (let i = 0; i < 4; i++) d.u64[i] = b.u64[(immediate >> (2 * i)) & 3]!;
};

/** VPERMILPS and VPERMILPD: controls in the immediate (values in b) or in the lanes of b (values in a). */
export const PERMUTES_IN_LANE = {
  vpermilps: {
    byImmediate: shuffleFour('u32', 0),
    byVector: ((d, a, b, n) => {
      for (let i = 0; i < n / 4; i++) d.u32[i] = a.u32[(i & ~3) + (b.u32[i] & 3)]!;
    }) satisfies Meaning as Meaning,
  },
  vpermilpd: {
    byImmediate: ((d, _a, b, n, { immediate }) => {
      for (let i = 0; i < n / 8; i++) d.u64[i] = b.u64[(i & ~1) + ((immediate >> i) & 1)]!;
    }) satisfies Meaning,
    byVector: ((d, a, b, n) => {
      for (let i = 0; i < n / 8; i++) d.u64[i] = a.u64[(i & ~1) + ((b.u32[2 * i] >> 1) & 1)]!;
    }) satisfies Meaning as Meaning,
  },
} as const;

const duplicate =
  (view: 'u32' | 'u64', odd: 0 | 1): Meaning =>
  (d, _a, b, n) => {
    for (let i = 0; i < n / LANE_BYTES[view]; i++) move(view, d, i, b, (i & ~1) | odd);
  };

const signs =
  (lane: 1 | 4 | 8): Meaning =>
  (d, _a, b, n: VectorLength) => {
    let mask = 0;
    for (let i = 0; i < n / lane; i++) mask |= (b.u8[(i + 1) * lane - 1] >> 7) << i;
    d.u64[0] = BigInt(mask >>> 0);
  };

export const SHUFFLES: Meanings = {
  punpcklbw: unpack('u8', false),
  punpcklwd: unpack('u16', false),
  punpckldq: unpack('u32', false),
  punpcklqdq: unpack('u64', false),
  punpckhbw: unpack('u8', true),
  punpckhwd: unpack('u16', true),
  punpckhdq: unpack('u32', true),
  punpckhqdq: unpack('u64', true),
  unpcklps: unpack('u32', false),
  unpckhps: unpack('u32', true),
  unpcklpd: unpack('u64', false),
  unpckhpd: unpack('u64', true),
  pshufd: shuffleFour('u32', 0),
  pshufw: shuffleFour('u16', 0),
  pshuflw: shuffleFour('u16', 0),
  pshufhw: shuffleFour('u16', 4),
  pshufb: shuffleBytes,
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  palignr: alignRight,
  pblendw: blend('u16'),
  blendps: blend('u32'),
  vpblendd: blend('u32'),
  blendpd: blend('u64'),
  pblendvb: blendBySign('u8'),
  blendvps: blendBySign('u32'),
  blendvpd: blendBySign('u64'),
  vbroadcastss: broadcast('u32'),
  vbroadcastsd: broadcast('u64'),
  vbroadcastf128: broadcast128,
  vbroadcasti128: broadcast128,
  vpbroadcastb: broadcast('u8'),
  vpbroadcastw: broadcast('u16'),
  vpbroadcastd: broadcast('u32'),
  vpbroadcastq: broadcast('u64'),
  pinsrb: insert('u8'),
  pinsrw: insert('u16'),
  pinsrd: insert('u32'),
  pinsrq: insert('u64'),
  insertps: insertSingle,
  pextrb: extract('u8'),
  pextrw: extract('u16'),
  pextrd: extract('u32'),
  pextrq: extract('u64'),
  extractps: extract('u32'),
  vinsertf128: insert128,
  vinserti128: insert128,
  vextractf128: extract128,
  vextracti128: extract128,
  vperm2f128: permute128,
  vperm2i128: permute128,
  vpermd: permuteAll32,
  vpermps: permuteAll32,
  vpermq: permuteAll64,
  vpermpd: permuteAll64,
  movsldup: duplicate('u32', 0),
  movshdup: duplicate('u32', 1),
  movddup: duplicate('u64', 0),
  pmovmskb: signs(1),
  movmskps: signs(4),
  movmskpd: signs(8),
};
