/** CLI, PUSHF and POPF outside virtual-8086 mode. */
import { AC, ARITHMETIC_FLAGS, DF, ID, IF, IOPL, IOPL_BIT, NT, RF, TF, VM } from '../../../cpu/flags.ts';
import type { Builder, EmittedRow, Value } from '../../builder.ts';
import { forSizes, WIDE_BYTES } from '../../rows.ts';
import { flagsWord, opensInterrupts, setFlagsWord, setSystemFlags, systemFlags } from './flags-word.ts';
import { cplOf, deferIf, isSet } from './machine-state.ts';

const LETTER = { 2: 'w', 4: 'd', 8: 'q' } as const;

const deferWith = (b: Builder, flags: Value, some: number): void =>
  deferIf(b, isSet(b, b.with('and', flags, BigInt(some))));
/** In real-address mode the CPL is 0. */
const mayChangeIf = (b: Builder) =>
  b.compare('le_u', cplOf(b), b.with('and', b.with('shr_u', systemFlags(b), BigInt(IOPL_BIT)), 3n));

const cli: EmittedRow = {
  name: 'cli',
  codes: ['Cli'],
  bytes: 1,
  shapes: [[]],
  sdm: 'Vol. 2A, "CLI—Clear Interrupt Flag"',
  meaning(b) {
    const flags = systemFlags(b);
    deferWith(b, flags, VM);
    deferIf(b, b.not(mayChangeIf(b)));
    setSystemFlags(b, b.with('and', flags, BigInt(~IF)));
  },
};

const pushFlags = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'pushf',
  codes: [`Pushf${LETTER[bytes]}`],
  shapes: [[]],
  sdm: 'Vol. 2B, "PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register onto the Stack"',
  meaning(b) {
    deferWith(b, systemFlags(b), VM);
    b.push(b.with('and', flagsWord(b), BigInt(~RF)), bytes);
  },
}));

/** What a trap, or another kind of access, may follow from is left to the TypeScript implementation. */
const popFlags = forSizes(WIDE_BYTES, (bytes) => ({
  name: 'popf',
  codes: [`Popf${LETTER[bytes]}`],
  shapes: [[]],
  sdm: 'Vol. 2B, "POPF/POPFD/POPFQ—Pop Stack into EFLAGS Register"',
  meaning(b) {
    const old = flagsWord(b);
    deferWith(b, old, VM | TF | RF);
    const wanted = b.peekStack(bytes);
    deferWith(b, wanted, TF);
    const wide = bytes === 2 ? 0 : AC | ID;
    const always = b.constant(BigInt(ARITHMETIC_FLAGS | DF | NT | wide));
    const withIf = b.select(mayChangeIf(b), b.constant(BigInt(IF)), b.constant(0n));
    const withIopl = b.select(b.isZero(cplOf(b)), b.constant(BigInt(IOPL)), b.constant(0n));
    const mask = b.binary('or', always, b.binary('or', withIf, withIopl));
    const flags = b.binary('or', b.binary('and', old, b.with('xor', mask, -1n)), b.binary('and', wanted, mask));
    deferWith(b, b.binary('xor', flags, old), AC);
    b.dropStack(b.constant(BigInt(bytes)), bytes);
    setFlagsWord(b, flags);
    b.if(opensInterrupts(b, old, flags), () => b.attend());
  },
}));

export const FLAG_ROWS: readonly EmittedRow[] = [cli, ...pushFlags, ...popFlags];
