/** The event that VM entry is asked to inject (SDM Vol. 3C, "VM-Entry Controls for Event Injection", 24.8.3). */
import type { CheckContext } from './check.ts';

export const INTERRUPTION_VALID = 0x8000_0000;
export const INTERRUPTION_ERROR_CODE = 1 << 11;

export interface InterruptionInformation {
  readonly vector: number;
  /** Bits 10:8: 0 external interrupt, 2 NMI, 3 hardware exception, 4 INT n, 5 INT1, 6 INT3 or INTO, 7 other event. */
  readonly type: number;
  readonly deliversErrorCode: boolean;
}

export const interruptionInformation = (value: number): InterruptionInformation => ({
  vector: value & 0xff,
  type: (value >>> 8) & 7,
  deliversErrorCode: (value & INTERRUPTION_ERROR_CODE) !== 0,
});

export const injects = (c: CheckContext): boolean => c.bit('ENTRY_INTR_INFO', 31);
export const injection = (c: CheckContext): InterruptionInformation =>
  interruptionInformation(c.low('ENTRY_INTR_INFO'));
