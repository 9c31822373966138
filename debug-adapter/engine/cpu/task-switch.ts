/**
 * Hardware task switches outside IA-32e mode (SDM Vol. 3A, "Task Management", chapter 7: "Task Switching" 7.3, the checks of
 * table 7-1, "Task Linking" 7.4). A fault before the commit is the old task's, one behind it the new task's.
 */
import type { Cpu } from './context.ts';
import { CR0, CR4, DR6_BT } from './control-bits.ts';
import { loadPdptes } from './control-registers.ts';
import { NT, VM } from './flags.ts';
import { GP, NP, raise, TS } from './guest-fault.ts';
import { LAYOUT, type SegmentName } from './layout.ts';
import {
  dplOf,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isSegment,
  isWritableOrReadable,
  limitOf,
  markAccessed,
  nullSegment,
  readDescriptor,
  requireDescriptor,
  rplOf,
  segmentFrom,
  selectorError,
  stackSegment,
  SYSTEM_TYPE,
  typeOf,
  type Descriptor,
} from './segmentation.ts';
import { MASK_32, Stack } from './stack.ts';

export type TaskSwitchSource = 'call' | 'iret' | 'jmp' | 'gate';

const BUSY = 1 << 9;
const GPR_COUNT = 8;

/** Where a task-state segment keeps what (SDM Vol. 3A, figures 7-2 and 7-10); segment registers in SEGMENT_NAMES order. */
const TSS_32 = { bytes: 4, eip: 32, eflags: 36, gpr: 40, segments: 72, segmentCount: 6, ldt: 96, last: 0x67 } as const;
const TSS_16 = { bytes: 2, eip: 14, eflags: 16, gpr: 18, segments: 34, segmentCount: 4, ldt: 42, last: 0x2b } as const;
const CR3_AT = 28n;
const TRAP_AT = 100n;
const SAVED_SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const satisfies readonly SegmentName[];
/** L0 to L3 and LE: local breakpoints belong to the task. */
const DR7_LOCAL = 0x155n;

const formatOf = (type: number): typeof TSS_32 | typeof TSS_16 => ((type & 8) !== 0 ? TSS_32 : TSS_16);

/**
 * The TSS descriptor that a selector names, fit to be switched to.
 * @param source `iret` returns to a busy task, everything else enters an available one
 */
export function taskDescriptor(cpu: Cpu, selector: number, source: TaskSwitchSource, ext = 0): Descriptor {
  const vector = source === 'iret' ? TS : GP;
  const error = selectorError(selector, ext);
  const descriptor = (selector & 4) === 0 && !isNull(selector) ? readDescriptor(cpu, selector) : undefined;
  if (descriptor === undefined) return raise(vector, error, 'TSS selector not in the GDT');
  const [wanted16, wanted] =
    source === 'iret'
      ? [SYSTEM_TYPE.busyTss16, SYSTEM_TYPE.busyTss]
      : [SYSTEM_TYPE.availableTss16, SYSTEM_TYPE.availableTss];
  const type = typeOf(descriptor);
  if (isSegment(descriptor) || (type !== wanted16 && type !== wanted))
    raise(vector, error, source === 'iret' ? 'return to a task that is not busy' : 'not an available TSS');
  if (!isPresent(descriptor)) raise(NP, error, 'TSS not present');
  return descriptor;
}

/** What the new task's TSS says. */
interface NewTask {
  readonly cr3: bigint | undefined;
  readonly rip: bigint;
  readonly flags: number;
  readonly gpr: readonly bigint[];
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

function readTask(cpu: Cpu, base: bigint, type: number): NewTask {
  const format = formatOf(type);
  const { bytes } = format;
  const word = (at: number): bigint => cpu.readSystem(base + BigInt(at), bytes);
  const wide = bytes === 4;
  return {
    cr3: wide ? cpu.readSystem(base + CR3_AT, 4) : undefined,
    rip: word(format.eip),
    flags: Number(BigInt.asIntN(32, word(format.eflags))),
    // A 16-bit TSS leaves the upper halves undefined (SDM Vol. 3A, "16-Bit Task-State Segment" 7.6); processors set them.
    gpr: Array.from({ length: GPR_COUNT }, (_, i) => word(format.gpr + bytes * i) | (wide ? 0n : 0xffff_0000n)),
    selectors: SAVED_SEGMENTS.map((_, i) =>
      i < format.segmentCount ? Number(cpu.readSystem(base + BigInt(format.segments + bytes * i), 2)) : 0,
    ),
    ldt: Number(cpu.readSystem(base + BigInt(format.ldt), 2)),
    trap: wide && (cpu.readSystem(base + TRAP_AT, 2) & 1n) !== 0n,
  };
}

function saveTask(cpu: Cpu, rip: bigint, flags: number): void {
  const state = cpu.state;
  const base = state.segmentBase('TR');
  const format = formatOf(state.accessRights('TR'));
  const { bytes } = format;
  const write = (at: number, value: bigint): void => cpu.writeSystem(base + BigInt(at), bytes, value);
  write(format.eip, rip);
  write(format.eflags, BigInt(flags >>> 0));
  for (let i = 0; i < GPR_COUNT; i++) write(format.gpr + bytes * i, state.gpr(i));
  for (let i = 0; i < format.segmentCount; i++)
    cpu.writeSystem(base + BigInt(format.segments + bytes * i), 2, BigInt(state.selector(SAVED_SEGMENTS[i])));
}

function setBusy(cpu: Cpu, descriptor: Descriptor, busy: boolean): void {
  const high = busy ? descriptor.high | BUSY : descriptor.high & ~BUSY;
  cpu.writeSystem(descriptor.linear + 5n, 1, BigInt((high >>> 8) & 0xff));
}

interface Switch {
  readonly source: TaskSwitchSource;
  readonly selector: number;
  readonly descriptor: Descriptor;
  /** Where the old task goes on, and with which RFLAGS where they are not the current ones. */
  readonly returnRip: bigint;
  readonly flags?: number;
  /** Pushed on the new task's stack. */
  readonly errorCode?: number | undefined;
  /** EXT bit of error codes. */
  readonly ext?: 0 | 1;
}

/** Switches to a task whose descriptor `taskDescriptor` has judged; VM exits are the caller's. */
export function switchTask(cpu: Cpu, to: Switch): void {
  const state = cpu.state;
  const ext = to.ext ?? 0;
  const type = typeOf(to.descriptor);
  const format = formatOf(type);
  const tr = segmentFrom(to.selector, to.descriptor);
  if (limitOf(to.descriptor) < format.last) raise(TS, selectorError(to.selector, ext), 'TSS limit too small');
  const nests = to.source === 'call' || to.source === 'gate';
  const task = readTask(cpu, tr.base, type);
  // Both are written below: what would fault must fault now.
  cpu.writeSystem(tr.base, 2, cpu.readSystem(tr.base, 2));
  const oldSelector = state.selector('TR');
  const old = requireDescriptor(cpu, oldSelector, TS, ext);

  saveTask(cpu, to.returnRip, to.source === 'iret' ? state.rflags & ~NT : (to.flags ?? state.rflags));
  if (!nests) setBusy(cpu, old, false);
  if (to.source !== 'iret') setBusy(cpu, to.descriptor, true);
  if (nests) cpu.writeSystem(tr.base, 2, BigInt(oldSelector));
  commit(cpu, task, nests);
  state.setSegment('TR', { ...tr, accessRights: tr.accessRights | 2 });

  loadSegments(cpu, task, ext);
  if (task.trap) {
    state.set64(LAYOUT.pendingDebug, state.get64(LAYOUT.pendingDebug) | BigInt(DR6_BT));
    cpu.requestAttention();
  }
  if (to.errorCode !== undefined) {
    const stack = Stack.current(cpu);
    stack.push(format.bytes, BigInt(to.errorCode));
    stack.commit();
  }
  if (task.rip > BigInt(state.segmentLimit('CS'))) raise(GP, ext, 'EIP of the new task beyond its code segment');
}

/** Registers of the new task; segment registers hold their selectors and cannot be used yet. */
function commit(cpu: Cpu, task: NewTask, nests: boolean): void {
  const state = cpu.state;
  const paging = (state.get32(LAYOUT.cr0) & CR0.PG) !== 0;
  if (paging && task.cr3 !== undefined) {
    if ((state.get32(LAYOUT.cr4) & CR4.PAE) !== 0) loadPdptes(cpu, Number(task.cr3));
    state.set64(LAYOUT.cr3, task.cr3);
    cpu.flushTlb('current');
  }
  state.set64(LAYOUT.cr0, BigInt((state.get32(LAYOUT.cr0) | CR0.TS) >>> 0));
  state.set64(LAYOUT.dr7, state.get64(LAYOUT.dr7) & ~DR7_LOCAL);
  cpu.breakpointsChanged('exactly');
  task.gpr.forEach((value, index) => state.setGpr(index, value));
  state.rflags = (task.flags | 2 | (nests ? NT : 0)) >>> 0;
  state.rip = task.rip & MASK_32;
  cpu.setNextRip(task.rip & MASK_32);
  const cpl = (task.flags & VM) !== 0 ? 3 : rplOf(task.selectors[1]);
  SAVED_SEGMENTS.forEach((name, i) => state.setSegment(name, nullSegment(task.selectors[i], cpl)));
  state.setSegment('LDTR', nullSegment(task.ldt));
  cpu.modeChanged();
}

function loadSegments(cpu: Cpu, task: NewTask, ext: 0 | 1): void {
  const state = cpu.state;
  if (!isNull(task.ldt)) {
    const error = selectorError(task.ldt, ext);
    const descriptor = (task.ldt & 4) === 0 ? readDescriptor(cpu, task.ldt) : undefined;
    if (descriptor === undefined || isSegment(descriptor) || typeOf(descriptor) !== SYSTEM_TYPE.ldt)
      return raise(TS, error, 'LDT selector of the new task');
    if (!isPresent(descriptor)) raise(TS, error, 'LDT of the new task not present');
    state.setSegment('LDTR', segmentFrom(task.ldt, descriptor));
  }
  if ((task.flags & VM) !== 0) {
    SAVED_SEGMENTS.forEach((name, i) => {
      const selector = task.selectors[i];
      state.setSegment(name, { selector, base: BigInt(selector) << 4n, limit: 0xffff, accessRights: 0xf3 });
    });
    cpu.modeChanged();
    return;
  }
  const [es, cs, ss, ds, fs, gs] = task.selectors as [number, number, number, number, number, number];
  const cpl = rplOf(cs);
  const code = taskCode(cpu, cs, ext);
  const stack = stackSegment(cpu, ss, cpl, TS, ext);
  state.setSegment('CS', segmentFrom(cs, markAccessed(cpu, code)));
  state.setSegment('SS', stack);
  cpu.modeChanged();
  for (const [name, selector] of [
    ['ES', es],
    ['DS', ds],
    ['FS', fs],
    ['GS', gs],
  ] as const)
    if (!isNull(selector)) loadTaskData(cpu, name, selector, cpl, ext);
}

function taskCode(cpu: Cpu, selector: number, ext: 0 | 1): Descriptor {
  const error = selectorError(selector, ext);
  if (isNull(selector)) raise(TS, error, 'null code selector in the TSS');
  const code = requireDescriptor(cpu, selector, TS, ext);
  if (!isCode(code)) raise(TS, error, 'code selector of the TSS is not code');
  const rpl = rplOf(selector);
  if (isConforming(code) ? dplOf(code) > rpl : dplOf(code) !== rpl) raise(TS, error, 'DPL of the new code segment');
  if (!isPresent(code)) raise(NP, error, 'code segment of the new task not present');
  return code;
}

function loadTaskData(cpu: Cpu, name: SegmentName, selector: number, cpl: number, ext: 0 | 1): void {
  const error = selectorError(selector, ext);
  const descriptor = requireDescriptor(cpu, selector, TS, ext);
  const code = isCode(descriptor);
  if (!isSegment(descriptor) || (code && !isWritableOrReadable(descriptor)))
    raise(TS, error, 'neither data nor readable code in the TSS');
  if (!(code && isConforming(descriptor)) && dplOf(descriptor) < Math.max(cpl, rplOf(selector)))
    raise(TS, error, 'DPL of a data segment of the new task');
  if (!isPresent(descriptor)) raise(NP, error, 'data segment of the new task not present');
  cpu.state.setSegment(name, segmentFrom(selector, markAccessed(cpu, descriptor)));
}
