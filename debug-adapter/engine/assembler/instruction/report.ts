/** What is said about an instruction that cannot be encoded, or loses bits. */
import { SCALAR } from '../evaluate.ts';
import type { Messages } from '../messages.ts';
import type { OperandValue } from './encode.ts';
import type { Candidate } from './match.ts';
import type { Operand } from './operands.ts';
import type { InstructionStatement } from './statement.ts';

export function reportFailure(
  statement: InstructionStatement,
  outOfRange: Operand | undefined,
  messages: Messages,
): void {
  if (outOfRange !== undefined) {
    const remedy =
      outOfRange.kind === 'value' && outOfRange.distance === 'short'
        ? 'leave out "short"'
        : 'put the target nearer, or jump over a near jump';
    messages.error(
      'short-jump-out-of-range',
      `the target of ${statement.mnemonic} is more than 127 bytes away; ${remedy}`,
      outOfRange.place,
    );
    return;
  }
  messages.error(
    'invalid-operands',
    `${statement.mnemonic} cannot be encoded with these operands in ${statement.bits}-bit code`,
    statement.place,
  );
}

export function warnOverflow(
  candidate: Candidate,
  values: readonly OperandValue[],
  statement: InstructionStatement,
  messages: Messages,
): void {
  candidate.operands.forEach((operand, index) => {
    const spec = candidate.form.operands[index];
    const { value } = values[index];
    if (operand.kind === 'memory') {
      if (
        operand.address.explicitRelative &&
        statement.bits === 64 &&
        value.section === SCALAR &&
        operand.address.base === 0 &&
        operand.address.index === 0
      ) {
        messages.warning(
          'absolute-address',
          'a number cannot be addressed relative to RIP; the address is absolute',
          operand.place,
        );
      }
      return;
    }
    if (operand.kind !== 'value' || value.section !== SCALAR) return;
    const limit =
      spec.kind === 'immediate' ? spec.bits : spec.kind === 'sign-extended' ? (spec.bits === 32 ? 32 : spec.to) : 0;
    if (limit === 0 || limit === 64) return;
    const low = -(1n << BigInt(limit - 1));
    const high = spec.kind === 'sign-extended' && spec.bits === 32 ? -low - 1n : (1n << BigInt(limit)) - 1n;
    if (value.number >= low && value.number <= high) return;
    messages.warning(
      'value-exceeds-bounds',
      `the value ${value.number} does not fit in ${limit} bits; its upper bits are lost`,
      operand.place,
    );
  });
}
