/** Judging and entering a code segment by a far transfer (SDM Vol. 2A, "JMP—Jump", "CALL—Call Procedure"; Vol. 3A, 5.8.1). */
import type { Cpu } from '../../cpu/context.ts';
import { GP, NP, raise } from '../../cpu/guest-fault.ts';
import { isCanonicalNow, isLongMode } from '../../cpu/modes.ts';
import { loadRealSegment } from '../../cpu/segmentation.ts';
import {
  dplOf,
  isBig,
  isCode,
  isConforming,
  isLongCode,
  isNull,
  isPresent,
  limitOf,
  markAccessed,
  requireDescriptor,
  rplOf,
  segmentFrom,
  selectorError,
  type Descriptor,
} from '../../cpu/segmentation.ts';

/** Descriptor behind a far pointer: code or a gate. */
export function targetDescriptor(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) raise(GP, 0, 'null selector for CS');
  return requireDescriptor(cpu, selector, GP);
}

/** Checks of a jump or call straight to a code segment; CPL stays. */
export function checkDirectCode(cpu: Cpu, selector: number, code: Descriptor): void {
  const cpl = cpu.state.cpl;
  const error = selectorError(selector);
  if (isConforming(code)) {
    if (dplOf(code) > cpl) raise(GP, error, 'conforming code of a lower privilege');
  } else if (rplOf(selector) > cpl || dplOf(code) !== cpl) raise(GP, error, 'code of another privilege level');
  checkUsableCode(cpu, selector, code);
}

/** Checks of a return to a code segment at the privilege of the selector's RPL. */
export function checkReturnCode(cpu: Cpu, selector: number, code: Descriptor): void {
  const error = selectorError(selector);
  const rpl = rplOf(selector);
  if (!isCode(code)) raise(GP, error, 'return to something that is not code');
  if (rpl < cpu.state.cpl) raise(GP, error, 'return to a higher privilege');
  if (isConforming(code) ? dplOf(code) > rpl : dplOf(code) !== rpl) raise(GP, error, 'code of another privilege level');
  checkUsableCode(cpu, selector, code);
}

export function checkUsableCode(cpu: Cpu, selector: number, code: Descriptor): void {
  const error = selectorError(selector);
  if (isLongMode(cpu.state) && isLongCode(code) && isBig(code)) raise(GP, error, 'code segment with both L and D set');
  if (!isPresent(code)) raise(NP, error, 'code segment not present');
}

/** Whether the code runs in 64-bit mode. */
export const runsIn64Bit = (cpu: Cpu, code: Descriptor): boolean => isLongMode(cpu.state) && isLongCode(code);

/** The new RIP against the new code segment. */
export function checkOffset(cpu: Cpu, code: Descriptor, offset: bigint): void {
  if (runsIn64Bit(cpu, code)) {
    if (!isCanonicalNow(cpu.state, offset)) raise(GP, 0, 'target is not canonical');
  } else if (offset > BigInt(limitOf(code))) raise(GP, 0, 'target beyond the code segment limit');
}

/** Loads CS with its accessed bit set and goes there; the caller has judged and calls `modeChanged` after SS is right. */
export function enterCode(cpu: Cpu, selector: number, code: Descriptor, cpl: number, offset: bigint): void {
  const marked = markAccessed(cpu, code);
  cpu.state.setSegment('CS', segmentFrom((selector & 0xfffc) | cpl, marked));
  cpu.setNextRip(offset);
}

/** CS:IP of real-address and virtual-8086 mode. */
export function checkRealOffset(cpu: Cpu, offset: bigint): void {
  if (offset > BigInt(cpu.state.segmentLimit('CS'))) raise(GP, 0, 'target beyond the code segment limit');
}
export function enterRealCode(cpu: Cpu, selector: number, offset: bigint): void {
  loadRealSegment(cpu, 'CS', selector);
  cpu.setNextRip(offset);
  cpu.modeChanged();
}
