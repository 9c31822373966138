/**
 * Records of taken branches (SDM Vol. 3B, "Last Branch, Interrupt, and Exception Recording" 17.4): sixteen pairs of from and to,
 * filtered by MSR_LBR_SELECT, and traps on branches (IA32_DEBUGCTL.BTF). Nothing here is asked while both are off.
 */
import { FlowControl, Instruction } from 'iced-x86';
import { codeName } from '../isa/codes.ts';
import { BOUNDARY } from './boundary-bits.ts';
import { DEBUGCTL } from './control-bits.ts';
import type { CpuFeatures } from './features.ts';
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';

/** Pairs of records. IA32_PERF_CAPABILITIES says in which format: RIP, with the flag for a misprediction in bit 63 of "from". */
export const BRANCH_RECORDS = 16;
export const LBR_FORMAT = 3n;
const FROM_BITS = 0x7fff_ffff_ffff_ffffn;

/** MSR_LBR_SELECT: a set bit leaves out the branches it names. */
const SELECT = {
  toCpl0: 1 << 0,
  toOtherCpl: 1 << 1,
  conditional: 1 << 2,
  nearRelativeCall: 1 << 3,
  nearIndirectCall: 1 << 4,
  nearReturn: 1 << 5,
  nearIndirectJump: 1 << 6,
  nearRelativeJump: 1 << 7,
  far: 1 << 8,
} as const;
export const LBR_SELECT_BITS = 0x1ffn;

/** Where the records are: quads of the processor state. */
export const BRANCH_FROM_AT = LAYOUT.msrStorage + 8 * 31;
export const BRANCH_TO_AT = BRANCH_FROM_AT + 8 * BRANCH_RECORDS;
export const BRANCH_TOP_AT = BRANCH_TO_AT + 8 * BRANCH_RECORDS;
export const BRANCH_SELECT_AT = BRANCH_TOP_AT + 8;

/** IA32_DEBUGCTL bits of a processor. Branch trace messages (TR) go to a bus where nobody listens. */
export const debugctlBits = (features: CpuFeatures): bigint =>
  BigInt(DEBUGCTL.BTF | DEBUGCTL.TR | (features.has('PDCM') ? DEBUGCTL.LBR : 0));

/** Whether taken branches matter now. */
export const tracesBranches = (state: CpuState): boolean =>
  (state.low(LAYOUT.debugctl) & (DEBUGCTL.LBR | DEBUGCTL.BTF)) !== 0;

function flowOf(code: number): FlowControl {
  const instruction = new Instruction();
  instruction.code = code;
  const flow = instruction.flowControl;
  instruction.free();
  return flow;
}

const kinds = new Map<number, number>();
/** The SELECT bit of an instruction by iced `Code`; 0 for one that does not branch or whose branch is the delivery of an event. */
function branchKind(code: number): number {
  let kind = kinds.get(code);
  if (kind === undefined) kinds.set(code, (kind = judge(code)));
  return kind;
}
function judge(code: number): number {
  const name = codeName(code);
  if (/^(Jmp_(ptr|m16)|Call_(ptr|m16)|Retf|Iret|Sys(call|ret|enter|exit))/.test(name)) return SELECT.far;
  switch (flowOf(code)) {
    case FlowControl.ConditionalBranch:
      return SELECT.conditional;
    case FlowControl.UnconditionalBranch:
      return SELECT.nearRelativeJump;
    case FlowControl.IndirectBranch:
      return SELECT.nearIndirectJump;
    case FlowControl.Return:
      return SELECT.nearReturn;
    case FlowControl.Call:
      return name.startsWith('Call') ? SELECT.nearRelativeCall : 0;
    case FlowControl.IndirectCall:
      return SELECT.nearIndirectCall;
    case FlowControl.Next:
    case FlowControl.Interrupt:
    case FlowControl.XbeginXabortXend:
    case FlowControl.Exception:
      return 0;
    default:
      return 0;
  }
}

/**
 * An instruction at `from` has completed and RIP is where it leads. A conditional branch to the instruction behind it counts as
 * not taken.
 */
export function branchCompleted(state: CpuState, code: number, from: bigint, behind: bigint): void {
  const kind = branchKind(code);
  if (kind === 0 || (kind === SELECT.conditional && state.rip === behind)) return;
  state.set32(LAYOUT.boundary, state.get32(LAYOUT.boundary) | BOUNDARY.branched);
  record(state, kind, from);
}

/** An interrupt or exception has been delivered: a far branch from the interrupted instruction. */
export function eventBranched(state: CpuState, from: bigint): void {
  record(state, SELECT.far, from);
}

function record(state: CpuState, kind: number, from: bigint): void {
  if ((state.low(LAYOUT.debugctl) & DEBUGCTL.LBR) === 0) return;
  const left = kind | (state.cpl === 0 ? SELECT.toCpl0 : SELECT.toOtherCpl);
  if ((state.get32(BRANCH_SELECT_AT) & left) !== 0) return;
  const top = (state.get32(BRANCH_TOP_AT) + 1) % BRANCH_RECORDS;
  state.set32(BRANCH_TOP_AT, top);
  state.set64(BRANCH_FROM_AT + 8 * top, from & FROM_BITS);
  state.set64(BRANCH_TO_AT + 8 * top, state.rip);
}
