/** ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT. */
import type { Builder, Bytes, EmittedRow, Value } from './builder.ts';
import { carryIn, flagsOfDifference, flagsOfLogic, flagsOfStep, flagsOfSum } from './flags.ts';
import { ACCUMULATOR, ALL_BYTES, forSizes, immediateBits, REGISTER_OR_MEMORY } from './rows.ts';

const TWO_OPERAND_SHAPES: EmittedRow['shapes'] = [
  ['register', 'register'],
  ['register', 'memory'],
  ['memory', 'register'],
  ['register', 'immediate'],
  ['memory', 'immediate'],
];

/** `Add_rm32_r32` and its sisters. */
function twoOperandCodes(name: string, bytes: Bytes): string[] {
  const n = bytes * 8;
  const imm = immediateBits(bytes);
  const codes = [
    `${name}_rm${n}_r${n}`,
    `${name}_r${n}_rm${n}`,
    `${name}_${ACCUMULATOR[bytes]}_imm${imm}`,
    `${name}_rm${n}_imm${imm}`,
  ];
  return bytes === 1 ? [...codes, `${name}_rm8_imm8_82`] : [...codes, `${name}_rm${n}_imm8`];
}

interface Arithmetic {
  readonly iced: string;
  readonly sdm: string;
  /** Computes the result; flags are set once memory has been written. */
  readonly result: (b: Builder, a: Value, c: Value) => Value;
  readonly flags: (b: Builder, bytes: Bytes, a: Value, c: Value, result: Value) => void;
  readonly discards?: true;
}

const ARITHMETIC: readonly Arithmetic[] = [
  { iced: 'Add', sdm: 'Vol. 2A, "ADD—Add"', result: (b, a, c) => b.binary('add', a, c), flags: flagsOfSum },
  {
    iced: 'Adc',
    sdm: 'Vol. 2A, "ADC—Add With Carry"',
    result: (b, a, c) => b.binary('add', b.binary('add', a, c), carryIn(b)),
    flags: flagsOfSum,
  },
  { iced: 'Sub', sdm: 'Vol. 2B, "SUB—Subtract"', result: (b, a, c) => b.binary('sub', a, c), flags: flagsOfDifference },
  {
    iced: 'Sbb',
    sdm: 'Vol. 2B, "SBB—Integer Subtraction With Borrow"',
    result: (b, a, c) => b.binary('sub', b.binary('sub', a, c), carryIn(b)),
    flags: flagsOfDifference,
  },
  {
    iced: 'Cmp',
    sdm: 'Vol. 2A, "CMP—Compare Two Operands"',
    result: (b, a, c) => b.binary('sub', a, c),
    flags: flagsOfDifference,
    discards: true,
  },
  {
    iced: 'And',
    sdm: 'Vol. 2A, "AND—Logical AND"',
    result: (b, a, c) => b.binary('and', a, c),
    flags: (b, bytes, _a, _c, r) => flagsOfLogic(b, bytes, r),
  },
  {
    iced: 'Or',
    sdm: 'Vol. 2B, "OR—Logical Inclusive OR"',
    result: (b, a, c) => b.binary('or', a, c),
    flags: (b, bytes, _a, _c, r) => flagsOfLogic(b, bytes, r),
  },
  {
    iced: 'Xor',
    sdm: 'Vol. 2D, "XOR—Logical Exclusive OR"',
    result: (b, a, c) => b.binary('xor', a, c),
    flags: (b, bytes, _a, _c, r) => flagsOfLogic(b, bytes, r),
  },
];

const twoOperand = ARITHMETIC.flatMap(({ iced, sdm, result, flags, discards }) =>
  forSizes(ALL_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: twoOperandCodes(iced, bytes),
    shapes: TWO_OPERAND_SHAPES,
    sdm,
    hot: 'registers',
    meaning(b, [target, source]) {
      const right = b.read(source);
      if (discards) {
        const left = b.read(target);
        flags(b, bytes, left, right, result(b, left, right));
        return;
      }
      let left: Value | undefined;
      let outcome: Value | undefined;
      b.modify(target, (old) => {
        left = old;
        return (outcome = result(b, old, right));
      });
      flags(b, bytes, left!, right, outcome!);
    },
  })),
);

const test = forSizes(ALL_BYTES, (bytes) => {
  const n = bytes * 8;
  const imm = immediateBits(bytes);
  return {
    name: 'test',
    codes: [
      `Test_rm${n}_r${n}`,
      `Test_${ACCUMULATOR[bytes]}_imm${imm}`,
      `Test_rm${n}_imm${imm}`,
      `Test_rm${n}_imm${imm}_F${bytes === 1 ? 6 : 7}r1`,
    ],
    shapes: [
      ['register', 'register'],
      ['memory', 'register'],
      ['register', 'immediate'],
      ['memory', 'immediate'],
    ],
    sdm: 'Vol. 2B, "TEST—Logical Compare"',
    hot: 'registers',
    meaning: (b, [left, right]) => flagsOfLogic(b, bytes, b.binary('and', b.read(left), b.read(right))),
  };
});

const step = (['Inc', 'Dec'] as const).flatMap((iced) =>
  forSizes(ALL_BYTES, (bytes) => {
    const n = bytes * 8;
    return {
      name: iced.toLowerCase(),
      codes: bytes === 2 || bytes === 4 ? [`${iced}_rm${n}`, `${iced}_r${n}`] : [`${iced}_rm${n}`],
      shapes: REGISTER_OR_MEMORY,
      sdm: iced === 'Inc' ? 'Vol. 2A, "INC—Increment by 1"' : 'Vol. 2A, "DEC—Decrement by 1"',
      hot: 'registers',
      meaning(b, [target]) {
        let before: Value | undefined;
        let after: Value | undefined;
        b.modify(target, (old) => {
          before = old;
          return (after = b.with(iced === 'Inc' ? 'add' : 'sub', old, 1n));
        });
        flagsOfStep(b, bytes, before!, after!, iced === 'Inc');
      },
    };
  }),
);

const negate = forSizes(ALL_BYTES, (bytes) => ({
  name: 'neg',
  codes: [`Neg_rm${bytes * 8}`],
  shapes: REGISTER_OR_MEMORY,
  sdm: 'Vol. 2B, "NEG—Two\'s Complement Negation"',
  meaning(b, [target]) {
    const zero = b.constant(0n);
    let before: Value | undefined;
    let after: Value | undefined;
    b.modify(target, (old) => {
      before = old;
      return (after = b.binary('sub', zero, old));
    });
    flagsOfDifference(b, bytes, zero, before!, after!);
  },
}));

const complement = forSizes(ALL_BYTES, (bytes) => ({
  name: 'not',
  codes: [`Not_rm${bytes * 8}`],
  shapes: REGISTER_OR_MEMORY,
  sdm: 'Vol. 2B, "NOT—One\'s Complement Negation"',
  meaning: (b, [target]) => b.modify(target, (old) => b.with('xor', old, -1n)),
}));

export const ALU_ROWS: readonly EmittedRow[] = [...twoOperand, ...test, ...step, ...negate, ...complement];
