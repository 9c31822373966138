/** The `Builder` of the interpreter: operands come from the decoded record, registers live in memory. */
import { CPU_STATE_BYTES, LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { GP, SS_FAULT } from '../cpu/guest-fault.ts';
import type { Builder, Bytes, Operand, Place, Test, Value } from '../instructions/builder.ts';
import { RBP, RCX, RDI, RSI, RSP } from '../instructions/builder.ts';
import { TLB_ENTRY } from '../memory/tlb.ts';
import { I32, I64, type FunctionWriter } from '../wasm/function.ts';
import { FlagBuilder, LOAD, STORE } from './flag-builder.ts';
import { OUTCOME, RECORD, RECORD_FLAG, SLOW } from './record.ts';
import type { SlowAccesses } from './slow-accesses.ts';
import type { Straddling } from './straddle.ts';
import { emitTlbProbe } from './tlb-probe.ts';
import { NO_ROUTINES, type RoutineTable } from './value-builder.ts';

/** How a handler ends, which differs between the main loop and outlined functions. All take an empty stack. */
export interface Exits {
  finish(): void;
  branch(): void;
  branchIf(test: number): void;
  /** RIP has been stored in the state. */
  jump(): void;
  /** Leaves with an outcome at the current instruction. */
  outcome(code: number): void;
  /** Leaves because a slow access faulted; RIP is already stored. */
  fault(): void;
  /** Asks to leave the loop before the next instruction. */
  leaveSoon(): void;
  /** RIP has been stored in the state, in whatever mode; `looking`: leaves the loop there. */
  enter(looking: 'looking' | 'at once'): void;
  repeat(): void;
}

/** Indices of functions of the module that handlers call. */
export interface SlowCalls extends SlowAccesses, Straddling {
  readonly segmentCheck: number;
}

/** Marks slow accesses that go through the stack segment, in the `bytes` argument. */
export const SLOW_STACK = 0x100;

const SS_AT = LAYOUT.segments + SEGMENT_INDEX.SS * SEGMENT_BYTES;
const CS_AT = LAYOUT.segments + SEGMENT_INDEX.CS * SEGMENT_BYTES;
const ES_AT = LAYOUT.segments + SEGMENT_INDEX.ES * SEGMENT_BYTES;

type Access = 'read' | 'write' | 'modify';

export class InterpreterBuilder extends FlagBuilder implements Builder {
  protected readonly record: number;
  protected readonly exits: Exits;
  protected readonly slow: SlowCalls;
  protected readonly tlbBase: number;
  private readonly linears = new Map<Place, Value>();

  /** @param routines of the module; none where absent */
  constructor(
    f: FunctionWriter,
    cpu: number,
    record: number,
    exits: Exits,
    slow: SlowCalls,
    tlbBase: number,
    routines: RoutineTable = NO_ROUTINES,
  ) {
    super(f, cpu, routines);
    this.record = record;
    this.exits = exits;
    this.slow = slow;
    this.tlbBase = tlbBase;
  }

  /** Pushes the address of a register operand minus the constant offset 0. */
  protected registerAddress(slot: 0 | 1 | 2): void {
    this.f.get(this.cpu);
    this.f.get(this.record);
    this.f.memory('i32_load16_u', RECORD.registers + 2 * slot);
    this.f.op('i32_add');
  }

  read(operand: Operand): Value {
    switch (operand.kind) {
      case 'register':
        this.registerAddress(operand.slot);
        this.f.memory(LOAD[operand.bytes]);
        return this.value();
      case 'immediate':
        return this.immediate();
      case 'memory': {
        const result = this.temp(I64) as Value;
        this.loadLinear(this.linearOfOperand(operand.bytes, 'read'), operand.bytes, 0, result);
        return result;
      }
    }
  }

  write(operand: Operand, value: Value): void {
    switch (operand.kind) {
      case 'register':
        this.registerAddress(operand.slot);
        this.storeRegister(value, operand.bytes, 0);
        return;
      case 'immediate':
        throw new Error('Invariant broken: an immediate operand cannot be written');
      case 'memory':
        this.storeLinear(this.linearOfOperand(operand.bytes, 'write'), operand.bytes, 0, value);
    }
  }

  /** With the address on the stack: stores a register; 32-bit writes clear the upper half. */
  private storeRegister(value: Value, bytes: Bytes, offset: number): void {
    this.f.get(value);
    if (bytes === 4) {
      this.f.i64(0xffff_ffffn);
      this.f.op('i64_and');
      this.f.memory('i64_store', offset);
    } else this.f.memory(STORE[bytes], offset);
  }

  modify(operand: Operand, compute: (old: Value) => Value): void {
    if (operand.kind !== 'memory') {
      this.write(operand, compute(this.read(operand)));
      return;
    }
    const { bytes } = operand;
    const f = this.f;
    const linear = this.linearOfOperand(bytes, 'modify');
    const old = this.temp(I64) as Value;
    const host = this.temp(I32);
    this.fast(linear, bytes, TLB_ENTRY.write, host);
    f.get(host);
    f.if(
      () => {
        f.get(host);
        f.memory(LOAD[bytes]);
        f.set(old);
      },
      () => {
        this.callSlow(this.slow.modify, linear, bytes);
        this.takeTransfer(old);
      },
    );
    const result = compute(old);
    f.get(host);
    f.if(
      () => {
        f.get(host);
        f.get(result);
        f.memory(STORE[bytes]);
      },
      () => this.slowStore(linear, bytes, result),
    );
  }

  effectiveAddress(): Value {
    if (this.offset !== undefined) return this.offset;
    const f = this.f;
    this.stateQuadAt(RECORD.base);
    this.stateQuadAt(RECORD.index);
    f.get(this.record);
    f.memory('i64_load8_u', RECORD.shift);
    f.op('i64_shl');
    f.op('i64_add');
    f.get(this.record);
    f.memory('i64_load', RECORD.displacement);
    f.op('i64_add');
    f.get(this.record);
    f.memory('i64_load', RECORD.mask);
    f.op('i64_and');
    return (this.offset = this.value());
  }
  displaceMemory(extra: Value): void {
    const moved = this.binary('add', this.effectiveAddress(), extra);
    this.f.get(moved);
    this.f.get(this.record);
    this.f.memory('i64_load', RECORD.mask);
    this.f.op('i64_and');
    this.offset = this.value();
  }
  /** Pushes the 64-bit word of the state whose offset is in a record field. */
  private stateQuadAt(field: number): void {
    this.stateQuadAddress(field);
    this.f.memory('i64_load');
  }
  private stateQuadAddress(field: number): void {
    this.f.get(this.cpu);
    this.f.get(this.record);
    this.f.memory('i32_load16_u', field);
    this.f.op('i32_add');
  }

  private legacy(): void {
    this.f.get(this.record);
    this.f.memory('i32_load8_u', RECORD.flags);
    this.f.i32(RECORD_FLAG.LEGACY);
    this.f.op('i32_and');
  }

  protected linearOfOperand(bytes: number, access: Access): Value {
    return this.linear(this.operandSegment(), this.effectiveAddress(), bytes, access, () => this.operandViolation());
  }
  /** Address of the memory operand's segment, or of the zero slot where the segment does not count. */
  private operandSegment(): number {
    const f = this.f;
    const segment = this.temp(I32);
    f.get(this.cpu);
    f.get(this.record);
    f.memory('i32_load16_u', RECORD.segment);
    f.op('i32_add');
    f.set(segment);
    return segment;
  }

  place(bytes: number, access: 'read' | 'write'): Place {
    const linear = this.checkedLinear(this.operandSegment(), this.effectiveAddress(), bytes, access, () =>
      this.defer(),
    );
    return this.placeAt(linear, bytes, access, 'current');
  }
  placeAt(linear: Value, bytes: number, access: 'read' | 'write', privilege: 'current' | 'system'): Place {
    const f = this.f;
    const host = this.temp(I32);
    const missing = (then: () => void): void => {
      f.get(host);
      f.op('i32_eqz');
      f.if(then);
    };
    this.fast(linear, bytes, access === 'read' ? TLB_ENTRY.read : TLB_ENTRY.write, host, privilege);
    missing(() => {
      if (privilege === 'current') {
        f.get(this.cpu);
        f.get(linear);
        f.i32(bytes);
        f.call(access === 'read' ? this.slow.straddleRead : this.slow.straddleWrite);
        f.set(host);
        missing(() => this.defer());
      } else this.defer();
    });
    this.linears.set(host as Place, linear);
    return host as Place;
  }
  commit(place: Place): void {
    const f = this.f;
    // Where the bytes lie in two pages they were put together in the processor state.
    f.get(place);
    f.get(this.cpu);
    f.op('i32_sub');
    f.i32(CPU_STATE_BYTES);
    f.op('i32_lt_u');
    f.if(() => {
      f.get(this.cpu);
      f.get(this.linears.get(place)!);
      f.call(this.slow.straddleCommit);
    });
  }
  load(place: Place, bytes: Bytes, displacement = 0): Value {
    this.f.get(place);
    this.f.memory(LOAD[bytes], displacement);
    return this.value();
  }
  store(place: Place, bytes: Bytes, value: Value, displacement = 0): void {
    this.f.get(place);
    this.f.get(value);
    this.f.memory(STORE[bytes], displacement);
  }

  registerNumber(operand: Operand): Value {
    if (operand.kind !== 'register') throw new Error(`Invariant broken: ${operand.kind} operands have no number`);
    this.f.get(this.record);
    this.f.memory('i64_load16_u', RECORD.registers + 2 * operand.slot);
    return this.value();
  }
  operandSelector(): Value {
    this.f.get(this.record);
    this.f.memory('i64_load8_u', RECORD.segmentNumber);
    const segment = this.with('mul', this.value(), BigInt(SEGMENT_BYTES));
    return this.state(LAYOUT.segments + SEGMENT_LAYOUT.selector, 2, segment);
  }

  /** Raises what a violation of the memory operand's segment is: #SS or #GP. */
  private operandViolation(): void {
    this.f.get(this.record);
    this.f.memory('i32_load8_u', RECORD.flags);
    this.f.i32(RECORD_FLAG.STACK_SEGMENT);
    this.f.op('i32_and');
    this.f.if(
      () => this.exits.outcome(OUTCOME.RAISE | SS_FAULT),
      () => this.exits.outcome(OUTCOME.RAISE | GP),
    );
  }

  /** As `checkedLinear`. General operands of 8 bytes exist in 64-bit mode only: for them nothing is emitted that asks for the mode. */
  private linear(segment: number, offset: Value, bytes: number, access: Access, violated: () => void): Value {
    return this.asksForMode(bytes)
      ? this.checkedLinear(segment, offset, bytes, access, violated)
      : this.segmentSum(segment, offset);
  }
  private segmentSum(segment: number, offset: Value): Value {
    this.f.get(offset);
    this.f.get(segment);
    this.f.memory('i64_load', SEGMENT_LAYOUT.base);
    this.f.op('i64_add');
    return this.value();
  }
  /** Linear address of an offset; outside 64-bit mode after the segment's checks. `segment`: local with the segment's address. */
  private checkedLinear(segment: number, offset: Value, bytes: number, access: Access, violated: () => void): Value {
    const f = this.f;
    const linear = this.segmentSum(segment, offset);
    this.legacy();
    f.if(() => {
      f.get(segment);
      f.get(offset);
      f.i32(bytes - 1);
      f.i32(access === 'read' ? SEGMENT_LAYOUT.readFirst : SEGMENT_LAYOUT.writeFirst);
      f.call(this.slow.segmentCheck);
      f.op('i32_eqz');
      f.if(violated);
      f.get(linear);
      f.i64(0xffff_ffffn);
      f.op('i64_and');
      f.set(linear);
    });
    return linear;
  }

  protected asksForMode(bytes: number): boolean {
    return bytes !== 8;
  }

  /** Sets `host` to the engine memory offset of a linear address, 0 where the TLB does not answer. */
  protected fast(
    linear: Value,
    bytes: number,
    tag: number,
    host: number,
    privilege: 'current' | 'system' = 'current',
  ): void {
    const f = this.f;
    const reach = () => f.i64(BigInt(bytes - 1));
    const place = { cpu: this.cpu, linear, entry: host };
    emitTlbProbe(f, place, this.tlbBase + tag, bytes > 1 ? reach : undefined, privilege);
    f.if(
      () => {
        f.get(host);
        f.memory('i32_load', this.tlbBase + TLB_ENTRY.host);
        f.get(linear);
        f.op('i32_wrap_i64');
        f.i32(0xfff);
        f.op('i32_and');
        f.op('i32_add');
        f.set(host);
      },
      () => {
        f.i32(0);
        f.set(host);
      },
    );
  }

  private loadLinear(linear: Value, bytes: Bytes, kind: number, result: Value): void {
    const f = this.f;
    const host = this.temp(I32);
    this.fast(linear, bytes, TLB_ENTRY.read, host);
    f.get(host);
    f.if(
      () => {
        f.get(host);
        f.memory(LOAD[bytes]);
        f.set(result);
      },
      () => {
        this.callSlow(this.slow.read, linear, bytes | kind);
        this.takeTransfer(result);
      },
    );
  }

  private storeLinear(linear: Value, bytes: Bytes, kind: number, value: Value): void {
    const f = this.f;
    const host = this.temp(I32);
    this.fast(linear, bytes, TLB_ENTRY.write, host);
    f.get(host);
    f.if(
      () => {
        f.get(host);
        f.get(value);
        f.memory(STORE[bytes]);
      },
      () => this.slowStore(linear, bytes | kind, value),
    );
  }

  private slowStore(linear: Value, bytes: number, value: Value): void {
    this.callSlow(this.slow.write, linear, bytes, value);
  }

  private takeTransfer(result: Value): void {
    this.f.get(this.cpu);
    this.f.memory('i64_load', LAYOUT.transfer);
    this.f.set(result);
  }

  /** Calls one of `SlowAccesses`, and leaves on a fault. */
  private callSlow(functionIndex: number, linear: Value, bytes: number, value?: Value): void {
    const f = this.f;
    f.get(this.cpu);
    f.get(this.record);
    f.get(linear);
    f.i32(bytes);
    if (value !== undefined) f.get(value);
    f.call(functionIndex);
    const code = this.temp(I32);
    f.tee(code);
    f.if(() => {
      f.get(code);
      f.i32(SLOW.FAULT);
      f.op('i32_eq');
      f.if(
        () => this.exits.fault(),
        () => this.exits.leaveSoon(),
      );
    });
  }

  register(index: number, bytes: Bytes): Value {
    this.f.get(this.cpu);
    this.f.memory(LOAD[bytes], LAYOUT.gpr + 8 * index);
    return this.value();
  }
  setRegister(index: number, bytes: Bytes, value: Value): void {
    this.f.get(this.cpu);
    this.storeRegister(value, bytes, LAYOUT.gpr + 8 * index);
  }
  immediate(): Value {
    this.f.get(this.record);
    this.f.memory('i64_load', RECORD.immediate);
    return this.value();
  }

  /** rSP plus a displacement under the stack mask: [offset in SS, new RSP]. `bytes`: what is pushed or popped. */
  private stackAt(register: number, displacement: Value, bytes: number): readonly [Value, Value] {
    const from = this.register(register, 8);
    const sum = this.binary('add', from, displacement);
    if (bytes === 8) return [sum, sum];
    const mask = this.stateQuad(LAYOUT.stackMask);
    const offset = this.binary('and', sum, mask);
    const old = register === RSP ? from : this.register(RSP, 8);
    const kept = this.binary('and', old, this.with('xor', mask, -1n));
    return [offset, this.binary('or', kept, offset)];
  }
  private stackLinear(offset: Value, bytes: number, access: Access): Value {
    if (bytes === 8) return offset;
    const f = this.f;
    // In 64-bit mode the base of SS counts as 0: the record's flag picks the zero slot.
    const segment = this.temp(I32);
    f.get(this.cpu);
    f.i32(SS_AT);
    f.i32(LAYOUT.zero);
    this.legacy();
    f.op('select');
    f.op('i32_add');
    f.set(segment);
    return this.linear(segment, offset, bytes, access, () => this.exits.outcome(OUTCOME.RAISE | SS_FAULT));
  }
  push(value: Value, bytes: 2 | 4 | 8): void {
    const [offset, rsp] = this.stackAt(RSP, this.constant(BigInt(-bytes)), bytes);
    this.storeLinear(this.stackLinear(offset, bytes, 'write'), bytes, SLOW_STACK, value);
    this.setRegister(RSP, 8, rsp);
  }
  peekStack(bytes: 2 | 4 | 8): Value {
    return this.peekAt(RSP, bytes);
  }
  private peekAt(register: number, bytes: 2 | 4 | 8): Value {
    const [offset] = this.stackAt(register, this.constant(0n), bytes);
    const result = this.temp(I64) as Value;
    this.loadLinear(this.stackLinear(offset, bytes, 'read'), bytes, SLOW_STACK, result);
    return result;
  }
  dropStack(by: Value, bytes: 2 | 4 | 8): void {
    const [, rsp] = this.stackAt(RSP, by, bytes);
    this.setRegister(RSP, 8, rsp);
  }
  peekFrame(bytes: 2 | 4 | 8): Value {
    return this.peekAt(RBP, bytes);
  }
  setStackToFrame(bytes: 2 | 4 | 8): void {
    const [, rsp] = this.stackAt(RBP, this.constant(BigInt(bytes)), bytes);
    this.setRegister(RSP, 8, rsp);
  }

  private pushRip(): void {
    this.f.get(this.cpu);
    this.f.memory('i64_load', LAYOUT.pageRip);
    this.f.get(this.record);
    this.f.memory('i64_load16_u', RECORD.pageOffset);
    this.f.op('i64_add');
  }
  currentRip(): Value {
    this.pushRip();
    return this.value();
  }
  nextRip(bytes: Bytes): Value {
    this.pushRip();
    this.f.get(this.record);
    this.f.memory('i64_load8_u', RECORD.length);
    this.f.op('i64_add');
    return this.truncate(this.value(), bytes);
  }
  branchIf(test: Test): void {
    this.exits.branchIf(test);
  }
  branch(): void {
    this.exits.branch();
  }
  checkBranch(bytes: 2 | 4 | 8): void {
    if (bytes === 8) return;
    const f = this.f;
    this.legacy();
    f.if(() => {
      f.get(this.cpu);
      f.memory('i64_load', LAYOUT.pageRip);
      f.get(this.record);
      f.memory('i64_load', RECORD.immediate);
      f.op('i64_add');
      f.get(this.record);
      f.memory('i64_load', RECORD.targetMask);
      f.op('i64_and');
      this.checkLimit();
    });
  }
  /** Pops a RIP and raises #GP(0) if it is beyond the limit of CS. */
  private checkLimit(): void {
    const f = this.f;
    f.get(this.cpu);
    f.memory('i64_load32_u', CS_AT + SEGMENT_LAYOUT.limit);
    f.op('i64_gt_u');
    f.if(() => this.exits.outcome(OUTCOME.RAISE | GP));
  }
  checkTarget(rip: Value, bytes: 2 | 4 | 8): void {
    const f = this.f;
    const canonical = () => {
      const unused = () => {
        f.get(this.cpu);
        f.memory('i64_load', LAYOUT.canonicalShift);
      };
      f.get(rip);
      unused();
      f.op('i64_shl');
      unused();
      f.op('i64_shr_s');
      f.get(rip);
      f.op('i64_ne');
      f.if(() => this.exits.outcome(OUTCOME.RAISE | GP));
    };
    if (bytes === 8) {
      canonical();
      return;
    }
    // In 64-bit mode a RIP of 2 bytes is canonical as it is.
    this.legacy();
    f.if(() => {
      f.get(rip);
      this.checkLimit();
    });
  }
  jump(rip: Value): void {
    this.setStateQuad(LAYOUT.rip, rip);
    this.exits.jump();
  }
  private requestAttention(): void {
    this.f.get(this.cpu);
    this.f.i32(1);
    this.f.memory('i32_store', LAYOUT.attention);
  }
  enter(rip: Value, looks: Test): void {
    this.setStateQuad(LAYOUT.rip, rip);
    this.f.get(looks);
    this.f.if(() => {
      this.requestAttention();
      this.exits.enter('looking');
    });
    this.exits.enter('at once');
  }
  attend(): void {
    this.requestAttention();
    this.exits.leaveSoon();
  }
  raise(vector: number): void {
    this.exits.outcome(OUTCOME.RAISE | vector);
  }
  defer(): void {
    this.exits.outcome(OUTCOME.SYSTEM);
  }
  finish(): void {
    this.exits.finish();
  }

  private mask(): Value {
    this.f.get(this.record);
    this.f.memory('i64_load', RECORD.mask);
    return this.value();
  }
  /** A register's value where the address size decides how much of it counts. */
  private masked(index: number): Value {
    return this.binary('and', this.register(index, 8), this.mask());
  }
  /** Writes under the address size: 16 bits keep the rest, 32 bits clear it. */
  private setMasked(index: number, value: Value): void {
    const mask = this.mask();
    const word = this.compare('eq', mask, this.constant(0xffffn));
    const kept = this.with('and', this.register(index, 8), ~0xffffn);
    const truncated = this.binary('and', value, mask);
    this.setRegister(index, 8, this.select(word, this.binary('or', kept, truncated), truncated));
  }
  count(): Value {
    return this.masked(RCX);
  }
  setCount(value: Value): void {
    this.setMasked(RCX, value);
  }

  private stringSegment(which: 'source' | 'destination'): number {
    const f = this.f;
    const segment = this.temp(I32);
    f.get(this.cpu);
    if (which === 'source') {
      f.get(this.record);
      f.memory('i32_load16_u', RECORD.segment);
    } else {
      f.i32(ES_AT);
      f.i32(LAYOUT.zero);
      this.legacy();
      f.op('select');
    }
    f.op('i32_add');
    f.set(segment);
    return segment;
  }
  private stringLinear(which: 'source' | 'destination', bytes: Bytes, access: Access): Value {
    const offset = this.masked(which === 'source' ? RSI : RDI);
    return this.linear(this.stringSegment(which), offset, bytes, access, () =>
      which === 'destination' ? this.exits.outcome(OUTCOME.RAISE | GP) : this.operandViolation(),
    );
  }
  readString(which: 'source' | 'destination', bytes: Bytes): Value {
    const result = this.temp(I64) as Value;
    this.loadLinear(this.stringLinear(which, bytes, 'read'), bytes, 0, result);
    return result;
  }
  writeString(value: Value, bytes: Bytes): void {
    this.storeLinear(this.stringLinear('destination', bytes, 'write'), bytes, 0, value);
  }
  advanceString(which: 'source' | 'destination', bytes: Bytes): void {
    const index = which === 'source' ? RSI : RDI;
    const step = this.select(this.directionDown(), this.constant(BigInt(-bytes)), this.constant(BigInt(bytes)));
    this.setMasked(index, this.binary('add', this.register(index, 8), step));
  }
  repeatIf(test: Test): void {
    this.f.get(test);
    this.f.if(
      () => this.exits.repeat(),
      () => this.exits.finish(),
    );
  }
}
