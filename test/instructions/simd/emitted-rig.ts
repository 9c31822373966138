/** A machine whose vector instructions run as late handlers, and that knows which of them handed over to TypeScript. */
import { CPU_STATE_BYTES } from '../../../debug-adapter/engine/cpu/layout.ts';
import { createEngineMemory, engineMap } from '../../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../../debug-adapter/engine/execution/executor.ts';
import { MOST_LATE_HANDLERS } from '../../../debug-adapter/engine/execution/late-handlers.ts';
import { EMITTED_VECTORS, SIMD_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/index.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { CODE, PAGES, type Result } from '../../cpu/harness.ts';
import { MEMORY_AT, VectorMachine } from './rig.ts';

/** Around what RSI and RDI point at. */
const KEPT_BYTES = 8192;

export class EmittedMachine extends VectorMachine {
  private made = 0;
  /** Whether its table may soon be full. */
  get isFull(): boolean {
    return this.made >= MOST_LATE_HANDLERS;
  }
  /** Whether the last instruction run was done by its late handler alone. */
  wasEmitted = false;
  private readonly executor: Executor;

  constructor(cpl: 0 | 3 = 0) {
    const map = engineMap(PAGES);
    const memory = createEngineMemory(map);
    super(cpl, { memory, stateAt: map.cpuStates, tlbAt: map.tlb, poolAt: map.pool });
    const instructions = new Map(
      [...SIMD_INSTRUCTIONS].map(([code, meaning]) => [
        code,
        (...given: Parameters<typeof meaning>) => {
          this.wasEmitted = false;
          meaning(...given);
        },
      ]),
    );
    this.executor = new Executor(
      new EmittedLoop(memory, map, this.physical, this.tlb, { worthwhile: 1 }),
      this.cpu,
      instructions,
      {
        untilNextEvent: () => Number.MAX_SAFE_INTEGER,
        catchUp() {},
        interceptException: () => true,
        accessed: () => false,
      },
    );
  }

  /** The same machine as a new one: making one takes long. */
  again(): this {
    this.prepare(0);
    return this;
  }

  /** An execution in TypeScript may have made the handler: it is undone, and the next one counts. */
  override runBytes(bytes: Uint8Array): Result {
    const { state, physical } = this;
    if (!EMITTED_VECTORS.has(decode(bytes, 0, bytes.length, 0n, state.codeBits).code)) {
      this.wasEmitted = false;
      return super.runBytes(bytes);
    }
    bytes.forEach((byte, i) => physical.write(CODE + i, 1, byte));
    state.rip = BigInt(CODE);
    const data = physical.bytes.subarray(
      physical.offsetOf(MEMORY_AT) - KEPT_BYTES,
      physical.offsetOf(MEMORY_AT) + KEPT_BYTES,
    );
    const [words, memory] = [state.words.slice(0, CPU_STATE_BYTES / 4), data.slice()];
    const first = this.step();
    if (this.wasEmitted) return first;
    this.made++;
    state.words.set(words);
    data.set(memory);
    return this.step();
  }
  private step(): Result {
    this.executor.reset();
    this.wasEmitted = true;
    const stop = this.executor.run(1, false);
    switch (stop.kind) {
      case 'budget':
        return { kind: 'done' };
      case 'exception':
        return { kind: 'fault', vector: stop.event.vector, error: stop.event.errorCode, linear: stop.event.linear };
      case 'unimplemented':
        return { kind: 'stop', what: stop.what };
      default:
        throw new Error(`the executor stopped: ${stop.kind}`);
    }
  }
}
