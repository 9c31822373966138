/** Floating-point arithmetic, comparison, rounding and fused multiply-add over lanes. */
import { CF, PF, ZF } from '../../cpu/flags.ts';
import { comparison } from './execute.ts';
import { DOUBLES, SINGLES, type Operation, type Precision } from './float-lanes.ts';
import { control, type Rounding } from './mxcsr.ts';
import { PREDICATE_TABLE, type Predicate } from './predicates.ts';
import * as soft from './soft-float.ts';
import { Vector, type Meaning, type Meanings } from './vector.ts';

const packed =
  (p: Precision, operation: Operation): Meaning =>
  (d, a, b, n) => {
    for (let i = 0; i < n / p.bytes; i++) p.lane(operation, d, i, a, i, b, i);
  };
/** The low lane; the rest is the first source's. */
const scalar =
  (p: Precision, operation: Operation): Meaning =>
  (d, a, b) => {
    d.u64.set(a.u64);
    p.lane(operation, d, 0, a, 0, b, 0);
  };

type BitOperation = (p: Precision, x: bigint, y: bigint, immediate: number) => bigint;
const packedBits =
  (p: Precision, f: BitOperation): Meaning =>
  (d, a, b, n, { immediate }) => {
    for (let i = 0; i < n / p.bytes; i++) p.set(d, i, f(p, p.get(a, i), p.get(b, i), immediate));
  };
const scalarBits =
  (p: Precision, f: BitOperation): Meaning =>
  (d, a, b, _n, { immediate }) => {
    d.u64.set(a.u64);
    p.set(d, 0, f(p, p.get(a, 0), p.get(b, 0), immediate));
  };

/** `add` gives `addps`, `addpd`, `addss`, `addsd`. */
function allOf(stem: string, make: (p: Precision, isPacked: boolean) => Meaning): Record<string, Meaning> {
  return {
    [`${stem}ps`]: make(SINGLES, true),
    [`${stem}pd`]: make(DOUBLES, true),
    [`${stem}ss`]: make(SINGLES, false),
    [`${stem}sd`]: make(DOUBLES, false),
  };
}
const arithmetic = (operation: Operation): Record<string, Meaning> =>
  allOf(operation, (p, isPacked) => (isPacked ? packed : scalar)(p, operation));
const bits = (stem: string, f: BitOperation): Record<string, Meaning> =>
  allOf(stem, (p, isPacked) => (isPacked ? packedBits : scalarBits)(p, f));

const select =
  (wanted: -1 | 1): BitOperation =>
  (p, x, y) =>
    soft.select(p.format, x, y, wanted);

function satisfies(p: Precision, x: bigint, y: bigint, predicate: Predicate): boolean {
  const outcome = soft.compare(p.format, x, y, predicate.signals);
  if (outcome === undefined) return predicate.unordered;
  return outcome < 0 ? predicate.less : outcome > 0 ? predicate.greater : predicate.equal;
}
const compare =
  (p: Precision, isPacked: boolean): Meaning =>
  (d, a, b, n, { immediate, vex }) => {
    const predicate = PREDICATE_TABLE[immediate & (vex ? 31 : 7)];
    const truth = BigInt.asUintN(p.format.bits, -1n);
    if (!isPacked) d.u64.set(a.u64);
    for (let i = 0; i < (isPacked ? n / p.bytes : 1); i++)
      p.set(d, i, satisfies(p, p.get(a, i), p.get(b, i), predicate) ? truth : 0n);
  };
/** COMIS, UCOMIS: ZF PF CF = 000 greater, 001 less, 100 equal, 111 unordered. */
const flagsOf =
  (p: Precision, signalQuiet: boolean): Meaning =>
  (_d, a, b) => {
    const outcome = soft.compare(p.format, p.get(a, 0), p.get(b, 0), signalQuiet);
    comparison.flags = outcome === undefined ? ZF | PF | CF : outcome < 0 ? CF : outcome === 0 ? ZF : 0;
  };

const USE_MXCSR = 4;
const SUPPRESS_PRECISION = 8;
const round: BitOperation = (p, _x, y, immediate) => {
  const rounding = (immediate & USE_MXCSR) !== 0 ? control.rounding : ((immediate & 3) as Rounding);
  return soft.roundToIntegral(p.format, y, rounding, (immediate & SUPPRESS_PRECISION) === 0);
};

/** Even lanes subtract, odd lanes add. */
const addSubtract =
  (p: Precision): Meaning =>
  (d, a, b, n) => {
    for (let i = 0; i < n / p.bytes; i++) p.lane((i & 1) === 0 ? 'sub' : 'add', d, i, a, i, b, i);
  };
const horizontal =
  (p: Precision, operation: Operation): Meaning =>
  (d, a, b, n) => {
    const perPart = 16 / p.bytes;
    for (let part = 0; part < n / p.bytes; part += perPart)
      for (let i = 0; i < perPart / 2; i++) {
        const from = part + 2 * i;
        p.lane(operation, d, part + i, a, from, a, from + 1);
        p.lane(operation, d, part + perPart / 2 + i, b, from, b, from + 1);
      }
  };

const work = new Vector();
/** DPPS and DPPD: selected products, summed pairwise, to the selected lanes. Each step happens in all lanes before the next. */
const dotProduct =
  (p: Precision): Meaning =>
  (d, a, b, n, { immediate }) => {
    const perPart = 16 / p.bytes;
    const count = n / p.bytes;
    work.u64.fill(0n);
    for (let i = 0; i < count; i++)
      if (((immediate >> (4 + (i & (perPart - 1)))) & 1) !== 0) p.lane('mul', work, i, a, i, b, i);
    for (let width = perPart; width > 1; width /= 2) {
      if (control.endStep()) return;
      for (let part = 0; part < count; part += perPart)
        for (let i = 0; i < width / 2; i++) p.lane('add', work, part + i, work, part + 2 * i, work, part + 2 * i + 1);
    }
    if (control.endStep()) return;
    for (let i = 0; i < count; i++)
      p.set(d, i, ((immediate >> (i & (perPart - 1))) & 1) !== 0 ? p.get(work, i & ~(perPart - 1)) : 0n);
  };
interface FusedKind {
  readonly negateProduct: boolean;
  /** For even and odd lanes. */
  readonly negateAddend: readonly [boolean, boolean];
}
const FUSED: Readonly<Record<string, FusedKind>> = {
  vfmadd: { negateProduct: false, negateAddend: [false, false] },
  vfmsub: { negateProduct: false, negateAddend: [true, true] },
  vfnmadd: { negateProduct: true, negateAddend: [false, false] },
  vfnmsub: { negateProduct: true, negateAddend: [true, true] },
  vfmaddsub: { negateProduct: false, negateAddend: [true, false] },
  vfmsubadd: { negateProduct: false, negateAddend: [false, true] },
};
/** Which of the operands 1, 2, 3 are multiplied and which is added. */
const ORDERS = { 132: [1, 3, 2], 213: [2, 1, 3], 231: [2, 3, 1] } as const;

function fused(p: Precision, kind: FusedKind, order: readonly [number, number, number], isPacked: boolean): Meaning {
  const evenSigns = { negateProduct: kind.negateProduct, negateAddend: kind.negateAddend[0] };
  const oddSigns = { negateProduct: kind.negateProduct, negateAddend: kind.negateAddend[1] };
  return (d, a, b, n) => {
    const operands = [d, d, a, b];
    const [x, y, z] = [operands[order[0]], operands[order[1]], operands[order[2]]];
    for (let i = 0; i < (isPacked ? n / p.bytes : 1); i++) {
      const signs = (i & 1) === 0 ? evenSigns : oddSigns;
      p.set(d, i, soft.fusedMultiplyAdd(p.format, p.get(x, i), p.get(y, i), p.get(z, i), signs));
    }
  };
}
function fusedMeanings(): Record<string, Meaning> {
  const table: Record<string, Meaning> = {};
  for (const [stem, kind] of Object.entries(FUSED))
    for (const [digits, order] of Object.entries(ORDERS)) {
      const alternating = kind.negateAddend[0] !== kind.negateAddend[1];
      table[`${stem}${digits}ps`] = fused(SINGLES, kind, order, true);
      table[`${stem}${digits}pd`] = fused(DOUBLES, kind, order, true);
      if (alternating) continue;
      table[`${stem}${digits}ss`] = fused(SINGLES, kind, order, false);
      table[`${stem}${digits}sd`] = fused(DOUBLES, kind, order, false);
    }
  return table;
}
export const FUSED_MULTIPLY_ADD: Meanings = fusedMeanings();

export const FLOAT: Meanings = {
  ...arithmetic('add'),
  ...arithmetic('sub'),
  ...arithmetic('mul'),
  ...arithmetic('div'),
  ...arithmetic('sqrt'),
  ...bits('min', select(-1)),
  ...bits('max', select(1)),
  ...bits('round', round),
  ...allOf('cmp', compare),
  addsubps: addSubtract(SINGLES),
  addsubpd: addSubtract(DOUBLES),
  haddps: horizontal(SINGLES, 'add'),
  haddpd: horizontal(DOUBLES, 'add'),
  hsubps: horizontal(SINGLES, 'sub'),
  hsubpd: horizontal(DOUBLES, 'sub'),
  dpps: dotProduct(SINGLES),
  dppd: dotProduct(DOUBLES),
};
export const FLOAT_COMPARES: Meanings = {
  ucomiss: flagsOf(SINGLES, false),
  ucomisd: flagsOf(DOUBLES, false),
  comiss: flagsOf(SINGLES, true),
  comisd: flagsOf(DOUBLES, true),
};

/** RCP and RSQRT: within 1.5 * 2^-12 of the true value; which value is the processor's own choice. Raise nothing. */
const approximate =
  (f: (x: number) => number, isPacked: boolean): Meaning =>
  (d, a, b, n) => {
    if (!isPacked) d.u64.set(a.u64);
    for (let i = 0; i < (isPacked ? n / 4 : 1); i++) {
      const raw = b.u32[i];
      const exponent = (raw >>> 23) & 0xff;
      const sign = raw & 0x8000_0000;
      if (exponent === 0xff && (raw & 0x7f_ffff) !== 0) d.u32[i] = raw | 0x40_0000;
      else if (exponent === 0) d.u32[i] = sign | 0x7f80_0000;
      else {
        const result = f(b.f32[i]);
        d.f32[i] = Math.abs(result) < SMALLEST_NORMAL ? 0 : result;
        if (d.u32[i] === 0) d.u32[i] = sign;
        if (Number.isNaN(result)) d.u32[i] = 0xffc0_0000;
      }
    }
  };
const SMALLEST_NORMAL = 2 ** -126;
const reciprocal = (x: number): number => Math.fround(1 / x);
const reciprocalRoot = (x: number): number => Math.fround(1 / Math.sqrt(x));
export const APPROXIMATIONS: Meanings = {
  rcpps: approximate(reciprocal, true),
  rcpss: approximate(reciprocal, false),
  rsqrtps: approximate(reciprocalRoot, true),
  rsqrtss: approximate(reciprocalRoot, false),
};
