/** What a page walk looks like to somebody who reads it: one step per table entry read. */

export interface WalkAccess {
  readonly kind: 'read' | 'write' | 'execute';
  /** CPL 3 access. */
  readonly user: boolean;
}

export type PagingLevel = 'PML5E' | 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
export type EptLevel = 'EPT PML4E' | 'EPT PDPTE' | 'EPT PDE' | 'EPT PTE';

/** Why an entry ends the walk; `ok` where it does not. */
export type EntryVerdict =
  | 'ok'
  | 'not-present'
  | 'reserved-bits'
  | 'not-writable'
  | 'supervisor-only'
  | 'user-page-smep'
  | 'user-page-smap'
  | 'execute-disabled'
  | 'protection-key'
  | 'table-unreadable'
  | 'non-canonical';

export type EptVerdict = 'ok' | 'not-present' | 'not-readable' | 'not-writable' | 'not-executable' | 'misconfigured';

export interface WalkStep {
  readonly level: PagingLevel;
  /** Guest-physical address of the entry. */
  readonly entryAddress: number;
  readonly index: number;
  readonly entry: bigint;
  /** 4 or 8. */
  readonly entryBytes: number;
  /** The entry maps a page (not a table). */
  readonly leaf: boolean;
  /** Names of the flags that are set, in bit order: `P`, `R/W`, `U/S`, `A`, `D`, `PS`, `G`, `XD` ... */
  readonly flags: readonly string[];
  /** Address field of the entry: next table or page. */
  readonly points: number;
  readonly verdict: EntryVerdict;
  /** The EPT walk of `entryAddress`, where EPT is on. */
  readonly ept: EptWalk | undefined;
}

export interface EptStep {
  readonly level: EptLevel;
  /** Host-physical address of the entry. */
  readonly entryAddress: number;
  readonly index: number;
  readonly entry: bigint;
  readonly leaf: boolean;
  /** `R`, `W`, `X`, `A`, `D`, `PS`, memory type ... */
  readonly flags: readonly string[];
  readonly points: number;
  readonly verdict: EptVerdict;
}

export interface EptWalk {
  readonly guestPhysical: number;
  readonly eptPointer: bigint;
  readonly steps: readonly EptStep[];
  /** Undefined where the walk fails. */
  readonly hostPhysical: number | undefined;
  readonly pageBytes: number | undefined;
  /** One sentence naming what stops the walk. */
  readonly failure: string | undefined;
}

export interface Walk {
  readonly linear: bigint;
  readonly mode: 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';
  readonly cr3: bigint;
  readonly access: WalkAccess;
  readonly steps: readonly WalkStep[];
  /** Undefined where the walk fails. */
  readonly guestPhysical: number | undefined;
  /** The EPT walk of the final guest-physical address, where EPT is on. */
  readonly ept: EptWalk | undefined;
  /** Undefined where either walk fails; equals `guestPhysical` without EPT. */
  readonly hostPhysical: number | undefined;
  readonly pageBytes: number | undefined;
  /** One sentence naming what stops the walk: `#PF: PDE not present`, `EPT violation: PTE not writable`. */
  readonly failure: string | undefined;
  /** Memory references the hardware would make on a cold TLB (table reads including EPT ones). */
  readonly references: number;
}
