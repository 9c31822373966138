/** When nothing will ever happen any more, and how to say so. */
import { ACTIVITY, VMX_NON_ROOT } from '../cpu/control-bits.ts';
import { IF } from '../cpu/flags.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { ProcessorUnit } from './processor-unit.ts';

const HALTED_FOR_GOOD = 'HLT with interrupts disabled (RFLAGS.IF = 0): nothing can wake the processor';

const waitsForSipi = ({ state }: ProcessorUnit): boolean => state.get32(LAYOUT.activity) === ACTIVITY.waitForSipi;

/** Whether an interrupt of a device would wake a halted processor. */
function wakesByInterrupt({ state, cpu }: ProcessorUnit): boolean {
  if (state.get32(LAYOUT.activity) !== ACTIVITY.hlt) return false;
  const exits = state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT && cpu.intercepts.externalInterruptsExit();
  return (state.systemFlags & IF) !== 0 || exits;
}

/** Why a processor that does not run never will by itself; undefined where a device might wake it. */
export function haltedForGood(unit: ProcessorUnit): string | undefined {
  if (wakesByInterrupt(unit)) return undefined;
  return waitsForSipi(unit) ? 'waiting for a start-up IPI that nobody will send' : HALTED_FOR_GOOD;
}

/** The same of all processors, none of which runs. */
export function allHalted(units: readonly ProcessorUnit[], anyEvent: () => boolean): string | undefined {
  if (!units.some(wakesByInterrupt)) return `${HALTED_FOR_GOOD}, and no other processor runs`;
  return anyEvent() ? undefined : 'every processor is halted, and no device will ever interrupt';
}
