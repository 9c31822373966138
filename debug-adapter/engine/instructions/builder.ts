/**
 * What an instruction's meaning is written against. The interpreter implements it with operands taken from the decoded
 * record, a translator with operands known; the meaning does not notice.
 *
 * A `Value` is a 64-bit number in a WebAssembly local, zero-extended from its operand size unless said otherwise; a `Test`
 * is a 32-bit truth. Both are temporaries of the instruction. Order matters: read operands and compute first, change memory
 * next, registers and flags last, so that a fault leaves nothing half done.
 */
declare const valueKind: unique symbol;
export type Value = number & { readonly [valueKind]: 'i64' };
export type Test = number & { readonly [valueKind]: 'i32' };
declare const placeKind: unique symbol;
export type Place = number & { readonly [placeKind]: 'i32' };

export type Bytes = 1 | 2 | 4 | 8;

/** Where an operand is. `slot` counts the register operands' places in the decoded record. */
export type Operand =
  | { readonly kind: 'register'; readonly slot: 0 | 1 | 2; readonly bytes: Bytes }
  | { readonly kind: 'memory'; readonly bytes: Bytes }
  | { readonly kind: 'immediate'; readonly bytes: Bytes };

export type BinaryOp =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div_u'
  | 'div_s'
  | 'rem_u'
  | 'rem_s'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr_u'
  | 'shr_s'
  | 'rotl'
  | 'rotr';
export type CompareOp = 'eq' | 'ne' | 'lt_s' | 'lt_u' | 'gt_s' | 'gt_u' | 'le_u' | 'ge_u';

/** The sixteen conditions of Jcc, SETcc and CMOVcc in encoding order (SDM Vol. 1, "Condition Codes" B.1). */
export const CONDITIONS = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** General register numbers in encoding order. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** The part of a builder that computes: it knows no processor. */
export interface Computation {
  constant(value: bigint): Value;
  binary(op: BinaryOp, a: Value, b: Value): Value;
  /** `binary` with a constant on the right. */
  with(op: BinaryOp, a: Value, constant: bigint): Value;
  unary(op: 'clz' | 'ctz' | 'popcnt', a: Value): Value;
  /** Square root of an unsigned number, computed in double precision and truncated: too large by one at most, never too small. */
  estimateRoot(a: Value): Value;
  compare(op: CompareOp, a: Value, b: Value): Test;
  isZero(a: Value): Test;
  not(test: Test): Test;
  or(a: Test, b: Test): Test;
  and(a: Test, b: Test): Test;
  /** `then` where the test holds, else `otherwise`. */
  select(test: Test, then: Value, otherwise: Value): Value;
  /** Zero-extends from a size. */
  truncate(a: Value, bytes: Bytes): Value;
  signExtend(a: Value, bytes: Bytes): Value;
  /** 0 or 1. */
  asValue(test: Test): Value;
  /** Changes an existing value in place (for loops and joins). */
  assign(target: Value, value: Value): void;
  if(test: Test, then: () => void, otherwise?: () => void): void;
  /** Runs what is emitted once for all of a module. */
  call(routine: Routine, parameters: readonly Value[]): readonly Value[];
}

/** A long computation that several meanings share: a function of its own in the module. */
export interface Routine {
  readonly name: string;
  readonly parameters: number;
  readonly results: number;
  /** Ends in `give` on every path. */
  readonly body: (c: RoutineBuilder, parameters: readonly Value[]) => void;
}
export interface RoutineBuilder extends Computation {
  /** Returns the results of the routine. */
  give(...results: readonly Value[]): void;
}

export interface Builder extends Computation {
  read(operand: Operand): Value;
  /** Stores the low bytes; a 32-bit register write clears the upper half. */
  write(operand: Operand, value: Value): void;
  /** Reads, computes and writes one operand, with write permission checked before `compute` can change anything. */
  modify(operand: Operand, compute: (old: Value) => Value): void;
  /** Offset of the memory operand within its segment, truncated to the address size (LEA). */
  effectiveAddress(): Value;
  /** Like `read`/`modify` of memory, but at `extra` bytes behind the operand's address (bit strings, far pointers). */
  displaceMemory(extra: Value): void;

  /**
   * Where the bytes of the memory operand are in the engine's memory, for `load` and `store`; after stores `commit` follows. Where
   * the TLB does not answer for all of them, the instruction is handed to its TypeScript implementation, as by `defer`.
   */
  place(bytes: number, access: 'read' | 'write'): Place;
  /** As `place` for a linear address; `system`: as an access that the processor makes itself, whatever the CPL, within one page. */
  placeAt(linear: Value, bytes: number, access: 'read' | 'write', privilege: 'current' | 'system'): Place;
  load(place: Place, bytes: Bytes, displacement?: number): Value;
  store(place: Place, bytes: Bytes, value: Value, displacement?: number): void;
  commit(place: Place): void;

  /** A part of the processor state by its offset in LAYOUT, `displacement` bytes behind it. */
  state(at: number, bytes: Bytes, displacement?: Value): Value;
  setState(at: number, bytes: Bytes, value: Value, displacement?: Value): void;
  /** Number of a register operand that is no general register: the i of ST(i). */
  registerNumber(operand: Operand): Value;
  /** Selector of the memory operand's segment, which in 64-bit mode says nothing about its address. */
  operandSelector(): Value;

  register(index: number, bytes: Bytes): Value;
  setRegister(index: number, bytes: Bytes, value: Value): void;
  /** The value of an immediate, as `read` of an immediate operand. */
  immediate(): Value;

  flagsResult(): Value;
  flagsAux(): Value;
  setFlags(result: Value, aux: Value): void;
  setFlagsAux(aux: Value): void;
  condition(condition: Condition): Test;
  /** RFLAGS.DF set. */
  directionDown(): Test;
  setDirection(down: boolean): void;

  /** Pushes; RSP changes only after the store succeeded. */
  // `bytes` below is the operand size of the stack or branch; 8 means 64-bit code, so that no mode needs to be asked for.
  push(value: Value, bytes: 2 | 4 | 8): void;
  /** Reads the top of the stack; `dropStack` commits. */
  peekStack(bytes: 2 | 4 | 8): Value;
  dropStack(by: Value, bytes: 2 | 4 | 8): void;
  /** Reads the stack at rBP (LEAVE), then `setStackToFrame` makes rSP = rBP + `bytes`. */
  peekFrame(bytes: 2 | 4 | 8): Value;
  setStackToFrame(bytes: 2 | 4 | 8): void;

  /** RIP of the instruction. */
  currentRip(): Value;
  /** RIP behind the instruction, truncated to the code's or operand's size. */
  nextRip(bytes: Bytes): Value;
  /** Continues at the instruction's direct branch target if the test holds, else behind the instruction. Ends the meaning. */
  branchIf(test: Test): void;
  /** Continues at the direct branch target. Ends the meaning. */
  branch(): void;
  /** Raises #GP(0) if the direct branch target is beyond the limit of CS: before a branch that changes more than RIP. */
  checkBranch(bytes: 2 | 4 | 8): void;
  /** Continues at a computed RIP after `checkTarget`. Ends the meaning. */
  jump(rip: Value): void;
  /**
   * Continues at a RIP where everything may be different from here: mode, privilege, address space. First looks for events if the
   * test holds. Ends the meaning.
   */
  enter(rip: Value, looks: Test): void;
  /** Looks for events before the next instruction. */
  attend(): void;
  /** Raises #GP(0) if a RIP is not canonical (64-bit mode) or beyond the limit of CS. */
  checkTarget(rip: Value, bytes: 2 | 4 | 8): void;

  /** Raises an exception without (or with a zero) error code; nothing after it runs. */
  raise(vector: number): void;
  /** Hands the instruction to its TypeScript implementation; nothing may have been changed. */
  defer(): void;

  /** A value at ES:rDI / segment:rSI of a string instruction with the record's address size. */
  readString(which: 'source' | 'destination', bytes: Bytes): Value;
  writeString(value: Value, bytes: Bytes): void;
  /** Adds or subtracts `bytes` to rSI / rDI according to DF, with the record's address size. */
  advanceString(which: 'source' | 'destination', bytes: Bytes): void;
  /** rCX under the record's address size. */
  count(): Value;
  setCount(value: Value): void;
  /** Runs this instruction once more (REP) if the test holds; otherwise falls through to the next one. Ends the meaning. */
  repeatIf(test: Test): void;
  /** Goes on behind the instruction now. */
  finish(): void;
}

/** One meaning with the operand shapes it is used in. */
export interface EmittedRow {
  /** Lower-case name, unique together with size and shape: becomes part of the handler's name. */
  readonly name: string;
  /** iced `Code` names of this row. */
  readonly codes: readonly string[];
  readonly bytes: Bytes;
  /** Each shape lists operand kinds as they come from the decoder. */
  readonly shapes: readonly (readonly Operand['kind'][])[];
  /** SDM volume and title. */
  readonly sdm: string;
  /** Sizes of operands that differ from `bytes` (MOVZX source, shift count ...), by operand index. */
  readonly operandBytes?: readonly (Bytes | undefined)[];
  /** Worth a place in the interpreter's main function: always, or only its 32- and 64-bit forms without a memory operand. */
  readonly hot?: 'always' | 'registers';
  readonly meaning: (b: Builder, operands: readonly Operand[]) => void;
}
