/** Our side: the product's interpreter in user mode over the same memory as the host, one instruction for each case. */
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';
import { CR0, CR4, EFER } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { Processor } from '../../../debug-adapter/engine/cpu/cpu.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../../debug-adapter/engine/cpu/state.ts';
import { createEngineMemory, engineMap } from '../../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../../debug-adapter/engine/execution/executor.ts';
import { INSTRUCTIONS } from '../../../debug-adapter/engine/machine/instruction-table.ts';
import { PAGE_BYTES, PhysicalMemory } from '../../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../../../debug-adapter/engine/vmx/index.ts';
import type { DeliveredEvent } from '../../../debug-adapter/engine/cpu/context.ts';
import { SEGMENT_ORDER, type Window } from '../../instructions/environment.ts';
import { A_BYTES, B_BYTES, CASE, CASE_BYTES, DEBUG_TRAP, FILLER, type Cases } from './record.ts';
import type { Stray } from './native.ts';
import { CODE, SEGMENTS, WINDOWS } from './world.ts';

const FRAMES = 1024;
const PML4 = 0x8000;
const PDPT = 0x9000;
const DIRECTORY = 0xa000;
const TABLE_BASE = 0xb000;
const USER_RW = 0x7n;
const USER_READ = 0x5n;
const NO_EXECUTE = 1n << 63n;
const LARGE_REGION = 0x20_0000;
const ALL_XSAVE_STATE = 7n;
const PAGE_FAULT = 14;
/** What the kernel has in the segment registers of its own programs. */
const USER_CODE = { 64: 0x33, 32: 0x23 } as const;
const USER_DATA = 0x2b;

/** Thrown where an exception would be delivered: the instruction has done what it did. */
class Raised extends Error {
  readonly event: DeliveredEvent;
  constructor(event: DeliveredEvent) {
    super();
    this.event = event;
  }
}

export class OurSide {
  readonly state: CpuState;
  private readonly executor: Executor;
  private readonly physical: PhysicalMemory;
  private readonly cpu: Processor;
  private readonly stateBytes: Uint8Array;
  private readonly memory: Uint8Array;

  /** @param worthwhile executions after which a vector form is emitted; until then it has its TypeScript meaning */
  constructor(worthwhile: number) {
    const map = engineMap(FRAMES);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    this.stateBytes = new Uint8Array(memory.buffer, this.state.base);
    this.physical = new PhysicalMemory(memory, map.pool, FRAMES, FRAMES, { read: () => 0xff, write: () => {} });
    this.physical.setPages(0, FRAMES, 'ram');
    // Frames are handed out on first touch: in this order they lie side by side, as the pages do.
    for (let page = 0; page < FRAMES; page++) this.physical.frameOf(page * PAGE_BYTES);
    this.memory = this.physical.bytes.subarray(this.physical.offsetOf(0));
    const tlb = new Tlb(memory, map.tlb);
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb,
      ports: { read: () => 0, write: () => {} },
      interruptController: { pending: () => false, acknowledge: () => 0 },
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
    });
    const vmx = new Vmx(this.cpu, new VmxCapabilities(PROCESSOR_FACTS), { exit() {}, instructionFailed() {} });
    this.cpu.plug(vmx.intercepts, vmx.port);
    this.executor = new Executor(
      new EmittedLoop(memory, map, this.physical, tlb, { worthwhile }),
      this.cpu,
      INSTRUCTIONS,
      {
        untilNextEvent: () => Number.MAX_SAFE_INTEGER,
        catchUp() {},
        interceptException: (event) => {
          throw new Raised(event);
        },
        accessed: () => false,
      },
    );
    this.cpu.reset();
    this.buildTables();
    for (const { at, absentFrom } of WINDOWS) this.memory.fill(FILLER, at, absentFrom);
    this.state.set64(LAYOUT.cr0, BigInt((CR0.PE | CR0.PG | CR0.ET | CR0.WP | CR0.MP | CR0.NE) >>> 0));
    this.state.set64(LAYOUT.cr3, BigInt(PML4));
    this.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
    this.state.set64(LAYOUT.xcr0, ALL_XSAVE_STATE);
    this.state.set64(LAYOUT.efer, BigInt(EFER.LME | EFER.LMA | EFER.NXE));
  }

  private buildTables(): void {
    const { physical } = this;
    physical.write64(PML4, BigInt(PDPT) | USER_RW);
    physical.write64(PDPT, BigInt(DIRECTORY) | USER_RW);
    WINDOWS.forEach((window, i) => {
      const table = TABLE_BASE + i * PAGE_BYTES;
      const entry = DIRECTORY + 8 * Math.floor(window.at / LARGE_REGION);
      if (physical.read64(entry) === 0n) physical.write64(entry, BigInt(table) | USER_RW);
      this.mapWindow(window, Number(physical.read64(entry) & ~0xfffn));
    });
  }
  private mapWindow(window: Window, table: number): void {
    for (let page = window.at; page < window.absentFrom; page += PAGE_BYTES) {
      const rights = page < window.readOnlyFrom || window === CODE ? USER_RW : USER_READ;
      const fetch = window === CODE ? 0n : NO_EXECUTE;
      this.physical.write64(table + 8 * ((page >>> 12) & 511), BigInt(page) | rights | fetch);
    }
  }

  /** Puts the code of a batch in place and makes its mode the processor's. */
  begin(bits: CodeBits, code: Uint8Array): void {
    const { state } = this;
    this.memory.set(code, CODE.at);
    this.executor.reset();
    SEGMENT_ORDER.forEach((name, i) => {
      const { base, limit, rights } = SEGMENTS[bits][name];
      const flat = name === 'CS' ? USER_CODE[bits === 64 ? 64 : 32] : bits === 64 && i >= 4 ? 0 : USER_DATA;
      const selector = bits === 16 ? ((i + 1) << 3) | 7 : flat;
      state.setSegment(name, { selector, base: BigInt(base), limit, accessRights: rights });
    });
    this.cpu.flushTlb('all');
    this.cpu.modeChanged();
  }

  /** Executes case `index`; its state behind comes to the same place of `results`. Gives why the machine stopped, if it did. */
  run(cases: Cases, index: number, results: Cases): string | undefined {
    const { state, stateBytes, memory } = this;
    const at = index * CASE_BYTES;
    stateBytes.set(cases.bytes.subarray(at + CASE.gpr, at + CASE.gpr + 128), LAYOUT.gpr);
    state.rip = cases.quad(index, CASE.rip);
    state.rflags = cases.word(index, CASE.flags);
    state.set32(LAYOUT.boundary, 0);
    state.set64(LAYOUT.pendingDebug, 0n);
    state.set32(LAYOUT.interruptibility, 0);
    if (state.codeBits === 64) {
      state.setSegmentBase('FS', cases.quad(index, CASE.fsBase));
      state.setSegmentBase('GS', cases.quad(index, CASE.gsBase));
    }
    this.loadFloating(cases, at);
    const [a, b] = [cases.word(index, CASE.aAt), cases.word(index, CASE.bAt)];
    memory.set(cases.bytes.subarray(at + CASE.a, at + CASE.a + A_BYTES), a);
    memory.set(cases.bytes.subarray(at + CASE.b, at + CASE.b + B_BYTES), b);

    results.bytes.set(cases.bytes.subarray(at, at + CASE_BYTES), at);
    const stopped = this.step(results, index);

    results.bytes.set(stateBytes.subarray(LAYOUT.gpr, LAYOUT.gpr + 128), at + CASE.gpr);
    results.setQuad(index, CASE.rip, state.rip);
    results.setQuad(index, CASE.flags, BigInt(state.rflags));
    this.storeFloating(results, at);
    results.bytes.set(memory.subarray(a, a + A_BYTES), at + CASE.a);
    results.bytes.set(memory.subarray(b, b + B_BYTES), at + CASE.b);
    memory.fill(FILLER, a, a + A_BYTES);
    memory.fill(FILLER, b, b + B_BYTES);
    return stopped;
  }

  /** One whole instruction, however many calls a long string instruction takes. */
  private step(results: Cases, index: number): string | undefined {
    const { state, executor } = this;
    const before = state.retired;
    results.setWord(index, CASE.trap, DEBUG_TRAP);
    results.setWord(index, CASE.error, 0);
    results.setQuad(index, CASE.address, 0n);
    try {
      for (;;) {
        const stop = executor.run(1, false);
        if (stop.kind === 'unimplemented') return stop.what;
        if (stop.kind !== 'budget') return `the executor stopped: ${stop.kind}`;
        if (state.retired !== before) return undefined;
      }
    } catch (error) {
      if (!(error instanceof Raised)) throw error;
      const { vector, errorCode, linear } = error.event;
      results.setWord(index, CASE.trap, vector);
      results.setWord(index, CASE.error, errorCode ?? 0);
      if (vector === PAGE_FAULT) results.setQuad(index, CASE.address, linear ?? 0n);
      return undefined;
    }
  }

  private loadFloating(cases: Cases, at: number): void {
    const { state, stateBytes } = this;
    const status = cases.view.getUint16(at + CASE.status, true);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const from = at + CASE.st + 16 * i;
      stateBytes.set(cases.bytes.subarray(from, from + 16), LAYOUT.x87Registers + 16 * ((top + i) & 7));
    }
    state.set32(LAYOUT.x87Control, cases.view.getUint16(at + CASE.control, true));
    state.set32(LAYOUT.x87Status, status);
    state.set32(LAYOUT.x87Tags, cases.view.getUint16(at + CASE.tags, true));
    state.set32(LAYOUT.mxcsr, cases.view.getUint32(at + CASE.mxcsr, true));
    stateBytes.set(cases.bytes.subarray(at + CASE.ymm, at + CASE.ymm + 512), LAYOUT.vectors);
  }

  private storeFloating(results: Cases, at: number): void {
    const { state, stateBytes } = this;
    const status = state.get32(LAYOUT.x87Status);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const from = LAYOUT.x87Registers + 16 * ((top + i) & 7);
      results.bytes.set(stateBytes.subarray(from, from + 10), at + CASE.st + 16 * i);
    }
    results.view.setUint16(at + CASE.control, state.get32(LAYOUT.x87Control), true);
    results.view.setUint16(at + CASE.status, status, true);
    results.view.setUint16(at + CASE.tags, state.get32(LAYOUT.x87Tags), true);
    results.view.setUint32(at + CASE.mxcsr, state.get32(LAYOUT.mxcsr), true);
    results.bytes.set(stateBytes.subarray(LAYOUT.vectors, LAYOUT.vectors + 512), at + CASE.ymm);
  }

  /** What was written outside of the windows; puts the filler back. */
  takeStrays(): Stray[] {
    const strays: Stray[] = [];
    for (const { at, readOnlyFrom, absentFrom } of WINDOWS.slice(1))
      for (let address = at; address < readOnlyFrom && address < absentFrom; address++) {
        const value = this.memory[address]!;
        if (value === FILLER) continue;
        strays.push({ address, value });
        this.memory[address] = FILLER;
      }
    return strays;
  }
}
