/** FLD FST FILD FIST FISTTP FXCH FCMOVcc and the constants. */
import type { Builder, Condition, EmittedRow } from '../../builder.ts';
import { LN_2, LOG10_2, LOG2_10, LOG2_E, PI, type Constant } from '../constants.ts';
import { EXTENDED, NEAREST, ONE, roundExtended, zero, type Extended } from '../extended.ts';
import {
  DOUBLE_SOURCE,
  DOUBLE_TARGET,
  readNumber,
  SINGLE_SOURCE,
  SINGLE_TARGET,
  TRUNCATED_TARGETS,
  WHOLE_TARGETS,
  wholeSource,
  type Source,
  type Target,
} from './memory.ts';
import { modeOf, type Number80 } from './numbers.ts';
import { controlWord, row } from './rows.ts';
import {
  begin,
  endWith,
  endWithPops,
  endWithPush,
  fill,
  notePointers,
  numberAt,
  placeOf,
  requireEmpty,
  requireValues,
  setNumber,
  statusWith,
  type Fpu80,
} from './stack.ts';

const EXTENDED_BYTES = 10;
const EXPONENT_AT = 8;

/** Loads from memory, constants and registers: what `number` gives is pushed. It may hand the instruction over. */
const push =
  (operand: 'memory' | 'none', number: (fpu: Fpu80) => Number80): EmittedRow['meaning'] =>
  (b) => {
    const fpu = begin(b);
    const place = placeOf(fpu, -1);
    requireEmpty(fpu, place);
    setNumber(fpu, place, number(fpu));
    endWithPush(fpu, place, statusWith(fpu));
    notePointers(b, operand);
  };
const pushSource = (source: Source) => push('memory', ({ b }) => readNumber(b, source));
const pushExtended = push('memory', ({ b }) => {
  const at = b.place(EXTENDED_BYTES, 'read');
  return { significand: b.load(at, 8), signExponent: b.load(at, 2, EXPONENT_AT) };
});
const pushRegister: EmittedRow['meaning'] = (b, [source]) => {
  const fpu = begin(b);
  const place = placeOf(fpu, -1);
  requireEmpty(fpu, place);
  const from = placeOf(fpu, b.registerNumber(source), 'value');
  requireValues(fpu, from);
  setNumber(fpu, place, numberAt(fpu, from));
  endWithPush(fpu, place, statusWith(fpu));
  notePointers(b, 'none');
};

const known = (b: Builder, { sign, exponent, significand }: Extended): Number80 => ({
  significand: b.constant(significand),
  signExponent: b.constant(BigInt((sign << 15) | exponent)),
});
/** A constant that the rounding mode decides the last place of. */
const pushConstant = ({ integer, scale }: Constant) =>
  push('none', ({ b }) => {
    const rounded = (mode: number) =>
      roundExtended(0, { integer, scale, sticky: true }, { format: EXTENDED, mode, masks: 0x3f });
    const mode = modeOf(b, controlWord(b));
    let significand = b.constant(rounded(NEAREST).value.significand);
    for (const other of [1, 2, 3])
      significand = b.select(
        b.compare('eq', mode, b.constant(BigInt(other))),
        b.constant(rounded(other).value.significand),
        significand,
      );
    return { significand, signExponent: known(b, rounded(NEAREST).value).signExponent };
  });

const storeRegister =
  (pops: 0 | 1): EmittedRow['meaning'] =>
  (b, [target]) => {
    const fpu = begin(b);
    const from = placeOf(fpu, 0);
    requireValues(fpu, from);
    const place = placeOf(fpu, b.registerNumber(target), 'value');
    setNumber(fpu, place, numberAt(fpu, from));
    endWithPops(fill(fpu, place), pops, statusWith(fpu));
    notePointers(b, 'none');
  };

const store =
  ({ bytes, routine }: Target, pops: 0 | 1): EmittedRow['meaning'] =>
  (b) => {
    const fpu = begin(b);
    const from = placeOf(fpu, 0);
    requireValues(fpu, from);
    const at = b.place(bytes, 'write');
    const { significand, signExponent } = numberAt(fpu, from);
    const [bits, status] = b.call(routine, [significand, signExponent, controlWord(b)]);
    b.if(b.compare('lt_s', status, b.constant(0n)), () => b.defer());
    b.store(at, bytes, bits);
    b.commit(at);
    endWithPops(fpu, pops, statusWith(fpu, status));
    notePointers(b, 'memory');
  };
const storeExtended: EmittedRow['meaning'] = (b) => {
  const fpu = begin(b);
  const from = placeOf(fpu, 0);
  requireValues(fpu, from);
  const at = b.place(EXTENDED_BYTES, 'write');
  const { significand, signExponent } = numberAt(fpu, from);
  b.store(at, 8, significand);
  b.store(at, 2, signExponent, EXPONENT_AT);
  b.commit(at);
  endWithPops(fpu, 1, statusWith(fpu));
  notePointers(b, 'memory');
};

const exchange: EmittedRow['meaning'] = (b, [, other]) => {
  const fpu = begin(b);
  const [one, two] = [placeOf(fpu, 0), placeOf(fpu, b.registerNumber(other), 'value')];
  requireValues(fpu, one, two);
  const [x, y] = [numberAt(fpu, one), numberAt(fpu, two)];
  setNumber(fpu, one, y);
  setNumber(fpu, two, x);
  endWith(b, statusWith(fpu));
  notePointers(b, 'none');
};

const move =
  (condition: Condition): EmittedRow['meaning'] =>
  (b, [, source]) => {
    const fpu = begin(b);
    const [place, from] = [placeOf(fpu, 0), placeOf(fpu, b.registerNumber(source), 'value')];
    requireValues(fpu, place, from);
    b.if(b.condition(condition), () => setNumber(fpu, place, numberAt(fpu, from)));
    notePointers(b, 'none');
  };
const MOVES = { b: 'b', e: 'e', be: 'be', u: 'p', nb: 'ae', ne: 'ne', nbe: 'a', nu: 'np' } as const;

const FLD = 'FLD—Load Floating-Point Value';
const FLD_CONSTANT = 'FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ—Load Constant';
const FST = 'FST/FSTP—Store Floating-Point Value';
const FIST = 'FIST/FISTP—Store Integer';
const FISTTP = 'FISTTP—Store Integer With Truncation';

const constants: readonly EmittedRow[] = [
  ...Object.entries({ Fld1: ONE, Fldz: zero(0) }).map(([code, value]) =>
    row(
      code.toLowerCase(),
      [code],
      [],
      8,
      FLD_CONSTANT,
      push('none', ({ b }) => known(b, value)),
    ),
  ),
  ...Object.entries({ Fldpi: PI, Fldl2t: LOG2_10, Fldl2e: LOG2_E, Fldlg2: LOG10_2, Fldln2: LN_2 }).map(
    ([code, value]) => row(code.toLowerCase(), [code], [], 8, FLD_CONSTANT, pushConstant(value)),
  ),
];

export const TRANSFER_ROWS: readonly EmittedRow[] = [
  row('fld', ['Fld_m32fp'], ['memory'], 4, FLD, pushSource(SINGLE_SOURCE)),
  row('fld', ['Fld_m64fp'], ['memory'], 8, FLD, pushSource(DOUBLE_SOURCE)),
  row('fld80', ['Fld_m80fp'], ['memory'], 8, FLD, pushExtended),
  row('fld', ['Fld_sti'], ['register'], 8, FLD, pushRegister),
  ...([2, 4, 8] as const).map((bytes) =>
    row('fild', [`Fild_m${bytes * 8}int`], ['memory'], bytes, 'FILD—Load Integer', pushSource(wholeSource(bytes))),
  ),
  ...constants,
  row('fst', ['Fst_sti'], ['register'], 8, FST, storeRegister(0)),
  row('fstp', ['Fstp_sti', 'Fstp_sti_DFD0', 'Fstp_sti_DFD8'], ['register'], 8, FST, storeRegister(1)),
  row('fst', ['Fst_m32fp'], ['memory'], 4, FST, store(SINGLE_TARGET, 0)),
  row('fst', ['Fst_m64fp'], ['memory'], 8, FST, store(DOUBLE_TARGET, 0)),
  row('fstp', ['Fstp_m32fp'], ['memory'], 4, FST, store(SINGLE_TARGET, 1)),
  row('fstp', ['Fstp_m64fp'], ['memory'], 8, FST, store(DOUBLE_TARGET, 1)),
  row('fstp80', ['Fstp_m80fp'], ['memory'], 8, FST, storeExtended),
  ...([2, 4] as const).map((bytes) =>
    row('fist', [`Fist_m${bytes * 8}int`], ['memory'], bytes, FIST, store(WHOLE_TARGETS[bytes], 0)),
  ),
  ...([2, 4, 8] as const).flatMap((bytes) => [
    row('fistp', [`Fistp_m${bytes * 8}int`], ['memory'], bytes, FIST, store(WHOLE_TARGETS[bytes], 1)),
    row('fisttp', [`Fisttp_m${bytes * 8}int`], ['memory'], bytes, FISTTP, store(TRUNCATED_TARGETS[bytes], 1)),
  ]),
  row(
    'fxch',
    ['Fxch_st0_sti', 'Fxch_st0_sti_DDC8', 'Fxch_st0_sti_DFC8'],
    ['register', 'register'],
    8,
    'FXCH—Exchange Register Contents',
    exchange,
  ),
  ...Object.entries(MOVES).map(([name, condition]) =>
    row(
      `fcmov${name}`,
      [`Fcmov${name}_st0_sti`],
      ['register', 'register'],
      8,
      'FCMOVcc—Floating-Point Conditional Move',
      move(condition),
    ),
  ),
];
