/**
 * Software TLB in the engine's linear memory: what emitted code looks at before every access, filled by the page walk.
 *
 * Direct mapped. An entry answers for one 4 KiB linear page in one address space: its three tags hold the page's linear
 * address with a 12-bit space tag in the low bits, one tag each for reading, writing and executing, so that one 64-bit
 * compare checks page, address space and permission. A tag that may not be used is `NO_TAG`.
 *
 * Space tags stand for (VPID, PCID, EPT pointer, root / non-root) and, in their two lowest bits, for the kind of access:
 * bit 0 user (CPL 3), bit 1 supervisor with RFLAGS.AC set under SMAP. Flushing a space is taking a new tag for it.
 */
export const TLB_ENTRIES = 16384;
const TLB_ENTRY_BYTES = 32;
export const TLB_BYTES = TLB_ENTRIES * TLB_ENTRY_BYTES;
export const TLB_ENTRY = { read: 0, write: 8, execute: 16, host: 24, page: 28 } as const;

/** The bits of a tag that stand for the kind of access. */
export const TLB_ACCESS_KINDS = 3;
/** How far apart the kinds of access are in the table. */
export const TLB_KIND_SPREAD = TLB_ENTRIES >>> 2;

/** Number of address spaces that can be tagged before all tags are recycled; the last stays unused so that NO_TAG matches nothing. */
export const TLB_SPACES = 1023;

/**
 * Where in the table a page of a space lives: spaces are spread so that two with the same linear pages do not collide, and the
 * kinds of access of one space too, so that a system call and its user do not evict each other's pages.
 */
export const tlbMix = (tag: number): number =>
  ((Math.imul(tag >>> 2, 0x2a5) ^ ((tag & TLB_ACCESS_KINDS) * TLB_KIND_SPREAD)) & (TLB_ENTRIES - 1)) >>> 0;

/** Bits of `page` besides the host-physical page number (bits 27:0... of a 40-bit page it keeps the low 28). */
export const TLB_PAGE_LARGE = 1 << 31;
export const TLB_PAGE_GLOBAL = 1 << 30;
/** The page may be written where it holds no decoded code; its write tag is withheld. */
export const TLB_PAGE_CODE = 1 << 29;

/** Who numbers its address spaces, one for each processor: all draw from the same numbers, and so share no space. */
export interface SpaceOwner {
  /** All numbers have been recycled: none of those it has is its own any more. */
  forgetSpaces(): void;
  /** After all owners have forgotten: take what is in use anew. */
  renewSpaces(): void;
}

export class Tlb {
  private readonly words: Int32Array;
  readonly base: number;
  private readonly owners: SpaceOwner[] = [];
  private nextSpace = 1;

  constructor(memory: { readonly buffer: ArrayBuffer | SharedArrayBuffer }, base: number) {
    this.base = base;
    this.words = new Int32Array(memory.buffer as ArrayBuffer, base, TLB_BYTES / 4);
    this.flushAll();
  }

  join(owner: SpaceOwner): void {
    this.owners.push(owner);
  }

  /** A number that no space has. When they run out the TLB is emptied and all of them are free; the taker knows by itself what it needs. */
  takeSpace(taker: SpaceOwner): number {
    if (this.nextSpace >= TLB_SPACES) {
      this.flushAll();
      this.nextSpace = 1;
      for (const owner of this.owners) owner.forgetSpaces();
      for (const owner of this.owners) if (owner !== taker) owner.renewSpaces();
    }
    return this.nextSpace++;
  }

  private slot(linearLow: number, tag: number): number {
    return ((((linearLow >>> 12) ^ tlbMix(tag)) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES) >> 2;
  }

  /** Replaces the entry of a page. The tags of accesses that are not allowed become NO_TAG. */
  fill(
    linearLow: number,
    linearHigh: number,
    tag: number,
    read: boolean,
    write: boolean,
    execute: boolean,
    hostOffset: number,
    page: number,
  ): void {
    const words = this.words;
    const at = this.slot(linearLow, tag);
    const low = (linearLow & ~0xfff) | tag;
    words[at] = read ? low : -1;
    words[at + 1] = read ? linearHigh : -1;
    words[at + 2] = write ? low : -1;
    words[at + 3] = write ? linearHigh : -1;
    words[at + 4] = execute ? low : -1;
    words[at + 5] = execute ? linearHigh : -1;
    words[at + 6] = hostOffset;
    words[at + 7] = page;
  }

  /** Host offset of the page's frame if the entry allows the access, else -1. `kind`: 0 read, 2 write, 4 execute. */
  lookup(linearLow: number, linearHigh: number, tag: number, kind: 0 | 2 | 4): number {
    const at = this.slot(linearLow, tag);
    const words = this.words;
    return words[at + kind] === ((linearLow & ~0xfff) | tag) && words[at + kind + 1] === linearHigh
      ? words[at + 6]
      : -1;
  }

  /** Drops whatever answers for this page in the space of `tag` (all four access kinds of the space). */
  flushPage(linearLow: number, tag: number): void {
    for (let kind = 0; kind <= TLB_ACCESS_KINDS; kind++) {
      const at = this.slot(linearLow, (tag & ~TLB_ACCESS_KINDS) | kind);
      this.words.fill(-1, at, at + 6);
    }
  }

  /** Withdraws write permission from every entry that maps a frame, which now holds decoded code. */
  protectFrame(hostOffset: number): void {
    const words = this.words;
    for (let at = 0; at < words.length; at += TLB_ENTRY_BYTES / 4)
      if (words[at + 6] === hostOffset) {
        if (words[at + 2] !== -1) words[at + 7] |= TLB_PAGE_CODE;
        words[at + 2] = -1;
        words[at + 3] = -1;
      }
  }

  private flushAll(): void {
    this.words.fill(-1);
  }
}
