/** What VT-x looks like to the rest of the engine. The tables behind these names are beside this file. */
import type { ExitName } from './exit-reasons.ts';
import type { VmcsFieldKey } from './vmcs-fields.ts';
export type { ExitName } from './exit-reasons.ts';
export type { VmcsFieldKey } from './vmcs-fields.ts';

/** VMfailInvalid (CF) or VMfailValid (ZF and the VM-instruction error field). SDM Vol. 3C, "Conventions", 30.2. */
export type VmInstructionFailure =
  { readonly kind: 'VMfailInvalid' } | { readonly kind: 'VMfailValid'; readonly error: number };

/** One VM exit with everything its handler needs, as the VMCS exit-information fields hold it. */
export interface VmExit {
  readonly name: ExitName;
  /** Basic exit reason, bits 15:0. */
  readonly basicReason: number;
  /** Bit 31 of the exit reason. */
  readonly entryFailure: boolean;
  readonly qualification: bigint;
  readonly instructionBytes: number;
  /** VM-exit interruption information, 0 where its valid bit is clear. */
  readonly interruptionInformation: number;
  readonly interruptionErrorCode: number;
  readonly idtVectoringInformation: number;
  readonly guestLinear: bigint;
  readonly guestPhysical: bigint;
  /** Decoded facts that conditions and views may name: `port`, `size`, `direction`, `gpa`, `msr`, `cr`, `vector`, `leaf` ... */
  readonly payload: Readonly<Record<string, bigint>>;
}

/** One VM-entry check that fails. */
export interface EntryCheckReport {
  /** Id of the rule, for example `GSEG-17`. */
  readonly id: string;
  /** SDM section title and number. */
  readonly section: string;
  /** The rule in one sentence. */
  readonly rule: string;
  readonly fields: readonly VmcsFieldKey[];
  readonly values: readonly bigint[];
  /** What the value would have to be, in words. */
  readonly remedy: string;
}

/** Where a VMCS field was last written. */
export interface VmcsFieldWrite {
  readonly field: VmcsFieldKey;
  /** Instructions retired before the VMWRITE; undefined: never written since VMCLEAR. */
  readonly instruction: number | undefined;
  /** CS base + RIP of the VMWRITE; undefined with an instruction count: a debugger wrote it. */
  readonly linear: bigint | undefined;
}

/** A VM-entry check that fails, with the writes that made it so. */
export interface FailedEntryCheck extends EntryCheckReport {
  readonly lastWrites: readonly VmcsFieldWrite[];
}

export type VmxMnemonic =
  | 'VMLAUNCH'
  | 'VMRESUME'
  | 'VMXON'
  | 'VMCLEAR'
  | 'VMPTRLD'
  | 'VMREAD'
  | 'VMWRITE'
  | 'INVEPT'
  | 'INVVPID'
  | 'VMCALL'
  | 'VMXOFF'
  | 'VMPTRST'
  | 'VMFUNC';

/** A VMX instruction that failed: with CF or ZF set, or (VM entry only) with a VM exit whose reason has bit 31 set. */
export interface VmxInstructionFailed {
  readonly instruction: VmxMnemonic;
  /** CS base + RIP of the instruction. */
  readonly linear: bigint;
  readonly failure: VmInstructionFailure | undefined;
  /** Basic exit reason 33 or 34 where entry failed after loading began. */
  readonly exitReason: number | undefined;
  readonly qualification: bigint;
  /** Every check that fails, in the order of the manual. */
  readonly failed: readonly FailedEntryCheck[];
}

/** What VT-x tells the machine. Both are called after the new state is in place. */
export interface VmxEvents {
  /** A VM exit was taken, failed entries included. `guestRip` is the RIP in the VMCS, `guestLinearRip` CS base + RIP. */
  exit(exit: VmExit, guestRip: bigint, guestLinearRip: bigint): void;
  /** A VMX instruction failed; for an entry that fails with an exit this comes before `exit`. */
  instructionFailed(failure: VmxInstructionFailed): void;
}
