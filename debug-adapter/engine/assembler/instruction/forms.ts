/** Instruction forms out of iced's opcode table: what operands each takes, by mnemonic. Built on first use of a mnemonic. */
import {
  Code,
  CodeExt,
  EncodingKind,
  MemorySizeExt,
  Mnemonic,
  OpCodeOperandKind,
  type OpCodeInfo,
  Register,
} from 'iced-x86';
import type { RegisterClass } from '../../isa/registers.ts';
import { ALIASES } from './aliases.ts';

/** What one operand of a form accepts. */
export type OperandSpec =
  /** Exactly this register. */
  | { readonly kind: 'fixed'; readonly register: number }
  /** A register of a class; with `memory` also a memory operand. */
  | { readonly kind: 'register'; readonly class: RegisterClass; readonly memory: boolean }
  | { readonly kind: 'memory' }
  /** Memory addressed by a vector index: `index` bytes of the index register. */
  | { readonly kind: 'vsib'; readonly indexClass: RegisterClass }
  /** MOV AL, [offset] and its kin. */
  | { readonly kind: 'offset' }
  /** An immediate of `bits`, as it is. */
  | { readonly kind: 'immediate'; readonly bits: 8 | 16 | 32 | 64 }
  /** An immediate of `bits`, sign-extended to `to`. */
  | { readonly kind: 'sign-extended'; readonly bits: 8 | 32; readonly to: 16 | 32 | 64 }
  /** The constant 1 of the short shifts. */
  | { readonly kind: 'one' }
  | { readonly kind: 'far'; readonly offsetBits: 16 | 32 }
  /** Near branch to `bits`-wide RIP with a displacement of `bytes`. */
  | { readonly kind: 'branch'; readonly bits: 16 | 32 | 64; readonly bytes: 1 | 2 | 4 }
  /** Operands of string instructions and XLAT: never written. */
  | { readonly kind: 'string'; readonly pointer: 'SegSI' | 'ESDI' | 'SegDI' | 'xlat' };

export interface Form {
  /** iced `Code`. */
  readonly code: number;
  readonly operands: readonly OperandSpec[];
  /** In bits; 0 where the instruction has none. */
  readonly operandSize: number;
  readonly addressSize: number;
  /** Bytes of its memory operand; 0 for any. */
  readonly memoryBytes: number;
  /** Bytes of one element when it broadcasts; 0 when it cannot. */
  readonly broadcastBytes: number;
  /** 16, 32, 64-bit code: `bitsIndex` order. */
  readonly modes: readonly [boolean, boolean, boolean];
  /** Operand size is 64 in 64-bit code without REX.W. */
  readonly default64: boolean;
  readonly farMemory: boolean;
  readonly legacy: boolean;
  readonly rounding: boolean;
  readonly suppressExceptions: boolean;
  /** SDM notation, `ADD r/m64, r64`. */
  readonly notation: string;
  readonly name: string;
}

const FIXED: Readonly<Record<string, number>> = {
  es: Register.ES,
  cs: Register.CS,
  ss: Register.SS,
  ds: Register.DS,
  fs: Register.FS,
  gs: Register.GS,
  al: Register.AL,
  cl: Register.CL,
  ax: Register.AX,
  dx: Register.DX,
  eax: Register.EAX,
  rax: Register.RAX,
  st0: Register.ST0,
};
const CLASS_OF_PREFIX: Readonly<Record<string, RegisterClass>> = {
  r8: 'gpr8',
  r16: 'gpr16',
  r32: 'gpr32',
  r64: 'gpr64',
  seg: 'segment',
  cr: 'cr',
  dr: 'dr',
  tr: 'tr',
  bnd: 'bnd',
  k: 'k',
  kp1: 'k',
  mm: 'mm',
  xmm: 'xmm',
  xmmp3: 'xmm',
  ymm: 'ymm',
  zmm: 'zmm',
  zmmp3: 'zmm',
  sti: 'st',
  tmm: 'tmm',
};
const STRING_POINTERS: Readonly<Record<string, 'SegSI' | 'ESDI' | 'SegDI' | 'xlat'>> = {
  seg_rSI: 'SegSI',
  es_rDI: 'ESDI',
  seg_rDI: 'SegDI',
  seg_rBX_al: 'xlat',
};
const VSIB_CLASSES: Readonly<Record<string, RegisterClass>> = { x: 'xmm', y: 'ymm', z: 'zmm' };

function specOf(kind: OpCodeOperandKind): OperandSpec {
  const name = OpCodeOperandKind[kind];
  const fixed = FIXED[name];
  if (fixed !== undefined) return { kind: 'fixed', register: fixed };
  const pointer = STRING_POINTERS[name];
  if (pointer !== undefined) return { kind: 'string', pointer };
  if (name === 'mem_offs') return { kind: 'offset' };
  if (name === 'imm8_const_1') return { kind: 'one' };
  const vsib = /^mem_vsib(?:32|64)([xyz])$/.exec(name);
  if (vsib !== null) return { kind: 'vsib', indexClass: VSIB_CLASSES[vsib[1]] };
  if (name.startsWith('mem') || name === 'sibmem') return { kind: 'memory' };
  const signExtended = /^imm(8|32)sex(16|32|64)$/.exec(name);
  if (signExtended !== null) {
    return {
      kind: 'sign-extended',
      bits: Number(signExtended[1]) as 8 | 32,
      to: Number(signExtended[2]) as 16 | 32 | 64,
    };
  }
  const immediate = /^imm(4|8|16|32|64)/.exec(name);
  if (immediate !== null) {
    return { kind: 'immediate', bits: (immediate[1] === '4' ? 8 : Number(immediate[1])) as 8 | 16 | 32 | 64 };
  }
  const far = /^farbr(2|4)_2$/.exec(name);
  if (far !== null) return { kind: 'far', offsetBits: far[1] === '2' ? 16 : 32 };
  const branch = /^br(16|32|64)_(1|2|4)$/.exec(name);
  if (branch !== null) {
    return { kind: 'branch', bits: Number(branch[1]) as 16 | 32 | 64, bytes: Number(branch[2]) as 1 | 2 | 4 };
  }
  const xbegin = /^(?:xbegin|brdisp)_(2|4)$/.exec(name);
  // XBEGIN's displacement is relative to RIP of any width.
  if (xbegin !== null) return { kind: 'branch', bits: xbegin[1] === '2' ? 16 : 32, bytes: Number(xbegin[1]) as 2 | 4 };
  const registerClass = CLASS_OF_PREFIX[name.split('_')[0]];
  if (registerClass === undefined) throw new Error(`iced operand kind ${name} is not known here`);
  return { kind: 'register', class: registerClass, memory: name.includes('_or_mem') };
}

/** Forms nobody writes: duplicates of other encodings, reserved NOPs, coprocessors of other chips. */
const UNWRITTEN =
  /^(?:Reservednop|Declare|INVALID)|_rm8_imm8_82$|_F6r1$|_F7r1$|FarJ|^Fstp_sti_D[DEF]|^F(?:com|comp|xch)_st0_sti_D|^Prefetchreserved|^Fsetpm$|^Popw_CS$|^Mov[sz]xd?_r16_rm16$|^(?:Ccs_|Undoc|Via_|Zero_bytes|Bb[01]_)|_alt_/;

function isWritten(info: OpCodeInfo, name: string): boolean {
  return info.isInstruction && info.encoding !== EncodingKind.MVEX && info.decoderOption === 0 && !UNWRITTEN.test(name);
}

function formOf(info: OpCodeInfo, code: number, name: string): Form {
  const operands: OperandSpec[] = [];
  for (let index = 0; index < info.opCount; index++) operands.push(specOf(info.opKind(index)));
  return {
    code,
    operands,
    operandSize: info.operandSize,
    addressSize: info.addressSize,
    memoryBytes: MemorySizeExt.size(info.memorySize),
    broadcastBytes: info.canBroadcast ? MemorySizeExt.size(info.broadcastMemorySize) : 0,
    modes: [info.mode16, info.mode32, info.mode64],
    default64: info.defaultOpSize64 || info.forceOpSize64,
    farMemory: /^(?:Jmp|Call)_m16(?:16|32|64)$/.test(name),
    legacy: info.encoding === EncodingKind.Legacy,
    rounding: info.canUseRoundingControl,
    suppressExceptions: info.canSuppressAllExceptions,
    notation: info.instructionString,
    name,
  };
}

/** iced `Code` numbers of the forms that can be written. */
let codesByMnemonic: Map<string, number[]> | undefined;
const formsByMnemonic = new Map<string, readonly Form[]>();

function codeTable(): Map<string, number[]> {
  if (codesByMnemonic !== undefined) return codesByMnemonic;
  codesByMnemonic = new Map();
  for (let code = 0; Code[code] !== undefined; code++) {
    const info = CodeExt.opCode(code);
    const mnemonic = isWritten(info, Code[code]) ? Mnemonic[info.mnemonic].toLowerCase() : undefined;
    info.free();
    if (mnemonic === undefined) continue;
    const codes = codesByMnemonic.get(mnemonic);
    if (codes === undefined) codesByMnemonic.set(mnemonic, [code]);
    else codes.push(code);
  }
  return codesByMnemonic;
}

/** Forms of a mnemonic of iced, in lower case; empty for a name that is none. */
export function formsOf(mnemonic: string): readonly Form[] {
  const known = formsByMnemonic.get(mnemonic);
  if (known !== undefined) return known;
  const forms: Form[] = [];
  for (const code of codeTable().get(mnemonic) ?? []) {
    const info = CodeExt.opCode(code);
    forms.push(formOf(info, code, Code[code]));
    info.free();
  }
  formsByMnemonic.set(mnemonic, forms);
  return forms;
}

/** Every mnemonic that can be written, aliases included, sorted. */
export function listMnemonics(): readonly string[] {
  return [...new Set([...codeTable().keys(), ...ALIASES.keys()])].sort();
}

/** Whether a word in lower case is an instruction. */
export function isMnemonic(word: string): boolean {
  return ALIASES.has(word) || codeTable().has(word);
}
