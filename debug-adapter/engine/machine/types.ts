/**
 * The machine's vocabulary as the debugger sees it: what can be asked, why it stopped, what it did.
 * Values only; the class that does it is `machine.ts`.
 */
import type { CodeBits, Program } from '../base/program.ts';
import type { EptWalk, Walk, WalkAccess } from '../memory/walk-types.ts';
import type { CpuChoice } from '../cpu/features.ts';
import type { RegisterName } from '../cpu/registers.ts';
import type { AbsentDevices } from '../devices/device.ts';
import type { DiskSource } from '../devices/ide/disk.ts';
import type { TextScreen } from '../devices/vga-screen.ts';
import type { FaultRecord } from '../cpu/context.ts';
import type { VmExit, VmcsFieldKey, VmcsFieldWrite, VmxInstructionFailed } from '../vmx/types.ts';
import type { HandlerStep } from '../hypervisor/steps.ts';
export type { FaultRecord } from '../cpu/context.ts';
export type { HandlerStep } from '../hypervisor/steps.ts';

/**
 * - `bare`: the program owns the simulated machine and may run its own VMXON ... VMLAUNCH.
 * - `vm`: the built-in hypervisor runs the program in VMX non-root operation under EPT.
 */
export type MachineMode = 'bare' | 'vm';

export interface MachineOptions {
  readonly program: Program;
  readonly mode: MachineMode;
  /** Guest-physical memory in bytes, a multiple of 4 KiB. */
  readonly memoryBytes: number;
  /** 1 to `MAX_CPUS`; one where absent. In mode `vm` there is one. */
  readonly processors?: number;
  /** Which processor; everything built where absent. What cannot be had throws: ask `chooseFeatures` first. */
  readonly cpu?: CpuChoice;
  /** Bytes the guest sends to COM1, port E9h or the firmware's teletype, as they come. */
  readonly onConsole: (bytes: Uint8Array, source: ConsoleSource) => void;
  /** The hard disk: device 0 of the primary IDE channel. What the guest writes stays in the machine. */
  readonly disk?: DiskSource;
  /** What accesses do where there is no device; `stop` where absent. */
  readonly absentDevices?: AbsentDevices;
  /** Told, once for each port or page, what floats where `absentDevices` is `float`. */
  readonly onAbsentDevice?: (text: string) => void;
}

export type ConsoleSource = 'com1' | 'e9' | 'firmware' | 'hypercall';

export type AddressSpace = 'linear' | 'guest-physical' | 'host-physical';

/** One VM exit as the log keeps it. */
export interface VmExitRecord {
  /** Counts from 1 since reset. */
  readonly number: number;
  /** Instructions retired before it. */
  readonly instruction: number;
  readonly cpu: number;
  readonly exit: VmExit;
  /** Guest RIP saved in the VMCS. */
  readonly guestRip: bigint;
  /** Guest CS base + RIP. */
  readonly guestLinearRip: bigint;
}

/** The handler that is being run between a VM exit and the next VM entry (mode `vm` only). */
export interface HandlerState {
  readonly handler: string;
  readonly exit: VmExitRecord;
  /** Steps already completed, in order. */
  readonly done: readonly HandlerStep[];
  /** The step that runs next. */
  readonly next: HandlerStep;
}

/** Why `run` returned; what it is about happened on processor `Machine.current`. */
export type Stop =
  /** The instruction budget of the request is used up (also how single steps end). */
  | { readonly kind: 'budget' }
  /** The processor whose instructions are counted waits, and the others have run for a while: ask again. */
  | { readonly kind: 'waiting' }
  /** `pause` was asked for. */
  | { readonly kind: 'pause' }
  /** About to execute an address in `StopConditions.breakpoints`. */
  | { readonly kind: 'breakpoint'; readonly linear: bigint }
  /** A watched range was touched; the instruction that did it has completed. */
  | { readonly kind: 'watchpoint'; readonly id: number; readonly linear: bigint; readonly access: 'read' | 'write' }
  /** A VM exit matched; state is the host's, the next thing to run is the exit handler's first step or instruction. */
  | { readonly kind: 'vm-exit'; readonly record: VmExitRecord }
  /** A step of the built-in hypervisor's handler has completed. */
  | { readonly kind: 'handler-step'; readonly state: HandlerState | undefined }
  /** The guest raised an exception that matched; it is about to be delivered. */
  | { readonly kind: 'exception'; readonly fault: FaultRecord }
  /** VMLAUNCH or VMRESUME (or another VMX instruction) failed and `StopConditions.vmEntryFailure` is set. */
  | { readonly kind: 'vm-entry-failure'; readonly report: EntryFailure }
  | { readonly kind: 'triple-fault'; readonly chain: readonly FaultRecord[] }
  /** Something the machine does not implement: it stops rather than guess. */
  | { readonly kind: 'unimplemented'; readonly what: string; readonly bytes: Uint8Array; readonly linear: bigint }
  /**
   * The program reached for a physical address where there is neither memory nor a device. `linear` is the instruction (for a
   * fetch: the place it cannot be fetched from), `from` the one that led there, as far as known.
   */
  | {
      readonly kind: 'nowhere';
      readonly address: number;
      readonly access: 'fetch' | 'read' | 'write';
      readonly linear: bigint;
      readonly from: bigint | undefined;
    }
  /** HLT (or shutdown) from which no enabled event can ever wake any processor. */
  | { readonly kind: 'halted'; readonly because: string }
  /** The guest ended the machine (port F4h, 8900h); `status` is the process status isa-debug-exit defines. */
  | { readonly kind: 'power-off'; readonly status: number };

/** A VMX instruction that failed, with every check that fails and where its fields were last written. */
export type EntryFailure = VmxInstructionFailed;

export interface Watchpoint {
  readonly id: number;
  readonly linear: bigint;
  readonly bytes: number;
  readonly access: 'read' | 'write' | 'readWrite';
}

export interface StopConditions {
  /** Linear addresses (CS base + RIP). */
  readonly breakpoints: ReadonlySet<bigint>;
  readonly watchpoints: readonly Watchpoint[];
  readonly vmExit: (record: VmExitRecord) => boolean;
  readonly exception: (fault: FaultRecord) => boolean;
  readonly vmEntryFailure: boolean;
}

export interface RunRequest {
  /** At most this many instructions (or handler steps) are retired; 1 = single step. */
  readonly maxInstructions: number;
  /**
   * Only instructions of this processor count; of all where absent. The others run in their turns as ever: which processor
   * executes what in which order never depends on who is watching.
   */
  readonly cpu?: number;
  /** Do not stop on a breakpoint at the very first instruction: of the processor that stopped, and of the one that counts. */
  readonly ignoreFirstBreakpoint: boolean;
  /** Whether each completed handler step of the built-in hypervisor stops (`stepIn`), or handlers run through. */
  readonly handlerSteps: 'stop' | 'run';
}

export interface SegmentView {
  readonly name: 'ES' | 'CS' | 'SS' | 'DS' | 'FS' | 'GS' | 'LDTR' | 'TR';
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  /** Access rights in the VMCS format (SDM Vol. 3C, "Guest Register State", 24.4.1). */
  readonly accessRights: number;
}

/** What kind of code the processor is running now. */
export interface CpuModeView {
  readonly operation: 'real' | 'virtual-8086' | 'protected' | 'compatibility' | '64-bit';
  readonly bits: CodeBits;
  readonly cpl: 0 | 1 | 2 | 3;
  readonly paging: 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';
  readonly vmx: 'off' | 'root' | 'non-root';
  readonly activity: 'active' | 'hlt' | 'shutdown' | 'wait-for-sipi';
}

export interface VmcsFieldView {
  readonly key: VmcsFieldKey;
  readonly value: bigint;
}

/** Reads the machine without changing anything: no accessed bit, no TLB fill, no FIFO pop. */
export interface Inspector {
  mode(cpu: number): CpuModeView;
  register(cpu: number, name: RegisterName): bigint;
  segments(cpu: number): readonly SegmentView[];
  /** Bytes readable from `address` on; shorter than asked where memory ends or is not mapped. */
  readMemory(space: AddressSpace, address: bigint, bytes: number, cpu: number): Uint8Array;
  /** The guest's own page walk for `linear`, each table read with its EPT walk where EPT is on. Works from stored guest state while a handler runs. */
  walk(linear: bigint, access: WalkAccess, cpu: number): Walk;
  walkEpt(guestPhysical: number, access: WalkAccess, cpu: number): EptWalk | undefined;
  /** Guest-physical address of a current VMCS and all its fields; undefined where there is none. */
  vmcs(
    cpu: number,
  ): { readonly address: number; readonly launched: boolean; readonly fields: readonly VmcsFieldView[] } | undefined;
  lastVmcsWrite(field: VmcsFieldKey, cpu: number): VmcsFieldWrite;
  /** Devices with their registers, for views. */
  devices(): readonly {
    readonly name: string;
    readonly registers: readonly { readonly name: string; readonly value: number; readonly meaning: string }[];
  }[];
  /** What the VGA shows. */
  textScreen(): TextScreen;
}

/** What `engine/index.ts` hands out: one whole machine. */
export interface Machine {
  readonly options: MachineOptions;
  readonly cpuCount: number;
  /** The processor that ran last: a stop is about it. */
  readonly current: number;
  readonly inspect: Inspector;
  /** Instructions retired since reset, on all processors. */
  readonly instructionsRetired: number;
  /** Exits since reset in order; the oldest are dropped above a fixed cap, `exitCounts` never. */
  readonly exits: readonly VmExitRecord[];
  readonly exitCounts: ReadonlyMap<string, number>;
  /** The running handler of the built-in hypervisor; undefined while guest code is next. */
  readonly handler: HandlerState | undefined;
  setStopConditions(conditions: StopConditions): void;
  /** Runs synchronously. Never throws for anything a guest does. */
  run(request: RunRequest): Stop;
  /** Back to power-on with the same options; stop conditions stay. */
  reset(): void;
  /** Sets a register as a debugger does; returns why not (a sentence) where the processor could not hold the value. */
  setRegister(cpu: number, name: RegisterName, value: bigint): string | undefined;
  setVmcsField(cpu: number, field: VmcsFieldKey, value: bigint): string | undefined;
  /** Writes through translation without setting accessed bits; returns bytes written. */
  writeMemory(space: AddressSpace, address: bigint, bytes: Uint8Array, cpu: number): number;
  /** Console input for COM1, stamped with the current instruction count. */
  sendInput(bytes: Uint8Array): void;
  /** Keys pressed and released, as bytes of scan code set 1 (80h: released), stamped with the current instruction count. */
  sendKeys(scanCodes: Uint8Array): void;
  /** Sectors of the disk that the guest has written since reset, with what is in them, by number. */
  readonly diskChanges: ReadonlyMap<number, Uint8Array>;
  /** WASM to JS calls since reset, for the bench. */
  readonly crossings: number;
}
