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
