/** The VMX-preemption timer (SDM Vol. 3C, "VMX-Preemption Timer", 25.5.1). */
import { PREEMPTION_TIMER_SHIFT } from './capabilities.ts';
import type { VmxContext } from './context.ts';

/** The clock of the timer: the TSC without its lowest bits. */
export const timerClock = (vmx: VmxContext): bigint => vmx.cpu.timeStampCounter() >> BigInt(PREEMPTION_TIMER_SHIFT);

/** What is left of the timer. */
export function timerValue(vmx: VmxContext): number {
  const { timerEnd } = vmx.watch;
  if (timerEnd === undefined) return 0;
  const left = timerEnd - timerClock(vmx);
  return left > 0n ? Number(left) : 0;
}
