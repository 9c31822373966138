/** CLI STI PUSHF POPF CLAC STAC (SDM Vol. 2A and 2B). */
import { Code } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { AC, ARITHMETIC_FLAGS, DF, ID, IF, IOPL, NT, RF, TF, VIF, VIP, VM } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { isProtected } from '../../cpu/modes.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { Stack } from '../../cpu/stack.ts';
import { hasVirtualFlags, interruptFlagOf, ioplOf, isGuarded, virtualFlags } from '../../cpu/virtual-8086.ts';
import type { CpuState } from '../../cpu/state.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { undefinedOpcode, type Form } from './forms.ts';

const interruptFlag = (cpu: Cpu): number =>
  interruptFlagOf(cpu.state) ?? raise(GP, 0, 'interrupt flag touched with CPL above IOPL');

const cli: SystemInstruction = (cpu) => {
  cpu.state.systemFlags &= ~interruptFlag(cpu);
};

const sti: SystemInstruction = (cpu) => {
  const { state } = cpu;
  const flag = interruptFlag(cpu);
  if (flag === VIF) {
    if ((state.systemFlags & VIP) !== 0) raise(GP, 0, 'STI with a virtual interrupt pending (RFLAGS.VIP)');
    state.systemFlags |= VIF;
    return;
  }
  if ((state.systemFlags & IF) !== 0) return;
  state.systemFlags |= IF;
  cpu.blockInterrupts('STI');
};

/** PUSHF and POPF in virtual-8086 mode with IOPL below 3: only their 16-bit forms, and only with CR4.VME. */
function usesVirtualFlags(cpu: Cpu, bytes: 2 | 4 | 8): boolean {
  if (!isGuarded(cpu.state)) return false;
  if (bytes !== 2 || !hasVirtualFlags(cpu.state)) raise(GP, 0, 'PUSHF or POPF in virtual-8086 mode with IOPL below 3');
  return true;
}

const pushf =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    const flags = usesVirtualFlags(cpu, bytes) ? virtualFlags(cpu.state) & 0xffff : cpu.state.rflags;
    const stack = Stack.current(cpu);
    stack.push(bytes, BigInt((flags & ~(RF | VM)) >>> 0));
    stack.commit();
  };

/** Flags POPF may change at this privilege; the others keep their value without any fault. */
function writableFlags(cpu: Cpu, bytes: 2 | 4 | 8): number {
  let mask = ARITHMETIC_FLAGS | TF | DF | NT;
  if (bytes !== 2) mask |= AC | ID;
  if (!isProtected(cpu.state)) return mask | IF | IOPL;
  if (cpu.state.cpl <= ioplOf(cpu.state)) mask |= IF;
  if (cpu.state.cpl === 0) mask |= IOPL;
  return mask;
}

/** What POPF and IRET change for a program whose interrupt flag is VIF. */
export const VIRTUAL_FLAGS = ARITHMETIC_FLAGS | DF | NT | VIF;

/** Popped FLAGS with their IF in the place of VIF; #GP where the flag may not be set now (SDM Vol. 2B, "POPF"). */
export function withVirtualInterrupt(state: CpuState, flags: number): number {
  if ((flags & TF) !== 0) raise(GP, 0, 'RFLAGS.TF set in virtual-8086 mode with IOPL below 3');
  if ((flags & IF) === 0) return flags & ~VIF;
  if ((state.systemFlags & VIP) !== 0) raise(GP, 0, 'interrupts enabled with a virtual interrupt pending (RFLAGS.VIP)');
  return flags | VIF;
}

const popf =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    const state = cpu.state;
    const virtual = usesVirtualFlags(cpu, bytes);
    const stack = Stack.current(cpu);
    const popped = Number(BigInt.asIntN(32, stack.pop(bytes)));
    const flags = virtual ? withVirtualInterrupt(state, popped) : popped;
    const mask = virtual ? VIRTUAL_FLAGS : writableFlags(cpu, bytes);
    const old = state.rflags;
    state.rflags = ((old & ~mask) | (flags & mask)) & ~RF;
    stack.commit();
    if (((state.rflags ^ old) & AC) !== 0) cpu.modeChanged();
    else cpu.requestAttention();
  };

const setAc =
  (on: 0 | 1): SystemInstruction =>
  (cpu) => {
    const state = cpu.state;
    if (state.cpl !== 0) undefinedOpcode('CLAC and STAC above CPL 0');
    state.systemFlags = on === 1 ? state.systemFlags | AC : state.systemFlags & ~AC;
    if ((state.get32(LAYOUT.cr4) & CR4.SMAP) !== 0) cpu.modeChanged();
  };

export const FLAG_INSTRUCTIONS: readonly Form[] = [
  [Code.Cli, cli],
  [Code.Sti, sti],
  [Code.Pushfw, pushf(2)],
  [Code.Pushfd, pushf(4)],
  [Code.Pushfq, pushf(8)],
  [Code.Popfw, popf(2)],
  [Code.Popfd, popf(4)],
  [Code.Popfq, popf(8)],
  [Code.Clac, setAc(0)],
  [Code.Stac, setAc(1)],
];
