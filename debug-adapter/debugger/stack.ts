/**
 * Who called whom. Guests keep no records for a debugger, so callers are found from what is on the stack and believed only
 * where the bytes before a return address are a CALL (and its target fits), or where an interrupt frame is whole.
 */
import { EXIT_REASONS, disassemble } from '../engine/index.ts';
import type { CpuModeView, HandlerState, LineSpan, Machine, VmExitRecord } from '../engine/index.ts';
import { ProcessorView, littleEndian } from './processor.ts';
import type { SymbolTable } from './symbols.ts';

export type Frame =
  | {
      readonly kind: 'code';
      /** `[ring 3] user_task+0x12`. */
      readonly name: string;
      readonly linear: bigint;
      readonly line: LineSpan | undefined;
      /** The frame's registers are the processor's own of now; others are callers. */
      readonly top: boolean;
      readonly source: 'processor' | 'guest';
    }
  /** A step of the built-in hypervisor's handler. */
  | { readonly kind: 'handler'; readonly name: string; readonly state: HandlerState }
  /** Separates what ran before and after a VM exit or interrupt. */
  | { readonly kind: 'label'; readonly name: string };

/** Bytes of stack that are looked at, and frames that are found, at most. */
const STACK_WINDOW = 1024;
const MAX_CALLERS = 32;
/** A call target further than this before the code it should have led to belongs to another routine. */
const MAX_ROUTINE_BYTES = 0x1_0000n;

export function stackFrames(machine: Machine, cpu: number, symbols: SymbolTable): readonly Frame[] {
  const handler = machine.handler;
  if (handler) {
    return [
      { kind: 'handler', name: `hypervisor: ${handler.handler} — ${handler.next.name}`, state: handler },
      { kind: 'label', name: exitLabel(handler.exit) },
      ...codeFrames(new ProcessorView(machine, cpu, 'guest'), symbols),
    ];
  }
  const view = new ProcessorView(machine, cpu);
  const frames = [...codeFrames(view, symbols)];
  if (machine.options.mode === 'bare') frames.push(...otherSide(view, symbols));
  return frames;
}

const exitLabel = (record: VmExitRecord): string =>
  `—— VM exit #${record.number}: ${EXIT_REASONS[record.exit.name].title} ——`;

/** On a bare machine: below a guest, where its exits lead; below an exit handler, the guest that it serves. */
function otherSide(view: ProcessorView, symbols: SymbolTable): readonly Frame[] {
  const { machine, cpu } = view;
  if (view.mode.vmx === 'non-root') {
    const hostRip = view.vmcsField('HOST_RIP') ?? 0n;
    return [{ kind: 'label', name: `—— VM exits go to ${symbols.describe(hostRip) ?? hex(hostRip)} ——` }];
  }
  const last = machine.exits.at(-1);
  if (view.mode.vmx !== 'root' || last === undefined || last.cpu !== cpu) return [];
  if (machine.inspect.vmcs(cpu)?.launched !== true) return [];
  return [
    { kind: 'label', name: exitLabel(last) },
    ...codeFrames(new ProcessorView(machine, cpu, 'guest'), symbols).slice(0, 1),
  ];
}

function codeFrames(view: ProcessorView, symbols: SymbolTable): readonly Frame[] {
  const here = view.linearRip;
  let ring = ringName(view.mode);
  const name = (linear: bigint): string => `[${ring}] ${symbols.describe(linear) ?? hex(linear)}`;
  const frames: Frame[] = [
    { kind: 'code', name: name(here), linear: here, line: symbols.lineAt(here), top: true, source: view.source },
  ];
  for (const caller of callers(view, symbols)) {
    if (caller.interrupt) frames.push({ kind: 'label', name: '—— interrupt or exception ——' });
    if (caller.cpl !== undefined) ring = `ring ${caller.cpl}`;
    // The source line of a caller is the call's, which ends just before the return address.
    const line = symbols.lineAt(caller.interrupt ? caller.linear : caller.linear - 1n);
    frames.push({
      kind: 'code',
      name: name(caller.linear),
      linear: caller.linear,
      line,
      top: false,
      source: view.source,
    });
  }
  return frames;
}

/** `real mode`, `64-bit, ring 0` ... */
export const modeName = (mode: CpuModeView): string =>
  mode.operation === 'real' || mode.operation === 'virtual-8086'
    ? `${mode.operation} mode`
    : `${mode.operation}, ring ${mode.cpl}`;

/** `real`, `v86`, `ring 0` ... */
function ringName(mode: CpuModeView): string {
  if (mode.operation === 'real') return 'real';
  if (mode.operation === 'virtual-8086') return 'v86';
  return `ring ${mode.cpl}`;
}

export interface Caller {
  /** Linear address to which control returns. */
  readonly linear: bigint;
  /** It was interrupted rather than calling. */
  readonly interrupt: boolean;
  /** Privilege level of what was interrupted: RPL of the CS that was pushed. */
  readonly cpl?: number;
}

export function callers(view: ProcessorView, symbols: SymbolTable): readonly Caller[] {
  return byFramePointer(view, symbols) ?? byStackScan(view, symbols);
}

/** The chain of saved RBP; undefined where RBP is not a frame pointer. */
function byFramePointer(view: ProcessorView, symbols: SymbolTable): readonly Caller[] | undefined {
  const bytes = view.mode.bits / 8;
  const stackPointer = view.stackPointer;
  let frame = view.register('RBP') & ((1n << BigInt(8 * bytes)) - 1n);
  let callee = view.linearRip;
  const found: Caller[] = [];
  while (found.length < MAX_CALLERS && frame >= stackPointer && frame - stackPointer < 0x10_0000n) {
    const at = view.toLinear('SS', frame);
    const saved = view.readNumber(at, bytes);
    const offset = view.readNumber(at + BigInt(bytes), bytes);
    if (saved === undefined || offset === undefined) break;
    const linear = view.toLinear('CS', offset);
    if (!followsCall(view, linear, callee)) break;
    found.push({ linear, interrupt: false });
    callee = linear;
    if (saved <= frame) break;
    frame = saved;
  }
  if (found.length === 0) return undefined;
  // Before PUSH RBP, or after POP RBP, the direct caller is on top of the stack and not yet in the chain.
  const top = view.readNumber(view.linearStackPointer, bytes);
  if (top !== undefined) {
    const linear = view.toLinear('CS', top);
    const place = symbols.nearest(view.linearRip);
    const outsideFrame = place?.offset === 0n || view.instruction()?.isReturn === true;
    if (outsideFrame && linear !== found[0]!.linear && followsCall(view, linear, view.linearRip)) {
      found.unshift({ linear, interrupt: false });
    }
  }
  return found;
}

/** Every word on the stack that is a return address. */
function byStackScan(view: ProcessorView, symbols: SymbolTable): readonly Caller[] {
  const bytes = view.mode.bits / 8;
  const stack = view.readMemory(view.linearStackPointer, STACK_WINDOW);
  const word = (index: number): bigint | undefined => {
    const slice = stack.subarray(index * bytes, (index + 1) * bytes);
    return slice.length < bytes ? undefined : littleEndian(slice);
  };
  const found: Caller[] = [];
  let callee = view.linearRip;
  for (let index = 0; found.length < MAX_CALLERS; index++) {
    const value = word(index);
    if (value === undefined) break;
    const linear = view.toLinear('CS', value);
    if (followsCall(view, linear, callee)) {
      found.push({ linear, interrupt: false });
      callee = linear;
    } else if (view.mode.bits === 64 && isInterruptFrame(view, symbols, word, index)) {
      found.push({ linear: value, interrupt: true, cpl: Number((word(index + 1) ?? 0n) & 3n) });
      callee = value;
      // The interrupted code has a stack of its own: its callers are there.
      break;
    }
  }
  return found;
}

/** RIP, CS, RFLAGS, RSP, SS as 64-bit delivery pushes them (SDM Vol. 3A, "64-Bit Mode Stack Frame", 6.14.2). */
function isInterruptFrame(
  view: ProcessorView,
  symbols: SymbolTable,
  word: (index: number) => bigint | undefined,
  index: number,
): boolean {
  const [rip, cs, rflags, rsp, ss] = [0, 1, 2, 3, 4].map((offset) => word(index + offset));
  if (rip === undefined || cs === undefined || rflags === undefined || rsp === undefined || ss === undefined)
    return false;
  if (symbols.lineAt(rip)?.code !== true && symbols.nearest(rip)?.symbol.kind !== 'code') return false;
  const flagsMustBe = (rflags & 0x2n) !== 0n && (rflags & ~0x3f_7fd7n) === 0n;
  const selectors = cs !== 0n && cs <= 0xffffn && ss <= 0xffffn && (cs & 3n) === (ss & 3n);
  return flagsMustBe && selectors && view.readMemory(rsp - 8n, 8).length === 8;
}

/** Whether a CALL ends at `linear`, and where it is direct, whether it leads to the routine of `callee`. */
function followsCall(view: ProcessorView, linear: bigint, callee: bigint): boolean {
  const longest = linear < 9n ? Number(linear) : 9;
  if (longest < 2) return false;
  const before = view.readMemory(linear - BigInt(longest), longest);
  if (before.length < longest) return false;
  for (let length = 2; length <= longest; length++) {
    const bytes = before.subarray(longest - length);
    if (!mayBeCall(bytes)) continue;
    // Decoded at its offset in CS, because a near target wraps at the width of the offset.
    const instruction = disassemble(bytes, linear - view.segmentBase('CS') - BigInt(length), view.mode.bits);
    if (instruction?.bytes !== length || instruction.mnemonic !== 'call') continue;
    if (instruction.nearTarget === undefined) return true;
    const target = view.toLinear('CS', instruction.nearTarget);
    if (target <= callee && callee - target < MAX_ROUTINE_BYTES) return true;
  }
  return false;
}

/** Cheap look at the opcode, past prefixes, before decoding. */
function mayBeCall(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length - 1 && (bytes[at] === 0x66 || bytes[at] === 0x67 || (bytes[at]! & 0xf0) === 0x40)) at++;
  const opcode = bytes[at]!;
  return opcode === 0xe8 || opcode === 0x9a || (opcode === 0xff && [2, 3].includes((bytes[at + 1]! >> 3) & 7));
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
