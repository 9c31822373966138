/** Stores of operand values, special and ordinary ones, of which cases take stretches: quicker than drawing each value. */
import { conversionValue, extendedValue, Random as X87Random } from '../../instructions/x87/cases.ts';
import type { Random } from './random.ts';
import { EDGES } from '../../instructions/generate.ts';

const KIND_BYTES = 16_384;

const SINGLES = [
  ...[0x0000_0000, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0001, 0xffc1_2345],
  ...[0x7f80_0001, 0xffa0_0000, 0x0000_0001, 0x8000_0001, 0x007f_ffff, 0x807f_ffff, 0x0080_0000, 0x8080_0000],
  ...[0x7f7f_ffff, 0xff7f_ffff, 0x0080_0001, 0x3f7f_ffff, 0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x5f00_0000],
  ...[0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xc020_0000, 0x3300_0000, 0x4b00_0001, 0x477f_e000, 0x477f_f000],
  ...[0x3880_0000, 0x387f_e000, 0x3380_0000, 0x3300_0001, 0x1fff_ffff, 0x2000_0000, 0x0040_0000, 0x4049_0fdb],
];
/** Upper halves of doubles whose lower half is one of `LOW_HALVES`. */
const HIGH_HALVES = [
  ...[0x0000_0000, 0x8000_0000, 0x3ff0_0000, 0xbff0_0000, 0x7ff0_0000, 0xfff0_0000, 0x7ff8_0000, 0xfff8_1234],
  ...[0x7ff0_0001, 0xfff4_0000, 0x000f_ffff, 0x800f_ffff, 0x0010_0000, 0x7fef_ffff, 0xffef_ffff, 0x41df_ffff],
  ...[0xc1e0_0000, 0x43e0_0000, 0xc3e0_0000, 0x41e0_0000, 0x3fe0_0000, 0x3ff8_0000, 0x36a0_0000, 0x3810_0000],
  ...[0x380f_ffff, 0x47ef_ffff, 0x3ca0_0000, 0x1ff0_0000, 0x2000_0000, 0x4330_0000, 0x3fdf_ffff, 0x4009_21fb],
];
const LOW_HALVES = [0, 0, 0, 1, 0xffff_ffff, 0xffc0_0000, 0xe000_0000, 0xf000_0000, 0x8000_0000];
const BYTES = [0, 0, 1, 0x7f, 0x80, 0xff, 2, 0x40, 0x3f, 0xfe];

/** Fills a block with values of one kind. */
const KINDS: readonly ((random: Random, block: DataView) => void)[] = [
  (random, block) => each(block, 4, (at) => block.setUint32(at, random.word(), true)),
  (random, block) => each(block, 1, (at) => block.setUint8(at, random.of(BYTES))),
  (random, block) => each(block, 4, (at) => block.setUint32(at, random.of(SINGLES), true)),
  (random, block) =>
    each(block, 8, (at) => {
      block.setUint32(at, random.of(LOW_HALVES), true);
      block.setUint32(at + 4, random.of(HIGH_HALVES), true);
    }),
  // Singles of similar size: their results exercise rounding and cancellation.
  (random, block) =>
    each(block, 4, (at) =>
      block.setUint32(at, (random.below(2) << 31) | ((120 + random.below(16)) << 23) | (random.word() >>> 9), true),
    ),
  (random, block) =>
    each(block, 8, (at) => {
      block.setUint32(at, random.once(3) ? random.of(LOW_HALVES) : random.word(), true);
      block.setUint32(
        at + 4,
        (random.below(2) << 31) | ((1015 + random.below(20)) << 20) | (random.word() >>> 12),
        true,
      );
    }),
  // Singles and doubles of any size, which overflow and become denormal.
  (random, block) =>
    each(block, 4, (at) => block.setUint32(at, random.once(3) ? random.of(SINGLES) : random.word(), true)),
  // Integers at the ends of 16, 32 and 64 bits.
  (random, block) =>
    each(block, 2, (at) => block.setUint16(at, random.of([0, 1, 0x7fff, 0x8000, 0xffff, 0x7f, 0xff80, 0x100]), true)),
];
function each(block: DataView, step: number, body: (at: number) => void): void {
  for (let at = 0; at < block.byteLength; at += step) body(at);
}

const GENERAL_VALUES = 8192;
const X87_VALUES = 4096;

export class Values {
  private readonly vectors = new Uint8Array(KIND_BYTES * KINDS.length);
  private readonly general = new BigUint64Array(GENERAL_VALUES);
  private readonly x87 = [new Uint8Array(16 * X87_VALUES), new Uint8Array(16 * X87_VALUES)] as const;
  private readonly generalBytes = new Uint8Array(this.general.buffer);

  /** New values for the next batch. */
  refill(random: Random): void {
    KINDS.forEach((fill, kind) => fill(random, new DataView(this.vectors.buffer, kind * KIND_BYTES, KIND_BYTES)));
    for (let i = 0; i < GENERAL_VALUES; i++) this.general[i] = generalValue(random);
    const source = new X87Random(random.word());
    for (const [store, value] of [
      [this.x87[0], extendedValue],
      [this.x87[1], conversionValue],
    ] as const) {
      const view = new DataView(store.buffer);
      for (let i = 0; i < X87_VALUES; i++) {
        const drawn = value(source);
        view.setBigUint64(16 * i, BigInt.asUintN(64, drawn), true);
        view.setUint16(16 * i + 8, Number(drawn >> 64n), true);
      }
    }
  }

  /** A number of bytes of one kind. */
  bytes(random: Random, count: number): Uint8Array {
    const from = random.below(KINDS.length) * KIND_BYTES + 8 * random.below((KIND_BYTES - count) / 8);
    return this.vectors.subarray(from, from + count);
  }
  /** Sixteen general registers. */
  registers(random: Random): Uint8Array {
    const from = 8 * random.below(GENERAL_VALUES - 16);
    return this.generalBytes.subarray(from, from + 128);
  }
  /** Eight x87 registers. */
  stack(random: Random): Uint8Array {
    const store = this.x87[random.below(2) as 0 | 1];
    const from = 16 * random.below(X87_VALUES - 8);
    return store.subarray(from, from + 128);
  }
}

function generalValue(random: Random): bigint {
  const kind = random.below(4);
  if (kind === 0) return BigInt.asUintN(64, random.of(EDGES));
  const value = random.quad();
  return kind === 1 ? BigInt.asUintN(64, BigInt.asIntN(64, value) >> BigInt(random.below(64))) : value;
}
