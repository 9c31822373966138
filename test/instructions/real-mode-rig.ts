/** Our processor in real-address mode over nothing but memory, for instructions captured from hardware. */
import { ACTIVITY } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import { initializeX87 } from '../../debug-adapter/engine/cpu/x87-state.ts';
import { createEngineMemory, engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../debug-adapter/engine/execution/executor.ts';
import { INSTRUCTIONS } from '../../debug-adapter/engine/machine/instruction-table.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../../debug-adapter/engine/vmx/index.ts';

/** All of the 24-bit address space of an 80286. */
const FRAMES = 4096;
const MOST_INSTRUCTIONS = 100;
/** What the captured machine's empty bus answers. */
const OPEN_BUS = 0xffff_ffff;

export const WORD_REGISTERS = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
export const SEGMENT_REGISTERS = ['es', 'cs', 'ss', 'ds'] as const;
export type RegisterValues = Readonly<
  Record<(typeof WORD_REGISTERS)[number] | (typeof SEGMENT_REGISTERS)[number] | 'ip' | 'flags', number>
>;
export type Bytes = readonly (readonly [address: number, byte: number])[];

export class RealModeRig {
  private readonly state: CpuState;
  private readonly physical: PhysicalMemory;
  private readonly cpu: Processor;
  private readonly executor: Executor;

  constructor() {
    const map = engineMap(FRAMES);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    this.physical = new PhysicalMemory(memory, map.pool, FRAMES, FRAMES, { read: () => 0xff, write() {} });
    this.physical.setPages(0, FRAMES, 'ram');
    const tlb = new Tlb(memory, map.tlb);
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb,
      ports: { read: () => OPEN_BUS, write() {} },
      interruptController: { pending: () => false, acknowledge: () => 0 },
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
    });
    const vmx = new Vmx(this.cpu, new VmxCapabilities(PROCESSOR_FACTS), { exit() {}, instructionFailed() {} });
    this.cpu.plug(vmx.intercepts, vmx.port);
    this.executor = new Executor(new EmittedLoop(memory, map, this.physical, tlb), this.cpu, INSTRUCTIONS, {
      untilNextEvent: () => Number.MAX_SAFE_INTEGER,
      catchUp() {},
      interceptException: () => false,
      accessed: () => false,
    });
    this.cpu.reset();
  }

  /** Runs from `before` to HLT. Gives the registers, or why it stopped before. */
  run(before: RegisterValues, ram: Bytes): RegisterValues | string {
    const { state, executor } = this;
    executor.reset();
    for (const [address, byte] of ram) this.physical.bytes[this.physical.offsetOf(address)] = byte;
    WORD_REGISTERS.forEach((name, index) => state.setGpr(index, BigInt(before[name])));
    for (const name of SEGMENT_REGISTERS) {
      const accessRights = 0x93;
      const selector = before[name];
      const segment = { selector, base: BigInt(selector) << 4n, limit: 0xffff, accessRights };
      state.setSegment(name.toUpperCase() as 'ES', segment);
    }
    state.set64(LAYOUT.idtrBase, 0n);
    state.set32(LAYOUT.idtrLimit, 0x3ff);
    state.set64(LAYOUT.cr0, 0x10n);
    state.set32(LAYOUT.activity, ACTIVITY.active);
    initializeX87(state);
    state.rip = BigInt(before.ip);
    state.rflags = before.flags;
    this.cpu.flushTlb('all');
    this.cpu.modeChanged();
    const stop = executor.run(MOST_INSTRUCTIONS, false);
    if (stop.kind === 'unimplemented') return stop.what;
    if (stop.kind !== 'inactive') return stop.kind;
    if (state.get32(LAYOUT.activity) !== ACTIVITY.hlt) return 'shutdown';
    return {
      ...Object.fromEntries(WORD_REGISTERS.map((name, index) => [name, Number(state.gpr(index) & 0xffffn)])),
      ...Object.fromEntries(SEGMENT_REGISTERS.map((name) => [name, state.selector(name.toUpperCase() as 'ES')])),
      ip: Number(state.rip),
      flags: state.rflags & 0xffff,
    } as unknown as RegisterValues;
  }

  byteAt(address: number): number {
    return this.physical.bytes[this.physical.offsetOf(address)]!;
  }
  /** Puts zeros back where a run was given memory. */
  clear(ram: Bytes): void {
    for (const [address] of ram) this.physical.bytes[this.physical.offsetOf(address)] = 0;
  }
}
