/** Near JMP CALL RET, Jcc, LOOPcc, JrCXZ. */
import { CONDITIONS, type EmittedRow } from './builder.ts';
import { forSizes, REGISTER_OR_MEMORY, WIDE_BYTES } from './rows.ts';

const jumpIf = CONDITIONS.map((condition): EmittedRow => {
  const name = condition[0].toUpperCase() + condition.slice(1);
  const iced = `J${name.toLowerCase()}`;
  return {
    name: `j${condition}`,
    codes: ['rel8_16', 'rel8_32', 'rel8_64', 'rel16', 'rel32_32', 'rel32_64'].map((form) => `${iced}_${form}`),
    bytes: 8,
    shapes: [[]],
    sdm: 'Vol. 2A, "Jcc—Jump if Condition Is Met"',
    hot: 'always',
    meaning: (b) => b.branchIf(b.condition(condition)),
  };
});

const jump: EmittedRow = {
  name: 'jmp',
  codes: ['Jmp_rel8_16', 'Jmp_rel8_32', 'Jmp_rel8_64', 'Jmp_rel16', 'Jmp_rel32_32', 'Jmp_rel32_64'],
  bytes: 8,
  shapes: [[]],
  sdm: 'Vol. 2A, "JMP—Jump"',
  hot: 'always',
  meaning: (b) => b.branch(),
};

const jumpIndirect = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'jmp',
  codes: [`Jmp_rm${bytes * 8}`],
  shapes: REGISTER_OR_MEMORY,
  sdm: 'Vol. 2A, "JMP—Jump"',
  hot: 'always',
  meaning(b, [target]) {
    const rip = b.read(target);
    b.checkTarget(rip, bytes);
    b.jump(rip);
  },
}));

const call = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'callrel',
  codes: [{ 2: 'Call_rel16', 4: 'Call_rel32_32', 8: 'Call_rel32_64' }[bytes]],
  shapes: [[]],
  sdm: 'Vol. 2A, "CALL—Call Procedure"',
  hot: 'always',
  meaning(b) {
    b.checkBranch(bytes);
    b.push(b.nextRip(bytes), bytes);
    b.branch();
  },
}));

const callIndirect = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'call',
  codes: [`Call_rm${bytes * 8}`],
  shapes: REGISTER_OR_MEMORY,
  sdm: 'Vol. 2A, "CALL—Call Procedure"',
  hot: 'always',
  meaning(b, [target]) {
    const rip = b.read(target);
    b.checkTarget(rip, bytes);
    b.push(b.nextRip(bytes), bytes);
    b.jump(rip);
  },
}));

const ret = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'ret',
  codes: [`Retn${{ 2: 'w', 4: 'd', 8: 'q' }[bytes]}`, `Retn${{ 2: 'w', 4: 'd', 8: 'q' }[bytes]}_imm16`],
  shapes: [[], ['immediate']],
  sdm: 'Vol. 2B, "RET—Return From Procedure"',
  hot: 'always',
  meaning(b, operands) {
    const rip = b.peekStack(bytes);
    b.checkTarget(rip, bytes);
    const extra = operands.length > 0 ? b.immediate() : b.constant(0n);
    b.dropStack(b.with('add', extra, BigInt(bytes)), bytes);
    b.jump(rip);
  },
}));

/** Code sizes and the counters they allow. */
const LOOP_FORMS = ['16_CX', '32_CX', '16_ECX', '32_ECX', '64_ECX', '16_RCX', '64_RCX'] as const;

/** LOOP, LOOPE and LOOPNE; the counter's size is the address size, which the record knows. */
const loops = (['Loop', 'Loope', 'Loopne'] as const).map((iced): EmittedRow => {
  return {
    name: iced.toLowerCase(),
    codes: LOOP_FORMS.map((form) => `${iced}_rel8_${form}`),
    bytes: 8,
    shapes: [[]],
    sdm: 'Vol. 2A, "LOOP/LOOPcc—Loop According to ECX Counter"',
    meaning(b) {
      const count = b.count();
      const ends = b.compare('eq', count, b.constant(1n));
      const leaves = iced === 'Loop' ? ends : b.or(ends, b.condition(iced === 'Loope' ? 'ne' : 'e'));
      const goesOn = b.not(leaves);
      // Of any mode: no size that would tell 64-bit code.
      b.if(goesOn, () => b.checkBranch(4));
      b.setCount(b.with('sub', count, 1n));
      b.branchIf(goesOn);
    },
  };
});

const jumpIfCountZero: EmittedRow = {
  name: 'jcxz',
  codes: [
    'Jcxz_rel8_16',
    'Jcxz_rel8_32',
    'Jecxz_rel8_16',
    'Jecxz_rel8_32',
    'Jecxz_rel8_64',
    'Jrcxz_rel8_16',
    'Jrcxz_rel8_64',
  ],
  bytes: 8,
  shapes: [[]],
  sdm: 'Vol. 2A, "Jcc—Jump if Condition Is Met"',
  meaning: (b) => b.branchIf(b.isZero(b.count())),
};

export const CONTROL_ROWS: readonly EmittedRow[] = [
  ...jumpIf,
  jump,
  ...jumpIndirect,
  ...call,
  ...callIndirect,
  ...ret,
  ...loops,
  jumpIfCountZero,
];
