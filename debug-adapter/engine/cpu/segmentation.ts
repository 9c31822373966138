/**
 * Descriptors and the loading of segment registers (SDM Vol. 3A, "Segment Descriptors" 3.4.5, "Privilege Level Checking When
 * Accessing Data Segments" 5.6; Vol. 2, "MOV—Move").
 */
import type { Cpu } from './context.ts';
import { GP, GuestFault, NP, raise, SS_FAULT } from './guest-fault.ts';
import type { SegmentName } from './layout.ts';
import { LAYOUT } from './layout.ts';
import { isCanonical, isLongMode, isRealStyle, isVirtual8086 } from './modes.ts';
import { ACCESS_RIGHTS, type Segment } from './state.ts';

/** A descriptor's 8 bytes as two 32-bit words, and where they are. */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
  readonly linear: bigint;
}

/** System descriptor types (SDM Vol. 3A, table 3-2). */
export const SYSTEM_TYPE = {
  availableTss16: 1,
  ldt: 2,
  busyTss16: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  availableTss: 9,
  busyTss: 11,
  callGate: 12,
  interruptGate: 14,
  trapGate: 15,
} as const;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const rplOf = (selector: number): number => selector & 3;

export const typeOf = (descriptor: Descriptor): number => (descriptor.high >>> 8) & 0xf;
export const dplOf = (descriptor: Descriptor): number => (descriptor.high >>> 13) & 3;
export const isPresent = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 15)) !== 0;
/** S = 1: code or data. */
export const isSegment = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 12)) !== 0;
export const isCode = (descriptor: Descriptor): boolean => isSegment(descriptor) && (descriptor.high & (1 << 11)) !== 0;
export const isConforming = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 10)) !== 0;
/** Of data: writable; of code: readable. */
export const isWritableOrReadable = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 9)) !== 0;
export const isLongCode = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 21)) !== 0;
export const isBig = (descriptor: Descriptor): boolean => (descriptor.high & (1 << 22)) !== 0;

const accessRightsOf = (descriptor: Descriptor): number => (descriptor.high >>> 8) & 0xf0ff;
const baseOf = (descriptor: Descriptor): bigint =>
  BigInt(((descriptor.low >>> 16) | ((descriptor.high & 0xff) << 16) | (descriptor.high & 0xff00_0000)) >>> 0);
/** In bytes, granularity applied. */
export function limitOf(descriptor: Descriptor): number {
  const limit = (descriptor.low & 0xffff) | (descriptor.high & 0xf_0000);
  return (descriptor.high & (1 << 23)) !== 0 ? ((limit << 12) | 0xfff) >>> 0 : limit;
}

/** The hidden part that a code or data descriptor gives. */
export const segmentFrom = (selector: number, descriptor: Descriptor): Segment => ({
  selector,
  base: baseOf(descriptor),
  limit: limitOf(descriptor),
  accessRights: accessRightsOf(descriptor),
});

export const nullSegment = (selector: number, dpl = 0): Segment => ({
  selector,
  base: 0n,
  limit: 0,
  accessRights: ACCESS_RIGHTS.UNUSABLE | (dpl << ACCESS_RIGHTS.DPL_BIT),
});

/** Linear address of a descriptor of `bytes` bytes; undefined where its table does not reach that far. */
function descriptorAddress(cpu: Cpu, selector: number, bytes: 8 | 16 = 8): bigint | undefined {
  const state = cpu.state;
  const last = (selector & 0xfff8) + bytes - 1;
  if ((selector & 4) === 0) {
    if (last > state.get32(LAYOUT.gdtrLimit)) return undefined;
    return state.get64(LAYOUT.gdtrBase) + BigInt(selector & 0xfff8);
  }
  if ((state.accessRights('LDTR') & ACCESS_RIGHTS.UNUSABLE) !== 0 || last > state.segmentLimit('LDTR'))
    return undefined;
  return state.segmentBase('LDTR') + BigInt(selector & 0xfff8);
}

/** Reads a descriptor as an implicit supervisor access; undefined where the selector points outside its table. */
export function readDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const linear = descriptorAddress(cpu, selector);
  return linear === undefined ? undefined : readDescriptorAt(cpu, linear);
}

export function readDescriptorAt(cpu: Cpu, linear: bigint): Descriptor {
  const value = cpu.readSystem(linear, 8);
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), linear };
}

/** Reads a descriptor or raises `vector` with the selector as error code. */
export function requireDescriptor(cpu: Cpu, selector: number, vector: number, ext = 0): Descriptor {
  return (
    readDescriptor(cpu, selector) ??
    raise(vector, selectorError(selector, ext), 'selector outside its descriptor table')
  );
}

/** Error code naming a selector (SDM Vol. 3A, "Error Code" 6.13). */
export const selectorError = (selector: number, ext = 0): number => (selector & 0xfffc) | ext;

/** Sets the accessed bit in memory and gives the descriptor with it (SDM Vol. 3A, 3.4.5.1). */
export function markAccessed(cpu: Cpu, descriptor: Descriptor): Descriptor {
  if ((descriptor.high & (1 << 8)) !== 0) return descriptor;
  const high = descriptor.high | (1 << 8);
  cpu.writeSystem(descriptor.linear + 5n, 1, BigInt((high >>> 8) & 0xff));
  return { ...descriptor, high };
}

/** Selector and base of real-address and virtual-8086 mode. */
export function loadRealSegment(cpu: Cpu, name: SegmentName, selector: number): void {
  const state = cpu.state;
  const base = BigInt(selector & 0xffff) << 4n;
  if (isVirtual8086(state)) {
    state.setSegment(name, { selector, base, limit: 0xffff, accessRights: 0xf3 });
    return;
  }
  // Limit and size survive in real-address mode ("unreal mode"); the type becomes read/write data, also of CS.
  const kept = state.accessRights(name) & (ACCESS_RIGHTS.DB | ACCESS_RIGHTS.G | ACCESS_RIGHTS.AVL);
  state.setSegment(name, { selector, base, limit: state.segmentLimit(name), accessRights: kept | 0x93 });
}

/** MOV to ES, SS, DS, FS or GS and everything that loads them the same way. */
export function loadDataSegment(cpu: Cpu, name: SegmentName, selector: number): void {
  if (isRealStyle(cpu.state)) loadRealSegment(cpu, name, selector);
  else if (name === 'SS') loadStackSegment(cpu, selector, cpu.state.cpl);
  else cpu.state.setSegment(name, dataSegment(cpu, selector));
}

function dataSegment(cpu: Cpu, selector: number): Segment {
  if (isNull(selector)) return nullSegment(selector);
  const descriptor = requireDescriptor(cpu, selector, GP);
  const code = isCode(descriptor);
  if (!isSegment(descriptor) || (code && !isWritableOrReadable(descriptor)))
    raise(GP, selectorError(selector), 'neither data nor readable code');
  if (!(code && isConforming(descriptor)) && dplOf(descriptor) < Math.max(cpu.state.cpl, rplOf(selector)))
    raise(GP, selectorError(selector), 'segment DPL below CPL or RPL');
  if (!isPresent(descriptor)) raise(NP, selectorError(selector), 'segment not present');
  return segmentFrom(selector, markAccessed(cpu, descriptor));
}

/** Loads SS for a CPL: MOV SS and far returns; raises #GP(selector) or #SS(selector). */
function loadStackSegment(cpu: Cpu, selector: number, cpl: number): void {
  cpu.state.setSegment('SS', stackSegment(cpu, selector, cpl, GP));
}

/**
 * The hidden part SS would get, all checks made.
 * @param invalid vector of a selector that may not be a stack: #GP of MOV SS, #TS of a stack taken from the TSS
 * @param bits code size that will use the stack
 */
export function stackSegment(
  cpu: Cpu,
  selector: number,
  cpl: number,
  invalid: number,
  ext = 0,
  bits: 16 | 32 | 64 = cpu.state.codeBits,
): Segment {
  if (isNull(selector)) {
    // 64-bit mode runs without a stack segment except at CPL 3.
    if (bits === 64 && cpl !== 3 && rplOf(selector) === cpl) return nullSegment(selector, cpl);
    throw new GuestFault(invalid, ext, 'null selector for SS');
  }
  const error = selectorError(selector, ext);
  const descriptor = requireDescriptor(cpu, selector, invalid, ext);
  if (rplOf(selector) !== cpl) raise(invalid, error, 'RPL of the stack selector is not the CPL');
  if (!isSegment(descriptor) || isCode(descriptor) || !isWritableOrReadable(descriptor))
    raise(invalid, error, 'stack segment is not writable data');
  if (dplOf(descriptor) !== cpl) raise(invalid, error, 'DPL of the stack segment is not the CPL');
  if (!isPresent(descriptor)) raise(SS_FAULT, error, 'stack segment not present');
  return segmentFrom(selector, markAccessed(cpu, descriptor));
}

/** LLDT (SDM Vol. 2A): GDT only, type LDT. */
export function loadLdtr(cpu: Cpu, selector: number): void {
  if (isNull(selector)) {
    cpu.state.setSegment('LDTR', nullSegment(selector));
    return;
  }
  const { descriptor, base } = readSystemSegment(cpu, selector);
  if (typeOf(descriptor) !== SYSTEM_TYPE.ldt) raise(GP, selectorError(selector), 'not an LDT descriptor');
  if (!isPresent(descriptor)) raise(NP, selectorError(selector), 'LDT not present');
  cpu.state.setSegment('LDTR', { ...segmentFrom(selector, descriptor), base });
}

/** LTR (SDM Vol. 2A): an available TSS, which becomes busy. */
export function loadTaskRegister(cpu: Cpu, selector: number): void {
  if (isNull(selector)) raise(GP, 0, 'null selector for TR');
  const { descriptor, base } = readSystemSegment(cpu, selector);
  const type = typeOf(descriptor);
  const available =
    type === SYSTEM_TYPE.availableTss || (type === SYSTEM_TYPE.availableTss16 && !isLongMode(cpu.state));
  if (!available) raise(GP, selectorError(selector), 'not an available TSS');
  if (!isPresent(descriptor)) raise(NP, selectorError(selector), 'TSS not present');
  const busy: Descriptor = { ...descriptor, high: descriptor.high | (1 << 9) };
  cpu.writeSystem(descriptor.linear + 5n, 1, BigInt((busy.high >>> 8) & 0xff));
  cpu.state.setSegment('TR', { ...segmentFrom(selector, busy), base });
}

/** An LDT or TSS descriptor from the GDT: 16 bytes in IA-32e mode. */
function readSystemSegment(cpu: Cpu, selector: number): { descriptor: Descriptor; base: bigint } {
  const long = isLongMode(cpu.state);
  const linear = (selector & 4) !== 0 ? undefined : descriptorAddress(cpu, selector, long ? 16 : 8);
  if (linear === undefined) throw new GuestFault(GP, selectorError(selector), 'selector outside the GDT');
  const descriptor = readDescriptorAt(cpu, linear);
  if (isSegment(descriptor)) raise(GP, selectorError(selector), 'not a system descriptor');
  if (!long) return { descriptor, base: baseOf(descriptor) };
  const upper = cpu.readSystem(linear + 8n, 8);
  if (((upper >> 40n) & 0x1fn) !== 0n)
    raise(GP, selectorError(selector), 'type bits in the upper half of the descriptor');
  const base = baseOf(descriptor) | (BigInt.asUintN(32, upper) << 32n);
  if (!isCanonical(base, cpu.linearBits)) raise(GP, selectorError(selector), 'base is not canonical');
  return { descriptor, base };
}

/**
 * Data segment registers that a less privileged level may not keep become null on a return outward
 * (SDM Vol. 3A, "Returning from a Called Procedure" 5.8.6).
 */
export function dropPrivilegedSegments(cpu: Cpu, cpl: number): void {
  for (const name of ['ES', 'DS', 'FS', 'GS'] as const) {
    const rights = cpu.state.accessRights(name);
    if ((rights & ACCESS_RIGHTS.UNUSABLE) !== 0) continue;
    const conforming = (rights & 0xc) === 0xc;
    if (!conforming && ((rights >> ACCESS_RIGHTS.DPL_BIT) & 3) < cpl) cpu.state.setSegment(name, nullSegment(0));
  }
}
