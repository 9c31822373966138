/** The engine's facade: the only way in for the debugger, the adapter and the language server. */
import { HyperstepMachine } from './machine/machine.ts';
import type { Machine, MachineOptions } from './machine/types.ts';

/** A machine with the program loaded, about to execute its first instruction. */
export const createMachine = (options: MachineOptions): Machine => new HyperstepMachine(options);

export { assemble } from './assembler/assemble.ts';
export type { AssemblyResult } from './assembler/assemble.ts';
export { formsOf, listMnemonics } from './assembler/instruction/forms.ts';
export { assembleProgram } from './assembler/program.ts';
export type { SymbolReference } from './assembler/symbols.ts';
export type { Diagnostic } from './base/diagnostic.ts';
export type { CodeBits, LineSpan, Program, ProgramResult, ProgramSymbol } from './base/program.ts';
export { chooseFeatures, CPU_PRESETS, FEATURE_NAMES } from './cpu/features.ts';
export type { CpuChoice, CpuPreset, FeatureName } from './cpu/features.ts';
export { DISK_SECTOR_BYTES } from './devices/ide/disk.ts';
export type { DiskSource } from './devices/ide/disk.ts';
export type { TextScreen } from './devices/vga-screen.ts';
export { vectorName } from './cpu/guest-fault.ts';
export { REGISTERS, REGISTER_NAMES } from './cpu/registers.ts';
export type { BitField, RegisterName, RegisterRow } from './cpu/registers.ts';
export { HOST_SYMBOLS } from './hypervisor/host-layout.ts';
export { codeFacts } from './isa/codes.ts';
export { disassemble } from './isa/disassemble.ts';
export type { DisassembledInstruction } from './isa/disassemble.ts';
export { allRegisters } from './isa/registers.ts';
export { loadElfSymbols } from './loader/elf.ts';
export { loadProgram } from './loader/load.ts';
export { MAX_CPUS } from './execution/engine-memory.ts';
export { joinedRamDisk, withMultibootModules } from './loader/modules.ts';
export type { KernelModule } from './loader/modules.ts';
export { MAX_MEMORY_BYTES } from './machine/memory-limit.ts';
export type {
  AddressSpace,
  ConsoleSource,
  CpuModeView,
  EntryFailure,
  FaultRecord,
  HandlerState,
  Machine,
  MachineMode,
  MachineOptions,
  SegmentView,
  Stop,
  VmcsFieldView,
  VmExitRecord,
  Watchpoint,
} from './machine/types.ts';
export type { EntryVerdict, EptStep, EptVerdict, EptWalk, Walk, WalkStep } from './memory/walk-types.ts';
export { CONTROL_GROUPS, CONTROL_KEYS, CONTROLS } from './vmx/controls.ts';
export type { ControlGroup } from './vmx/controls.ts';
export { EXIT_NAMES, EXIT_REASONS, exitReason } from './vmx/exit-reasons.ts';
export type { ExitGroup } from './vmx/exit-reasons.ts';
export { describeExit, describeQualification, QUALIFICATION_FIELDS } from './vmx/index.ts';
export { instructionErrorMeaning } from './vmx/instruction-errors.ts';
export type { ExitName, FailedEntryCheck, VmExit, VmcsFieldKey, VmcsFieldWrite } from './vmx/types.ts';
export { VMCS_FIELD_KEYS, vmcsField, vmcsFields } from './vmx/vmcs-fields.ts';
export type { FieldArea, VmcsField } from './vmx/vmcs-fields.ts';
