/** SHL SHR SAR ROL ROR RCL RCR SHLD SHRD. */
import { type Builder, type Bytes, type EmittedRow, type Operand, type Value } from './builder.ts';
import { auxOfCarryOverflow, carryIn, setCarryOverflow } from './flags.ts';
import { ALL_BYTES, forSizes, WIDE_BYTES } from './rows.ts';

const countMask = (bytes: Bytes): bigint => (bytes === 8 ? 63n : 31n);

const SHAPES: EmittedRow['shapes'] = [
  ['register', 'immediate'],
  ['memory', 'immediate'],
  ['register', 'register'],
  ['memory', 'register'],
];

const codesOf = (iced: string, bytes: Bytes): string[] =>
  ['imm8', '1', 'CL'].map((count) => `${iced}_rm${bytes * 8}_${count}`);

const bit = (b: Builder, value: Value, at: number | bigint): Value =>
  b.with('and', b.with('shr_u', value, BigInt(at)), 1n);

/** No compiler chooses these. */
const RARE = ['Sal', 'Rcl', 'Rcr'];

/**
 * Writes the result and, where the masked count is not 0, the flags. A count of 0 still writes: in 64-bit mode a 32-bit
 * register's upper half is cleared (SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode", 3.4.1.1).
 */
function shiftRow(
  iced: string,
  sdm: string,
  bytes: Bytes,
  compute: (b: Builder, old: Value, count: Value) => Value,
  flags: (b: Builder, old: Value, count: Value, result: Value) => void,
): Omit<EmittedRow, 'bytes'> {
  return {
    name: iced.toLowerCase(),
    codes: codesOf(iced, bytes),
    shapes: SHAPES,
    operandBytes: [undefined, 1],
    sdm,
    ...(RARE.includes(iced) ? {} : { hot: 'registers' as const }),
    meaning(b, [target, by]: readonly Operand[]) {
      const count = b.with('and', b.read(by), countMask(bytes));
      let before: Value | undefined;
      let after: Value | undefined;
      b.modify(target, (old) => {
        before = old;
        return (after = compute(b, old, count));
      });
      b.if(b.not(b.isZero(count)), () => flags(b, before!, count, after!));
    },
  };
}

/** Flags of SHL, SHR and SAR: CF the last bit shifted out, OF by the top bits as for a count of 1, AF undefined (0). */
function shiftFlags(b: Builder, bytes: Bytes, result: Value, carry: Value, overflow: Value): void {
  b.setFlags(b.signExtend(result, bytes), auxOfCarryOverflow(b, carry, overflow));
}

const shl = ['Shl', 'Sal'].flatMap((iced) =>
  forSizes(ALL_BYTES, (bytes) => {
    const bits = bytes * 8;
    return shiftRow(
      iced,
      'Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
      bytes,
      (b, old, count) => b.binary('shl', old, count),
      (b, old, count, result) => {
        const carry =
          bytes === 8
            ? b.with('and', b.binary('shr_u', old, b.binary('sub', b.constant(64n), count)), 1n)
            : bit(b, result, bits);
        shiftFlags(b, bytes, result, carry, b.binary('xor', bit(b, result, bits - 1), carry));
      },
    );
  }),
);

const shr = forSizes(ALL_BYTES, (bytes) =>
  shiftRow(
    'Shr',
    'Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
    bytes,
    (b, old, count) => b.binary('shr_u', old, count),
    (b, old, count, result) => {
      const carry = b.with('and', b.binary('shr_u', old, b.with('sub', count, 1n)), 1n);
      const overflow = b.binary('xor', bit(b, result, bytes * 8 - 1), bit(b, result, bytes * 8 - 2));
      shiftFlags(b, bytes, result, carry, overflow);
    },
  ),
);

const sar = forSizes(ALL_BYTES, (bytes) =>
  shiftRow(
    'Sar',
    'Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
    bytes,
    (b, old, count) => b.truncate(b.binary('shr_s', b.signExtend(old, bytes), count), bytes),
    (b, old, count, result) => {
      const carry = b.with('and', b.binary('shr_s', b.signExtend(old, bytes), b.with('sub', count, 1n)), 1n);
      shiftFlags(b, bytes, result, carry, b.constant(0n));
    },
  ),
);

/** ROL and ROR by the count modulo the size; CF and OF change, the others stay. */
const rotate = (['Rol', 'Ror'] as const).flatMap((iced) =>
  forSizes(ALL_BYTES, (bytes) => {
    const bits = bytes * 8;
    return shiftRow(
      iced,
      'Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
      bytes,
      (b, old, count) => {
        if (bytes === 8) return b.binary(iced === 'Rol' ? 'rotl' : 'rotr', old, count);
        const by = b.with('and', count, BigInt(bits - 1));
        const other = b.with('and', b.binary('sub', b.constant(BigInt(bits)), by), BigInt(bits - 1));
        const [left, right] = iced === 'Rol' ? [by, other] : [other, by];
        return b.truncate(b.binary('or', b.binary('shl', old, left), b.binary('shr_u', old, right)), bytes);
      },
      (b, _old, _count, result) => {
        const top = bit(b, result, bits - 1);
        if (iced === 'Rol') {
          const carry = b.with('and', result, 1n);
          setCarryOverflow(b, carry, b.binary('xor', top, carry));
        } else setCarryOverflow(b, top, b.binary('xor', top, bit(b, result, bits - 2)));
      },
    );
  }),
);

/**
 * RCL and RCR rotate through CF: the count is taken modulo size + 1 below 32 bits. The carry that comes out is the bit
 * that would be rotated out last.
 */
const rotateThroughCarry = (['Rcl', 'Rcr'] as const).flatMap((iced) =>
  forSizes(ALL_BYTES, (bytes) => {
    const bits = bytes * 8;
    const effective = (b: Builder, count: Value): Value =>
      bytes <= 2 ? b.with('rem_u', count, BigInt(bits + 1)) : count;
    // Shifts by the whole width give 0 here, unlike WebAssembly's, which take the count modulo 64.
    const shift = (b: Builder, op: 'shl' | 'shr_u', value: Value, count: Value): Value =>
      b.select(b.compare('lt_u', count, b.constant(64n)), b.binary(op, value, count), b.constant(0n));
    const carryOut = (b: Builder, old: Value, count: Value, carry: Value): Value => {
      const at = iced === 'Rcl' ? b.binary('sub', b.constant(BigInt(bits)), count) : b.with('sub', count, 1n);
      return b.select(b.isZero(count), carry, b.with('and', b.binary('shr_u', old, at), 1n));
    };
    return shiftRow(
      iced,
      'Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
      bytes,
      (b, old, masked) => {
        const count = effective(b, masked);
        const carry = carryIn(b);
        const inverse = b.binary('sub', b.constant(BigInt(bits + 1)), count);
        const inserted =
          iced === 'Rcl'
            ? shift(b, 'shl', carry, b.with('sub', count, 1n))
            : shift(b, 'shl', carry, b.binary('sub', b.constant(BigInt(bits)), count));
        const [main, wrapped] =
          iced === 'Rcl'
            ? [shift(b, 'shl', old, count), shift(b, 'shr_u', old, inverse)]
            : [shift(b, 'shr_u', old, count), shift(b, 'shl', old, inverse)];
        const rotated = b.truncate(b.binary('or', b.binary('or', main, wrapped), inserted), bytes);
        return b.select(b.isZero(count), old, rotated);
      },
      (b, old, masked, result) => {
        const count = effective(b, masked);
        const before = carryIn(b);
        const carry = carryOut(b, old, count, before);
        const overflow =
          iced === 'Rcl'
            ? b.binary('xor', bit(b, result, bits - 1), carry)
            : b.binary('xor', bit(b, result, bits - 1), bit(b, result, bits - 2));
        // A masked count that is a multiple of size + 1 changes nothing but OF (as captured from hardware).
        setCarryOverflow(b, carry, overflow);
      },
    );
  }),
);

/** SHLD and SHRD. Counts above the operand size (16-bit only) are undefined by the SDM; processors rotate in the operands again. */
const doubleShift = (['Shld', 'Shrd'] as const).flatMap((iced) =>
  forSizes(WIDE_BYTES, (bytes): Omit<EmittedRow, 'bytes'> => ({
    name: iced.toLowerCase(),
    codes: ['imm8', 'CL'].map((count) => `${iced}_rm${bytes * 8}_r${bytes * 8}_${count}`),
    shapes: [
      ['register', 'register', 'immediate'],
      ['memory', 'register', 'immediate'],
      ['register', 'register', 'register'],
      ['memory', 'register', 'register'],
    ],
    operandBytes: [undefined, undefined, 1],
    sdm: `Vol. 2B, "${iced.toUpperCase()}—Double Precision Shift ${iced === 'Shld' ? 'Left' : 'Right'}"`,
    meaning(b, [target, source, by]) {
      const bits = bytes * 8;
      const count = b.with('and', b.read(by), countMask(bytes));
      const fill = b.read(source);
      let before: Value | undefined;
      let after: Value | undefined;
      b.modify(target, (old) => {
        before = old;
        if (bytes === 2) {
          // 48 bits: target, fill, target again, so that counts up to 31 come out as on processors.
          const wide = b.binary('or', b.binary('or', b.with('shl', old, 32n), b.with('shl', fill, 16n)), old);
          const moved =
            iced === 'Shld' ? b.with('shr_u', b.binary('shl', wide, count), 32n) : b.binary('shr_u', wide, count);
          return (after = b.truncate(moved, 2));
        }
        const inverse = b.binary('sub', b.constant(BigInt(bits)), count);
        const moved =
          iced === 'Shld'
            ? b.binary('or', b.binary('shl', old, count), b.binary('shr_u', fill, inverse))
            : b.binary('or', b.binary('shr_u', old, count), b.binary('shl', fill, inverse));
        return (after = b.truncate(b.select(b.isZero(count), old, moved), bytes));
      });
      b.if(b.not(b.isZero(count)), () => {
        const at = iced === 'Shld' ? b.binary('sub', b.constant(BigInt(bits)), count) : b.with('sub', count, 1n);
        const carry = b.with('and', b.binary('shr_u', before!, b.with('and', at, 63n)), 1n);
        const overflow = b.binary('xor', bit(b, before!, bits - 1), bit(b, after!, bits - 1));
        b.setFlags(b.signExtend(after!, bytes), auxOfCarryOverflow(b, carry, overflow));
      });
    },
  })),
);

export const SHIFT_ROWS: readonly EmittedRow[] = [
  ...shl,
  ...shr,
  ...sar,
  ...rotate,
  ...rotateThroughCarry,
  ...doubleShift,
];
