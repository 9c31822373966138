/** VT-x of one processor, as the rest of the engine sees it. */
import type { Cpu, Intercepts, VmxPort } from '../cpu/context.ts';
import { VmExitTaken } from '../cpu/guest-fault.ts';
import { LAYOUT } from '../cpu/layout.ts';
import { BUILT_CONTROLS, REVISION_IDENTIFIER, VmxCapabilities } from './capabilities.ts';
import { VmxContext } from './context.ts';
import { auditEntry, enter } from './entry.ts';
import type { EntryAudit, EntryInstruction } from './entry.ts';
import { VmxIntercepts } from './intercepts.ts';
import * as operations from './operations.ts';
import type { VmcsFieldKey, VmcsFieldWrite, VmxEvents } from './types.ts';
import { vmcsField } from './vmcs-fields.ts';
import type { FieldWrite, Vmcs } from './vmcs.ts';

/** How a VM entry of the built-in hypervisor ends: the guest runs, a VM exit happened on the way, or the flags tell. */
export type EntryOutcome = 'entered' | 'exited' | 'failed';

export class Vmx {
  readonly capabilities: VmxCapabilities;
  /** To plug into the processor: what it asks in non-root operation, and what it must know of VMX. */
  readonly intercepts: Intercepts;
  readonly port: VmxPort;
  private readonly context: VmxContext;

  constructor(cpu: Cpu, capabilities: VmxCapabilities, events: VmxEvents) {
    this.capabilities = capabilities;
    this.context = new VmxContext(cpu, capabilities, events);
    this.port = this.context;
    this.intercepts = new VmxIntercepts(this.context);
  }

  /** Back to power-on, or to a snapshot: what memory does not hold is forgotten. The processor state is the caller's. */
  reset(): void {
    this.context.store.forget();
    this.context.vectoring = undefined;
    Object.assign(this.context.watch, { mtfPending: false, retired: -1, timerEnd: undefined });
  }

  /** The current VMCS; undefined where there is none. */
  get current(): Vmcs | undefined {
    return this.context.hasCurrent ? this.context.current : undefined;
  }

  /** All checks of VM entry on the current VMCS, each that fails reported. Changes nothing. */
  audit(): EntryAudit | undefined {
    const vmcs = this.current;
    return vmcs === undefined ? undefined : auditEntry(this.context, vmcs);
  }

  lastWrite(field: VmcsFieldKey): VmcsFieldWrite {
    const write = this.current?.lastWrite(field);
    return { field, instruction: write?.instruction, linear: write?.linear };
  }

  /** Sets a field of the current VMCS as a debugger does; returns why not. Exit information may be set, too. */
  setField(field: VmcsFieldKey, value: bigint): string | undefined {
    const vmcs = this.current;
    if (vmcs === undefined) return 'there is no current VMCS';
    if (!this.capabilities.hasField(field)) return `this processor has no field ${field}`;
    const { bytes, name } = vmcsField(field);
    if (value < 0n || value >> BigInt(8 * bytes) !== 0n) return `"${name}" has ${8 * bytes} bits`;
    vmcs.programWrite(field, value, { instruction: this.context.cpu.instructionsRetired(), linear: undefined });
    return undefined;
  }

  // What follows is for the built-in hypervisor: it is TypeScript, runs in VMX root operation, and each call means what the
  // instruction means. Those that fail set the flags and VM_INSTRUCTION_ERROR as guest code would see them.

  /** Writes the revision identifier that VMXON and VMPTRLD want at the start of a region. */
  prepareRegion(address: number): void {
    this.context.cpu.physical.write(address, 4, REVISION_IDENTIFIER);
  }
  vmxon(address: number): boolean {
    return operations.vmxon(this.context, BigInt(address));
  }
  vmxoff(): boolean {
    return operations.vmxoff(this.context);
  }
  vmclear(address: number): boolean {
    return operations.vmclear(this.context, BigInt(address));
  }
  vmptrld(address: number): boolean {
    return operations.vmptrld(this.context, BigInt(address));
  }
  vmread(field: VmcsFieldKey): bigint {
    const value = operations.vmread(this.context, BigInt(vmcsField(field).encoding));
    if (value === undefined) throw new Error(`Invariant broken: VMREAD of ${field} failed`);
    return value;
  }
  vmwrite(field: VmcsFieldKey, value: bigint, by?: FieldWrite): boolean {
    return operations.vmwrite(this.context, BigInt(vmcsField(field).encoding), value, by ?? this.context.here());
  }
  vmlaunch(): EntryOutcome {
    return this.enter('VMLAUNCH');
  }
  vmresume(): EntryOutcome {
    return this.enter('VMRESUME');
  }
  inveptAll(): boolean {
    return operations.invept(this.context, 2n, () => [0n, 0n]);
  }
  inveptSingle(eptPointer: bigint): boolean {
    return operations.invept(this.context, 1n, () => [eptPointer, 0n]);
  }
  invvpidSingle(vpid: number): boolean {
    return operations.invvpid(this.context, 1n, () => [BigInt(vpid), 0n]);
  }
  /** Number of the last VMfailValid. */
  get instructionError(): number {
    return this.current?.low('VM_INSTRUCTION_ERROR') ?? 0;
  }
  /** 0 outside VMX operation, 1 root, 2 non-root. */
  get mode(): number {
    return this.context.cpu.state.get32(LAYOUT.vmxMode);
  }

  private enter(instruction: EntryInstruction): EntryOutcome {
    try {
      return enter(this.context, instruction) ? 'entered' : 'failed';
    } catch (thrown) {
      if (thrown instanceof VmExitTaken) return 'exited';
      throw thrown;
    }
  }
}

export { BUILT_CONTROLS, VmxCapabilities };
export { VMX_INSTRUCTIONS } from './instructions.ts';
export { describeExit, describeQualification, QUALIFICATION_FIELDS } from './qualifications.ts';
