/** How VMX instructions end: VMsucceed, VMfailInvalid, VMfailValid (SDM Vol. 3C, "Conventions", 30.2). */
import type { Cpu } from '../cpu/context.ts';
import { CF, ZF } from '../cpu/flags.ts';
import type { VmxContext } from './context.ts';
import type { EntryCheckReport, VmInstructionFailure, VmxMnemonic } from './types.ts';

export function succeed(cpu: Cpu): void {
  cpu.state.arithmeticFlags = 0;
}

/** Why a VMX instruction failed, before the machine's own facts are added. */
export interface FailureFacts {
  readonly instruction: VmxMnemonic;
  /** CS base + RIP of the instruction; absent: where the processor is now. */
  readonly linear?: bigint;
  readonly failure?: VmInstructionFailure;
  readonly exitReason?: number;
  readonly qualification?: bigint;
  readonly reports?: readonly EntryCheckReport[];
}

/** Tells the machine, with the places of the last writes. */
export function failed(vmx: VmxContext, facts: FailureFacts): void {
  vmx.events.instructionFailed({
    instruction: facts.instruction,
    linear: facts.linear ?? vmx.cpu.state.linearRip,
    failure: facts.failure,
    exitReason: facts.exitReason,
    qualification: facts.qualification ?? 0n,
    failed: vmx.withWrites(vmx.hasCurrent ? vmx.current : undefined, facts.reports ?? []),
  });
}

export function failInvalid(
  vmx: VmxContext,
  instruction: VmxMnemonic,
  reports: readonly EntryCheckReport[] = [],
): void {
  vmx.cpu.state.arithmeticFlags = CF;
  failed(vmx, { instruction, failure: { kind: 'VMfailInvalid' }, reports });
}

/** VMfailValid where there is a current VMCS to hold the number. */
export function failValid(
  vmx: VmxContext,
  instruction: VmxMnemonic,
  error: number,
  reports: readonly EntryCheckReport[] = [],
): void {
  vmx.current.writeLow('VM_INSTRUCTION_ERROR', error);
  vmx.cpu.state.arithmeticFlags = ZF;
  failed(vmx, { instruction, failure: { kind: 'VMfailValid', error }, reports });
}

/** VMfail: valid with a current VMCS, else invalid. */
export function fail(vmx: VmxContext, instruction: VmxMnemonic, error: number): void {
  if (vmx.hasCurrent) failValid(vmx, instruction, error);
  else failInvalid(vmx, instruction);
}
