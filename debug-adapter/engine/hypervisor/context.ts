/** What exit handlers work with. */
import type { Cpu, InterruptController, PortBus } from '../cpu/context.ts';
import type { PhysicalMemory } from '../memory/physical.ts';
import type { Vmx } from '../vmx/index.ts';
import type { Exiting } from './controls.ts';
import type { EptTables } from './ept-tables.ts';
import type { Guest } from './guest.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { GuestMemoryMap } from './guest-memory-map.ts';
import type { HostMemory } from './host-memory.ts';

export interface HypervisorContext {
  readonly cpu: Cpu;
  readonly vmx: Vmx;
  readonly physical: PhysicalMemory;
  readonly exiting: Exiting;
  /** The devices of the guest. */
  readonly ports: PortBus;
  readonly interrupts: InterruptController;
  /** Receives bytes that the guest prints by VMCALL. */
  readonly print: (byte: number) => void;
  /** A port whose writes are answered by the firmware, which then changes registers and memory of the guest. */
  readonly firmwarePort: number | undefined;
  readonly hostMemory: HostMemory;
  readonly ept: EptTables;
  readonly map: GuestMemoryMap;
  readonly guest: Guest;
  readonly memory: GuestMemory;
  /** Guest-physical addresses of ROM pages that are writable in EPT for one instruction; empty most of the time. */
  readonly openRomPages: Set<number>;
}
