/**
 * Where each piece of processor state lives in the engine's linear memory, written once: interpreter handlers, snapshots and
 * every view read this table. Offsets are relative to the processor's base, which is 4 KiB aligned.
 */

/** Bytes reserved for one processor's state. */
export const CPU_STATE_BYTES = 4096;
/** Twice the longest vector access. */
export const STRADDLE_BYTES = 64;

/** Segment register order is the encoding's (SDM Vol. 2A, "REG bits of ModR/M for segment registers"), then the system ones. */
export const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
export type SegmentName = (typeof SEGMENT_NAMES)[number];
export const SEGMENT_INDEX: { readonly [N in SegmentName]: number } = {
  ES: 0,
  CS: 1,
  SS: 2,
  DS: 3,
  FS: 4,
  GS: 5,
  LDTR: 6,
  TR: 7,
};

/**
 * One segment register with its hidden part. `readFirst..readLast` is the range of offsets that a read may touch (inclusive,
 * unsigned; first > last means none), derived from limit, type and expansion direction at load time so that a memory access
 * costs two compares; likewise `write*`.
 */
export const SEGMENT_LAYOUT = {
  base: 0,
  limit: 8,
  accessRights: 12,
  selector: 16,
  readFirst: 20,
  readLast: 24,
  writeFirst: 28,
  writeLast: 32,
} as const;
export const SEGMENT_BYTES = 40;

/** Byte offsets. `q`: 64-bit, `d`: 32-bit. */
export const LAYOUT = {
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. q */
  gpr: 0,
  /** Always zero: the "register" of an address without base or index. q */
  zero: 128,
  rip: 136,
  /** Lazy arithmetic flags: see flags.ts. q q */
  flagsResult: 144,
  flagsAux: 152,
  /** RFLAGS without CF PF AF ZF SF OF; bit 1 set. d */
  rflagsSystem: 160,
  /** Current privilege level. d */
  cpl: 164,
  /** 16, 32 or 64: code size of CS (decides decoding). d */
  codeBits: 168,
  /** Mask of the stack pointer: FFFFh, FFFFFFFFh; -1 in 64-bit mode. q */
  stackMask: 176,

  segments: 192, // 8 * 40 = 320 -> 512
  gdtrBase: 512,
  gdtrLimit: 520,
  idtrBase: 528,
  idtrLimit: 536,
  cr0: 544,
  cr2: 552,
  cr3: 560,
  cr4: 568,
  cr8: 576,
  xcr0: 584,
  dr0: 592,
  dr1: 600,
  dr2: 608,
  dr3: 616,
  dr6: 624,
  dr7: 632,
  efer: 640,
  star: 648,
  lstar: 656,
  cstar: 664,
  fmask: 672,
  kernelGsBase: 680,
  sysenterCs: 688,
  sysenterEsp: 696,
  sysenterEip: 704,
  pat: 712,
  apicBase: 720,
  tscAdjust: 728,
  tscAux: 736,
  debugctl: 744,
  featureControl: 752,
  /** TSC offset of VMX non-root operation when in force, else 0. q */
  tscOffset: 760,
  miscEnable: 768,
  mtrrDefType: 776,
  /** PAE page-directory-pointer registers PDPTE0..3. q q q q */
  pdpte: 784,

  /** Space tag of accesses at the current CPL, see memory/tlb.ts. d */
  tlbTag: 832,
  /** tlbMix(tlbTag). d */
  tlbMix: 968,
  /** RIP of the first byte of the page that the loop executes in: RIP = pageRip + offset in page. q */
  pageRip: 992,
  /** Bit 0: an event may be due (pending interrupt, debug trap, stop): leave the loop at the next boundary. d */
  attention: 836,
  /** Instructions left before the loop returns. d, signed */
  budget: 840,
  /** Instructions retired since reset. q, brought up to date when the loop returns */
  retired: 848,
  /** 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI (VMCS "Activity state" encoding). d */
  activity: 856,
  /** Bit 0 blocking by STI, bit 1 by MOV SS, bit 3 by NMI (VMCS "Interruptibility state" encoding). d */
  interruptibility: 860,
  /** Pending debug exceptions in the VMCS format. q */
  pendingDebug: 864,
  /** Protection-key rights of user pages. d */
  pkru: 924,
  /** 64 minus the number of linear-address bits in use: what `checkTarget` shifts by. q */
  canonicalShift: 928,
  /** DR6.B0 to B3 that the instruction in progress has met: pending once it completes. d */
  debugHits: 920,
  /** Retired count until which STI / MOV SS blocking holds. q */
  blockingUntil: 872,

  /** 0 outside VMX operation, 1 root, 2 non-root. d */
  vmxMode: 880,
  /** Non-zero: VMXON region and current VMCS, FFFFFFFF_FFFFFFFFh where none. q */
  vmxonPointer: 888,
  vmcsPointer: 896,
  /** EPT pointer in force in non-root operation, 0 without EPT. q */
  eptPointer: 904,
  vpid: 912,

  /** Decoded record that was executing when the loop returned. d */
  record: 936,
  /** Scratch for values handed to and from slow memory accesses. q */
  transfer: 944,

  /** Small facts that live from one instruction boundary to the next: bits of `BOUNDARY` in cpu/boundary.ts. d */
  boundary: 976,
  /** Retired count at which the `armed` bits of `boundary` were set. q */
  armedAt: 984,
  /** State of the generator behind RDRAND and RDSEED, never zero. q */
  random: 1000,
  /** MSRs without a place of their own (MTRRs, TSC and microcode bookkeeping): slots of cpu/msrs.ts and cpu/branch-records.ts. 72 * q */
  msrStorage: 1024,

  /** R0..R7 of the x87 FPU by physical number, 16 bytes each: significand (where MMX registers live), then sign and exponent. */
  x87Registers: 1600,
  /** Control word; status word with TOP and the summary bits kept current; abridged tags, bit i = Ri holds a value. d d d */
  x87Control: 1728,
  x87Status: 1732,
  x87Tags: 1736,
  /** Last instruction's opcode bits, offset and CS selector, and its operand's offset and selector. d q q d d */
  x87Opcode: 1740,
  x87InstructionPointer: 1744,
  x87DataPointer: 1752,
  x87CodeSelector: 1760,
  x87DataSelector: 1764,

  /** YMM0..YMM15, 32 bytes each; XMM registers are their low halves. */
  vectors: 2048,
  /** d */
  mxcsr: 2560,
  /** Scratch of vector accesses that lie in two pages: STRADDLE_BYTES. */
  straddle: 2624,
} as const;
