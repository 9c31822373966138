/** MOV to and from control and debug registers, LMSW SMSW CLTS, INVLPG INVPCID, INVD WBINVD, HLT (SDM Vol. 2A and 2B). */
import { Code, OpKind } from 'iced-x86';
import type { Cpu } from '../../cpu/context.ts';
import { ACTIVITY, CR0, CR4, DR6_BD, DR7_GD } from '../../cpu/control-bits.ts';
import { readDr, writeCr0, writeCr3, writeCr4, writeCr8, writeDr } from '../../cpu/control-registers.ts';
import { RF } from '../../cpu/flags.ts';
import { DB, GP, raise } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import { is64Bit, isCanonical, isNonRoot, isVirtual8086 } from '../../cpu/modes.ts';
import { effectiveAddress, readRegister, segmentName, writeRegister } from '../../cpu/operands.ts';
import { MASK_32, MASK_64 } from '../../cpu/stack.ts';
import { registerInfo } from '../../isa/registers.ts';
import type { SystemInstruction } from '../system-instruction.ts';
import { storeSelector } from './descriptor-tables.ts';
import { checkUmip, forms, intercept, requireCpl0, undefinedOpcode, type Form } from './forms.ts';

const numberOf = (register: number): number => registerInfo(register)!.number;

const CR_AT: Readonly<Record<number, number>> = {
  0: LAYOUT.cr0,
  2: LAYOUT.cr2,
  3: LAYOUT.cr3,
  4: LAYOUT.cr4,
  8: LAYOUT.cr8,
};

/** What code sees in CR0 or CR4: in VMX non-root operation masked bits come from the read shadow. */
function visible(cpu: Cpu, cr: 0 | 4): bigint {
  if (isNonRoot(cpu.state)) return cpu.intercepts.readControlRegister(cr);
  return cpu.state.get64(cr === 0 ? LAYOUT.cr0 : LAYOUT.cr4);
}
/** What a write of `value` changes: in VMX non-root operation masked bits keep their value. */
function writable(cpu: Cpu, cr: 0 | 4, value: bigint): bigint {
  return isNonRoot(cpu.state) ? cpu.intercepts.writableControlRegister(cr, value) : value;
}

const fromControl: SystemInstruction = (cpu, instruction) => {
  const cr = numberOf(instruction.op1Register);
  if (CR_AT[cr] === undefined) undefinedOpcode(`there is no CR${cr}`);
  requireCpl0(cpu);
  if (cr === 3 || cr === 8)
    intercept(cpu, { kind: 'mov-from-cr', cr, register: numberOf(instruction.op0Register) }, instruction);
  const value = cr === 0 || cr === 4 ? visible(cpu, cr) : cpu.state.get64(CR_AT[cr]);
  writeRegister(cpu.state, instruction.op0Register, value);
};

const toControl: SystemInstruction = (cpu, instruction) => {
  const cr = numberOf(instruction.op0Register);
  if (CR_AT[cr] === undefined) undefinedOpcode(`there is no CR${cr}`);
  requireCpl0(cpu);
  const value = readRegister(cpu.state, instruction.op1Register);
  if (cr === 0 || cr === 3 || cr === 4 || cr === 8)
    intercept(cpu, { kind: 'mov-to-cr', cr, register: numberOf(instruction.op1Register), value }, instruction);
  if (cr === 0) writeCr0(cpu, writable(cpu, 0, value));
  else if (cr === 2) cpu.state.set64(LAYOUT.cr2, value);
  else if (cr === 3) writeCr3(cpu, value);
  else if (cr === 4) writeCr4(cpu, writable(cpu, 4, value));
  else writeCr8(cpu, value);
};

/** DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE is set (SDM Vol. 3B, 17.2.2). */
function debugRegister(cpu: Cpu, dr: number): 0 | 1 | 2 | 3 | 6 | 7 {
  const aliased = dr === 4 || dr === 5;
  if (aliased && (cpu.state.get32(LAYOUT.cr4) & CR4.DE) !== 0) undefinedOpcode('DR4 and DR5 with CR4.DE set');
  if (dr > 7) undefinedOpcode(`there is no DR${dr}`);
  return (aliased ? dr + 2 : dr) as 0 | 1 | 2 | 3 | 6 | 7;
}

/** DR7.GD guards the debug registers: a fault before the instruction (SDM Vol. 3B, "General-Detect Exception Condition" 17.3.1.3). */
function generalDetect(cpu: Cpu): void {
  const { state } = cpu;
  if ((state.low(LAYOUT.dr7) & DR7_GD) === 0) return;
  state.set64(LAYOUT.pendingDebug, state.get64(LAYOUT.pendingDebug) | BigInt(DR6_BD));
  state.systemFlags |= RF;
  raise(DB, undefined, 'general detect (DR7.GD)');
}

const moveDebug =
  (direction: 'to' | 'from'): SystemInstruction =>
  (cpu, instruction) => {
    const [general, debug] =
      direction === 'to'
        ? [instruction.op1Register, instruction.op0Register]
        : [instruction.op0Register, instruction.op1Register];
    // "MOV-DR exiting" has priority over the privilege check (SDM Vol. 3C, 25.1.3).
    intercept(cpu, { kind: 'mov-dr', dr: numberOf(debug), register: numberOf(general), direction }, instruction);
    const dr = debugRegister(cpu, numberOf(debug));
    requireCpl0(cpu);
    generalDetect(cpu);
    if (direction === 'to') writeDr(cpu, dr, readRegister(cpu.state, general));
    else writeRegister(cpu.state, general, readDr(cpu, dr));
  };

const smsw =
  (bytes: 2 | 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    checkUmip(cpu);
    storeSelector(cpu, instruction, bytes, visible(cpu, 0));
  };

const lmsw: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  const memory = instruction.op0Kind === OpKind.Memory;
  const linear = memory ? cpu.linearOperand(instruction, 2, 'read') : 0n;
  const source = Number(memory ? cpu.readLinear(linear, 2) : cpu.readOperand(instruction, 0, 2));
  intercept(cpu, { kind: 'lmsw', source, memory, linear }, instruction);
  const cr0 = cpu.state.get32(LAYOUT.cr0);
  const taken = CR0.MP | CR0.EM | CR0.TS;
  // PE can be set this way, never cleared.
  const value = (cr0 & ~taken) | (source & (taken | CR0.PE));
  writeCr0(cpu, writable(cpu, 0, BigInt(value >>> 0)));
};

const clts: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  intercept(cpu, { kind: 'clts' }, instruction);
  const value = cpu.state.get64(LAYOUT.cr0) & ~BigInt(CR0.TS);
  writeCr0(cpu, writable(cpu, 0, value));
};

const invlpg: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  // No segment checks: only the address matters, and one that is not canonical names no page.
  const base = cpu.state.segmentBase(segmentName(instruction.segment));
  const inLongCode = is64Bit(cpu.state);
  const flat = inLongCode && !['FS', 'GS'].includes(segmentName(instruction.segment));
  const offset = effectiveAddress(cpu.state, instruction);
  const linear = flat ? offset : (base + offset) & (inLongCode ? MASK_64 : MASK_32);
  intercept(cpu, { kind: 'invlpg', linear }, instruction);
  if (isCanonical(linear, cpu.linearBits)) cpu.flushPage(linear);
};

const invpcid =
  (bytes: 4 | 8): SystemInstruction =>
  (cpu, instruction) => {
    if (isVirtual8086(cpu.state)) raise(GP, 0, 'INVPCID in virtual-8086 mode');
    requireCpl0(cpu);
    intercept(cpu, { kind: 'invpcid' }, instruction);
    const type = cpu.readOperand(instruction, 0, bytes);
    const linear = cpu.linearOperand(instruction, 16, 'read');
    const low = cpu.readLinear(linear, 8);
    const address = cpu.readLinear((linear + 8n) & (is64Bit(cpu.state) ? MASK_64 : MASK_32), 8);
    invalidate(cpu, type, low, address);
  };

function invalidate(cpu: Cpu, type: bigint, low: bigint, address: bigint): void {
  const state = cpu.state;
  if (type > 3n) raise(GP, 0, 'INVPCID type');
  if (low >> 12n !== 0n) raise(GP, 0, 'reserved bits in the INVPCID descriptor');
  const pcids = (state.get32(LAYOUT.cr4) & CR4.PCIDE) !== 0;
  if (type <= 1n && !pcids && low !== 0n) raise(GP, 0, 'INVPCID of a PCID with CR4.PCIDE clear');
  if (type === 0n && !isCanonical(address, cpu.linearBits)) raise(GP, 0, 'INVPCID address is not canonical');
  const current = !pcids || low === (state.get64(LAYOUT.cr3) & 0xfffn);
  if (type === 0n && current) cpu.flushPage(address);
  else if (type === 1n && current) cpu.flushTlb('current');
  // All contexts, or another one: dropping more than asked is always allowed (SDM Vol. 3A, 4.10.4).
  else cpu.flushTlb({ vpid: isNonRoot(state) ? state.get32(LAYOUT.vpid) & 0xffff : 0 });
}

/** There are no caches to write back or to drop. */
const cacheControl =
  (kind: 'invd' | 'wbinvd'): SystemInstruction =>
  (cpu, instruction) => {
    requireCpl0(cpu);
    intercept(cpu, { kind }, instruction);
  };

const hlt: SystemInstruction = (cpu, instruction) => {
  requireCpl0(cpu);
  intercept(cpu, { kind: 'hlt' }, instruction);
  cpu.state.set32(LAYOUT.activity, ACTIVITY.hlt);
  cpu.requestAttention();
};

export const CONTROL_REGISTERS: readonly Form[] = [
  ...forms([Code.Mov_r32_cr, Code.Mov_r64_cr], fromControl),
  ...forms([Code.Mov_cr_r32, Code.Mov_cr_r64], toControl),
  ...forms([Code.Mov_r32_dr, Code.Mov_r64_dr], moveDebug('from')),
  ...forms([Code.Mov_dr_r32, Code.Mov_dr_r64], moveDebug('to')),
  [Code.Smsw_rm16, smsw(2)],
  [Code.Smsw_r32m16, smsw(4)],
  [Code.Smsw_r64m16, smsw(8)],
  ...forms([Code.Lmsw_rm16, Code.Lmsw_r32m16, Code.Lmsw_r64m16], lmsw),
  [Code.Clts, clts],
  [Code.Invlpg_m, invlpg],
  [Code.Invpcid_r32_m128, invpcid(4)],
  [Code.Invpcid_r64_m128, invpcid(8)],
  [Code.Invd, cacheControl('invd')],
  // Without the feature WBNOINVD is WBINVD with an ignored prefix.
  ...forms([Code.Wbinvd, Code.Wbnoinvd], cacheControl('wbinvd')),
  [Code.Hlt, hlt],
];
