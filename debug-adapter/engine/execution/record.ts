/** One decoded instruction as emitted code reads it: a fixed record in the engine's linear memory. */
export const RECORD_BYTES = 80;
export const RECORD = {
  /** Number of the handler. u16 */
  handler: 0,
  /** Instruction length. u8 */
  length: 2,
  /** RECORD_FLAG bits. u8 */
  flags: 3,
  /** Offsets of general register operands in the processor state; of ST(i) its number. u16 each */
  registers: 4,
  /** Offset of the base "register": a GPR, the zero slot, or pageRip for RIP-relative operands. u16 */
  base: 10,
  index: 12,
  /** log2 of the scale. u8 */
  shift: 14,
  /** Number of the operand's segment register, in every mode. u8 */
  segmentNumber: 15,
  /** Displacement; for RIP-relative operands from the start of the page. i64 */
  displacement: 16,
  /** Immediate truncated to its operand size; for direct branches the target from the start of the page. i64 */
  immediate: 24,
  /** Address-size mask of the memory operand or counter. i64 */
  mask: 32,
  /** Record of the next instruction and, behind it, of the branch target. i32 */
  next: 40,
  target: 44,
  /** Offset of the instruction in its page. u16 */
  pageOffset: 48,
  /** Offset in the processor state of the operand's segment (or of the zero slot in 64-bit mode). u16 */
  segment: 50,
  /** Index into the decoded objects. i32 */
  decoded: 52,
  /** Handler that a breakpoint replaced. u16 */
  savedHandler: 56,
  /** Of a vector instruction: offset of its third source in the processor state. u16 */
  thirdSource: 58,
  /** Code page the record belongs to. i32 */
  page: 60,
  /** Of an instruction that crosses into the next page: frame offset of that page and the handler proper. i32, u16 */
  crossHost: 64,
  crossHandler: 68,
  /** Place of a late handler in their table. u16 */
  lateHandler: 70,
  /** Operand-size mask of a direct branch target. i64 */
  targetMask: 72,
} as const;

export const RECORD_FLAG = {
  /** Segment limits and rights are checked (not 64-bit mode). */
  LEGACY: 1,
  /** The memory operand's segment is SS: violations are #SS. */
  STACK_SEGMENT: 2,
} as const;

/** Why the emitted loop returned. */
export const OUTCOME = {
  /** Only between outlined handlers and the loop. */
  CONTINUE: 0,
  LEAVE: 1,
  REPEAT: 2,
  /** The budget is used up; RIP is at the next instruction. */
  BUDGET: 3,
  /** Nothing decoded at RIP (or RIP cannot be fetched). */
  MISS: 4,
  /** The instruction at RIP is TypeScript. */
  SYSTEM: 5,
  /** A slow memory access found a fault or took a VM exit: see `SlowPath`. */
  FAULT: 6,
  /** A breakpoint is set on the instruction at RIP. */
  BREAKPOINT: 7,
  /** LEAVE and REPEAT at once: only between outlined handlers and the loop. */
  LEAVE_REPEAT: 8,
  /** RIP has been stored, in a mode that may be new: it is looked up, or events are looked for. Only between outlined handlers and the loop. */
  ENTER: 9,
  ENTER_LOOKING: 10,
  /** Plus the vector: an exception without error code or with error code 0. */
  RAISE: 0x100,
} as const;

/** What slow memory accesses return. */
export const SLOW = { DONE: 0, FAULT: 1, DONE_LEAVE: 2 } as const;
