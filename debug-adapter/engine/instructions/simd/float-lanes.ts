/**
 * One floating-point lane. The host's double arithmetic does what it provably does right: normal operands and results, rounding
 * to nearest; whether a result is exact is found by error-free transformations (Dekker, Knuth). Everything else is
 * `soft-float.ts`'s. Single precision is computed in double and rounded once more, which is innocuous for + - * / and square root
 * (double has more than twice the bits).
 */
import { control, MXCSR, ROUND } from './mxcsr.ts';
import * as soft from './soft-float.ts';
import { DOUBLE, SINGLE, type Format } from './soft-float.ts';
import type { Vector } from './vector.ts';

export type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

const SPLITTER = 0x800_0001; // 2^27 + 1
/** Outside this range the error terms themselves could overflow or be denormal. */
const LARGEST_SAFE = 2 ** 990;
const SMALLEST_SAFE = 2 ** -900;
const inSafeRange = (x: number): boolean => {
  const magnitude = Math.abs(x);
  return magnitude < LARGEST_SAFE && magnitude > SMALLEST_SAFE;
};

/** Whether p = x*y exactly; all three in the safe range. */
function productIsExact(x: number, y: number, p: number): boolean {
  const u = x * SPLITTER;
  const xHigh = u - (u - x);
  const xLow = x - xHigh;
  const v = y * SPLITTER;
  const yHigh = v - (v - y);
  const yLow = y - yHigh;
  return xLow * yLow - (p - xHigh * yHigh - xLow * yHigh - xHigh * yLow) === 0;
}
function sumIsExact(x: number, y: number, s: number): boolean {
  const z = s - x;
  return x - (s - z) + (y - z) === 0;
}

function compute(operation: Operation, x: number, y: number): number {
  switch (operation) {
    case 'add':
      return x + y;
    case 'sub':
      return x - y;
    case 'mul':
      return x * y;
    case 'div':
      return x / y;
    case 'sqrt':
      return Math.sqrt(y);
  }
}

/** Zero or a normal number of double precision that is also far from the ends. */
const ordinary = (x: number): boolean => x === 0 || inSafeRange(x);

/** The result where the fast way is right, else undefined. */
function fastDouble(operation: Operation, x: number, y: number): number | undefined {
  if (!ordinary(x) || !ordinary(y)) return undefined;
  const result = compute(operation, x, y);
  if (!inSafeRange(result)) {
    // Sums of ordinary numbers that are zero are exact; other zeros come from zero factors.
    if (result !== 0 || (operation !== 'add' && operation !== 'sub' && x !== 0 && y !== 0)) return undefined;
    return result;
  }
  if (control.precisionKnown) return result;
  let exact: boolean;
  switch (operation) {
    case 'add':
      exact = sumIsExact(x, y, result);
      break;
    case 'sub':
      exact = sumIsExact(x, -y, result);
      break;
    case 'mul':
      exact = productIsExact(x, y, result);
      break;
    case 'div':
      exact = result * y === x && productIsExact(result, y, x);
      break;
    case 'sqrt':
      exact = result * result === y && productIsExact(result, result, y);
      break;
  }
  if (!exact) control.raise(MXCSR.PE);
  return result;
}

const SMALLEST_NORMAL_SINGLE = 2 ** -126;
const LARGEST_SINGLE = (2 - 2 ** -23) * 2 ** 127;

function fastSingle(operation: Operation, x: number, y: number): number | undefined {
  const [xSize, ySize] = [Math.abs(x), Math.abs(y)];
  if (!(x === 0 || (xSize >= SMALLEST_NORMAL_SINGLE && xSize <= LARGEST_SINGLE))) return undefined;
  if (!(y === 0 || (ySize >= SMALLEST_NORMAL_SINGLE && ySize <= LARGEST_SINGLE))) return undefined;
  const wide = compute(operation, x, y);
  const result = Math.fround(wide);
  const size = Math.abs(result);
  if (!(size > SMALLEST_NORMAL_SINGLE && size <= LARGEST_SINGLE)) {
    if (wide !== 0 || (operation !== 'add' && operation !== 'sub' && x !== 0 && y !== 0)) return undefined;
    return result;
  }
  if (control.precisionKnown) return result;
  let exact = result === wide;
  if (exact)
    switch (operation) {
      case 'add':
        exact = sumIsExact(x, y, wide);
        break;
      case 'sub':
        exact = sumIsExact(x, -y, wide);
        break;
      // A product of two single-precision numbers is exact in double precision.
      case 'mul':
        break;
      case 'div':
        exact = result * y === x;
        break;
      case 'sqrt':
        exact = result * result === y;
        break;
    }
  if (!exact) control.raise(MXCSR.PE);
  return result;
}

function slow(format: Format, operation: Operation, x: bigint, y: bigint): bigint {
  switch (operation) {
    case 'add':
      return soft.add(format, x, y);
    case 'sub':
      return soft.add(format, x, y, true);
    case 'mul':
      return soft.multiply(format, x, y);
    case 'div':
      return soft.divide(format, x, y);
    case 'sqrt':
      return soft.squareRoot(format, y);
  }
}

/** d[to] = a[i] op b[j]; the square root is b[j]'s. */
type LaneOperation = (operation: Operation, d: Vector, to: number, a: Vector, i: number, b: Vector, j: number) => void;

const doubleLane: LaneOperation = (operation, d, to, a, i, b, j) => {
  if (control.rounding === ROUND.nearest) {
    const x = operation === 'sqrt' ? 0 : a.f64[i];
    const result = fastDouble(operation, x, b.f64[j]);
    if (result !== undefined) {
      d.f64[to] = result;
      return;
    }
  }
  d.u64[to] = slow(DOUBLE, operation, a.u64[i], b.u64[j]);
};

const singleLane: LaneOperation = (operation, d, to, a, i, b, j) => {
  if (control.rounding === ROUND.nearest) {
    const x = operation === 'sqrt' ? 0 : a.f32[i];
    const result = fastSingle(operation, x, b.f32[j]);
    if (result !== undefined) {
      d.f32[to] = result;
      return;
    }
  }
  d.u32[to] = Number(slow(SINGLE, operation, BigInt(a.u32[i]), BigInt(b.u32[j])));
};

/** How meanings see one precision. */
export interface Precision {
  readonly format: Format;
  readonly bytes: 4 | 8;
  readonly lane: LaneOperation;
  readonly get: (v: Vector, i: number) => bigint;
  readonly set: (v: Vector, i: number, bits: bigint) => void;
}
export const SINGLES: Precision = {
  format: SINGLE,
  bytes: 4,
  lane: singleLane,
  get: (v, i) => BigInt(v.u32[i]),
  set: (v, i, bits) => {
    v.u32[i] = Number(bits);
  },
};
export const DOUBLES: Precision = {
  format: DOUBLE,
  bytes: 8,
  lane: doubleLane,
  get: (v, i) => v.u64[i],
  set: (v, i, bits) => {
    v.u64[i] = bits;
  },
};
