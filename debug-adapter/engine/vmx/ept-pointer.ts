/** Rules for an EPT pointer, judged by VM entry and by INVEPT alike (SDM Vol. 3C, "Extended-Page-Table Pointer", 24.6.11). */
import { EPT_VPID_CAPABILITIES } from './capabilities.ts';

export interface EptPointerRule {
  readonly id: string;
  readonly rule: string;
  readonly holds: (pointer: bigint, physicalBits: number) => boolean;
  readonly remedy: string;
}

const MEMORY_TYPE_UC = 0n;
const MEMORY_TYPE_WB = 6n;
const capable = (bit: number) => (EPT_VPID_CAPABILITIES & (1n << BigInt(bit))) !== 0n;

export const eptPointerProblems: readonly EptPointerRule[] = [
  {
    id: 'EXEC-23',
    rule: 'The memory type of the EPT structures, EPTP bits 2:0, is one that IA32_VMX_EPT_VPID_CAP offers.',
    holds: (pointer) =>
      ((pointer & 7n) === MEMORY_TYPE_UC && capable(8)) || ((pointer & 7n) === MEMORY_TYPE_WB && capable(14)),
    remedy: 'use 6 (write-back) or 0 (uncacheable) in bits 2:0',
  },
  {
    id: 'EXEC-24',
    rule: 'The EPT page-walk length, EPTP bits 5:3, is 3 (four levels).',
    holds: (pointer) => ((pointer >> 3n) & 7n) === 3n,
    remedy: 'use 3 in bits 5:3: an EPTP is the table address + 1Eh for write-back and four levels',
  },
  {
    id: 'EXEC-26',
    rule: 'EPTP bits 11:7 and those beyond the physical-address width are 0 (bit 6 enables accessed and dirty flags, which exist here).',
    holds: (pointer, physicalBits) => (pointer & 0xf80n) === 0n && pointer >> BigInt(physicalBits) === 0n,
    remedy: 'use a 4 KiB aligned table address within the physical-address width and clear bits 11:7',
  },
];

export const eptPointerIsValid = (pointer: bigint, physicalBits: number): boolean =>
  eptPointerProblems.every((rule) => rule.holds(pointer, physicalBits));
