/** The readings of an instruction's operands: as written, and what NASM also takes them for. */
import type { CodeBits } from '../../base/program.ts';
import { registerByName, registerOf } from '../../isa/registers.ts';
import type { Place } from '../messages.ts';
import type { Operand } from './operands.ts';

export const constantOperand = (value: bigint, place: Place): Operand => ({
  kind: 'value',
  value: { kind: 'number', value },
  distance: undefined,
  bytes: 0,
  strict: false,
  decorators: [],
  place,
});

const registerOperand = (name: string, place: Place): Operand => ({
  kind: 'register',
  info: registerByName(name)!,
  to: false,
  bytes: 0,
  strict: false,
  decorators: [],
  place,
});

export interface Shape {
  readonly operands: readonly Operand[];
  /** Stands only for values that need no more than 32 unsigned bits: MOV r64 as MOV r32. */
  readonly unsigned32: boolean;
}

const X87_POPPING = /^f(?:add|mul|sub|subr|div|divr)p$/;
const X87_ARITHMETIC = /^f(?:add|mul|sub|subr|div|divr)$/;
const X87_SECOND = /^f(?:xch|u?comi?p?)$/;

/** The operands as written and what NASM also takes them for. */
export function variantsOf(mnemonic: string, operands: readonly Operand[], bits: CodeBits, place: Place): Shape[] {
  const shape = (list: readonly Operand[], unsigned32 = false): Shape => ({ operands: list, unsigned32 });
  const [first, second, third] = operands;
  const out = [shape(operands)];
  if (mnemonic.startsWith('f')) return x87Variants(mnemonic, operands, place).map((list) => shape(list));
  if ((mnemonic === 'test' || mnemonic === 'xchg') && second !== undefined && second.kind !== 'value') {
    // Of two registers XCHG has the first in the reg field, TEST in r/m.
    if (mnemonic === 'xchg') out.unshift(shape([second, first]));
    else out.push(shape([second, first]));
  }
  if (mnemonic === 'imul' && second?.kind === 'value' && third === undefined) return [shape([first, first, second])];
  if ((mnemonic === 'aam' || mnemonic === 'aad') && first === undefined) return [shape([constantOperand(10n, place)])];
  if (
    mnemonic === 'mov' &&
    bits === 64 &&
    first?.kind === 'register' &&
    first.info.class === 'gpr64' &&
    second?.kind === 'value'
  ) {
    const info = registerOf('gpr32', first.info.number);
    if (info !== undefined && !second.strict && (second.bytes === 0 || second.bytes === 8))
      out.push(
        shape(
          [
            { ...first, info, bytes: 0 },
            { ...second, bytes: 0 },
          ],
          true,
        ),
      );
  }
  // `vaddps xmm1, xmm2` has the destination as first source.
  if (mnemonic.startsWith('v') && operands.length >= 2) out.push(shape([first, ...operands]));
  return out;
}

function x87Variants(mnemonic: string, operands: readonly Operand[], place: Place): readonly (readonly Operand[])[] {
  const st0 = registerOperand('st0', place);
  const st1 = registerOperand('st1', place);
  const [only, ...rest] = operands;
  if (only === undefined) {
    if (X87_POPPING.test(mnemonic)) return [[st1, st0]];
    if (X87_SECOND.test(mnemonic)) return [[], [st0, st1]];
    return [[]];
  }
  if (only.kind !== 'register' || rest.length > 0) return [operands];
  if (only.to || X87_POPPING.test(mnemonic)) return [[only, st0]];
  if (X87_ARITHMETIC.test(mnemonic)) return [[st0, only]];
  return [operands, [st0, only], [only, st0]];
}
