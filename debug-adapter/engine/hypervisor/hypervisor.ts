/**
 * The built-in hypervisor: TypeScript in VMX root operation. It reaches its guest only as software on a real processor could:
 * through a VMCS in host-physical memory by VMREAD and VMWRITE, through EPT tables that the processor's walk reads, and by
 * entering the guest with VMLAUNCH and VMRESUME.
 */
import type { Cpu, InterruptController, PortBus } from '../cpu/context.ts';
import type { StartState } from '../cpu/start-state.ts';
import type { AbsentDevices } from '../devices/device.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import { EXIT_REASONS } from '../vmx/exit-reasons.ts';
import type { Vmx } from '../vmx/index.ts';
import type { VmExit } from '../vmx/types.ts';
import type { HypervisorContext } from './context.ts';
import { DEFAULT_EXITING, type Exiting } from './controls.ts';
import { EptTables } from './ept-tables.ts';
import { GuestAccess } from './guest-access.ts';
import { Guest } from './guest.ts';
import { GuestMemory } from './guest-memory.ts';
import { GuestMemoryMap } from './guest-memory-map.ts';
import { HandlerRun } from './handler-run.ts';
import { EXIT_HANDLERS } from './handlers/index.ts';
import { HostMemory } from './host-memory.ts';
import { launch } from './launch.ts';

export interface HypervisorOptions {
  readonly cpu: Cpu;
  readonly vmx: Vmx;
  /** With `declareHostPhysicalMemory` done. */
  readonly physical: PhysicalMemory;
  /** RAM of the guest. */
  readonly memoryBytes: number;
  /** The guest's devices; an access that no device answers throws `MachineStop`. */
  readonly ports: PortBus;
  readonly interrupts: InterruptController;
  /** What the guest finds where it has neither memory nor a device: a stop, or pages that float as the bus does. */
  readonly absentDevices?: AbsentDevices;
  /** Receives bytes that the guest prints by VMCALL. */
  readonly print: (byte: number) => void;
  /** A port whose writes are answered by the firmware, which then changes registers and memory of the guest. */
  readonly firmwarePort?: number;
  /** Differences from `DEFAULT_EXITING`. */
  readonly exiting?: Partial<Exiting>;
}

export class Hypervisor {
  /** The guest's registers and memory for the firmware, valid while a handler runs. */
  readonly guestAccess: GuestAccess;
  private readonly context: HypervisorContext;

  /** To be made anew after each reset: its tables are in memory. */
  constructor(options: HypervisorOptions) {
    const { cpu, vmx, physical, memoryBytes, ports, interrupts, print, firmwarePort, exiting } = options;
    const hostMemory = new HostMemory(physical);
    const ept = new EptTables(physical, hostMemory);
    const map = new GuestMemoryMap(memoryBytes, options.absentDevices ?? 'stop');
    const guest = new Guest(vmx, cpu);
    const memory = new GuestMemory(physical, ept, map, guest, cpu);
    this.guestAccess = new GuestAccess(guest, memory);
    this.context = {
      cpu,
      vmx,
      physical,
      exiting: { ...DEFAULT_EXITING, ...exiting },
      ports,
      interrupts,
      print,
      firmwarePort,
      hostMemory,
      ept,
      map,
      guest,
      memory,
      openRomPages: new Set(),
    };
  }

  /** From power-on to the guest's first instruction, to be stepped or finished by the caller. */
  launch(start: StartState): HandlerRun {
    return new HandlerRun('launch', launch(this.context, start));
  }

  /** `launch` in one go; gives false where the VM entry failed and the processor has reported why. */
  start(start: StartState): boolean {
    return this.launch(start).finish().kind === 'done';
  }

  /** To be called after each VM exit: the handler for it, before its first step. */
  begin(exit: VmExit): HandlerRun {
    return new HandlerRun(EXIT_REASONS[exit.name].title, EXIT_HANDLERS[exit.name](this.context, exit));
  }
}
