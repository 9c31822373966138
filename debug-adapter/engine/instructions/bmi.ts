/** BMI1, BMI2, ADX, POPCNT, LZCNT, TZCNT, MOVBE: the general-purpose extensions. PDEP, PEXT and CRC32 are in bit-fields.ts. */
import { RDX, type Builder, type Bytes, type EmittedRow, type Operand, type Value } from './builder.ts';
import { auxOfCarryOverflow, carryIn, flagsOfLogic, setCarry, setCarryOverflow } from './flags.ts';
import { highProduct } from './multiply.ts';
import { forSizes, WIDE_BYTES } from './rows.ts';

const VEX_BYTES: readonly (4 | 8)[] = [4, 8];

const REGISTER_SOURCE: EmittedRow['shapes'] = [
  ['register', 'register'],
  ['register', 'memory'],
];
/** Target, then a register or memory source, then a register. */
const SOURCE_IN_THE_MIDDLE: EmittedRow['shapes'] = [
  ['register', 'register', 'register'],
  ['register', 'memory', 'register'],
];
/** Target and a register, then a register or memory source. */
const SOURCE_LAST: EmittedRow['shapes'] = [
  ['register', 'register', 'register'],
  ['register', 'register', 'memory'],
];

const andNot: readonly EmittedRow[] = forSizes(VEX_BYTES, (bytes) => ({
  name: 'andn',
  codes: [`VEX_Andn_r${bytes * 8}_r${bytes * 8}_rm${bytes * 8}`],
  shapes: SOURCE_LAST,
  sdm: 'Vol. 2A, "ANDN—Logical AND NOT"',
  meaning(b, [target, inverted, source]) {
    const result = b.binary('and', b.with('xor', b.read(inverted), -1n), b.read(source));
    b.write(target, result);
    flagsOfLogic(b, bytes, result);
  },
}));

/** Start in bits 7:0 of the control, length in bits 15:8; what lies beyond the operand is zero. */
const extractField: readonly EmittedRow[] = forSizes(VEX_BYTES, (bytes) => ({
  name: 'bextr',
  codes: [`VEX_Bextr_r${bytes * 8}_rm${bytes * 8}_r${bytes * 8}`],
  shapes: SOURCE_IN_THE_MIDDLE,
  sdm: 'Vol. 2A, "BEXTR—Bit Field Extract"',
  meaning(b, [target, source, control]) {
    const value = b.read(source);
    const field = b.read(control);
    const start = b.with('and', field, 0xffn);
    const length = b.with('and', b.with('shr_u', field, 8n), 0xffn);
    const moved = below(b, start, 64, b.binary('shr_u', value, start), b.constant(0n));
    const result = below(b, length, 64, b.binary('and', moved, lowBits(b, length)), moved);
    b.write(target, result);
    flagsOfLogic(b, bytes, result);
  },
}));

/** `then` where an unsigned number is below a limit; WebAssembly takes shift counts modulo 64. */
const below = (b: Builder, count: Value, limit: number, then: Value, otherwise: Value): Value =>
  b.select(b.compare('lt_u', count, b.constant(BigInt(limit))), then, otherwise);

/** The lowest `count` bits set, for counts below 64. */
const lowBits = (b: Builder, count: Value): Value => b.with('sub', b.binary('shl', b.constant(1n), count), 1n);

interface LowestBit {
  readonly iced: string;
  readonly sdm: string;
  readonly result: (b: Builder, source: Value) => Value;
  /** CF: the source is zero, or is not. */
  readonly carry: 'zero' | 'not zero';
}
const LOWEST_BIT: readonly LowestBit[] = [
  {
    iced: 'Blsi',
    sdm: 'Vol. 2A, "BLSI—Extract Lowest Set Isolated Bit"',
    result: (b, source) => b.binary('and', b.binary('sub', b.constant(0n), source), source),
    carry: 'not zero',
  },
  {
    iced: 'Blsmsk',
    sdm: 'Vol. 2A, "BLSMSK—Get Mask Up to Lowest Set Bit"',
    result: (b, source) => b.binary('xor', b.with('sub', source, 1n), source),
    carry: 'zero',
  },
  {
    iced: 'Blsr',
    sdm: 'Vol. 2A, "BLSR—Reset Lowest Set Bit"',
    result: (b, source) => b.binary('and', b.with('sub', source, 1n), source),
    carry: 'zero',
  },
];

const lowestBit: readonly EmittedRow[] = LOWEST_BIT.flatMap(({ iced, sdm, result, carry }) =>
  forSizes(VEX_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`VEX_${iced}_r${bytes * 8}_rm${bytes * 8}`],
    shapes: REGISTER_SOURCE,
    sdm,
    meaning(b, [target, source]: readonly Operand[]) {
      const value = b.read(source);
      const outcome = b.truncate(result(b, value), bytes);
      const isZero = b.isZero(value);
      b.write(target, outcome);
      const carried = b.asValue(carry === 'zero' ? isZero : b.not(isZero));
      b.setFlags(b.signExtend(outcome, bytes), auxOfCarryOverflow(b, carried, b.constant(0n)));
    },
  })),
);

/** BZHI saturates its index at the operand size, and says so in CF. */
const zeroHighBits: readonly EmittedRow[] = forSizes(VEX_BYTES, (bytes) => ({
  name: 'bzhi',
  codes: [`VEX_Bzhi_r${bytes * 8}_rm${bytes * 8}_r${bytes * 8}`],
  shapes: SOURCE_IN_THE_MIDDLE,
  sdm: 'Vol. 2A, "BZHI—Zero High Bits Starting with Specified Bit Position"',
  meaning(b, [target, source, index]) {
    const value = b.read(source);
    const from = b.with('and', b.read(index), 0xffn);
    const result = below(b, from, bytes * 8, b.binary('and', value, lowBits(b, from)), value);
    const beyond = b.asValue(b.compare('ge_u', from, b.constant(BigInt(bytes * 8))));
    b.write(target, result);
    b.setFlags(b.signExtend(result, bytes), auxOfCarryOverflow(b, beyond, b.constant(0n)));
  },
}));

/** MULX: no flags; where both targets are one register, it gets the upper half. */
const multiply: readonly EmittedRow[] = forSizes(VEX_BYTES, (bytes) => ({
  name: 'mulx',
  codes: [`VEX_Mulx_r${bytes * 8}_r${bytes * 8}_rm${bytes * 8}`],
  shapes: SOURCE_LAST,
  sdm: 'Vol. 2B, "MULX—Unsigned Multiply Without Affecting Flags"',
  meaning(b, [high, low, source]) {
    const left = b.register(RDX, bytes);
    const right = b.read(source);
    const product = b.binary('mul', left, right);
    const upper = bytes === 8 ? highProduct(b, left, right) : b.with('shr_u', product, 32n);
    b.write(low, product);
    b.write(high, upper);
  },
}));

const VEX_SHIFTS = [
  { iced: 'Sarx', op: 'shr_s' },
  { iced: 'Shlx', op: 'shl' },
  { iced: 'Shrx', op: 'shr_u' },
] as const;

const shiftWithoutFlags: readonly EmittedRow[] = VEX_SHIFTS.flatMap(({ iced, op }) =>
  forSizes(VEX_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`VEX_${iced}_r${bytes * 8}_rm${bytes * 8}_r${bytes * 8}`],
    shapes: SOURCE_IN_THE_MIDDLE,
    sdm: 'Vol. 2B, "SARX/SHLX/SHRX—Shift Without Affecting Flags"',
    meaning(b, [target, source, by]: readonly Operand[]) {
      const value = b.read(source);
      const count = b.with('and', b.read(by), BigInt(bytes * 8 - 1));
      b.write(target, b.binary(op, op === 'shr_s' ? b.signExtend(value, bytes) : value, count));
    },
  })),
);

const rotateWithoutFlags: readonly EmittedRow[] = forSizes(VEX_BYTES, (bytes) => ({
  name: 'rorx',
  codes: [`VEX_Rorx_r${bytes * 8}_rm${bytes * 8}_imm8`],
  shapes: [
    ['register', 'register', 'immediate'],
    ['register', 'memory', 'immediate'],
  ],
  operandBytes: [undefined, undefined, 1],
  sdm: 'Vol. 2B, "RORX—Rotate Right Logical Without Affecting Flags"',
  meaning(b, [target, source, by]) {
    const value = b.read(source);
    const count = b.with('and', b.read(by), BigInt(bytes * 8 - 1));
    if (bytes === 8) b.write(target, b.binary('rotr', value, count));
    else {
      const twice = b.binary('or', b.with('shl', value, 32n), value);
      b.write(target, b.binary('shr_u', twice, count));
    }
  },
}));

/** LZCNT and TZCNT count the whole operand size where the source is zero, and then set CF. */
const countZeros: readonly EmittedRow[] = (['Lzcnt', 'Tzcnt'] as const).flatMap((iced) =>
  forSizes(WIDE_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`${iced}_r${bytes * 8}_rm${bytes * 8}`],
    shapes: REGISTER_SOURCE,
    sdm:
      iced === 'Lzcnt'
        ? 'Vol. 2A, "LZCNT—Count the Number of Leading Zero Bits"'
        : 'Vol. 2B, "TZCNT—Count the Number of Trailing Zero Bits"',
    meaning(b, [target, source]: readonly Operand[]) {
      const value = b.read(source);
      const bits = BigInt(bytes * 8);
      const count =
        iced === 'Lzcnt'
          ? b.with('sub', b.unary('clz', value), 64n - bits)
          : b.unary('ctz', bytes === 8 ? value : b.with('or', value, 1n << bits));
      const carry = b.asValue(b.isZero(value));
      b.write(target, count);
      b.setFlags(count, auxOfCarryOverflow(b, carry, b.constant(0n)));
    },
  })),
);

/** POPCNT clears every flag but ZF: bit 8 of the aux word undoes the parity of a zero result, the result is 0 or 1. */
const countOnes: readonly EmittedRow[] = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'popcnt',
  codes: [`Popcnt_r${bytes * 8}_rm${bytes * 8}`],
  shapes: REGISTER_SOURCE,
  sdm: 'Vol. 2B, "POPCNT—Return the Count of Number of Bits Set to 1"',
  meaning(b, [target, source]) {
    const value = b.read(source);
    const some = b.asValue(b.not(b.isZero(value)));
    b.write(target, b.unary('popcnt', value));
    b.setFlags(some, b.with('shl', b.with('xor', some, 1n), 8n));
  },
}));

/** ADCX adds through CF, ADOX through OF; every other flag stays. */
const addWithFlag: readonly EmittedRow[] = (['Adcx', 'Adox'] as const).flatMap((iced) =>
  forSizes(VEX_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`${iced}_r${bytes * 8}_rm${bytes * 8}`],
    shapes: REGISTER_SOURCE,
    sdm:
      iced === 'Adcx'
        ? 'Vol. 2A, "ADCX—Unsigned Integer Addition of Two Operands With Carry Flag"'
        : 'Vol. 2A, "ADOX—Unsigned Integer Addition of Two Operands With Overflow Flag"',
    meaning(b, [target, source]: readonly Operand[]) {
      const left = b.read(target);
      const right = b.read(source);
      const partial = b.binary('add', left, right);
      const sum = b.binary('add', partial, iced === 'Adcx' ? carryIn(b) : overflowIn(b));
      const out =
        bytes === 8
          ? b.asValue(b.or(b.compare('lt_u', partial, left), b.compare('lt_u', sum, partial)))
          : b.with('shr_u', sum, 32n);
      b.write(target, sum);
      if (iced === 'Adcx') setCarry(b, out);
      else setCarryOverflow(b, carryIn(b), out);
    },
  })),
);

/** OF as 0 or 1. */
function overflowIn(b: Builder): Value {
  const aux = b.flagsAux();
  return b.with('and', b.with('shr_u', b.binary('xor', aux, b.with('shl', aux, 1n)), 63n), 1n);
}

function swapBytes(b: Builder, value: Value, bytes: Bytes): Value {
  let swapped = b.constant(0n);
  for (let i = 0; i < bytes; i++) {
    const byte = b.with('and', b.with('shr_u', value, BigInt(8 * i)), 0xffn);
    swapped = b.binary('or', swapped, b.with('shl', byte, BigInt(8 * (bytes - 1 - i))));
  }
  return swapped;
}

const moveSwapped: readonly EmittedRow[] = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'movbe',
  codes: [`Movbe_r${bytes * 8}_m${bytes * 8}`, `Movbe_m${bytes * 8}_r${bytes * 8}`],
  shapes: [
    ['register', 'memory'],
    ['memory', 'register'],
  ],
  sdm: 'Vol. 2B, "MOVBE—Move Data After Swapping Bytes"',
  meaning: (b, [target, source]) => b.write(target, swapBytes(b, b.read(source), bytes)),
}));

export const BMI_ROWS: readonly EmittedRow[] = [
  ...andNot,
  ...extractField,
  ...lowestBit,
  ...zeroHighBits,
  ...multiply,
  ...shiftWithoutFlags,
  ...rotateWithoutFlags,
  ...countZeros,
  ...countOnes,
  ...addWithFlag,
  ...moveSwapped,
];
