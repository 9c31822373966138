/**
 * The local APICs of all processors: how messages travel between them, and where each has its registers. A processor reaches
 * its own alone, at the address that its IA32_APIC_BASE says (SDM Vol. 3A, "Local APIC Status and Location" 10.4.4).
 */
import { LOCAL_APIC_ADDRESS, memoryMap } from '../base/memory-map.ts';
import type { ApicPort, InterruptController } from '../cpu/context.ts';
import { MachineStop } from '../cpu/guest-fault.ts';
import { deliver, sendMessage, type ApicDestination, type ApicMessage } from '../devices/apic-message.ts';
import type { AccessBytes } from '../devices/device.ts';
import { LocalApic, type ApicMode, type LocalApicLines } from '../devices/local-apic.ts';

/** One processor as the board is wired to it. */
export interface ProcessorLines {
  /** Its own time in ticks since reset. */
  now(): number;
  /** What its time-stamp counter is ahead of its ticks, modulo 2^64. */
  timeStampOffset(): bigint;
  /** The local APIC's task priority was written: CR8 follows. */
  taskPriorityChanged(priorityClass: number): void;
  nmi(): void;
  init(): void;
  startUp(vector: number): void;
}

export interface LocalApicsOptions {
  readonly memoryBytes: number;
  readonly processors: readonly ProcessorLines[];
  /** The 8259 pair, wired to LINT0 of each processor. */
  readonly external: LocalApicLines['external'];
  readonly endOfInterrupt: (vector: number) => void;
  /** Lets time catch up; before registers are looked at. */
  readonly advance: () => void;
  /** What happens next, and when, may have changed. */
  readonly disturbed: () => void;
  /** Whether another device or memory is at an address. */
  readonly occupied: (address: number) => boolean;
}

const PAGE_BYTES = 4096;

/** By bits 11 (enabled) and 10 (x2APIC) of IA32_APIC_BASE; x2APIC without enabled is refused by the processor. */
const MODES: readonly (ApicMode | undefined)[] = ['disabled', undefined, 'xAPIC', 'x2APIC'];

export class LocalApics {
  readonly all: readonly LocalApic[];
  private readonly options: LocalApicsOptions;
  /** Address of each processor's registers; undefined where they answer at none. */
  private readonly bases: (number | undefined)[];

  constructor(options: LocalApicsOptions) {
    this.options = options;
    this.all = options.processors.map(
      (processor, id) =>
        new LocalApic(id, {
          now: () => processor.now(),
          timeStampOffset: () => processor.timeStampOffset(),
          taskPriorityChanged: (priorityClass) => processor.taskPriorityChanged(priorityClass),
          send: (message, to) => this.sendFrom(id, message, to),
          nmi: () => processor.nmi(),
          control: (kind, vector) => {
            if (kind === 'INIT') processor.init();
            else if (kind === 'SIPI') processor.startUp(vector);
            else throw new MachineStop('SMI sent by an APIC');
          },
          endOfInterrupt: options.endOfInterrupt,
          external: options.external,
        }),
    );
    this.bases = this.all.map(() => LOCAL_APIC_ADDRESS);
    this.of(0).setVirtualWire();
  }

  of(cpu: number): LocalApic {
    const apic = this.all[cpu];
    if (apic === undefined) throw new Error(`Invariant broken: there is no processor ${cpu}`);
    return apic;
  }

  /** A message of a device. */
  send(message: ApicMessage, to: ApicDestination): void {
    sendMessage(this.all, to, message);
  }

  private sendFrom(id: number, message: ApicMessage, to: ApicDestination | 'all' | 'others'): void {
    if (to === 'all') deliver(this.reachable, message);
    else if (to === 'others')
      deliver(
        this.reachable.filter((apic) => apic !== this.all[id]),
        message,
      );
    else sendMessage(this.all, to, message);
  }

  /** One that IA32_APIC_BASE has disabled takes no messages. */
  private get reachable(): readonly LocalApic[] {
    return this.all.filter((apic) => apic.mode !== 'disabled');
  }

  /** What a processor's INTR pin asks. */
  interrupts(cpu: number): InterruptController {
    const apic = this.of(cpu);
    return { pending: () => apic.pending(), acknowledge: () => apic.acknowledge() };
  }

  /** What a processor's MSRs and CR8 reach. */
  port(cpu: number): ApicPort {
    const { advance, disturbed } = this.options;
    const apic = this.of(cpu);
    const changing = <Result>(body: () => Result): Result => {
      advance();
      const result = body();
      disturbed();
      return result;
    };
    return {
      baseChanged: (value) => changing(() => this.move(cpu, value)),
      initialized: () => changing(() => apic.initialize()),
      readRegister: (index) => changing(() => apic.readMsr(index)),
      writeRegister: (index, value) => changing(() => apic.writeMsr(index, value)),
      readDeadline: () => changing(() => apic.deadline),
      writeDeadline: (value) => changing(() => apic.setDeadline(value)),
      setTaskPriorityClass: (priorityClass) => apic.setTaskPriorityClass(priorityClass),
      timeStampChanged: disturbed,
    };
  }

  /** Bits 11 and 10 are the mode, bits 12 and up the address, where only xAPIC mode answers. */
  private move(cpu: number, value: bigint): void {
    const mode = MODES[Number((value >> 10n) & 3n)];
    if (mode === undefined) throw new Error('Invariant broken: IA32_APIC_BASE was checked');
    this.of(cpu).setMode(mode);
    this.bases[cpu] = undefined;
    if (mode !== 'xAPIC') return;
    const base = Number(value & ~0xfffn);
    const { memoryBytes, occupied } = this.options;
    const inMemory = memoryMap(memoryBytes).some((range) => base >= range.base && base < range.base + range.bytes);
    if (inMemory || occupied(base))
      throw new MachineStop(
        `moving the local APIC to ${base.toString(16).toUpperCase()}h, where there is memory or another device`,
      );
    this.bases[cpu] = base;
  }

  /** Value a processor reads from its own registers; undefined where they are not at this address. */
  read(cpu: number, address: number, bytes: AccessBytes): number | undefined {
    const offset = this.offset(cpu, address, bytes);
    return offset === undefined ? undefined : this.of(cpu).read(offset, bytes) >>> 0;
  }

  /** False where a processor's own registers are not at this address. */
  write(cpu: number, address: number, bytes: AccessBytes, value: number): boolean {
    const offset = this.offset(cpu, address, bytes);
    if (offset === undefined) return false;
    this.of(cpu).write(offset, bytes, value);
    return true;
  }

  private offset(cpu: number, address: number, bytes: number): number | undefined {
    const base = this.bases[cpu];
    return base !== undefined && address >= base && address + bytes <= base + PAGE_BYTES ? address - base : undefined;
  }
}
