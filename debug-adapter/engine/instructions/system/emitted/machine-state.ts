/** What instructions that change privilege do to the processor state, in emitted code. */
import { CR0, CR4, VMX_NON_ROOT } from '../../../cpu/control-bits.ts';
import { AC, NT, RF, TF, VM } from '../../../cpu/flags.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT, type SegmentName } from '../../../cpu/layout.ts';
import { ACCESS_RIGHTS } from '../../../cpu/state.ts';
import { SUPERVISOR, SUPERVISOR_AC, USER, USER_ALIGNED } from '../../../memory/paging.ts';
import { TLB_ACCESS_KINDS, TLB_KIND_SPREAD } from '../../../memory/tlb.ts';
import type { Builder, Test, Value } from '../../builder.ts';
import { systemFlags } from './flags-word.ts';

const segmentAt = (name: SegmentName, field: keyof typeof SEGMENT_LAYOUT): number =>
  LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES + SEGMENT_LAYOUT[field];
export const selectorOf = (b: Builder, name: SegmentName): Value => b.state(segmentAt(name, 'selector'), 2);
export const segmentBase = (b: Builder, name: SegmentName): Value => b.state(segmentAt(name, 'base'), 8);
export const segmentLimit = (b: Builder, name: SegmentName): Value => b.state(segmentAt(name, 'limit'), 4);

export const deferIf = (b: Builder, test: Test): void => b.if(test, () => b.defer());
export const isSet = (b: Builder, value: Value): Test => b.compare('ne', value, b.constant(0n));
export const deferUnlessEqual = (b: Builder, value: Value, expected: bigint): void =>
  deferIf(b, b.compare('ne', value, b.constant(expected)));
export const cplOf = (b: Builder): Value => b.state(LAYOUT.cpl, 4);
export const no = (b: Builder): Test => b.isZero(b.constant(1n));

/**
 * Hands the instruction over unless this is 64-bit mode in which nothing waits for the end of an instruction or looks at its
 * beginning: traps, RF, a nested task, blocked interrupts, records of branches.
 */
export function requireQuiet64(b: Builder): void {
  deferUnlessEqual(b, b.state(LAYOUT.codeBits, 4), 64n);
  const flags = b.with('and', systemFlags(b), BigInt(TF | NT | RF | VM));
  const waiting = [
    flags,
    b.state(LAYOUT.boundary, 4),
    b.state(LAYOUT.interruptibility, 4),
    b.state(LAYOUT.pendingDebug, 8),
    b.state(LAYOUT.debugctl, 8),
  ].reduce((sum, each) => b.binary('or', sum, each));
  deferIf(b, isSet(b, waiting));
}
export const deferInNonRoot = (b: Builder): void =>
  deferIf(b, b.compare('eq', b.state(LAYOUT.vmxMode, 4), b.constant(BigInt(VMX_NON_ROOT))));

export function deferUnlessCanonical(b: Builder, address: Value): void {
  const unused = b.state(LAYOUT.canonicalShift, 8);
  const extended = b.binary('shr_s', b.binary('shl', address, unused), unused);
  deferIf(b, b.compare('ne', extended, address));
}

/** A segment register with its hidden part; `range`: what may be read of it, and written where `writable`. */
function setSegment(
  b: Builder,
  name: SegmentName,
  segment: { readonly selector: Value; readonly base: Value; readonly limit: Value; readonly rights: Value },
  readable: Value,
  writable: Value,
): void {
  b.setState(segmentAt(name, 'base'), 8, segment.base);
  b.setState(segmentAt(name, 'limit'), 4, segment.limit);
  b.setState(segmentAt(name, 'accessRights'), 4, segment.rights);
  b.setState(segmentAt(name, 'selector'), 4, segment.selector);
  const range = (allowed: Value, first: 'readFirst' | 'writeFirst', last: 'readLast' | 'writeLast') => {
    // From 0 to the limit, or from 1 to 0: nothing.
    b.setState(segmentAt(name, first), 4, b.with('xor', allowed, 1n));
    b.setState(segmentAt(name, last), 4, b.binary('mul', segment.limit, allowed));
  };
  range(readable, 'readFirst', 'readLast');
  range(writable, 'writeFirst', 'writeLast');
}

const FLAT_LIMIT = 0xffff_ffffn;
/** The flat segments that SYSCALL, SYSENTER and their returns load without a descriptor. Their code is readable. */
export function setFlat(b: Builder, name: 'CS' | 'SS', selector: Value, rights: number): void {
  const segment = {
    selector: b.truncate(selector, 2),
    base: b.constant(0n),
    limit: b.constant(FLAT_LIMIT),
    rights: b.constant(BigInt(rights)),
  };
  setSegment(b, name, segment, b.constant(1n), b.constant(name === 'CS' ? 0n : 1n));
}
export function setNull(b: Builder, name: SegmentName, selector: Value, dpl: Value): void {
  const nothing = b.constant(0n);
  const rights = b.with('or', b.with('shl', dpl, BigInt(ACCESS_RIGHTS.DPL_BIT)), BigInt(ACCESS_RIGHTS.UNUSABLE));
  setSegment(b, name, { selector, base: nothing, limit: nothing, rights }, nothing, nothing);
}

/** Bits of a descriptor's 8 bytes (SDM Vol. 3A, "Segment Descriptors" 3.4.5). */
const ACCESSED = 1n << 40n;
const READABLE_BIT = 41n;
const WRITABLE = 1n << 41n;
/** Of code: conforming; of data: expand-down. */
const DIRECTION = 1n << 42n;
const CODE = 1n << 43n;
const SEGMENT = 1n << 44n;
const PRESENT = 1n << 47n;
const LONG = 1n << 53n;
const BIG = 1n << 54n;
const GRANULAR_BIT = 55n;
const TYPE = SEGMENT | CODE | DIRECTION | ACCESSED | PRESENT;

export const dplOf = (b: Builder, descriptor: Value): Value => b.with('and', b.with('shr_u', descriptor, 45n), 3n);
export const rplOf = (b: Builder, selector: Value): Value => b.with('and', selector, 3n);

/** A descriptor of the GDT; null selectors and others hand the instruction over. */
export function readDescriptor(b: Builder, selector: Value): Value {
  const index = b.with('and', selector, 0xfff8n);
  deferIf(b, isSet(b, b.with('and', selector, 4n)));
  deferIf(b, b.isZero(index));
  const last = b.with('add', index, 7n);
  deferIf(b, b.compare('gt_u', last, b.state(LAYOUT.gdtrLimit, 4)));
  return b.load(b.placeAt(b.binary('add', b.state(LAYOUT.gdtrBase, 8), index), 8, 'read', 'system'), 8);
}
/** Present 64-bit code that is not conforming and is marked as accessed, or the instruction is handed over. */
export const requireCode64 = (b: Builder, descriptor: Value): void =>
  deferUnlessEqual(b, b.with('and', descriptor, TYPE | LONG | BIG), SEGMENT | CODE | ACCESSED | PRESENT | LONG);
/** Present writable data that grows up and is marked as accessed. */
export const requireStack = (b: Builder, descriptor: Value): void =>
  deferUnlessEqual(b, b.with('and', descriptor, TYPE | WRITABLE), SEGMENT | ACCESSED | PRESENT | WRITABLE);

/** Loads what `requireCode64` or `requireStack` has accepted. */
export function setFromDescriptor(b: Builder, name: 'CS' | 'SS', selector: Value, descriptor: Value): void {
  const low = b.with('and', b.with('shr_u', descriptor, 16n), 0xff_ffffn);
  const high = b.with('shl', b.with('shr_u', descriptor, 56n), 24n);
  const pages = b.binary(
    'or',
    b.with('and', descriptor, 0xffffn),
    b.with('and', b.with('shr_u', descriptor, 32n), 0xf_0000n),
  );
  const granular = b.with('and', b.with('shr_u', descriptor, GRANULAR_BIT), 1n);
  const scaled = b.with('or', b.with('shl', pages, 12n), 0xfffn);
  const segment = {
    selector,
    base: b.binary('or', low, high),
    limit: b.select(b.isZero(granular), pages, scaled),
    rights: b.with('and', b.with('shr_u', descriptor, 40n), 0xf0ffn),
  };
  const readable = name === 'CS' ? b.with('and', b.with('shr_u', descriptor, READABLE_BIT), 1n) : b.constant(1n);
  setSegment(b, name, segment, readable, b.constant(name === 'CS' ? 0n : 1n));
}

/** Data segments that a less privileged level may not keep become null: as `dropPrivilegedSegments`. */
export function dropPrivilegedSegments(b: Builder, cpl: Value): void {
  for (const name of ['ES', 'DS', 'FS', 'GS'] as const) {
    const rights = b.state(segmentAt(name, 'accessRights'), 4);
    const usable = b.isZero(b.with('and', rights, BigInt(ACCESS_RIGHTS.UNUSABLE)));
    const conforming = b.compare('eq', b.with('and', rights, 0xcn), b.constant(0xcn));
    const dpl = b.with('and', b.with('shr_u', rights, BigInt(ACCESS_RIGHTS.DPL_BIT)), 3n);
    const drops = b.and(b.and(usable, b.not(conforming)), b.compare('lt_u', dpl, cpl));
    b.if(drops, () => setNull(b, name, b.constant(0n), b.constant(0n)));
  }
}

/**
 * A new CPL within 64-bit mode, RFLAGS being what they will be: what `modeChanged` recomputes then is the kind of access in the
 * TLB's tag.
 */
export function setCpl(b: Builder, cpl: Value): void {
  b.setState(LAYOUT.cpl, 4, cpl);
  const tag = b.state(LAYOUT.tlbTag, 4);
  const ac = isSet(b, b.with('and', systemFlags(b), BigInt(AC)));
  const whereAc = (control: Value, without: number, withAc: number) =>
    b.select(b.and(ac, isSet(b, control)), b.constant(BigInt(withAc)), b.constant(BigInt(without)));
  const supervisor = whereAc(b.with('and', b.state(LAYOUT.cr4, 4), BigInt(CR4.SMAP)), SUPERVISOR, SUPERVISOR_AC);
  const user = whereAc(b.with('and', b.state(LAYOUT.cr0, 4), BigInt(CR0.AM)), USER, USER_ALIGNED);
  const kind = b.select(b.compare('eq', cpl, b.constant(3n)), user, supervisor);
  const changed = b.binary('xor', b.with('and', tag, BigInt(TLB_ACCESS_KINDS)), kind);
  b.setState(LAYOUT.tlbTag, 4, b.binary('xor', tag, changed));
  const mix = b.state(LAYOUT.tlbMix, 4);
  b.setState(LAYOUT.tlbMix, 4, b.binary('xor', mix, b.with('mul', changed, BigInt(TLB_KIND_SPREAD))));
}
