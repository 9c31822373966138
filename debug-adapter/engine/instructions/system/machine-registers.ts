/** CPUID, time-stamp and performance counters, MSRs, SWAPGS and the FS/GS base instructions (SDM Vol. 2A and 2B). */
import { Code } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { executeCpuid } from '../../cpu/cpuid.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { is64Bit, isCanonical, isNonRoot } from '../../cpu/modes.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { intercept, requireCpl0, undefinedOpcode, type Form } from './forms.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const IA32_TIME_STAMP_COUNTER = 0x10;

const split = (cpu: Cpu, value: bigint): void => {
  cpu.state.setGpr(RAX, value & 0xffff_ffffn);
  cpu.state.setGpr(RDX, value >> 32n);
};

const cpuid: SystemInstruction = (cpu, instruction) => {
  intercept(cpu, { kind: 'cpuid' }, instruction);
  executeCpuid(cpu);
};

/** The TSC as this code sees it: offset in VMX non-root operation. */
function visibleTsc(cpu: Cpu): bigint {
  const value = cpu.timeStampCounter();
  return isNonRoot(cpu.state) ? cpu.intercepts.timeStampCounter(value) : value;
}

function requireTsc(cpu: Cpu): void {
  if (cpu.state.cpl !== 0 && (cpu.state.get32(LAYOUT.cr4) & CR4.TSD) !== 0)
    raise(GP, 0, 'RDTSC above CPL 0 with CR4.TSD');
}

const rdtsc: SystemInstruction = (cpu, instruction) => {
  requireTsc(cpu);
  intercept(cpu, { kind: 'rdtsc' }, instruction);
  split(cpu, visibleTsc(cpu));
};

const rdtscp: SystemInstruction = (cpu, instruction) => {
  requireTsc(cpu);
  intercept(cpu, { kind: 'rdtscp' }, instruction);
  split(cpu, visibleTsc(cpu));
  cpu.state.setGpr(RCX, cpu.state.get64(LAYOUT.tscAux));
};

/** CPUID advertises no performance counters: every index is wrong. */
const rdpmc: SystemInstruction = (cpu, instruction) => {
  if (cpu.state.cpl !== 0 && (cpu.state.get32(LAYOUT.cr4) & CR4.PCE) === 0)
    raise(GP, 0, 'RDPMC above CPL 0 without CR4.PCE');
  intercept(cpu, { kind: 'rdpmc' }, instruction);
  raise(GP, 0, 'there is no such performance counter');
};

const rdmsr: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  const msr = cpu.state.gpr32(RCX);
  intercept(cpu, { kind: 'rdmsr', msr }, instruction);
  split(cpu, msr === IA32_TIME_STAMP_COUNTER ? visibleTsc(cpu) : cpu.readMsr(msr));
};

const wrmsr: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  const msr = cpu.state.gpr32(RCX);
  intercept(cpu, { kind: 'wrmsr', msr }, instruction);
  cpu.writeMsr(msr, (BigInt(cpu.state.gpr32(RDX)) << 32n) | BigInt(cpu.state.gpr32(RAX)));
};

const swapgs: SystemInstruction = (cpu) => {
  if (!is64Bit(cpu.state)) undefinedOpcode('SWAPGS exists in 64-bit mode only');
  requireCpl0(cpu);
  const kernel = cpu.state.get64(LAYOUT.kernelGsBase);
  cpu.state.set64(LAYOUT.kernelGsBase, cpu.state.segmentBase('GS'));
  cpu.state.setSegmentBase('GS', kernel);
};

function requireFsgsbase(cpu: Cpu): void {
  if (!is64Bit(cpu.state) || (cpu.state.get32(LAYOUT.cr4) & CR4.FSGSBASE) === 0)
    undefinedOpcode('FS and GS base instructions need 64-bit mode and CR4.FSGSBASE');
}

const readBase =
  (name: 'FS' | 'GS', bytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    requireFsgsbase(cpu);
    cpu.writeOperand(instruction, 0, bytes, cpu.state.segmentBase(name));
  };

const writeBase =
  (name: 'FS' | 'GS', bytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    requireFsgsbase(cpu);
    const base = cpu.readOperand(instruction, 0, bytes);
    if (!isCanonical(base, cpu.linearBits)) raise(GP, 0, 'segment base is not canonical');
    cpu.state.setSegmentBase(name, base);
  };

/** SDM Vol. 2B, "RDPKRU" and "WRPKRU". */
function requireProtectionKeys(cpu: Cpu): void {
  if ((cpu.state.get32(LAYOUT.cr4) & CR4.PKE) === 0) undefinedOpcode('RDPKRU and WRPKRU without CR4.PKE');
  if (cpu.state.gpr32(RCX) !== 0) raise(GP, 0, 'RDPKRU or WRPKRU with ECX not 0');
}
const rdpkru: SystemInstruction = (cpu) => {
  requireProtectionKeys(cpu);
  split(cpu, BigInt(cpu.state.get32(LAYOUT.pkru) >>> 0));
};
const wrpkru: SystemInstruction = (cpu) => {
  requireProtectionKeys(cpu);
  if (cpu.state.gpr32(RDX) !== 0) raise(GP, 0, 'WRPKRU with EDX not 0');
  cpu.state.set32(LAYOUT.pkru, cpu.state.gpr32(RAX));
  cpu.modeChanged();
};

export const MACHINE_REGISTERS: readonly Form[] = [
  [Code.Cpuid, cpuid],
  [Code.Rdtsc, rdtsc],
  [Code.Rdtscp, rdtscp],
  [Code.Rdpmc, rdpmc],
  [Code.Rdmsr, rdmsr],
  [Code.Wrmsr, wrmsr],
  [Code.Swapgs, swapgs],
  [Code.Rdpkru, rdpkru],
  [Code.Wrpkru, wrpkru],
  [Code.Rdfsbase_r32, readBase('FS', 4)],
  [Code.Rdfsbase_r64, readBase('FS', 8)],
  [Code.Rdgsbase_r32, readBase('GS', 4)],
  [Code.Rdgsbase_r64, readBase('GS', 8)],
  [Code.Wrfsbase_r32, writeBase('FS', 4)],
  [Code.Wrfsbase_r64, writeBase('FS', 8)],
  [Code.Wrgsbase_r32, writeBase('GS', 4)],
  [Code.Wrgsbase_r64, writeBase('GS', 8)],
];
