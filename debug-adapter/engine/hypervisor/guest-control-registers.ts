/**
 * Control registers as the guest sees them: the real values under the guest/host masks, the read shadows over them, and
 * what a change brings with it (SDM Vol. 3A, "Control Registers" 2.5 and "Initializing IA-32e Mode" 9.8.5; Vol. 3C,
 * "Guest/Host Masks and Read Shadows for CR0 and CR4", 24.6.6). The guest is not offered VMX: CR4.VMXE reads as 0.
 */
import { CR0, CR4, EFER } from '../cpu/control-bits.ts';
import type { CpuFeatures } from '../cpu/features.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { pdpteIsValid } from '../vmx/checks/guest-state.ts';
import { controlMask } from '../vmx/controls.ts';
import type { VmcsFieldKey } from '../vmx/types.ts';
import type { HypervisorContext } from './context.ts';
import type { Exiting } from './controls.ts';
import type { Guest } from './guest.ts';
import { VPID } from './host-layout.ts';

/** #GP(0), or done. */
export type ControlRegisterWrite = 'refused' | 'written';

const CR0_BITS = Object.values(CR0).reduce((bits: number, bit: number) => bits | bit, 0);
/** Bits that differ between what the guest asked for and what the processor runs it with. */
const CR0_HOST_VALUE = CR0.NE | CR0.CD | CR0.NW;
const CR0_OWNED = CR0.PE | CR0.PG | CR0_HOST_VALUE;
const CR4_OWNED = CR4.VMXE;
const CR4_FLUSH = CR4.PSE | CR4.PAE | CR4.PGE | CR4.PCIDE | CR4.SMEP | CR4.SMAP;
const CR4_PDPTES = CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP;
const IA32E_MODE_GUEST = controlMask('ia32eModeGuest');
const PCID_MASK = 0xfffn;
const TSS16_TYPES: ReadonlySet<number> = new Set([1, 3]);
const PDPTE_FIELDS: readonly VmcsFieldKey[] = ['GUEST_PDPTE0', 'GUEST_PDPTE1', 'GUEST_PDPTE2', 'GUEST_PDPTE3'];

/** Bits of CR0 and CR4 that the guest cannot change without an exit. */
export const controlRegisterMasks = (
  exiting: Exiting,
  features: CpuFeatures,
): { readonly cr0: bigint; readonly cr4: bigint } => {
  const all = exiting.controlRegisters === 'all';
  return { cr0: BigInt((all ? CR0_BITS : CR0_OWNED) >>> 0), cr4: BigInt((all ? features.cr4Bits : CR4_OWNED) >>> 0) };
};

/** What the processor runs the guest with for a CR0 or CR4 that the guest believes in. */
export const realCr0 = (seen: number): bigint => BigInt(((seen & ~(CR0.CD | CR0.NW)) | CR0.NE) >>> 0);
export const realCr4 = (seen: number): bigint => BigInt((seen | CR4.VMXE) >>> 0);

/** What MOV from CR0 or CR4 gives the guest; bits 31:0 as a signed number. */
export function seenControlRegister(guest: Guest, cr: 0 | 4): number {
  const mask = guest.low(`CR${cr}_GUEST_HOST_MASK`);
  return (guest.low(`CR${cr}_READ_SHADOW`) & mask) | (guest.low(`GUEST_CR${cr}`) & ~mask);
}

/** Fields that the functions below write, for the steps that call them. */
export const CONTROL_REGISTER_FIELDS: readonly VmcsFieldKey[] = [
  'GUEST_CR0',
  'CR0_READ_SHADOW',
  'GUEST_CR3',
  'GUEST_CR4',
  'CR4_READ_SHADOW',
  'GUEST_IA32_EFER',
  'ENTRY_CONTROLS',
  ...PDPTE_FIELDS,
];

export function writeGuestCr0(hypervisor: HypervisorContext, requested: bigint): ControlRegisterWrite {
  const { guest, vmx } = hypervisor;
  if (requested >> 32n !== 0n) return 'refused';
  const value = (Number(requested) & CR0_BITS) | CR0.ET;
  if ((value & CR0.PG) !== 0 && (value & CR0.PE) === 0) return 'refused';
  if ((value & CR0.NW) !== 0 && (value & CR0.CD) === 0) return 'refused';
  const old = seenControlRegister(guest, 0);
  const cr4 = guest.low('GUEST_CR4');
  const efer = guest.low('GUEST_IA32_EFER');
  const enables = (value & ~old & CR0.PG) !== 0;
  const disables = (old & ~value & CR0.PG) !== 0;
  const longModeAfter = (value & CR0.PG) !== 0 && (efer & EFER.LME) !== 0;
  if (enables && longModeAfter) {
    if ((cr4 & CR4.PAE) === 0 || (guest.low('GUEST_CS_AR') & ACCESS_RIGHTS.L) !== 0) return 'refused';
    if (TSS16_TYPES.has(guest.low('GUEST_TR_AR') & ACCESS_RIGHTS.TYPE)) return 'refused';
  }
  if (disables && (guest.code64 || (cr4 & CR4.PCIDE) !== 0)) return 'refused';
  const reload = ((value ^ old) & (CR0.PG | CR0.CD | CR0.NW)) !== 0;
  if (reload && (value & CR0.PG) !== 0 && (cr4 & CR4.PAE) !== 0 && !longModeAfter)
    if (loadPdptes(hypervisor, guest.read('GUEST_CR3')) === 'refused') return 'refused';
  guest.write('GUEST_CR0', realCr0(value));
  guest.writeLow('CR0_READ_SHADOW', value);
  if (enables && longModeAfter) setLongMode(guest, efer | EFER.LMA);
  if (disables) setLongMode(guest, efer & ~EFER.LMA);
  if (((value ^ old) & (CR0.PG | CR0.WP)) !== 0) vmx.invvpidSingle(VPID);
  return 'written';
}

/** EFER.LMA and the VM-entry control "IA-32e mode guest" always agree. */
function setLongMode(guest: Guest, efer: number): void {
  guest.writeLow('GUEST_IA32_EFER', efer);
  const controls = guest.low('ENTRY_CONTROLS');
  const wanted = (efer & EFER.LMA) !== 0 ? controls | IA32E_MODE_GUEST : controls & ~IA32E_MODE_GUEST;
  if (wanted >>> 0 !== controls) guest.writeLow('ENTRY_CONTROLS', wanted);
}

export function writeGuestCr3(hypervisor: HypervisorContext, requested: bigint): ControlRegisterWrite {
  const { guest, vmx, cpu } = hypervisor;
  const cr4 = guest.low('GUEST_CR4');
  const keeps = guest.longMode && (cr4 & CR4.PCIDE) !== 0 && requested >> 63n !== 0n;
  const value = keeps ? BigInt.asUintN(63, requested) : requested;
  if (value >> BigInt(cpu.physicalBits) !== 0n) return 'refused';
  const pae = (guest.low('GUEST_CR0') & CR0.PG) !== 0 && (cr4 & CR4.PAE) !== 0 && !guest.longMode;
  if (pae && loadPdptes(hypervisor, value) === 'refused') return 'refused';
  guest.write('GUEST_CR3', value);
  if (!keeps) vmx.invvpidSingle(VPID);
  return 'written';
}

export function writeGuestCr4(hypervisor: HypervisorContext, requested: bigint): ControlRegisterWrite {
  const { guest, vmx, cpu } = hypervisor;
  const value = Number(requested & 0xffff_ffffn) | 0;
  const offered = cpu.features.cr4Bits & ~CR4.VMXE;
  if (requested >> 32n !== 0n || (value & ~offered) !== 0) return 'refused';
  const old = seenControlRegister(guest, 4);
  const { longMode } = guest;
  if (longMode && ((value & CR4.PAE) === 0 || ((value ^ old) & CR4.LA57) !== 0)) return 'refused';
  const startsPcids = (value & ~old & CR4.PCIDE) !== 0;
  if (startsPcids && (!longMode || (guest.read('GUEST_CR3') & PCID_MASK) !== 0n)) return 'refused';
  const changed = value ^ old;
  const pae = (value & CR4.PAE) !== 0 && (guest.low('GUEST_CR0') & CR0.PG) !== 0 && !longMode;
  if (pae && (changed & CR4_PDPTES) !== 0)
    if (loadPdptes(hypervisor, guest.read('GUEST_CR3')) === 'refused') return 'refused';
  guest.write('GUEST_CR4', realCr4(value));
  guest.writeLow('CR4_READ_SHADOW', value);
  if ((changed & CR4_FLUSH) !== 0) vmx.invvpidSingle(VPID);
  return 'written';
}

/** The four entries at CR3 under PAE paging (SDM Vol. 3A, "PDPTE Registers" 4.4.1). */
function loadPdptes({ guest, memory, cpu }: HypervisorContext, cr3: bigint): ControlRegisterWrite {
  const table = Number(cr3 & 0xffff_ffe0n);
  const entries = PDPTE_FIELDS.map((_, index) => memory.read64(table + 8 * index));
  if (!entries.every((entry) => pdpteIsValid(entry, cpu.physicalBits))) return 'refused';
  PDPTE_FIELDS.forEach((field, index) => guest.write(field, entries[index]));
  return 'written';
}
