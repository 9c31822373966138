/** `hyperstep/exits`: the log of VM exits and their counts. */
import type { CodePlace, Hex } from './values.ts';

export interface ExitsArguments {
  /** Index into the kept log, oldest first; a negative one counts from the end (-100: the last hundred). */
  readonly start: number;
  /** At most this many rows; 0 asks for the counts alone. */
  readonly count: number;
}

export interface ExitsBody {
  /** Exits since reset. */
  readonly total: number;
  /** Rows the log still holds; the oldest are dropped above a cap. */
  readonly kept: number;
  /** Index of the first row below. */
  readonly start: number;
  readonly rows: readonly ExitRow[];
  /** Since reset, the most frequent first. */
  readonly counts: readonly ExitCount[];
}

export interface ExitRow {
  /** Counts from 1 since reset. */
  readonly number: number;
  /** Instructions retired before it. */
  readonly instruction: number;
  readonly threadId: number;
  /** Name of the exit as conditions spell it: `cpuid`, `eptViolation`. */
  readonly name: string;
  /** As the SDM prints it: `EPT violation`. */
  readonly title: string;
  readonly basicReason: number;
  readonly entryFailure: boolean;
  readonly guestRip: Hex;
  readonly place: CodePlace;
  readonly qualification: Hex;
  /** The exit in words: `OUT 3f8h, 1 byte`, `write to guest-physical 0xfee00000: not mapped`. */
  readonly summary: string;
  readonly payload: readonly { readonly name: string; readonly value: Hex }[];
}

export interface ExitCount {
  readonly name: string;
  readonly title: string;
  readonly count: number;
  /** Of all exits, 0 to 1. */
  readonly share: number;
}
