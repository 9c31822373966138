import type { DeliveredEvent } from '../cpu/context.ts';

/** What an exit records besides its reason; absent fields are not defined for the exit and become 0. */
export interface ExitFacts {
  readonly qualification?: bigint;
  /** For exits caused by executing an instruction. */
  readonly instructionBytes?: number;
  readonly instructionInformation?: number;
  /** For exits caused by an event: exception, NMI, acknowledged interrupt. */
  readonly event?: DeliveredEvent;
  readonly guestLinear?: bigint;
  readonly guestPhysical?: number;
  /** RFLAGS.RF of the saved image: instructions save 0, faults and EPT violations 1; absent: as it is. */
  readonly resumeFlag?: 0 | 1;
  /** Facts for conditions and views that the VMCS has no field for. */
  readonly payload?: Readonly<Record<string, bigint>>;
}
