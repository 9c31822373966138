/**
 * The state that FXSAVE and the XSAVE family keep, in the formats of memory (SDM Vol. 1, "FXSAVE and FXRSTOR Instructions" 10.5,
 * "Managing State Using the XSAVE Feature Set" chapter 13), and XCR0.
 */
import type { Cpu } from './context.ts';
import type { CpuFeatures } from './features.ts';
import { GP, raise } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import type { CpuState } from './state.ts';
import {
  initializeX87,
  setX87Control,
  setX87Register,
  setX87Status,
  x87SignExponent,
  x87Significand,
  x87Top,
} from './x87-state.ts';

export const MXCSR_RESET = 0x1f80;
/** Bits that exist. */
export const MXCSR_MASK = 0xffff;

/** State components: bits of XCR0. */
export const COMPONENT = { x87: 1, sse: 2, avx: 4, pkru: 1 << 9 } as const;
const LEGACY_BYTES = 512;
const HEADER_BYTES = 64;
export const XSAVE_HEADER_AT = LEGACY_BYTES;
/** Component AVX (upper halves of YMM0..15): the same place in the standard and, being the first, in the compacted format. */
export const AVX_AT = LEGACY_BYTES + HEADER_BYTES;
export const AVX_BYTES = 256;
/** Component PKRU in the standard format: behind what AVX-512 would take. */
export const PKRU_AT = 2688;
export const PKRU_BYTES = 8;
export const XSAVE_BYTES = PKRU_AT + PKRU_BYTES;
export const FXSAVE_BYTES = 416;

const MXCSR_AT = 24;
const ST_AT = 32;
const XMM_AT = 160;
const VECTOR_BYTES = 32;

/** The components of a processor with these features. */
export const supportedComponents = (features: CpuFeatures): number =>
  COMPONENT.x87 |
  (features.has('SSE') ? COMPONENT.sse : 0) |
  (features.has('AVX') ? COMPONENT.avx : 0) |
  (features.has('PKU') ? COMPONENT.pkru : 0);

/** Where PKRU lies among these components in the compacted format. */
export const compactedPkruAt = (components: number): number =>
  (components & COMPONENT.avx) !== 0 ? AVX_AT + AVX_BYTES : AVX_AT;
/** Bytes of an area with these components, in the standard and in the compacted format. */
export const areaBytes = (components: number): number =>
  (components & COMPONENT.pkru) !== 0 ? XSAVE_BYTES : compactedPkruAt(components);
export const compactedBytes = (components: number): number =>
  compactedPkruAt(components) + ((components & COMPONENT.pkru) !== 0 ? PKRU_BYTES : 0);

/** XSETBV: raises #GP(0) for what XCR0 cannot be. */
export function writeXcr0(cpu: Cpu, value: bigint): void {
  const refuse = (because: string): never => raise(GP, 0, `XCR0: ${because}`);
  if ((value & ~BigInt(supportedComponents(cpu.features))) !== 0n) refuse('reserved bits');
  const components = Number(value);
  if ((components & COMPONENT.x87) === 0) refuse('x87 state cannot be disabled');
  if ((components & COMPONENT.avx) !== 0 && (components & COMPONENT.sse) === 0) refuse('AVX state without SSE state');
  cpu.state.set64(LAYOUT.xcr0, value);
}

/** Registers that the mode can name. */
const namedRegisters = (state: CpuState): number => (state.codeBits === 64 ? 16 : 8);

/** Components that are not in their initial configuration (XINUSE). */
export function componentsInUse(state: CpuState): number {
  const { words } = state;
  const anyOf = (from: number): boolean => {
    for (let i = 0; i < 16; i++)
      for (let word = 0; word < 4; word++)
        if (words[((LAYOUT.vectors + i * VECTOR_BYTES + from) >> 2) + word] !== 0) return true;
    return false;
  };
  return (
    (x87InUse(state) ? COMPONENT.x87 : 0) |
    (anyOf(0) ? COMPONENT.sse : 0) |
    (anyOf(16) ? COMPONENT.avx : 0) |
    (state.get32(LAYOUT.pkru) !== 0 ? COMPONENT.pkru : 0)
  );
}
function x87InUse(state: CpuState): boolean {
  if (state.get32(LAYOUT.x87Control) !== 0x37f || state.get32(LAYOUT.x87Status) !== 0) return true;
  const first = LAYOUT.x87Tags >> 2;
  for (let word = first; word <= LAYOUT.x87DataSelector >> 2; word++) if (state.words[word] !== 0) return true;
  for (let word = 0; word < 32; word++) if (state.words[(LAYOUT.x87Registers >> 2) + word] !== 0) return true;
  return false;
}

/** Writes the x87 part: control, status, abridged tags, opcode, pointers, ST0..7. `wide`: 64-bit pointers (REX.W). */
export function saveX87(state: CpuState, area: DataView, wide: boolean): void {
  area.setUint16(0, state.get32(LAYOUT.x87Control), true);
  area.setUint16(2, state.get32(LAYOUT.x87Status), true);
  area.setUint16(4, state.get32(LAYOUT.x87Tags) & 0xff, true);
  area.setUint16(6, state.get32(LAYOUT.x87Opcode), true);
  const pointer = (at: number, offset: number, selector: number): void => {
    if (wide) area.setBigUint64(at, state.get64(offset), true);
    else {
      area.setUint32(at, state.get32(offset), true);
      area.setUint32(at + 4, state.get32(selector) & 0xffff, true);
    }
  };
  pointer(8, LAYOUT.x87InstructionPointer, LAYOUT.x87CodeSelector);
  pointer(16, LAYOUT.x87DataPointer, LAYOUT.x87DataSelector);
  const top = x87Top(state);
  for (let i = 0; i < 8; i++) {
    const physical = (top + i) & 7;
    area.setBigUint64(ST_AT + 16 * i, x87Significand(state, physical), true);
    area.setBigUint64(ST_AT + 16 * i + 8, BigInt(x87SignExponent(state, physical)), true);
  }
}
export function loadX87(state: CpuState, area: DataView, wide: boolean): void {
  setX87Control(state, area.getUint16(0, true));
  setX87Status(state, area.getUint16(2, true));
  state.set32(LAYOUT.x87Tags, area.getUint8(4));
  state.set32(LAYOUT.x87Opcode, area.getUint16(6, true) & 0x7ff);
  const pointer = (at: number, offset: number, selector: number): void => {
    state.set64(offset, wide ? area.getBigUint64(at, true) : BigInt(area.getUint32(at, true)));
    state.set32(selector, wide ? 0 : area.getUint16(at + 4, true));
  };
  pointer(8, LAYOUT.x87InstructionPointer, LAYOUT.x87CodeSelector);
  pointer(16, LAYOUT.x87DataPointer, LAYOUT.x87DataSelector);
  const top = x87Top(state);
  for (let i = 0; i < 8; i++)
    setX87Register(
      state,
      (top + i) & 7,
      area.getUint16(ST_AT + 16 * i + 8, true),
      area.getBigUint64(ST_AT + 16 * i, true),
    );
}
function clearX87(state: CpuState): void {
  initializeX87(state);
  state.words.fill(0, LAYOUT.x87Registers >> 2, LAYOUT.x87Control >> 2);
}

export function saveMxcsr(state: CpuState, area: DataView): void {
  area.setUint32(MXCSR_AT, state.get32(LAYOUT.mxcsr), true);
  area.setUint32(MXCSR_AT + 4, MXCSR_MASK, true);
}
/** MXCSR in an area; #GP(0) for reserved bits. */
export function mxcsrOf(area: DataView): number {
  const value = area.getUint32(MXCSR_AT, true);
  if ((value & ~MXCSR_MASK) !== 0) raise(GP, 0, 'reserved MXCSR bits');
  return value;
}

/** Halves of the vector registers: 0 the lower ones (XMM), 16 the upper ones. */
type Half = 0 | 16;
const PLACE = { 0: XMM_AT, 16: AVX_AT } as const;

export function saveVectors(state: CpuState, area: DataView, half: Half): void {
  for (let i = 0; i < namedRegisters(state); i++)
    for (let word = 0; word < 4; word++)
      area.setInt32(
        PLACE[half] + 16 * i + 4 * word,
        state.get32(LAYOUT.vectors + VECTOR_BYTES * i + half + 4 * word),
        true,
      );
}
export function loadVectors(state: CpuState, area: DataView, half: Half): void {
  for (let i = 0; i < namedRegisters(state); i++)
    for (let word = 0; word < 4; word++)
      state.set32(
        LAYOUT.vectors + VECTOR_BYTES * i + half + 4 * word,
        area.getInt32(PLACE[half] + 16 * i + 4 * word, true),
      );
}
function clearVectors(state: CpuState, half: Half): void {
  for (let i = 0; i < namedRegisters(state); i++) {
    const from = (LAYOUT.vectors + VECTOR_BYTES * i + half) >> 2;
    state.words.fill(0, from, from + 4);
  }
}
/** Puts components into their initial configuration; MXCSR is not among them. */
export function initializeComponents(state: CpuState, components: number): void {
  if ((components & COMPONENT.x87) !== 0) clearX87(state);
  if ((components & COMPONENT.sse) !== 0) clearVectors(state, 0);
  if ((components & COMPONENT.avx) !== 0) clearVectors(state, 16);
  if ((components & COMPONENT.pkru) !== 0) state.set32(LAYOUT.pkru, 0);
}
