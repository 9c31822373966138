/** INT n, INT1, INT3, INTO, IRET (SDM Vol. 2A). */
import { Code } from 'iced-x86';
import type { Cpu, EventType } from '../../cpu/context.ts';
import { BLOCKING_BY_NMI } from '../../cpu/control-bits.ts';
import { ARITHMETIC_FLAGS, AC, DF, ID, IF, IOPL, NT, OF, RF, TF, VIF, VIP, VM } from '../../cpu/flags.ts';
import { BP, DB, GP, OF_TRAP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isLongMode, isRealStyle, isVirtual8086 } from '../../cpu/modes.ts';
import { rplOf } from '../../cpu/segmentation.ts';
import { Stack } from '../../cpu/stack.ts';
import { switchTask, taskDescriptor } from '../../cpu/task-switch.ts';
import { hasVirtualFlags, ioplOf, isGuarded, redirects } from '../../cpu/virtual-8086.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import {
  checkOffset,
  checkRealOffset,
  checkReturnCode,
  enterCode,
  enterRealCode,
  targetDescriptor,
} from './code-target.ts';
import { returnOutward } from './far-transfers.ts';
import { VIRTUAL_FLAGS, withVirtualInterrupt } from './flags.ts';
import { intercept, type Form } from './forms.ts';

const RSP = 4;

function software(cpu: Cpu, vector: number, type: EventType, instructionBytes: number): void {
  cpu.deliver({ vector, type, errorCode: undefined, instructionBytes, because: 'software interrupt' });
}

const interrupt: SystemInstruction = (cpu, instruction) => {
  const vector = instruction.immediateLo & 0xff;
  if (isGuarded(cpu.state) && !redirects(cpu, vector)) raise(GP, 0, 'INT n in virtual-8086 mode with IOPL below 3');
  software(cpu, vector, 'software-interrupt', instruction.length);
};

const intoOverflow: SystemInstruction = (cpu, instruction) => {
  if ((cpu.state.rflags & OF) !== 0) software(cpu, OF_TRAP, 'software-exception', instruction.length);
};

/** Flags that an IRET of the given size and privilege may change. */
function writableFlags(cpu: Cpu, bytes: 2 | 4 | 8): number {
  const state = cpu.state;
  let mask = ARITHMETIC_FLAGS | TF | DF | NT;
  if (bytes !== 2) mask |= RF | AC | ID;
  if (isRealStyle(state) && !isVirtual8086(state)) return mask | IF | IOPL;
  // Virtual-8086 mode uses this only with IOPL 3, which stays.
  if (state.cpl <= ioplOf(state)) mask |= IF;
  if (state.cpl === 0) mask |= IOPL | (bytes !== 2 ? VIF | VIP : 0);
  return mask;
}

function loadFlags(cpu: Cpu, flags: number, mask: number): void {
  const state = cpu.state;
  state.rflags = (state.rflags & ~mask) | (flags & mask);
}

const iret =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    const state = cpu.state;
    const virtual = isGuarded(state);
    if (virtual && (bytes !== 2 || !hasVirtualFlags(state)))
      raise(GP, 0, 'IRET in virtual-8086 mode with IOPL below 3');
    const stack = Stack.current(cpu);
    if (!isRealStyle(state) && (state.systemFlags & NT) !== 0) {
      if (isLongMode(state)) raise(GP, 0, 'IRET with RFLAGS.NT set in IA-32e mode');
      const link = Number(cpu.readSystem(state.segmentBase('TR'), 2));
      const descriptor = taskDescriptor(cpu, link, 'iret');
      intercept(cpu, { kind: 'task-switch', selector: link, source: 'iret' }, instruction);
      switchTask(cpu, { source: 'iret', selector: link, descriptor, returnRip: cpu.nextRip });
      unblockNmi(cpu);
      return;
    }
    const offset = stack.pop(bytes);
    const selector = Number(stack.pop(bytes) & 0xffffn);
    const flags = Number(BigInt.asIntN(32, stack.pop(bytes)));
    const mask = writableFlags(cpu, bytes);
    if (isRealStyle(state)) {
      const loaded = virtual ? withVirtualInterrupt(state, flags) : flags;
      checkRealOffset(cpu, offset);
      stack.commit();
      loadFlags(cpu, loaded, virtual ? VIRTUAL_FLAGS : mask);
      unblockNmi(cpu);
      enterRealCode(cpu, selector, offset);
      return;
    }
    if ((flags & VM) !== 0 && state.cpl === 0 && bytes === 4 && !isLongMode(state)) {
      returnToVirtual8086(cpu, stack, selector, offset, flags);
      return;
    }
    const code = targetDescriptor(cpu, selector);
    checkReturnCode(cpu, selector, code);
    const cpl = rplOf(selector);
    if (cpl !== state.cpl || state.codeBits === 64) {
      const pointer = stack.pop(bytes);
      const stackSelector = Number(stack.pop(bytes) & 0xffffn);
      returnOutward(cpu, { selector, code, offset, stackSelector, pointer });
    } else {
      checkOffset(cpu, code, offset);
      stack.commit();
      enterCode(cpu, selector, code, cpl, offset);
    }
    unblockNmi(cpu);
    loadFlags(cpu, flags, mask);
    cpu.modeChanged();
  };

/** IRET from a CPL 0 handler to virtual-8086 mode (SDM Vol. 3B, "Leaving Virtual-8086 Mode" 20.2.5 and "Entering" 20.2.4). */
function returnToVirtual8086(cpu: Cpu, stack: Stack, selector: number, offset: bigint, flags: number): void {
  const state = cpu.state;
  const pointer = stack.pop(4);
  const selectors = (['SS', 'ES', 'DS', 'FS', 'GS'] as const).map(
    (name) => [name, Number(stack.pop(4) & 0xffffn)] as const,
  );
  if (offset > 0xffffn) raise(GP, 0, 'target beyond the limit of virtual-8086 code');
  state.rflags = flags;
  for (const [name, value] of [['CS', selector] as const, ...selectors])
    state.setSegment(name, { selector: value, base: BigInt(value) << 4n, limit: 0xffff, accessRights: 0xf3 });
  state.setGpr(RSP, pointer);
  unblockNmi(cpu);
  cpu.setNextRip(offset);
  cpu.modeChanged();
}

function unblockNmi(cpu: Cpu): void {
  const { state } = cpu;
  state.set32(LAYOUT.interruptibility, state.get32(LAYOUT.interruptibility) & ~BLOCKING_BY_NMI);
}

export const INTERRUPTS: readonly Form[] = [
  [Code.Int_imm8, interrupt],
  [Code.Int3, (cpu, instruction) => software(cpu, BP, 'software-exception', instruction.length)],
  [Code.Int1, (cpu, instruction) => software(cpu, DB, 'privileged-software', instruction.length)],
  [Code.Into, intoOverflow],
  [Code.Iretw, iret(2)],
  [Code.Iretd, iret(4)],
  [Code.Iretq, iret(8)],
];
