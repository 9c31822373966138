/** MOVS STOS LODS CMPS SCAS, plain and with REP: one iteration is one committed step. */
import { RAX, type Builder, type Bytes, type EmittedRow } from './builder.ts';
import { flagsOfDifference } from './flags.ts';
import { ACCUMULATOR, ALL_BYTES, forSizes } from './rows.ts';

const LETTER: { readonly [B in Bytes]: string } = { 1: 'b', 2: 'w', 4: 'd', 8: 'q' };

/** How the row repeats: not, while the count lasts, or also while ZF stays set / clear. */
export type Repeat = 'once' | 'rep' | 'repe' | 'repne';

interface StringInstruction {
  readonly name: string;
  readonly code: (bytes: Bytes) => string;
  readonly sdm: string;
  readonly step: (b: Builder, bytes: Bytes) => void;
  readonly compares: boolean;
}

const STRING_INSTRUCTIONS: readonly StringInstruction[] = [
  {
    name: 'movs',
    code: (bytes) => `Movs${LETTER[bytes]}_m${bytes * 8}_m${bytes * 8}`,
    sdm: 'Vol. 2B, "MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"',
    compares: false,
    step(b, bytes) {
      b.writeString(b.readString('source', bytes), bytes);
      b.advanceString('source', bytes);
      b.advanceString('destination', bytes);
    },
  },
  {
    name: 'stos',
    code: (bytes) => `Stos${LETTER[bytes]}_m${bytes * 8}_${ACCUMULATOR[bytes]}`,
    sdm: 'Vol. 2B, "STOS/STOSB/STOSW/STOSD/STOSQ—Store String"',
    compares: false,
    step(b, bytes) {
      b.writeString(b.register(RAX, bytes), bytes);
      b.advanceString('destination', bytes);
    },
  },
  {
    name: 'lods',
    code: (bytes) => `Lods${LETTER[bytes]}_${ACCUMULATOR[bytes]}_m${bytes * 8}`,
    sdm: 'Vol. 2A, "LODS/LODSB/LODSW/LODSD/LODSQ—Load String"',
    compares: false,
    step(b, bytes) {
      b.setRegister(RAX, bytes, b.readString('source', bytes));
      b.advanceString('source', bytes);
    },
  },
  {
    name: 'cmps',
    code: (bytes) => `Cmps${LETTER[bytes]}_m${bytes * 8}_m${bytes * 8}`,
    sdm: 'Vol. 2A, "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"',
    compares: true,
    step(b, bytes) {
      const left = b.readString('source', bytes);
      const right = b.readString('destination', bytes);
      flagsOfDifference(b, bytes, left, right, b.binary('sub', left, right));
      b.advanceString('source', bytes);
      b.advanceString('destination', bytes);
    },
  },
  {
    name: 'scas',
    code: (bytes) => `Scas${LETTER[bytes]}_${ACCUMULATOR[bytes]}_m${bytes * 8}`,
    sdm: 'Vol. 2B, "SCAS/SCASB/SCASW/SCASD—Scan String"',
    compares: true,
    step(b, bytes) {
      const left = b.register(RAX, bytes);
      const right = b.readString('destination', bytes);
      flagsOfDifference(b, bytes, left, right, b.binary('sub', left, right));
      b.advanceString('destination', bytes);
    },
  },
];

/** One iteration under a repeat prefix (SDM Vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"). */
function repeated({ step, compares }: StringInstruction, repeat: Repeat, bytes: Bytes): (b: Builder) => void {
  if (repeat === 'once') return (b) => step(b, bytes);
  return (b) => {
    b.if(b.isZero(b.count()), () => b.finish());
    step(b, bytes);
    b.setCount(b.with('sub', b.count(), 1n));
    const more = b.not(b.isZero(b.count()));
    if (!compares) return b.repeatIf(more);
    const wanted = b.condition(repeat === 'repne' ? 'ne' : 'e');
    b.repeatIf(b.isZero(b.asValue(b.or(b.not(more), b.not(wanted)))));
  };
}

/** Rows of one repeat kind; the decoder picks the table by the instruction's prefixes. REP on CMPS and SCAS is REPE. */
export const stringRows = (repeat: Repeat): readonly EmittedRow[] =>
  STRING_INSTRUCTIONS.flatMap((instruction) =>
    forSizes(ALL_BYTES, (bytes) => ({
      name: repeat === 'once' ? instruction.name : `${repeat}-${instruction.name}`,
      codes: [instruction.code(bytes)],
      shapes: [[]],
      sdm: instruction.sdm,
      meaning: repeated(instruction, repeat, bytes),
    })),
  );
