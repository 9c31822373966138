/** FADD FSUB FSUBR FMUL FDIV FDIVR in all their forms, FSQRT, FCHS, FABS. */
import type { Builder, EmittedRow, Routine, Value } from '../../builder.ts';
import { ADD, DIVIDE, MULTIPLY, SQUARE_ROOT } from './arithmetic.ts';
import { DOUBLE_SOURCE, readNumber, SINGLE_SOURCE, wholeSource, type Source } from './memory.ts';
import { SIGN_BIT, STATUS_BIT, type Number80 } from './numbers.ts';
import { controlWord, row } from './rows.ts';
import {
  begin,
  endWithPops,
  notePointers,
  numberAt,
  placeOf,
  requireValues,
  setNumber,
  statusWith,
  type Fpu80,
} from './stack.ts';

const SIGN = 1n << SIGN_BIT;

interface Operation {
  readonly routine: Routine;
  /** Which of the two numbers changes its sign: of a difference the second, of a reversed one the first. */
  readonly negated?: 'first' | 'second';
  /** The second number comes first. */
  readonly reversed?: true;
}

function computed(
  b: Builder,
  { routine, negated, reversed }: Operation,
  first: Number80,
  second: Number80,
): readonly [Value, Value] {
  const signed = (x: Number80, which: 'first' | 'second'): Number80 =>
    negated === which ? { ...x, signExponent: b.with('xor', x.signExponent, SIGN) } : x;
  const [x, y] = reversed
    ? [signed(second, 'second'), signed(first, 'first')]
    : [signed(first, 'first'), signed(second, 'second')];
  const [significand, outcome] = b.call(routine, [
    x.significand,
    x.signExponent,
    y.significand,
    y.signExponent,
    controlWord(b),
  ]);
  return [significand, outcome];
}

/** Hands the instruction over where the outcome is unusual; else stores the result and pops. */
function deliver(fpu: Fpu80, place: Value, [significand, outcome]: readonly [Value, Value], pops: 0 | 1): void {
  const { b } = fpu;
  b.if(b.compare('lt_s', outcome, b.constant(0n)), () => b.defer());
  setNumber(fpu, place, { significand, signExponent: b.truncate(outcome, 2) });
  endWithPops(fpu, pops, statusWith(fpu, b.with('shr_u', outcome, STATUS_BIT)));
}

const withMemory =
  (operation: Operation, source: Source): EmittedRow['meaning'] =>
  (b) => {
    const fpu = begin(b);
    const place = placeOf(fpu, 0);
    requireValues(fpu, place);
    const second = readNumber(b, source);
    deliver(fpu, place, computed(b, operation, numberAt(fpu, place), second), 0);
    notePointers(b, 'memory');
  };

const withRegister =
  (operation: Operation, pops: 0 | 1): EmittedRow['meaning'] =>
  (b, [target, source]) => {
    const fpu = begin(b);
    const place = placeOf(fpu, b.registerNumber(target), 'value');
    const other = placeOf(fpu, b.registerNumber(source), 'value');
    requireValues(fpu, place, other);
    deliver(fpu, place, computed(b, operation, numberAt(fpu, place), numberAt(fpu, other)), pops);
    notePointers(b, 'none');
  };

/** `iced`: the name in iced's `Code`, as in Fadd and Fiadd. */
function sevenForms(iced: string, sdm: string, operation: Operation): readonly EmittedRow[] {
  const name = `f${iced}`;
  const memoryForm = (code: string, source: Source) =>
    row(/^Fi/.test(code) ? `fi${iced}` : name, [code], ['memory'], source.bytes, sdm, withMemory(operation, source));
  return [
    memoryForm(`F${iced}_m32fp`, SINGLE_SOURCE),
    memoryForm(`F${iced}_m64fp`, DOUBLE_SOURCE),
    memoryForm(`Fi${iced}_m32int`, wholeSource(4)),
    memoryForm(`Fi${iced}_m16int`, wholeSource(2)),
    row(name, [`F${iced}_st0_sti`, `F${iced}_sti_st0`], ['register', 'register'], 8, sdm, withRegister(operation, 0)),
    row(`${name}p`, [`F${iced}p_sti_st0`], ['register', 'register'], 8, sdm, withRegister(operation, 1)),
  ];
}

/** ST(0) with another sign; no other property of it matters. */
const withSign =
  (change: (b: Builder, signExponent: Value) => Value): EmittedRow['meaning'] =>
  (b) => {
    const fpu = begin(b);
    const place = placeOf(fpu, 0);
    requireValues(fpu, place);
    const { significand, signExponent } = numberAt(fpu, place);
    setNumber(fpu, place, { significand, signExponent: change(b, signExponent) });
    endWithPops(fpu, 0, statusWith(fpu));
    notePointers(b, 'none');
  };

const squareRoot: EmittedRow['meaning'] = (b) => {
  const fpu = begin(b);
  const place = placeOf(fpu, 0);
  requireValues(fpu, place);
  const { significand, signExponent } = numberAt(fpu, place);
  const [root, outcome] = b.call(SQUARE_ROOT, [significand, signExponent, controlWord(b)]);
  deliver(fpu, place, [root, outcome], 0);
  notePointers(b, 'none');
};

export const ARITHMETIC_ROWS: readonly EmittedRow[] = [
  ...sevenForms('add', 'FADD/FADDP/FIADD—Add', { routine: ADD }),
  ...sevenForms('sub', 'FSUB/FSUBP/FISUB—Subtract', { routine: ADD, negated: 'second' }),
  ...sevenForms('subr', 'FSUBR/FSUBRP/FISUBR—Reverse Subtract', { routine: ADD, negated: 'first', reversed: true }),
  ...sevenForms('mul', 'FMUL/FMULP/FIMUL—Multiply', { routine: MULTIPLY }),
  ...sevenForms('div', 'FDIV/FDIVP/FIDIV—Divide', { routine: DIVIDE }),
  ...sevenForms('divr', 'FDIVR/FDIVRP/FIDIVR—Reverse Divide', { routine: DIVIDE, reversed: true }),
  row(
    'fchs',
    ['Fchs'],
    [],
    8,
    'FCHS—Change Sign',
    withSign((b, x) => b.with('xor', x, SIGN)),
  ),
  row(
    'fabs',
    ['Fabs'],
    [],
    8,
    'FABS—Absolute Value',
    withSign((b, x) => b.with('and', x, SIGN - 1n)),
  ),
  row('fsqrt', ['Fsqrt'], [], 8, 'FSQRT—Square Root', squareRoot),
];
