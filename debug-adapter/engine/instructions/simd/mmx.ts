/** MMX registers: the significands of the x87 FPU's (SDM Vol. 1, "MMX Technology" 9.2 and 9.6; Vol. 3A, chapter 12). */
import { Register } from 'iced-x86';
import { LAYOUT } from '../../cpu/layout.ts';
import type { CpuState } from '../../cpu/state.ts';
import { setX87Register, TOP_MASK } from '../../cpu/x87-state.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { requireMmx } from './gates.ts';
import type { Vector } from './vector.ts';

/** Abridged tags: every register is used. */
export const ALL_VALID = 0xff;
/** What a write leaves in the sign and exponent. */
export const MMX_SIGN_EXPONENT = 0xffff;

export function loadMmx(state: CpuState, register: number, into: Vector): void {
  into.u64.fill(0n);
  into.u64[0] = state.get64(LAYOUT.x87Registers + 16 * (register - Register.MM0));
}
export function storeMmx(state: CpuState, register: number, from: Vector): void {
  setX87Register(state, register - Register.MM0, MMX_SIGN_EXPONENT, from.u64[0]);
}
/** Every MMX instruction sets TOP to 0 (SDM Vol. 3A, "The MMX State and MMX Register Aliasing" 12.2, table 12-1). */
function enterWith(state: CpuState, tags: number): void {
  state.set32(LAYOUT.x87Tags, tags);
  state.set32(LAYOUT.x87Status, state.get32(LAYOUT.x87Status) & ~TOP_MASK);
}
/** All but EMMS mark all registers as used. */
export const enterMmx = (state: CpuState): void => enterWith(state, ALL_VALID);
/** EMMS: all registers are empty. */
export const emptyMmx: SystemInstruction = (cpu) => {
  requireMmx(cpu);
  enterWith(cpu.state, 0);
};
