/** What LAYOUT.boundary remembers from one instruction boundary to the next. */

/** Bits of LAYOUT.boundary. */
export const BOUNDARY = {
  /** RFLAGS.TF was set when the instruction now completing began: a single-step trap follows it. */
  stepArmed: 1 << 0,
  /** RFLAGS.RF was set when the instruction now completing began: it ends with it. */
  resumeArmed: 1 << 1,
  /** An NMI has been signalled and not delivered. */
  nmiPending: 1 << 2,
  /** Iterations of a repeated string instruction have been done and others follow. */
  repeating: 1 << 3,
  /** INIT has been signalled and not taken. */
  initPending: 1 << 4,
  /** A start-up IPI has been signalled and not taken; its vector is the byte at `SIPI_VECTOR_BIT`. */
  sipiPending: 1 << 5,
  /** The instruction now completing has branched: with IA32_DEBUGCTL.BTF only then a single-step trap follows. */
  branched: 1 << 6,
} as const;
