/**
 * Virtual-8086 mode extensions and protected-mode virtual interrupts (SDM Vol. 3B, "Interrupt and Exception Handling in
 * Virtual-8086 Mode" 20.3, "Protected-Mode Virtual Interrupts" 20.4): below IOPL 3 the interrupt flag of a program is RFLAGS.VIF,
 * and INT n may go to the program's own interrupt vector table.
 */
import type { Cpu, DeliveredEvent } from './context.ts';
import { CR4 } from './control-bits.ts';
import { IF, IOPL, IOPL_BIT, RF, TF, VIF, VIP } from './flags.ts';
import { GP, raise } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import { isProtected, isVirtual8086 } from './modes.ts';
import { loadRealSegment } from './segmentation.ts';
import { Stack } from './stack.ts';
import type { CpuState } from './state.ts';

/** In a 32-bit TSS (SDM Vol. 3A, figure 7-2). */
export const TSS_IO_MAP_BASE = 102;
export const MINIMUM_TSS_LIMIT = 103;
/** The interrupt redirection bitmap ends where the I/O permission bitmap begins. */
const REDIRECTION_BYTES = 32;

export const ioplOf = (state: CpuState): number => (state.systemFlags & IOPL) >> IOPL_BIT;

/**
 * Which flag CLI and STI of a program change that has not the privilege for RFLAGS.IF: VIF in virtual-8086 mode with CR4.VME and
 * at CPL 3 with CR4.PVI; undefined where they are not let (#GP).
 */
export function interruptFlagOf(state: CpuState): typeof IF | typeof VIF | undefined {
  if (!isProtected(state) || ioplOf(state) >= state.cpl) return IF;
  const extension = isVirtual8086(state) ? CR4.VME : CR4.PVI;
  return state.cpl === 3 && (state.get32(LAYOUT.cr4) & extension) !== 0 ? VIF : undefined;
}

/** Virtual-8086 mode with IOPL below 3: PUSHF, POPF, INT n and IRET are not simply let. */
export const isGuarded = (state: CpuState): boolean => isVirtual8086(state) && ioplOf(state) < 3;

/** Whether 16-bit PUSHF, POPF and IRET there work on VIF in place of IF. */
export const hasVirtualFlags = (state: CpuState): boolean => (state.get32(LAYOUT.cr4) & CR4.VME) !== 0;

/**
 * A virtual interrupt is pending and the program has its interrupts enabled: with the extension in force its next instruction
 * faults, so that its monitor can deliver the interrupt (SDM Vol. 3A, "System Flags and Fields in the EFLAGS Register" 2.3).
 */
export function virtualInterruptDue(state: CpuState): boolean {
  const flags = state.systemFlags;
  if ((flags & VIF) === 0 || (flags & VIP) === 0 || state.cpl !== 3) return false;
  return (state.get32(LAYOUT.cr4) & (isVirtual8086(state) ? CR4.VME : CR4.PVI)) !== 0;
}

/** FLAGS as such a program sees them: IF is VIF, IOPL is 3. */
export function virtualFlags(state: CpuState): number {
  const flags = state.rflags;
  return (flags & ~IF) | IOPL | ((flags & VIF) !== 0 ? IF : 0);
}

/** Whether INT n in virtual-8086 mode goes to the interrupt vector table at linear address 0 (SDM Vol. 3B, 20.3.3.1, table 20-2). */
export function redirects(cpu: Cpu, vector: number): boolean {
  const { state } = cpu;
  if (!isVirtual8086(state) || !hasVirtualFlags(state)) return false;
  const limit = state.segmentLimit('TR');
  if (limit < MINIMUM_TSS_LIMIT) raise(GP, 0, 'INT n in virtual-8086 mode without a redirection bitmap in the TSS');
  const base = state.segmentBase('TR');
  const map = Number(cpu.readSystem(base + BigInt(TSS_IO_MAP_BASE), 2));
  const at = map - REDIRECTION_BYTES + (vector >> 3);
  if (at > limit) raise(GP, 0, 'interrupt redirection bitmap beyond the TSS limit');
  return ((Number(cpu.readSystem(base + BigInt(at), 1)) >> (vector & 7)) & 1) === 0;
}

/** Delivers INT n as an 8086 does, within virtual-8086 mode (SDM Vol. 3B, 20.3.3.3). */
export function deliverToVirtual8086(cpu: Cpu, event: DeliveredEvent): void {
  const { state } = cpu;
  const guarded = isGuarded(state);
  const target = cpu.readSystem(BigInt(event.vector * 4), 4);
  const stack = Stack.current(cpu);
  stack.push(2, BigInt(guarded ? virtualFlags(state) : state.rflags) & 0xffffn);
  stack.push(2, BigInt(state.selector('CS')));
  stack.push(2, (state.rip + BigInt(event.instructionBytes)) & 0xffffn);
  stack.commit();
  loadRealSegment(cpu, 'CS', Number(target >> 16n));
  state.systemFlags &= ~(TF | RF | (guarded ? VIF : IF));
  state.rip = target & 0xffffn;
  cpu.setNextRip(state.rip);
  cpu.modeChanged();
}
