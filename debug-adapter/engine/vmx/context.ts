/** What all parts of VT-x on one processor share: the current VMCS, the abilities, and the few facts that no register holds. */
import type { Cpu, DeliveredEvent, VmxPort } from '../cpu/context.ts';
import { VMX_NON_ROOT } from '../cpu/control-bits.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { VmxCapabilities } from './capabilities.ts';
import { CheckContext, controlIsOn } from './checks/check.ts';
import type { ControlKey } from './controls.ts';
import type { FailedEntryCheck, EntryCheckReport, VmxEvents } from './types.ts';
import type { FieldWrite, Vmcs } from './vmcs.ts';
import { VmcsStore } from './vmcs.ts';

/** Current-VMCS pointer where there is none. */
export const NO_VMCS = 0xffff_ffff_ffff_ffffn;

/** State of the monitor trap flag and of the VMX-preemption timer: begins at VM entry, ends at VM exit. */
export interface EntryWatch {
  /** An MTF VM exit is due at the next boundary. */
  mtfPending: boolean;
  /** Where the guest was when it was entered: an MTF exit comes when any of these has changed. `retired` is -1 until the first boundary. */
  retired: number;
  rip: bigint;
  rcx: bigint;
  /** TSC at which the preemption timer reaches 0, in steps of its own clock; undefined where it does not run. */
  timerEnd: bigint | undefined;
}

export class VmxContext implements VmxPort {
  readonly cpu: Cpu;
  readonly capabilities: VmxCapabilities;
  readonly events: VmxEvents;
  readonly store: VmcsStore;
  /** Event whose delivery is in progress: it becomes the IDT-vectoring information of an exit. */
  vectoring: DeliveredEvent | undefined = undefined;
  readonly watch: EntryWatch = { mtfPending: false, retired: -1, rip: 0n, rcx: 0n, timerEnd: undefined };

  constructor(cpu: Cpu, capabilities: VmxCapabilities, events: VmxEvents) {
    this.cpu = cpu;
    this.capabilities = capabilities;
    this.events = events;
    this.store = new VmcsStore(cpu.physical);
  }

  get mode(): number {
    return this.cpu.state.get32(LAYOUT.vmxMode);
  }

  get hasCurrent(): boolean {
    return this.cpu.state.get64(LAYOUT.vmcsPointer) !== NO_VMCS;
  }
  /** The current VMCS; asking without one is a bug. */
  get current(): Vmcs {
    if (!this.hasCurrent) throw new Error('Invariant broken: there is no current VMCS');
    return this.store.at(this.cpu.state.getNumber(LAYOUT.vmcsPointer));
  }

  /** Whether a control of the current VMCS is 1 (and its group activated). */
  on(control: ControlKey): boolean {
    return controlIsOn(this.current, control);
  }

  readCapabilityMsr(index: number): bigint | undefined {
    return this.capabilities.msr(index);
  }
  unrestrictedGuest(): boolean {
    return this.mode === VMX_NON_ROOT && this.on('unrestrictedGuest');
  }

  /** Place of the instruction being executed, for the log of field writes. */
  here(): FieldWrite {
    return { instruction: this.cpu.instructionsRetired(), linear: this.cpu.state.linearRip };
  }

  checkContext(vmcs: Vmcs): CheckContext {
    return new CheckContext(vmcs, this.capabilities, this.cpu.physical, this.cpu.state);
  }

  /** Adds to each failed check where its fields were last written. */
  withWrites(vmcs: Vmcs | undefined, reports: readonly EntryCheckReport[]): FailedEntryCheck[] {
    return reports.map((report) => ({
      ...report,
      lastWrites: report.fields.map((field) => {
        const write = vmcs?.lastWrite(field);
        return { field, instruction: write?.instruction, linear: write?.linear };
      }),
    }));
  }
}
