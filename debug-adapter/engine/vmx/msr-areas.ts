/** The MSR lists of VM entry and VM exit: 16 bytes per entry (SDM Vol. 3C, 24.7.2, 24.8.2, 26.4, 27.4, 27.6). */
import type { Cpu } from '../cpu/context.ts';
import { GuestFault } from '../cpu/guest-fault.ts';
import { MSR_ENTRY_CHECKS, MSR_VALUE_REFUSED } from './checks/msr-load.ts';
import type { MsrEntry } from './checks/msr-load.ts';
import { hex } from './hex.ts';
import type { EntryCheckReport, VmcsFieldKey } from './types.ts';

const ENTRY_BYTES = 16;

function entryAt(cpu: Cpu, address: number): MsrEntry {
  return {
    index: cpu.physical.read(address, 4),
    reserved: cpu.physical.read(address + 4, 4),
    value: cpu.physical.read64(address + 8),
  };
}

/** Why an area stopped: number of the entry, counting from 1, and the rule that it breaks. */
export interface MsrAreaFailure {
  readonly entry: number;
  readonly report: EntryCheckReport;
}

/** Loads MSRs in order; stops at the first entry that fails and says why. */
export function loadMsrs(cpu: Cpu, address: number, count: number, field: VmcsFieldKey): MsrAreaFailure | undefined {
  for (let number = 1; number <= count; number++) {
    const entry = entryAt(cpu, address + (number - 1) * ENTRY_BYTES);
    const broken = MSR_ENTRY_CHECKS.find((check) => !check.holds(entry));
    const refused = broken ?? (writes(cpu, entry) ? undefined : MSR_VALUE_REFUSED);
    if (refused !== undefined)
      return {
        entry: number,
        report: {
          id: refused.id,
          section: refused.section,
          rule: `${refused.rule} Entry ${number} names MSR ${hex(entry.index)}.`,
          fields: [field],
          values: [BigInt(address)],
          remedy: refused.remedy,
        },
      };
  }
  return undefined;
}

function writes(cpu: Cpu, entry: MsrEntry): boolean {
  try {
    cpu.writeMsr(entry.index, entry.value);
    return true;
  } catch (thrown) {
    if (thrown instanceof GuestFault) return false;
    throw thrown;
  }
}

/** Stores MSRs in order; gives the number of the first entry that cannot be stored, counting from 1. */
export function storeMsrs(cpu: Cpu, address: number, count: number): number | undefined {
  for (let number = 1; number <= count; number++) {
    const at = address + (number - 1) * ENTRY_BYTES;
    const entry = entryAt(cpu, at);
    if (entry.reserved !== 0 || entry.index >>> 8 === 8) return number;
    try {
      cpu.physical.write64(at + 8, cpu.readMsr(entry.index));
    } catch (thrown) {
      if (thrown instanceof GuestFault) return number;
      throw thrown;
    }
  }
  return undefined;
}
