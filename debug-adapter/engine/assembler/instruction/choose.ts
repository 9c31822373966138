/** From a written instruction to bytes: NASM's choice among the forms that fit. */
import { Register } from 'iced-x86';
import type { CodeBits } from '../../base/program.ts';
import { bitsIndex } from '../../isa/bits.ts';
import { registerByName, registerOf } from '../../isa/registers.ts';
import { evaluate, scalar, SCALAR, type Scope, type Value } from '../evaluate.ts';
import { isLiteral, type Expression } from '../expression.ts';
import type { Place } from '../messages.ts';
import { ALIASES } from './aliases.ts';
import { encodeCandidate, isIpRelative, type EncodeOptions, type OperandValue } from './encode.ts';
import { formsOf, type Form } from './forms.ts';
import { candidatesOf, type Candidate } from './match.ts';
import type { Operand } from './operands.ts';

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

interface Variant {
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

const constantOperand = (value: bigint, place: Place): Operand => ({
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

type Shape = Pick<Variant, 'operands' | 'unsigned32'>;
const X87_POPPING = /^f(?:add|mul|sub|subr|div|divr)p$/;
const X87_ARITHMETIC = /^f(?:add|mul|sub|subr|div|divr)$/;
const X87_SECOND = /^f(?:xch|u?comi?p?)$/;

/** The operands as written and what NASM also takes them for. */
function variantsOf(mnemonic: string, operands: readonly Operand[], bits: CodeBits, place: Place): Shape[] {
  const shape = (list: readonly Operand[], unsigned32 = false): Shape => ({ operands: list, unsigned32 });
  const [first, second, third] = operands;
  const out = [shape(operands)];
  if (mnemonic.startsWith('f')) return x87Variants(mnemonic, operands, place).map((list) => shape(list));
  if ((mnemonic === 'test' || mnemonic === 'xchg') && second !== undefined && second.kind !== 'value') {
    // Of two registers XCHG has the first in the reg field, TEST in r/m.
    if (mnemonic === 'xchg') out.unshift(shape([second, first!]));
    else out.push(shape([second, first!]));
  }
  if (mnemonic === 'imul' && second?.kind === 'value' && third === undefined) return [shape([first!, first!, second])];
  if ((mnemonic === 'aam' || mnemonic === 'aad') && first === undefined) return [shape([constantOperand(10n, place)])];
  if (
    mnemonic === 'mov' &&
    bits === 64 &&
    first?.kind === 'register' &&
    first.info.class === 'gpr64' &&
    second?.kind === 'value'
  ) {
    const info = registerOf('gpr32', first.info.number);
    if (info !== undefined && !second.strict && second.bytes === 0)
      out.push(shape([{ ...first, info, bytes: 0 }, second], true));
  }
  // `vaddps xmm1, xmm2` has the destination as first source.
  if (mnemonic.startsWith('v') && operands.length >= 2) out.push(shape([first!, ...operands]));
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

/** Result of encoding in one pass. */
export interface Encoded {
  readonly bytes: Uint8Array;
  /** The bytes are the same in every pass and at every address. */
  readonly constant: boolean;
  /** A near branch did not fit its short form: it must not become short again. */
  readonly nearBranch: boolean;
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
}

/** Bytes of the instruction; undefined after reporting why there are none. */
export function encodeInstruction(statement: InstructionStatement, request: EncodeRequest): Encoded | undefined {
  const { bits, prefixes, decorators } = statement;
  const options: EncodeOptions = {
    bits,
    address: request.address + BigInt(extraPrefixes(statement, undefined).length),
    lock: prefixes.lock,
    rep: prefixes.rep,
    repne: prefixes.repne,
    segment: 0,
    addressSize: prefixes.addressSize,
    section: request.section,
  };
  let best: { bytes: Uint8Array; candidate: Candidate; values: readonly OperandValue[] } | undefined;
  let outOfRange: Operand | undefined;
  let nearBranch = request.nearBranch;
  for (const variant of statement.variants) {
    const values = variant.operands.map((operand) => operandValue(operand, request.scope));
    if (variant.unsigned32 && !isUnsigned32(values[1]!.value)) continue;
    for (const candidate of variant.candidates) {
      const branch = branchOf(candidate);
      if (branch !== undefined) {
        const fit = branchFits(statement, candidate, branch, values, request);
        if (fit === 'out-of-range') {
          nearBranch = true;
          outOfRange = branch;
        }
        if (fit !== 'yes') continue;
      }
      const tooWide = wideImmediate(candidate, values, variant);
      if (tooWide) continue;
      const bytes = encodeCandidate(candidate, values, memoryOptions(options, candidate, prefixes), decorators);
      if (bytes !== undefined && (best === undefined || isBetter(bytes, candidate, best)))
        best = { bytes, candidate, values };
    }
  }
  if (best === undefined) {
    if (request.final) reportFailure(statement, outOfRange, request);
    return undefined;
  }
  if (request.final) warnOverflow(best.candidate, best.values, statement, request);
  const extra = extraPrefixes(statement, best.candidate);
  const bytes = new Uint8Array(extra.length + best.bytes.length);
  bytes.set(extra);
  bytes.set(best.bytes, extra.length);
  return { bytes, constant: statement.literal && !isPositional(best.candidate, best.values, bits), nearBranch };
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
  const { value } = values[at]!;
  return (
    hasWide &&
    (value.section !== SCALAR ||
      value.unknown ||
      (operand.bytes === 8 && operand.strict) ||
      BigInt.asIntN(32, value.number) !== value.number)
  );
}

function branchOf(candidate: Candidate): (Operand & { kind: 'value' }) | undefined {
  const at = candidate.form.operands.findIndex(({ kind }) => kind === 'branch');
  const operand = candidate.operands[at];
  return operand?.kind === 'value' ? operand : undefined;
}

/** Whether this branch form is the one to use: the mode's width, and short only where the target is near enough. */
function branchFits(
  statement: InstructionStatement,
  candidate: Candidate,
  operand: Operand & { kind: 'value' },
  values: readonly OperandValue[],
  request: EncodeRequest,
): 'yes' | 'no' | 'out-of-range' {
  const at = candidate.operands.indexOf(operand);
  const spec = candidate.form.operands[at]!;
  if (spec.kind !== 'branch' || spec.bytes !== 1) return 'yes';
  const { value } = values[at]!;
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
function shortLength(statement: InstructionStatement, { form }: Candidate): number {
  const { bits, prefixes } = statement;
  let length = 2 + extraPrefixes(statement, undefined).length;
  if (prefixes.lock || prefixes.rep || prefixes.repne) length += 1;
  if (form.operandSize !== 0 && form.operandSize !== bits) length += 1;
  if (form.addressSize !== 0 && form.addressSize !== bits) length += 1;
  return length;
}

/** A prefix iced has no field for here: WAIT, a segment without memory operand, a size the form does not have. */
function extraPrefixes(statement: InstructionStatement, candidate: Candidate | undefined): number[] {
  const { prefixes, bits } = statement;
  const out: number[] = [];
  if (prefixes.wait) out.push(0x9b);
  const candidates =
    candidate === undefined ? statement.variants.flatMap((variant) => variant.candidates) : [candidate];
  if (prefixes.segment !== 0 && !candidates.some(hasMemory)) out.push(SEGMENT_PREFIXES.get(prefixes.segment) ?? 0);
  if (
    prefixes.operandSize !== 0 &&
    prefixes.operandSize !== 64 &&
    !candidates.some(({ form }) => form.operandSize === prefixes.operandSize)
  ) {
    if (prefixes.operandSize !== (bits === 16 ? 16 : 32)) out.push(0x66);
  }
  if (prefixes.operandSize === 64 && !candidates.some(({ form }) => form.operandSize === 64)) out.push(0x48);
  if (
    prefixes.addressSize !== 0 &&
    prefixes.addressSize !== bits &&
    !candidates.some((item) => hasMemory(item) || item.form.addressSize !== 0)
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

function hasMemory({ form, operands }: Candidate): boolean {
  return (
    operands.some(({ kind }) => kind === 'memory') ||
    (operands.length === 0 && form.operands.some(({ kind }) => kind === 'string'))
  );
}

function memoryOptions(options: EncodeOptions, candidate: Candidate, prefixes: Prefixes): EncodeOptions {
  return prefixes.segment !== 0 && hasMemory(candidate) ? { ...options, segment: prefixes.segment } : options;
}

/** Shorter wins, but not among VEX and EVEX forms; of equal length a sign-extended byte, then a form without REX.W; else the one that comes first in the opcode table. */
function isBetter(bytes: Uint8Array, candidate: Candidate, best: { bytes: Uint8Array; candidate: Candidate }): boolean {
  const vector = !candidate.form.legacy && !best.candidate.form.legacy;
  if (bytes.length !== best.bytes.length && !vector) return bytes.length < best.bytes.length;
  if (hasByteImmediate(candidate) !== hasByteImmediate(best.candidate)) return hasByteImmediate(candidate);
  // MOVQ mm, m64 has an opcode of its own besides MOVD's with REX.W.
  return candidate.form.operandSize === 0 && best.candidate.form.operandSize === 64;
}

const hasByteImmediate = ({ form }: Candidate) =>
  form.operands.some((spec) => spec.kind === 'sign-extended' && spec.bits === 8);

function isPositional({ form, operands }: Candidate, values: readonly OperandValue[], bits: CodeBits): boolean {
  if (form.operands.some(({ kind }) => kind === 'branch')) return true;
  return operands.some(
    (operand, index) => operand.kind === 'memory' && isIpRelative(operand.address, values[index]!.value, bits),
  );
}

function reportFailure(statement: InstructionStatement, outOfRange: Operand | undefined, request: EncodeRequest): void {
  const { messages } = request.scope;
  if (outOfRange !== undefined) {
    const remedy = hasNearForm(statement) ? 'leave out "short"' : 'put the target nearer, or jump over a near jump';
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

function warnOverflow(
  candidate: Candidate,
  values: readonly OperandValue[],
  statement: InstructionStatement,
  request: EncodeRequest,
): void {
  candidate.operands.forEach((operand, index) => {
    const spec = candidate.form.operands[index]!;
    const { value } = values[index]!;
    if (operand.kind === 'memory') {
      if (
        operand.address.explicitRelative &&
        statement.bits === 64 &&
        value.section === SCALAR &&
        operand.address.base === 0 &&
        operand.address.index === 0
      ) {
        request.scope.messages.warning(
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
    request.scope.messages.warning(
      'value-exceeds-bounds',
      `the value ${value.number} does not fit in ${limit} bits; its upper bits are lost`,
      operand.place,
    );
  });
}
