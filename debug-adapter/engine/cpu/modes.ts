/** Which mode the processor is in, asked of its state (SDM Vol. 3A, "Modes of Operation" 2.2). */
import { CR0, CR4, EFER, VMX_NON_ROOT } from './control-bits.ts';
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
/** Linear-address bits of 4-level and of 5-level paging. */
export const LINEAR_BITS = 48;
export const LINEAR_BITS_LA57 = 57;
/** Linear-address bits that accesses and branches have now. */
export const linearBits = (state: CpuState): typeof LINEAR_BITS | typeof LINEAR_BITS_LA57 =>
  (state.get32(LAYOUT.cr4) & CR4.LA57) !== 0 ? LINEAR_BITS_LA57 : LINEAR_BITS;
/** Whether the bits above the highest of `bits` linear-address bits repeat it (SDM Vol. 1, "Canonical Addressing" 3.3.7.1). */
export const isCanonical = (address: bigint, bits: number): boolean => {
  const sign = BigInt.asIntN(64, address) >> BigInt(bits - 1);
  return sign === 0n || sign === -1n;
};
/** The same for an access or a branch now. Registers that hold addresses take what the processor supports: `Cpu.linearBits`. */
export const isCanonicalNow = (state: CpuState, address: bigint): boolean => isCanonical(address, linearBits(state));
export const isNonRoot = (state: CpuState): boolean => state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT;
