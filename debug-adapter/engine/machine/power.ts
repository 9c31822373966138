/** Everything a machine has from power-on to the next: built anew by each reset. */
import { FIRMWARE_ROM, memoryMap } from '../base/memory-map.ts';
import { Processor } from '../cpu/cpu.ts';
import type { CpuFeatures } from '../cpu/features.ts';
import { MachineStop } from '../cpu/guest-fault.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { CpuState } from '../cpu/state.ts';
import type { AccessBytes } from '../devices/device.ts';
import { createEngineMemory, engineMap } from '../execution/engine-memory.ts';
import { Executor, type ExecutorHooks } from '../execution/executor.ts';
import { declareHostPhysicalMemory, guestRanges } from '../hypervisor/guest-memory-map.ts';
import { GUEST_BASE } from '../hypervisor/host-layout.ts';
import { buildFirmwareImage } from '../loader/firmware/image.ts';
import { PAGE_BYTES, PhysicalMemory, type MemoryMappedBus } from '../memory/physical.ts';
import { Tlb } from '../memory/tlb.ts';
import type { VmxEvents } from '../vmx/types.ts';
import { processorFacts } from '../vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../vmx/index.ts';
import { INSTRUCTIONS } from './instruction-table.ts';
import { Board, type BoardOptions } from './board.ts';
import { machineFrames } from './memory-limit.ts';
import type { MachineMode } from './types.ts';

export interface PowerOptions {
  readonly mode: MachineMode;
  readonly memoryBytes: number;
  readonly features: CpuFeatures;
  readonly board: Pick<BoardOptions, 'print' | 'powerOff' | 'resetRequested' | 'firmwareCall'>;
  readonly hooks: Pick<ExecutorHooks, 'interceptException' | 'accessed'>;
  readonly vmxEvents: VmxEvents;
}

export class Power {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  readonly cpu: Processor;
  readonly vmx: Vmx;
  readonly board: Board;
  readonly executor: Executor;
  /** Host-physical address of guest-physical 0. */
  readonly guestBase: number;
  /** Ticks that passed while the processor was halted. */
  idleTicks = 0;
  /** Tick at which a device wants attention; recomputed after each port access. */
  private due = 0;

  constructor(options: PowerOptions) {
    const { memoryBytes } = options;
    this.guestBase = options.mode === 'vm' ? GUEST_BASE : 0;
    const top = Math.max(...memoryMap(memoryBytes).map(({ base, bytes }) => base + bytes));
    const frames = machineFrames(memoryBytes);
    const map = engineMap(frames);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    this.physical = new PhysicalMemory(memory, map.pool, frames, (this.guestBase + top) / PAGE_BYTES, UNPLUGGED);
    this.declareMemory(options.mode, memoryBytes);
    const tlb = new Tlb(memory, map.tlb);
    this.board = new Board({
      ...options.board,
      memoryBytes,
      processors: 1,
      now: () => this.now,
      timeStampOffset: () => this.cpu.timeStampCounter() - BigInt(this.now),
      taskPriorityChanged: (priorityClass) => this.state.set64(LAYOUT.cr8, BigInt(priorityClass)),
      nmi: () => this.cpu.requestNmi(),
      disturbed: () => (this.due = 0),
    });
    this.physical.mapped = this.mappedBus();
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb,
      features: options.features,
      ports: this.board.ports,
      interruptController: this.board.interrupts,
      apic: this.board.apicPort,
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
      idleTicks: () => this.idleTicks,
    });
    this.vmx = new Vmx(this.cpu, new VmxCapabilities(processorFacts(options.features)), options.vmxEvents);
    this.cpu.plug(this.vmx.intercepts, this.vmx.port);
    const hooks: ExecutorHooks = {
      ...options.hooks,
      untilNextEvent: () => Math.max(1, this.due - this.now),
      catchUp: () => this.catchUp(),
    };
    this.executor = new Executor(memory, map, this.cpu, tlb, INSTRUCTIONS, hooks);
    this.cpu.reset();
  }

  /** Ticks since power-on: instructions retired plus time spent halted. */
  get now(): number {
    return this.state.retired + this.idleTicks;
  }

  private catchUp(): void {
    if (this.now < this.due) return;
    this.board.advance();
    this.due = this.board.nextEvent() ?? Number.MAX_SAFE_INTEGER;
  }

  /**
   * Accesses outside memory: to a device, at the exact time. The board knows guest-physical addresses; the built-in hypervisor
   * maps them through.
   */
  private mappedBus(): MemoryMappedBus {
    const access = (): void => {
      this.executor.beforeDevice();
      this.board.advance();
      this.due = 0;
    };
    return {
      read: (address, bytes) => {
        access();
        const value = this.board.mapped.read(address - this.guestBase, bytes as AccessBytes);
        if (value === undefined) throw outsideMemory('read', address);
        return value;
      },
      write: (address, bytes, value) => {
        access();
        if (!this.board.mapped.write(address - this.guestBase, bytes as AccessBytes, value))
          throw outsideMemory('write', address);
      },
    };
  }

  /** Lets time pass until a device does something; false where nothing will. */
  skipToNextEvent(): boolean {
    const event = this.board.nextEvent();
    if (event === undefined) return false;
    this.idleTicks += Math.max(0, event - this.now);
    this.due = 0;
    this.catchUp();
    return true;
  }

  /** The guest's memory at `guestBase` and, in mode `vm`, the hypervisor's own below it; then the firmware's ROM. */
  private declareMemory(mode: MachineMode, memoryBytes: number): void {
    if (mode === 'vm') declareHostPhysicalMemory(this.physical, memoryBytes);
    else
      for (const { base, bytes, kind } of guestRanges(memoryBytes)) {
        const first = Math.floor(base / PAGE_BYTES);
        this.physical.setPages(first, Math.ceil((base + bytes) / PAGE_BYTES) - first, kind);
      }
    for (const segment of buildFirmwareImage())
      if (segment.address === FIRMWARE_ROM) this.physical.poke(this.guestBase + segment.address, segment.bytes);
  }
}

/** Nothing answers outside memory: the machine stops rather than guess what device was meant. */
const outsideMemory = (access: 'read' | 'write', address: number): MachineStop =>
  new MachineStop(`a ${access} outside memory`, { address, access });

/** Until the board is there. */
const UNPLUGGED: MemoryMappedBus = {
  read: (address) => {
    throw outsideMemory('read', address);
  },
  write: (address) => {
    throw outsideMemory('write', address);
  },
};
