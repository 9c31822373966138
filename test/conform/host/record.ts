/** One case as both sides read and write it: the whole state that a user-mode instruction sees, in fixed places. */

/** Byte offsets; struct record of test/oracles/host/batch.c. */
export const CASE = {
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. 16 * u64 */
  gpr: 0,
  rip: 128,
  flags: 136,
  fsBase: 144,
  gsBase: 152,
  /** ST(0) to ST(7), 16 bytes each of which 10 count. */
  st: 160,
  /** x87 control word, status word, abridged tags. u16 each */
  control: 288,
  status: 290,
  tags: 292,
  mxcsr: 296,
  /** Of the fault; the vector is `DEBUG_TRAP` where there was none. u32, u32 */
  trap: 300,
  error: 304,
  /** Iterations that a repeated string instruction may take. u32 */
  steps: 308,
  /** Linear address of a page fault. u64 */
  address: 312,
  /** YMM0 to YMM15. */
  ymm: 320,
  /** Two windows of memory: where, how many bytes, and what they hold. u32 each */
  aAt: 832,
  aBytes: 836,
  bAt: 840,
  bBytes: 844,
  a: 848,
  b: 976,
} as const;
export const A_BYTES = 128;
export const B_BYTES = 320;
export const CASE_BYTES = 1296;
export const DEBUG_TRAP = 1;

/** What both windows are filled with behind each case, and all of the memory before the first. */
export const FILLER = 0xa5;

/** A batch of cases in one block of memory. */
export class Cases {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly quads: BigUint64Array;
  readonly view: DataView;

  readonly count: number;

  constructor(count: number) {
    const buffer = new ArrayBuffer(count * CASE_BYTES);
    this.count = count;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.quads = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
  }
  word(index: number, at: number): number {
    return this.words[(index * CASE_BYTES + at) >> 2]!;
  }
  setWord(index: number, at: number, value: number): void {
    this.words[(index * CASE_BYTES + at) >> 2] = value;
  }
  quad(index: number, at: number): bigint {
    return this.quads[(index * CASE_BYTES + at) >> 3]!;
  }
  setQuad(index: number, at: number, value: bigint): void {
    this.quads[(index * CASE_BYTES + at) >> 3] = value;
  }
  part(index: number, at: number, bytes: number): Uint8Array {
    return this.bytes.subarray(index * CASE_BYTES + at, index * CASE_BYTES + at + bytes);
  }
}
