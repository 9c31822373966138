/** Lanes moved about: the emitted counterparts of ../shuffles.ts and ../tests.ts. */
import { auxOfCarryOverflow } from '../../flags.ts';
import { partBytes } from '../vector.ts';
import {
  bytesFrom,
  LANE_BYTES,
  lanesFrom,
  neighbours,
  ofLast,
  ofParts,
  quads,
  words,
  zeroLanes,
  type IntegerShape,
} from './lanes.ts';
import type { EmittedMeaning, EmittedMeanings, Lanes, VectorBuilder } from './vector-builder.ts';

/** Two bits of the immediate for each of four lanes. */
const chosen = (immediate: number, lane: number): number => (immediate >> (2 * lane)) & 3;

const unpack = (bytes: 1 | 2 | 4 | 8, high: boolean): EmittedMeaning =>
  ofParts((b, a, c) =>
    b.shuffle(
      a,
      c,
      lanesFrom(
        bytes,
        (lane) => (lane >> 1) + (high ? partBytes(b.form.length) / 2 / bytes : 0) + (lane & 1) * (16 / bytes),
      ),
    ),
  );
/** Four lanes from lane `first` on, the others copied. */
const shuffleFour = (bytes: 2 | 4, first: number): EmittedMeaning =>
  ofLast((b, c) =>
    b.shuffle(
      c,
      c,
      lanesFrom(bytes, (lane) => {
        const at = lane - first;
        return at < 0 || at > 3 ? lane : first + chosen(b.imm, at);
      }),
    ),
  );
/** Bit 7 of an index gives zero, as every index above 15 does in WebAssembly. */
const shuffleBytes: EmittedMeaning = ofParts((b, a, c) =>
  b.lanes('i8x16_swizzle', a, b.lanes('v128_and', c, words(b, b.form.mmx ? 0x8787_8787n : 0x8f8f_8f8fn))),
);
const shuffleSingles: EmittedMeaning = ofParts((b, a, c) =>
  b.shuffle(
    a,
    c,
    lanesFrom(4, (lane) => (lane < 2 ? 0 : 4) + chosen(b.imm, lane)),
  ),
);
const shuffleDoubles: EmittedMeaning = ofParts((b, a, c, part) =>
  b.shuffle(
    a,
    c,
    lanesFrom(8, (lane) => 2 * lane + ((b.imm >> (2 * part + lane)) & 1)),
  ),
);
const alignRight: EmittedMeaning = ofParts((b, a, c) => {
  const { imm } = b;
  if (b.form.mmx)
    return b.shuffle(
      neighbours(b, c, a)[0],
      zeroLanes(b),
      bytesFrom((i) => Math.min(i + imm, 16)),
    );
  if (imm >= 32) return zeroLanes(b);
  return imm < 16
    ? b.shuffle(
        c,
        a,
        bytesFrom((i) => i + imm),
      )
    : b.shuffle(
        a,
        zeroLanes(b),
        bytesFrom((i) => i + imm - 16),
      );
});
/** Bit i of the immediate takes lane i from c; PBLENDW uses its eight bits for both parts. */
const blend = (bytes: 2 | 4 | 8): EmittedMeaning =>
  ofParts((b, a, c, part) =>
    b.shuffle(
      a,
      c,
      lanesFrom(bytes, (lane) => lane + ((b.imm >> ((part * (16 / bytes) + lane) & 7)) & 1) * (16 / bytes)),
    ),
  );
/** The top bit of each lane of the third source takes it from c. */
const blendBySign = (shape: 'i8x16' | 'i32x4' | 'i64x2'): EmittedMeaning =>
  ofParts((b, a, c, part) =>
    b.lanes('v128_bitselect', c, a, b.shiftLanes(`${shape}_shr_s`, b.third(part), 8 * LANE_BYTES[shape] - 1)),
  );

const broadcast =
  (bytes: 1 | 2 | 4 | 8): EmittedMeaning =>
  (b) => {
    const source = b.last(0);
    const all = b.shuffle(
      source,
      source,
      bytesFrom((i) => i % bytes),
    );
    b.writeLanes(...Array.from({ length: b.parts }, () => all));
  };
const broadcast128: EmittedMeaning = (b) => b.writeLanes(b.last(0), b.last(0));

const insert =
  (shape: IntegerShape): EmittedMeaning =>
  (b) => {
    const lane = b.imm & (partBytes(b.form.length) / LANE_BYTES[shape] - 1);
    b.writeLanes(b.withLane(`${shape}_replace_lane`, b.first(0), lane, b.lastValue()));
  };
const EXTRACT = {
  i8x16: 'i8x16_extract_lane_u',
  i16x8: 'i16x8_extract_lane_u',
  i32x4: 'i32x4_extract_lane',
  i64x2: 'i64x2_extract_lane',
} as const;
const extract =
  (shape: IntegerShape): EmittedMeaning =>
  (b) =>
    b.writeValue(b.laneOf(EXTRACT[shape], b.last(0), b.imm & (partBytes(b.form.length) / LANE_BYTES[shape] - 1)));
const insertSingle: EmittedMeaning = (b) => {
  const { imm } = b;
  const from = b.fromMemory ? 0 : imm >> 6;
  const inserted = b.shuffle(
    b.first(0),
    b.last(0),
    lanesFrom(4, (lane) => (lane === ((imm >> 4) & 3) ? 4 + from : lane)),
  );
  b.writeLanes(
    b.shuffle(
      inserted,
      zeroLanes(b),
      lanesFrom(4, (lane) => (((imm >> lane) & 1) !== 0 ? 4 : lane)),
    ),
  );
};
const insert128: EmittedMeaning = (b) => {
  const value = b.last(0);
  if ((b.imm & 1) === 0) b.writeLanes(value, b.first(1));
  else b.writeLanes(b.first(0), value);
};
const extract128: EmittedMeaning = (b) => b.writeLanes(b.last(b.imm & 1));
const permute128: EmittedMeaning = (b) => {
  const half = (control: number): Lanes =>
    (control & 8) !== 0 ? zeroLanes(b) : (control & 2) !== 0 ? b.last(control & 1) : b.first(control & 1);
  // Memory that no half is taken from is read all the same: it may fault.
  b.last(0);
  b.writeLanes(half(b.imm), half(b.imm >> 4));
};
/** Lanes of 64 bits from anywhere in both parts. */
const permuteAll64: EmittedMeaning = (b) => {
  const [low, high] = [b.last(0), b.last(1)];
  const half = (first: number): Lanes =>
    b.shuffle(
      low,
      high,
      lanesFrom(8, (lane) => chosen(b.imm, first + lane)),
    );
  b.writeLanes(half(0), half(2));
};
/** Lanes of 32 bits from anywhere in both parts; the first operand has their numbers. */
const permuteAll32: EmittedMeaning = (b) => {
  const [low, high] = [b.last(0), b.last(1)];
  const half = (part: number): Lanes => {
    const bytes = byteIndices(b, b.lanes('v128_and', b.first(part), words(b, 7n)));
    // Indices of the other part are above 15 on one side and wrap above it on the other.
    return b.lanes(
      'v128_or',
      b.lanes('i8x16_swizzle', low, bytes),
      b.lanes('i8x16_swizzle', high, b.lanes('i8x16_sub', bytes, words(b, 0x1010_1010n))),
    );
  };
  b.writeLanes(half(0), half(1));
};
/** Of 32-bit lane numbers the numbers of their bytes. */
const byteIndices = (b: VectorBuilder, numbers: Lanes): Lanes =>
  b.lanes('i32x4_add', b.lanes('i32x4_mul', numbers, words(b, 0x0404_0404n)), words(b, 0x0302_0100n));

const byImmediate = (b: VectorBuilder): boolean => b.form.operands.at(-1)!.kind === 'immediate';
const permuteSingles: EmittedMeaning = (b) => {
  if (byImmediate(b)) shuffleFour(4, 0)(b);
  else ofParts((_b, a, c) => b.lanes('i8x16_swizzle', a, byteIndices(b, b.lanes('v128_and', c, words(b, 3n)))))(b);
};
const permuteDoubles: EmittedMeaning = (b) => {
  if (byImmediate(b))
    ofLast((_b, c, part) =>
      b.shuffle(
        c,
        c,
        lanesFrom(8, (lane) => (b.imm >> (2 * part + lane)) & 1),
      ),
    )(b);
  else
    ofParts((_b, a, c) => {
      const swapped = (lane: 0 | 1): Lanes =>
        b.shuffle(
          a,
          a,
          lanesFrom(8, () => lane),
        );
      // Bit 1 of each control, spread over its lane.
      const odd = b.shiftLanes('i64x2_shr_s', b.shiftLanes('i64x2_shl', c, 62), 63);
      return b.lanes('v128_bitselect', swapped(1), swapped(0), odd);
    })(b);
};
const duplicate = (bytes: 4 | 8, odd: 0 | 1): EmittedMeaning =>
  ofLast((b, c) =>
    b.shuffle(
      c,
      c,
      lanesFrom(bytes, (lane) => (lane & ~1) | odd),
    ),
  );

/** The sign bits of all lanes. */
const signs =
  (shape: 'i8x16' | 'i32x4' | 'i64x2'): EmittedMeaning =>
  (b) => {
    let mask = b.asValue(b.maskOf(`${shape}_bitmask`, b.last(0)));
    if (b.parts === 2) {
      const high = b.asValue(b.maskOf(`${shape}_bitmask`, b.last(1)));
      mask = b.binary('or', mask, b.with('shl', high, BigInt(16 / LANE_BYTES[shape])));
    }
    b.writeValue(mask);
  };

/** ZF: nothing of `kept` in the last operand; CF: nothing of the last operand outside the first. The other flags become 0. */
const test =
  (kept: (b: VectorBuilder) => Lanes | undefined): EmittedMeaning =>
  (b) => {
    const mask = kept(b);
    const some = (op: 'v128_and' | 'v128_andnot') => {
      const each = Array.from({ length: b.parts }, (_, part) => {
        const lanes = b.lanes(op, b.last(part), b.first(part));
        return b.maskOf('v128_any_true', mask === undefined ? lanes : b.lanes('v128_and', lanes, mask));
      });
      return b.asValue(each.reduce((all, one) => b.or(all, one)));
    };
    const outcome = some('v128_and');
    const outside = some('v128_andnot');
    b.setFlags(...zeroAndCarry(b, outcome, b.with('xor', outside, 1n)));
  };
/** Flag words with ZF set where `outcome` is 0 (else it is 1), CF as given, and the other flags 0. */
export function zeroAndCarry(
  b: VectorBuilder,
  outcome: ReturnType<VectorBuilder['constant']>,
  carry: ReturnType<VectorBuilder['constant']>,
): readonly [result: typeof outcome, aux: typeof outcome] {
  // Bit 8 of the aux word undoes the parity of a zero result.
  const parity = b.with('shl', b.with('xor', outcome, 1n), 8n);
  return [outcome, b.binary('or', auxOfCarryOverflow(b, carry, b.constant(0n)), parity)];
}

export const EMITTED_SHUFFLES: EmittedMeanings = {
  punpcklbw: unpack(1, false),
  punpcklwd: unpack(2, false),
  punpckldq: unpack(4, false),
  punpcklqdq: unpack(8, false),
  punpckhbw: unpack(1, true),
  punpckhwd: unpack(2, true),
  punpckhdq: unpack(4, true),
  punpckhqdq: unpack(8, true),
  unpcklps: unpack(4, false),
  unpckhps: unpack(4, true),
  unpcklpd: unpack(8, false),
  unpckhpd: unpack(8, true),
  pshufd: shuffleFour(4, 0),
  pshufw: shuffleFour(2, 0),
  pshuflw: shuffleFour(2, 0),
  pshufhw: shuffleFour(2, 4),
  pshufb: shuffleBytes,
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  palignr: alignRight,
  pblendw: blend(2),
  blendps: blend(4),
  vpblendd: blend(4),
  blendpd: blend(8),
  pblendvb: blendBySign('i8x16'),
  blendvps: blendBySign('i32x4'),
  blendvpd: blendBySign('i64x2'),
  vbroadcastss: broadcast(4),
  vbroadcastsd: broadcast(8),
  vbroadcastf128: broadcast128,
  vbroadcasti128: broadcast128,
  vpbroadcastb: broadcast(1),
  vpbroadcastw: broadcast(2),
  vpbroadcastd: broadcast(4),
  vpbroadcastq: broadcast(8),
  pinsrb: insert('i8x16'),
  pinsrw: insert('i16x8'),
  pinsrd: insert('i32x4'),
  pinsrq: insert('i64x2'),
  insertps: insertSingle,
  pextrb: extract('i8x16'),
  pextrw: extract('i16x8'),
  pextrd: extract('i32x4'),
  pextrq: extract('i64x2'),
  extractps: extract('i32x4'),
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
  vpermilps: permuteSingles,
  vpermilpd: permuteDoubles,
  movsldup: duplicate(4, 0),
  movshdup: duplicate(4, 1),
  movddup: duplicate(8, 0),
  pmovmskb: signs('i8x16'),
  movmskps: signs('i32x4'),
  movmskpd: signs('i64x2'),
  ptest: test(() => undefined),
  vtestps: test((b) => words(b, 0x8000_0000n)),
  vtestpd: test((b) => quads(b, 1n << 63n)),
};
