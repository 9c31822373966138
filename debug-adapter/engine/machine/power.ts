/** Everything a machine has from power-on to the next: built anew by each reset. */
import { FIRMWARE_ROM, memoryMap } from '../base/memory-map.ts';
import { Processor } from '../cpu/cpu.ts';
import type { CpuFeatures } from '../cpu/features.ts';
import { CPU_STATE_BYTES, LAYOUT } from '../cpu/layout.ts';
import { CpuState } from '../cpu/state.ts';
import type { AbsentDevices, AccessBytes } from '../devices/device.ts';
import type { DmaMemory } from '../devices/ide/bus-master.ts';
import type { CopyOnWriteDisk } from '../devices/ide/disk.ts';
import { createEngineMemory, engineMap } from '../execution/engine-memory.ts';
import { EmittedLoop } from '../execution/emitted-loop.ts';
import { Executor, type ExecutorHooks } from '../execution/executor.ts';
import { declareHostPhysicalMemory, guestRanges } from '../hypervisor/guest-memory-map.ts';
import { GUEST_BASE } from '../hypervisor/host-layout.ts';
import { platformTables } from '../loader/acpi/platform.ts';
import { buildFirmwareImage } from '../loader/firmware/image.ts';
import { PAGE_BYTES, PhysicalMemory, type MemoryMappedBus } from '../memory/physical.ts';
import { Tlb } from '../memory/tlb.ts';
import type { VmxEvents } from '../vmx/types.ts';
import { processorFacts } from '../vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../vmx/index.ts';
import { AbsentDeviceAccesses, outsideMemory } from './absent-devices.ts';
import { INSTRUCTIONS } from './instruction-table.ts';
import { Board, type BoardOptions } from './board.ts';
import type { ProcessorLines } from './local-apics.ts';
import { machineFrames } from './memory-limit.ts';
import { ProcessorUnit } from './processor-unit.ts';
import { Schedule } from './schedule.ts';
import type { MachineMode } from './types.ts';

export interface PowerOptions {
  readonly mode: MachineMode;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly features: CpuFeatures;
  readonly absentDevices: AbsentDevices;
  readonly tell: (text: string) => void;
  readonly disk: CopyOnWriteDisk | undefined;
  readonly board: Pick<BoardOptions, 'print' | 'powerOff' | 'resetRequested' | 'firmwareCall'>;
  readonly hooks: Pick<ExecutorHooks, 'interceptException' | 'accessed'>;
  readonly vmxEvents: VmxEvents;
}

export class Power {
  readonly physical: PhysicalMemory;
  readonly processors: readonly ProcessorUnit[];
  readonly schedule: Schedule;
  readonly board: Board;
  readonly loop: EmittedLoop;
  /** Host-physical address of guest-physical 0. */
  readonly guestBase: number;
  private readonly absent: AbsentDeviceAccesses;

  constructor(options: PowerOptions) {
    const { memoryBytes, processors } = options;
    this.guestBase = options.mode === 'vm' ? GUEST_BASE : 0;
    const top = Math.max(...memoryMap(memoryBytes).map(({ base, bytes }) => base + bytes));
    const frames = machineFrames(memoryBytes);
    const map = engineMap(frames);
    const memory = createEngineMemory(map);
    this.physical = new PhysicalMemory(memory, map.pool, frames, (this.guestBase + top) / PAGE_BYTES, UNPLUGGED);
    this.declareMemory(options);
    const tlb = new Tlb(memory, map.tlb);
    this.loop = new EmittedLoop(memory, map, this.physical, tlb);
    this.processors = Array.from(
      { length: processors },
      (_, index) => new ProcessorUnit(new CpuState(memory, map.cpuStates + index * CPU_STATE_BYTES, index)),
    );
    this.schedule = new Schedule(this.processors, (cpu) => this.board.nextEvent(cpu));
    this.absent = new AbsentDeviceAccesses(options.absentDevices, options.tell);
    this.board = new Board({
      ...options.board,
      memoryBytes,
      processors,
      lines: this.processors.map(linesOf),
      current: () => this.current.index,
      absent: this.absent,
      disk: options.disk,
      dmaMemory: this.dmaMemory(),
      disturbed: () => this.disturbed(),
    });
    this.physical.mapped = this.mappedBus();
    for (const unit of this.processors) this.build(unit, options, tlb);
  }

  private build(unit: ProcessorUnit, options: PowerOptions, tlb: Tlb): void {
    const { features, processors } = options;
    const { index, state } = unit;
    const cpu = new Processor({
      state,
      physical: this.physical,
      tlb,
      features,
      topology: { index, processors },
      ports: this.board.ports,
      interruptController: this.board.apics.interrupts(index),
      apic: this.board.apics.port(index),
      instructionsRetired: () => state.retired,
      ticksPerInstruction: 1,
      idleTicks: () => unit.idleTicks,
      absentMsr: (what) => this.absent.msr(what),
      // With nobody else to run there is nothing to wait for.
      ...(processors === 1 ? {} : { paused: () => pause(unit) }),
    });
    const vmx = new Vmx(cpu, new VmxCapabilities(processorFacts(features)), options.vmxEvents);
    cpu.plug(vmx.intercepts, vmx.port);
    const executor = new Executor(this.loop, cpu, INSTRUCTIONS, {
      ...options.hooks,
      untilNextEvent: () => Math.max(1, unit.due - unit.now),
      catchUp: () => this.catchUp(unit),
      // A processor whose fault handlers only fault makes no instruction: its time must pass all the same, for the others.
      ...(processors === 1 ? {} : { faulted: () => void unit.idleTicks++ }),
    });
    unit.plug(cpu, vmx, executor);
    cpu.reset();
  }

  /** The processor that runs, or ran last. */
  get current(): ProcessorUnit {
    return this.schedule.current;
  }

  private disturbed(): void {
    for (const unit of this.processors) unit.due = 0;
  }

  private catchUp(unit: ProcessorUnit): void {
    if (unit.now < unit.due) return;
    this.board.advance();
    unit.due = this.board.nextEvent(unit.index) ?? Number.MAX_SAFE_INTEGER;
  }

  /** Lets time pass until a device does something; false where nothing will. */
  skipToNextEvent(): boolean {
    if (!this.schedule.wait()) return false;
    this.catchUp(this.current);
    return true;
  }

  /**
   * Accesses outside memory: to a device, at the exact time. The board knows guest-physical addresses; the built-in hypervisor
   * maps them through.
   */
  private mappedBus(): MemoryMappedBus {
    const access = (): void => {
      this.current.executor.beforeDevice();
      this.board.advance();
      this.disturbed();
    };
    return {
      read: (address, bytes) => {
        access();
        const value = this.board.readMapped(address - this.guestBase, bytes as AccessBytes);
        if (value !== undefined) return value;
        this.absent.memory('read', address - this.guestBase, address);
        return 2 ** (8 * bytes) - 1;
      },
      write: (address, bytes, value) => {
        access();
        if (!this.board.writeMapped(address - this.guestBase, bytes as AccessBytes, value))
          this.absent.memory('write', address - this.guestBase, address);
      },
    };
  }

  /** The guest's memory as bus masters reach it. */
  private dmaMemory(): DmaMemory {
    const { physical, guestBase } = this;
    return {
      read: (address, bytes) => physical.peek(guestBase + address, bytes),
      write(address, bytes) {
        for (let done = 0; done < bytes.length;) {
          const at = guestBase + address + done;
          const part = bytes.subarray(done, done + PAGE_BYTES - (at % PAGE_BYTES));
          const kind = physical.kind(at);
          if (kind === 'none') return false;
          if (kind === 'ram') physical.poke(at, part);
          done += part.length;
        }
        return true;
      },
    };
  }

  /** The guest's memory at `guestBase` and, in mode `vm`, the hypervisor's own below it; then the firmware's ROM. */
  private declareMemory({ mode, memoryBytes, processors }: PowerOptions): void {
    if (mode === 'vm') declareHostPhysicalMemory(this.physical, memoryBytes);
    else
      for (const { base, bytes, kind } of guestRanges(memoryBytes)) {
        const first = Math.floor(base / PAGE_BYTES);
        this.physical.setPages(first, Math.ceil((base + bytes) / PAGE_BYTES) - first, kind);
      }
    for (const segment of buildFirmwareImage())
      if (segment.address === FIRMWARE_ROM) this.physical.poke(this.guestBase + segment.address, segment.bytes);
    for (const { address, bytes } of platformTables(processors)) this.physical.poke(this.guestBase + address, bytes);
  }
}

const linesOf = (unit: ProcessorUnit): ProcessorLines => ({
  now: () => unit.now,
  timeStampOffset: () => unit.cpu.timeStampCounter() - BigInt(unit.now),
  taskPriorityChanged: (priorityClass) => unit.state.set64(LAYOUT.cr8, BigInt(priorityClass)),
  nmi: () => unit.cpu.requestNmi(),
  init: () => unit.cpu.requestInit(),
  startUp: (vector) => unit.cpu.requestStartUp(vector),
});

/** The machine sees it as soon as the instruction is over. */
function pause(unit: ProcessorUnit): void {
  unit.paused = true;
  unit.executor.interrupt();
}

/** Until the board is there. */
const UNPLUGGED: MemoryMappedBus = {
  read: (address) => {
    throw outsideMemory('read', address);
  },
  write: (address) => {
    throw outsideMemory('write', address);
  },
};
