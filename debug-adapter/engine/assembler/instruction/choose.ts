/** From a written instruction to bytes: NASM's choice among the forms that fit. */
import type { CodeBits } from '../../base/program.ts';
import { evaluate, scalar, SCALAR, type Scope, type Value } from '../evaluate.ts';
import type { Expression } from '../expression.ts';
import { branchFits, branchOf } from './branches.ts';
import { encodeCandidate, isIpRelative, type EncodeOptions, type OperandValue } from './encode.ts';
import type { Candidate } from './match.ts';
import type { Operand } from './operands.ts';
import { extraPrefixes, hasMemory, type Prefixes } from './prefixes.ts';
import { reportFailure, warnOverflow } from './report.ts';
import type { InstructionStatement, Variant } from './statement.ts';

/** Result of encoding in one pass. */
export interface Encoded {
  readonly bytes: Uint8Array;
  /** The bytes are the same in every pass and at every address. */
  readonly constant: boolean;
  /** A near branch did not fit its short form: it must not become short again. */
  readonly nearBranch: boolean;
  /** What the bytes were made from: as long as it is the same, so are the bytes. */
  readonly inputs: Inputs;
}

interface Inputs {
  readonly values: readonly OperandValue[];
  readonly nearBranch: boolean;
  /** Undefined where the address does not matter. */
  readonly address: bigint | undefined;
}

export interface EncodeRequest {
  readonly scope: Scope;
  readonly address: bigint;
  /** Section the instruction is in. */
  readonly section: number;
  /** An earlier pass needed the near form of a branch. */
  readonly nearBranch: boolean;
  /** Report values that do not fit. */
  readonly final: boolean;
  /** Result of the pass before. */
  readonly previous: Encoded | undefined;
}

/** Bytes of the instruction; undefined after reporting why there are none. */
export function encodeInstruction(statement: InstructionStatement, request: EncodeRequest): Encoded | undefined {
  const { bits, prefixes, decorators } = statement;
  const firstValues = statement.variants[0].operands.map((operand) => operandValue(operand, request.scope));
  const { previous } = request;
  if (previous !== undefined && !request.final && isUnchanged(previous.inputs, firstValues, request)) return previous;
  const options: EncodeOptions = {
    bits,
    address: request.address,
    lock: prefixes.lock,
    rep: prefixes.rep,
    repne: prefixes.repne,
    segment: 0,
    addressSize: prefixes.addressSize,
  };
  let best: Choice | undefined;
  let outOfRange: Operand | undefined;
  let nearBranch = request.nearBranch;
  for (const variant of statement.variants) {
    const values =
      variant === statement.variants[0]
        ? firstValues
        : variant.operands.map((operand) => operandValue(operand, request.scope));
    if (variant.unsigned32 && !isUnsigned32(values[1].value)) continue;
    for (const candidate of variant.candidates) {
      const branch = branchOf(candidate);
      const fit = branch === undefined ? 'yes' : branchFits(statement, candidate, branch, values, request);
      if (fit === 'out-of-range') {
        nearBranch = true;
        outOfRange = branch;
      }
      if (fit !== 'yes' || wideImmediate(candidate, values, variant)) continue;
      const extra = extraPrefixes(prefixes, bits, candidate);
      const encoded = encodeCandidate(candidate, values, optionsFor(options, candidate, prefixes, extra), decorators);
      if (encoded === undefined) continue;
      const bytes = extra.length === 0 ? encoded : Uint8Array.from([...extra, ...encoded]);
      if (best === undefined || isBetter(bytes, candidate, best)) best = { bytes, candidate, values };
    }
  }
  if (best === undefined) {
    if (request.final) reportFailure(statement, outOfRange, request.scope.messages);
    return undefined;
  }
  if (request.final) warnOverflow(best.candidate, best.values, statement, request.scope.messages);
  const positional = isPositional(best.candidate, best.values, bits);
  return {
    bytes: best.bytes,
    constant: statement.literal && !positional,
    nearBranch,
    inputs: {
      values: firstValues,
      nearBranch: request.nearBranch,
      address: positional ? request.address : undefined,
    },
  };
}

function isUnchanged(inputs: Inputs, values: readonly OperandValue[], request: EncodeRequest): boolean {
  if (inputs.nearBranch !== request.nearBranch) return false;
  if (inputs.address !== undefined && inputs.address !== request.address) return false;
  return values.every(({ value, selector }, index) => {
    const before = inputs.values[index];
    return isSameValue(value, before.value) && (selector === undefined || isSameValue(selector, before.selector));
  });
}

function isSameValue(left: Value, right: Value | undefined): boolean {
  return left.number === right?.number && left.section === right.section && left.unknown === right.unknown;
}

interface Choice {
  readonly bytes: Uint8Array;
  readonly candidate: Candidate;
  readonly values: readonly OperandValue[];
}

function isUnsigned32(value: Value): boolean {
  return value.section === SCALAR && !value.unknown && value.number >= 0n && value.number <= 0xffff_ffffn;
}

const ABSENT: OperandValue = { value: scalar(0n), selector: undefined };

function operandValue(operand: Operand, scope: Scope): OperandValue {
  const of = (expression: Expression | undefined) =>
    expression === undefined ? scalar(0n) : evaluate(expression, scope);
  switch (operand.kind) {
    case 'register':
    case 'decorator':
      return ABSENT;
    case 'memory':
      return { value: of(operand.address.displacement), selector: undefined };
    case 'value':
      return { value: of(operand.value), selector: undefined };
    case 'far':
      return { value: of(operand.offset), selector: of(operand.selector) };
  }
}

/** MOV r64, imm32 sign-extends: not for larger numbers or labels, for which there is a 64-bit form. */
function wideImmediate(candidate: Candidate, values: readonly OperandValue[], variant: Variant): boolean {
  const at = candidate.form.operands.findIndex((spec) => spec.kind === 'sign-extended' && spec.bits === 32);
  const operand = candidate.operands[at];
  if (at < 0 || operand?.kind !== 'value' || operand.bytes === 4) return false;
  const hasWide = variant.candidates.some(({ form }) =>
    form.operands.some((spec) => spec.kind === 'immediate' && spec.bits === 64),
  );
  const { value } = values[at];
  return (
    hasWide &&
    (value.section !== SCALAR || value.unknown || operand.strict || BigInt.asIntN(32, value.number) !== value.number)
  );
}

function optionsFor(
  options: EncodeOptions,
  candidate: Candidate,
  prefixes: Prefixes,
  extra: readonly number[],
): EncodeOptions {
  const segment = hasMemory(candidate) ? prefixes.segment : 0;
  if (segment === 0 && extra.length === 0) return options;
  return { ...options, segment, address: options.address + BigInt(extra.length) };
}

/**
 * Shorter wins; of equal length a sign-extended byte, then a form without REX.W; else the one first in the opcode table.
 * Vector forms go by kind, not length: VEX before EVEX, without W before with W.
 */
function isBetter(bytes: Uint8Array, candidate: Candidate, best: Choice): boolean {
  const narrower = candidate.form.operandSize === 0 && best.candidate.form.operandSize === 64;
  if (!candidate.form.legacy && !best.candidate.form.legacy) {
    const vex = isVex(candidate);
    return vex === isVex(best.candidate) ? narrower : vex;
  }
  if (bytes.length !== best.bytes.length) return bytes.length < best.bytes.length;
  if (hasByteImmediate(candidate) !== hasByteImmediate(best.candidate)) return hasByteImmediate(candidate);
  // MOVQ mm, m64 has an opcode of its own besides MOVD's with REX.W.
  return narrower;
}

const isVex = ({ form }: Candidate) => form.name.startsWith('VEX_');

const hasByteImmediate = ({ form }: Candidate) =>
  form.operands.some((spec) => spec.kind === 'sign-extended' && spec.bits === 8);

function isPositional({ form, operands }: Candidate, values: readonly OperandValue[], bits: CodeBits): boolean {
  if (form.operands.some(({ kind }) => kind === 'branch')) return true;
  return operands.some(
    (operand, index) => operand.kind === 'memory' && isIpRelative(operand.address, values[index].value, bits),
  );
}
