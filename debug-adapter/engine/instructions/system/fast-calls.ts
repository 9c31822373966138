/** SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM Vol. 2B; Vol. 3A, "Fast System Calls" 5.8.7 and 5.8.8). */
import { Code } from 'iced-x86';
import { stepByNewFlags } from '../../cpu/boundary.ts';
import type { Cpu } from '../../cpu/context.ts';
import { EFER } from '../../cpu/control-bits.ts';
import { ID, AC, ARITHMETIC_FLAGS, DF, IF, IOPL, NT, RF, TF, VIF, VIP, VM } from '../../cpu/flags.ts';
import { GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { is64Bit, isCanonicalNow, isLongMode, isProtected } from '../../cpu/modes.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { requireCpl0, undefinedOpcode, type Form } from './forms.ts';

const RCX = 1;
const RDX = 2;
const RSP = 4;
const R11 = 11;
const FLAT = 0xffff_ffff;

/** Access rights of the flat segments these instructions load without reading a descriptor. */
export const FLAT_RIGHTS = {
  code64: 0xa09b,
  code32: 0xc09b,
  data: 0xc093,
  userCode64: 0xa0fb,
  userCode32: 0xc0fb,
  userData: 0xc0f3,
} as const;
type Rights = (typeof FLAT_RIGHTS)[keyof typeof FLAT_RIGHTS];

function loadFlat(cpu: Cpu, name: 'CS' | 'SS', selector: number, accessRights: Rights): void {
  cpu.state.setSegment(name, { selector: selector & 0xffff, base: 0n, limit: FLAT, accessRights });
}

function requireSyscall(cpu: Cpu): void {
  if (!is64Bit(cpu.state)) undefinedOpcode('SYSCALL and SYSRET exist in 64-bit mode only');
  if ((cpu.state.get32(LAYOUT.efer) & EFER.SCE) === 0) undefinedOpcode('SYSCALL with IA32_EFER.SCE clear');
}

const syscall: SystemInstruction = (cpu) => {
  requireSyscall(cpu);
  const state = cpu.state;
  const selector = Number((state.get64(LAYOUT.star) >> 32n) & 0xfffcn);
  state.setGpr(RCX, cpu.nextRip);
  state.setGpr(R11, BigInt((state.rflags & ~RF) >>> 0));
  state.rflags = state.rflags & ~(state.get32(LAYOUT.fmask) | RF | VM);
  loadFlat(cpu, 'CS', selector, FLAT_RIGHTS.code64);
  loadFlat(cpu, 'SS', selector + 8, FLAT_RIGHTS.data);
  cpu.setNextRip(state.get64(LAYOUT.lstar));
  cpu.modeChanged();
  stepByNewFlags(cpu);
};

export const SYSRET_FLAGS = ARITHMETIC_FLAGS | TF | IF | DF | IOPL | NT | AC | VIF | VIP | ID;

const sysret =
  (bits: 32 | 64): SystemInstruction =>
  (cpu) => {
    requireSyscall(cpu);
    requireCpl0(cpu);
    const state = cpu.state;
    const target = state.gpr(RCX);
    if (bits === 64 && !isCanonicalNow(state, target)) raise(GP, 0, 'SYSRET to an address that is not canonical');
    const selector = Number(state.get64(LAYOUT.star) >> 48n);
    state.rflags = Number(state.gpr(R11) & 0xffff_ffffn) & SYSRET_FLAGS;
    loadFlat(
      cpu,
      'CS',
      (bits === 64 ? selector + 16 : selector) | 3,
      bits === 64 ? FLAT_RIGHTS.userCode64 : FLAT_RIGHTS.userCode32,
    );
    loadFlat(cpu, 'SS', (selector + 8) | 3, FLAT_RIGHTS.userData);
    cpu.setNextRip(bits === 64 ? target : target & 0xffff_ffffn);
    cpu.modeChanged();
    stepByNewFlags(cpu);
  };

/** Selector base for SYSENTER and SYSEXIT; #GP(0) where the MSR was never set. */
function sysenterSelector(cpu: Cpu): number {
  const selector = cpu.state.get32(LAYOUT.sysenterCs) & 0xfffc;
  if (!isProtected(cpu.state) || selector === 0) raise(GP, 0, 'SYSENTER or SYSEXIT without IA32_SYSENTER_CS');
  return selector;
}

const sysenter: SystemInstruction = (cpu) => {
  const selector = sysenterSelector(cpu);
  const state = cpu.state;
  const long = isLongMode(state);
  const narrow = (value: bigint): bigint => (long ? value : value & 0xffff_ffffn);
  state.systemFlags &= ~(VM | IF | RF);
  loadFlat(cpu, 'CS', selector, long ? FLAT_RIGHTS.code64 : FLAT_RIGHTS.code32);
  loadFlat(cpu, 'SS', selector + 8, FLAT_RIGHTS.data);
  state.setGpr(RSP, narrow(state.get64(LAYOUT.sysenterEsp)));
  cpu.setNextRip(narrow(state.get64(LAYOUT.sysenterEip)));
  cpu.modeChanged();
};

const sysexit =
  (bits: 32 | 64): SystemInstruction =>
  (cpu) => {
    const selector = sysenterSelector(cpu);
    requireCpl0(cpu);
    const state = cpu.state;
    const [rip, rsp] = [state.gpr(RDX), state.gpr(RCX)];
    if (bits === 64 && !(isCanonicalNow(state, rip) && isCanonicalNow(state, rsp)))
      raise(GP, 0, 'SYSEXIT to an address that is not canonical');
    const code = selector + (bits === 64 ? 32 : 16);
    loadFlat(cpu, 'CS', code | 3, bits === 64 ? FLAT_RIGHTS.userCode64 : FLAT_RIGHTS.userCode32);
    loadFlat(cpu, 'SS', (code + 8) | 3, FLAT_RIGHTS.userData);
    state.setGpr(RSP, bits === 64 ? rsp : rsp & 0xffff_ffffn);
    cpu.setNextRip(bits === 64 ? rip : rip & 0xffff_ffffn);
    cpu.modeChanged();
  };

export const FAST_CALLS: readonly Form[] = [
  [Code.Syscall, syscall],
  [Code.Sysretd, sysret(32)],
  [Code.Sysretq, sysret(64)],
  [Code.Sysenter, sysenter],
  [Code.Sysexitd, sysexit(32)],
  [Code.Sysexitq, sysexit(64)],
];
