/** Integer lane operations: the emitted counterparts of ../integer.ts. */
import type { Value } from '../../builder.ts';
import {
  bytesFrom,
  lanesFrom,
  neighbours,
  ofLast,
  ofParts,
  operation,
  unary,
  words,
  zeroLanes,
  type IntegerShape,
} from './lanes.ts';
import { LANE_BYTES } from './lanes.ts';
import type {
  EmittedMeaning,
  EmittedMeanings,
  Lanes,
  LanesOpName,
  ShiftOpName,
  VectorBuilder,
} from './vector-builder.ts';

const and = operation('v128_and');
/** The first operand is the one that is inverted. */
const andNot: EmittedMeaning = ofParts((b, a, c) => b.lanes('v128_andnot', c, a));
const or = operation('v128_or');
const exclusiveOr = operation('v128_xor');

/** Even lanes of a, then of c; or the odd ones. */
const everySecond = (bytes: 2 | 4, odd: 0 | 1): number[] => lanesFrom(bytes, (lane) => 2 * lane + odd);
const horizontal = (op: LanesOpName, bytes: 2 | 4): EmittedMeaning =>
  ofParts((b, a, c) => {
    const [x, y] = neighbours(b, a, c);
    return b.lanes(op, b.shuffle(x, y, everySecond(bytes, 0)), b.shuffle(x, y, everySecond(bytes, 1)));
  });
/** Both operands' lanes made half as wide. */
const pack = (op: LanesOpName): EmittedMeaning => ofParts((b, a, c) => b.lanes(op, ...neighbours(b, a, c)));

/** Upper halves of the 32-bit products of 16-bit lanes. */
const highProducts = (sign: 's' | 'u'): EmittedMeaning =>
  ofParts((b, a, c) =>
    b.shuffle(
      b.lanes(`i32x4_extmul_low_i16x8_${sign}`, a, c),
      b.lanes(`i32x4_extmul_high_i16x8_${sign}`, a, c),
      everySecond(2, 1),
    ),
  );
/** (a * c + 2^14) >> 15, which saturates for one pair of operands alone, where PMULHRSW wraps. */
const roundedProducts: EmittedMeaning = ofParts((b, a, c) => {
  const least = words(b, 0x8000_8000n);
  const both = b.lanes('v128_and', b.lanes('i16x8_eq', a, least), b.lanes('i16x8_eq', c, least));
  return b.lanes('v128_xor', b.lanes('i16x8_q15mulr_sat_s', a, c), both);
});
const productsOfEvens = (sign: 's' | 'u'): EmittedMeaning =>
  ofParts((b, a, c) => {
    const evens = (v: Lanes): Lanes => b.shuffle(v, v, everySecond(4, 0));
    return b.lanes(`i64x2_extmul_low_i32x4_${sign}`, evens(a), evens(c));
  });
/** Unsigned bytes of a times signed bytes of c, neighbours added with saturation. */
const addByteProducts: EmittedMeaning = ofParts((b, a, c) => {
  const even = b.lanes(
    'i16x8_mul',
    b.lanes('v128_and', a, words(b, 0x00ff_00ffn)),
    b.shiftLanes('i16x8_shr_s', b.shiftLanes('i16x8_shl', c, 8), 8),
  );
  const odd = b.lanes('i16x8_mul', b.shiftLanes('i16x8_shr_u', a, 8), b.shiftLanes('i16x8_shr_s', c, 8));
  return b.lanes('i16x8_add_sat_s', even, odd);
});
/** Sums of the absolute differences of eight bytes each. */
const sumDifferences: EmittedMeaning = ofParts((b, a, c) => {
  const difference = b.lanes('v128_or', b.lanes('i8x16_sub_sat_u', a, c), b.lanes('i8x16_sub_sat_u', c, a));
  const fours = b.lanes('i32x4_extadd_pairwise_i16x8_u', b.lanes('i16x8_extadd_pairwise_i8x16_u', difference));
  const sum = b.lanes('i32x4_add', fours, b.shiftLanes('i64x2_shr_u', fours, 32));
  return b.lanes('v128_and', sum, b.constantLanes(0xffff_ffffn, 0xffff_ffffn));
});

const withSign = (shape: 'i8x16' | 'i16x8' | 'i32x4'): EmittedMeaning =>
  ofParts((b, a, c) => {
    const negative = b.shiftLanes(`${shape}_shr_s`, c, 8 * LANE_BYTES[shape] - 1);
    const signed = b.lanes(`${shape}_sub`, b.lanes('v128_xor', a, negative), negative);
    return b.lanes('v128_and', signed, b.lanes(`${shape}_ne`, c, zeroLanes(b)));
  });

type Direction = 'shl' | 'shr_u' | 'shr_s';
type WideShape = Exclude<IntegerShape, 'i8x16'>;
/** By an immediate or by the low 64 bits of the last operand: counts beyond the lane shift everything out. */
const shift =
  (shape: WideShape, direction: Direction): EmittedMeaning =>
  (b) => {
    const op: ShiftOpName = `${shape}_${direction}`;
    const bits = 8 * LANE_BYTES[shape];
    if (b.form.operands.at(-1)!.kind === 'immediate') {
      const count = direction === 'shr_s' ? Math.min(b.imm, bits - 1) : b.imm;
      ofLast((_b, c) => (count < bits ? b.shiftLanes(op, c, count) : zeroLanes(b)))(b);
      return;
    }
    const given = b.laneOf('i64x2_extract_lane', b.last(0), 0);
    const within = b.compare('lt_u', given, b.constant(BigInt(bits)));
    const count = b.select(within, given, b.constant(BigInt(bits - 1)));
    const kept =
      direction === 'shr_s' ? undefined : b.splat('i64x2_splat', b.binary('sub', b.constant(0n), b.asValue(within)));
    const results = Array.from({ length: b.parts }, (_, part) => {
      const shifted = b.shiftLanesBy(op, b.first(part), count);
      return kept === undefined ? shifted : b.lanes('v128_and', shifted, kept);
    });
    b.writeLanes(...results);
  };
/** Each lane by its own count. */
const shiftEach = (shape: 'i32x4' | 'i64x2', direction: Direction): EmittedMeaning =>
  ofParts((b, a, c) => {
    const bytes = LANE_BYTES[shape];
    const bits = 8 * bytes;
    let result = zeroLanes(b);
    for (let lane = 0; lane < 16 / bytes; lane++) {
      const count = b.laneOf(`${shape}_extract_lane`, c, lane);
      const value = b.laneOf(`${shape}_extract_lane`, a, lane);
      const within = b.compare('lt_u', count, b.constant(BigInt(bits)));
      const shifted: Value =
        direction === 'shr_s'
          ? b.binary('shr_s', b.signExtend(value, bytes), b.select(within, count, b.constant(BigInt(bits - 1))))
          : b.select(within, b.binary(direction, value, count), b.constant(0n));
      result = b.withLane(`${shape}_replace_lane`, result, lane, shifted);
    }
    return result;
  });
/** Whole 128-bit parts by bytes, to the left (up) or the right. */
const shiftBytes = (direction: 1 | -1): EmittedMeaning =>
  ofLast((b, c) =>
    b.shuffle(
      c,
      zeroLanes(b),
      bytesFrom((i) => {
        const from = i + direction * b.imm;
        return from >= 0 && from < 16 ? from : 16;
      }),
    ),
  );

/** Source lanes become wider; those of the upper part follow those of the lower part. */
const widen = (from: 'i8x16' | 'i16x8' | 'i32x4', to: WideShape, sign: 's' | 'u'): EmittedMeaning => {
  const steps: readonly WideShape[] = ['i16x8', 'i32x4', 'i64x2'];
  const narrowing = LANE_BYTES[to] / LANE_BYTES[from];
  const one = (b: VectorBuilder, source: Lanes, part: number): Lanes => {
    // The part's lanes are moved to the bottom first, then each step takes the lower half.
    const at = part * (16 / narrowing);
    let lanes =
      at === 0
        ? source
        : b.shuffle(
            source,
            source,
            bytesFrom((i) => (i + at) & 15),
          );
    let shape: IntegerShape = from;
    for (const next of steps) {
      if (LANE_BYTES[next] <= LANE_BYTES[shape] || LANE_BYTES[next] > LANE_BYTES[to]) continue;
      lanes = b.lanes(`${next}_extend_low_${shape as 'i8x16'}_${sign}` as LanesOpName, lanes);
      shape = next;
    }
    return lanes;
  };
  return (b) => {
    const source = b.last(0);
    b.writeLanes(...Array.from({ length: b.parts }, (_, part) => one(b, source, part)));
  };
};

export const EMITTED_INTEGER: EmittedMeanings = {
  paddb: operation('i8x16_add'),
  paddw: operation('i16x8_add'),
  paddd: operation('i32x4_add'),
  paddq: operation('i64x2_add'),
  psubb: operation('i8x16_sub'),
  psubw: operation('i16x8_sub'),
  psubd: operation('i32x4_sub'),
  psubq: operation('i64x2_sub'),
  paddsb: operation('i8x16_add_sat_s'),
  paddsw: operation('i16x8_add_sat_s'),
  paddusb: operation('i8x16_add_sat_u'),
  paddusw: operation('i16x8_add_sat_u'),
  psubsb: operation('i8x16_sub_sat_s'),
  psubsw: operation('i16x8_sub_sat_s'),
  psubusb: operation('i8x16_sub_sat_u'),
  psubusw: operation('i16x8_sub_sat_u'),
  pcmpeqb: operation('i8x16_eq'),
  pcmpeqw: operation('i16x8_eq'),
  pcmpeqd: operation('i32x4_eq'),
  pcmpeqq: operation('i64x2_eq'),
  pcmpgtb: operation('i8x16_gt_s'),
  pcmpgtw: operation('i16x8_gt_s'),
  pcmpgtd: operation('i32x4_gt_s'),
  pcmpgtq: operation('i64x2_gt_s'),
  pminub: operation('i8x16_min_u'),
  pminsb: operation('i8x16_min_s'),
  pminuw: operation('i16x8_min_u'),
  pminsw: operation('i16x8_min_s'),
  pminud: operation('i32x4_min_u'),
  pminsd: operation('i32x4_min_s'),
  pmaxub: operation('i8x16_max_u'),
  pmaxsb: operation('i8x16_max_s'),
  pmaxuw: operation('i16x8_max_u'),
  pmaxsw: operation('i16x8_max_s'),
  pmaxud: operation('i32x4_max_u'),
  pmaxsd: operation('i32x4_max_s'),
  pavgb: operation('i8x16_avgr_u'),
  pavgw: operation('i16x8_avgr_u'),
  pmullw: operation('i16x8_mul'),
  pmulhw: highProducts('s'),
  pmulhuw: highProducts('u'),
  pmulhrsw: roundedProducts,
  pmulld: operation('i32x4_mul'),
  pmuludq: productsOfEvens('u'),
  pmuldq: productsOfEvens('s'),
  pmaddwd: operation('i32x4_dot_i16x8_s'),
  pmaddubsw: addByteProducts,
  psadbw: sumDifferences,
  pabsb: unary('i8x16_abs'),
  pabsw: unary('i16x8_abs'),
  pabsd: unary('i32x4_abs'),
  psignb: withSign('i8x16'),
  psignw: withSign('i16x8'),
  psignd: withSign('i32x4'),
  phaddw: horizontal('i16x8_add', 2),
  phaddd: horizontal('i32x4_add', 4),
  phaddsw: horizontal('i16x8_add_sat_s', 2),
  phsubw: horizontal('i16x8_sub', 2),
  phsubd: horizontal('i32x4_sub', 4),
  phsubsw: horizontal('i16x8_sub_sat_s', 2),
  packsswb: pack('i8x16_narrow_i16x8_s'),
  packuswb: pack('i8x16_narrow_i16x8_u'),
  packssdw: pack('i16x8_narrow_i32x4_s'),
  packusdw: pack('i16x8_narrow_i32x4_u'),
  pmovsxbw: widen('i8x16', 'i16x8', 's'),
  pmovsxbd: widen('i8x16', 'i32x4', 's'),
  pmovsxwd: widen('i16x8', 'i32x4', 's'),
  pmovsxbq: widen('i8x16', 'i64x2', 's'),
  pmovsxwq: widen('i16x8', 'i64x2', 's'),
  pmovsxdq: widen('i32x4', 'i64x2', 's'),
  pmovzxbw: widen('i8x16', 'i16x8', 'u'),
  pmovzxbd: widen('i8x16', 'i32x4', 'u'),
  pmovzxwd: widen('i16x8', 'i32x4', 'u'),
  pmovzxbq: widen('i8x16', 'i64x2', 'u'),
  pmovzxwq: widen('i16x8', 'i64x2', 'u'),
  pmovzxdq: widen('i32x4', 'i64x2', 'u'),
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
  psllw: shift('i16x8', 'shl'),
  pslld: shift('i32x4', 'shl'),
  psllq: shift('i64x2', 'shl'),
  psrlw: shift('i16x8', 'shr_u'),
  psrld: shift('i32x4', 'shr_u'),
  psrlq: shift('i64x2', 'shr_u'),
  psraw: shift('i16x8', 'shr_s'),
  psrad: shift('i32x4', 'shr_s'),
  pslldq: shiftBytes(-1),
  psrldq: shiftBytes(1),
  vpsllvd: shiftEach('i32x4', 'shl'),
  vpsrlvd: shiftEach('i32x4', 'shr_u'),
  vpsravd: shiftEach('i32x4', 'shr_s'),
  vpsllvq: shiftEach('i64x2', 'shl'),
  vpsrlvq: shiftEach('i64x2', 'shr_u'),
};
