/**
 * Writing CR0, CR3, CR4, CR8, EFER and the debug registers: what is refused, and what follows from a change
 * (SDM Vol. 3A, "Control Registers" 2.5; "Initializing IA-32e Mode" 9.8.5; Vol. 2B, "MOV—Move to/from Control Registers").
 */
import type { Cpu } from './context.ts';
import {
  CR0,
  CR4,
  DR6_CAUSES,
  DR6_FIXED,
  DR7_FIXED,
  DR7_WRITABLE,
  EFER,
  VMX_NON_ROOT,
  VMX_OFF,
} from './control-bits.ts';
import { GP, raise } from './guest-fault.ts';
import { LAYOUT } from './layout.ts';
import { isLongMode } from './modes.ts';
import { ACCESS_RIGHTS } from './state.ts';
import { PAE_PDPTE_RESERVED_LOW } from '../memory/walk.ts';
import { reservedAddressBits } from '../memory/paging.ts';
import { SYSTEM_TYPE } from './segmentation.ts';

/** Bits that exist; CR0 ignores writes to the others below bit 32, CR4 refuses them. */
const CR0_BITS = CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD | CR0.PG;
/** CR4 bits whose change drops cached translations (SDM Vol. 3A, "Operations that Invalidate TLBs" 4.10.4.1). */
const CR4_FLUSH = CR4.PSE | CR4.PAE | CR4.PGE | CR4.PCIDE | CR4.SMEP | CR4.SMAP;
const CR4_PDPTES = CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP;

const refuse = (because: string): never => raise(GP, 0, because);

/** IA32_VMX_CR0_FIXED0 and so on (SDM Vol. 3D, appendices A.7 and A.8). */
const FIXED0_MSR = { 0: 0x486, 4: 0x488 } as const;

/** In VMX operation some bits are fixed (SDM Vol. 3C, "Restrictions on VMX Operation" 23.8). */
function checkVmxFixed(cpu: Cpu, cr: 0 | 4, value: bigint): void {
  const mode = cpu.state.get32(LAYOUT.vmxMode);
  if (mode === VMX_OFF) return;
  let ones = cpu.vmx.readCapabilityMsr(FIXED0_MSR[cr]) ?? 0n;
  const allowed = cpu.vmx.readCapabilityMsr(FIXED0_MSR[cr] + 1) ?? 0xffff_ffffn;
  if (cr === 0 && mode === VMX_NON_ROOT && cpu.vmx.unrestrictedGuest()) ones &= ~BigInt((CR0.PE | CR0.PG) >>> 0);
  if ((value & ones) !== ones) refuse(`CR${cr} bit that is fixed to 1 in VMX operation`);
  if ((value & ~allowed) !== 0n) refuse(`CR${cr} bit that is fixed to 0 in VMX operation`);
}

/** Writes CR0 as MOV to CR0, LMSW and CLTS do, after VMX masks; raises #GP(0). */
export function writeCr0(cpu: Cpu, requested: bigint): void {
  const state = cpu.state;
  if (requested >> 32n !== 0n) refuse('CR0 bits 63:32');
  const old = state.get32(LAYOUT.cr0);
  const value = (Number(requested & 0xffff_ffffn) & CR0_BITS) | CR0.ET;
  if ((value & CR0.PG) !== 0 && (value & CR0.PE) === 0) refuse('CR0.PG without CR0.PE');
  if ((value & CR0.NW) !== 0 && (value & CR0.CD) === 0) refuse('CR0.NW without CR0.CD');
  const cr4 = state.get32(LAYOUT.cr4);
  const efer = state.get32(LAYOUT.efer);
  const enables = (value & ~old & CR0.PG) !== 0;
  const disables = (old & ~value & CR0.PG) !== 0;
  checkVmxFixed(cpu, 0, BigInt(value >>> 0));
  if (enables && (efer & EFER.LME) !== 0) {
    if ((cr4 & CR4.PAE) === 0) refuse('IA-32e mode without CR4.PAE');
    if ((state.accessRights('CS') & ACCESS_RIGHTS.L) !== 0)
      refuse('IA-32e mode activated from a code segment with L set');
    const trType = state.accessRights('TR') & 0xf;
    if (trType === SYSTEM_TYPE.availableTss16 || trType === SYSTEM_TYPE.busyTss16)
      refuse('IA-32e mode with a 16-bit TSS');
  }
  if (disables) {
    if (state.codeBits === 64) refuse('paging turned off in 64-bit mode');
    if ((cr4 & CR4.PCIDE) !== 0) refuse('paging turned off with CR4.PCIDE set');
  }
  const reload = (value ^ old) & (CR0.PG | CR0.CD | CR0.NW);
  const longModeAfter = (value & CR0.PG) !== 0 && (efer & EFER.LME) !== 0;
  if (reload !== 0 && (value & CR0.PG) !== 0 && (cr4 & CR4.PAE) !== 0 && !longModeAfter)
    loadPdptes(cpu, state.getNumber(LAYOUT.cr3));
  state.set64(LAYOUT.cr0, BigInt(value >>> 0));
  if (enables && (efer & EFER.LME) !== 0) state.set32(LAYOUT.efer, efer | EFER.LMA);
  if (disables) state.set32(LAYOUT.efer, efer & ~EFER.LMA);
  if (((value ^ old) & (CR0.PG | CR0.WP)) !== 0) cpu.flushTlb({ vpid: currentVpid(cpu) });
  cpu.modeChanged();
}

/** Writes CR3; in IA-32e mode with PCIDs bit 63 of `requested` keeps cached translations. */
export function writeCr3(cpu: Cpu, requested: bigint): void {
  const state = cpu.state;
  const long = isLongMode(state);
  const pcids = (state.get32(LAYOUT.cr4) & CR4.PCIDE) !== 0;
  let value = requested;
  let keep = false;
  if (long) {
    keep = pcids && value >> 63n !== 0n;
    if (keep) value = BigInt.asUintN(63, value);
    if (value >> BigInt(cpu.physicalBits) !== 0n) refuse('CR3 bits beyond the physical-address width');
  } else value = BigInt.asUintN(32, value);
  if (!long && pagesWithPae(cpu)) loadPdptes(cpu, Number(value));
  state.set64(LAYOUT.cr3, value);
  if (!keep) cpu.flushTlb('current');
  cpu.modeChanged();
}

const pagesWithPae = (cpu: Cpu): boolean =>
  (cpu.state.get32(LAYOUT.cr0) & CR0.PG) !== 0 && (cpu.state.get32(LAYOUT.cr4) & CR4.PAE) !== 0;

/** Writes CR4 after VMX masks; raises #GP(0). */
export function writeCr4(cpu: Cpu, requested: bigint): void {
  const state = cpu.state;
  if (requested >> 32n !== 0n || (Number(requested & 0xffff_ffffn) & ~cpu.features.cr4Bits) !== 0)
    refuse('reserved CR4 bit');
  const value = Number(requested & 0xffff_ffffn) | 0;
  const old = state.get32(LAYOUT.cr4);
  const long = isLongMode(state);
  if (long && (value & CR4.PAE) === 0) refuse('CR4.PAE cleared in IA-32e mode');
  if (long && ((value ^ state.get32(LAYOUT.cr4)) & CR4.LA57) !== 0) refuse('CR4.LA57 changed in IA-32e mode');
  if ((value & ~old & CR4.PCIDE) !== 0) {
    if (!long) refuse('CR4.PCIDE set outside IA-32e mode');
    if ((state.get32(LAYOUT.cr3) & 0xfff) !== 0) refuse('CR4.PCIDE set with CR3 bits 11:0 not zero');
  }
  checkVmxFixed(cpu, 4, BigInt(value >>> 0));
  const changed = value ^ old;
  const pae = (value & CR4.PAE) !== 0 && (state.get32(LAYOUT.cr0) & CR0.PG) !== 0 && !long;
  if (pae && (changed & CR4_PDPTES) !== 0) loadPdptes(cpu, state.getNumber(LAYOUT.cr3));
  state.set64(LAYOUT.cr4, BigInt(value >>> 0));
  if ((changed & CR4_FLUSH) !== 0) cpu.flushTlb({ vpid: currentVpid(cpu) });
  if ((changed & CR4.DE) !== 0) cpu.breakpointsChanged('exactly');
  cpu.modeChanged();
}

/** Loads the PAE page-directory-pointer registers from memory (SDM Vol. 3A, "PDPTE Registers" 4.4.1); raises #GP(0). */
export function loadPdptes(cpu: Cpu, cr3: number): void {
  const reservedHigh = reservedAddressBits(cpu.physicalBits) | 0xfff0_0000;
  const table = (cr3 & ~31) >>> 0;
  const loaded: bigint[] = [];
  for (let index = 0; index < 4; index++) {
    const value = cpu.physical.read64(cpu.translateGuestPhysical(table + index * 8, 'read'));
    const low = Number(BigInt.asIntN(32, value));
    const high = Number(BigInt.asIntN(32, value >> 32n));
    if ((low & 1) !== 0 && ((low & PAE_PDPTE_RESERVED_LOW) !== 0 || (high & reservedHigh) !== 0))
      refuse(`reserved bits in page-directory-pointer-table entry ${index}`);
    loaded.push(value);
  }
  loaded.forEach((value, index) => cpu.state.set64(LAYOUT.pdpte + index * 8, value));
}

export function writeEfer(cpu: Cpu, requested: bigint): void {
  const state = cpu.state;
  const old = state.get32(LAYOUT.efer);
  if (requested >> 32n !== 0n || (Number(requested & 0xffff_ffffn) & ~cpu.features.eferBits) !== 0)
    refuse('reserved IA32_EFER bit');
  const value = (Number(requested & 0xffff_ffffn) & ~EFER.LMA) | (old & EFER.LMA);
  const paging = (state.get32(LAYOUT.cr0) & CR0.PG) !== 0;
  if (paging && ((value ^ old) & EFER.LME) !== 0) refuse('IA32_EFER.LME changed while paging is on');
  state.set64(LAYOUT.efer, BigInt(value >>> 0));
  if (((value ^ old) & EFER.NXE) !== 0) cpu.flushTlb({ vpid: currentVpid(cpu) });
  cpu.modeChanged();
}

export function writeCr8(cpu: Cpu, value: bigint): void {
  if (value >> 4n !== 0n) refuse('CR8 bits 63:4');
  cpu.state.set64(LAYOUT.cr8, value);
  cpu.apic?.setTaskPriorityClass(Number(value));
}

/** Reads a debug register; DR4 and DR5 are resolved by the caller. */
export function readDr(cpu: Cpu, dr: 0 | 1 | 2 | 3 | 6 | 7): bigint {
  return cpu.state.get64(DR_AT[dr]);
}

const DR_AT = { 0: LAYOUT.dr0, 1: LAYOUT.dr1, 2: LAYOUT.dr2, 3: LAYOUT.dr3, 6: LAYOUT.dr6, 7: LAYOUT.dr7 } as const;
export function writeDr(cpu: Cpu, dr: 0 | 1 | 2 | 3 | 6 | 7, value: bigint): void {
  const low = Number(BigInt.asUintN(32, value));
  if (dr >= 6 && value >> 32n !== 0n) refuse(`DR${dr} bits 63:32`);
  if (dr === 7) cpu.state.set64(LAYOUT.dr7, BigInt(((low & DR7_WRITABLE) | DR7_FIXED) >>> 0));
  else if (dr === 6) cpu.state.set64(LAYOUT.dr6, BigInt(((low & DR6_CAUSES) | DR6_FIXED) >>> 0));
  else cpu.state.set64(DR_AT[dr], value);
  if (dr !== 6) cpu.breakpointsChanged('exactly');
}

/** VPID whose translations belong to the running code: 0 outside VMX non-root operation. */
const currentVpid = (cpu: Cpu): number =>
  cpu.state.get32(LAYOUT.vmxMode) === VMX_NON_ROOT ? cpu.state.get32(LAYOUT.vpid) & 0xffff : 0;
