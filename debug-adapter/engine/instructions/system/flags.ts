/** CLI STI PUSHF POPF CLAC STAC (SDM Vol. 2A and 2B). */
import { Code } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { AC, ARITHMETIC_FLAGS, DF, ID, IF, IOPL, IOPL_BIT, NT, RF, TF, VM } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { isProtected, isVirtual8086 } from '../../cpu/modes.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { Stack } from '../../cpu/stack.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { undefinedOpcode, type Form } from './forms.ts';

const iopl = (cpu: Cpu): number => (cpu.state.systemFlags & IOPL) >> IOPL_BIT;

function requireIopl(cpu: Cpu): void {
  if (isProtected(cpu.state) && iopl(cpu) < cpu.state.cpl) raise(GP, 0, 'interrupt flag touched with CPL above IOPL');
}

const cli: SystemInstruction = (cpu) => {
  requireIopl(cpu);
  cpu.state.systemFlags &= ~IF;
};

const sti: SystemInstruction = (cpu) => {
  requireIopl(cpu);
  if ((cpu.state.systemFlags & IF) !== 0) return;
  cpu.state.systemFlags |= IF;
  cpu.blockInterrupts('STI');
};

function requireV86Iopl(cpu: Cpu): void {
  if (isVirtual8086(cpu.state) && iopl(cpu) < 3) raise(GP, 0, 'PUSHF or POPF in virtual-8086 mode with IOPL below 3');
}

const pushf =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    requireV86Iopl(cpu);
    const stack = Stack.current(cpu);
    stack.push(bytes, BigInt((cpu.state.rflags & ~(RF | VM)) >>> 0));
    stack.commit();
  };

/** Flags POPF may change at this privilege; the others keep their value without any fault. */
function writableFlags(cpu: Cpu, bytes: 2 | 4 | 8): number {
  let mask = ARITHMETIC_FLAGS | TF | DF | NT;
  if (bytes !== 2) mask |= AC | ID;
  if (!isProtected(cpu.state)) return mask | IF | IOPL;
  if (cpu.state.cpl <= iopl(cpu)) mask |= IF;
  if (cpu.state.cpl === 0) mask |= IOPL;
  return mask;
}

const popf =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu) => {
    requireV86Iopl(cpu);
    const state = cpu.state;
    const stack = Stack.current(cpu);
    const flags = Number(BigInt.asIntN(32, stack.pop(bytes)));
    const mask = writableFlags(cpu, bytes);
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
