/**
 * Where the host processor rightly differs from our machine: flags and results that the SDM leaves undefined, values and orders
 * that it leaves to the maker, and what AMD's processors do otherwise. What no row excuses must be the same.
 */
import { OpKind } from 'iced-x86';
import { codeName, mnemonicOf } from '../../../debug-adapter/engine/isa/codes.ts';
import { resultUndefined, undefinedFlags } from '../../instructions/undefined-flags.ts';
import { differingParts } from './compare.ts';
import type { Encoding } from './encodings.ts';
import { PUSHES_SEGMENT } from './states.ts';
import { areNeighbours, isOutOfDomain, TRANSCENDENTAL } from './x87-excuses.ts';
import { CASE, CASE_BYTES, DEBUG_TRAP, type Cases } from './record.ts';

/** One case that differs. */
export interface Differing {
  readonly encoding: Encoding;
  readonly name: string;
  readonly mnemonic: string;
  readonly before: Cases;
  readonly ours: Cases;
  readonly hosts: Cases;
  readonly index: number;
  /** Parts that differ. */
  readonly parts: readonly string[];
}

interface Excuse {
  readonly why: string;
  readonly holds: (one: Differing) => boolean;
}

const [SS_FAULT, GP, PF, MF, XM] = [12, 13, 14, 16, 19] as const;
const UD = 6;
/** W/R of a page fault's error code. */
const WRITE_ACCESS = 2;
const C1 = 0x200;
const CONDITIONS = 0x4700;
const INVALID = 1;
/** PE. */
const PRECISION = 0x20;
const UNDERFLOW = 0x10;
const SUMMARY = 0x8080;

const onlyIn = ({ parts }: Differing, allowed: RegExp): boolean => parts.every((part) => allowed.test(part));
const statusOf = (cases: Cases, index: number): number => cases.view.getUint16(index * CASE_BYTES + CASE.status, true);
const controlOf = ({ before, index }: Differing): number =>
  before.view.getUint16(index * CASE_BYTES + CASE.control, true);
const statusDifference = ({ ours, hosts, index }: Differing): number => statusOf(ours, index) ^ statusOf(hosts, index);
const vectors = ({ ours, hosts, index }: Differing): readonly [number, number] => [
  ours.word(index, CASE.trap),
  hosts.word(index, CASE.trap),
];
const rcx = ({ before, index }: Differing): bigint => before.quad(index, CASE.gpr + 8);
const prefixes = ({ encoding: { bytes } }: Differing): readonly number[] => {
  const end = bytes.findIndex(
    (byte) => ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(byte),
  );
  return [...bytes.subarray(0, end)];
};
const X87_STACK = /^(x87 status|x87 tags|st\d)$/;

export const HOST_EXCUSES: readonly Excuse[] = [
  {
    why: 'Flags that the SDM leaves undefined (Vol. 2, "Flags Affected" of each instruction).',
    holds: (one) =>
      onlyIn(one, /^flags$/) &&
      ((one.ours.word(one.index, CASE.flags) ^ one.hosts.word(one.index, CASE.flags)) &
        ~undefinedFlags(one.encoding.d, rcx(one))) ===
        0,
  },
  {
    why: 'SHLD and SHRD of 16 bits by more than 16 leave an undefined result and undefined flags (SDM Vol. 2B, "SHLD—Double Precision Shift Left").',
    holds: (one) => onlyIn(one, /^(flags|r\w+|memory|stack)$/) && resultUndefined(one.encoding.d, rcx(one)),
  },
  {
    why: 'The value of an approximation within its error bound of 1.5 * 2^-12 is the maker\'s choice (SDM Vol. 2B, "RCPPS", "RSQRTPS").',
    holds: (one) => /^v?r(sqrt|cp)[ps]s$/.test(one.mnemonic) && onlyIn(one, /^ymm/) && areWithinBound(one),
  },
  {
    why: 'x87 comparisons that are invalid with that exception unmasked leave the condition codes as they were (SDM Vol. 2A, "FCOM"); AMD\'s processors set them. C1 they leave alone, where the SDM has it cleared.',
    holds: (one) => {
      if (!/^f(u?comi?p?p?|icomp?|tst)$/.test(one.mnemonic) || !onlyIn(one, /^(x87 status|flags)$/)) return false;
      const invalid = (statusOf(one.hosts, one.index) & ~controlOf(one) & INVALID) !== 0;
      const others = statusDifference(one) & ~(invalid ? CONDITIONS : C1);
      return others === 0 && (invalid || !one.parts.includes('flags'));
    },
  },
  {
    why: 'Transcendental results are right to an ulp, not to the last bit, and C1 tells which way that bit went (SDM Vol. 1, "Transcendental Instruction Accuracy" 8.3.10); whether a result is inexact at all follows from it.',
    holds: (one) =>
      TRANSCENDENTAL.test(one.mnemonic) &&
      onlyIn(one, /^(x87 status|st\d)$/) &&
      (statusDifference(one) & ~(C1 | PRECISION | UNDERFLOW | SUMMARY)) === 0 &&
      areNeighbours(one),
  },
  {
    why: 'F2XM1 and FYL2XP1 outside of their domains leave undefined results (SDM Vol. 2A, "F2XM1", "FYL2XP1").',
    holds: (one) => onlyIn(one, X87_STACK) && isOutOfDomain(one),
  },
  {
    why: "Opcode 0Fh 0Dh with a register is a reserved NOP (SDM Vol. 2D, opcode map A-3); AMD's processors raise #UD.",
    holds: (one) => /^Reservednop_/.test(one.name) && vectors(one)[0] === DEBUG_TRAP && vectors(one)[1] === UD,
  },
  {
    why: 'Near branches with an operand-size prefix in 64-bit code ignore it (SDM Vol. 1, "Near Branches in 64-Bit Mode" 6.3.7); AMD\'s processors take 16 bits.',
    holds: (one) => one.encoding.bits === 64 && prefixes(one).includes(0x66) && /^(j|loop|call|ret)/.test(one.mnemonic),
  },
  {
    why: 'Repeat prefixes with LOOPcc are reserved (SDM Vol. 2A, "Instruction Prefixes" 2.1.1); some processors take F2h for LOOPNE and F3h for LOOPE.',
    holds: (one) => /^loop/.test(one.mnemonic) && prefixes(one).some((byte) => byte === 0xf2 || byte === 0xf3),
  },
  {
    why: 'SHA instructions want their memory operand aligned to 16 bytes (SDM Vol. 2A, "Exceptions Type 4" 2.4.4); AMD\'s processors do not.',
    holds: (one) => /^sha/.test(one.mnemonic) && vectors(one)[0] === GP && vectors(one)[1] !== GP,
  },
  {
    why: 'CMPS reads two operands: where both fault, the SDM does not say which is reported (Vol. 2A, "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ").',
    holds: (one) =>
      /^cmps[bwdq]$/.test(one.mnemonic) &&
      onlyIn(one, /^(fault|fault address|error code)$/) &&
      vectors(one).every((vector) => vector >= SS_FAULT && vector <= PF),
  },
  {
    why: 'PUSH of a segment register with 32 or 64 bits may write 16 and leave the rest (SDM Vol. 2B, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack").',
    holds: (one) => PUSHES_SEGMENT.test(one.name) && onlyIn(one, /^stack$/),
  },
  {
    why: 'Which byte of MASKMOVQ and MASKMOVDQU a page fault names, whether MMX state has been entered by then, and whether an empty mask faults is the maker\'s choice (SDM Vol. 2B, "MASKMOVQ", "MASKMOVDQU").',
    holds: (one) => {
      if (!/^v?maskmov(q|dqu)$/.test(one.mnemonic)) return false;
      const [ours, hosts] = vectors(one);
      if (hosts === DEBUG_TRAP) return false;
      return ours === DEBUG_TRAP || (ours === hosts && onlyIn(one, /^(fault address|x87 status|x87 tags|st\d)$/));
    },
  },
  {
    why: 'CVTPI2PS changes to MMX state, and takes pending x87 exceptions, with a memory operand too (SDM Vol. 2A, "CVTPI2PS"); AMD\'s processors do with a register only.',
    holds: (one) =>
      one.mnemonic === 'cvtpi2ps' &&
      one.encoding.d.op1Kind === OpKind.Memory &&
      (onlyIn(one, X87_STACK) || (vectors(one)[0] === MF && vectors(one)[1] !== MF)),
  },
  {
    why: 'A conversion with an MMX register that raises #XM has not changed to MMX state, since faults restore the state (SDM Vol. 3A, "Program or Task Restart" 6.6); AMD\'s processors have.',
    holds: (one) => /^cvt.*pi/.test(one.mnemonic) && vectors(one).every((v) => v === XM) && onlyIn(one, X87_STACK),
  },
  {
    why: 'Where an operand is both beyond its segment and not aligned, the SDM does not say which is reported, #SS or #GP (Vol. 3A, "Priority Among Concurrent Events" 6.9).',
    holds: (one) =>
      one.encoding.bits !== 64 &&
      onlyIn(one, /^fault$/) &&
      vectors(one)[0] === SS_FAULT &&
      vectors(one)[1] === GP &&
      /xmm|m128|m256/.test(one.name),
  },
  {
    why: 'MXCSR bit 17 exists on processors of AMD and is reserved on those of Intel: LDMXCSR of it is #GP (SDM Vol. 1, "MXCSR Control and Status Register" 10.2.3).',
    holds: (one) =>
      /^v?ldmxcsr$/.test(one.mnemonic) &&
      vectors(one)[0] === GP &&
      (one.hosts.word(one.index, CASE.mxcsr) & 0x2_0000) !== 0,
  },
  {
    why: 'An operand of 10 bytes, or of two parts, that runs out of its segment on a page that is absent: the SDM does not order the two faults (Vol. 3A, "Priority Among Concurrent Events" 6.9), and a processor that accesses it in parts reports that of the first part.',
    holds: (one) =>
      one.encoding.bits !== 64 &&
      /^(Fld_m80fp|Fbld|Fstp_m80fp|Fbstp|Bound)/.test(one.name) &&
      onlyIn(one, /^(fault|error code|fault address)$/) &&
      vectors(one)[0] !== PF &&
      vectors(one)[1] === PF,
  },
  {
    why: 'ARPL checks its destination for writing, whether it is going to write or not, as other instructions that modify memory do (SDM Vol. 3A, "Page-Fault Exceptions" 4.7), and as Bochs has it; AMD\'s processors read first.',
    holds: (one) =>
      one.mnemonic === 'arpl' && vectors(one)[0] === PF && (one.ours.word(one.index, CASE.error) & WRITE_ACCESS) !== 0,
  },
  {
    why: 'A 32-bit CMPXCHG that fails writes its register operand back, clearing the upper half (SDM Vol. 2A, "CMPXCHG"); AMD\'s processors do not.',
    holds: (one) =>
      one.name === 'Cmpxchg_rm32_r32' && one.encoding.d.op0Kind === OpKind.Register && onlyIn(one, /^r\w+$/),
  },
];

/** Lanes of the vector registers that differ are near enough to each other. */
function areWithinBound({ ours, hosts, index, parts }: Differing): boolean {
  const BOUND = 2 * 1.5 * 2 ** -12;
  const SMALLEST_NORMAL = 2 ** -126;
  return parts.every((part) => {
    const at = CASE.ymm + 32 * Number(part.slice(3));
    for (let lane = 0; lane < 32; lane += 4) {
      const a = ours.view.getFloat32(index * CASE_BYTES + at + lane, true);
      const b = hosts.view.getFloat32(index * CASE_BYTES + at + lane, true);
      const large = Math.max(Math.abs(a), Math.abs(b));
      const same = Object.is(a, b) || Math.abs(a - b) <= BOUND * large;
      if (!same && large > SMALLEST_NORMAL * (1 + BOUND)) return false;
    }
    return true;
  });
}

/** The reason that excuses a difference, or undefined. */
export function excuseFor(
  encoding: Encoding,
  before: Cases,
  ours: Cases,
  hosts: Cases,
  index: number,
): string | undefined {
  const one: Differing = {
    encoding,
    name: codeName(encoding.code),
    mnemonic: mnemonicOf(encoding.code),
    before,
    ours,
    hosts,
    index,
    parts: differingParts(ours, hosts, index),
  };
  return HOST_EXCUSES.find(({ holds }) => holds(one))?.why;
}
