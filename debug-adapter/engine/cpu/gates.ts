/**
 * The ways through a vector: IVT entry, protected-mode gate, IA-32e gate (SDM Vol. 3A, "Interrupt and Exception Handling",
 * chapter 6: 6.11, 6.12, 6.14; "Real-Address Mode", 20.1.4). Each function commits at its end or throws with nothing but
 * partial stack writes done.
 */
import type { Cpu, DeliveredEvent } from './context.ts';
import { DB, GP, GuestFault, NP, raise, SS_FAULT, TS, vectorName } from './guest-fault.ts';
import { AC, IF, NT, RF, TF, VM } from './flags.ts';
import { LAYOUT } from './layout.ts';
import { isCanonicalNow, isLongMode, isNonRoot, isProtected, isVirtual8086 } from './modes.ts';
import {
  dplOf,
  isCode,
  isConforming,
  isLongCode,
  isBig,
  isNull,
  isPresent,
  isSegment,
  limitOf,
  markAccessed,
  nullSegment,
  requireDescriptor,
  segmentFrom,
  selectorError,
  stackSegment,
  SYSTEM_TYPE,
  typeOf,
  type Descriptor,
} from './segmentation.ts';
import { MASK_64, Stack, stackMaskOf } from './stack.ts';
import { ACCESS_RIGHTS, type Segment } from './state.ts';
import { switchTask, taskDescriptor } from './task-switch.ts';
import { deliverToVirtual8086, redirects } from './virtual-8086.ts';

const RSP = 4;

/** Software events: checked against the gate's DPL, not "external to the program". INT1 (`privileged-software`) is neither. */
const isSoftware = (event: DeliveredEvent): boolean =>
  event.type === 'software-interrupt' || event.type === 'software-exception';
const extOf = (event: DeliveredEvent): 0 | 1 => (isSoftware(event) ? 0 : 1);

/** RIP to return to: behind the instruction for software events, else the instruction itself. */
const returnRip = (cpu: Cpu, event: DeliveredEvent): bigint => cpu.state.rip + BigInt(event.instructionBytes);

/** Faults push RF set, so that an instruction breakpoint does not fire again (SDM Vol. 3B, 17.3.1.1). */
export const pushesResumeFlag = (event: DeliveredEvent): boolean =>
  event.type === 'hardware-exception' && event.vector !== DB && event.injected !== true;

/** Software interrupts push RF clear, as their instruction has cleared it at its start (the same section); others RFLAGS as it is. */
function pushedFlags(cpu: Cpu, event: DeliveredEvent): number {
  const { rflags } = cpu.state;
  if (pushesResumeFlag(event)) return rflags | RF;
  return event.instructionBytes > 0 && event.injected !== true ? rflags & ~RF : rflags;
}

/** Delivers one event; nested faults are thrown. */
export function deliverThroughTable(cpu: Cpu, event: DeliveredEvent): void {
  if (!isProtected(cpu.state)) deliverReal(cpu, event);
  else if (event.type === 'software-interrupt' && redirects(cpu, event.vector)) deliverToVirtual8086(cpu, event);
  else if (isLongMode(cpu.state)) deliverLong(cpu, event);
  else deliverProtected(cpu, event);
}

function deliverReal(cpu: Cpu, event: DeliveredEvent): void {
  const state = cpu.state;
  const entry = event.vector * 4;
  if (entry + 3 > state.get32(LAYOUT.idtrLimit)) raise(GP, undefined, 'vector beyond the interrupt vector table');
  const target = cpu.readSystem(state.get64(LAYOUT.idtrBase) + BigInt(entry), 4);
  const stack = Stack.current(cpu);
  stack.push(2, BigInt(pushedFlags(cpu, event)) & 0xffffn);
  stack.push(2, BigInt(state.selector('CS')));
  stack.push(2, returnRip(cpu, event) & 0xffffn);
  const offset = target & 0xffffn;
  if (Number(offset) > state.segmentLimit('CS')) raise(GP, undefined, 'handler beyond the code segment limit');
  stack.commit();
  const selector = Number(target >> 16n);
  const kept = state.accessRights('CS') & (ACCESS_RIGHTS.DB | ACCESS_RIGHTS.G | ACCESS_RIGHTS.AVL);
  const limit = state.segmentLimit('CS');
  state.setSegment('CS', { selector, base: BigInt(selector) << 4n, limit, accessRights: kept | 0x93 });
  state.systemFlags &= ~(IF | TF | AC | RF);
  finish(cpu, offset);
}

interface Gate {
  readonly selector: number;
  readonly offset: bigint;
  readonly type: number;
  readonly ist: number;
}

/** Reads and judges the gate (8 or 16 bytes); code segment checks are the caller's. */
function readGate(cpu: Cpu, event: DeliveredEvent, bytes: 8 | 16, types: readonly number[]): Gate {
  const state = cpu.state;
  const entry = event.vector * bytes;
  const error = event.vector * 8 + 2;
  const name = `IDT entry of ${vectorName(event.vector)}`;
  if (entry + bytes - 1 > state.get32(LAYOUT.idtrLimit))
    raise(GP, error | extOf(event), `${name} beyond the IDT limit`);
  const linear = state.get64(LAYOUT.idtrBase) + BigInt(entry);
  const value = cpu.readSystem(linear, 8);
  const upper = bytes === 16 ? cpu.readSystem(linear + 8n, 8) : 0n;
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  const gate: Descriptor = { low, high, linear };
  const type = typeOf(gate);
  if (isSegment(gate) || !types.includes(type)) raise(GP, error | extOf(event), `${name} is not a gate`);
  if (isSoftware(event) && dplOf(gate) < state.cpl) raise(GP, error, `${name} has a DPL below the CPL`);
  if (!isPresent(gate)) raise(NP, error | extOf(event), `${name} not present`);
  const offset = (BigInt.asUintN(32, upper) << 32n) | BigInt(((high & 0xffff_0000) | (low & 0xffff)) >>> 0);
  return { selector: low >>> 16, offset, type, ist: high & 7 };
}

/** The handler's code segment, checks common to both kinds of gate made. */
function handlerCode(cpu: Cpu, gate: Gate, ext: number): Descriptor {
  if (isNull(gate.selector)) raise(GP, ext, 'gate with a null code selector');
  const error = selectorError(gate.selector, ext);
  const descriptor = requireDescriptor(cpu, gate.selector, GP, ext);
  if (!isCode(descriptor) || dplOf(descriptor) > cpu.state.cpl)
    raise(GP, error, 'gate to something that is not code of this or a higher privilege');
  return descriptor;
}

const PROTECTED_GATES = [
  SYSTEM_TYPE.taskGate,
  SYSTEM_TYPE.interruptGate16,
  SYSTEM_TYPE.trapGate16,
  SYSTEM_TYPE.interruptGate,
  SYSTEM_TYPE.trapGate,
];

function deliverProtected(cpu: Cpu, event: DeliveredEvent): void {
  const state = cpu.state;
  const ext = extOf(event);
  const gate = readGate(cpu, event, 8, PROTECTED_GATES);
  if (gate.type === SYSTEM_TYPE.taskGate) {
    deliverToTask(cpu, event, gate.selector);
    return;
  }
  const code = handlerCode(cpu, gate, ext);
  const error = selectorError(gate.selector, ext);
  if (!isPresent(code)) raise(NP, error, 'handler code segment not present');
  const fromV86 = isVirtual8086(state);
  const inner = !isConforming(code) && dplOf(code) < state.cpl;
  const cpl = inner ? dplOf(code) : state.cpl;
  if (fromV86 && (!inner || cpl !== 0)) raise(GP, error, 'virtual-8086 mode must enter a handler at CPL 0');
  const wide = (gate.type & 8) !== 0;
  const bytes = wide ? 4 : 2;
  const offset = wide ? gate.offset : gate.offset & 0xffffn;
  const segment = inner ? innerStack(cpu, cpl, ext) : undefined;
  const stack =
    segment === undefined
      ? Stack.current(cpu)
      : new Stack(
          cpu,
          segment.pointer,
          segment.ss,
          stackMaskOf(segment.ss),
          'system',
          selectorError(segment.ss.selector, ext),
        );
  if (fromV86) for (const name of ['GS', 'FS', 'DS', 'ES'] as const) stack.push(bytes, BigInt(state.selector(name)));
  if (inner) {
    stack.push(bytes, BigInt(state.selector('SS')));
    stack.push(bytes, state.gpr(RSP));
  }
  stack.push(bytes, BigInt(pushedFlags(cpu, event) >>> 0));
  stack.push(bytes, BigInt(state.selector('CS')));
  stack.push(bytes, returnRip(cpu, event));
  if (event.errorCode !== undefined) stack.push(bytes, BigInt(event.errorCode));
  if (Number(offset) > limitOf(code)) raise(GP, ext, 'handler beyond its code segment limit');

  const marked = markAccessed(cpu, code);
  if (segment !== undefined) {
    if (fromV86) for (const name of ['GS', 'FS', 'DS', 'ES'] as const) state.setSegment(name, nullSegment(0));
    state.setSegment('SS', segment.ss);
    state.setGpr(RSP, segment.pointer);
  }
  stack.commit();
  enterHandler(cpu, gate, marked, cpl, offset);
}

/** A task gate in the IDT: the handler is a task of its own (SDM Vol. 3A, "Interrupt Tasks" 6.12.2). */
function deliverToTask(cpu: Cpu, event: DeliveredEvent, selector: number): void {
  const ext = extOf(event);
  const descriptor = taskDescriptor(cpu, selector, 'gate', ext);
  if (isNonRoot(cpu.state)) cpu.intercepts.taskGate(selector);
  const { errorCode } = event;
  const flags = pushedFlags(cpu, event);
  switchTask(cpu, { source: 'gate', selector, descriptor, returnRip: returnRip(cpu, event), flags, errorCode, ext });
}

/** SS and ESP (or SP) of a privilege level from the TSS (SDM Vol. 3A, "Stack Switching" 5.8.5). */
export function innerStack(cpu: Cpu, cpl: number, ext: number): { readonly ss: Segment; readonly pointer: bigint } {
  const state = cpu.state;
  const wide = (state.accessRights('TR') & 8) !== 0;
  const at = wide ? cpl * 8 + 4 : cpl * 4 + 2;
  const last = at + (wide ? 5 : 3);
  if (last > state.segmentLimit('TR'))
    raise(TS, selectorError(state.selector('TR'), ext), 'stack pointer beyond the TSS limit');
  const base = state.segmentBase('TR') + BigInt(at);
  const pointer = cpu.readSystem(base, wide ? 4 : 2);
  const selector = Number(cpu.readSystem(base + (wide ? 4n : 2n), 2));
  return { ss: stackSegment(cpu, selector, cpl, TS, ext), pointer };
}

function deliverLong(cpu: Cpu, event: DeliveredEvent): void {
  const state = cpu.state;
  const ext = extOf(event);
  const gate = readGate(cpu, event, 16, [SYSTEM_TYPE.interruptGate, SYSTEM_TYPE.trapGate]);
  const code = handlerCode(cpu, gate, ext);
  const error = selectorError(gate.selector, ext);
  if (!isLongCode(code) || isBig(code)) raise(GP, error, 'handler is not 64-bit code');
  if (!isPresent(code)) raise(NP, error, 'handler code segment not present');
  const inner = !isConforming(code) && dplOf(code) < state.cpl;
  const cpl = inner ? dplOf(code) : state.cpl;
  const pointer =
    gate.ist !== 0 ? tssStack(cpu, 28 + gate.ist * 8, ext) : inner ? tssStack(cpu, 4 + cpl * 8, ext) : state.gpr(RSP);
  const stack = new Stack(cpu, pointer & ~15n, undefined, MASK_64, inner ? 'system' : 'current', ext);
  stack.push(8, BigInt(state.selector('SS')));
  stack.push(8, state.gpr(RSP));
  stack.push(8, BigInt(pushedFlags(cpu, event) >>> 0));
  stack.push(8, BigInt(state.selector('CS')));
  stack.push(8, returnRip(cpu, event));
  if (event.errorCode !== undefined) stack.push(8, BigInt(event.errorCode));
  if (!isCanonicalNow(state, gate.offset)) raise(GP, ext, 'handler address is not canonical');

  const marked = markAccessed(cpu, code);
  if (inner) state.setSegment('SS', nullSegment(cpl, cpl));
  stack.commit();
  enterHandler(cpu, gate, marked, cpl, gate.offset);
}

/** A stack pointer from the 64-bit TSS (SDM Vol. 3A, figure 7-11). */
export function tssStack(cpu: Cpu, at: number, ext: number): bigint {
  const state = cpu.state;
  if (at + 7 > state.segmentLimit('TR'))
    raise(TS, selectorError(state.selector('TR'), ext), 'stack pointer beyond the TSS limit');
  const pointer = cpu.readSystem(state.segmentBase('TR') + BigInt(at), 8);
  if (!isCanonicalNow(state, pointer)) throw new GuestFault(SS_FAULT, ext, 'stack pointer in the TSS is not canonical');
  return pointer;
}

function enterHandler(cpu: Cpu, gate: Gate, code: Descriptor, cpl: number, offset: bigint): void {
  const state = cpu.state;
  state.setSegment('CS', segmentFrom((gate.selector & 0xfffc) | cpl, code));
  const isInterruptGate = (gate.type & 1) === 0;
  state.systemFlags &= ~(TF | NT | RF | VM | (isInterruptGate ? IF : 0));
  finish(cpu, offset);
}

function finish(cpu: Cpu, rip: bigint): void {
  cpu.state.rip = rip;
  cpu.setNextRip(rip);
  cpu.modeChanged();
}
