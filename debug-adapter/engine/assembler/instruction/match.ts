/** Which forms of a mnemonic the written operands fit, by their shape alone: done once per statement. */
import { Register } from 'iced-x86';
import { bitsIndex } from '../../isa/bits.ts';
import type { CodeBits } from '../../base/program.ts';
import { registerInfo, type RegisterInfo } from '../../isa/registers.ts';
import type { Address } from './address.ts';
import type { Form, OperandSpec } from './forms.ts';
import type { Operand } from './operands.ts';

/** A form with the operands in the form's order; `substitute` registers stand for written ones of another width. */
export interface Candidate {
  readonly form: Form;
  /** One per operand of the form, or empty when all are implied. */
  readonly operands: readonly Operand[];
  /** A register or a size keyword fixes the operand size. */
  readonly sized: boolean;
  /** Has a memory operand whose size is not written. */
  readonly unsizedMemory: boolean;
}

/** Operand-size and address-size prefixes written before the instruction: 16, 32, 64, or 0. */
export interface WrittenSizes {
  readonly operand: number;
  readonly address: number;
}

const GENERAL = /^gpr(?:8|16|32|64)$/;
/** The processor reads or writes 16 bits of the register whatever its width. */
const SELECTOR_FORM = /^(?:Mov_Sreg_|Ltr_|Lldt_|Verr_|Verw_|Lmsw_|Arpl_)/;
/** Their second operand only is a selector. */
const SELECTOR_SOURCE = /^(?:Lar|Lsl)_/;
/** Stores of a selector zero the upper half of a 64-bit register either way, so that NASM leaves out REX.W. */
const SELECTOR_STORE = /^(?:Mov_r32m16_Sreg|Sldt_r32m16)$/;
/** The memory operand has a natural size in each mode, so that none need be written. */
const NATURAL_SIZE =
  /^(?:Cvtsi2s|(?:E?VEX_)?Vcvt|Jmp|Call|L[gi]dt|S[gi]dt|Fldenv|Fn?stenv|Frstor|Fn?save|Bound|Mov_.*Sreg|Sldt|Str_|Smsw|Lmsw|Ltr|Lldt|Verr|Verw|Lar|Lsl|Invept|Invvpid|Vmread|Vmwrite)/;

export interface Candidates {
  readonly list: readonly Candidate[];
  /** The size of a memory operand is not written and nothing else tells it: NASM's "operation size not specified". */
  readonly ambiguous: boolean;
}

/** All forms the operands fit in this code size. */
export function candidatesOf(
  forms: readonly Form[],
  operands: readonly Operand[],
  bits: CodeBits,
  written: WrittenSizes,
): Candidates {
  const out: Candidate[] = [];
  for (const form of forms) {
    if (!form.modes[bitsIndex(bits)]) continue;
    if (!addressSizeFits(form, operands, bits, written)) continue;
    const candidate = matchForm(form, operands, bits);
    if (candidate !== undefined) out.push(candidate);
  }
  return { list: chooseSize(out, bits, written), ambiguous: isSizeAmbiguous(out) };
}

function addressSizeFits(form: Form, operands: readonly Operand[], bits: CodeBits, written: WrittenSizes): boolean {
  if (form.addressSize === 0) return true;
  if (/^J[er]?cxz_/.test(form.name)) return true;
  // `loop target, ecx` names its counter.
  const counter = operands[1]?.kind === 'register' ? operands[1].info.bytes * 8 : 0;
  return form.addressSize === (counter || written.address || bits);
}

function matchForm(form: Form, operands: readonly Operand[], bits: CodeBits): Candidate | undefined {
  const specs = form.operands;
  const isString = specs.some(({ kind }) => kind === 'string');
  if (operands.length === 0 && specs.length > 0) {
    const implied = specs.every(({ kind }) => kind === 'string' || kind === 'fixed');
    return implied && isString ? { form, operands: [], sized: true, unsizedMemory: false } : undefined;
  }
  if (isString) return undefined;
  // In 64-bit code 90h is NOP, which leaves the upper half of RAX alone; XCHG EAX, EAX clears it.
  if (
    bits === 64 &&
    form.name === 'Xchg_r32_EAX' &&
    operands.every((operand) => operand.kind === 'register' && operand.info.name === 'eax')
  ) {
    return undefined;
  }
  const given = /^Loop/.test(form.name) ? operands.slice(0, 1) : operands;
  if (given.length !== specs.length) return undefined;
  let sized = false;
  let unsizedMemory = false;
  for (let index = 0; index < specs.length; index++) {
    const operand = given[index];
    const spec = specs[index];
    if (!fits(spec, operand, form, bits)) return undefined;
    if (operand.kind === 'register')
      sized ||= GENERAL.test(operand.info.class) && !isShiftCount(spec, given, index) && !isPort(spec);
    else if (operand.kind === 'memory') {
      if (operand.bytes !== 0 && form.memoryBytes !== 0) sized = true;
      else if (form.memoryBytes !== 0) unsizedMemory = true;
    } else if (operand.kind === 'value' && operand.bytes !== 0) {
      const bytes = immediateBytes(spec, form);
      if (spec.kind === 'branch' ? operand.bytes * 8 !== spec.bits : !sizeAllowed(operand.bytes, bytes, spec, form))
        return undefined;
      // `push byte 5` says how long the immediate is, not the operand.
      if (!(operand.bytes === 1 && spec.kind === 'sign-extended') && spec.kind !== 'one')
        sized ||= !isCount(form, spec);
    } else if (operand.kind === 'far' && operand.bytes !== 0) sized = true;
  }
  if (!immediateAgrees(form, given)) return undefined;
  return { form, operands: given, sized, unsizedMemory };
}

const isPort = (spec: OperandSpec) => spec.kind === 'fixed' && spec.register === Register.DX;

/** CL of a shift by CL: says nothing of the size of what is shifted. */
function isShiftCount(spec: OperandSpec, operands: readonly Operand[], index: number): boolean {
  return (
    spec.kind === 'fixed' &&
    spec.register === Register.CL &&
    index === operands.length - 1 &&
    operands[0]?.kind === 'memory'
  );
}

/** An immediate that is not of the operand's size: shift counts, ENTER, ports, selectors of vector instructions. */
function isCount(form: Form, spec: OperandSpec): boolean {
  return spec.kind === 'immediate' && spec.bits === 8 && form.operandSize !== 0;
}

/** Bytes of the operand an immediate stands for. */
function immediateBytes(spec: OperandSpec, form: Form): number {
  if (spec.kind === 'sign-extended') return spec.to / 8;
  if (spec.kind === 'immediate') return spec.bits / 8;
  return form.operandSize / 8;
}

function sizeAllowed(written: number, bytes: number, spec: OperandSpec, form: Form): boolean {
  if (written === bytes) return true;
  // NASM lets `push dword 5` stand for the 64-bit push of a 32-bit number.
  if (spec.kind === 'sign-extended') return written === spec.bits / 8 || (form.name === 'Pushq_imm8' && written === 4);
  return spec.kind === 'one' || spec.kind === 'far';
}

/** `mov [bx], byte 5`: the immediate's size is the memory operand's when that has none. */
function immediateAgrees(form: Form, operands: readonly Operand[]): boolean {
  const memory = operands.find((operand) => operand.kind === 'memory');
  const value = operands.find((operand) => operand.kind === 'value' && operand.bytes !== 0);
  if (memory === undefined || value === undefined || memory.bytes !== 0 || form.memoryBytes === 0) return true;
  if (operands.some((operand) => operand.kind === 'register')) return true;
  return form.memoryBytes === value.bytes;
}

function fits(spec: OperandSpec, operand: Operand, form: Form, bits: CodeBits): boolean {
  switch (operand.kind) {
    case 'register':
      return (
        registerFits(spec, operand.info, form, bits) && (operand.bytes === 0 || operand.bytes === operand.info.bytes)
      );
    case 'memory':
      return memoryFits(spec, operand, form, bits);
    case 'value':
      if (operand.distance !== undefined)
        return spec.kind === 'branch' && (operand.distance === 'short') === (spec.bytes === 1);
      return /^(?:immediate|sign-extended|one|branch)$/.test(spec.kind);
    case 'far':
      return spec.kind === 'far' && (operand.bytes === 0 || operand.bytes * 8 === spec.offsetBits);
    case 'decorator':
      return false;
  }
}

function registerFits(spec: OperandSpec, info: RegisterInfo, form: Form, bits: CodeBits): boolean {
  if (spec.kind === 'fixed') return spec.register === info.register;
  if (spec.kind !== 'register') return false;
  if (bits !== 64 && info.number >= 8 && info.class !== 'cr') return false;
  if (bits !== 64 && info.class === 'gpr8' && info.number >= 4 && !info.highByte) return false;
  if (spec.class === info.class) return true;
  if (info.class === 'gpr64' && spec.class === 'gpr32') return SELECTOR_STORE.test(form.name) || isSelectorForm(form);
  if (spec.memory && SELECTOR_SOURCE.test(form.name)) return /^gpr(?:16|32|64)$/.test(info.class);
  return isSelectorForm(form) && /^gpr(?:16|32|64)$/.test(info.class) && /^gpr(?:16|32|64)$/.test(spec.class);
}

function memoryFits(spec: OperandSpec, operand: Operand & { kind: 'memory' }, form: Form, bits: CodeBits): boolean {
  const { address } = operand;
  const index = registerInfo(address.index);
  const vector = index !== undefined && index.class.endsWith('mm');
  if (spec.kind === 'offset') {
    if (address.base !== 0 || address.index !== 0 || address.relative) return false;
    if (bits === 64 && address.bytes !== 8) return false;
  } else if (spec.kind === 'vsib') {
    if (index?.class !== spec.indexClass) return false;
  } else if ((spec.kind !== 'memory' && !(spec.kind === 'register' && spec.memory)) || vector) return false;
  if (spec.kind !== 'offset' && bits === 64 && address.bytes === 8 && isAbsolute(address) && hasOffsetForm(form))
    return false;
  if (operand.far !== form.farMemory) return false;
  // The keyword of a far pointer is the size of its offset.
  if (form.farMemory) return operand.bytes === 0 || operand.bytes * 8 === form.operandSize;
  if (operand.broadcast !== 0) {
    if (form.broadcastBytes === 0) return false;
    return operand.bytes === 0 || operand.bytes === form.broadcastBytes;
  }
  return operand.bytes === 0 || form.memoryBytes === 0 || operand.bytes === form.memoryBytes;
}

const isAbsolute = (address: Address) => address.base === 0 && address.index === 0 && !address.relative;
const hasOffsetForm = (form: Form) => form.name.startsWith('Mov_r') || form.name.startsWith('Mov_rm');

/** Keeps the forms of the operand size that a prefix says, or that is usual in the mode when nothing says one. */
function chooseSize(candidates: Candidate[], bits: CodeBits, written: WrittenSizes): Candidate[] {
  const prefixed = written.operand === 0 ? [] : candidates.filter(({ form }) => form.operandSize === written.operand);
  if (prefixed.length > 0) return prefixed;
  const free = candidates.filter(({ sized, form }) => !sized && form.legacy && form.operandSize !== 0);
  if (free.length === 0) return candidates;
  const usual = (form: Form) => (bits !== 64 ? bits : form.default64 || form.farMemory ? 64 : 32);
  if (!free.some(({ form }) => form.operandSize === usual(form))) return candidates;
  return candidates.filter(
    ({ sized, form }) => sized || !form.legacy || form.operandSize === 0 || form.operandSize === usual(form),
  );
}

function isSizeAmbiguous(candidates: readonly Candidate[]): boolean {
  const sizes = new Set<number>();
  for (const { form, unsizedMemory } of candidates) {
    if (!unsizedMemory || form.farMemory || NATURAL_SIZE.test(form.name)) return false;
    sizes.add(form.memoryBytes);
  }
  return sizes.size > 1;
}

/** Instructions that read a 16-bit selector from a register of any width: the shortest encoding does. */
function isSelectorForm(form: Form): boolean {
  return SELECTOR_FORM.test(form.name);
}

/** The register to encode may be narrower than the written one. */
export function ignoresRegisterWidth(form: Form): boolean {
  return SELECTOR_FORM.test(form.name) || SELECTOR_STORE.test(form.name) || SELECTOR_SOURCE.test(form.name);
}
