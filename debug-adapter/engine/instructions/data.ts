/** MOV MOVZX MOVSX MOVSXD LEA XCHG BSWAP CMOVcc SETcc, sign extensions of the accumulator, LAHF SAHF and the flag setters. */
import { CONDITIONS, RAX, RDX, type Bytes, type EmittedRow } from './builder.ts';
import { setCarry } from './flags.ts';
import { ACCUMULATOR, ALL_BYTES, forSizes, immediateBits, REGISTER_OR_MEMORY, WIDE_BYTES } from './rows.ts';

const move = forSizes(ALL_BYTES, (bytes) => {
  const n = bytes * 8;
  const codes = [
    `Mov_rm${n}_r${n}`,
    `Mov_r${n}_rm${n}`,
    `Mov_${ACCUMULATOR[bytes]}_moffs${n}`,
    `Mov_moffs${n}_${ACCUMULATOR[bytes]}`,
  ];
  codes.push(`Mov_r${n}_imm${n}`, `Mov_rm${n}_imm${immediateBits(bytes)}`);
  return {
    name: 'mov',
    codes,
    shapes: [
      ['register', 'register'],
      ['register', 'memory'],
      ['memory', 'register'],
      ['register', 'immediate'],
      ['memory', 'immediate'],
    ],
    sdm: 'Vol. 2B, "MOV—Move"',
    hot: 'always',
    meaning: (b, [target, source]) => b.write(target, b.read(source)),
  };
});

/** [iced name, target bytes, source bytes, sign] of the widening moves. */
const WIDENING: readonly (readonly [string, Bytes, Bytes, boolean])[] = [
  ['Movzx_r16_rm8', 2, 1, false],
  ['Movzx_r32_rm8', 4, 1, false],
  ['Movzx_r64_rm8', 8, 1, false],
  ['Movzx_r16_rm16', 2, 2, false],
  ['Movzx_r32_rm16', 4, 2, false],
  ['Movzx_r64_rm16', 8, 2, false],
  ['Movsx_r16_rm8', 2, 1, true],
  ['Movsx_r32_rm8', 4, 1, true],
  ['Movsx_r64_rm8', 8, 1, true],
  ['Movsx_r16_rm16', 2, 2, true],
  ['Movsx_r32_rm16', 4, 2, true],
  ['Movsx_r64_rm16', 8, 2, true],
  ['Movsxd_r16_rm16', 2, 2, true],
  ['Movsxd_r32_rm32', 4, 4, true],
  ['Movsxd_r64_rm32', 8, 4, true],
];

const widen: readonly EmittedRow[] = WIDENING.map(([code, bytes, sourceBytes, signed]) => ({
  name: `${signed ? 'movsx' : 'movzx'}${sourceBytes}`,
  codes: [code],
  bytes,
  operandBytes: [undefined, sourceBytes],
  shapes: [
    ['register', 'register'],
    ['register', 'memory'],
  ],
  sdm: signed ? 'Vol. 2B, "MOVSX/MOVSXD—Move With Sign-Extension"' : 'Vol. 2B, "MOVZX—Move With Zero-Extend"',
  hot: 'always',
  meaning(b, [target, source]) {
    const value = b.read(source);
    b.write(target, signed ? b.signExtend(value, sourceBytes) : value);
  },
}));

const lea = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'lea',
  codes: [`Lea_r${bytes * 8}_m`],
  shapes: [['register', 'memory']],
  sdm: 'Vol. 2A, "LEA—Load Effective Address"',
  hot: 'always',
  meaning: (b, [target]) => b.write(target, b.effectiveAddress()),
}));

const exchange = forSizes(ALL_BYTES, (bytes) => ({
  name: 'xchg',
  codes: [`Xchg_rm${bytes * 8}_r${bytes * 8}`, ...(bytes === 1 ? [] : [`Xchg_r${bytes * 8}_${ACCUMULATOR[bytes]}`])],
  shapes: [
    ['register', 'register'],
    ['memory', 'register'],
  ],
  sdm: 'Vol. 2D, "XCHG—Exchange Register/Memory With Register"',
  meaning(b, [target, source]) {
    const right = b.read(source);
    let left = right;
    b.modify(target, (old) => {
      left = old;
      return right;
    });
    b.write(source, left);
  },
}));

const byteSwap: readonly EmittedRow[] = forSizes([4, 8], (bytes) => ({
  name: 'bswap',
  codes: [`Bswap_r${bytes * 8}`],
  shapes: [['register']],
  sdm: 'Vol. 2A, "BSWAP—Byte Swap"',
  meaning: (b, [target]) =>
    b.modify(target, (old) => {
      let swapped = b.constant(0n);
      for (let i = 0; i < bytes; i++) {
        const byte = b.with('and', b.with('shr_u', old, BigInt(8 * i)), 0xffn);
        swapped = b.binary('or', swapped, b.with('shl', byte, BigInt(8 * (bytes - 1 - i))));
      }
      return swapped;
    }),
}));

const conditionalMove = CONDITIONS.flatMap((condition) =>
  forSizes(WIDE_BYTES, (bytes) => ({
    name: `cmov${condition}`,
    codes: [`Cmov${condition}_r${bytes * 8}_rm${bytes * 8}`],
    shapes: [
      ['register', 'register'],
      ['register', 'memory'],
    ],
    sdm: 'Vol. 2A, "CMOVcc—Conditional Move"',
    meaning(b, [target, source]) {
      // The source is read, and a 32-bit target's upper half cleared, whatever the condition.
      const value = b.read(source);
      b.write(target, b.select(b.condition(condition), value, b.read(target)));
    },
  })),
);

const setByCondition = CONDITIONS.flatMap((condition) =>
  forSizes([1], () => ({
    name: `set${condition}`,
    codes: [`Set${condition}_rm8`],
    shapes: REGISTER_OR_MEMORY,
    sdm: 'Vol. 2B, "SETcc—Set Byte on Condition"',
    meaning: (b, [target]) => b.write(target, b.asValue(b.condition(condition))),
  })),
);

/** CBW CWDE CDQE: the lower half of the accumulator sign-extended into the whole. */
const extendAccumulator = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'cbw',
  codes: [{ 2: 'Cbw', 4: 'Cwde', 8: 'Cdqe' }[bytes]],
  shapes: [[]],
  sdm: 'Vol. 2A, "CBW/CWDE/CDQE—Convert Byte to Word/Convert Word to Doubleword/Convert Doubleword to Quadword"',
  meaning: (b) => b.setRegister(RAX, bytes, b.signExtend(b.register(RAX, (bytes / 2) as Bytes), (bytes / 2) as Bytes)),
}));

/** CWD CDQ CQO: the sign of the accumulator copied into rDX. */
const extendIntoData = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'cwd',
  codes: [{ 2: 'Cwd', 4: 'Cdq', 8: 'Cqo' }[bytes]],
  shapes: [[]],
  sdm: 'Vol. 2A, "CWD/CDQ/CQO—Convert Word to Doubleword/Convert Doubleword to Quadword"',
  meaning: (b) => b.setRegister(RDX, bytes, b.with('shr_s', b.signExtend(b.register(RAX, bytes), bytes), 63n)),
}));

const flagSetters: readonly EmittedRow[] = [
  {
    name: 'clc',
    codes: ['Clc'],
    bytes: 1,
    shapes: [[]],
    sdm: 'Vol. 2A, "CLC—Clear Carry Flag"',
    meaning: (b) => setCarry(b, b.constant(0n)),
  },
  {
    name: 'stc',
    codes: ['Stc'],
    bytes: 1,
    shapes: [[]],
    sdm: 'Vol. 2B, "STC—Set Carry Flag"',
    meaning: (b) => setCarry(b, b.constant(1n)),
  },
  {
    name: 'cmc',
    codes: ['Cmc'],
    bytes: 1,
    shapes: [[]],
    sdm: 'Vol. 2A, "CMC—Complement Carry Flag"',
    meaning: (b) => setCarry(b, b.with('xor', b.with('shr_u', b.flagsAux(), 63n), 1n)),
  },
  {
    name: 'cld',
    codes: ['Cld'],
    bytes: 1,
    shapes: [[]],
    sdm: 'Vol. 2A, "CLD—Clear Direction Flag"',
    meaning: (b) => b.setDirection(false),
  },
  {
    name: 'std',
    codes: ['Std'],
    bytes: 1,
    shapes: [[]],
    sdm: 'Vol. 2B, "STD—Set Direction Flag"',
    meaning: (b) => b.setDirection(true),
  },
];

const nop: readonly EmittedRow[] = [
  {
    name: 'nop',
    codes: ['Nopw', 'Nopd', 'Nopq', 'Nop_rm16', 'Nop_rm32', 'Nop_rm64', 'Endbr64', 'Endbr32'],
    bytes: 4,
    shapes: [[], ['register'], ['memory']],
    sdm: 'Vol. 2B, "NOP—No Operation"',
    hot: 'always',
    meaning() {
      // A memory operand of NOP is not accessed.
    },
  },
];

export const DATA_ROWS: readonly EmittedRow[] = [
  ...move,
  ...widen,
  ...lea,
  ...exchange,
  ...byteSwap,
  ...conditionalMove,
  ...setByCondition,
  ...extendAccumulator,
  ...extendIntoData,
  ...flagSetters,
  ...nop,
];
