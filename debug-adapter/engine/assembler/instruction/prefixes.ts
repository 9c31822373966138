/** Prefixes written before a mnemonic, and those that iced's encoder does not write by itself. */
import { Register } from 'iced-x86';
import type { CodeBits } from '../../base/program.ts';
import type { Candidate } from './match.ts';

/** Prefixes in front of a mnemonic. */
export interface Prefixes {
  readonly lock: boolean;
  readonly rep: boolean;
  readonly repne: boolean;
  readonly wait: boolean;
  /** iced `Register`; 0 for none. */
  readonly segment: number;
  /** 16, 32, 64, or 0. */
  readonly operandSize: number;
  readonly addressSize: number;
}

/** A prefix iced has no field for here: WAIT, a segment without memory operand, a size the form does not have. */
export function extraPrefixes(prefixes: Prefixes, bits: CodeBits, candidate: Candidate): number[] {
  const out: number[] = [];
  if (prefixes.wait) out.push(0x9b);
  if (prefixes.segment !== 0 && !hasMemory(candidate)) out.push(SEGMENT_PREFIXES.get(prefixes.segment) ?? 0);
  if (
    prefixes.operandSize !== 0 &&
    prefixes.operandSize !== 64 &&
    candidate.form.operandSize !== prefixes.operandSize
  ) {
    if (prefixes.operandSize !== (bits === 16 ? 16 : 32)) out.push(0x66);
  }
  if (prefixes.operandSize === 64 && candidate.form.operandSize !== 64) out.push(0x48);
  if (
    prefixes.addressSize !== 0 &&
    prefixes.addressSize !== bits &&
    !(hasMemory(candidate) || candidate.form.addressSize !== 0)
  ) {
    out.push(0x67);
  }
  return out;
}

const SEGMENT_PREFIXES: ReadonlyMap<number, number> = new Map([
  [Register.ES, 0x26],
  [Register.CS, 0x2e],
  [Register.SS, 0x36],
  [Register.DS, 0x3e],
  [Register.FS, 0x64],
  [Register.GS, 0x65],
]);

/** Opcode of a segment override prefix, for a prefix on a line of its own. */
export function segmentPrefixByte(register: number): number {
  return SEGMENT_PREFIXES.get(register) ?? 0;
}

export function hasMemory({ form, operands }: Candidate): boolean {
  return (
    operands.some(({ kind }) => kind === 'memory') ||
    (operands.length === 0 && form.operands.some(({ kind }) => kind === 'string'))
  );
}
