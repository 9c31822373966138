/**
 * The x87 FPU's registers in the processor state (SDM Vol. 1, "x87 FPU Execution Environment" 8.1): names of their bits, and
 * the two forms of the tag word. FXSAVE and XSAVE keep the abridged form, as LAYOUT does; FSTENV stores the full one.
 */
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';

/** Exception flags; the control word masks them at the same positions. */
export const INVALID = 1 << 0;
export const DENORMAL = 1 << 1;
export const ZERO_DIVIDE = 1 << 2;
export const OVERFLOW = 1 << 3;
export const UNDERFLOW = 1 << 4;
export const PRECISION = 1 << 5;
export const EXCEPTIONS = 0x3f;
/** The rest of the status word. */
export const STACK_FAULT = 1 << 6;
export const ERROR_SUMMARY = 1 << 7;
export const C0 = 1 << 8;
export const C1 = 1 << 9;
export const C2 = 1 << 10;
export const C3 = 1 << 14;
export const BUSY = 1 << 15;
export const TOP_BIT = 11;
export const TOP_MASK = 7 << TOP_BIT;

/** Control word after FNINIT: everything masked, 64-bit precision, round to nearest. */
const CONTROL_AFTER_INIT = 0x37f;
/** Control word after reset (SDM Vol. 3A, "Processor State After Reset" 9.1.1, table 9-1). */
export const CONTROL_AFTER_RESET = 0x40;
/** Bits of the control word that FLDCW changes: masks, precision, rounding, and infinity control, which nothing looks at. */
export const CONTROL_WRITABLE = 0x1f3f;

export const x87Top = (state: CpuState): number => (state.get32(LAYOUT.x87Status) & TOP_MASK) >> TOP_BIT;

/** Bits 15:0 are the sign and the biased exponent. */
export const x87SignExponent = (state: CpuState, physical: number): number =>
  state.get32(LAYOUT.x87Registers + 16 * physical + 8) & 0xffff;
export const x87Significand = (state: CpuState, physical: number): bigint =>
  state.get64(LAYOUT.x87Registers + 16 * physical);
export function setX87Register(state: CpuState, physical: number, signExponent: number, significand: bigint): void {
  state.set64(LAYOUT.x87Registers + 16 * physical, significand);
  state.set32(LAYOUT.x87Registers + 16 * physical + 8, signExponent);
}

/** Sets ES and B from the exceptions that are flagged and not masked, as every change of either word does. */
export function summarizeX87(state: CpuState): void {
  const status = state.get32(LAYOUT.x87Status);
  const unmasked = status & ~state.get32(LAYOUT.x87Control) & EXCEPTIONS;
  const summary = ERROR_SUMMARY | BUSY;
  state.set32(LAYOUT.x87Status, unmasked !== 0 ? status | summary : status & ~summary);
}
/** Loads the control word; bit 6 always reads as one. */
export function setX87Control(state: CpuState, value: number): void {
  state.set32(LAYOUT.x87Control, (value & CONTROL_WRITABLE) | CONTROL_AFTER_RESET);
  summarizeX87(state);
}
export function setX87Status(state: CpuState, value: number): void {
  state.set32(LAYOUT.x87Status, value & 0xffff);
  summarizeX87(state);
}

/** FNINIT: registers keep their contents and become empty. */
export function initializeX87(state: CpuState): void {
  state.set32(LAYOUT.x87Control, CONTROL_AFTER_INIT);
  state.set32(LAYOUT.x87Status, 0);
  state.set32(LAYOUT.x87Tags, 0);
  state.set32(LAYOUT.x87Opcode, 0);
  state.set64(LAYOUT.x87InstructionPointer, 0n);
  state.set64(LAYOUT.x87DataPointer, 0n);
  state.set32(LAYOUT.x87CodeSelector, 0);
  state.set32(LAYOUT.x87DataSelector, 0);
}

/** After reset every register holds +0.0 and is tagged so: tag word 5555h. To be called on state that is all zeros. */
export function resetX87(state: CpuState): void {
  state.set32(LAYOUT.x87Control, CONTROL_AFTER_RESET);
  state.set32(LAYOUT.x87Tags, 0xff);
}

const TAG = { valid: 0, zero: 1, special: 2, empty: 3 } as const;

function fullTag(state: CpuState, physical: number): number {
  if ((state.get32(LAYOUT.x87Tags) & (1 << physical)) === 0) return TAG.empty;
  const exponent = x87SignExponent(state, physical) & 0x7fff;
  const significand = x87Significand(state, physical);
  if (exponent === 0 && significand === 0n) return TAG.zero;
  if (exponent === 0 || exponent === 0x7fff || significand >> 63n === 0n) return TAG.special;
  return TAG.valid;
}

/** Tag word with two bits for each physical register (SDM Vol. 1, "x87 FPU Tag Word" 8.1.7). */
export function x87TagWord(state: CpuState): number {
  let tags = 0;
  for (let physical = 0; physical < 8; physical++) tags |= fullTag(state, physical) << (2 * physical);
  return tags;
}
/** Only "empty" is believed of a tag word; the other three follow from the contents. */
export function setX87TagWord(state: CpuState, tags: number): void {
  let abridged = 0;
  for (let physical = 0; physical < 8; physical++)
    if (((tags >> (2 * physical)) & 3) !== TAG.empty) abridged |= 1 << physical;
  state.set32(LAYOUT.x87Tags, abridged);
}
