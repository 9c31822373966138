/** A guest under the built-in hypervisor, as the machine steps it. */
import { FIRMWARE_CALL_PORT } from '../loader/firmware/rom-layout.ts';
import type { StartState } from '../cpu/start-state.ts';
import type { CpuState } from '../cpu/state.ts';
import type { GuestAccess } from '../hypervisor/guest-access.ts';
import type { HandlerRun, StepResult } from '../hypervisor/handler-run.ts';
import { Hypervisor } from '../hypervisor/hypervisor.ts';
import { guestStateOf, keepGuestState } from './guest-state.ts';
import type { Power } from './power.ts';
import type { ProcessorUnit } from './processor-unit.ts';
import type { HandlerState, MachineOptions, VmExitRecord } from './types.ts';

export class GuestUnderHypervisor {
  /** The only processor. */
  private readonly unit: ProcessorUnit;
  private readonly hypervisor: Hypervisor;
  /** The handler of the last exit, until the guest runs again. */
  private running: { readonly run: HandlerRun; readonly exit: VmExitRecord } | undefined;

  /** Brings the hypervisor up and enters the guest: what runs next is its first instruction. */
  constructor(power: Power, options: MachineOptions, start: StartState) {
    this.unit = power.current;
    const { cpu, vmx } = this.unit;
    this.hypervisor = new Hypervisor({
      cpu,
      vmx,
      physical: power.physical,
      memoryBytes: options.memoryBytes,
      absentDevices: options.absentDevices ?? 'stop',
      ports: cpu.ports,
      interrupts: power.board.apics.interrupts(this.unit.index),
      print: (byte) => options.onConsole(Uint8Array.of(byte), 'hypercall'),
      firmwarePort: FIRMWARE_CALL_PORT,
    });
    if (!this.hypervisor.start(start))
      throw new Error('Invariant broken: the built-in hypervisor cannot enter its guest');
  }

  get guestAccess(): GuestAccess {
    return this.hypervisor.guestAccess;
  }

  get handler(): HandlerState | undefined {
    if (this.running === undefined) return undefined;
    const { run, exit } = this.running;
    return run.next && { handler: run.handler, exit, done: run.done, next: run.next };
  }

  /** A VM exit was taken: its handler runs next. */
  begin(exit: VmExitRecord): void {
    this.running = { run: this.hypervisor.begin(exit.exit), exit };
  }

  /** Performs the next step of the handler; throws `MachineStop` for what it cannot emulate. */
  step(): StepResult {
    return this.perform((run) => run.step());
  }
  /** Performs all steps that are left. */
  finish(): StepResult {
    return this.perform((run) => run.finish());
  }

  private perform(body: (run: HandlerRun) => StepResult): StepResult {
    const { running } = this;
    if (running === undefined) throw new Error('Invariant broken: no handler is running');
    const result = body(running.run);
    // The VM entry at the end may have taken an exit at once: then another handler is there already.
    if (this.running === running && running.run.next === undefined) this.running = undefined;
    return result;
  }

  /** The guest's state while a handler runs; undefined while the processor holds it. */
  guestState(): CpuState | undefined {
    const vmcs = this.unit.vmx.current;
    return this.running === undefined || vmcs === undefined ? undefined : guestStateOf(this.unit.state, vmcs);
  }
  keepGuestState(state: CpuState): void {
    const vmcs = this.unit.vmx.current;
    if (vmcs !== undefined) keepGuestState(state, this.unit.state, vmcs);
  }
}
