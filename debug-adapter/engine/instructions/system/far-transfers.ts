/** Far JMP, CALL and RET in every mode, call gates included (SDM Vol. 2A and 2B; Vol. 3A, "Gate Descriptors" 5.8). */
import { Code, OpKind } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { innerStack, tssStack } from '../../cpu/gates.ts';
import { GP, NP, raise } from '../../cpu/guest-fault.ts';
import { isLongMode, isRealStyle } from '../../cpu/modes.ts';
import { operandKind } from '../../cpu/operands.ts';
import {
  dplOf,
  dropPrivilegedSegments,
  isCode,
  isConforming,
  isLongCode,
  isPresent,
  isSegment,
  nullSegment,
  readDescriptorAt,
  rplOf,
  selectorError,
  stackSegment,
  SYSTEM_TYPE,
  typeOf,
  type Descriptor,
} from '../../cpu/segmentation.ts';
import { MASK_32, MASK_64, Stack, stackMaskOf } from '../../cpu/stack.ts';
import { switchTask, taskDescriptor } from '../../cpu/task-switch.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import {
  checkDirectCode,
  checkOffset,
  checkRealOffset,
  checkReturnCode,
  checkUsableCode,
  enterCode,
  enterRealCode,
  runsIn64Bit,
  targetDescriptor,
} from './code-target.ts';
import { intercept, type Form } from './forms.ts';

const RSP = 4;
type Bytes = 2 | 4 | 8;

export interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
}

/** Selector and offset of an immediate or memory far pointer whose offset has `bytes` bytes. */
export function farPointer(cpu: Cpu, instruction: DecodedInstruction, operand: number, bytes: Bytes): FarPointer {
  if (operandKind(instruction, operand) !== OpKind.Memory)
    return { selector: instruction.farSelector, offset: BigInt(instruction.farOffset) };
  const linear = cpu.linearOperand(instruction, bytes + 2, 'read');
  const offset = cpu.readLinear(linear, bytes);
  const after = linear + BigInt(bytes);
  const selector = cpu.readLinear(cpu.state.codeBits === 64 ? after & MASK_64 : after & MASK_32, 2);
  return { selector: Number(selector), offset };
}

/** A far transfer to a TSS, or through a task gate to the one it names (SDM Vol. 3A, "Task Switching" 7.3). */
function taskTransfer(
  cpu: Cpu,
  instruction: DecodedInstruction,
  selector: number,
  target: Descriptor,
  source: 'call' | 'jmp',
): void {
  const tss = typeOf(target) === SYSTEM_TYPE.taskGate ? target.low >>> 16 : selector;
  const descriptor = taskDescriptor(cpu, tss, source);
  intercept(cpu, { kind: 'task-switch', selector: tss, source }, instruction);
  switchTask(cpu, { source, selector: tss, descriptor, returnRip: cpu.nextRip });
}

const LEGACY_TASKS: readonly number[] = [SYSTEM_TYPE.availableTss16, SYSTEM_TYPE.availableTss, SYSTEM_TYPE.taskGate];

/** A call gate with what it points to, checks made up to the code segment's own. */
interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  readonly bytes: Bytes;
  readonly parameters: number;
  readonly code: Descriptor;
}

/** Undefined where the target was a task, which has been switched to. */
function callGate(
  cpu: Cpu,
  instruction: DecodedInstruction,
  selector: number,
  gate: Descriptor,
  source: 'call' | 'jmp',
): CallGate | undefined {
  const long = isLongMode(cpu.state);
  const type = typeOf(gate);
  const error = selectorError(selector);
  const isTask = !long && LEGACY_TASKS.includes(type);
  if (!isTask && type !== SYSTEM_TYPE.callGate && (long || type !== SYSTEM_TYPE.callGate16))
    raise(GP, error, 'neither code nor a call gate');
  if (dplOf(gate) < Math.max(cpu.state.cpl, rplOf(selector))) raise(GP, error, 'gate DPL below CPL or RPL');
  if (!isPresent(gate)) raise(NP, error, 'gate not present');
  if (isTask) {
    taskTransfer(cpu, instruction, selector, gate, source);
    return undefined;
  }
  const target = gate.low >>> 16;
  const low = BigInt(((gate.high & 0xffff_0000) | (gate.low & 0xffff)) >>> 0);
  const wide = type === SYSTEM_TYPE.callGate;
  let offset = wide ? low : low & 0xffffn;
  if (long) {
    const upper = readDescriptorAt(cpu, gate.linear + 8n);
    if ((upper.high & 0x1f00) !== 0) raise(GP, error, 'type bits in the upper half of the call gate');
    offset |= BigInt(upper.low >>> 0) << 32n;
  }
  const code = targetDescriptor(cpu, target);
  if (!isCode(code) || dplOf(code) > cpu.state.cpl)
    raise(GP, selectorError(target), 'call gate to something that is not code of this or a higher privilege');
  if (long && !isLongCode(code)) raise(GP, selectorError(target), '64-bit call gate to code without L');
  checkUsableCode(cpu, target, code);
  const parameters = long ? 0 : gate.high & 0x1f;
  return { selector: target, offset, bytes: long ? 8 : wide ? 4 : 2, parameters, code };
}

const jumpFar =
  (bytes: Bytes): SystemInstruction =>
  (cpu, instruction) => {
    const { selector, offset } = farPointer(cpu, instruction, 0, bytes);
    if (isRealStyle(cpu.state)) {
      checkRealOffset(cpu, offset);
      enterRealCode(cpu, selector, offset);
      return;
    }
    const target = targetDescriptor(cpu, selector);
    if (isSegment(target)) {
      if (!isCode(target)) raise(GP, selectorError(selector), 'jump to a data segment');
      checkDirectCode(cpu, selector, target);
      checkOffset(cpu, target, offset);
      enterCode(cpu, selector, target, cpu.state.cpl, offset);
    } else {
      const gate = callGate(cpu, instruction, selector, target, 'jmp');
      if (gate === undefined) return;
      if (!isConforming(gate.code) && dplOf(gate.code) !== cpu.state.cpl)
        raise(GP, selectorError(gate.selector), 'jump through a gate to another privilege level');
      checkOffset(cpu, gate.code, gate.offset);
      enterCode(cpu, gate.selector, gate.code, cpu.state.cpl, gate.offset);
    }
    cpu.modeChanged();
  };

const callFar =
  (bytes: Bytes): SystemInstruction =>
  (cpu, instruction) => {
    const state = cpu.state;
    const { selector, offset } = farPointer(cpu, instruction, 0, bytes);
    const stack = Stack.current(cpu);
    if (isRealStyle(state)) {
      checkRealOffset(cpu, offset);
      pushReturn(cpu, stack, bytes);
      stack.commit();
      enterRealCode(cpu, selector, offset);
      return;
    }
    const target = targetDescriptor(cpu, selector);
    if (isSegment(target)) {
      if (!isCode(target)) raise(GP, selectorError(selector), 'call to a data segment');
      checkDirectCode(cpu, selector, target);
      checkOffset(cpu, target, offset);
      pushReturn(cpu, stack, bytes);
      stack.commit();
      enterCode(cpu, selector, target, state.cpl, offset);
    } else {
      const gate = callGate(cpu, instruction, selector, target, 'call');
      if (gate === undefined) return;
      checkOffset(cpu, gate.code, gate.offset);
      if (!isConforming(gate.code) && dplOf(gate.code) < state.cpl) callInward(cpu, gate);
      else {
        // CS is loaded before the push, so that a 64-bit gate pushes as 64-bit code does, even from compatibility mode.
        const pushed = gate.bytes === 8 ? new Stack(cpu, state.gpr(RSP), undefined, MASK_64) : stack;
        pushReturn(cpu, pushed, gate.bytes);
        pushed.commit();
        enterCode(cpu, gate.selector, gate.code, state.cpl, gate.offset);
      }
    }
    cpu.modeChanged();
  };

function pushReturn(cpu: Cpu, stack: Stack, bytes: Bytes): void {
  stack.push(bytes, BigInt(cpu.state.selector('CS')));
  stack.push(bytes, cpu.nextRip);
}

/** A call through a gate to a more privileged level, on the stack that the TSS names (SDM Vol. 3A, "Stack Switching" 5.8.5). */
function callInward(cpu: Cpu, gate: CallGate): void {
  const state = cpu.state;
  const cpl = dplOf(gate.code);
  if (gate.bytes === 8) {
    const stack = new Stack(cpu, tssStack(cpu, 4 + cpl * 8, 0), undefined, MASK_64, 'system');
    stack.push(8, BigInt(state.selector('SS')));
    stack.push(8, state.gpr(RSP));
    pushReturn(cpu, stack, 8);
    state.setSegment('SS', nullSegment(cpl, cpl));
    stack.commit();
  } else {
    const { ss, pointer } = innerStack(cpu, cpl, 0);
    const stack = new Stack(cpu, pointer, ss, stackMaskOf(ss), 'system', selectorError(ss.selector));
    const old = Stack.current(cpu);
    const parameters = Array.from({ length: gate.parameters }, () => old.pop(gate.bytes)).reverse();
    stack.push(gate.bytes, BigInt(state.selector('SS')));
    stack.push(gate.bytes, state.gpr(RSP));
    for (const parameter of parameters) stack.push(gate.bytes, parameter);
    pushReturn(cpu, stack, gate.bytes);
    state.setSegment('SS', ss);
    state.setGpr(RSP, pointer);
    stack.commit();
  }
  enterCode(cpu, gate.selector, gate.code, cpl, gate.offset);
}

const returnFar =
  (bytes: Bytes): SystemInstruction =>
  (cpu, instruction) => {
    const state = cpu.state;
    const release = instruction.opCount > 0 ? instruction.immediateLo & 0xffff : 0;
    const stack = Stack.current(cpu);
    const offset = stack.pop(bytes);
    const selector = Number(stack.pop(bytes) & 0xffffn);
    if (isRealStyle(state)) {
      checkRealOffset(cpu, offset);
      stack.skip(release);
      stack.commit();
      enterRealCode(cpu, selector, offset);
      return;
    }
    const code = targetDescriptor(cpu, selector);
    checkReturnCode(cpu, selector, code);
    const cpl = rplOf(selector);
    stack.skip(release);
    if (cpl === state.cpl) {
      checkOffset(cpu, code, offset);
      stack.commit();
      enterCode(cpu, selector, code, cpl, offset);
      cpu.modeChanged();
      return;
    }
    const pointer = stack.pop(bytes);
    const stackSelector = Number(stack.pop(bytes) & 0xffffn);
    returnOutward(cpu, { selector, code, offset, stackSelector, pointer: pointer + BigInt(release) });
  };

export interface OuterReturn {
  readonly selector: number;
  readonly code: Descriptor;
  readonly offset: bigint;
  readonly stackSelector: number;
  readonly pointer: bigint;
}

/** The common end of a return that loads SS: RETF outward, and IRET that changes privilege or is 64-bit. */
export function returnOutward(cpu: Cpu, to: OuterReturn): void {
  const state = cpu.state;
  const before = state.cpl;
  const cpl = rplOf(to.selector);
  const long = runsIn64Bit(cpu, to.code);
  const ss = stackSegment(cpu, to.stackSelector, cpl, GP, 0, long ? 64 : 32);
  checkOffset(cpu, to.code, to.offset);
  enterCode(cpu, to.selector, to.code, cpl, to.offset);
  state.setSegment('SS', ss);
  const mask = long ? MASK_64 : stackMaskOf(ss);
  state.setGpr(RSP, (state.gpr(RSP) & ~mask) | (to.pointer & mask));
  if (cpl !== before) dropPrivilegedSegments(cpu, cpl);
  cpu.modeChanged();
}

export const FAR_TRANSFERS: readonly Form[] = [
  [Code.Jmp_ptr1616, jumpFar(2)],
  [Code.Jmp_ptr1632, jumpFar(4)],
  [Code.Jmp_m1616, jumpFar(2)],
  [Code.Jmp_m1632, jumpFar(4)],
  [Code.Jmp_m1664, jumpFar(8)],
  [Code.Call_ptr1616, callFar(2)],
  [Code.Call_ptr1632, callFar(4)],
  [Code.Call_m1616, callFar(2)],
  [Code.Call_m1632, callFar(4)],
  [Code.Call_m1664, callFar(8)],
  [Code.Retfw, returnFar(2)],
  [Code.Retfw_imm16, returnFar(2)],
  [Code.Retfd, returnFar(4)],
  [Code.Retfd_imm16, returnFar(4)],
  [Code.Retfq, returnFar(8)],
  [Code.Retfq_imm16, returnFar(8)],
];
