/** Floating-point arithmetic, comparison and rounding: the emitted counterparts of ../float.ts. */
import type { Test } from '../../builder.ts';
import { MXCSR } from '../mxcsr.ts';
import { PREDICATE_TABLE, type Predicate } from '../predicates.ts';
import {
  compute,
  denormal,
  DOUBLES,
  every,
  Exceptions,
  magnitudeOf,
  notAll,
  signaling,
  SINGLES,
  spread,
  within,
  type Operation,
  type Precision,
} from './float-lanes.ts';
import { lanesFrom, overLow, zeroLanes } from './lanes.ts';
import { zeroAndCarry } from './shuffles.ts';
import type { EmittedMeaning, EmittedMeanings, Lanes, VectorBuilder } from './vector-builder.ts';

type Combine = (b: VectorBuilder, p: Precision, x: Lanes, y: Lanes, exceptions: Exceptions, part: number) => Lanes;

/** `f` of each part of the first and last operand. */
const packed =
  (p: Precision, f: Combine): EmittedMeaning =>
  (b) => {
    const exceptions = new Exceptions(b);
    const results = Array.from({ length: b.parts }, (_, part) =>
      f(b, p, b.first(part), b.last(part), exceptions, part),
    );
    exceptions.settle();
    b.writeLanes(...results);
  };
/** The low lane; the rest is the first source's. Every lane computes the same, so that none says anything of its own. */
const scalar =
  (p: Precision, f: Combine): EmittedMeaning =>
  (b) => {
    const exceptions = new Exceptions(b);
    const first = b.first(0);
    const result = f(b, p, spread(b, p.bytes, first), spread(b, p.bytes, b.last(0)), exceptions, 0);
    exceptions.settle();
    b.writeLanes(overLow(b, p.bytes, first, result));
  };

/** `add` gives `addps`, `addpd`, `addss`, `addsd`. */
const allOf = (stem: string, f: Combine): EmittedMeanings => ({
  [`${stem}ps`]: packed(SINGLES, f),
  [`${stem}pd`]: packed(DOUBLES, f),
  [`${stem}ss`]: scalar(SINGLES, f),
  [`${stem}sd`]: scalar(DOUBLES, f),
});
const arithmetic = (op: Operation): EmittedMeanings =>
  allOf(op, (b, p, x, y, exceptions) => compute(b, p, op, op === 'sqrt' ? y : x, y, exceptions));

/** Neighbours of a, then of c. */
const horizontal =
  (op: 'add' | 'sub'): Combine =>
  (b, p, x, y, exceptions) => {
    const seconds = (odd: 0 | 1): Lanes =>
      b.shuffle(
        x,
        y,
        lanesFrom(p.bytes, (lane) => 2 * lane + odd),
      );
    return compute(b, p, op, seconds(0), seconds(1), exceptions);
  };

const denormals = (b: VectorBuilder, p: Precision, x: Lanes, y: Lanes): Test =>
  b.maskOf(
    'v128_any_true',
    b.lanes('v128_or', denormal(b, p, magnitudeOf(b, p, x)), denormal(b, p, magnitudeOf(b, p, y))),
  );
const ordered = (b: VectorBuilder, p: Precision, x: Lanes, y: Lanes): Lanes =>
  b.lanes('v128_and', b.lanes(`${p.lanes}_eq`, x, x), b.lanes(`${p.lanes}_eq`, y, y));

/** MIN and MAX: the last operand where one is a NaN, which is invalid, or both are zero. */
const select =
  (beats: 'lt' | 'gt'): Combine =>
  (b, p, x, y, exceptions) => {
    b.deferIf(denormals(b, p, x, y));
    const numbers = ordered(b, p, x, y);
    b.if(notAll(b, p, numbers), () => {
      exceptions.requireMasked();
      exceptions.raise(MXCSR.IE, b.lanes('v128_not', numbers));
    });
    return b.lanes('v128_bitselect', x, y, b.lanes(`${p.lanes}_${beats}`, x, y));
  };

/** Lanes of which one of the outcomes is true, none of them that of NaNs. */
function satisfied(
  b: VectorBuilder,
  p: Precision,
  x: Lanes,
  y: Lanes,
  less: boolean,
  equal: boolean,
  greater: boolean,
): Lanes {
  const one = (op: 'lt' | 'le' | 'eq' | 'ge' | 'gt'): Lanes => b.lanes(`${p.lanes}_${op}`, x, y);
  if (less && greater) return b.lanes('v128_or', one(equal ? 'le' : 'lt'), one('gt'));
  if (less) return one(equal ? 'le' : 'lt');
  if (greater) return one(equal ? 'ge' : 'gt');
  return equal ? one('eq') : zeroLanes(b);
}
const truth = (b: VectorBuilder, p: Precision, x: Lanes, y: Lanes, predicate: Predicate): Lanes => {
  const { less, equal, greater, unordered } = predicate;
  return unordered
    ? b.lanes('v128_not', satisfied(b, p, x, y, !less, !equal, !greater))
    : satisfied(b, p, x, y, less, equal, greater);
};
const compare: Combine = (b, p, x, y, exceptions) => {
  const predicate = PREDICATE_TABLE[b.imm & (b.form.vex ? 31 : 7)];
  b.deferIf(denormals(b, p, x, y));
  const numbers = ordered(b, p, x, y);
  b.if(notAll(b, p, numbers), () => {
    if (predicate.signals) {
      exceptions.requireMasked();
      exceptions.raise(MXCSR.IE, b.lanes('v128_not', numbers));
    } else b.deferIf(b.maskOf('v128_any_true', b.lanes('v128_or', signaling(b, p, x), signaling(b, p, y))));
  });
  return truth(b, p, x, y, predicate);
};

/** COMIS and UCOMIS of numbers: ZF equal, CF less. */
const flagsOf =
  (p: Precision): EmittedMeaning =>
  (b) => {
    const [x, y] = [spread(b, p.bytes, b.first(0)), spread(b, p.bytes, b.last(0))];
    b.deferIf(denormals(b, p, x, y));
    b.deferIf(notAll(b, p, ordered(b, p, x, y)));
    const holds = (op: 'lt' | 'ne') => b.asValue(b.maskOf('v128_any_true', b.lanes(`${p.lanes}_${op}`, x, y)));
    const different = holds('ne');
    b.setFlags(...zeroAndCarry(b, different, holds('lt')));
  };

const ROUNDINGS = ['nearest', 'floor', 'ceil', 'trunc'] as const;
const USE_MXCSR = 4;
const SUPPRESS_PRECISION = 8;
/** Under MXCSR only to the nearest; a result that differs is inexact. */
const round: Combine = (b, p, _x, y, exceptions) => {
  const underMxcsr = (b.imm & USE_MXCSR) !== 0;
  b.deferIf(denormals(b, p, y, y));
  const result = b.lanes(`${p.lanes}_${ROUNDINGS[underMxcsr ? 0 : b.imm & 3]}`, y);
  const same = b.lanes(`${p.lanes}_eq`, result, y);
  b.deferIf(notAll(b, p, ordered(b, p, y, y)));
  if (underMxcsr) exceptions.requireMasked();
  if ((b.imm & SUPPRESS_PRECISION) === 0)
    b.if(notAll(b, p, same), () => {
      exceptions.requireMasked();
      exceptions.raise(MXCSR.PE, b.lanes('v128_not', same));
    });
  return result;
};

/** RCP and RSQRT as ../float.ts has them, of normal numbers whose result is normal; they know no MXCSR. */
const approximate =
  (isPacked: boolean, f: (b: VectorBuilder, y: Lanes) => Lanes): EmittedMeaning =>
  (b) => {
    const of = (y: Lanes): Lanes => {
      const result = f(b, y);
      const normal = (v: Lanes): Lanes =>
        within(b, SINGLES, magnitudeOf(b, SINGLES, v), SINGLES.smallestNormal, SINGLES.infinity - 1n);
      b.deferIf(notAll(b, SINGLES, b.lanes('v128_and', normal(y), normal(result))));
      return result;
    };
    if (isPacked) b.writeLanes(...Array.from({ length: b.parts }, (_, part) => of(b.last(part))));
    else b.writeLanes(overLow(b, 4, b.first(0), of(spread(b, 4, b.last(0)))));
  };
const reciprocal = (b: VectorBuilder, y: Lanes): Lanes => b.lanes('f32x4_div', every(b, SINGLES, ONE), y);
/** Computed in double precision and rounded once more. */
const reciprocalRoot = (b: VectorBuilder, y: Lanes): Lanes => {
  const half = (source: Lanes): Lanes => {
    const root = b.lanes('f64x2_sqrt', b.lanes('f64x2_promote_low_f32x4', source));
    return b.lanes('f32x4_demote_f64x2_zero', b.lanes('f64x2_div', every(b, DOUBLES, ONE_DOUBLE), root));
  };
  const halves = lanesFrom(8, (lane) => 2 * lane);
  const upper = b.shuffle(
    y,
    y,
    lanesFrom(8, () => 1),
  );
  return b.shuffle(half(y), half(upper), halves);
};
const ONE = 0x3f80_0000n;
const ONE_DOUBLE = 0x3ff0_0000_0000_0000n;

export const EMITTED_FLOAT: EmittedMeanings = {
  rcpps: approximate(true, reciprocal),
  rcpss: approximate(false, reciprocal),
  rsqrtps: approximate(true, reciprocalRoot),
  rsqrtss: approximate(false, reciprocalRoot),
  ...arithmetic('add'),
  ...arithmetic('sub'),
  ...arithmetic('mul'),
  ...arithmetic('div'),
  ...arithmetic('sqrt'),
  ...allOf('min', select('lt')),
  ...allOf('max', select('gt')),
  ...allOf('cmp', compare),
  ...allOf('round', round),
  haddps: packed(SINGLES, horizontal('add')),
  haddpd: packed(DOUBLES, horizontal('add')),
  hsubps: packed(SINGLES, horizontal('sub')),
  hsubpd: packed(DOUBLES, horizontal('sub')),
  ucomiss: flagsOf(SINGLES),
  ucomisd: flagsOf(DOUBLES),
  comiss: flagsOf(SINGLES),
  comisd: flagsOf(DOUBLES),
};
