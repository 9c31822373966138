/** One whole machine: runs it, stops it, tells why. */
import { ACTIVITY } from '../cpu/control-bits.ts';
import type { DeliveredEvent } from '../cpu/context.ts';
import { chooseFeatures, type CpuFeatures } from '../cpu/features.ts';
import { MachineStop, vectorName } from '../cpu/guest-fault.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { RegisterName } from '../cpu/registers.ts';
import { CopyOnWriteDisk } from '../devices/ide/disk.ts';
import type { ExecutorStop } from '../execution/executor.ts';
import { BOOT_SECTOR_ADDRESS } from '../loader/binary.ts';
import type { FirmwareContext } from '../loader/firmware/context.ts';
import { FIRST_HARD_DISK, FirmwareDisk, biosDataOf, sectorsOfImage } from '../loader/firmware/firmware-disk.ts';
import { buildFirmwareImage } from '../loader/firmware/image.ts';
import { callFirmware } from '../loader/firmware/services.ts';
import { unreachable } from '../base/unreachable.ts';
import type { ExitName, VmExit, VmcsFieldKey } from '../vmx/types.ts';
import { applyStart } from './apply-start.ts';
import { setRegister } from './edit-register.ts';
import { ExitLog } from './exit-log.ts';
import { guestAccessOf, processorAccess } from './firmware-access.ts';
import { allHalted, haltedForGood } from './halted.ts';
import { MachineInspector } from './inspector.ts';
import { Power } from './power.ts';
import type { ProcessorUnit } from './processor-unit.ts';
import { prepareStart, writerOf } from './start-state.ts';
import type { StepResult } from '../hypervisor/handler-run.ts';
import type {
  AddressSpace,
  EntryFailure,
  FaultRecord,
  HandlerState,
  Inspector,
  Machine,
  MachineOptions,
  RunRequest,
  Stop,
  StopConditions,
  VmExitRecord,
} from './types.ts';
import { GuestUnderHypervisor } from './under-hypervisor.ts';
import { pagesOf, touches } from './watchpoints.ts';

const NO_CONDITIONS: StopConditions = {
  breakpoints: new Set(),
  watchpoints: [],
  vmExit: () => false,
  exception: () => false,
  vmEntryFailure: false,
};

/** Times a halted processor may be skipped to the next device event within one `run` before it reports back. */
const IDLE_EVENTS_PER_RUN = 10_000;

/** Instructions that the others may make within one `run` while the processor that counts waits. */
const OTHERS_PER_RUN = 1_000_000;

export class HyperstepMachine implements Machine {
  readonly options: MachineOptions;
  readonly cpuCount: number;
  readonly inspect: Inspector;
  private readonly features: CpuFeatures;
  private power: Power;
  private disk: CopyOnWriteDisk | undefined;
  private exitLog = new ExitLog();
  /** What INT 13h knows; the first is the one that the program was booted from, where it was. */
  private firmwareDisks: readonly FirmwareDisk[] = [];
  private under: GuestUnderHypervisor | undefined;
  private conditions: StopConditions = NO_CONDITIONS;
  /** Found while something was running; `run` returns it at the next boundary. */
  private found: Stop | undefined;
  private entryFailure: EntryFailure | undefined;
  /** The machine is over: every further `run` says so again. */
  private over: Stop | undefined;

  constructor(options: MachineOptions) {
    this.options = options;
    this.cpuCount = options.processors ?? 1;
    if (options.mode === 'vm' && this.cpuCount > 1)
      throw new Error('Invariant broken: the built-in hypervisor runs one virtual processor');
    const chosen = chooseFeatures(options.cpu ?? {});
    if ('problem' in chosen) throw new Error(`Invariant broken: ${chosen.problem}`);
    this.features = chosen.features;
    this.power = this.powerOn();
    this.inspect = new MachineInspector(
      () => this.power,
      (cpu) => this.under?.guestState() ?? this.unit(cpu).state,
    );
  }

  // Life.

  private powerOn(): Power {
    const { program, mode, memoryBytes, disk } = this.options;
    this.disk = disk && new CopyOnWriteDisk(disk);
    const power = new Power({
      mode,
      memoryBytes,
      processors: this.cpuCount,
      features: this.features,
      absentDevices: this.options.absentDevices ?? 'stop',
      disk: this.disk,
      tell: (text) => this.options.onAbsentDevice?.(text),
      board: {
        print: (byte, source) => this.options.onConsole(Uint8Array.of(byte), source),
        powerOff: (status) => this.end({ kind: 'power-off', status }),
        resetRequested: () =>
          this.end({
            kind: 'halted',
            because: 'the guest asked for a reset (port 92h, keyboard controller or port CF9h)',
          }),
        firmwareCall: () => this.firmwareCall(),
      },
      hooks: {
        interceptException: (event) => this.conditions.exception(this.faultOf(event)),
        accessed: (low, high, bytes, access) =>
          this.conditions.watchpoints.length > 0 &&
          this.accessed((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), bytes, access),
      },
      vmxEvents: {
        exit: (exit, guestRip, guestLinearRip) => this.vmExit(exit, guestRip, guestLinearRip),
        instructionFailed: (failure) => {
          this.entryFailure = failure;
          if (this.conditions.vmEntryFailure) this.stopSoon({ kind: 'vm-entry-failure', report: failure });
        },
      },
    });
    this.power = power;
    this.exitLog = new ExitLog();
    this.found = undefined;
    this.over = undefined;
    const writer = writerOf(power.physical, power.guestBase);
    const bootDisk =
      program.boot.kind === 'boot-sector'
        ? FirmwareDisk.boot(new CopyOnWriteDisk(sectorsOfImage(program.boot.disk)))
        : undefined;
    const nextHardDisk = bootDisk === undefined || bootDisk.isFloppy ? FIRST_HARD_DISK : FIRST_HARD_DISK + 1;
    this.firmwareDisks = [
      ...(bootDisk === undefined ? [] : [bootDisk]),
      ...(this.disk === undefined ? [] : [FirmwareDisk.hard(this.disk, nextHardDisk)]),
    ];
    // Boot loaders leave the firmware as it was: kernels look for its tables, and some go back to real mode and call it.
    if (program.boot.kind !== 'flat') {
      for (const segment of buildFirmwareImage(biosDataOf(this.firmwareDisks)))
        writer.write(segment.address, segment.bytes);
      if (bootDisk) writer.write(BOOT_SECTOR_ADDRESS, bootDisk.read(0, 1));
      power.board.initializeByFirmware();
    }
    for (const segment of program.segments) writer.write(segment.address, segment.bytes);
    const start = prepareStart(program, memoryBytes, writer, bootDisk?.drive);
    if (mode === 'vm') this.under = new GuestUnderHypervisor(power, this.options, start);
    else {
      this.under = undefined;
      applyStart(power.current, start);
    }
    this.applyConditions();
    return power;
  }

  reset(): void {
    this.powerOn();
  }

  private end(stop: Stop): void {
    this.over ??= stop;
    this.power.current.executor.interrupt();
  }

  private stopSoon(stop: Stop): void {
    this.found ??= stop;
    this.power.current.executor.interrupt();
  }

  // What happens while it runs.

  private firmwareCall(): void {
    const { power } = this;
    const { ports } = power.board;
    const context: FirmwareContext = {
      ...(this.under ? guestAccessOf(this.under.guestAccess) : processorAccess(power.current.state, power.physical)),
      readPort: (port, bytes) => ports.read(port, bytes),
      writePort: (port, bytes, value) => ports.write(port, bytes, value),
      get a20() {
        return power.board.systemControlA.a20;
      },
      setA20: (on) => power.board.systemControlA.setA20(on),
      teletype: (byte) => this.options.onConsole(Uint8Array.of(byte), 'firmware'),
    };
    const result = callFirmware(context, { disks: this.firmwareDisks, memoryBytes: this.options.memoryBytes });
    switch (result.kind) {
      case 'done':
        return;
      case 'reset':
        this.end({ kind: 'halted', because: 'the guest jumped to the reset vector or pressed Ctrl+Alt+Del' });
        return;
      case 'halted':
        this.end({ kind: 'halted', because: result.because });
        return;
      case 'unimplemented':
        throw new MachineStop(result.what);
      default:
        unreachable(result, 'firmware result');
    }
  }

  private vmExit(exit: VmExit, guestRip: bigint, guestLinearRip: bigint): void {
    const record = this.exitLog.add(this.current, this.instructionsRetired, exit, guestRip, guestLinearRip);
    if (this.under) {
      this.under.begin(record);
      this.power.current.executor.interrupt();
    }
    if (this.conditions.vmExit(record)) this.stopSoon({ kind: 'vm-exit', record });
  }

  private faultOf(event: DeliveredEvent): FaultRecord {
    return {
      vector: event.vector,
      name: vectorName(event.vector),
      errorCode: event.errorCode,
      linear: event.linear,
      rip: this.power.current.state.rip,
      because: event.because ?? '',
    };
  }

  private accessed(linear: bigint, bytes: number, access: 'read' | 'write'): boolean {
    const hit = this.conditions.watchpoints.find((point) => touches(point, linear, bytes, access));
    if (hit === undefined) return false;
    this.stopSoon({ kind: 'watchpoint', id: hit.id, linear, access });
    return true;
  }

  // Running.

  setStopConditions(conditions: StopConditions): void {
    this.conditions = conditions;
    this.applyConditions();
  }

  private applyConditions(): void {
    const { loop, processors } = this.power;
    loop.cache.setBreakpointOffsets(
      this,
      new Set([...this.conditions.breakpoints].map((linear) => Number(linear & 0xfffn))),
    );
    const watched = this.conditions.watchpoints.flatMap(pagesOf);
    for (const { cpu } of processors) {
      cpu.translation.watchPages('debugger', watched);
      cpu.accessed =
        watched.length > 0 ? (linear, bytes, access) => void this.accessed(linear, bytes, access) : undefined;
    }
  }

  run(request: RunRequest): Stop {
    const { schedule } = this.power;
    let left = request.maxInstructions;
    let othersLeft = OTHERS_PER_RUN;
    const leaving = new Set(request.ignoreFirstBreakpoint ? [this.current, request.cpu] : []);
    let idleEvents = 0;
    for (;;) {
      const found = this.found ?? this.over;
      if (found) {
        this.found = undefined;
        return found;
      }
      const { under } = this;
      if (under?.handler) {
        if (request.handlerSteps === 'stop' && left <= 0) return { kind: 'handler-step', state: under.handler };
        const stop = this.handle(() => (request.handlerSteps === 'stop' ? under.step() : under.finish()));
        if (stop) return stop;
        if (request.handlerSteps === 'stop' && --left <= 0 && !this.found && !this.over)
          return { kind: 'handler-step', state: under.handler };
        continue;
      }
      if (left <= 0) return { kind: 'budget' };
      if (schedule.pass() === 'asleep') {
        const halted = this.asleep();
        if (halted) return halted;
      }
      const unit = schedule.current;
      const counts = request.cpu === undefined || request.cpu === unit.index;
      if (!counts && othersLeft <= 0) return { kind: 'waiting' };
      const budget = Math.min(counts ? left : othersLeft, schedule.share);
      const stop = unit.executor.run(budget, leaving.has(unit.index));
      const used = budget - unit.executor.left;
      if (used > 0) {
        leaving.delete(unit.index);
        schedule.ran();
      }
      if (counts) left -= used;
      else othersLeft -= Math.max(used, 1);
      if (unit.paused) {
        unit.paused = false;
        schedule.wait();
      }
      if (stop.kind === 'budget' && used === 0) {
        // A string instruction used up its share of iterations: that is not a step yet.
        if (request.maxInstructions > 1) return { kind: 'budget' };
        leaving.add(unit.index);
        continue;
      }
      if (stop.kind === 'inactive') {
        const halted = this.idle(++idleEvents);
        if (halted) return halted;
        continue;
      }
      if (stop.kind === 'budget') continue;
      const told = this.told(stop);
      if (told) return told;
      if (stop.kind === 'breakpoint') leaving.add(unit.index);
    }
  }

  /** What an executor's stop means outside; undefined to go on. */
  private told(stop: Exclude<ExecutorStop, { kind: 'inactive' | 'budget' }>): Stop | undefined {
    const { state, executor } = this.power.current;
    switch (stop.kind) {
      case 'breakpoint': {
        const linear = state.linearRip;
        // The same page may be mapped elsewhere, or only the page offset agrees.
        return this.conditions.breakpoints.has(linear) ? { kind: 'breakpoint', linear } : undefined;
      }
      case 'exception':
        return { kind: 'exception', fault: this.faultOf(stop.event) };
      case 'unimplemented':
        if (stop.nowhere) {
          const linear = state.linearRip;
          const from = stop.nowhere.access === 'fetch' ? executor.cameFrom : linear;
          return { kind: 'nowhere', ...stop.nowhere, linear, from };
        }
        return { kind: 'unimplemented', what: stop.what, bytes: stop.bytes, linear: state.linearRip };
      case 'interrupted':
        return undefined;
      default:
        return unreachable(stop, 'executor stop');
    }
  }

  /** The processor whose turn it is is halted, waits for a SIPI, or is shut down. */
  private idle(events: number): Stop | undefined {
    const unit = this.power.current;
    if (unit.state.get32(LAYOUT.activity) === ACTIVITY.shutdown)
      return (this.over = { kind: 'triple-fault', chain: [...unit.cpu.faultChain] });
    const because = this.cpuCount === 1 ? haltedForGood(unit) : undefined;
    if (because !== undefined) return { kind: 'halted', because };
    if (!this.power.schedule.wait()) return { kind: 'halted', because: 'HLT, and no device will ever interrupt' };
    return events >= IDLE_EVENTS_PER_RUN ? { kind: 'budget' } : undefined;
  }

  /** A window has passed in which no processor ran: whether one ever will. */
  private asleep(): Stop | undefined {
    const { processors, board } = this.power;
    const because = allHalted(processors, () => processors.some(({ index }) => board.nextEvent(index) !== undefined));
    return because === undefined ? undefined : { kind: 'halted', because };
  }

  /** Runs hypervisor code. What it cannot emulate stops the machine by name. */
  private handle(body: () => StepResult): Stop | undefined {
    try {
      return this.interruption(body());
    } catch (error) {
      if (!(error instanceof MachineStop)) throw error;
      const linear = (this.under?.guestState() ?? this.power.current.state).linearRip;
      if (error.nowhere) {
        const from = error.nowhere.access === 'fetch' ? this.power.current.executor.cameFrom : linear;
        return (this.over = { kind: 'nowhere', ...error.nowhere, linear, from });
      }
      const bytes = this.inspect.readMemory('linear', linear, this.lastExitBytes(), 0);
      return (this.over = { kind: 'unimplemented', what: error.what, bytes, linear });
    }
  }

  /** Length of the instruction whose VM exit is being handled; 0 where the exit tells none. */
  private lastExitBytes(): number {
    return this.exitLog.records.at(-1)?.exit.instructionBytes ?? 0;
  }

  private interruption(result: StepResult): Stop | undefined {
    switch (result.kind) {
      case 'done':
        return undefined;
      case 'wait':
        if (this.power.skipToNextEvent()) return undefined;
        return { kind: 'halted', because: 'the guest executed HLT, and no device will ever interrupt' };
      case 'halted':
        return (this.over = { kind: 'halted', because: result.because });
      case 'triple-fault':
        return (this.over = { kind: 'triple-fault', chain: [...this.power.current.cpu.faultChain] });
      case 'entry-failed':
        return this.entryFailure && { kind: 'vm-entry-failure', report: this.entryFailure };
      default:
        return unreachable(result, 'handler result');
    }
  }

  // What it shows and lets be changed.

  get current(): number {
    return this.power.current.index;
  }
  get instructionsRetired(): number {
    return this.power.processors.reduce((sum, { state }) => sum + state.retired, 0);
  }
  get exits(): readonly VmExitRecord[] {
    return this.exitLog.records;
  }
  get exitCounts(): ReadonlyMap<ExitName, number> {
    return this.exitLog.counts;
  }
  get handler(): HandlerState | undefined {
    return this.under?.handler;
  }
  get diskChanges(): ReadonlyMap<number, Uint8Array> {
    return this.disk?.written ?? new Map<number, Uint8Array>();
  }
  get crossings(): number {
    return this.power.loop.crossings;
  }

  private unit(cpu: number): ProcessorUnit {
    const unit = this.power.processors[cpu];
    if (unit === undefined) throw new Error(`Invariant broken: this machine has no processor ${cpu}`);
    return unit;
  }

  setRegister(cpu: number, name: RegisterName, value: bigint): string | undefined {
    const unit = this.unit(cpu);
    const shadow = this.under?.guestState();
    const problem = setRegister(unit.cpu, shadow ?? unit.state, name, value);
    if (problem === undefined && shadow) this.under?.keepGuestState(shadow);
    return problem;
  }
  setVmcsField(cpu: number, field: VmcsFieldKey, value: bigint): string | undefined {
    return this.unit(cpu).vmx.setField(field, value);
  }

  writeMemory(space: AddressSpace, address: bigint, bytes: Uint8Array, cpu: number): number {
    const inspector = this.inspect as MachineInspector;
    let done = 0;
    while (done < bytes.length) {
      const at = address + BigInt(done);
      const length = Math.min(bytes.length - done, 4096 - Number(at & 0xfffn));
      const physical = inspector.hostPhysical(space, at, cpu);
      if (physical === undefined) break;
      const written = this.power.physical.poke(physical, bytes.subarray(done, done + length));
      done += written;
      if (written < length) break;
    }
    return done;
  }

  sendInput(bytes: Uint8Array): void {
    this.power.board.com1.receive(bytes);
    for (const { cpu } of this.power.processors) cpu.requestAttention();
  }

  sendKeys(scanCodes: Uint8Array): void {
    this.power.board.keyboard.type(scanCodes);
    for (const { cpu } of this.power.processors) cpu.requestAttention();
  }
}
