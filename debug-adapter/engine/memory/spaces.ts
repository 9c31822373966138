/**
 * Address spaces and their TLB tags. A space is what one set of cached translations may serve: VPID, PCID, EPT pointer, PKRU and
 * the mode bits that the cached rights depend on (SDM Vol. 3C, "Caching Translation Information", 28.3.1). Flushing a space means
 * never using its tag again; when the tags run out, the TLB is emptied and all of them are free (`Tlb.takeSpace`).
 */
import { TLB_SPACES, type SpaceOwner, type Tlb } from './tlb.ts';

/** Bits of `SpaceKey.mode`. */
const MODE_BITS = 8;
const MODES = 2 ** MODE_BITS;
/** Values of PKRU. */
const PKRUS = 2 ** 32;

export interface SpaceKey {
  /** 0 outside VMX non-root operation and without VPID. */
  vpid: number;
  /** 0 without CR4.PCIDE. */
  pcid: number;
  /** EPT pointer bits 51:12 (as an address) plus 1 where accessed and dirty flags are on; 0 without EPT. */
  ept: number;
  /** PKRU where it is in force, else 0; unsigned. */
  pkru: number;
  /** Paging mode and the control bits that cached rights depend on, below 2^MODE_BITS. */
  mode: number;
}

/** The address spaces of one processor. */
export class Spaces implements SpaceOwner {
  private readonly tlb: Tlb;
  /** (VPID, PCID) -> (EPT, PKRU, mode) -> space number. */
  private readonly groups = new Map<number, Map<number, number>>();
  private readonly eptNumbers = new Map<number, number>();
  /** 1 for spaces in which a page larger than 4 KiB is cached. */
  private readonly large = new Uint8Array(TLB_SPACES + 1);
  /** Takes the tag of the space in use anew. */
  private readonly renew: () => void;
  /** A global page was cached while PCIDs were in use: INVLPG then concerns every PCID. */
  private globalUnderPcid = false;

  constructor(tlb: Tlb, renew: () => void = () => undefined) {
    this.tlb = tlb;
    this.renew = renew;
    tlb.join(this);
  }

  /** Tag (access bits clear) of a space, new where it has none. */
  tagOf(key: Readonly<SpaceKey>): number {
    const group = groupKey(key.vpid, key.pcid);
    const inner = (this.eptNumber(key.ept) * PKRUS + key.pkru) * MODES + key.mode;
    const number = this.groups.get(group)?.get(inner);
    return (number ?? this.allocate(group, inner)) << 2;
  }

  private allocate(group: number, inner: number): number {
    const number = this.tlb.takeSpace(this);
    this.large[number] = 0;
    let spaces = this.groups.get(group);
    if (spaces === undefined) this.groups.set(group, (spaces = new Map<number, number>()));
    spaces.set(inner, number);
    return number;
  }

  private eptNumber(ept: number): number {
    if (ept === 0) return 0;
    let number = this.eptNumbers.get(ept);
    if (number === undefined) this.eptNumbers.set(ept, (number = this.eptNumbers.size + 1));
    return number;
  }

  /** Called when the TLB is given a page larger than 4 KiB, or a global one. */
  noteLarge(tag: number): void {
    this.large[tag >>> 2] = 1;
  }
  noteGlobalUnderPcid(): void {
    this.globalUnderPcid = true;
  }

  /** MOV CR3, INVPCID single-context: one PCID of a VPID, whatever the EPT. Global pages go as well, which is allowed. */
  flushContext(vpid: number, pcid: number): void {
    this.groups.delete(groupKey(vpid, pcid));
  }

  flushVpid(vpid: number): void {
    for (const group of this.groups.keys()) if (Math.floor(group / 4096) === vpid) this.groups.delete(group);
  }

  /** INVEPT single-context: by EPT pointer bits 51:12. */
  flushEpt(address: number): void {
    for (const [ept, number] of this.eptNumbers) {
      if (Math.floor(ept / 4096) !== Math.floor(address / 4096)) continue;
      for (const spaces of this.groups.values())
        for (const inner of spaces.keys()) if (Math.floor(inner / (PKRUS * MODES)) === number) spaces.delete(inner);
    }
  }

  flushAll(): void {
    this.groups.clear();
    this.eptNumbers.clear();
    this.globalUnderPcid = false;
  }

  forgetSpaces(): void {
    this.flushAll();
  }
  renewSpaces(): void {
    this.renew();
  }

  /** INVLPG: one page of (VPID, PCID), and of every PCID where global pages may be cached under several. */
  flushPage(linearLow: number, vpid: number, pcid: number): void {
    if (this.globalUnderPcid) {
      this.flushVpid(vpid);
      return;
    }
    const spaces = this.groups.get(groupKey(vpid, pcid));
    if (spaces === undefined) return;
    for (const [inner, number] of spaces) {
      // Which 4 KiB pieces of a large page are cached is not known: the whole space goes.
      if (this.large[number] !== 0) spaces.delete(inner);
      else this.tlb.flushPage(linearLow, number << 2);
    }
  }
}

const groupKey = (vpid: number, pcid: number): number => vpid * 4096 + pcid;
