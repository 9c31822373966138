/** What follows from CS, SS, CR0, RFLAGS.VM and IA32_EFER, kept in the state because every instruction needs it. */
import { EFER } from './control-bits.ts';
import { LAYOUT } from './layout.ts';
import { isProtected, isVirtual8086, linearBits } from './modes.ts';
import { MASK_16, MASK_32, MASK_64 } from './stack.ts';
import { ACCESS_RIGHTS, type CpuState } from './state.ts';

/**
 * Sets CPL, code size and stack mask. CPL is SS.DPL in protected mode (SDM Vol. 3C, "Guest Register State" 24.4.1), 3 in
 * virtual-8086, 0 in real-address mode.
 */
export function deriveMode(state: CpuState): void {
  const ss = state.accessRights('SS');
  const cs = state.accessRights('CS');
  const cpl = !isProtected(state) ? 0 : isVirtual8086(state) ? 3 : (ss >> ACCESS_RIGHTS.DPL_BIT) & 3;
  const long = (state.get32(LAYOUT.efer) & EFER.LMA) !== 0 && (cs & ACCESS_RIGHTS.L) !== 0;
  state.set32(LAYOUT.cpl, cpl);
  state.set32(LAYOUT.codeBits, long ? 64 : (cs & ACCESS_RIGHTS.DB) !== 0 ? 32 : 16);
  state.set64(LAYOUT.canonicalShift, BigInt(64 - linearBits(state)));
  state.set64(LAYOUT.stackMask, long ? MASK_64 : (ss & ACCESS_RIGHTS.DB) !== 0 ? MASK_32 : MASK_16);
}
