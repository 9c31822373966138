/** Which mode the processor is in, asked of its state (SDM Vol. 3A, "Modes of Operation" 2.2). */
import { CR0, EFER, VMX_NON_ROOT } from './control-bits.ts';
import { VM } from './flags.ts';
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';

export const isProtected = (state: CpuState): boolean => (state.get32(LAYOUT.cr0) & CR0.PE) !== 0;
export const isVirtual8086 = (state: CpuState): boolean => isProtected(state) && (state.systemFlags & VM) !== 0;
/** Real-address or virtual-8086 mode: selectors are paragraph numbers. */
export const isRealStyle = (state: CpuState): boolean => !isProtected(state) || (state.systemFlags & VM) !== 0;
/** IA-32e mode: compatibility or 64-bit. */
export const isLongMode = (state: CpuState): boolean => (state.get32(LAYOUT.efer) & EFER.LMA) !== 0;
export const is64Bit = (state: CpuState): boolean => state.codeBits === 64;
/** Sign-extension of bit 47 in bits 63:48. */
export const isCanonical = (address: bigint): boolean => {
  const sign = BigInt.asIntN(64, address) >> 47n;
  return sign === 0n || sign === -1n;
};
export const isNonRoot = (state: CpuState): boolean => state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT;
