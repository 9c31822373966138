/**
 * The emitted loop and what it runs from: decoded code and the TLB. All processors of a machine share one, because decoded code
 * belongs to physical pages and the loop is told whose state to work on; translations are kept apart by their spaces.
 */
import { PAGE_BYTES, type PhysicalMemory } from '../memory/physical.ts';
import type { Tlb } from '../memory/tlb.ts';
import { CodeCache } from './code-cache.ts';
import type { EngineMap } from './engine-memory.ts';
import { emitInterpreter, type DispatchStyle } from './interpreter.ts';
import { LateHandlers, type Lent } from './late-handlers.ts';

/** The processor in the loop, as what the loop cannot do itself asks it. Each access gives a SLOW code. */
export interface LoopUser {
  slowRead(record: number, low: number, high: number, what: number): number;
  slowWrite(record: number, low: number, high: number, what: number): number;
  slowModify(record: number, low: number, high: number, what: number): number;
  /** Something that is no store of the loop has written a frame that holds decoded code. */
  codeWritten(frame: number): void;
}

interface Exports extends Lent {
  readonly run: (cpuBase: number) => number;
  readonly lateHandlers: WebAssembly.Table;
}

export interface LoopOptions {
  readonly dispatch?: DispatchStyle;
  /** See `LateHandlers`. */
  readonly worthwhile?: number;
}

/** Compiled interpreters by what they depend on: a restart gets the one that V8 has already optimised. */
const modules = new Map<string, WebAssembly.Module>();

function interpreterModule(map: EngineMap, dispatch: DispatchStyle): WebAssembly.Module {
  const options = {
    memoryPages: map.wasmPages,
    tlbBase: map.tlb,
    poolBase: map.pool,
    codeTable: map.codeTable,
    linkNext: map.linkNext,
    linkTarget: map.linkTarget,
    dispatch,
  };
  const key = JSON.stringify(options);
  let module = modules.get(key);
  if (module === undefined) modules.set(key, (module = new WebAssembly.Module(emitInterpreter(options))));
  return module;
}

export class EmittedLoop {
  readonly cache: CodeCache;
  readonly late: LateHandlers;
  /** Calls between WebAssembly and JavaScript in either direction since reset. */
  crossings = 0;
  private readonly physical: PhysicalMemory;
  private readonly tlb: Tlb;
  /** Works on the state of a processor, at an offset in the engine memory; gives an OUTCOME. */
  readonly run: (cpuBase: number) => number;
  private user: LoopUser | undefined;

  constructor(
    memory: WebAssembly.Memory,
    map: EngineMap,
    physical: PhysicalMemory,
    tlb: Tlb,
    { dispatch = 'hot', worthwhile }: LoopOptions = {},
  ) {
    this.physical = physical;
    this.tlb = tlb;
    this.cache = new CodeCache(memory, map, physical.codeFrames);
    physical.onCodeWrite = (frame) => {
      if (this.user) this.user.codeWritten(frame);
      else this.cache.drop(frame);
    };
    const env = {
      memory,
      slowRead: (record: number, low: number, high: number, what: number) =>
        this.user!.slowRead(record, low, high, what),
      slowWrite: (record: number, low: number, high: number, what: number) =>
        this.user!.slowWrite(record, low, high, what),
      slowModify: (record: number, low: number, high: number, what: number) =>
        this.user!.slowModify(record, low, high, what),
    };
    const instance = new WebAssembly.Instance(interpreterModule(map, dispatch), { env });
    const exports = instance.exports as unknown as Exports;
    this.run = exports.run;
    this.late = new LateHandlers(memory, map, exports.lateHandlers, exports, worthwhile);
  }

  /** Whose accesses follow. */
  useBy(user: LoopUser): void {
    this.user = user;
  }

  /** Before the first instruction of a frame is decoded: from now on its writes take the slow path. */
  protect(frame: number): void {
    if (this.physical.codeFrames[frame] === 0) this.tlb.protectFrame(this.physical.frameOffset(frame));
  }

  /** Stores bytes of the engine memory at a host offset; true where a frame of decoded code was dropped. */
  store(host: number, from: number, bytes: number): boolean {
    const frame = this.physical.frameAt(host);
    let dropped = false;
    if (this.physical.codeFrames[frame] !== 0) {
      if (this.cache.isEmpty(frame)) this.physical.codeFrames[frame] = 0;
      else dropped = this.cache.outdate(frame, host & (PAGE_BYTES - 1), bytes);
    }
    const memory = this.physical.bytes;
    for (let i = 0; i < bytes; i++) memory[host + i] = memory[from + i]!;
    return dropped;
  }
}
