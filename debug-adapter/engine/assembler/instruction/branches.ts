/** Which form of a near branch fits. */
import type { Candidate } from './match.ts';
import type { OperandValue } from './encode.ts';
import type { Operand } from './operands.ts';
import { extraPrefixes } from './prefixes.ts';
import type { InstructionStatement } from './statement.ts';

/** Where the branch is. */
export interface BranchPlace {
  readonly address: bigint;
  readonly section: number;
  /** The short form is ruled out. */
  readonly nearBranch: boolean;
}

export function branchOf(candidate: Candidate): (Operand & { kind: 'value' }) | undefined {
  const at = candidate.form.operands.findIndex(({ kind }) => kind === 'branch');
  const operand = candidate.operands[at];
  return operand?.kind === 'value' ? operand : undefined;
}

/** Whether this branch form is the one to use: the mode's width, and short only where the target is near enough. */
export function branchFits(
  statement: InstructionStatement,
  candidate: Candidate,
  operand: Operand & { kind: 'value' },
  values: readonly OperandValue[],
  request: BranchPlace,
): 'yes' | 'no' | 'out-of-range' {
  const at = candidate.operands.indexOf(operand);
  const spec = candidate.form.operands[at];
  if (spec.kind !== 'branch' || spec.bytes !== 1) return 'yes';
  const { value } = values[at];
  const onlyShort = operand.distance === 'short' || !hasNearForm(statement);
  if (value.unknown) return request.nearBranch && !onlyShort ? 'no' : 'yes';
  if (!onlyShort) {
    // NASM never shortens a branch to a number or to another section.
    if (request.nearBranch || operand.strict || operand.bytes !== 0 || value.section !== request.section) return 'no';
  }
  const length = shortLength(statement, candidate);
  const distance = value.number - (request.address + BigInt(length));
  return distance >= -128n && distance <= 127n ? 'yes' : 'out-of-range';
}

function hasNearForm(statement: InstructionStatement): boolean {
  return statement.variants.some(({ candidates }) =>
    candidates.some(({ form }) => form.operands.some((spec) => spec.kind === 'branch' && spec.bytes !== 1)),
  );
}

/** Length of a short branch: two bytes and the prefixes it needs. */
function shortLength(statement: InstructionStatement, candidate: Candidate): number {
  const { form } = candidate;
  const { bits, prefixes } = statement;
  let length = 2 + extraPrefixes(prefixes, bits, candidate).length;
  if (prefixes.lock || prefixes.rep || prefixes.repne) length += 1;
  if (form.operandSize !== 0 && form.operandSize !== bits) length += 1;
  if (form.addressSize !== 0 && form.addressSize !== bits) length += 1;
  return length;
}
