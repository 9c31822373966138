/**
 * Accesses to ports, addresses and MSRs that nothing answers: they stop the machine by name, or do what hardware does. A bus that
 * nobody drives floats, an MSR that the processor does not have raises #GP(0).
 */
import { MachineStop } from '../cpu/guest-fault.ts';
import type { AbsentDevices } from '../devices/device.ts';
import { PAGE_BYTES } from '../memory/physical.ts';
import { hex } from '../loader/file-diagnostic.ts';

/** More places than this are not told about: a program that scans the address space says nothing new. */
const MOST_TOLD = 100;

export class AbsentDeviceAccesses {
  private readonly policy: AbsentDevices;
  private readonly tell: (text: string) => void;
  /** Ports, pages as negative numbers, and MSRs by what was told about them. */
  private readonly told = new Set<number | string>();

  constructor(policy: AbsentDevices, tell: (text: string) => void) {
    this.policy = policy;
    this.tell = tell;
  }

  /** Returns where the access floats; throws `MachineStop` where it must not. */
  port(instruction: 'IN from' | 'OUT to', port: number): void {
    if (this.policy === 'stop') throw new MachineStop(`${instruction} port ${hex(port)}, where there is no device`);
    this.tellOnce(port, `${instruction} port ${hex(port)}, where there is no device`);
  }

  /** As `port`. The address is guest-physical; `machineAddress` is what a stop tells. */
  memory(access: 'read' | 'write', address: number, machineAddress: number): void {
    if (this.policy === 'stop') throw outsideMemory(access, machineAddress);
    const preposition = access === 'read' ? 'read from' : 'write to';
    this.tellOnce(
      -1 - Math.floor(address / PAGE_BYTES),
      `${preposition} address ${hex(address)}, where there is neither memory nor a device`,
    );
  }

  /** As `port`; `what` names instruction and MSR. */
  msr(what: string): void {
    if (this.policy === 'stop') throw new MachineStop(what);
    this.tellOnce(what, `${what}, which is not built: #GP(0)`);
  }

  private tellOnce(place: number | string, what: string): void {
    if (this.told.has(place) || this.told.size > MOST_TOLD) return;
    this.told.add(place);
    this.tell(this.told.size > MOST_TOLD ? 'more accesses to absent devices follow' : what);
  }
}

/** Nothing answers outside memory: the machine stops rather than guess what device was meant. */
export const outsideMemory = (access: 'read' | 'write', address: number): MachineStop =>
  new MachineStop(`a ${access} outside memory`, { address, access });
