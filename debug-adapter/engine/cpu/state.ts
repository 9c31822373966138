/**
 * One processor's architectural state: typed views over its part of the engine's linear memory. Plain storage with the
 * consistency rules that cannot be separated from it (segment caches, lazy flags); checks and side effects are the callers'.
 */
import { arithmeticFlags, ARITHMETIC_FLAGS, lazyFlags, SYSTEM_FLAGS } from './flags.ts';
import { CPU_STATE_BYTES, LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT, type SegmentName } from './layout.ts';
import { REGISTERS, type RegisterName, type RegisterRow } from './registers.ts';

/** Access rights in the VMCS format (SDM Vol. 3C, "Guest Register State", 24.4.1, table 24-2). */
export const ACCESS_RIGHTS = {
  TYPE: 0xf,
  S: 1 << 4,
  DPL_BIT: 5,
  P: 1 << 7,
  AVL: 1 << 12,
  L: 1 << 13,
  DB: 1 << 14,
  G: 1 << 15,
  UNUSABLE: 1 << 16,
} as const;

/** A segment register's visible and hidden part. */
export interface Segment {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly accessRights: number;
}

const NONE_FIRST = 1;
const NONE_LAST = 0;

export class CpuState {
  readonly index: number;
  /** Byte offset in the engine memory. */
  readonly base: number;
  /** The state as 32-bit words; index = byte offset / 4. */
  readonly words: Int32Array;
  private readonly quads: BigUint64Array;

  constructor(memory: { readonly buffer: ArrayBuffer | SharedArrayBuffer }, base: number, index: number) {
    this.index = index;
    this.base = base;
    this.words = new Int32Array(memory.buffer as ArrayBuffer, base, CPU_STATE_BYTES / 4);
    this.quads = new BigUint64Array(memory.buffer as ArrayBuffer, base, CPU_STATE_BYTES / 8);
  }

  get64(at: number): bigint {
    return this.quads[at >> 3];
  }
  set64(at: number, value: bigint): void {
    this.quads[at >> 3] = value;
  }
  /** Signed 32-bit. */
  get32(at: number): number {
    return this.words[at >> 2];
  }
  set32(at: number, value: number): void {
    this.words[at >> 2] = value;
  }
  low(at: number): number {
    return this.words[at >> 2];
  }
  high(at: number): number {
    return this.words[(at >> 2) + 1];
  }
  /** A 64-bit value as a double: exact below 2^53 (physical addresses, counts). */
  getNumber(at: number): number {
    return this.words[(at >> 2) + 1] * 0x1_0000_0000 + (this.words[at >> 2] >>> 0);
  }
  setNumber(at: number, value: number): void {
    this.words[at >> 2] = value | 0;
    this.words[(at >> 2) + 1] = Math.floor(value / 0x1_0000_0000) | 0;
  }

  gpr(index: number): bigint {
    return this.quads[(LAYOUT.gpr >> 3) + index];
  }
  setGpr(index: number, value: bigint): void {
    this.quads[(LAYOUT.gpr >> 3) + index] = value;
  }
  /** Low 32 bits of a general register, unsigned. */
  gpr32(index: number): number {
    return this.words[(LAYOUT.gpr >> 2) + index * 2] >>> 0;
  }
  /** Writes a 32-bit result: the upper half becomes zero. */
  setGpr32(index: number, value: number): void {
    this.words[(LAYOUT.gpr >> 2) + index * 2] = value;
    this.words[(LAYOUT.gpr >> 2) + index * 2 + 1] = 0;
  }

  get rip(): bigint {
    return this.quads[LAYOUT.rip >> 3];
  }
  set rip(value: bigint) {
    this.quads[LAYOUT.rip >> 3] = value;
  }

  get cpl(): number {
    return this.words[LAYOUT.cpl >> 2];
  }
  get codeBits(): 16 | 32 | 64 {
    return this.words[LAYOUT.codeBits >> 2] as 16 | 32 | 64;
  }
  get retired(): number {
    return this.getNumber(LAYOUT.retired);
  }

  /** RFLAGS bits 31:0; bits 63:32 are always zero. */
  get rflags(): number {
    const words = this.words;
    const arithmetic = arithmeticFlags(
      words[LAYOUT.flagsResult >> 2],
      words[(LAYOUT.flagsResult >> 2) + 1],
      words[LAYOUT.flagsAux >> 2],
      words[(LAYOUT.flagsAux >> 2) + 1],
    );
    return arithmetic | words[LAYOUT.rflagsSystem >> 2];
  }
  /** Sets all flags; reserved bits take their fixed values. */
  set rflags(value: number) {
    this.arithmeticFlags = value;
    this.words[LAYOUT.rflagsSystem >> 2] = (value & SYSTEM_FLAGS) | 2;
  }
  get arithmeticFlags(): number {
    return this.rflags & ARITHMETIC_FLAGS;
  }
  /** Sets CF PF AF ZF SF OF from the bits of `value`. */
  set arithmeticFlags(value: number) {
    const [result, auxLow, auxHigh] = lazyFlags(value);
    const words = this.words;
    words[LAYOUT.flagsResult >> 2] = result;
    words[(LAYOUT.flagsResult >> 2) + 1] = 0;
    words[LAYOUT.flagsAux >> 2] = auxLow;
    words[(LAYOUT.flagsAux >> 2) + 1] = auxHigh;
  }
  /** RFLAGS without the arithmetic flags: TF IF DF IOPL NT RF VM AC VIF VIP ID and bit 1. */
  get systemFlags(): number {
    return this.words[LAYOUT.rflagsSystem >> 2];
  }
  set systemFlags(value: number) {
    this.words[LAYOUT.rflagsSystem >> 2] = (value & SYSTEM_FLAGS) | 2;
  }

  private segmentWord(name: SegmentName): number {
    return (LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES) >> 2;
  }
  segment(name: SegmentName): Segment {
    const at = LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES;
    return {
      selector: this.get32(at + SEGMENT_LAYOUT.selector),
      base: this.get64(at + SEGMENT_LAYOUT.base),
      limit: this.get32(at + SEGMENT_LAYOUT.limit) >>> 0,
      accessRights: this.get32(at + SEGMENT_LAYOUT.accessRights) >>> 0,
    };
  }
  selector(name: SegmentName): number {
    return this.words[this.segmentWord(name) + (SEGMENT_LAYOUT.selector >> 2)];
  }
  segmentBase(name: SegmentName): bigint {
    return this.get64(LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES + SEGMENT_LAYOUT.base);
  }
  setSegmentBase(name: SegmentName, base: bigint): void {
    this.set64(LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES + SEGMENT_LAYOUT.base, base);
  }
  accessRights(name: SegmentName): number {
    return this.words[this.segmentWord(name) + (SEGMENT_LAYOUT.accessRights >> 2)] >>> 0;
  }
  segmentLimit(name: SegmentName): number {
    return this.words[this.segmentWord(name) + (SEGMENT_LAYOUT.limit >> 2)] >>> 0;
  }
  /**
   * Loads a segment register with its hidden part and derives the ranges of offsets that reads and writes may touch
   * (SDM Vol. 3A, "Limit Checking" 5.3 and "Type Checking" 5.5).
   */
  setSegment(name: SegmentName, segment: Segment): void {
    const at = LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES;
    this.set64(at + SEGMENT_LAYOUT.base, segment.base);
    this.set32(at + SEGMENT_LAYOUT.limit, segment.limit);
    this.set32(at + SEGMENT_LAYOUT.accessRights, segment.accessRights);
    this.set32(at + SEGMENT_LAYOUT.selector, segment.selector & 0xffff);
    const rights = segment.accessRights;
    const usable = (rights & ACCESS_RIGHTS.UNUSABLE) === 0 && (rights & ACCESS_RIGHTS.P) !== 0;
    const isCode = (rights & 8) !== 0;
    const readable = usable && (!isCode || (rights & 2) !== 0);
    const writable = usable && !isCode && (rights & 2) !== 0;
    const expandDown = !isCode && (rights & 4) !== 0;
    const top = (rights & ACCESS_RIGHTS.DB) !== 0 ? 0xffff_ffff : 0xffff;
    let first = expandDown ? segment.limit + 1 : 0;
    let last = expandDown ? top : segment.limit;
    if (first > top) {
      first = NONE_FIRST;
      last = NONE_LAST;
    }
    this.set32(at + SEGMENT_LAYOUT.readFirst, readable ? first : NONE_FIRST);
    this.set32(at + SEGMENT_LAYOUT.readLast, readable ? last : NONE_LAST);
    this.set32(at + SEGMENT_LAYOUT.writeFirst, writable ? first : NONE_FIRST);
    this.set32(at + SEGMENT_LAYOUT.writeLast, writable ? last : NONE_LAST);
  }

  /** CS base + RIP as the instruction fetch sees it. */
  get linearRip(): bigint {
    const sum = this.segmentBase('CS') + this.rip;
    return this.codeBits === 64 ? this.rip : sum & 0xffff_ffffn;
  }

  /** Reads any register of the table. */
  register(name: RegisterName): bigint {
    const row: RegisterRow = REGISTERS[name];
    if (row.at !== undefined) return row.bits === 64 ? this.get64(row.at) : BigInt(this.get32(row.at) >>> 0);
    if (name === 'RFLAGS') return BigInt(this.rflags >>> 0);
    return BigInt(this.selector(name as SegmentName));
  }
}
