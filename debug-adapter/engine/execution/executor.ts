/**
 * Runs one processor: enters the emitted loop, and does in between what the loop cannot: fetch and decode, slow memory
 * accesses, instructions written in TypeScript, delivery of faults. Time and devices belong to the machine around it.
 */
import { branchCompleted, tracesBranches } from '../cpu/branch-records.ts';
import { completeIteration, dropHits, resumes } from '../cpu/boundary.ts';
import type { Processor } from '../cpu/cpu.ts';
import { GP, GuestFault, MachineStop, type Nowhere, SS_FAULT, UD, VmExitTaken } from '../cpu/guest-fault.ts';
import type { DeliveredEvent } from '../cpu/context.ts';
import { ACTIVITY } from '../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { isRealStyle, linearBits } from '../cpu/modes.ts';
import type { CpuState } from '../cpu/state.ts';
import type { SystemInstruction } from '../instructions/system-instruction.ts';
import { asUndefined, decode, MAX_INSTRUCTION_BYTES, type DecodedInstruction } from '../isa/decode.ts';
import { describeCode, isVectorEncoded } from '../isa/codes.ts';
import {
  EXECUTE,
  isCanonicalHigh,
  READ,
  WALK_OK,
  WRITE,
  type AccessKind,
  type Privilege,
  type WalkOutcome,
} from '../memory/paging.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import type { CodeCache, Crossing } from './code-cache.ts';
import type { EmittedLoop, LoopUser } from './emitted-loop.ts';
import { SLOW_STACK } from './interpreter-builder.ts';
import { OUTCOME, SLOW } from './record.ts';

/** Why `run` came back. */
export type ExecutorStop =
  | { readonly kind: 'budget' }
  | { readonly kind: 'breakpoint' }
  /** An exception is about to be delivered and `interceptException` wanted to know; the next `run` delivers it. */
  | { readonly kind: 'exception'; readonly event: DeliveredEvent }
  /** The processor is not in the active state and nothing woke it. */
  | { readonly kind: 'inactive' }
  | {
      readonly kind: 'unimplemented';
      readonly what: string;
      readonly bytes: Uint8Array;
      readonly nowhere: Nowhere | undefined;
    }
  /** `interrupt()` was called. */
  | { readonly kind: 'interrupted' };

export interface ExecutorHooks {
  /** Instructions until a device wants the processor to come back. */
  untilNextEvent(): number;
  /** Called at each boundary before events are looked for: lets devices catch up with time. */
  catchUp(): void;
  /** A fault is about to be delivered. */
  faulted?(): void;
  /** True: stop before delivering. */
  interceptException(event: DeliveredEvent): boolean;
  /** An access that took the slow path, as all accesses to watched pages do; true leaves the loop after the instruction. */
  accessed(low: number, high: number, bytes: number, access: 'read' | 'write'): boolean;
}

const CS_BASE = LAYOUT.segments + SEGMENT_INDEX.CS * SEGMENT_BYTES + SEGMENT_LAYOUT.base;

/** REP iterations that one `run` may take beyond its budget, so that a long string instruction cannot keep it. */
const REPEAT_FUEL = 1_000_000;

interface Decoded {
  readonly instruction: DecodedInstruction;
  readonly crossing: Crossing | undefined;
}

export class Executor implements LoopUser {
  /** Instructions of the last `run` that were not used. */
  left = 0;
  readonly cache: CodeCache;
  /** What `cameFrom` is: known, or to be put together from the halves below. */
  private origin: bigint | 'halves' | undefined;
  private originLow = 0;
  private originHigh = 0;
  private readonly cpu: Processor;
  private readonly state: CpuState;
  private readonly physical: PhysicalMemory;
  private readonly instructions: ReadonlyMap<number, SystemInstruction>;
  private readonly hooks: ExecutorHooks;
  private readonly loop: EmittedLoop;
  private readonly scratch = new Uint8Array(2 * MAX_INSTRUCTION_BYTES);
  /** Fault that a slow access met while the loop was running. */
  private pending: unknown;
  private interrupted = false;
  private fuel = 0;
  private storing = false;
  /** Whether the emitted loop is running, and whether more than one instruction may come from this call of it. */
  private looping: 'no' | 'one' | 'many' = 'no';
  /** The next instruction accesses a device: it runs alone. */
  private alone = false;
  private undelivered: DeliveredEvent | undefined;

  constructor(
    loop: EmittedLoop,
    cpu: Processor,
    instructions: ReadonlyMap<number, SystemInstruction>,
    hooks: ExecutorHooks,
  ) {
    this.loop = loop;
    this.cache = loop.cache;
    this.cpu = cpu;
    this.state = cpu.state;
    this.physical = cpu.physical;
    this.instructions = instructions;
    this.hooks = hooks;
    cpu.executeBreakpointsChanged = (offsets) => this.cache.setBreakpointOffsets(cpu, offsets);
  }

  /** Linear address of the instruction that led to where a fetch cannot be made, as far as known. */
  get cameFrom(): bigint | undefined {
    return this.origin === 'halves' ? join(this.originLow, this.originHigh) : this.origin;
  }

  /** Notes where the instruction at RIP is; without bigint, as this is done for each that is written in TypeScript. */
  private noteOrigin(): void {
    const { state } = this;
    const long = state.codeBits === 64;
    this.originLow = long ? state.low(LAYOUT.rip) : (state.low(LAYOUT.rip) + state.low(CS_BASE)) | 0;
    this.originHigh = long ? state.high(LAYOUT.rip) : 0;
    this.origin = 'halves';
  }

  /** Makes `run` return at the next instruction boundary. */
  interrupt(): void {
    this.interrupted = true;
    this.state.set32(LAYOUT.attention, 1);
  }

  /** Forgets decoded code and pending events (reset). */
  reset(): void {
    this.cache.flushAll();
    this.pending = undefined;
    this.undelivered = undefined;
    this.interrupted = false;
    this.alone = false;
    this.loop.crossings = 0;
  }

  /**
   * To be called before an access to a memory-mapped device touches anything. Within the emitted loop the count of instructions
   * is behind: the instruction is then abandoned and executed again alone, so that the device sees the exact time, whatever
   * the loop was given to run.
   */
  beforeDevice(): void {
    if (this.looping === 'many') throw DEVICE_AHEAD;
  }

  /**
   * Executes up to `budget` instructions (REP iterations and faults use it up too).
   * @param ignoreBreakpoint do not stop on a breakpoint at the very first instruction
   */
  run(budget: number, ignoreBreakpoint: boolean): ExecutorStop {
    this.loop.useBy(this);
    this.left = budget;
    this.fuel = Math.max(budget, REPEAT_FUEL);
    let ignore = ignoreBreakpoint;
    /** Where the repeated string instruction is that the last slice ended in. */
    let repeating: bigint | undefined;
    for (;;) {
      if (this.interrupted) {
        this.interrupted = false;
        return { kind: 'interrupted' };
      }
      if (this.left <= 0 || this.fuel <= 0) return { kind: 'budget' };
      const stop = this.boundary();
      if (stop) return stop;
      if (this.interrupted) continue;
      const state = this.state;
      if (state.get32(LAYOUT.activity) !== ACTIVITY.active) return { kind: 'inactive' };
      const slice =
        this.alone || state.get32(LAYOUT.attention) !== 0 || resumes(state) || tracesBranches(state)
          ? 1
          : Math.min(this.left, this.hooks.untilNextEvent());
      const before = this.left;
      const completed = tracesBranches(state) ? this.traceBranch() : undefined;
      const rest =
        repeating !== undefined && repeating === state.rip && !this.alone && state.get32(LAYOUT.attention) === 0;
      let outcome = rest ? this.finishRepeat() : this.enter(slice);
      if (outcome !== OUTCOME.MISS) this.alone = false;
      // Only a breakpoint at the very first instruction is ignored, not one that this call has run into.
      if (this.left !== before) ignore = false;
      if (outcome === OUTCOME.BREAKPOINT) {
        if (!ignore) return { kind: 'breakpoint' };
        const fault = this.cpu.instructionBreakpoint();
        if (fault) {
          this.left--;
          const stop = this.failed(fault);
          if (stop) return stop;
          continue;
        }
        outcome = this.cache.withoutBreakpoint(state.get32(LAYOUT.record), () => this.enter(1));
      }
      // Neither fetching the instruction under a breakpoint nor an iteration of it is executing it.
      if (this.left !== before) ignore = false;
      repeating = outcome === OUTCOME.BUDGET && this.left === before ? state.rip : undefined;
      if (outcome !== OUTCOME.SYSTEM) completed?.();
      // What comes behind the last instruction asked for is not this run's business, not even that it cannot be fetched.
      if (outcome === OUTCOME.MISS && this.left <= 0) continue;
      // A trap of the instruction that has completed comes before a fault of fetching the next (SDM Vol. 3A, table 6-2).
      if (outcome === OUTCOME.MISS && slice === 1 && this.left !== before) continue;
      const settled = this.settle(outcome);
      if (outcome === OUTCOME.SYSTEM) completed?.();
      if (settled) return settled;
    }
  }

  /** Looks at the instruction at RIP before it runs; the result is to be called once it may have completed. */
  private traceBranch(): (() => void) | undefined {
    const { state } = this;
    let decoded: Decoded;
    try {
      decoded = this.decodeAt(state.linearRip);
    } catch (error) {
      if (!isForGuest(error)) throw error;
      // What cannot be fetched does not branch.
      return undefined;
    }
    const { code, length } = decoded.instruction;
    const [from, retired] = [state.rip, state.retired];
    const behind = BigInt.asUintN(state.codeBits, from + BigInt(length));
    return () => {
      if (state.retired !== retired) branchCompleted(state, code, from, behind);
    };
  }

  /** Runs the loop and charges what it used. Iterations of REP cost fuel only: a step is a whole instruction. */
  private enter(budget: number): number {
    const state = this.state;
    state.set32(LAYOUT.budget, budget);
    state.set32(LAYOUT.attention, 0);
    this.loop.crossings++;
    const before = state.low(LAYOUT.retired);
    this.looping = budget === 1 ? 'one' : 'many';
    const outcome = this.loop.run(state.base);
    this.looping = 'no';
    const used = budget - state.get32(LAYOUT.budget);
    const unfinished = outcome === OUTCOME.SYSTEM || outcome === OUTCOME.FAULT || outcome >= OUTCOME.RAISE ? 1 : 0;
    const retired = (state.low(LAYOUT.retired) - before) | 0;
    if (outcome === OUTCOME.BUDGET && retired === 0 && used > 0) completeIteration(state);
    this.left -= retired + unfinished;
    this.fuel -= used;
    return outcome;
  }

  /**
   * The iterations that are left of the repeated string instruction at RIP, and nothing behind it: one by one they would cost a
   * call of the loop each.
   */
  private finishRepeat(): number {
    const record = this.state.get32(LAYOUT.record);
    const outcome = this.cache.withoutBreakpoint(record, () =>
      this.cache.stoppingBehind(record, () => this.enter(this.fuel)),
    );
    return outcome === OUTCOME.BREAKPOINT ? OUTCOME.BUDGET : outcome;
  }

  private boundary(): ExecutorStop | undefined {
    this.hooks.catchUp();
    const event = this.undelivered;
    if (event) {
      this.undelivered = undefined;
      return this.guarded(() => this.cpu.deliver(event));
    }
    try {
      this.cpu.pendingBoundary();
      return undefined;
    } catch (error) {
      return this.failed(error);
    }
  }

  /** What follows an outcome of the loop that is not the end of the budget. */
  private settle(outcome: number): ExecutorStop | undefined {
    switch (outcome) {
      case OUTCOME.BUDGET:
        return undefined;
      case OUTCOME.MISS:
        return this.guarded(() => this.fetchOrBreak());
      case OUTCOME.SYSTEM:
        return this.execute();
      case OUTCOME.FAULT: {
        const error = this.pending;
        this.pending = undefined;
        if (error === DEVICE_AHEAD) {
          // Nothing has happened yet.
          dropHits(this.state);
          this.left++;
          this.alone = true;
          return undefined;
        }
        return this.failed(error);
      }
      default:
        if (outcome < OUTCOME.RAISE) throw new Error(`Invariant broken: the loop returned ${outcome}`);
        return this.raise(outcome - OUTCOME.RAISE);
    }
  }

  private raise(vector: number): ExecutorStop | undefined {
    const withCode = vector === GP || vector === SS_FAULT;
    return this.failed(new GuestFault(vector, withCode ? 0 : undefined, withCode ? 'segment limit or rights' : ''));
  }

  private guarded(body: () => unknown): ExecutorStop | undefined {
    try {
      body();
      return undefined;
    } catch (error) {
      return this.failed(error);
    }
  }

  private failed(error: unknown): ExecutorStop | undefined {
    if (error instanceof VmExitTaken) return undefined;
    if (error instanceof WalkFailed) return this.guarded(() => this.cpu.raiseWalk(error.outcome, error.linear));
    if (error instanceof MachineStop)
      return { kind: 'unimplemented', what: error.what, bytes: this.bytesAtRip(), nowhere: error.nowhere };
    if (!(error instanceof GuestFault)) throw error;
    this.hooks.faulted?.();
    const event: DeliveredEvent = {
      vector: error.vector,
      type: 'hardware-exception',
      errorCode: error.errorCode,
      instructionBytes: 0,
      because: error.because,
      ...(error.linear === undefined ? {} : { linear: error.linear }),
    };
    if (this.hooks.interceptException(event)) {
      this.undelivered = event;
      return { kind: 'exception', event };
    }
    return this.guarded(() => this.cpu.deliver(event));
  }

  /** An instruction breakpoint comes before whatever is wrong with fetching the instruction (SDM Vol. 3A, table 6-2). */
  private fetchOrBreak(): void {
    try {
      this.fetch();
    } catch (error) {
      throw this.cpu.instructionBreakpoint() ?? error;
    }
  }

  /** Translates RIP, decodes what is there and adds it to the cache. */
  private fetch(): void {
    const state = this.state;
    this.origin = this.lastExecuted();
    const bits = state.codeBits;
    if (bits !== 64 && state.rip > BigInt(state.segmentLimit('CS')))
      throw new GuestFault(GP, 0, 'RIP beyond the limit of CS');
    const linear = state.linearRip;
    const host = this.hostOfCode(linear);
    const inPage = host & (PAGE_BYTES - 1);
    const frame = this.physical.frameAt(host);
    // Often only the translation was missing.
    if (this.cache.has(frame, inPage, bits)) return;
    const { features } = this.cpu;
    const { instruction: decoded, crossing } = this.decodeAt(linear);
    let instruction = decoded;
    // SDM Vol. 2A, "Vector Extension Prefix" 2.3.1: there its bytes are LES or LDS of a register.
    if (isRealStyle(state) && isVectorEncoded(instruction.code))
      throw new GuestFault(UD, undefined, 'VEX prefixes do not exist in real-address and virtual-8086 mode');
    if (!features.executes(instruction.code)) instruction = asUndefined(instruction);
    this.loop.protect(frame);
    if (crossing) this.loop.protect(crossing.frame);
    const record = this.cache.add(frame, inPage, bits, instruction, crossing);
    const place = this.loop.late.knownHandlerOf(instruction, bits);
    if (place !== undefined) this.cache.setLateHandler(record, place);
  }

  /** The instruction whose bytes are at a linear address, and where its second page is if it has one. */
  private decodeAt(linear: bigint): Decoded {
    const bits = this.state.codeBits;
    const host = this.hostOfCode(linear);
    const available = PAGE_BYTES - (host & (PAGE_BYTES - 1));
    const { decoderOptions } = this.cpu.features;
    const instruction = decode(this.physical.bytes, host, available, 0n, bits, decoderOptions);
    if (!instruction.noMoreBytes || available >= MAX_INSTRUCTION_BYTES) return { instruction, crossing: undefined };
    const next = this.hostOfCode(linear + BigInt(available));
    this.scratch.set(this.physical.bytes.subarray(host, host + available));
    const more = MAX_INSTRUCTION_BYTES - available;
    this.scratch.set(this.physical.bytes.subarray(next, next + more), available);
    return {
      instruction: decode(this.scratch, 0, MAX_INSTRUCTION_BYTES, 0n, bits, decoderOptions),
      crossing: { frame: this.physical.frameAt(next), host: next & -PAGE_BYTES },
    };
  }

  /** Engine memory offset of a byte at the current privilege, or -1 where there is no memory; throws faults. */
  private translate(low: number, high: number, kind: AccessKind): number {
    const { translation } = this.cpu;
    const outcome = translation.translate(low, high, kind, (this.state.get32(LAYOUT.tlbTag) & 3) as Privilege);
    if (outcome !== WALK_OK) throw new WalkFailed(outcome, join(low, high));
    return translation.hostOffset;
  }

  /** Engine memory offset of a byte of code. */
  private hostOfCode(linear: bigint): number {
    const low = Number(BigInt.asIntN(32, linear));
    const high = Number(BigInt.asIntN(32, linear >> 32n));
    const host = this.translate(low, high, EXECUTE);
    if (host < 0)
      throw new MachineStop('an instruction fetch outside memory', {
        address: this.cpu.translation.hostPhysical,
        access: 'fetch',
      });
    return host;
  }

  private bytesAtRip(): Uint8Array {
    const record = this.state.get32(LAYOUT.record);
    const length = record === 0 ? 0 : this.cache.length(record);
    try {
      const linear = this.state.linearRip;
      return Uint8Array.from({ length: Math.max(length, 1) }, (_, i) =>
        Number(this.cpu.readSystem(linear + BigInt(i), 1)),
      );
    } catch {
      return new Uint8Array(0);
    }
  }

  /** Linear address of the instruction that the loop executed last; undefined where it executed none. */
  private lastExecuted(): bigint | undefined {
    const { state } = this;
    const record = state.get32(LAYOUT.record);
    if (record === 0) return this.cameFrom;
    const rip = state.get64(LAYOUT.pageRip) + BigInt(this.cache.pageOffset(record));
    return state.codeBits === 64 ? rip : (rip + state.segmentBase('CS')) & 0xffff_ffffn;
  }

  private execute(): ExecutorStop | undefined {
    const state = this.state;
    this.noteOrigin();
    const record = state.get32(LAYOUT.record);
    const instruction = this.cache.instruction(record);
    if (this.cache.isSystem(record)) {
      const place = this.loop.late.handlerOf(instruction, state.codeBits);
      if (place !== undefined) this.cache.setLateHandler(record, place);
    }
    this.cpu.beginInstruction(instruction.length);
    try {
      this.implementation(instruction)(this.cpu, instruction);
    } catch (error) {
      return this.failed(error);
    }
    this.cpu.completeInstruction();
    return undefined;
  }

  private implementation(instruction: DecodedInstruction): SystemInstruction {
    const found = this.instructions.get(instruction.code);
    if (found) return found;
    if (instruction.invalid) throw new GuestFault(UD, undefined, 'the bytes are no instruction');
    throw new MachineStop(`instruction ${describeCode(instruction.code)}`);
  }

  private slow(body: () => boolean): number {
    this.loop.crossings++;
    try {
      return body() || this.state.get32(LAYOUT.attention) !== 0 ? SLOW.DONE_LEAVE : SLOW.DONE;
    } catch (error) {
      if (!isForGuest(error)) throw error;
      this.pending = error;
      return SLOW.FAULT;
    }
  }

  /** What is wrong with an address before paging is asked. */
  private judge(record: number, low: number, high: number, what: number): void {
    this.checkCanonical(record, low, high, what);
    this.cpu.privilegeOf(low, what & 0xff);
  }

  /** Both ends of the access: it may begin below the hole of addresses that are not canonical and reach into it. */
  private checkCanonical(record: number, low: number, high: number, what: number): void {
    if (this.state.codeBits !== 64) return;
    const lastHigh = (low >>> 0) + (what & 0xff) - 1 > 0xffff_ffff ? high + 1 : high;
    const bits = linearBits(this.state);
    if (isCanonicalHigh(high, bits) && isCanonicalHigh(lastHigh | 0, bits)) return;
    const stack = (what & SLOW_STACK) !== 0 || this.cache.usesStackSegment(record);
    throw new GuestFault(stack ? SS_FAULT : GP, 0, `linear address ${hex64(low, high)} is not canonical`);
  }

  /** Reads into the transfer slot. */
  slowRead(record: number, low: number, high: number, what: number): number {
    return this.slow(() => {
      this.judge(record, low, high, what);
      return this.readInto(low, high, what & 0xff, READ);
    });
  }

  /** Reads what is about to be written: write permission is checked now. */
  slowModify(record: number, low: number, high: number, what: number): number {
    return this.slow(() => {
      this.judge(record, low, high, what);
      this.storing = true;
      try {
        return this.readInto(low, high, what & 0xff, WRITE);
      } finally {
        this.storing = false;
      }
    });
  }

  /** Returns whether the loop should be left. */
  private readInto(low: number, high: number, bytes: number, kind: typeof READ | typeof WRITE): boolean {
    const state = this.state;
    const inPage = low & (PAGE_BYTES - 1);
    let lowWord = 0;
    let highWord = 0;
    const host = inPage + bytes <= PAGE_BYTES ? this.translate(low, high, kind) : -1;
    if (host >= 0) {
      const memory = this.physical.bytes;
      for (let i = Math.min(bytes, 4) - 1; i >= 0; i--) lowWord = (lowWord << 8) | memory[host + i];
      for (let i = bytes - 1; i >= 4; i--) highWord = (highWord << 8) | memory[host + i];
    } else {
      const linear = join(low, high);
      if (kind === WRITE) this.checkWritable(linear, bytes);
      const value = this.cpu.readLinear(linear, bytes as 1);
      lowWord = Number(value & 0xffff_ffffn) | 0;
      highWord = Number(value >> 32n) | 0;
    }
    state.set32(LAYOUT.transfer, lowWord);
    state.set32(LAYOUT.transfer + 4, highWord);
    return this.accessed(low, high, bytes, 'read');
  }

  /** Tells who watches memory of an access of emitted code; returns whether the loop should be left. */
  private accessed(low: number, high: number, bytes: number, access: 'read' | 'write'): boolean {
    if (this.cpu.debug.data) this.cpu.dataAccessed(join(low, high), bytes, access);
    return this.hooks.accessed(low, high, bytes, access);
  }

  /** Faults now if a write that may cross pages would. */
  private checkWritable(linear: bigint, bytes: number): void {
    const last = linear + BigInt(bytes - 1);
    for (const address of [linear, last - (last & BigInt(PAGE_BYTES - 1))]) {
      const at = BigInt.asUintN(this.state.codeBits === 64 ? 64 : 32, address);
      this.translate(Number(BigInt.asIntN(32, at)), Number(BigInt.asIntN(32, at >> 32n)), WRITE);
    }
  }

  slowWrite(record: number, low: number, high: number, what: number): number {
    return this.slow(() => {
      this.judge(record, low, high, what);
      const bytes = what & 0xff;
      const inPage = low & (PAGE_BYTES - 1);
      const host = inPage + bytes <= PAGE_BYTES ? this.translateForStore(low, high) : -1;
      let leave = false;
      if (host >= 0) leave = this.loop.store(host, this.state.base + LAYOUT.transfer, bytes);
      else this.cpu.writeLinear(join(low, high), bytes as 1, this.state.get64(LAYOUT.transfer));
      return this.accessed(low, high, bytes, 'write') || leave;
    });
  }

  codeWritten(frame: number): void {
    // Slow stores look for themselves whether decoded bytes change.
    if (this.storing) return;
    this.cache.drop(frame);
    this.state.set32(LAYOUT.attention, 1);
  }

  private translateForStore(low: number, high: number): number {
    this.storing = true;
    try {
      return this.translate(low, high, WRITE);
    } finally {
      this.storing = false;
    }
  }
}

/**
 * A walk that failed. What the guest gets for it (a fault, a VM exit) is decided once the emitted loop has returned and the
 * count of instructions is exact; the walker keeps the details until then.
 */
class WalkFailed {
  readonly outcome: WalkOutcome;
  readonly linear: bigint;
  constructor(outcome: WalkOutcome, linear: bigint) {
    this.outcome = outcome;
    this.linear = linear;
  }
}

/** Thrown out of an instruction that has to be executed alone: see `Executor.beforeDevice`. */
class DeviceAhead {}
const DEVICE_AHEAD = new DeviceAhead();

const isForGuest = (error: unknown): boolean =>
  error === DEVICE_AHEAD ||
  error instanceof WalkFailed ||
  error instanceof GuestFault ||
  error instanceof VmExitTaken ||
  error instanceof MachineStop;

const join = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const hex64 = (low: number, high: number): string => `${join(low, high).toString(16).toUpperCase()}h`;
