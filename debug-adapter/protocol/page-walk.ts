/** `hyperstep/pageWalk`: how one linear address is translated now. Asking changes nothing in the machine. */
import type { DecodedField, Hex, MemoryReference } from './values.ts';

export interface PageWalkArguments {
  readonly threadId?: number;
  /** An address or any expression `evaluate` takes: `0x401000`, `rip`, `user_task+8`. */
  readonly address: string;
  /** Default `read`. */
  readonly access?: 'read' | 'write' | 'execute';
  /** Check the walk as CPL 3 would be checked; default: as the CPL of now. */
  readonly user?: boolean;
}

export interface PageWalkBody {
  readonly linear: Hex;
  readonly mode: 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';
  readonly cr3: Hex;
  readonly access: 'read' | 'write' | 'execute';
  readonly user: boolean;
  readonly steps: readonly PageWalkStep[];
  readonly guestPhysical?: Hex;
  readonly guestPhysicalReference?: MemoryReference;
  /** Walk of the final guest-physical address, where EPT is on. */
  readonly ept?: EptWalkBody;
  readonly hostPhysical?: Hex;
  readonly hostPhysicalReference?: MemoryReference;
  readonly pageBytes?: number;
  /** What stops the walk, in one sentence; absent where it succeeds. */
  readonly failure?: string;
  /** Memory references of a cold TLB. */
  readonly references: number;
  /** Whether guest-physical and host-physical addresses differ in kind: EPT is on. */
  readonly nested: boolean;
}

export interface TableEntry {
  /** `PML4E`, `PTE`, `EPT PDE` ... */
  readonly level: string;
  readonly index: number;
  readonly entryAddress: Hex;
  readonly entryReference: MemoryReference;
  readonly entry: Hex;
  readonly entryBytes: number;
  /** The entry maps a page. */
  readonly leaf: boolean;
  /** Flags that are set, in bit order. */
  readonly flags: readonly string[];
  /** Every bit and bit field of the entry with its meaning. */
  readonly fields: readonly DecodedField[];
  /** Table or page that the entry points at. */
  readonly points: Hex;
  readonly pointsReference: MemoryReference;
  /** This entry ends the walk. */
  readonly failing: boolean;
  /** Why it does, in words: `not present`. `ok` otherwise. */
  readonly verdict: string;
}

export interface PageWalkStep extends TableEntry {
  /** EPT walk of `entryAddress`, where EPT is on. */
  readonly ept?: EptWalkBody;
}

export interface EptWalkBody {
  readonly guestPhysical: Hex;
  readonly eptPointer: Hex;
  readonly steps: readonly TableEntry[];
  readonly hostPhysical?: Hex;
  readonly hostPhysicalReference?: MemoryReference;
  readonly pageBytes?: number;
  readonly failure?: string;
}
