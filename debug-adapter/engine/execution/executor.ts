/**
 * Runs one processor: enters the emitted loop, and does in between what the loop cannot: fetch and decode, slow memory
 * accesses, instructions written in TypeScript, delivery of faults. Time and devices belong to the machine around it.
 */
import type { CpuCore } from '../cpu/cpu.ts';
import { GP, GuestFault, MachineStop, SS_FAULT, UD, VmExitTaken } from '../cpu/guest-fault.ts';
import type { DeliveredEvent } from '../cpu/context.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { SystemInstruction } from '../instructions/system-instruction.ts';
import { decode, MAX_INSTRUCTION_BYTES, type DecodedInstruction } from '../isa/decode.ts';
import { codeFacts } from '../isa/codes.ts';
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import { CodeCache, type Crossing } from './code-cache.ts';
import type { EngineMap } from './engine-memory.ts';
import { emitInterpreter, type DispatchStyle } from './interpreter.ts';
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
  | { readonly kind: 'unimplemented'; readonly what: string; readonly bytes: Uint8Array }
  /** `interrupt()` was called. */
  | { readonly kind: 'interrupted' };

export interface ExecutorHooks {
  /** Instructions until a device wants the processor to come back. */
  untilNextEvent(): number;
  /** Called at each boundary before events are looked for: lets devices catch up with time. */
  catchUp(): void;
  /** True: stop before delivering. */
  interceptException(event: DeliveredEvent): boolean;
  /** A watched page was touched by this access. */
  watched(linear: bigint, bytes: number, access: 'read' | 'write'): void;
}

interface EmittedLoop {
  run(cpuBase: number): number;
}

const READ = 0;
const WRITE = 1;
const EXECUTE = 2;

export class Executor {
  /** Calls between WebAssembly and JavaScript in either direction since reset. */
  crossings = 0;
  readonly cache: CodeCache;
  private readonly cpu: CpuCore;
  private readonly state: CpuState;
  private readonly physical: PhysicalMemory;
  private readonly instructions: ReadonlyMap<number, SystemInstruction>;
  private readonly hooks: ExecutorHooks;
  private readonly loop: EmittedLoop;
  private readonly scratch = new Uint8Array(2 * MAX_INSTRUCTION_BYTES);
  /** Fault that a slow access met while the loop was running. */
  private pending: unknown;
  private interrupted = false;
  private undelivered: DeliveredEvent | undefined;

  constructor(
    memory: WebAssembly.Memory,
    map: EngineMap,
    cpu: CpuCore,
    instructions: ReadonlyMap<number, SystemInstruction>,
    hooks: ExecutorHooks,
    dispatch: DispatchStyle = 'hot',
  ) {
    this.cpu = cpu;
    this.state = cpu.state;
    this.physical = cpu.physical;
    this.instructions = instructions;
    this.hooks = hooks;
    this.cache = new CodeCache(memory, map, cpu.physical.codeFrames);
    cpu.physical.onCodeWrite = (frame) => {
      this.cache.drop(frame);
      this.state.set32(LAYOUT.attention, 1);
    };
    const bytes = emitInterpreter({
      memoryPages: map.wasmPages,
      tlbBase: map.tlb,
      poolBase: map.pool,
      codeTable: map.codeTable,
      linkNext: map.linkNext,
      linkTarget: map.linkTarget,
      dispatch,
    });
    const env = {
      memory,
      slowRead: (_record: number, low: number, high: number, what: number) => this.slowRead(low, high, what),
      slowWrite: (_record: number, low: number, high: number, what: number) => this.slowWrite(low, high, what),
      slowModify: (_record: number, low: number, high: number, what: number) => this.slowModify(low, high, what),
    };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    this.loop = instance.exports as unknown as EmittedLoop;
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
    this.crossings = 0;
  }

  /**
   * Executes up to `budget` instructions (REP iterations and faults use it up too).
   * @param ignoreBreakpoint do not stop on a breakpoint at the very first instruction
   */
  run(budget: number, ignoreBreakpoint: boolean): ExecutorStop {
    const state = this.state;
    let left = budget;
    let ignore = ignoreBreakpoint;
    for (;;) {
      if (this.interrupted) {
        this.interrupted = false;
        return { kind: 'interrupted' };
      }
      if (left <= 0) return { kind: 'budget' };
      const stop = this.boundary();
      if (stop) return stop;
      if (this.interrupted) continue;
      if (state.get32(LAYOUT.activity) !== 0) return { kind: 'inactive' };
      const slice = Math.min(left, this.cpu.stepsOneByOne() ? 1 : this.hooks.untilNextEvent());
      const outcome = this.enter(slice);
      left -= slice - state.get32(LAYOUT.budget);
      if (outcome === OUTCOME.BUDGET) continue;
      if (outcome === OUTCOME.BREAKPOINT) {
        if (!ignore) return { kind: 'breakpoint' };
        const record = state.get32(LAYOUT.record);
        const stepOutcome = this.cache.withoutBreakpoint(record, () => this.enter(1));
        left--;
        ignore = false;
        const stepped = this.settle(stepOutcome);
        if (stepped) return stepped;
        continue;
      }
      ignore = false;
      const settled = this.settle(outcome);
      if (settled) return settled;
    }
  }

  private enter(budget: number): number {
    this.state.set32(LAYOUT.budget, budget);
    this.state.set32(LAYOUT.attention, 0);
    this.crossings++;
    return this.loop.run(this.state.base);
  }

  private boundary(): ExecutorStop | undefined {
    this.hooks.catchUp();
    const event = this.undelivered;
    if (event) {
      this.undelivered = undefined;
      return this.guarded(() => this.cpu.deliver(event));
    }
    return this.guarded(() => this.cpu.pendingBoundary());
  }

  /** What follows an outcome of the loop that is not the end of the budget. */
  private settle(outcome: number): ExecutorStop | undefined {
    switch (outcome) {
      case OUTCOME.BUDGET:
        return undefined;
      case OUTCOME.MISS:
        return this.guarded(() => this.fetch());
      case OUTCOME.SYSTEM:
        return this.execute();
      case OUTCOME.FAULT: {
        const error = this.pending;
        this.pending = undefined;
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
    if (error instanceof MachineStop) return { kind: 'unimplemented', what: error.what, bytes: this.bytesAtRip() };
    if (!(error instanceof GuestFault)) throw error;
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

  /** Translates RIP, decodes what is there and adds it to the cache. */
  private fetch(): void {
    const state = this.state;
    const bits = state.codeBits;
    if (bits !== 64 && state.rip > BigInt(state.segmentLimit('CS'))) throw new GuestFault(GP, 0, 'RIP beyond the limit of CS');
    const linear = state.linearRip;
    const host = this.hostOfCode(linear);
    const inPage = host & (PAGE_BYTES - 1);
    const available = PAGE_BYTES - inPage;
    let instruction = decode(this.physical.bytes, host, available, 0n, bits);
    let crossing: Crossing | undefined;
    if (instruction.noMoreBytes && available < MAX_INSTRUCTION_BYTES) {
      const next = this.hostOfCode(linear + BigInt(available));
      this.scratch.set(this.physical.bytes.subarray(host, host + available));
      const more = MAX_INSTRUCTION_BYTES - available;
      this.scratch.set(this.physical.bytes.subarray(next, next + more), available);
      instruction = decode(this.scratch, 0, MAX_INSTRUCTION_BYTES, 0n, bits);
      crossing = { frame: this.physical.frameAt(next), host: next & -PAGE_BYTES };
    }
    const frame = this.physical.frameAt(host);
    this.cache.add(frame, inPage, bits, instruction, crossing);
    this.cpu.protectCode(frame);
    if (crossing) this.cpu.protectCode(crossing.frame);
  }

  /** Engine memory offset of a byte of code. */
  private hostOfCode(linear: bigint): number {
    const low = Number(BigInt.asIntN(32, linear));
    const high = Number(BigInt.asIntN(32, linear >> 32n));
    const host = this.cpu.translate(low, high, EXECUTE);
    if (host < 0) throw new MachineStop(`instruction fetch from address ${hex(this.cpu.deviceAddress)}, where there is no memory`);
    return host;
  }

  private bytesAtRip(): Uint8Array {
    const record = this.state.get32(LAYOUT.record);
    const length = record === 0 ? 0 : this.cache.length(record);
    return this.cpu.peekCode(this.state.linearRip, Math.max(length, 1));
  }

  private execute(): ExecutorStop | undefined {
    const state = this.state;
    const instruction = this.cache.instruction(state.get32(LAYOUT.record));
    const next = state.rip + BigInt(instruction.length);
    this.cpu.setNextRip(state.codeBits === 64 ? next : next & 0xffff_ffffn);
    try {
      this.implementation(instruction)(this.cpu, instruction);
    } catch (error) {
      return this.failed(error);
    }
    state.rip = this.cpu.nextRip;
    state.setNumber(LAYOUT.retired, state.getNumber(LAYOUT.retired) + 1);
    return undefined;
  }

  private implementation(instruction: DecodedInstruction): SystemInstruction {
    const found = this.instructions.get(instruction.code);
    if (found) return found;
    if (instruction.invalid) throw new GuestFault(UD, undefined, 'the bytes are no instruction');
    throw new MachineStop(`instruction ${codeFacts(instruction.code).instructionString} is not implemented`);
  }

  private slow(body: () => boolean): number {
    this.crossings++;
    try {
      return body() || this.state.get32(LAYOUT.attention) !== 0 ? SLOW.DONE_LEAVE : SLOW.DONE;
    } catch (error) {
      if (!(error instanceof GuestFault || error instanceof VmExitTaken || error instanceof MachineStop)) throw error;
      this.pending = error;
      return SLOW.FAULT;
    }
  }

  private checkCanonical(low: number, high: number, what: number): void {
    const top = high >> 15;
    if (this.state.codeBits !== 64 || top === 0 || top === -1) return;
    const stack = (what & SLOW_STACK) !== 0;
    throw new GuestFault(stack ? SS_FAULT : GP, 0, `linear address ${hex64(low, high)} is not canonical`);
  }

  /** Reads into the transfer slot. */
  private slowRead(low: number, high: number, what: number): number {
    return this.slow(() => {
      this.checkCanonical(low, high, what);
      return this.readInto(low, high, what & 0xff, READ);
    });
  }

  /** Reads what is about to be written: write permission is checked now. */
  private slowModify(low: number, high: number, what: number): number {
    return this.slow(() => {
      this.checkCanonical(low, high, what);
      return this.readInto(low, high, what & 0xff, WRITE);
    });
  }

  /** Returns whether the loop should be left. */
  private readInto(low: number, high: number, bytes: number, kind: typeof READ | typeof WRITE): boolean {
    const state = this.state;
    const inPage = low & (PAGE_BYTES - 1);
    let lowWord = 0;
    let highWord = 0;
    const host = inPage + bytes <= PAGE_BYTES ? this.cpu.translate(low, high, kind) : -1;
    if (host >= 0) {
      const memory = this.physical.bytes;
      for (let i = Math.min(bytes, 4) - 1; i >= 0; i--) lowWord = (lowWord << 8) | memory[host + i]!;
      for (let i = bytes - 1; i >= 4; i--) highWord = (highWord << 8) | memory[host + i]!;
    } else {
      const linear = join(low, high);
      const value =
        kind === READ ? this.cpu.readLinear(linear, bytes as 1) : this.cpu.readForWrite(linear, bytes as 1);
      lowWord = Number(value & 0xffff_ffffn) | 0;
      highWord = Number(value >> 32n) | 0;
    }
    state.set32(LAYOUT.transfer, lowWord);
    state.set32(LAYOUT.transfer + 4, highWord);
    return this.reportWatched(low, high, bytes, 'read');
  }

  private slowWrite(low: number, high: number, what: number): number {
    return this.slow(() => {
      this.checkCanonical(low, high, what);
      const bytes = what & 0xff;
      const inPage = low & (PAGE_BYTES - 1);
      const host = inPage + bytes <= PAGE_BYTES ? this.cpu.translate(low, high, WRITE) : -1;
      let leave = false;
      if (host >= 0) leave = this.writeFrame(host, bytes);
      else this.cpu.writeLinear(join(low, high), bytes as 1, this.state.get64(LAYOUT.transfer));
      return this.reportWatched(low, high, bytes, 'write') || leave;
    });
  }

  /** Stores the transfer slot; true where decoded code was dropped. */
  private writeFrame(host: number, bytes: number): boolean {
    const frame = this.physical.frameAt(host);
    let dropped = false;
    if (this.physical.codeFrames[frame] !== 0 && this.cache.overlaps(frame, host & (PAGE_BYTES - 1), bytes)) {
      this.cache.drop(frame);
      dropped = true;
    }
    const from = this.state.base + LAYOUT.transfer;
    const memory = this.physical.bytes;
    for (let i = 0; i < bytes; i++) memory[host + i] = memory[from + i]!;
    return dropped;
  }

  private reportWatched(low: number, high: number, bytes: number, access: 'read' | 'write'): boolean {
    if (!this.cpu.isWatched(low, high, bytes)) return false;
    this.hooks.watched(join(low, high), bytes, access);
    return true;
  }
}

const join = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const hex = (value: number): string => `${value.toString(16).toUpperCase()}h`;
const hex64 = (low: number, high: number): string => `${join(low, high).toString(16).toUpperCase()}h`;
