/** One matched form with known values to bytes, through iced's encoder. */
import { CodeSize, Encoder, Instruction, OpKind, Register, RoundingControl } from 'iced-x86';
import type { CodeBits } from '../../base/program.ts';
import { bitsIndex } from '../../isa/bits.ts';
import { registerInfo, registerOf } from '../../isa/registers.ts';
import type { Value } from '../evaluate.ts';
import { SCALAR } from '../evaluate.ts';
import type { Address } from './address.ts';
import type { Form, OperandSpec } from './forms.ts';
import { ignoresRegisterWidth, type Candidate } from './match.ts';
import type { Operand } from './operands.ts';

/** Value of a written operand in this pass; `selector` only for far targets. */
export interface OperandValue {
  readonly value: Value;
  readonly selector: Value | undefined;
}

/** Everything about the statement that is not an operand. */
export interface EncodeOptions {
  readonly bits: CodeBits;
  readonly address: bigint;
  readonly lock: boolean;
  readonly rep: boolean;
  readonly repne: boolean;
  /** Segment prefix written before the mnemonic; 0 for none. */
  readonly segment: number;
  /** Width in bits that `a16`, `a32`, `a64` ask for; 0 for the default. */
  readonly addressSize: number;
}

const encoders: (Encoder | undefined)[] = [];

function encoderOf(bits: CodeBits): Encoder {
  return (encoders[bitsIndex(bits)] ??= new Encoder(bits));
}

const CODE_SIZES = [CodeSize.Code16, CodeSize.Code32, CodeSize.Code64] as const;
const STRING_KINDS = {
  SegSI: { 16: OpKind.MemorySegSI, 32: OpKind.MemorySegESI, 64: OpKind.MemorySegRSI },
  SegDI: { 16: OpKind.MemorySegDI, 32: OpKind.MemorySegEDI, 64: OpKind.MemorySegRDI },
  ESDI: { 16: OpKind.MemoryESDI, 32: OpKind.MemoryESEDI, 64: OpKind.MemoryESRDI },
} as const;
const XLAT_BASES = { 16: Register.BX, 32: Register.EBX, 64: Register.RBX } as const;
const IMMEDIATE_KINDS = {
  8: OpKind.Immediate8,
  16: OpKind.Immediate16,
  32: OpKind.Immediate32,
  64: OpKind.Immediate64,
} as const;
const BRANCH_KINDS = { 16: OpKind.NearBranch16, 32: OpKind.NearBranch32, 64: OpKind.NearBranch64 } as const;
const ROUNDING: Readonly<Record<string, RoundingControl>> = {
  'rn-sae': RoundingControl.RoundToNearest,
  'rd-sae': RoundingControl.RoundDown,
  'ru-sae': RoundingControl.RoundUp,
  'rz-sae': RoundingControl.RoundTowardZero,
};

/**
 * Bytes of the candidate, or undefined where this form cannot hold the values: a short immediate or displacement that does
 * not fit, a register that needs REX beside AH.
 */
export function encodeCandidate(
  candidate: Candidate,
  values: readonly OperandValue[],
  options: EncodeOptions,
  decorators: readonly string[],
): Uint8Array | undefined {
  const instruction = new Instruction();
  try {
    if (!build(instruction, candidate, values, options) || !decorate(instruction, candidate.form, decorators))
      return undefined;
    return encode(instruction, options);
  } finally {
    instruction.free();
  }
}

function encode(instruction: Instruction, options: EncodeOptions): Uint8Array | undefined {
  const encoder = encoderOf(options.bits);
  try {
    encoder.encode(instruction, BigInt.asUintN(64, options.address));
    const bytes = encoder.takeBuffer();
    if (options.lock || options.rep || options.repne) orderPrefixes(bytes);
    return bytes;
  } catch {
    // iced says why as text meant for programmers; the caller lists the accepted forms.
    encoder.takeBuffer();
    return undefined;
  }
}

const isRepeatOrLock = (byte: number) => byte === 0xf0 || byte === 0xf2 || byte === 0xf3;
const PREFIXES: ReadonlySet<number> = new Set([0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67]);

/** NASM writes REP, then LOCK, then all other prefixes; iced writes them in the middle. */
function orderPrefixes(bytes: Uint8Array): void {
  let count = 0;
  while (count < bytes.length && PREFIXES.has(bytes[count])) count += 1;
  const prefixes = [...bytes.subarray(0, count)];
  const repeats = prefixes.filter(isRepeatOrLock).sort((left, right) => right - left);
  bytes.set([...repeats, ...prefixes.filter((byte) => !isRepeatOrLock(byte))]);
}

function build(
  instruction: Instruction,
  candidate: Candidate,
  values: readonly OperandValue[],
  options: EncodeOptions,
): boolean {
  const { form, operands } = candidate;
  const { bits } = options;
  instruction.code = form.code;
  instruction.codeSize = CODE_SIZES[bitsIndex(bits)];
  instruction.hasLockPrefix = options.lock;
  instruction.hasRepPrefix = options.rep;
  instruction.hasRepnePrefix = options.repne;
  if (options.segment !== 0) instruction.segmentPrefix = options.segment;
  if (operands.length === 0) {
    form.operands.forEach((spec, index) =>
      setImplied(instruction, index, spec, (options.addressSize || bits) as CodeBits),
    );
    return true;
  }
  let immediates = 0;
  for (let index = 0; index < operands.length; index++) {
    const operand = operands[index];
    const spec = form.operands[index];
    const value = values[index];
    switch (operand.kind) {
      case 'register':
        instruction.setOpKind(index, OpKind.Register);
        instruction.setOpRegister(index, encodedRegister(operand, spec, form));
        break;
      case 'memory':
        instruction.setOpKind(index, OpKind.Memory);
        instruction.isBroadcast = operand.broadcast !== 0;
        setMemory(instruction, operand.address, spec, value.value, options);
        break;
      case 'far':
        setFar(instruction, index, spec, value);
        break;
      case 'value':
        // The width of XBEGIN's displacement says nothing of the width of RIP.
        if (spec.kind === 'branch') {
          const width = !form.name.startsWith('Xbegin') ? spec.bits : bits === 64 ? 64 : 32;
          setBranch(instruction, index, width, value.value.number);
        } else if (!setImmediate(instruction, index, spec, operand, value.value, immediates++)) return false;
        break;
      case 'decorator':
        return false;
    }
  }
  return true;
}

function setImplied(instruction: Instruction, index: number, spec: OperandSpec, width: CodeBits): void {
  if (spec.kind === 'fixed') {
    instruction.setOpKind(index, OpKind.Register);
    instruction.setOpRegister(index, spec.register);
  } else if (spec.kind === 'string' && spec.pointer === 'xlat') {
    instruction.setOpKind(index, OpKind.Memory);
    instruction.memoryBase = XLAT_BASES[width];
    instruction.memoryIndex = Register.AL;
  } else if (spec.kind === 'string' && spec.pointer !== 'xlat') {
    instruction.setOpKind(index, STRING_KINDS[spec.pointer][width]);
  }
}

function encodedRegister(operand: Operand & { kind: 'register' }, spec: OperandSpec, form: Form): number {
  const { info } = operand;
  if (spec.kind !== 'register' || spec.class === info.class || !ignoresRegisterWidth(form)) return info.register;
  return registerOf(spec.class, info.number)?.register ?? info.register;
}

/** Width in bits of an address, from its registers or its keyword. */
function addressBits(address: Address, bits: CodeBits): number {
  const base = registerInfo(address.base);
  const index = registerInfo(address.index);
  const register = base ?? (index !== undefined && !index.class.endsWith('mm') ? index : undefined);
  if (register !== undefined) return register.bytes * 8;
  return address.bytes >= 2 ? address.bytes * 8 : bits;
}

function setMemory(
  instruction: Instruction,
  address: Address,
  spec: OperandSpec,
  displacement: Value,
  options: EncodeOptions,
): void {
  const { bits } = options;
  instruction.memoryIndex = address.index;
  instruction.memoryIndexScale = address.scale;
  if (address.segment !== 0) instruction.segmentPrefix = address.segment;
  if (isIpRelative(address, displacement, bits)) {
    instruction.memoryBase = Register.RIP;
    instruction.memoryDisplSize = 8;
    instruction.memoryDisplacement = BigInt.asUintN(64, displacement.number);
    return;
  }
  const width = addressBits(address, bits);
  instruction.memoryBase = address.base;
  const hasRegister = address.base !== 0;
  const bytes = spec.kind === 'offset' || !hasRegister ? width / 8 : displacementBytes(address, displacement, width);
  instruction.memoryDisplSize = bytes;
  // Displacements have at most 32 bits, which the processor sign-extends; only MOV's offset form has 64.
  const number = BigInt.asIntN(spec.kind === 'offset' ? width : Math.min(width, 32), displacement.number);
  instruction.memoryDisplacement = BigInt.asUintN(width, number);
}

/** 0, 1 (iced picks the shorter), or the full width in bytes. */
function displacementBytes(address: Address, displacement: Value, width: number): number {
  if (address.bytes >= 2) return width / 8;
  if (displacement.section !== SCALAR) return width / 8;
  const number = BigInt.asIntN(Math.min(width, 32), displacement.number);
  return number === 0n && address.bytes === 0 ? 0 : 1;
}

/** RIP-relative: asked for, possible in this mode, and the target is a label. NASM leaves plain numbers absolute. */
export function isIpRelative(address: Address, displacement: Value, bits: CodeBits): boolean {
  return (
    bits === 64 &&
    address.relative &&
    address.base === 0 &&
    address.index === 0 &&
    (displacement.section !== SCALAR || displacement.unknown)
  );
}

function setFar(instruction: Instruction, index: number, spec: OperandSpec, value: OperandValue): void {
  const wide = spec.kind === 'far' && spec.offsetBits === 32;
  instruction.setOpKind(index, wide ? OpKind.FarBranch32 : OpKind.FarBranch16);
  instruction.farBranchSelector = Number(BigInt.asUintN(16, value.selector?.number ?? 0n));
  if (wide) instruction.farBranch32 = Number(BigInt.asUintN(32, value.value.number));
  else instruction.farBranch16 = Number(BigInt.asUintN(16, value.value.number));
}

function setBranch(instruction: Instruction, index: number, bits: 16 | 32 | 64, target: bigint): void {
  instruction.setOpKind(index, BRANCH_KINDS[bits]);
  if (bits === 16) instruction.nearBranch16 = Number(BigInt.asUintN(16, target));
  else if (bits === 32) instruction.nearBranch32 = Number(BigInt.asUintN(32, target));
  else instruction.nearBranch64 = BigInt.asUintN(64, target);
}

/** False when the immediate is too short for the value. Values too long for every form are cut by the caller's choice. */
function setImmediate(
  instruction: Instruction,
  index: number,
  spec: OperandSpec,
  operand: Operand & { kind: 'value' },
  value: Value,
  earlier: number,
): boolean {
  if (spec.kind === 'one') {
    if (value.number !== 1n || value.section !== SCALAR || value.unknown || operand.strict || operand.bytes !== 0)
      return false;
    instruction.setOpKind(index, OpKind.Immediate8);
    instruction.setImmediateI64(index, 1n);
    return true;
  }
  if (spec.kind === 'immediate') {
    const kind = spec.bits === 8 && earlier > 0 ? OpKind.Immediate8_2nd : IMMEDIATE_KINDS[spec.bits];
    instruction.setOpKind(index, kind);
    instruction.setImmediateI64(index, BigInt.asIntN(spec.bits, value.number));
    return true;
  }
  if (spec.kind !== 'sign-extended') return false;
  // A 64-bit operand takes at most 32 bits and extends the sign: 0FFFFFFFFh is -1 there.
  const short = spec.to === 64 && value.number >= 0n && value.number <= 0xffff_ffffn;
  const number = BigInt.asIntN(short ? 32 : spec.to, value.number);
  if (spec.bits === 8) {
    if (value.section !== SCALAR || value.unknown) {
      if (operand.bytes !== 1) return false;
    } else if (operand.strict && operand.bytes !== 1) return false;
    if (operand.bytes !== 1 && BigInt.asIntN(8, number) !== number) return false;
  }
  const kinds = { 16: OpKind.Immediate8to16, 32: OpKind.Immediate8to32, 64: OpKind.Immediate8to64 } as const;
  instruction.setOpKind(index, spec.bits === 8 ? kinds[spec.to] : OpKind.Immediate32to64);
  instruction.setImmediateI64(index, BigInt.asIntN(spec.bits, number));
  return true;
}

function decorate(instruction: Instruction, form: Form, decorators: readonly string[]): boolean {
  for (const decorator of decorators) {
    const rounding = ROUNDING[decorator];
    if (decorator === 'z') instruction.zeroingMasking = true;
    else if (decorator.startsWith('k')) instruction.opMask = Register.K0 + Number(decorator.slice(1));
    else if (rounding !== undefined) {
      if (!form.rounding) return false;
      instruction.roundingControl = rounding;
    } else {
      if (!form.suppressExceptions) return false;
      instruction.suppressAllExceptions = true;
    }
  }
  return true;
}
