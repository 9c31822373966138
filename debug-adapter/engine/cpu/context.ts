/**
 * The processor as instructions written in TypeScript see it (system instructions, VMX, event delivery). Implemented by
 * `cpu.ts`; VMX plugs into it through `Intercepts`.
 */
import type { PhysicalMemory } from '../memory/physical.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import type { CpuFeatures } from './features.ts';
import type { SegmentName } from './layout.ts';
import type { CpuState } from './state.ts';

/** Kind of event being delivered (VM-entry interruption-information type field, SDM Vol. 3C, 24.8.3). */
export type EventType =
  'external' | 'nmi' | 'hardware-exception' | 'software-interrupt' | 'privileged-software' | 'software-exception';

export interface DeliveredEvent {
  readonly vector: number;
  readonly type: EventType;
  readonly errorCode: number | undefined;
  /** Bytes of the INT n, INT1, INT3 or INTO instruction for the software types: the pushed RIP is behind it. */
  readonly instructionBytes: number;
  /** Linear address for #PF: goes to CR2. */
  readonly linear?: bigint;
  readonly because?: string;
  /** VM entry injects it: RFLAGS is pushed as loaded, with whatever RF its hypervisor chose (SDM Vol. 3C, "Event Injection" 26.5). */
  readonly injected?: true;
}

export interface Cpu {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  readonly intercepts: Intercepts;
  readonly vmx: VmxPort;
  readonly ports: PortBus;
  /** What this processor was chosen to have. */
  readonly features: CpuFeatures;
  /** Its place among the processors of the machine. */
  readonly topology: Topology;
  /** Absent where the processor has no local APIC. */
  readonly apic?: ApicPort | undefined;

  /** Linear memory accesses at the current CPL through paging (and EPT); throw `GuestFault` or `VmExitTaken`. `bytes` may cross pages. */
  readLinear(linear: bigint, bytes: 1 | 2 | 4 | 8): bigint;
  writeLinear(linear: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): void;
  /** Raises what `writeLinear` would raise and sets the dirty flag, but stores nothing. `bytes` at most 4096. */
  checkWritable(linear: bigint, bytes: number): void;
  /** Told of accesses to the guest's memory that emitted code does not make, while a debugger watches memory. */
  readonly accessed?: ((linear: bigint, bytes: number, access: 'read' | 'write') => void) | undefined;
  /** The same as an implicit supervisor access (descriptor tables, TSS), whatever the CPL (SDM Vol. 3A, "Access Rights" 4.6.1). */
  readSystem(linear: bigint, bytes: 1 | 2 | 4 | 8): bigint;
  writeSystem(linear: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): void;

  /** Offset and segment of a memory operand, segment checks made for the access; gives its linear address. */
  linearOperand(instruction: DecodedInstruction, bytes: number, access: 'read' | 'write'): bigint;
  /** Operand number 0-4 as an unsigned value of `bytes` bytes: register, memory or immediate. */
  readOperand(instruction: DecodedInstruction, operand: number, bytes: 1 | 2 | 4 | 8): bigint;
  writeOperand(instruction: DecodedInstruction, operand: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;

  /** Translates guest-physical to host-physical under the EPT in force (identity without); EPT faults become VM exits. */
  translateGuestPhysical(guestPhysical: number, access: 'read' | 'write' | 'execute'): number;

  /** RIP of the instruction being executed and of the one behind it. While a handler runs, state.rip is the former. */
  readonly nextRip: bigint;
  setNextRip(rip: bigint): void;

  /** Recomputes CPL, code size, stack mask, TLB tag and decode mode after CS, SS, RFLAGS.VM, CR0, CR4, EFER or VMX mode changed. */
  modeChanged(): void;
  /**
   * To be called when DR0 to DR3, DR7 or CR4.DE have changed. `at least`: what was watched before may stay watched, because it
   * will soon be wanted again (VM entry and VM exit).
   */
  breakpointsChanged(watch: 'exactly' | 'at least'): void;
  /** A port is accessed: an I/O breakpoint on it becomes pending. */
  portAccessed(port: number, bytes: number): void;

  /** Drops cached translations of the current address space (MOV CR3), or of everything. */
  flushTlb(what: 'current' | 'all' | { readonly vpid: number } | { readonly eptPointer: bigint }): void;
  flushPage(linear: bigint): void;

  /** Delivers an event through the IDT (or IVT), with all checks; nested faults become #DF, then triple fault. May take a VM exit. */
  deliver(event: DeliveredEvent): void;
  /** Delivers the event that VM entry injects: as `deliver`, but the event itself asks no intercept (SDM Vol. 3C, "Event Injection" 26.5). */
  inject(event: DeliveredEvent): void;
  /** What was delivered since the last event that no fault interrupted, oldest first: explains double and triple faults. */
  readonly faultChain: readonly FaultRecord[];
  /** Interruptibility state in the VMCS encoding with expired STI and MOV SS blocking already removed. */
  interruptibility(): number;
  /** Blocks maskable interrupts (MOV SS: debug traps too) until the instruction behind the current one has completed. */
  blockInterrupts(by: 'STI' | 'MOV SS'): void;
  /** Has the loop leave at the next instruction boundary, where `pendingBoundary` looks for events. */
  requestAttention(): void;
  /** Instructions retired, exact also inside a TypeScript instruction (the current one not counted). */
  instructionsRetired(): number;
  /** Loads a segment register as MOV Sreg does. */
  loadSegment(name: SegmentName, selector: number): void;
  /** Physical-address width, CPUID.80000008H:EAX[7:0]. */
  readonly physicalBits: number;
  /** Linear-address width, CPUID.80000008H:EAX[15:8]: what registers that hold addresses are judged by. */
  readonly linearBits: number;
  /** Time-stamp counter as RDTSC would read it outside VMX non-root operation. */
  timeStampCounter(): bigint;
  /** RDMSR / WRMSR without intercepts; throw `GuestFault` #GP for a bad value, `MachineStop` for an MSR that is not built. */
  readMsr(index: number): bigint;
  /** Told of an MSR that is not built: throws `MachineStop`, or returns where #GP(0) is to be raised. */
  readonly absentMsr: (what: string) => void;
  writeMsr(index: number, value: bigint): void;
  /** PAUSE: the processor only waits, so that others may go on in the meantime. */
  pause(): void;
  /** Enters shutdown after a triple fault. */
  shutdown(): void;
}

/** Processors of one package, one core each; the index is the initial APIC id. */
export interface Topology {
  readonly index: number;
  readonly processors: number;
}

/** How one event was delivered (or failed to be), kept to explain double and triple faults. */
export interface FaultRecord {
  readonly vector: number;
  /** `#PF`, `#GP` ...; `INT 21h` for interrupts. */
  readonly name: string;
  readonly errorCode: number | undefined;
  /** Linear address of a page fault. */
  readonly linear: bigint | undefined;
  /** RIP of the interrupted instruction. */
  readonly rip: bigint;
  /** Why in one sentence, as far as known. */
  readonly because: string;
}

/** I/O ports as IN and OUT see them; values are unsigned. */
export interface PortBus {
  read(port: number, bytes: 1 | 2 | 4): number;
  write(port: number, bytes: 1 | 2 | 4, value: number): void;
}

/** What the processor asks the interrupt controller at its INTR pin. */
export interface InterruptController {
  pending(): boolean;
  /** Vector of the interrupt, which becomes "in service". */
  acknowledge(): number;
}

/** The processor's own local APIC, whose mode and half of whose registers are behind MSRs and CR8. */
export interface ApicPort {
  /** IA32_APIC_BASE has changed to a value whose transition is allowed. */
  baseChanged(value: bigint): void;
  /** The processor has got INIT. */
  initialized(): void;
  /** RDMSR of 800h to 8FFh; undefined: #GP(0). */
  readRegister(index: number): bigint | undefined;
  /** WRMSR of 800h to 8FFh; `refused`: #GP(0). */
  writeRegister(index: number, value: bigint): 'refused' | 'written';
  readDeadline(): bigint;
  writeDeadline(value: bigint): void;
  /** MOV to CR8. */
  setTaskPriorityClass(priorityClass: number): void;
  /** The time-stamp counter was written: what waits for it must be computed anew. */
  timeStampChanged(): void;
}

/** Facts about VMX that the rest of the processor needs; implemented by `vmx/`, plugged in by `machine/`. */
export interface VmxPort {
  /** Value of a capability MSR 480h-493h; undefined where it does not exist. */
  readCapabilityMsr(index: number): bigint | undefined;
  /** Whether "unrestricted guest" is in force: CR0.PE and CR0.PG are then not fixed in VMX non-root operation. */
  unrestrictedGuest(): boolean;
}

/** Instructions that ask the port below, with the facts the decision needs. */
export type InterceptedInstruction =
  | {
      readonly kind:
        | 'cpuid'
        | 'hlt'
        | 'invd'
        | 'wbinvd'
        | 'getsec'
        | 'xsetbv'
        | 'xsaves'
        | 'xrstors'
        | 'rdtsc'
        | 'rdtscp'
        | 'rdpmc'
        | 'pause'
        | 'monitor'
        | 'mwait'
        | 'rsm';
    }
  | {
      readonly kind: 'vmx';
      readonly mnemonic:
        | 'vmcall'
        | 'vmclear'
        | 'vmlaunch'
        | 'vmptrld'
        | 'vmptrst'
        | 'vmread'
        | 'vmresume'
        | 'vmwrite'
        | 'vmxoff'
        | 'vmxon'
        | 'invept'
        | 'invvpid';
    }
  | { readonly kind: 'invlpg'; readonly linear: bigint }
  | { readonly kind: 'invpcid' }
  | {
      readonly kind: 'io';
      readonly port: number;
      readonly bytes: 1 | 2 | 4;
      readonly direction: 'in' | 'out';
      readonly string: boolean;
      readonly rep: boolean;
      readonly immediate: boolean;
      readonly linear: bigint;
    }
  | { readonly kind: 'rdmsr' | 'wrmsr'; readonly msr: number }
  | { readonly kind: 'mov-to-cr'; readonly cr: 0 | 3 | 4 | 8; readonly register: number; readonly value: bigint }
  | { readonly kind: 'mov-from-cr'; readonly cr: 3 | 8; readonly register: number }
  | { readonly kind: 'clts' }
  | { readonly kind: 'lmsw'; readonly source: number; readonly memory: boolean; readonly linear: bigint }
  | { readonly kind: 'mov-dr'; readonly dr: number; readonly register: number; readonly direction: 'to' | 'from' }
  | {
      readonly kind: 'descriptor-table';
      readonly mnemonic: 'lgdt' | 'lidt' | 'sgdt' | 'sidt' | 'lldt' | 'ltr' | 'sldt' | 'str';
    }
  | { readonly kind: 'rdrand' | 'rdseed' }
  | { readonly kind: 'task-switch'; readonly selector: number; readonly source: 'call' | 'iret' | 'jmp' };

/**
 * What VT-x may do to an instruction or event in VMX non-root operation. Declared here because the processor asks;
 * implemented by `vmx/`. All are called only while `state.vmxMode` is non-root. "Exits" means: the VM exit has been taken
 * (guest state saved, host state loaded) and `VmExitTaken` is thrown.
 */
export interface Intercepts {
  /** Exits if the controls say so, otherwise returns. */
  instruction(what: InterceptedInstruction, instruction: DecodedInstruction): void;
  /** Value a MOV to CR0/CR4 (or LMSW, CLTS) really writes under the guest/host mask; called after `instruction` did not exit. */
  writableControlRegister(cr: 0 | 4, value: bigint): bigint;
  /** Value a guest reads from CR0/CR4 under mask and read shadow. */
  readControlRegister(cr: 0 | 4): bigint;
  /** Exits if the exception bitmap (with the page-fault mask and match) says so. */
  exception(event: DeliveredEvent): void;
  /** Exits for the task switch of an event that met a task gate in the IDT. */
  taskGate(selector: number): void;
  /** Exits for a triple fault. */
  tripleFault(): void;
  /** True when external interrupts cause VM exits (RFLAGS.IF then does not matter). */
  externalInterruptsExit(): boolean;
  /** Takes the exit; with "acknowledge interrupt on exit" the vector comes from `acknowledge()`. */
  externalInterrupt(acknowledge: () => number): void;
  /** INIT: always exits. */
  initSignal(): void;
  /** A start-up IPI in the wait-for-SIPI state: always exits. */
  startUp(vector: number): void;
  /** Called at an instruction boundary: exits if an interrupt or NMI window is open and asked for, or the preemption timer expired. */
  boundary(): void;
  /** Whether `boundary` may have something to do before the next event: keeps the fast loop fast. */
  wantsBoundary(): boolean;
  /** EPT found no permission or a malformed entry: takes exit 48 or 49. `linear` undefined for accesses to paging structures of the guest's own walk that have no linear address. */
  eptFault(fault: EptFault): never;
  /** RDTSC value seen by the guest, offset and scaled. */
  timeStampCounter(value: bigint): bigint;
  /** Event whose delivery is in progress, for IDT-vectoring information; undefined ends it. */
  vectoring(event: DeliveredEvent | undefined): void;
  /** The instruction (opcode of the VMX group) executed in VMX root operation or outside VMX; also in non-root after `instruction` did not exit. */
}

export interface EptFault {
  readonly kind: 'violation' | 'misconfiguration';
  readonly guestPhysical: number;
  readonly linear: bigint | undefined;
  /** Bits 0-2 of the qualification: data read, data write, fetch. */
  readonly access: { readonly read: boolean; readonly write: boolean; readonly execute: boolean };
  /** AND of the permissions of all entries used, bits 3-5. */
  readonly permissions: number;
  /** The access is to a paging-structure entry during a walk, not to the final address (bit 8 clear). */
  readonly duringWalk: boolean;
}
