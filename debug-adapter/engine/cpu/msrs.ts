/**
 * Model-specific registers as a table: where the value is, what it is at reset, what may be written
 * (SDM Vol. 4, "Architectural MSRs" 2.1). An MSR that is not here stops the machine by its
 * index, or faults where the machine has been told so.
 */
import {
  BRANCH_FROM_AT,
  BRANCH_RECORDS,
  BRANCH_SELECT_AT,
  BRANCH_TO_AT,
  BRANCH_TOP_AT,
  debugctlBits,
  LBR_FORMAT,
  LBR_SELECT_BITS,
} from './branch-records.ts';
import { writeEfer } from './control-registers.ts';
import type { ApicPort, Cpu } from './context.ts';
import { VMX_OFF } from './control-bits.ts';
import type { FeatureName } from './features.ts';
import { GP, MachineStop, raise } from './guest-fault.ts';
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from './layout.ts';
import { isCanonical } from './modes.ts';

export interface MsrRow {
  readonly name: string;
  /** Offset in the processor state; absent where `read` computes the value. */
  readonly at?: number;
  readonly reset?: bigint;
  /** Without the feature the MSR does not exist: #GP(0). */
  readonly needs?: FeatureName;
  readonly read?: (cpu: Cpu) => bigint;
  /**
   * `none`: read-only, #GP(0). A mask: bits that may be set, others #GP(0). `canonical`, `physical`: an address.
   * A function stores by itself.
   */
  readonly write: 'none' | 'any' | 'ignored' | 'canonical' | bigint | ((cpu: Cpu, value: bigint) => void);
}

const refuse = (name: string, because: string): never => raise(GP, 0, `${name}: ${because}`);

/** Slot of LAYOUT.msrStorage. */
const slot = (index: number): number => LAYOUT.msrStorage + index * 8;
const segmentBase = (name: 'FS' | 'GS'): number =>
  LAYOUT.segments + SEGMENT_INDEX[name] * SEGMENT_BYTES + SEGMENT_LAYOUT.base;

/** Number of variable-range MTRRs; with IA32_MTRRCAP. */
const VARIABLE_MTRRS = 8;
const FIXED_MTRRS: readonly (readonly [number, string])[] = [
  [0x250, 'FIX64K_00000'],
  [0x258, 'FIX16K_80000'],
  [0x259, 'FIX16K_A0000'],
  ...Array.from(
    { length: 8 },
    (_, index) => [0x268 + index, `FIX4K_${(0xc0000 + index * 0x8000).toString(16).toUpperCase()}`] as const,
  ),
];
const SLOT_MTRR_VARIABLE = 0; // 16 slots
const SLOT_MTRR_FIXED = 16; // 11 slots
const SLOT_BIOS_SIGN_ID = 27;
const SLOT_MCG_STATUS = 28;
const SLOT_PERF_CTL = 29;
const SLOT_SMI = 30;

/** Memory types that MTRRs and PAT accept; UC- (7) only in PAT. */
const isMtrrType = (type: number): boolean => [0, 1, 4, 5, 6].includes(type);
const isPatType = (type: number): boolean => isMtrrType(type) || type === 7;
const bytesOf = (value: bigint): number[] =>
  Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(index * 8)) & 0xffn));

function store(
  at: number,
  check: (value: bigint) => string | undefined,
  name: string,
): (cpu: Cpu, value: bigint) => void {
  return (cpu, value) => {
    const because = check(value);
    if (because !== undefined) refuse(name, because);
    cpu.state.set64(at, value);
  };
}

const PAT_RESET = 0x0007_0406_0007_0406n;
const APIC_BASE_RESET = 0xfee0_0900n;
/** TSC value since reset, before IA32_TSC_ADJUST. */
const FEATURE_CONTROL_LOCK = 1n;

const variableMtrrs = Array.from({ length: VARIABLE_MTRRS * 2 }, (_, index): [number, MsrRow] => {
  const name = `IA32_MTRR_PHYS${index % 2 === 0 ? 'BASE' : 'MASK'}${index >> 1}`;
  const at = slot(SLOT_MTRR_VARIABLE + index);
  const check = (value: bigint): string | undefined => {
    if (value >> 40n !== 0n) return 'bits beyond the physical-address width';
    if (index % 2 === 1) return (value & 0x7ffn) !== 0n ? 'reserved bits' : undefined;
    return (value & 0xf00n) !== 0n ? 'reserved bits' : isMtrrType(Number(value & 0xffn)) ? undefined : 'memory type';
  };
  return [0x200 + index, { name, at, write: store(at, check, name) }];
});

const fixedMtrrs = FIXED_MTRRS.map(([index, suffix], position): [number, MsrRow] => {
  const name = `IA32_MTRR_${suffix}`;
  const at = slot(SLOT_MTRR_FIXED + position);
  const check = (value: bigint): string | undefined => (bytesOf(value).every(isMtrrType) ? undefined : 'memory type');
  return [index, { name, at, write: store(at, check, name) }];
});

const branchRecords = Array.from({ length: BRANCH_RECORDS }, (_, index): [number, MsrRow][] => [
  [
    0x680 + index,
    { name: `MSR_LASTBRANCH_${index}_FROM_IP`, at: BRANCH_FROM_AT + 8 * index, needs: 'PDCM', write: 'any' },
  ],
  [0x6c0 + index, { name: `MSR_LASTBRANCH_${index}_TO_IP`, at: BRANCH_TO_AT + 8 * index, needs: 'PDCM', write: 'any' }],
]).flat();

const constant = (name: string, value: bigint): MsrRow => ({ name, read: () => value, write: 'none' });

export const MSRS: ReadonlyMap<number, MsrRow> = new Map<number, MsrRow>([
  [
    0x10,
    {
      name: 'IA32_TIME_STAMP_COUNTER',
      read: (cpu) => cpu.timeStampCounter(),
      write: (cpu, value) => {
        const delta = value - cpu.timeStampCounter();
        adjustTimeStamp(cpu, BigInt.asUintN(64, cpu.state.get64(LAYOUT.tscAdjust) + delta));
      },
    },
  ],
  [0x17, constant('IA32_PLATFORM_ID', 0n)],
  [0x1b, { name: 'IA32_APIC_BASE', at: LAYOUT.apicBase, reset: APIC_BASE_RESET, write: writeApicBase }],
  [0x34, { name: 'MSR_SMI_COUNT', at: slot(SLOT_SMI), write: 'none' }],
  [0x3a, { name: 'IA32_FEATURE_CONTROL', at: LAYOUT.featureControl, write: writeFeatureControl }],
  [0x3b, { name: 'IA32_TSC_ADJUST', at: LAYOUT.tscAdjust, write: adjustTimeStamp }],
  // A microcode update has nothing to update here; kernels may try.
  [0x79, { name: 'IA32_BIOS_UPDT_TRIG', read: () => refuse('IA32_BIOS_UPDT_TRIG', 'write-only'), write: 'ignored' }],
  [0x8b, { name: 'IA32_BIOS_SIGN_ID', at: slot(SLOT_BIOS_SIGN_ID), write: 'any' }],
  [0xfe, constant('IA32_MTRRCAP', BigInt(VARIABLE_MTRRS) | (1n << 8n) | (1n << 10n))],
  [0x174, { name: 'IA32_SYSENTER_CS', at: LAYOUT.sysenterCs, write: 'any' }],
  [0x175, { name: 'IA32_SYSENTER_ESP', at: LAYOUT.sysenterEsp, write: 'canonical' }],
  [0x176, { name: 'IA32_SYSENTER_EIP', at: LAYOUT.sysenterEip, write: 'canonical' }],
  [0x179, constant('IA32_MCG_CAP', 0n)],
  [0x17a, { name: 'IA32_MCG_STATUS', at: slot(SLOT_MCG_STATUS), write: 7n }],
  [0x198, constant('IA32_PERF_STATUS', 0n)],
  [0x199, { name: 'IA32_PERF_CTL', at: slot(SLOT_PERF_CTL), write: 0x1_0000_ffffn }],
  // Fast strings on; CPUID obeys bit 22, the rest of the processor it describes has no such switches.
  [0x1a0, { name: 'IA32_MISC_ENABLE', at: LAYOUT.miscEnable, reset: 1n, write: writeMiscEnable }],
  [0x1d9, { name: 'IA32_DEBUGCTL', at: LAYOUT.debugctl, write: writeDebugctl }],
  [0x1c8, { name: 'MSR_LBR_SELECT', at: BRANCH_SELECT_AT, needs: 'PDCM', write: LBR_SELECT_BITS }],
  [0x1c9, { name: 'MSR_LASTBRANCH_TOS', at: BRANCH_TOP_AT, needs: 'PDCM', write: BigInt(BRANCH_RECORDS - 1) }],
  [0x345, { ...constant('IA32_PERF_CAPABILITIES', LBR_FORMAT), needs: 'PDCM' }],
  // No supervisor state component exists here.
  [0xda0, { name: 'IA32_XSS', read: () => 0n, needs: 'XSAVES', write: writeXss }],
  ...branchRecords,
  ...variableMtrrs,
  ...fixedMtrrs,
  [0x277, { name: 'IA32_PAT', at: LAYOUT.pat, reset: PAT_RESET, write: store(LAYOUT.pat, checkPat, 'IA32_PAT') }],
  [
    0x2ff,
    {
      name: 'IA32_MTRR_DEF_TYPE',
      at: LAYOUT.mtrrDefType,
      write: store(LAYOUT.mtrrDefType, checkDefType, 'IA32_MTRR_DEF_TYPE'),
    },
  ],
  [
    0x6e0,
    {
      name: 'IA32_TSC_DEADLINE',
      read: (cpu) => deadlineTimer(cpu).readDeadline(),
      write: (cpu, value) => deadlineTimer(cpu).writeDeadline(value),
    },
  ],
  [0xc000_0080, { name: 'IA32_EFER', at: LAYOUT.efer, write: writeEfer }],
  [0xc000_0081, { name: 'IA32_STAR', at: LAYOUT.star, write: 'any' }],
  [0xc000_0082, { name: 'IA32_LSTAR', at: LAYOUT.lstar, write: 'canonical' }],
  [0xc000_0083, { name: 'IA32_CSTAR', at: LAYOUT.cstar, write: 'canonical' }],
  [0xc000_0084, { name: 'IA32_FMASK', at: LAYOUT.fmask, write: 0xffff_ffffn }],
  [0xc000_0100, { name: 'IA32_FS_BASE', at: segmentBase('FS'), write: 'canonical' }],
  [0xc000_0101, { name: 'IA32_GS_BASE', at: segmentBase('GS'), write: 'canonical' }],
  [0xc000_0102, { name: 'IA32_KERNEL_GS_BASE', at: LAYOUT.kernelGsBase, write: 'canonical' }],
  [0xc000_0103, { name: 'IA32_TSC_AUX', at: LAYOUT.tscAux, write: 0xffff_ffffn }],
]);

function checkPat(value: bigint): string | undefined {
  return bytesOf(value).every(isPatType) ? undefined : 'memory type';
}

function checkDefType(value: bigint): string | undefined {
  if ((value & ~0xcffn) !== 0n) return 'reserved bits';
  return isMtrrType(Number(value & 0xffn)) ? undefined : 'memory type';
}

function adjustTimeStamp(cpu: Cpu, value: bigint): void {
  cpu.state.set64(LAYOUT.tscAdjust, value);
  cpu.apic?.timeStampChanged();
}

function deadlineTimer(cpu: Cpu): ApicPort {
  const apic = cpu.features.has('TSC-Deadline') ? cpu.apic : undefined;
  return apic ?? refuse('IA32_TSC_DEADLINE', 'no TSC-deadline timer');
}

const APIC_BASE_BSP = 1n << 8n;
const APIC_BASE_EXTD = 1n << 10n;
const APIC_BASE_EN = 1n << 11n;
const APIC_BASE_RESERVED = 0x2ffn;

/** Bits 11 and 10 choose the mode; which transitions fault: SDM Vol. 3A, "x2APIC States" 10.12.5. Bit 8 is read-only here. */
function writeApicBase(cpu: Cpu, value: bigint): void {
  const reserved = APIC_BASE_RESERVED | (cpu.apic !== undefined && cpu.features.has('x2APIC') ? 0n : APIC_BASE_EXTD);
  if ((value & reserved) !== 0n || value >> BigInt(cpu.physicalBits) !== 0n) refuse('IA32_APIC_BASE', 'reserved bits');
  const old = cpu.state.get64(LAYOUT.apicBase);
  const [enabled, extended] = [(value & APIC_BASE_EN) !== 0n, (value & APIC_BASE_EXTD) !== 0n];
  if (extended && !enabled) refuse('IA32_APIC_BASE', 'x2APIC mode in a disabled local APIC');
  if (extended && (old & APIC_BASE_EN) === 0n) refuse('IA32_APIC_BASE', 'x2APIC mode directly from disabled');
  if (!extended && enabled && (old & APIC_BASE_EXTD) !== 0n) refuse('IA32_APIC_BASE', 'from x2APIC mode to xAPIC mode');
  const stored = (value & ~APIC_BASE_BSP) | (old & APIC_BASE_BSP);
  cpu.state.set64(LAYOUT.apicBase, stored);
  cpu.apic?.baseChanged(stored);
}

/** Bit 0 locks; bits 1 and 2 allow VMXON in and outside SMX (SDM Vol. 3C, "Enabling and Entering VMX Operation" 23.7). */
function writeFeatureControl(cpu: Cpu, value: bigint): void {
  if ((cpu.state.get64(LAYOUT.featureControl) & FEATURE_CONTROL_LOCK) !== 0n) refuse('IA32_FEATURE_CONTROL', 'locked');
  if ((value & ~7n) !== 0n) refuse('IA32_FEATURE_CONTROL', 'reserved bits');
  cpu.state.set64(LAYOUT.featureControl, value);
}

function writeMiscEnable(cpu: Cpu, value: bigint): void {
  const xdDisable = 1n << 34n;
  if ((value & xdDisable) !== 0n) throw new MachineStop('WRMSR IA32_MISC_ENABLE with XD Bit Disable (bit 34)');
  cpu.state.set64(LAYOUT.miscEnable, value);
}

function writeXss(_cpu: Cpu, value: bigint): void {
  if (value !== 0n) refuse('IA32_XSS', 'reserved bits');
}

function writeDebugctl(cpu: Cpu, value: bigint): void {
  if ((value & ~debugctlBits(cpu.features)) !== 0n) refuse('IA32_DEBUGCTL', 'reserved bits');
  cpu.state.set64(LAYOUT.debugctl, value);
}

const isCapability = (index: number): boolean => index >= 0x480 && index <= 0x493;
const isX2apic = (index: number): boolean => index >= 0x800 && index <= 0x8ff;
const hex = (index: number): string => `${index.toString(16).toUpperCase()}h`;

/** Stops the machine, or faults as hardware does for "a reserved or unimplemented MSR address" (SDM Vol. 2B, RDMSR). */
function absent(cpu: Cpu, what: string, index: number): never {
  cpu.absentMsr(what);
  return refuse(`MSR ${hex(index)}`, 'this processor does not have it');
}

function requireFeature(cpu: Cpu, { name, needs }: MsrRow): void {
  if (needs !== undefined && !cpu.features.has(needs)) refuse(name, `the processor has no ${needs}`);
}

export function readMsr(cpu: Cpu, index: number): bigint {
  if (isCapability(index)) {
    const value = cpu.vmx.readCapabilityMsr(index);
    return value ?? refuse(`MSR ${hex(index)}`, 'VMX capability that does not exist');
  }
  if (isX2apic(index))
    return cpu.apic?.readRegister(index) ?? refuse(`MSR ${hex(index)}`, 'no readable x2APIC register in this mode');
  const row = MSRS.get(index);
  if (row === undefined) return absent(cpu, `RDMSR of MSR ${hex(index)}`, index);
  requireFeature(cpu, row);
  return row.read !== undefined ? row.read(cpu) : cpu.state.get64(row.at!);
}

export function writeMsr(cpu: Cpu, index: number, value: bigint): void {
  if (isCapability(index)) refuse(`MSR ${hex(index)}`, 'read-only');
  if (isX2apic(index)) {
    if (cpu.apic?.writeRegister(index, value) !== 'written')
      refuse(`MSR ${hex(index)}`, 'no such x2APIC register, reserved bits, or another mode');
    return;
  }
  const row = MSRS.get(index);
  if (row === undefined) return absent(cpu, `WRMSR of MSR ${hex(index)}, value ${value.toString(16)}h`, index);
  requireFeature(cpu, row);
  const { name, write } = row;
  if (typeof write === 'function') {
    write(cpu, value);
    return;
  }
  if (write === 'none') refuse(name, 'read-only');
  if (write === 'canonical' && !isCanonical(value, cpu.linearBits)) refuse(name, 'address is not canonical');
  if (typeof write === 'bigint' && (value & ~write) !== 0n) refuse(name, 'reserved bits');
  if (write !== 'ignored') cpu.state.set64(row.at!, value);
}

/** Values at power-on, for reset.ts. */
export function resetMsrs(cpu: Cpu): void {
  for (const row of MSRS.values())
    if (row.at !== undefined && row.at >= LAYOUT.msrStorage) cpu.state.set64(row.at, row.reset ?? 0n);
    else if (row.at !== undefined && row.reset !== undefined) cpu.state.set64(row.at, row.reset);
  if (cpu.state.get32(LAYOUT.vmxMode) !== VMX_OFF) throw new Error('Invariant broken: reset while in VMX operation');
}
