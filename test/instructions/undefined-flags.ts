/**
 * Flags (and results) that the SDM leaves undefined, so that one processor's answer is nobody's obligation. Everything not
 * listed here is compared.
 */
import { AF, ARITHMETIC_FLAGS, CF, OF, PF, SF, ZF } from '../../debug-adapter/engine/cpu/flags.ts';
import { mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import type { DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import { Code, OpKind } from 'iced-x86';
import { operandBits } from './operand-bits.ts';

/** SDM Vol. 2, "Flags Affected" of each instruction; shifts and rotates depend on the count and are below. */
const ALWAYS_UNDEFINED: Readonly<Record<string, number>> = {
  and: AF,
  or: AF,
  xor: AF,
  test: AF,
  mul: SF | ZF | AF | PF,
  imul: SF | ZF | AF | PF,
  div: ARITHMETIC_FLAGS,
  idiv: ARITHMETIC_FLAGS,
  bt: OF | SF | AF | PF,
  bts: OF | SF | AF | PF,
  btr: OF | SF | AF | PF,
  btc: OF | SF | AF | PF,
  bsf: CF | OF | SF | AF | PF,
  bsr: CF | OF | SF | AF | PF,
  andn: AF | PF,
  bextr: SF | AF | PF,
  blsi: AF | PF,
  blsmsk: AF | PF,
  blsr: AF | PF,
  bzhi: AF | PF,
  lzcnt: OF | SF | AF | PF,
  tzcnt: OF | SF | AF | PF,
  daa: OF,
  das: OF,
  aaa: OF | SF | ZF | PF,
  aas: OF | SF | ZF | PF,
  aam: OF | AF | CF,
  aad: OF | AF | CF,
};

/** Shift count as the processor takes it; undefined where the instruction is no shift. */
function countOf(d: DecodedInstruction, rcx: bigint): number | undefined {
  const mnemonic = mnemonicOf(d.code);
  if (!/^(sh[lr]d?|sal|sar|ro[lr]|rc[lr])$/.test(mnemonic)) return undefined;
  const last = [d.op0Kind, d.op1Kind, d.op2Kind][d.opCount - 1];
  const raw = last === OpKind.Register ? Number(rcx & 0xffn) : d.immediateLo & 0xff;
  return raw & (operandBits(d) === 64 ? 63 : 31);
}

/** Flags not to be compared after this instruction. */
export function undefinedFlags(d: DecodedInstruction, rcx: bigint): number {
  if (d.code === Code.INVALID) return 0;
  const mnemonic = mnemonicOf(d.code);
  const count = countOf(d, rcx);
  if (count === undefined) return ALWAYS_UNDEFINED[mnemonic] ?? 0;
  if (count === 0) return 0;
  const overflow = count === 1 ? 0 : OF;
  if (/^(ro|rc)/.test(mnemonic)) return overflow;
  // SHL and SHR lose CF where the count reaches the size; SHLD and SHRD lose all where it exceeds it.
  if (mnemonic.endsWith('d')) return AF | overflow | (count > operandBits(d) ? ARITHMETIC_FLAGS : 0);
  return AF | overflow | (mnemonic !== 'sar' && count >= operandBits(d) ? CF : 0);
}

/** SHLD and SHRD of 16 bits by more than 16: the whole result is undefined. */
export function resultUndefined(d: DecodedInstruction, rcx: bigint): boolean {
  return d.code !== Code.INVALID && /^sh[lr]d$/.test(mnemonicOf(d.code)) && countOf(d, rcx)! > operandBits(d);
}
