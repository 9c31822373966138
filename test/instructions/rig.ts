/** Our machine as the same little world: a processor in user mode of long mode, with the windows mapped as on the host. */
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import { CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import { createEngineMemory, engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor, type ExecutorStop } from '../../debug-adapter/engine/execution/executor.ts';
import type { DispatchStyle } from '../../debug-adapter/engine/execution/interpreter.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import type { SystemInstruction } from '../../debug-adapter/engine/instructions/system-instruction.ts';
import { PAGE_BYTES, PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../../debug-adapter/engine/vmx/index.ts';
import {
  CODE,
  patternOf,
  RIP_OF,
  SEGMENT_ORDER,
  TESTED_FLAGS,
  WINDOWS,
  type Outcome,
  type Setup,
  type Window,
} from './environment.ts';

const FRAMES = 1024;
const PML4 = 0x8000;
const PDPT = 0x9000;
const DIRECTORY = 0xa000;
const TABLE_BASE = 0xb000;
const USER_RW = 0x7n;
const USER_READ = 0x5n;
const NO_EXECUTE = 1n << 63n;
const LARGE_REGION = 0x20_0000;

const PAGE_FAULT = 14;
const ALWAYS_SET = 0x202;

interface PageOfWindow {
  readonly linear: number;
  /** The engine's memory. */
  readonly now: Buffer;
  readonly pristine: Uint8Array;
}

export class Rig {
  readonly state: CpuState;
  readonly executor: Executor;
  readonly cpu: Processor;
  private readonly physical: PhysicalMemory;
  private readonly tlb: Tlb;
  private readonly pages: readonly PageOfWindow[];

  /** @param instructions those whose meaning is TypeScript */
  constructor(dispatch: DispatchStyle, instructions: ReadonlyMap<number, SystemInstruction> = DEFERRED_INSTRUCTIONS) {
    const map = engineMap(FRAMES);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    this.physical = new PhysicalMemory(memory, map.pool, FRAMES, FRAMES, {
      read: () => 0xff,
      write: () => {},
    });
    this.physical.setPages(0, FRAMES, 'ram');
    this.tlb = new Tlb(memory, map.tlb);
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb: this.tlb,
      ports: { read: () => 0, write: () => {} },
      interruptController: { pending: () => false, acknowledge: () => 0 },
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
    });
    const vmx = new Vmx(this.cpu, new VmxCapabilities(PROCESSOR_FACTS), { exit() {}, instructionFailed() {} });
    this.cpu.plug(vmx.intercepts, vmx.port);
    this.executor = new Executor(
      new EmittedLoop(memory, map, this.physical, this.tlb, { dispatch }),
      this.cpu,
      instructions,
      {
        untilNextEvent: () => Number.MAX_SAFE_INTEGER,
        catchUp() {},
        interceptException: () => true,
        accessed: () => false,
      },
    );
    this.cpu.reset();
    this.buildTables();
    this.pages = WINDOWS.flatMap((window) => this.pagesOf(window));
    for (const { now, pristine } of this.pages) now.set(pristine);
    this.state.set64(LAYOUT.cr0, BigInt((CR0.PE | CR0.PG | CR0.ET | CR0.WP) >>> 0));
    this.state.set64(LAYOUT.cr3, BigInt(PML4));
    this.state.set64(LAYOUT.cr4, BigInt(CR4.PAE));
    this.state.set64(LAYOUT.efer, BigInt(EFER.LME | EFER.LMA | EFER.NXE));
  }

  private buildTables(): void {
    this.physical.write64(PML4, BigInt(PDPT) | USER_RW);
    this.physical.write64(PDPT, BigInt(DIRECTORY) | USER_RW);
    let table = TABLE_BASE;
    for (const window of WINDOWS) {
      const entry = DIRECTORY + 8 * Math.floor(window.at / LARGE_REGION);
      if (this.physical.read64(entry) === 0n) {
        this.physical.write64(entry, BigInt(table) | USER_RW);
        table += PAGE_BYTES;
      }
      const first = Number(this.physical.read64(entry) & ~0xfffn);
      for (let page = window.at; page < window.absentFrom; page += PAGE_BYTES) {
        const rights = page < window.readOnlyFrom ? USER_RW : USER_READ;
        const fetch = window === CODE ? 0n : NO_EXECUTE;
        this.physical.write64(first + 8 * ((page >>> 12) & 511), BigInt(page) | rights | fetch);
      }
    }
  }

  private pagesOf(window: Window): PageOfWindow[] {
    const contents = patternOf(window);
    const memory = this.physical.bytes;
    return Array.from({ length: contents.length / PAGE_BYTES }, (_, i) => ({
      linear: window.at + i * PAGE_BYTES,
      now: Buffer.from(memory.buffer, this.physical.offsetOf(window.at + i * PAGE_BYTES), PAGE_BYTES),
      pristine: contents.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES),
    }));
  }

  /**
   * Executes the one instruction of a setup.
   * @param tlb `cold`: every access takes the slow path; `warm`: with what the run before left in the TLB, the fast one
   */
  run(setup: Setup, tlb: 'cold' | 'warm'): Outcome {
    this.prepare(setup, tlb);
    const fault = faultOf(this.step());
    return this.outcome(setup, fault);
  }

  /** Everything but executing it. */
  prepare(setup: Setup, tlb: 'cold' | 'warm'): void {
    const { state, executor } = this;
    executor.reset();
    if (tlb === 'cold') this.cpu.flushTlb('all');
    for (const [address, byte] of setup.cells) this.physical.bytes[this.physical.offsetOf(address)] = byte;
    setup.code.forEach((byte, i) => {
      this.physical.bytes[this.physical.offsetOf(setup.codeAt + i)] = byte;
    });
    setup.gpr.forEach((value, index) => state.setGpr(index, value));
    for (const name of SEGMENT_ORDER) {
      const { base, limit, rights } = setup.segments[name];
      state.setSegment(name, { selector: 3, base: BigInt(base), limit, accessRights: rights });
    }
    state.rip = RIP_OF(setup);
    state.rflags = setup.flags | ALWAYS_SET;
    this.cpu.modeChanged();
  }

  /** What is there after it. */
  outcome(setup: Setup, fault: Outcome['fault']): Outcome {
    const { state } = this;
    return {
      fault,
      gpr: Array.from({ length: 16 }, (_, index) => state.gpr(index)),
      rip: state.rip,
      flags: state.rflags & TESTED_FLAGS,
      memory: this.takeChanges(setup),
    };
  }

  /** One whole instruction, however many calls a long string instruction takes. */
  private step(): ExecutorStop {
    const before = this.state.retired;
    for (;;) {
      const stop = this.executor.run(1, false);
      if (stop.kind !== 'budget' || this.state.retired !== before) return stop;
    }
  }

  private pageAt(linear: number): PageOfWindow {
    const page = this.pages.find((candidate) => candidate.linear === linear);
    if (page === undefined) throw new Error(`${linear.toString(16)} is in no window`);
    return page;
  }

  /** What differs from the setup's memory; puts the pattern back. */
  private takeChanges(setup: Setup): Map<number, number> {
    const expected = new Map<number, Uint8Array>();
    const given = (address: number, byte: number): void => {
      const linear = address - (address % PAGE_BYTES);
      let page = expected.get(linear);
      if (page === undefined) expected.set(linear, (page = Uint8Array.from(this.pageAt(linear).pristine)));
      page[address - linear] = byte;
    };
    for (const [address, byte] of setup.cells) given(address, byte);
    setup.code.forEach((byte, i) => given(setup.codeAt + i, byte));
    const memory = new Map<number, number>();
    for (const { linear, now, pristine } of this.pages) {
      const before = expected.get(linear);
      if (before === undefined && now.equals(pristine)) continue;
      const then = before ?? pristine;
      if (!now.equals(then))
        for (let i = 0; i < PAGE_BYTES; i++) if (now[i] !== then[i]) memory.set(linear + i, now[i]!);
      now.set(pristine);
    }
    return memory;
  }
}

function faultOf(stop: ExecutorStop): Outcome['fault'] {
  switch (stop.kind) {
    case 'budget':
      return undefined;
    case 'exception':
      return {
        vector: stop.event.vector,
        errorCode: stop.event.errorCode ?? 0,
        linear: stop.event.vector === PAGE_FAULT ? stop.event.linear : undefined,
      };
    case 'unimplemented':
      throw new Error(stop.what);
    default:
      throw new Error(`the executor stopped: ${stop.kind}`);
  }
}
