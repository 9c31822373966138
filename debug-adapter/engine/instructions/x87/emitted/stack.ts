/** The register stack in emitted code. Nothing changes before the last moment at which an instruction may be handed over. */
import { CR0 } from '../../../cpu/control-bits.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../../../cpu/layout.ts';
import { C1, ERROR_SUMMARY, TOP_BIT, TOP_MASK } from '../../../cpu/x87-state.ts';
import type { Builder, Value } from '../../builder.ts';
import { type Number80 } from './numbers.ts';
import { whenSet } from '../../values.ts';

/** Registers are 16 bytes apart. A register's place is its offset from R0; TOP is kept as the place it stands for. */
const REGISTER_BIT = 4;
const PLACES = 7n << BigInt(REGISTER_BIT);
const EXPONENT = 8;
const CS_SELECTOR = LAYOUT.segments + SEGMENT_INDEX.CS * SEGMENT_BYTES + SEGMENT_LAYOUT.selector;

/** An instruction at work: what it found. */
export interface Fpu80 {
  readonly b: Builder;
  readonly status: Value;
  readonly tags: Value;
}

/** Hands the instruction over where CR0 forbids it. */
export function requireFpu(b: Builder): void {
  whenSet(b, b.with('and', b.state(LAYOUT.cr0, 4), BigInt(CR0.EM | CR0.TS)), () => b.defer());
}
/** As `requireFpu`, and where an exception is pending. Gives the status word. */
export function requireQuietFpu(b: Builder): Value {
  const status = b.state(LAYOUT.x87Status, 4);
  const forbidden = b.with('and', b.state(LAYOUT.cr0, 4), BigInt(CR0.EM | CR0.TS));
  const pending = b.with('and', status, BigInt(ERROR_SUMMARY));
  whenSet(b, b.binary('or', forbidden, pending), () => b.defer());
  return status;
}

/** For an instruction that may use the FPU, or hands itself over. */
export const begin = (b: Builder): Fpu80 => ({ b, status: requireQuietFpu(b), tags: b.state(LAYOUT.x87Tags, 4) });

/** Place of ST(i): a number, or what `registerNumber` gives. */
export function placeOf({ b, status }: Fpu80, index: number | Value, known: 'constant' | 'value' = 'constant'): Value {
  const top = b.with('shr_u', status, BigInt(TOP_BIT - REGISTER_BIT));
  if (known === 'constant')
    return b.with('and', index === 0 ? top : b.with('add', top, BigInt(index) << BigInt(REGISTER_BIT)), PLACES);
  return b.with('and', b.binary('add', top, b.with('shl', index as Value, BigInt(REGISTER_BIT))), PLACES);
}

/** 0 or 1: whether the register at a place holds a value. */
const filled = ({ b, tags }: Fpu80, place: Value): Value =>
  b.with('and', b.binary('shr_u', tags, b.with('shr_u', place, BigInt(REGISTER_BIT))), 1n);
const tagBit = (b: Builder, place: Value): Value =>
  b.binary('shl', b.constant(1n), b.with('shr_u', place, BigInt(REGISTER_BIT)));

/** Hands the instruction over unless all these registers hold values. */
export function requireValues(fpu: Fpu80, ...places: readonly Value[]): void {
  const { b } = fpu;
  const all = places.map((place) => filled(fpu, place)).reduce((sum, each) => b.binary('and', sum, each));
  b.if(b.isZero(all), () => b.defer());
}
/** Hands the instruction over unless the register is empty. */
export const requireEmpty = (fpu: Fpu80, place: Value): void => whenSet(fpu.b, filled(fpu, place), () => fpu.b.defer());

export const numberAt = ({ b }: Fpu80, place: Value): Number80 => ({
  significand: b.state(LAYOUT.x87Registers, 8, place),
  signExponent: b.state(LAYOUT.x87Registers + EXPONENT, 2, place),
});
/** Stores a number whose `signExponent` has nothing above bit 15. */
export function setNumber({ b }: Fpu80, place: Value, { significand, signExponent }: Number80): void {
  b.setState(LAYOUT.x87Registers, 8, significand, place);
  b.setState(LAYOUT.x87Registers + EXPONENT, 4, signExponent, place);
}

/** The status word with C1 cleared and other bits added. */
export function statusWith({ b, status }: Fpu80, added?: Value): Value {
  const cleared = b.with('and', status, BigInt(~C1));
  return added === undefined ? cleared : b.binary('or', cleared, added);
}
const turned = (b: Builder, status: Value, by: bigint): Value => {
  const top = b.with('and', b.with('add', status, by << BigInt(TOP_BIT)), BigInt(TOP_MASK));
  return b.binary('or', b.with('and', status, BigInt(~TOP_MASK)), top);
};
/** Stores the status word. */
export const endWith = (b: Builder, status: Value): void => b.setState(LAYOUT.x87Status, 4, status);

/** Stores the status word with TOP one lower, and marks the register now on top as filled. */
export function endWithPush({ b, tags }: Fpu80, place: Value, status: Value): void {
  b.setState(LAYOUT.x87Tags, 4, b.binary('or', tags, tagBit(b, place)));
  endWith(b, turned(b, status, -1n));
}
/** Marks a register as filled; gives the FPU as it is then. */
export function fill(fpu: Fpu80, place: Value): Fpu80 {
  const { b } = fpu;
  const tags = b.binary('or', fpu.tags, tagBit(b, place));
  b.setState(LAYOUT.x87Tags, 4, tags);
  return { ...fpu, tags };
}
export function empty(fpu: Fpu80, place: Value): Fpu80 {
  const { b } = fpu;
  const tags = b.binary('and', fpu.tags, b.with('xor', tagBit(b, place), -1n));
  b.setState(LAYOUT.x87Tags, 4, tags);
  return { ...fpu, tags };
}
/** Stores the status word with TOP higher, and marks the registers that were on top as empty. */
export function endWithPops(fpu: Fpu80, pops: 0 | 1 | 2, status: Value): void {
  const { b } = fpu;
  if (pops === 0) return endWith(b, status);
  let popped = fpu;
  for (let i = 0; i < pops; i++) popped = empty(popped, placeOf(fpu, i));
  endWith(b, turned(b, status, BigInt(pops)));
}
/** TOP higher or lower, without a look at the registers. */
export const endTurned = (b: Builder, status: Value, by: 1n | -1n): void => endWith(b, turned(b, status, by));

/** Leaves behind where the instruction and its memory operand are, as every instruction does that is no control instruction. */
export function notePointers(b: Builder, operand: 'memory' | 'none'): void {
  b.setState(LAYOUT.x87InstructionPointer, 8, b.currentRip());
  b.setState(LAYOUT.x87CodeSelector, 4, b.state(CS_SELECTOR, 4));
  if (operand === 'none') return;
  b.setState(LAYOUT.x87DataPointer, 8, b.effectiveAddress());
  b.setState(LAYOUT.x87DataSelector, 4, b.operandSelector());
}
