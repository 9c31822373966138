/** BT BTS BTR BTC BSF BSR, CMPXCHG XADD. */
import { RAX, type Builder, type EmittedRow, type Operand, type Value } from './builder.ts';
import { flagsOfDifference, flagsOfSum, setCarry } from './flags.ts';
import { ALL_BYTES, forSizes, WIDE_BYTES } from './rows.ts';

type BitChange = (b: Builder, old: Value, mask: Value) => Value;
const BIT_INSTRUCTIONS: readonly { readonly iced: string; readonly sdm: string; readonly change?: BitChange }[] = [
  { iced: 'Bt', sdm: 'Vol. 2A, "BT—Bit Test"' },
  { iced: 'Bts', sdm: 'Vol. 2A, "BTS—Bit Test and Set"', change: (b, old, mask) => b.binary('or', old, mask) },
  {
    iced: 'Btr',
    sdm: 'Vol. 2A, "BTR—Bit Test and Reset"',
    change: (b, old, mask) => b.binary('and', old, b.with('xor', mask, -1n)),
  },
  { iced: 'Btc', sdm: 'Vol. 2A, "BTC—Bit Test and Complement"', change: (b, old, mask) => b.binary('xor', old, mask) },
];

const bitTests = BIT_INSTRUCTIONS.flatMap(({ iced, sdm, change }) =>
  forSizes(WIDE_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`${iced}_rm${bytes * 8}_r${bytes * 8}`, `${iced}_rm${bytes * 8}_imm8`],
    shapes: [
      ['register', 'register'],
      ['memory', 'register'],
      ['register', 'immediate'],
      ['memory', 'immediate'],
    ],
    sdm,
    meaning(b, [target, index]: readonly Operand[]) {
      const bits = bytes * 8;
      const offset = b.read(index);
      if (target.kind === 'memory' && index.kind === 'register') {
        // A register bit offset is signed and reaches beyond the operand (SDM Vol. 2A, "Bit(BitBase, BitOffset)" 3.1.1.9).
        const units = b.with('shr_s', b.signExtend(offset, bytes), BigInt(Math.log2(bits)));
        b.displaceMemory(b.with('mul', units, BigInt(bytes)));
      }
      const at = b.with('and', offset, BigInt(bits - 1));
      let tested: Value;
      if (change) {
        let before: Value | undefined;
        b.modify(target, (old) => {
          before = old;
          return change(b, old, b.binary('shl', b.constant(1n), at));
        });
        tested = before!;
      } else tested = b.read(target);
      setCarry(b, b.with('and', b.binary('shr_u', tested, at), 1n));
    },
  })),
);

/** BSF and BSR: a zero source sets ZF and leaves the target as it was (as processors do; undefined in the SDM). */
const bitScans = (['Bsf', 'Bsr'] as const).flatMap((iced) =>
  forSizes(WIDE_BYTES, (bytes) => ({
    name: iced.toLowerCase(),
    codes: [`${iced}_r${bytes * 8}_rm${bytes * 8}`],
    shapes: [
      ['register', 'register'],
      ['register', 'memory'],
    ],
    sdm: iced === 'Bsf' ? 'Vol. 2A, "BSF—Bit Scan Forward"' : 'Vol. 2A, "BSR—Bit Scan Reverse"',
    meaning(b, [target, source]) {
      const value = b.read(source);
      const found = iced === 'Bsf' ? b.unary('ctz', value) : b.binary('sub', b.constant(63n), b.unary('clz', value));
      b.if(b.not(b.isZero(value)), () => b.write(target, found));
      b.setFlags(b.signExtend(value, bytes), b.constant(0n));
    },
  })),
);

const compareExchange = forSizes(ALL_BYTES, (bytes) => ({
  name: 'cmpxchg',
  codes: [`Cmpxchg_rm${bytes * 8}_r${bytes * 8}`],
  shapes: [
    ['register', 'register'],
    ['memory', 'register'],
  ],
  sdm: 'Vol. 2A, "CMPXCHG—Compare and Exchange"',
  meaning(b, [target, source]) {
    const accumulator = b.register(RAX, bytes);
    const replacement = b.read(source);
    let before: Value | undefined;
    // Memory is always written, with the old value where the comparison fails.
    b.modify(target, (old) => {
      before = old;
      return b.select(b.compare('eq', old, accumulator), replacement, old);
    });
    b.if(b.compare('ne', before!, accumulator), () => b.setRegister(RAX, bytes, before!));
    flagsOfDifference(b, bytes, accumulator, before!, b.binary('sub', accumulator, before!));
  },
}));

const exchangeAdd = forSizes(ALL_BYTES, (bytes) => ({
  name: 'xadd',
  codes: [`Xadd_rm${bytes * 8}_r${bytes * 8}`],
  shapes: [
    ['register', 'register'],
    ['memory', 'register'],
  ],
  sdm: 'Vol. 2D, "XADD—Exchange and Add"',
  meaning(b, [target, source]) {
    const addend = b.read(source);
    if (target.kind === 'register') {
      // XADD r, r with the same register twice keeps the sum: the target is written last.
      const old = b.read(target);
      const sum = b.binary('add', old, addend);
      b.write(source, old);
      b.write(target, sum);
      flagsOfSum(b, bytes, old, addend, sum);
      return;
    }
    let before: Value | undefined;
    let sum: Value | undefined;
    b.modify(target, (old) => {
      before = old;
      return (sum = b.binary('add', old, addend));
    });
    b.write(source, before!);
    flagsOfSum(b, bytes, before!, addend, sum!);
  },
}));

export const BIT_ROWS: readonly EmittedRow[] = [...bitTests, ...bitScans, ...compareExchange, ...exchangeAdd];
