/**
 * Physical memory: a table from 4 KiB physical pages to frames of the engine's linear memory. Frames are handed out on first
 * touch, so a large guest costs what it uses. A page is RAM, ROM (writes are ignored) or not memory at all (devices, holes).
 */
export const PAGE_BYTES = 4096;

/** What lies behind a physical page. */
export type PageKind = 'ram' | 'rom' | 'none';
const KIND_NONE = 0;
const KIND_RAM = 1;
const KIND_ROM = 2;

/** Called before bytes of a frame change that hold decoded instructions. */
export type CodeWriteHook = (frame: number) => void;

/** Memory-mapped device or hole: what an access outside RAM and ROM does. */
export interface MemoryMappedBus {
  read(address: number, bytes: number): number;
  write(address: number, bytes: number, value: number): void;
}

export class PhysicalMemory {
  /** The whole engine memory, for accesses that already know their host offset. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  private readonly view: DataView;
  private readonly frames: Int32Array;
  private readonly kinds: Uint8Array;
  private readonly poolBase: number;
  private readonly poolFrames: number;
  private nextFrame = 0;
  /** 1 for each frame that holds decoded instructions; indexed by frame number. */
  readonly codeFrames: Uint8Array;
  onCodeWrite: CodeWriteHook = () => {};
  mapped: MemoryMappedBus;

  /**
   * @param poolBase byte offset of frame 0 in the engine memory, 4 KiB aligned
   * @param physicalPages pages of the physical address space that may be memory (beyond: none)
   */
  constructor(
    memory: { readonly buffer: ArrayBuffer | SharedArrayBuffer },
    poolBase: number,
    poolFrames: number,
    physicalPages: number,
    mapped: MemoryMappedBus,
  ) {
    this.bytes = new Uint8Array(memory.buffer as ArrayBuffer);
    this.words = new Int32Array(memory.buffer as ArrayBuffer);
    this.view = new DataView(memory.buffer as ArrayBuffer);
    this.poolBase = poolBase;
    this.poolFrames = poolFrames;
    this.frames = new Int32Array(physicalPages).fill(-1);
    this.kinds = new Uint8Array(physicalPages);
    this.codeFrames = new Uint8Array(poolFrames);
    this.mapped = mapped;
  }

  /** Declares pages; frames follow on first touch. */
  setPages(firstPage: number, count: number, kind: PageKind): void {
    this.kinds.fill(kind === 'ram' ? KIND_RAM : kind === 'rom' ? KIND_ROM : KIND_NONE, firstPage, firstPage + count);
  }

  kind(address: number): PageKind {
    const kind = this.kinds[Math.floor(address / PAGE_BYTES)];
    return kind === KIND_RAM ? 'ram' : kind === KIND_ROM ? 'rom' : 'none';
  }

  /** Frame number behind a physical address, allocated now if need be; -1 where there is no memory. */
  frameOf(address: number): number {
    const page = Math.floor(address / PAGE_BYTES);
    if (!(page < this.frames.length) || this.kinds[page] === KIND_NONE) return -1;
    const frame = this.frames[page];
    return frame >= 0 ? frame : this.allocate(page);
  }

  private allocate(page: number): number {
    if (this.nextFrame >= this.poolFrames)
      throw new Error('Invariant broken: the frame pool is smaller than the declared memory');
    return (this.frames[page] = this.nextFrame++);
  }

  /** Byte offset in the engine memory of a frame. */
  frameOffset(frame: number): number {
    return this.poolBase + frame * PAGE_BYTES;
  }
  /** Frame that holds an engine memory offset. */
  frameAt(offset: number): number {
    return (offset - this.poolBase) >>> 12;
  }

  /** Byte offset in the engine memory of a physical address, or -1 where there is no RAM or ROM. */
  offsetOf(address: number): number {
    const frame = this.frameOf(address);
    return frame < 0 ? -1 : this.poolBase + frame * PAGE_BYTES + (address & (PAGE_BYTES - 1));
  }

  /** As `offsetOf`, but hands out no frame: -1 where there is no RAM or ROM, -2 for memory that was never touched (it reads as zero). */
  lookupOffset(address: number): number {
    const page = Math.floor(address / PAGE_BYTES);
    if (!(page < this.frames.length) || this.kinds[page] === KIND_NONE) return -1;
    const frame = this.frames[page];
    return frame < 0 ? -2 : this.poolBase + frame * PAGE_BYTES + (address & (PAGE_BYTES - 1));
  }

  /** 1, 2 or 4 bytes, unsigned, within one page. Outside memory: the bus. */
  read(address: number, bytes: 1 | 2 | 4): number {
    const offset = this.offsetOf(address);
    if (offset < 0) return this.mapped.read(address, bytes);
    return bytes === 4
      ? this.view.getUint32(offset, true)
      : bytes === 2
        ? this.view.getUint16(offset, true)
        : this.bytes[offset];
  }
  write(address: number, bytes: 1 | 2 | 4, value: number): void {
    const offset = this.writableOffset(address);
    if (offset < 0) {
      if (offset === -1) this.mapped.write(address, bytes, value);
      return;
    }
    if (bytes === 4) this.view.setUint32(offset, value, true);
    else if (bytes === 2) this.view.setUint16(offset, value, true);
    else this.bytes[offset] = value;
  }
  /** 8 bytes within one page. */
  read64(address: number): bigint {
    const offset = this.offsetOf(address);
    if (offset >= 0) return this.view.getBigUint64(offset, true);
    return BigInt(this.mapped.read(address, 4)) | (BigInt(this.mapped.read(address + 4, 4)) << 32n);
  }
  write64(address: number, value: bigint): void {
    const offset = this.writableOffset(address);
    if (offset >= 0) this.view.setBigUint64(offset, value, true);
    else if (offset === -1) {
      this.mapped.write(address, 4, Number(value & 0xffff_ffffn));
      this.mapped.write(address + 4, 4, Number(value >> 32n));
    }
  }

  /** Offset for a write of up to a page: -1 not memory, -2 ROM (write is dropped). Announces writes to decoded code. */
  writableOffset(address: number): number {
    const page = Math.floor(address / PAGE_BYTES);
    const frame = this.frameOf(address);
    if (frame < 0) return -1;
    if (this.kinds[page] === KIND_ROM) return -2;
    if (this.codeFrames[frame] !== 0) this.onCodeWrite(frame);
    return this.poolBase + frame * PAGE_BYTES + (address & (PAGE_BYTES - 1));
  }

  /** Copies bytes out for views and loaders; stops at the first page without memory. Allocates nothing. */
  peek(address: number, count: number): Uint8Array {
    const out = new Uint8Array(count);
    let done = 0;
    while (done < count) {
      const at = address + done;
      const page = Math.floor(at / PAGE_BYTES);
      const inPage = at % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - inPage, count - done);
      if (!(page < this.frames.length) || this.kinds[page] === KIND_NONE) break;
      const frame = this.frames[page];
      if (frame >= 0) {
        const from = this.frameOffset(frame) + inPage;
        out.set(this.bytes.subarray(from, from + length), done);
      }
      done += length;
    }
    return done === count ? out : out.subarray(0, done);
  }

  /** Copies bytes in, ROM included (loaders, debugger); returns how many had memory behind them. */
  poke(address: number, data: Uint8Array): number {
    let done = 0;
    while (done < data.length) {
      const at = address + done;
      const frame = this.frameOf(at);
      if (frame < 0) break;
      if (this.codeFrames[frame] !== 0) this.onCodeWrite(frame);
      const inPage = at % PAGE_BYTES;
      const length = Math.min(PAGE_BYTES - inPage, data.length - done);
      this.bytes.set(data.subarray(done, done + length), this.frameOffset(frame) + inPage);
      done += length;
    }
    return done;
  }

  /** Forgets all contents and declarations. */
  reset(): void {
    this.bytes.fill(0, this.poolBase, this.poolBase + this.nextFrame * PAGE_BYTES);
    this.frames.fill(-1);
    this.kinds.fill(KIND_NONE);
    this.codeFrames.fill(0);
    this.nextFrame = 0;
  }
}
