/** A written instruction with the forms it may take. */
import type { CodeBits } from '../../base/program.ts';
import { bitsIndex } from '../../isa/bits.ts';
import { isLiteral } from '../expression.ts';
import type { Place } from '../messages.ts';
import { ALIASES } from './aliases.ts';
import { formsOf, type Form } from './forms.ts';
import { candidatesOf, type Candidate } from './match.ts';
import type { Operand } from './operands.ts';
import type { Prefixes } from './prefixes.ts';
import { constantOperand, variantsOf } from './variants.ts';

/** An instruction as written, with the forms it may take. */
export interface InstructionStatement {
  readonly mnemonic: string;
  readonly bits: CodeBits;
  readonly prefixes: Prefixes;
  readonly place: Place;
  readonly variants: readonly Variant[];
  readonly decorators: readonly string[];
  /** No operand mentions a symbol or `$`. */
  readonly literal: boolean;
}

/** One reading of the operands. */
export interface Variant {
  readonly operands: readonly Operand[];
  readonly candidates: readonly Candidate[];
  /** Stands only for values that need no more than 32 unsigned bits: MOV r64 as MOV r32. */
  readonly unsigned32: boolean;
}

/** Why an instruction has no forms. */
export type NoForms = { readonly reason: 'operands' | 'mode' | 'size'; readonly accepted: readonly string[] };

/** Finds the forms of an instruction; a reason when there are none. */
export function prepareInstruction(
  mnemonic: string,
  written: readonly Operand[],
  bits: CodeBits,
  prefixes: Prefixes,
  place: Place,
): InstructionStatement | NoForms {
  const alias = ALIASES.get(mnemonic);
  const iced = alias?.mnemonics[bitsIndex(bits)] ?? mnemonic;
  const all = formsOf(iced);
  const forms =
    alias === undefined || alias.operandSize === 0
      ? all
      : all.filter(({ operandSize }) => operandSize === alias.operandSize);
  const decorators = written.flatMap((operand) => operand.decorators);
  const given = written.filter(({ kind }) => kind !== 'decorator');
  const operands = alias?.immediate === undefined ? given : [...given, constantOperand(BigInt(alias.immediate), place)];
  const sizes = { operand: alias?.operandSize ?? 0, address: prefixes.addressSize };
  const variants: Variant[] = [];
  let ambiguous = false;
  for (const variant of variantsOf(iced, operands, bits, place)) {
    const found = candidatesOf(forms, variant.operands, bits, {
      ...sizes,
      operand: prefixes.operandSize || sizes.operand,
    });
    ambiguous ||= found.ambiguous;
    if (found.list.length > 0) variants.push({ ...variant, candidates: found.list });
  }
  if (ambiguous) return { reason: 'size', accepted: [] };
  if (variants.length > 0)
    return { mnemonic, bits, prefixes, place, variants, decorators, literal: operands.every(isLiteralOperand) };
  const inMode = forms.filter(({ modes }) => modes[bitsIndex(bits)]);
  return {
    reason: inMode.length === 0 ? 'mode' : 'operands',
    accepted: acceptedForms(inMode.length === 0 ? forms : inMode),
  };
}

function isLiteralOperand(operand: Operand): boolean {
  if (operand.kind === 'value') return isLiteral(operand.value);
  if (operand.kind === 'far') return isLiteral(operand.offset) && isLiteral(operand.selector);
  return (
    operand.kind !== 'memory' || operand.address.displacement === undefined || isLiteral(operand.address.displacement)
  );
}

function acceptedForms(forms: readonly Form[]): readonly string[] {
  return [...new Set(forms.map(({ notation }) => notation))];
}
