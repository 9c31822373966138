/** FCOM FUCOM FICOM FTST and the forms that set EFLAGS. */
import { CF, lazyFlags, ZF } from '../../../cpu/flags.ts';
import { C0, C2, C3 } from '../../../cpu/x87-state.ts';
import type { EmittedRow, Routine, Value } from '../../builder.ts';
import { DOUBLE_SOURCE, readNumber, SINGLE_SOURCE, wholeSource, type Source } from './memory.ts';
import { exponentOf, isNormal, isZeroNumber, signOf, UNUSUAL, type Number80 } from './numbers.ts';
import { unless } from '../../values.ts';
import { row } from './rows.ts';
import { begin, endWithPops, notePointers, numberAt, placeOf, requireValues, statusWith, type Fpu80 } from './stack.ts';

/** What `COMPARE` gives besides UNUSUAL: 0 where the first is greater. */
const LESS = 1n;
const EQUAL = 2n;

/** Of two numbers without NaNs among them, where FCOM and FUCOM are one. */
const COMPARE: Routine = {
  name: 'compare',
  parameters: 4,
  results: 1,
  body(c, [a, aSignExponent, b, bSignExponent]) {
    const [aExponent, bExponent] = [exponentOf(c, aSignExponent), exponentOf(c, bSignExponent)];
    const [aSign, bSign] = [signOf(c, aSignExponent), signOf(c, bSignExponent)];
    const usual = (x: Number80, exponent: Value) =>
      c.binary('or', isNormal(c, x, exponent), isZeroNumber(c, x, exponent));
    const both = c.binary(
      'and',
      usual({ significand: a, signExponent: aSignExponent }, aExponent),
      usual({ significand: b, signExponent: bSignExponent }, bExponent),
    );
    unless(c, both, () => c.give(c.constant(UNUSUAL)));
    // A normal number has its integer bit: no significand bit means zero, whose sign does not count.
    c.if(c.isZero(c.binary('or', a, b)), () => c.give(c.constant(EQUAL)));
    c.if(c.compare('ne', aSign, bSign), () => c.give(aSign));
    const sameExponent = c.compare('eq', aExponent, bExponent);
    c.if(c.and(sameExponent, c.compare('eq', a, b)), () => c.give(c.constant(EQUAL)));
    const smaller = c.or(c.compare('lt_u', aExponent, bExponent), c.and(sameExponent, c.compare('lt_u', a, b)));
    c.give(c.binary('xor', c.asValue(smaller), aSign));
  },
};

function compared({ b }: Fpu80, x: Number80, y: Number80): Value {
  const [order] = b.call(COMPARE, [x.significand, x.signExponent, y.significand, y.signExponent]);
  b.if(b.compare('lt_s', order, b.constant(0n)), () => b.defer());
  return order;
}

type Report = (fpu: Fpu80, order: Value, pops: 0 | 1 | 2) => void;

const toConditions: Report = (fpu, order, pops) => {
  const { b } = fpu;
  const less = b.with('mul', b.with('and', order, LESS), BigInt(C0));
  const equal = b.with('mul', b.with('shr_u', order, 1n), BigInt(C3));
  const kept = b.with('and', statusWith(fpu), BigInt(~(C0 | C2 | C3)));
  endWithPops(fpu, pops, b.binary('or', kept, b.binary('or', less, equal)));
};

/** The two lazy words of a set of flags. */
const wordsOf = (flags: number): readonly [result: bigint, aux: bigint] => {
  const [result, auxLow, auxHigh] = lazyFlags(flags);
  return [BigInt(result), (BigInt(auxHigh >>> 0) << 32n) | BigInt(auxLow >>> 0)];
};
const toFlags: Report = (fpu, order, pops) => {
  const { b } = fpu;
  const pick = (word: 0 | 1) => {
    const [greater, less, equal] = [0, CF, ZF].map((flags) => b.constant(BigInt.asIntN(64, wordsOf(flags)[word])));
    return b.select(b.isZero(order), greater, b.select(b.compare('eq', order, b.constant(LESS)), less, equal));
  };
  endWithPops(fpu, pops, statusWith(fpu));
  b.setFlags(pick(0), pick(1));
};

const withMemory =
  (source: Source, pops: 0 | 1): EmittedRow['meaning'] =>
  (b) => {
    const fpu = begin(b);
    const place = placeOf(fpu, 0);
    requireValues(fpu, place);
    toConditions(fpu, compared(fpu, numberAt(fpu, place), readNumber(b, source)), pops);
    notePointers(b, 'memory');
  };
/** With ST(i) of the second operand, or with ST(1) where there is none. */
const withRegister =
  (report: Report, pops: 0 | 1 | 2): EmittedRow['meaning'] =>
  (b, operands) => {
    const fpu = begin(b);
    const place = placeOf(fpu, 0);
    const other = operands.length === 0 ? placeOf(fpu, 1) : placeOf(fpu, b.registerNumber(operands[1]), 'value');
    requireValues(fpu, place, other);
    report(fpu, compared(fpu, numberAt(fpu, place), numberAt(fpu, other)), pops);
    notePointers(b, 'none');
  };
const withZero: EmittedRow['meaning'] = (b) => {
  const fpu = begin(b);
  const place = placeOf(fpu, 0);
  requireValues(fpu, place);
  const nothing = b.constant(0n);
  toConditions(fpu, compared(fpu, numberAt(fpu, place), { significand: nothing, signExponent: nothing }), 0);
  notePointers(b, 'none');
};

const FCOM = 'FCOM/FCOMP/FCOMPP—Compare Floating-Point Values';
const FICOM = 'FICOM/FICOMP—Compare Integer';
const FCOMI = 'FCOMI/FCOMIP/FUCOMI/FUCOMIP—Compare Floating-Point Values and Set EFLAGS';
const FUCOM = 'FUCOM/FUCOMP/FUCOMPP—Unordered Compare Floating-Point Values';
const REGISTERS = ['register', 'register'] as const;

export const COMPARISON_ROWS: readonly EmittedRow[] = [
  row('fcom', ['Fcom_m32fp'], ['memory'], 4, FCOM, withMemory(SINGLE_SOURCE, 0)),
  row('fcomp', ['Fcomp_m32fp'], ['memory'], 4, FCOM, withMemory(SINGLE_SOURCE, 1)),
  row('fcom', ['Fcom_m64fp'], ['memory'], 8, FCOM, withMemory(DOUBLE_SOURCE, 0)),
  row('fcomp', ['Fcomp_m64fp'], ['memory'], 8, FCOM, withMemory(DOUBLE_SOURCE, 1)),
  ...([2, 4] as const).flatMap((bytes) => [
    row('ficom', [`Ficom_m${bytes * 8}int`], ['memory'], bytes, FICOM, withMemory(wholeSource(bytes), 0)),
    row('ficomp', [`Ficomp_m${bytes * 8}int`], ['memory'], bytes, FICOM, withMemory(wholeSource(bytes), 1)),
  ]),
  row('fcom', ['Fcom_st0_sti', 'Fcom_st0_sti_DCD0'], REGISTERS, 8, FCOM, withRegister(toConditions, 0)),
  row(
    'fcomp',
    ['Fcomp_st0_sti', 'Fcomp_st0_sti_DCD8', 'Fcomp_st0_sti_DED0'],
    REGISTERS,
    8,
    FCOM,
    withRegister(toConditions, 1),
  ),
  row('fcompp', ['Fcompp'], [], 8, FCOM, withRegister(toConditions, 2)),
  row('fucom', ['Fucom_st0_sti'], REGISTERS, 8, FUCOM, withRegister(toConditions, 0)),
  row('fucomp', ['Fucomp_st0_sti'], REGISTERS, 8, FUCOM, withRegister(toConditions, 1)),
  row('fucompp', ['Fucompp'], [], 8, FUCOM, withRegister(toConditions, 2)),
  row('fcomi', ['Fcomi_st0_sti', 'Fucomi_st0_sti'], REGISTERS, 8, FCOMI, withRegister(toFlags, 0)),
  row('fcomip', ['Fcomip_st0_sti', 'Fucomip_st0_sti'], REGISTERS, 8, FCOMI, withRegister(toFlags, 1)),
  row('ftst', ['Ftst'], [], 8, 'FTST—TEST', withZero),
];
