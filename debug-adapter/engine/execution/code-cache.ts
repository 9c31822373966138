/**
 * Decoded code by physical page. A code page is a table from page offset to record; it belongs to one frame and one code
 * size, so every linear mapping of the frame shares it. Instructions whose bytes are written become stale.
 */
import type { CodeBits } from '../base/program.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import { PAGE_BYTES } from '../memory/physical.ts';
import { CODE_MODES, CODE_PAGE_BYTES, RECORD_COUNT, type EngineMap } from './engine-memory.ts';
import { PSEUDO_HANDLER } from './handlers.ts';
import { lower, lowerVector } from './lowering.ts';
import { RECORD, RECORD_BYTES, RECORD_FLAG } from './record.ts';

const MODE_OF_BITS: { readonly [B in CodeBits]: number } = { 16: 0, 32: 1, 64: 2 };
/** A decoded instruction reaches at most this far behind its first byte. */
const LONGEST = 15;
/** Stale instructions of a page of code that is still taken for one. */
const MOST_STALE = 16;

export interface Crossing {
  /** Frame of the second page. */
  readonly frame: number;
  /** Its byte offset in the engine memory. */
  readonly host: number;
}

export class CodeCache {
  private readonly view: DataView;
  private readonly words: Int32Array;
  private readonly map: EngineMap;
  private readonly codeFrames: Uint8Array;
  private readonly decoded: (DecodedInstruction | undefined)[] = [];
  private readonly freePages: number[] = [];
  private recordsUsed = 0;
  /** Frames of second pages -> frames that hold instructions crossing into them. */
  private readonly crossings = new Map<number, Set<number>>();
  /** How many records each code page has. */
  private readonly counts = new Map<number, { live: number; stale: number }>();
  /** Low 12 bits of breakpoint addresses, all together and by who set them. */
  private breakpointOffsets: ReadonlySet<number> = new Set<number>();
  private readonly offsetsOf = new Map<unknown, ReadonlySet<number>>();

  /** @param codeFrames `PhysicalMemory.codeFrames`: marks frames whose writes must be announced */
  constructor(memory: WebAssembly.Memory, map: EngineMap, codeFrames: Uint8Array) {
    this.view = new DataView(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.map = map;
    this.codeFrames = codeFrames;
    this.freeAllPages();
  }

  private freeAllPages(): void {
    this.freePages.length = 0;
    for (let i = this.map.codePageCount - 1; i >= 0; i--) this.freePages.push(this.map.codePages + i * CODE_PAGE_BYTES);
  }

  private tableSlot(frame: number, mode: number): number {
    return (this.map.codeTable >> 2) + frame * CODE_MODES + mode;
  }

  /** What `add` would be asked again for, after a record ran out of date: the object of a record. */
  instruction(record: number): DecodedInstruction {
    const found = this.decoded[this.view.getInt32(record + RECORD.decoded, true)];
    if (found === undefined) throw new Error('Invariant broken: a record without its instruction');
    return found;
  }

  /** Whether the instruction at `pageOffset` of a frame has been decoded, and lies in that frame alone. */
  has(frame: number, pageOffset: number, bits: CodeBits): boolean {
    const page = this.words[this.tableSlot(frame, MODE_OF_BITS[bits])];
    if (page === 0) return false;
    const record = this.words[(page >> 2) + pageOffset];
    return record !== 0 && this.handlerProper(record) !== PSEUDO_HANDLER.CROSS && !this.isStale(record);
  }

  private handlerProper(record: number): number {
    return this.view.getUint16(record + RECORD.savedHandler, true);
  }
  /** Its bytes were written since it was decoded. */
  private isStale(record: number): boolean {
    return this.handlerProper(record) === PSEUDO_HANDLER.STALE;
  }

  pageOffset(record: number): number {
    return this.view.getUint16(record + RECORD.pageOffset, true);
  }

  length(record: number): number {
    return this.view.getUint8(record + RECORD.length);
  }

  /** Whether a record's memory operand lies in the stack segment. */
  usesStackSegment(record: number): boolean {
    return (this.view.getUint8(record + RECORD.flags) & RECORD_FLAG.STACK_SEGMENT) !== 0;
  }

  /** Whether decoding may go on without dropping everything first. Dropping is only safe outside the emitted loop. */
  private makeRoom(): void {
    if (this.recordsUsed < RECORD_COUNT && this.freePages.length > 0) return;
    this.flushAll();
  }

  /** Adds an instruction that starts at `pageOffset` of a frame; gives its record. */
  add(
    frame: number,
    pageOffset: number,
    bits: CodeBits,
    instruction: DecodedInstruction,
    crossing: Crossing | undefined,
  ): number {
    this.makeRoom();
    const slot = this.tableSlot(frame, MODE_OF_BITS[bits]);
    let page = this.words[slot];
    if (page === 0) {
      page = this.freePages.pop()!;
      this.words.fill(0, page >> 2, (page + CODE_PAGE_BYTES) >> 2);
      this.words[slot] = page;
      this.counts.set(page, { live: 0, stale: 0 });
      this.codeFrames[frame] = 1;
    }
    const counts = this.counts.get(page)!;
    const view = this.view;
    // A stale record is decoded anew in its place, so that what is linked to it stays linked.
    let record = this.words[(page >> 2) + pageOffset];
    let number = this.recordsUsed;
    if (record !== 0 && this.isStale(record)) {
      number = view.getInt32(record + RECORD.decoded, true);
      counts.stale--;
      counts.live++;
    } else {
      if (record === 0) counts.live++;
      record = this.map.records + this.recordsUsed * RECORD_BYTES;
      this.recordsUsed++;
    }
    this.words.fill(0, record >> 2, (record + RECORD_BYTES) >> 2);
    let handler = lower(view, record, instruction, bits, pageOffset);
    view.setInt32(record + RECORD.next, this.map.linkNext, true);
    view.setInt32(record + RECORD.target, this.map.linkTarget, true);
    view.setInt32(record + RECORD.page, page, true);
    view.setInt32(record + RECORD.decoded, number, true);
    this.decoded[number] = instruction;
    if (crossing) {
      view.setInt32(record + RECORD.crossHost, crossing.host, true);
      view.setUint16(record + RECORD.crossHandler, handler, true);
      handler = PSEUDO_HANDLER.CROSS;
      this.codeFrames[crossing.frame] = 1;
      let from = this.crossings.get(crossing.frame);
      if (from === undefined) this.crossings.set(crossing.frame, (from = new Set()));
      from.add(frame);
    }
    view.setUint16(record + RECORD.savedHandler, handler, true);
    this.setHandler(record, this.breakpointOffsets.has(pageOffset));
    this.words[(page >> 2) + pageOffset] = record;
    return record;
  }

  /** From now on a record that had its instruction done in TypeScript has a late handler, whose place is given. */
  setLateHandler(record: number, place: number): void {
    const { view } = this;
    lowerVector(view, record, this.instruction(record), place);
    for (const field of [RECORD.handler, RECORD.savedHandler, RECORD.crossHandler])
      if (view.getUint16(record + field, true) === PSEUDO_HANDLER.SYSTEM)
        view.setUint16(record + field, PSEUDO_HANDLER.LATE, true);
  }
  /** Whether the record's instruction is done in TypeScript, always. */
  isSystem(record: number): boolean {
    const { view } = this;
    const saved = view.getUint16(record + RECORD.savedHandler, true);
    const own = saved === PSEUDO_HANDLER.CROSS ? view.getUint16(record + RECORD.crossHandler, true) : saved;
    return own === PSEUDO_HANDLER.SYSTEM;
  }

  private setHandler(record: number, stops: boolean): void {
    const handler = stops ? PSEUDO_HANDLER.BREAKPOINT : this.handlerProper(record);
    this.view.setUint16(record + RECORD.handler, handler, true);
  }

  /** Removes (and restores) the breakpoint of one record, to execute the instruction under it. */
  withoutBreakpoint<T>(record: number, body: () => T): T {
    this.setHandler(record, false);
    try {
      return body();
    } finally {
      this.setHandler(record, this.breakpointOffsets.has(this.view.getUint16(record + RECORD.pageOffset, true)));
    }
  }

  /** The loop leaves, as at a breakpoint, before it looks for the instruction behind a record. */
  stoppingBehind<T>(record: number, body: () => T): T {
    const { view, map } = this;
    const next = view.getInt32(record + RECORD.next, true);
    view.setInt32(record + RECORD.next, map.linkNext, true);
    view.setUint16(map.linkNext + RECORD.handler, PSEUDO_HANDLER.BREAKPOINT, true);
    try {
      return body();
    } finally {
      view.setInt32(record + RECORD.next, next, true);
      view.setUint16(map.linkNext + RECORD.handler, PSEUDO_HANDLER.LINK_NEXT, true);
    }
  }

  /** Instructions at these page offsets stop; who asked compares the whole linear address. Replaces the former set of the same owner. */
  setBreakpointOffsets(owner: unknown, own: ReadonlySet<number>): void {
    this.offsetsOf.set(owner, own);
    const offsets = new Set([...this.offsetsOf.values()].flatMap((set) => [...set]));
    const changed = [...offsets, ...this.breakpointOffsets].filter(
      (o) => offsets.has(o) !== this.breakpointOffsets.has(o),
    );
    this.breakpointOffsets = offsets;
    if (changed.length === 0) return;
    const slots = this.map.frames * CODE_MODES;
    for (let slot = this.map.codeTable >> 2, end = slot + slots; slot < end; slot++) {
      const page = this.words[slot];
      if (page === 0) continue;
      for (const offset of changed) {
        const record = this.words[(page >> 2) + offset];
        if (record !== 0) this.setHandler(record, offsets.has(offset));
      }
    }
  }

  /**
   * Before a store of `bytes` bytes at `pageOffset`: what was decoded from them, or reaches into them from the page before, will be
   * decoded again. Where many such stores come without an execution in between, or nothing is left, this is data on its way: the
   * whole frame is forgotten. Gives whether it was, as `drop` says.
   */
  outdate(frame: number, pageOffset: number, bytes: number): boolean {
    let isData = this.crossings.has(frame) && pageOffset < LONGEST;
    for (let mode = 0; mode < CODE_MODES; mode++) {
      const page = this.words[this.tableSlot(frame, mode)];
      if (page === 0) continue;
      const from = Math.max(0, pageOffset - LONGEST + 1);
      const to = Math.min(PAGE_BYTES, pageOffset + bytes);
      for (let at = from; at < to; at++) {
        const record = this.words[(page >> 2) + at];
        if (record === 0 || at + this.length(record) <= pageOffset || this.isStale(record)) continue;
        this.view.setUint16(record + RECORD.savedHandler, PSEUDO_HANDLER.STALE, true);
        this.setHandler(record, this.breakpointOffsets.has(at));
        const counts = this.counts.get(page)!;
        counts.stale++;
        counts.live--;
        isData ||= counts.live === 0 || counts.stale > MOST_STALE;
      }
    }
    if (isData) this.dropForStore(frame);
    return isData;
  }

  /** Forgets what was decoded from a frame. Safe while the emitted loop runs, if it leaves before its next instruction. */
  drop(frame: number): void {
    for (let mode = 0; mode < CODE_MODES; mode++) {
      const slot = this.tableSlot(frame, mode);
      const page = this.words[slot];
      if (page === 0) continue;
      this.words[slot] = 0;
      this.counts.delete(page);
      this.freePages.push(page);
    }
    this.codeFrames[frame] = 0;
    const from = this.crossings.get(frame);
    if (from === undefined) return;
    this.crossings.delete(frame);
    for (const first of from) if (first !== frame) this.drop(first);
  }

  /**
   * As `drop`, for a store into decoded code: it will be decoded again soon, so the frame stays marked as code. Where it is
   * not, `isEmpty` tells at the next store.
   */
  private dropForStore(frame: number): void {
    this.drop(frame);
    this.codeFrames[frame] = 1;
  }

  /** Whether nothing decoded lies in the frame. */
  isEmpty(frame: number): boolean {
    for (let mode = 0; mode < CODE_MODES; mode++) if (this.words[this.tableSlot(frame, mode)] !== 0) return false;
    return !this.crossings.has(frame);
  }

  flushAll(): void {
    const from = this.map.codeTable >> 2;
    this.words.fill(0, from, from + this.map.frames * CODE_MODES);
    this.freeAllPages();
    this.counts.clear();
    this.codeFrames.fill(0);
    this.crossings.clear();
    this.decoded.length = 0;
    this.recordsUsed = 0;
  }
}
