/** Names of the bits in paging-structure entries, for views (SDM Vol. 3A, tables 4-5 to 4-20; Vol. 3C, tables 28-1 to 28-6). */
import { unreachable } from '../base/unreachable.ts';

export interface EntryFlag {
  readonly name: string;
  readonly bit: number;
  /** Entries that have it; everywhere where absent. */
  readonly only?: 'leaf' | 'large leaf' | 'PTE' | '64-bit';
}

export const ENTRY_FLAGS: readonly EntryFlag[] = [
  { name: 'P', bit: 0 },
  { name: 'R/W', bit: 1 },
  { name: 'U/S', bit: 2 },
  { name: 'PWT', bit: 3 },
  { name: 'PCD', bit: 4 },
  { name: 'A', bit: 5 },
  { name: 'D', bit: 6, only: 'leaf' },
  { name: 'PAT', bit: 7, only: 'PTE' },
  { name: 'PS', bit: 7, only: 'large leaf' },
  { name: 'G', bit: 8, only: 'leaf' },
  { name: 'PAT', bit: 12, only: 'large leaf' },
  { name: 'XD', bit: 63, only: '64-bit' },
];

export const EPT_ENTRY_FLAGS: readonly EntryFlag[] = [
  { name: 'R', bit: 0 },
  { name: 'W', bit: 1 },
  { name: 'X', bit: 2 },
  { name: 'ignore PAT', bit: 6, only: 'leaf' },
  { name: 'PS', bit: 7, only: 'large leaf' },
  { name: 'A', bit: 8 },
  { name: 'D', bit: 9, only: 'leaf' },
];

export const MEMORY_TYPE_NAMES: Readonly<Record<number, string>> = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };

/** Names of the flags set in an entry, in bit order. */
export function flagNames(
  flags: readonly EntryFlag[],
  entry: bigint,
  entryBytes: 4 | 8,
  level: number,
  leaf: boolean,
): readonly string[] {
  const exists = (flag: EntryFlag): boolean => {
    switch (flag.only) {
      case undefined:
        return true;
      case 'leaf':
        return leaf;
      case 'large leaf':
        return leaf && level > 0;
      case 'PTE':
        return level === 0;
      case '64-bit':
        return entryBytes === 8;
      default:
        return unreachable(flag.only);
    }
  };
  return flags.filter((flag) => exists(flag) && ((entry >> BigInt(flag.bit)) & 1n) === 1n).map((flag) => flag.name);
}
