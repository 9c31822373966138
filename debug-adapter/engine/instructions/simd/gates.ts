/** When SSE and AVX instructions exist and may run (SDM Vol. 2A, "Exceptions and Exception Classes" 2.4; Vol. 3A, 13.1). */
import type { Cpu } from '../../cpu/context.ts';
import { CR0, CR4 } from '../../cpu/control-bits.ts';
import { GuestFault, MF, NM, UD } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isRealStyle } from '../../cpu/modes.ts';
import { ERROR_SUMMARY } from '../../cpu/x87-state.ts';

const undefinedOpcode = (because: string): never => {
  throw new GuestFault(UD, undefined, because);
};
const notAvailable = (cpu: Cpu): void => {
  if ((cpu.state.get32(LAYOUT.cr0) & CR0.TS) !== 0) throw new GuestFault(NM, undefined, 'CR0.TS');
};

/** XCR0: SSE and AVX state. */
const SSE_AND_AVX = 6;

export function requireSse(cpu: Cpu): void {
  const { state } = cpu;
  if ((state.get32(LAYOUT.cr0) & CR0.EM) !== 0) undefinedOpcode('SSE with CR0.EM set');
  if ((state.get32(LAYOUT.cr4) & CR4.OSFXSR) === 0) undefinedOpcode('SSE without CR4.OSFXSR');
  notAvailable(cpu);
}

export function requireAvx(cpu: Cpu): void {
  const { state } = cpu;
  if (isRealStyle(state)) undefinedOpcode('VEX outside protected mode');
  if ((state.get32(LAYOUT.cr4) & CR4.OSXSAVE) === 0) undefinedOpcode('VEX without CR4.OSXSAVE');
  if ((state.get32(LAYOUT.xcr0) & SSE_AND_AVX) !== SSE_AND_AVX) undefinedOpcode('VEX without SSE and AVX in XCR0');
  notAvailable(cpu);
}

/** MMX registers are the x87 FPU's: its pending exceptions come first (SDM Vol. 3A, "MMX Emulation..." chapter 12). */
export function requireMmx(cpu: Cpu): void {
  const { state } = cpu;
  if ((state.get32(LAYOUT.cr0) & CR0.EM) !== 0) undefinedOpcode('MMX with CR0.EM set');
  notAvailable(cpu);
  if ((state.get32(LAYOUT.x87Status) & ERROR_SUMMARY) !== 0)
    throw new GuestFault(MF, undefined, 'pending x87 exception');
}
