/** One instruction as NASM text with what a debugger asks about it. */
import {
  Code,
  Decoder,
  DecoderOptions,
  FlowControl,
  FormatMnemonicOptions,
  Formatter,
  FormatterSyntax,
  Instruction,
  OpKind,
} from 'iced-x86';
import type { CodeBits } from '../base/program.ts';
import { MAX_INSTRUCTION_BYTES } from './decode.ts';
import { mnemonicName } from './codes.ts';
import { registerInfo } from './registers.ts';

export interface DisassembledInstruction {
  readonly address: bigint;
  /** Length of the instruction. */
  readonly bytes: number;
  /** NASM syntax; a branch target or an absolute or RIP-relative operand that has a symbol is shown by it. */
  readonly text: string;
  /** Lower case, without prefixes. */
  readonly mnemonic: string;
  /** Any transfer of control that is not a call or a return: JMP, Jcc, LOOP. */
  readonly isBranch: boolean;
  /**
   * What a step over steps over: calls near, far and indirect, software interrupts, SYSCALL, SYSENTER, VMCALL. Not VMLAUNCH
   * and VMRESUME, which do not come back to the next instruction.
   */
  readonly isCall: boolean;
  /** RET, RETF, IRET, SYSRET, SYSEXIT. */
  readonly isReturn: boolean;
  /** Target of a direct near branch or call. */
  readonly nearTarget: bigint | undefined;
}

export interface DisassembleOptions {
  /** Name of the symbol at exactly this address. */
  readonly symbolAt?: (address: bigint) => string | undefined;
}

const scratch = new Instruction();
const formatter = new Formatter(FormatterSyntax.Nasm);
formatter.hexPrefix = '0x';
formatter.hexSuffix = '';
formatter.uppercaseHex = false;
formatter.spaceAfterOperandSeparator = true;
formatter.showBranchSize = false;
formatter.branchLeadingZeros = false;
formatter.ripRelativeAddresses = false;

/**
 * Disassembles the first instruction of `bytes`, as if at `address`.
 * @returns undefined when the bytes are no instruction of this code size, or end within one.
 */
export function disassemble(
  bytes: Uint8Array,
  address: bigint,
  bits: CodeBits,
  options: DisassembleOptions = {},
): DisassembledInstruction | undefined {
  const decoder = new Decoder(bits, bytes.subarray(0, MAX_INSTRUCTION_BYTES), DecoderOptions.None);
  try {
    decoder.ip = address;
    decoder.decodeOut(scratch);
  } finally {
    decoder.free();
  }
  if (scratch.code === Code.INVALID) return undefined;
  const flow = scratch.flowControl;
  const nearTarget = isNearBranchKind(scratch.op0Kind) && scratch.opCount > 0 ? scratch.nearBranchTarget : undefined;
  return {
    address,
    bytes: scratch.length,
    text: format(scratch, nearTarget, options.symbolAt),
    mnemonic: mnemonicName(scratch.mnemonic),
    isBranch: isBranch(flow, nearTarget !== undefined),
    isCall: isCall(flow, scratch.code),
    isReturn: flow === FlowControl.Return,
    nearTarget,
  };
}

function isNearBranchKind(kind: OpKind): boolean {
  return kind === OpKind.NearBranch16 || kind === OpKind.NearBranch32 || kind === OpKind.NearBranch64;
}

function isCall(flow: FlowControl, code: Code): boolean {
  if (code === Code.Vmlaunch || code === Code.Vmresume) return false;
  return flow === FlowControl.Call || flow === FlowControl.IndirectCall || flow === FlowControl.Interrupt;
}

function isBranch(flow: FlowControl, near: boolean): boolean {
  if (flow === FlowControl.UnconditionalBranch || flow === FlowControl.IndirectBranch) return true;
  if (flow === FlowControl.ConditionalBranch) return true;
  return flow === FlowControl.XbeginXabortXend && near;
}

function format(
  instruction: Instruction,
  nearTarget: bigint | undefined,
  symbolAt: DisassembleOptions['symbolAt'],
): string {
  if (symbolAt === undefined) return formatter.format(instruction);
  if (nearTarget !== undefined) {
    const name = symbolAt(nearTarget);
    if (name === undefined) return formatter.format(instruction);
    return `${formatter.formatMnemonicOptions(instruction, FormatMnemonicOptions.None)} ${name}`;
  }
  const text = formatter.format(instruction);
  const absolute = absoluteMemoryAddress(instruction);
  const name = absolute === undefined ? undefined : symbolAt(absolute);
  if (name === undefined) return text;
  // The address is the last thing within the brackets, after a segment, a size or `rel`.
  return text.replace(/0x[0-9a-f]+\]|\b\d+\]/, `${name}]`);
}

/** Address of a memory operand that no register takes part in (RIP aside). */
function absoluteMemoryAddress(instruction: Instruction): bigint | undefined {
  for (let operand = 0; operand < instruction.opCount; operand++) {
    if (instruction.opKind(operand) !== OpKind.Memory) continue;
    if (instruction.isIpRelMemoryOperand) return instruction.ipRelMemoryAddress;
    const base = registerInfo(instruction.memoryBase);
    const index = registerInfo(instruction.memoryIndex);
    return base === undefined && index === undefined ? instruction.memoryDisplacementU64 : undefined;
  }
  return undefined;
}
