/** Small helpers that emitted vector meanings share. */
import type { EmittedMeaning, Lanes, LanesOpName, VectorBuilder } from './vector-builder.ts';

export type IntegerShape = 'i8x16' | 'i16x8' | 'i32x4' | 'i64x2';
export const LANE_BYTES = { i8x16: 1, i16x8: 2, i32x4: 4, i64x2: 8, f32x4: 4, f64x2: 8 } as const;

/** Sixteen bytes, each from where `from` says. */
export const bytesFrom = (from: (i: number) => number): number[] => Array.from({ length: 16 }, (_, i) => from(i));
/** Lanes of `bytes` bytes, each from where `from` says, in lanes. */
export const lanesFrom = (bytes: number, from: (lane: number) => number): number[] =>
  bytesFrom((i) => from(Math.floor(i / bytes)) * bytes + (i % bytes));

export const zeroLanes = (b: VectorBuilder): Lanes => b.constantLanes(0n, 0n);
/** One 32-bit pattern in all lanes. */
export const words = (b: VectorBuilder, bits: bigint): Lanes => {
  const half = (bits << 32n) | bits;
  return b.constantLanes(half, half);
};
export const quads = (b: VectorBuilder, bits: bigint): Lanes => b.constantLanes(bits, bits);

/** Writes what `f` makes of each part of the first and the last operand. */
export const ofParts =
  (f: (b: VectorBuilder, a: Lanes, c: Lanes, part: number) => Lanes): EmittedMeaning =>
  (b) => {
    const results = Array.from({ length: b.parts }, (_, part) => f(b, b.first(part), b.last(part), part));
    b.writeLanes(...results);
  };
/** The same where the last operand is the only one. */
export const ofLast =
  (f: (b: VectorBuilder, c: Lanes, part: number) => Lanes): EmittedMeaning =>
  (b) => {
    const results = Array.from({ length: b.parts }, (_, part) => f(b, b.last(part), part));
    b.writeLanes(...results);
  };
export const operation = (op: LanesOpName): EmittedMeaning => ofParts((b, a, c) => b.lanes(op, a, c));
export const unary = (op: LanesOpName): EmittedMeaning => ofLast((b, c) => b.lanes(op, c));

/** The low `bytes` bytes of c over a. */
export const overLow = (b: VectorBuilder, bytes: number, a: Lanes, c: Lanes): Lanes =>
  b.shuffle(
    a,
    c,
    bytesFrom((i) => (i < bytes ? 16 + i : i)),
  );

/**
 * What instructions that take neighbours together see: the parts themselves, or for MMX both operands in one, twice, of whose
 * result the low half counts.
 */
export function neighbours(b: VectorBuilder, a: Lanes, c: Lanes): readonly [Lanes, Lanes] {
  if (!b.form.mmx) return [a, c];
  const both = b.shuffle(
    a,
    c,
    bytesFrom((i) => (i < 8 ? i : 8 + i)),
  );
  return [both, both];
}
