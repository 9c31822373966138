/** Bytes to one plain object per instruction, for the decode cache of the execution engine. */
import { Code, Decoder, DecoderError, DecoderOptions, Instruction, OpKind, Register } from 'iced-x86';
import type { CodeBits } from '../base/program.ts';

/**
 * One decoded instruction. Every object has the same fields in the same order, so that property access stays monomorphic.
 * Numbers typed `number` and named after iced enumerations (`Code`, `OpKind`, `Register`) hold their values.
 *
 * Addresses derived from `ip` (branch targets, RIP-relative displacements) are absolute. A caller that caches per physical
 * page, where one instruction may run at several linear addresses, decodes at ip 0 and adds its own RIP.
 */
export interface DecodedInstruction {
  /** iced `Code`; 0 (`Code.INVALID`) when `invalid`. */
  readonly code: number;
  /** In bytes, prefixes included. When `invalid`: the bytes looked at. */
  readonly length: number;
  /** The bytes are no instruction (#UD), or the instruction is longer than `available` bytes: see `noMoreBytes`. */
  readonly invalid: boolean;
  /** No instruction ends within the bytes given; more bytes (the next page) may make it valid, or not. */
  readonly noMoreBytes: boolean;

  readonly opCount: number;
  /** iced `OpKind`; 0 (`OpKind.Register`) for absent operands: look at `opCount` first. */
  readonly op0Kind: number;
  readonly op1Kind: number;
  readonly op2Kind: number;
  readonly op3Kind: number;
  readonly op4Kind: number;
  /** iced `Register`; 0 where the operand is not a register. */
  readonly op0Register: number;
  readonly op1Register: number;
  readonly op2Register: number;
  readonly op3Register: number;
  readonly op4Register: number;

  /** True when an operand is in memory, implicit operands of string instructions and XLAT included. */
  readonly hasMemory: boolean;
  /** iced `Register`, 0 for none. `Register.RIP` and `EIP` mean that `displacement` is already the whole address. */
  readonly memoryBase: number;
  readonly memoryIndex: number;
  /** 1, 2, 4 or 8. */
  readonly memoryScale: number;
  /** Sign-extended to the address size and zero-extended from there: add the registers, then truncate to the address size. */
  readonly displacement: bigint;
  readonly displacementLo: number;
  readonly displacementHi: number;
  /** Segment in effect: override or default (DS, SS with a stack base register); 0 without memory operand. Not for ES:rDI. */
  readonly segment: number;
  /** Explicit segment prefix as iced `Register`, 0 for none. */
  readonly segmentPrefix: number;
  /** In bytes: of the memory operand; of the counter in LOOPcc and JrCXZ; else the default of the code size. */
  readonly addressSize: 2 | 4 | 8;

  /** First immediate, sign- or zero-extended to 64 bits as the instruction does it. */
  readonly immediateLo: number;
  readonly immediateHi: number;
  /** Second immediate of ENTER, EXTRQ and INSERTQ; else 0. */
  readonly immediate2: number;

  /** Absolute target of a near branch, truncated to its width; 0 without one. */
  readonly nearTarget: bigint;
  readonly nearTargetLo: number;
  readonly nearTargetHi: number;
  readonly farSelector: number;
  /** Unsigned 16- or 32-bit offset of a direct far branch. */
  readonly farOffset: number;

  readonly lock: boolean;
  /** F3 prefix as REP or REPE (also XRELEASE); false where it selects the instruction. */
  readonly rep: boolean;
  /** F2 prefix as REPNE (also XACQUIRE); false where it selects the instruction. */
  readonly repne: boolean;
}

const scratch = new Instruction();

/** Longest legal instruction in bytes (SDM Vol. 2A, "Instruction Format"). */
export const MAX_INSTRUCTION_BYTES = 15;

const ADDRESS16_COUNTERS: ReadonlySet<number> = new Set([
  Code.Loop_rel8_16_CX,
  Code.Loop_rel8_32_CX,
  Code.Loope_rel8_16_CX,
  Code.Loope_rel8_32_CX,
  Code.Loopne_rel8_16_CX,
  Code.Loopne_rel8_32_CX,
  Code.Jcxz_rel8_16,
  Code.Jcxz_rel8_32,
]);
const ADDRESS32_COUNTERS: ReadonlySet<number> = new Set([
  Code.Loop_rel8_16_ECX,
  Code.Loop_rel8_32_ECX,
  Code.Loop_rel8_64_ECX,
  Code.Loope_rel8_16_ECX,
  Code.Loope_rel8_32_ECX,
  Code.Loope_rel8_64_ECX,
  Code.Loopne_rel8_16_ECX,
  Code.Loopne_rel8_32_ECX,
  Code.Loopne_rel8_64_ECX,
  Code.Jecxz_rel8_16,
  Code.Jecxz_rel8_32,
  Code.Jecxz_rel8_64,
]);

/** Address size of an operand kind that names its index register, in bytes; 0 for the others. */
function stringAddressSize(kind: number): 0 | 2 | 4 | 8 {
  if (kind === OpKind.MemorySegSI || kind === OpKind.MemorySegDI || kind === OpKind.MemoryESDI) return 2;
  if (kind === OpKind.MemorySegESI || kind === OpKind.MemorySegEDI || kind === OpKind.MemoryESEDI) return 4;
  if (kind === OpKind.MemorySegRSI || kind === OpKind.MemorySegRDI || kind === OpKind.MemoryESRDI) return 8;
  return 0;
}

function generalRegisterSize(register: number): 0 | 2 | 4 | 8 {
  if (register >= Register.AX && register <= Register.R15W) return 2;
  if ((register >= Register.EAX && register <= Register.R15D) || register === Register.EIP) return 4;
  if ((register >= Register.RAX && register <= Register.R15) || register === Register.RIP) return 8;
  return 0;
}

/**
 * Decodes the instruction at `offset`, looking at no more than `available` bytes (at most 15 are used). Never throws for any
 * bytes: look at `invalid` and `noMoreBytes`.
 * @param ip address of the instruction, truncated to the code size.
 * @param options iced `DecoderOptions`
 */
export function decode(
  bytes: Uint8Array,
  offset: number,
  available: number,
  ip: bigint,
  bits: CodeBits,
  options: number = DecoderOptions.None,
): DecodedInstruction {
  const end = offset + Math.min(available, MAX_INSTRUCTION_BYTES, bytes.length - offset);
  const decoder = new Decoder(bits, bytes.subarray(offset, end), options);
  try {
    decoder.ip = ip;
    decoder.decodeOut(scratch);
    if (bits === 64 && scratch.code === Code.Pause && isExchangeWithR8(bytes, offset + scratch.length - 1))
      return decode(bytes, offset, available, ip, bits, options | DecoderOptions.NoPause);
    return readInstruction(
      scratch,
      bits,
      scratch.code === Code.INVALID && decoder.lastError === DecoderError.NoMoreBytes,
    );
  } finally {
    decoder.free();
  }
}

/** Opcode 90h behind a REX prefix with B is XCHG with R8, behind F3h too (SDM Vol. 2B, "PAUSE", "XCHG"). */
const isExchangeWithR8 = (bytes: Uint8Array, opcodeAt: number): boolean => (bytes[opcodeAt - 1] & 0xf1) === 0x41;

/** The same bytes where they mean nothing: executing them raises #UD. */
export const asUndefined = (instruction: DecodedInstruction): DecodedInstruction => ({
  ...instruction,
  code: Code.INVALID,
  invalid: true,
});

/** In 64-bit code only FS and GS prefixes count; the others are ignored (SDM Vol. 2A, "Instruction Prefixes" 2.1.1). */
function segmentIn64(instruction: Instruction): number {
  const { memorySegment } = instruction;
  if (memorySegment === Register.FS || memorySegment === Register.GS) return memorySegment;
  if (instruction.segmentPrefix === Register.None) return memorySegment;
  const base = instruction.memoryBase;
  const onStack = base === Register.RSP || base === Register.RBP || base === Register.ESP || base === Register.EBP;
  return onStack ? Register.SS : Register.DS;
}

function readInstruction(instruction: Instruction, bits: CodeBits, noMoreBytes: boolean): DecodedInstruction {
  const code = instruction.code;
  const opCount = instruction.opCount;
  let op0Kind = 0,
    op1Kind = 0,
    op2Kind = 0,
    op3Kind = 0,
    op4Kind = 0;
  let op0Register = 0,
    op1Register = 0,
    op2Register = 0,
    op3Register = 0,
    op4Register = 0;
  if (opCount > 0) {
    op0Kind = instruction.op0Kind;
    if (op0Kind === OpKind.Register) op0Register = instruction.op0Register;
    if (opCount > 1) {
      op1Kind = instruction.op1Kind;
      if (op1Kind === OpKind.Register) op1Register = instruction.op1Register;
      if (opCount > 2) {
        op2Kind = instruction.op2Kind;
        if (op2Kind === OpKind.Register) op2Register = instruction.op2Register;
        if (opCount > 3) {
          op3Kind = instruction.op3Kind;
          if (op3Kind === OpKind.Register) op3Register = instruction.op3Register;
          if (opCount > 4) {
            op4Kind = instruction.op4Kind;
            if (op4Kind === OpKind.Register) op4Register = instruction.op4Register;
          }
        }
      }
    }
  }

  let hasMemory = false;
  let memoryBase = 0,
    memoryIndex = 0,
    memoryScale = 1,
    segment = 0;
  let displacement = 0n;
  let addressSize: 2 | 4 | 8 = bits === 16 ? 2 : bits === 32 ? 4 : 8;
  let immediateLo = 0,
    immediateHi = 0,
    immediate2 = 0;
  let nearTarget = 0n;
  let farSelector = 0,
    farOffset = 0;
  let seenImmediate = false;
  for (let operand = 0; operand < opCount; operand++) {
    const kind =
      operand === 0 ? op0Kind : operand === 1 ? op1Kind : operand === 2 ? op2Kind : operand === 3 ? op3Kind : op4Kind;
    if (kind === OpKind.Register) continue;
    if (kind >= OpKind.MemorySegSI) {
      hasMemory = true;
      segment = bits === 64 ? segmentIn64(instruction) : instruction.memorySegment;
      if (kind === OpKind.Memory) {
        memoryBase = instruction.memoryBase;
        memoryIndex = instruction.memoryIndex;
        memoryScale = instruction.memoryIndexScale;
        displacement = instruction.memoryDisplacementU64;
        const size = generalRegisterSize(memoryBase) || generalRegisterSize(memoryIndex);
        if (size !== 0) addressSize = size;
        else {
          const displacementBytes = instruction.memoryDisplSize;
          if (displacementBytes === 2 || displacementBytes === 4 || displacementBytes === 8)
            addressSize = displacementBytes;
        }
      } else addressSize = stringAddressSize(kind) || addressSize;
    } else if (kind >= OpKind.Immediate8) {
      if (seenImmediate) immediate2 = instruction.immediate8_2nd;
      else {
        seenImmediate = true;
        if (kind === OpKind.Immediate8) immediateLo = instruction.immediate8;
        else if (kind === OpKind.Immediate8to32) immediateLo = instruction.immediate8to32;
        else if (kind === OpKind.Immediate16) immediateLo = instruction.immediate16;
        else if (kind === OpKind.Immediate32) immediateLo = instruction.immediate32 | 0;
        else {
          const value = instruction.immediate(operand);
          immediateLo = Number(BigInt.asIntN(32, value));
          immediateHi = Number(BigInt.asIntN(32, value >> 32n));
        }
        if (kind === OpKind.Immediate8to32) immediateHi = immediateLo >> 31;
      }
    } else if (kind <= OpKind.NearBranch64) {
      nearTarget = instruction.nearBranchTarget;
      if (ADDRESS16_COUNTERS.has(code)) addressSize = 2;
      else if (ADDRESS32_COUNTERS.has(code)) addressSize = 4;
    } else {
      farSelector = instruction.farBranchSelector;
      farOffset = kind === OpKind.FarBranch16 ? instruction.farBranch16 : instruction.farBranch32;
    }
  }
  return {
    code,
    length: instruction.length,
    invalid: code === Code.INVALID,
    noMoreBytes,
    opCount,
    op0Kind,
    op1Kind,
    op2Kind,
    op3Kind,
    op4Kind,
    op0Register,
    op1Register,
    op2Register,
    op3Register,
    op4Register,
    hasMemory,
    memoryBase,
    memoryIndex,
    memoryScale,
    displacement,
    displacementLo: Number(BigInt.asIntN(32, displacement)),
    displacementHi: Number(BigInt.asIntN(32, displacement >> 32n)),
    segment,
    segmentPrefix: instruction.segmentPrefix,
    addressSize,
    immediateLo,
    immediateHi,
    immediate2,
    nearTarget,
    nearTargetLo: Number(BigInt.asIntN(32, nearTarget)),
    nearTargetHi: Number(BigInt.asIntN(32, nearTarget >> 32n)),
    farSelector,
    farOffset,
    lock: instruction.hasLockPrefix,
    rep: instruction.hasRepPrefix,
    repne: instruction.hasRepnePrefix,
  };
}
