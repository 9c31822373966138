/**
 * FXSAVE FXRSTOR, XSAVE XSAVEOPT XSAVEC XRSTOR, XGETBV XSETBV (SDM Vol. 2A and 2C; Vol. 1, "Operation of XSAVE" 13.7 to 13.11).
 */
import type { Cpu } from '../../cpu/context.ts';
import { CR0, CR4 } from '../../cpu/control-bits.ts';
import { GP, GuestFault, NM, raise, UD } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { isNonRoot } from '../../cpu/modes.ts';
import {
  areaBytes,
  AVX_AT,
  AVX_BYTES,
  compactedBytes,
  compactedPkruAt,
  COMPONENT,
  componentsInUse,
  FXSAVE_BYTES,
  initializeComponents,
  loadVectors,
  loadX87,
  mxcsrOf,
  PKRU_AT,
  PKRU_BYTES,
  MXCSR_RESET,
  saveMxcsr,
  saveVectors,
  saveX87,
  writeXcr0,
  XSAVE_BYTES,
  XSAVE_HEADER_AT,
} from '../../cpu/xsave.ts';
import type { DecodedInstruction } from '../../isa/decode.ts';
import type { SystemInstruction } from '../system-instruction.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const COMPACTED = 1n << 63n;

/** One area in flight. */
const area = new DataView(new ArrayBuffer(XSAVE_BYTES));

function requireXsave(cpu: Cpu): void {
  if ((cpu.state.get32(LAYOUT.cr4) & CR4.OSXSAVE) === 0) throw new GuestFault(UD, undefined, 'without CR4.OSXSAVE');
}
function requireAvailable(cpu: Cpu, bits: number): void {
  if ((cpu.state.get32(LAYOUT.cr0) & bits) !== 0) throw new GuestFault(NM, undefined, 'CR0.TS or CR0.EM');
}

function operand(
  cpu: Cpu,
  instruction: DecodedInstruction,
  bytes: number,
  align: 16 | 64,
  access: 'read' | 'write',
): bigint {
  const linear = cpu.linearOperand(instruction, bytes, access);
  if ((Number(linear & 63n) & (align - 1)) !== 0) raise(GP, 0, `area not aligned to ${align} bytes`);
  return linear;
}
const follow = (cpu: Cpu, linear: bigint, offset: number): bigint =>
  BigInt.asUintN(cpu.state.codeBits === 64 ? 64 : 32, linear + BigInt(offset));

/** Bytes `from` up to `to` of the area, multiples of 8. */
function read(cpu: Cpu, linear: bigint, from: number, to: number): void {
  for (let at = from; at < to; at += 8) area.setBigUint64(at, cpu.readLinear(follow(cpu, linear, at), 8), true);
}
function write(cpu: Cpu, linear: bigint, from: number, to: number): void {
  for (let at = from; at < to; at += 8) cpu.writeLinear(follow(cpu, linear, at), 8, area.getBigUint64(at, true));
}
const MXCSR_AT = 24;
const MXCSR_END = 32;
const XMM_AT = 160;

/** Bytes that registers of the mode take: eight of them outside 64-bit mode. */
const vectorBytes = (cpu: Cpu): number => (cpu.state.codeBits === 64 ? AVX_BYTES : AVX_BYTES / 2);

const fxsave =
  (wide: boolean): SystemInstruction =>
  (cpu, instruction) => {
    requireAvailable(cpu, CR0.TS | CR0.EM);
    const linear = operand(cpu, instruction, 512, 16, 'write');
    cpu.checkWritable(linear, 512);
    saveX87(cpu.state, area, wide);
    saveMxcsr(cpu.state, area);
    saveVectors(cpu.state, area, 0);
    write(cpu, linear, 0, XMM_AT + vectorBytes(cpu));
  };
const fxrstor =
  (wide: boolean): SystemInstruction =>
  (cpu, instruction) => {
    requireAvailable(cpu, CR0.TS | CR0.EM);
    const linear = operand(cpu, instruction, 512, 16, 'read');
    read(cpu, linear, 0, FXSAVE_BYTES);
    const mxcsr = mxcsrOf(area);
    loadX87(cpu.state, area, wide);
    cpu.state.set32(LAYOUT.mxcsr, mxcsr);
    loadVectors(cpu.state, area, 0);
  };

/** Requested-feature bitmap: EDX:EAX within XCR0. */
const requested = (cpu: Cpu): number => cpu.state.gpr32(RAX) & cpu.state.get32(LAYOUT.xcr0);

type SaveKind = 'all' | 'in use' | 'compacted';

const xsave =
  (kind: SaveKind, wide: boolean): SystemInstruction =>
  (cpu, instruction) => {
    requireXsave(cpu);
    requireAvailable(cpu, CR0.TS);
    const { state } = cpu;
    const wanted = requested(cpu);
    const bytes = kind === 'compacted' ? compactedBytes(wanted) : areaBytes(wanted);
    const linear = operand(cpu, instruction, bytes, 64, 'write');
    cpu.checkWritable(linear, bytes);
    let inUse = componentsInUse(state);
    // XSAVEC keeps MXCSR with the SSE state and so must see it.
    if (kind === 'compacted' && state.get32(LAYOUT.mxcsr) !== MXCSR_RESET) inUse |= COMPONENT.sse;
    const saved = kind === 'all' ? wanted : wanted & inUse;
    if ((saved & COMPONENT.x87) !== 0) {
      saveX87(state, area, wide);
      write(cpu, linear, 0, MXCSR_AT);
      write(cpu, linear, MXCSR_END, XMM_AT);
    }
    const keepsMxcsr =
      kind === 'compacted' ? (saved & COMPONENT.sse) !== 0 : (wanted & (COMPONENT.sse | COMPONENT.avx)) !== 0;
    if (keepsMxcsr) {
      saveMxcsr(state, area);
      write(cpu, linear, MXCSR_AT, MXCSR_END);
    }
    if ((saved & COMPONENT.sse) !== 0) {
      saveVectors(state, area, 0);
      write(cpu, linear, XMM_AT, XMM_AT + vectorBytes(cpu));
    }
    if ((saved & COMPONENT.avx) !== 0) {
      saveVectors(state, area, 16);
      write(cpu, linear, AVX_AT, AVX_AT + vectorBytes(cpu));
    }
    if ((saved & COMPONENT.pkru) !== 0) {
      area.setBigUint64(PKRU_AT, BigInt(state.get32(LAYOUT.pkru) >>> 0), true);
      const at = kind === 'compacted' ? compactedPkruAt(wanted) : PKRU_AT;
      cpu.writeLinear(follow(cpu, linear, at), PKRU_BYTES, area.getBigUint64(PKRU_AT, true));
    }
    const old = kind === 'compacted' ? 0n : cpu.readLinear(follow(cpu, linear, XSAVE_HEADER_AT), 8);
    const present = (old & ~BigInt(wanted)) | BigInt(wanted & inUse);
    cpu.writeLinear(follow(cpu, linear, XSAVE_HEADER_AT), 8, present);
    if (kind === 'compacted') cpu.writeLinear(follow(cpu, linear, XSAVE_HEADER_AT + 8), 8, COMPACTED | BigInt(wanted));
  };

/**
 * XSAVES and XRSTORS: XSAVEC and XRSTOR of a compacted area at CPL 0. IA32_XSS has no bits here, so that no supervisor state and
 * no VM exit comes with them (SDM Vol. 1, "Operation of XSAVES" 13.11).
 */
const supervisor =
  (kind: 'xsaves' | 'xrstors', meaning: SystemInstruction): SystemInstruction =>
  (cpu, instruction) => {
    requireXsave(cpu);
    if (isNonRoot(cpu.state)) cpu.intercepts.instruction({ kind }, instruction);
    if (cpu.state.cpl !== 0) raise(GP, 0, 'privileged instruction above CPL 0');
    meaning(cpu, instruction);
  };

/** What the header says is there; #GP(0) where it says what cannot be. */
function presentComponents(cpu: Cpu): {
  readonly present: number;
  /** XCOMP_BV without its highest bit. */
  readonly components: number;
  readonly compacted: boolean;
} {
  const quad = (index: number): bigint => area.getBigUint64(XSAVE_HEADER_AT + 8 * index, true);
  const enabled = cpu.state.get64(LAYOUT.xcr0);
  const [present, compaction] = [quad(0), quad(1)];
  const compacted = (compaction & COMPACTED) !== 0n;
  const refuse = (because: string): never => raise(GP, 0, `XSAVE header: ${because}`);
  if (compacted) {
    if (!cpu.features.has('XSAVEC')) refuse('compacted format');
    if ((compaction & ~COMPACTED & ~enabled) !== 0n) refuse('XCOMP_BV with components that XCR0 has not');
    if ((present & ~compaction) !== 0n) refuse('XSTATE_BV beyond XCOMP_BV');
    for (let index = 2; index < 8; index++) if (quad(index) !== 0n) refuse('reserved bytes');
  } else {
    if (compaction !== 0n || quad(2) !== 0n) refuse('reserved bytes');
    if ((present & ~enabled) !== 0n) refuse('XSTATE_BV with components that XCR0 has not');
  }
  return { present: Number(present & 0xffff_ffffn), components: Number(compaction & 0xffff_ffffn), compacted };
}

const xrstor =
  (wide: boolean, format: 'either' | 'compacted' = 'either'): SystemInstruction =>
  (cpu, instruction) => {
    requireXsave(cpu);
    requireAvailable(cpu, CR0.TS);
    const { state } = cpu;
    const wanted = requested(cpu);
    const linear = operand(cpu, instruction, areaBytes(0), 64, 'read');
    read(cpu, linear, 0, AVX_AT);
    const { present, components, compacted } = presentComponents(cpu);
    if (format === 'compacted' && !compacted) raise(GP, 0, 'XSAVE header: not the compacted format');
    const loaded = wanted & present;
    cpu.linearOperand(instruction, compacted ? compactedBytes(components) : areaBytes(wanted), 'read');
    if ((loaded & COMPONENT.avx) !== 0) read(cpu, linear, AVX_AT, AVX_AT + AVX_BYTES);
    const pkruAt = compacted ? compactedPkruAt(components) : PKRU_AT;
    const pkru = (loaded & COMPONENT.pkru) !== 0 ? cpu.readLinear(follow(cpu, linear, pkruAt), 4) : undefined;
    const usesMxcsr = compacted ? (wanted & COMPONENT.sse) !== 0 : (wanted & (COMPONENT.sse | COMPONENT.avx)) !== 0;
    const fromMemory = compacted ? (loaded & COMPONENT.sse) !== 0 : usesMxcsr;
    const mxcsr = fromMemory ? mxcsrOf(area) : MXCSR_RESET;
    initializeComponents(state, wanted & ~present);
    if ((loaded & COMPONENT.x87) !== 0) loadX87(state, area, wide);
    if (usesMxcsr) state.set32(LAYOUT.mxcsr, mxcsr);
    if ((loaded & COMPONENT.sse) !== 0) loadVectors(state, area, 0);
    if ((loaded & COMPONENT.avx) !== 0) loadVectors(state, area, 16);
    if (pkru !== undefined) state.set32(LAYOUT.pkru, Number(pkru) | 0);
    if ((wanted & COMPONENT.pkru) !== 0) cpu.modeChanged();
  };

const setEdxEax = (cpu: Cpu, value: bigint): void => {
  cpu.state.setGpr(RAX, value & 0xffff_ffffn);
  cpu.state.setGpr(RDX, value >> 32n);
};
const xgetbv: SystemInstruction = (cpu) => {
  requireXsave(cpu);
  const index = cpu.state.gpr32(RCX);
  if (index === 0) setEdxEax(cpu, cpu.state.get64(LAYOUT.xcr0));
  else if (index === 1 && cpu.features.has('XGETBV1'))
    setEdxEax(cpu, cpu.state.get64(LAYOUT.xcr0) & BigInt(componentsInUse(cpu.state)));
  else raise(GP, 0, `there is no XCR${index}`);
};
const xsetbv: SystemInstruction = (cpu, instruction) => {
  requireXsave(cpu);
  if (cpu.state.cpl !== 0) raise(GP, 0, 'privileged instruction above CPL 0');
  if (isNonRoot(cpu.state)) cpu.intercepts.instruction({ kind: 'xsetbv' }, instruction);
  if (cpu.state.gpr32(RCX) !== 0) raise(GP, 0, `there is no XCR${cpu.state.gpr32(RCX)}`);
  writeXcr0(cpu, (BigInt(cpu.state.gpr32(RDX)) << 32n) | BigInt(cpu.state.gpr32(RAX)));
};

/** By the name of the iced `Code`. */
export const SAVE_INSTRUCTIONS: Readonly<Record<string, SystemInstruction>> = {
  Fxsave_m512byte: fxsave(false),
  Fxsave64_m512byte: fxsave(true),
  Fxrstor_m512byte: fxrstor(false),
  Fxrstor64_m512byte: fxrstor(true),
  Xsave_mem: xsave('all', false),
  Xsave64_mem: xsave('all', true),
  Xsaveopt_mem: xsave('in use', false),
  Xsaveopt64_mem: xsave('in use', true),
  Xsavec_mem: xsave('compacted', false),
  Xsavec64_mem: xsave('compacted', true),
  Xrstor_mem: xrstor(false),
  Xrstor64_mem: xrstor(true),
  Xsaves_mem: supervisor('xsaves', xsave('compacted', false)),
  Xsaves64_mem: supervisor('xsaves', xsave('compacted', true)),
  Xrstors_mem: supervisor('xrstors', xrstor(false, 'compacted')),
  Xrstors64_mem: supervisor('xrstors', xrstor(true, 'compacted')),
  Xgetbv: xgetbv,
  Xsetbv: xsetbv,
};
