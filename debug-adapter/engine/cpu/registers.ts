/**
 * Every register a debugger may name, with its width and bit fields (SDM Vol. 1, "Basic Program Execution Registers" 3.4;
 * Vol. 3A, "Control Registers" 2.5, "Debug Registers" 17.2; Vol. 4 for MSRs).
 */
import { LAYOUT } from './layout.ts';

export interface BitField {
  readonly name: string;
  /** Lowest bit. */
  readonly bit: number;
  /** Number of bits; 1 where absent. */
  readonly width?: number;
  readonly meaning?: string;
}

export interface RegisterRow {
  readonly group: 'general' | 'instruction' | 'control' | 'debug' | 'system-table' | 'segment' | 'msr';
  readonly bits: 8 | 16 | 32 | 64;
  /** Offset in the processor state; absent for registers that are computed (RFLAGS, sub-registers, selectors). */
  readonly at?: number;
  readonly fields?: readonly BitField[];
  readonly readOnly?: true;
}

const RFLAGS_FIELDS: readonly BitField[] = [
  { name: 'CF', bit: 0, meaning: 'carry' },
  { name: 'PF', bit: 2, meaning: 'parity' },
  { name: 'AF', bit: 4, meaning: 'auxiliary carry' },
  { name: 'ZF', bit: 6, meaning: 'zero' },
  { name: 'SF', bit: 7, meaning: 'sign' },
  { name: 'TF', bit: 8, meaning: 'single-step trap' },
  { name: 'IF', bit: 9, meaning: 'interrupts enabled' },
  { name: 'DF', bit: 10, meaning: 'string instructions count down' },
  { name: 'OF', bit: 11, meaning: 'overflow' },
  { name: 'IOPL', bit: 12, width: 2, meaning: 'I/O privilege level' },
  { name: 'NT', bit: 14, meaning: 'nested task' },
  { name: 'RF', bit: 16, meaning: 'resume: suppresses instruction breakpoints' },
  { name: 'VM', bit: 17, meaning: 'virtual-8086 mode' },
  { name: 'AC', bit: 18, meaning: 'alignment check / SMAP override' },
  { name: 'VIF', bit: 19, meaning: 'virtual interrupt flag' },
  { name: 'VIP', bit: 20, meaning: 'virtual interrupt pending' },
  { name: 'ID', bit: 21, meaning: 'CPUID is available' },
];

const CR0_FIELDS: readonly BitField[] = [
  { name: 'PE', bit: 0, meaning: 'protection enabled' },
  { name: 'MP', bit: 1, meaning: 'monitor coprocessor' },
  { name: 'EM', bit: 2, meaning: 'x87 emulation' },
  { name: 'TS', bit: 3, meaning: 'task switched' },
  { name: 'ET', bit: 4, meaning: 'extension type' },
  { name: 'NE', bit: 5, meaning: 'numeric error' },
  { name: 'WP', bit: 16, meaning: 'write protect in supervisor mode' },
  { name: 'AM', bit: 18, meaning: 'alignment mask' },
  { name: 'NW', bit: 29, meaning: 'not write-through' },
  { name: 'CD', bit: 30, meaning: 'cache disable' },
  { name: 'PG', bit: 31, meaning: 'paging enabled' },
];

const CR3_FIELDS: readonly BitField[] = [
  { name: 'PWT', bit: 3 },
  { name: 'PCD', bit: 4 },
  { name: 'base', bit: 12, width: 40, meaning: 'physical page of the top-level table' },
];

const CR4_FIELDS: readonly BitField[] = [
  { name: 'VME', bit: 0, meaning: 'virtual-8086 mode extensions' },
  { name: 'PVI', bit: 1, meaning: 'protected-mode virtual interrupts' },
  { name: 'TSD', bit: 2, meaning: 'RDTSC only at CPL 0' },
  { name: 'DE', bit: 3, meaning: 'debugging extensions' },
  { name: 'PSE', bit: 4, meaning: 'large pages' },
  { name: 'PAE', bit: 5, meaning: 'physical-address extension' },
  { name: 'MCE', bit: 6 },
  { name: 'PGE', bit: 7, meaning: 'global pages' },
  { name: 'PCE', bit: 8 },
  { name: 'OSFXSR', bit: 9 },
  { name: 'OSXMMEXCPT', bit: 10 },
  { name: 'UMIP', bit: 11 },
  { name: 'LA57', bit: 12, meaning: '5-level paging' },
  { name: 'VMXE', bit: 13, meaning: 'VMX enabled' },
  { name: 'SMXE', bit: 14 },
  { name: 'FSGSBASE', bit: 16 },
  { name: 'PCIDE', bit: 17 },
  { name: 'OSXSAVE', bit: 18 },
  { name: 'SMEP', bit: 20, meaning: 'supervisor never executes user pages' },
  { name: 'SMAP', bit: 21, meaning: 'supervisor touches user pages only with AC' },
  { name: 'PKE', bit: 22, meaning: 'protection keys' },
];

const DR6_FIELDS: readonly BitField[] = [
  { name: 'B0', bit: 0 },
  { name: 'B1', bit: 1 },
  { name: 'B2', bit: 2 },
  { name: 'B3', bit: 3 },
  { name: 'BD', bit: 13 },
  { name: 'BS', bit: 14, meaning: 'single step' },
  { name: 'BT', bit: 15, meaning: 'task switch' },
];

const EFER_FIELDS: readonly BitField[] = [
  { name: 'SCE', bit: 0, meaning: 'SYSCALL enabled' },
  { name: 'LME', bit: 8, meaning: 'long mode enabled' },
  { name: 'LMA', bit: 10, meaning: 'long mode active' },
  { name: 'NXE', bit: 11, meaning: 'execute-disable enabled' },
];

const gpr = (index: number): RegisterRow => ({ group: 'general', bits: 64, at: LAYOUT.gpr + 8 * index });
const selector: RegisterRow = { group: 'segment', bits: 16 };
const msr = (at: number, fields?: readonly BitField[]): RegisterRow =>
  fields ? { group: 'msr', bits: 64, at, fields } : { group: 'msr', bits: 64, at };

export const REGISTERS = {
  RAX: gpr(0),
  RBX: gpr(3),
  RCX: gpr(1),
  RDX: gpr(2),
  RSI: gpr(6),
  RDI: gpr(7),
  RBP: gpr(5),
  RSP: gpr(4),
  R8: gpr(8),
  R9: gpr(9),
  R10: gpr(10),
  R11: gpr(11),
  R12: gpr(12),
  R13: gpr(13),
  R14: gpr(14),
  R15: gpr(15),
  RIP: { group: 'instruction', bits: 64, at: LAYOUT.rip },
  RFLAGS: { group: 'instruction', bits: 64, fields: RFLAGS_FIELDS },
  CS: selector,
  SS: selector,
  DS: selector,
  ES: selector,
  FS: selector,
  GS: selector,
  LDTR: selector,
  TR: selector,
  CR0: { group: 'control', bits: 64, at: LAYOUT.cr0, fields: CR0_FIELDS },
  CR2: { group: 'control', bits: 64, at: LAYOUT.cr2 },
  CR3: { group: 'control', bits: 64, at: LAYOUT.cr3, fields: CR3_FIELDS },
  CR4: { group: 'control', bits: 64, at: LAYOUT.cr4, fields: CR4_FIELDS },
  CR8: { group: 'control', bits: 64, at: LAYOUT.cr8 },
  DR0: { group: 'debug', bits: 64, at: LAYOUT.dr0 },
  DR1: { group: 'debug', bits: 64, at: LAYOUT.dr1 },
  DR2: { group: 'debug', bits: 64, at: LAYOUT.dr2 },
  DR3: { group: 'debug', bits: 64, at: LAYOUT.dr3 },
  DR6: { group: 'debug', bits: 64, at: LAYOUT.dr6, fields: DR6_FIELDS },
  DR7: { group: 'debug', bits: 64, at: LAYOUT.dr7 },
  GDTR_BASE: { group: 'system-table', bits: 64, at: LAYOUT.gdtrBase },
  GDTR_LIMIT: { group: 'system-table', bits: 32, at: LAYOUT.gdtrLimit },
  IDTR_BASE: { group: 'system-table', bits: 64, at: LAYOUT.idtrBase },
  IDTR_LIMIT: { group: 'system-table', bits: 32, at: LAYOUT.idtrLimit },
  IA32_EFER: msr(LAYOUT.efer, EFER_FIELDS),
  IA32_STAR: msr(LAYOUT.star),
  IA32_LSTAR: msr(LAYOUT.lstar),
  IA32_CSTAR: msr(LAYOUT.cstar),
  IA32_FMASK: msr(LAYOUT.fmask),
  IA32_KERNEL_GS_BASE: msr(LAYOUT.kernelGsBase),
  IA32_SYSENTER_CS: msr(LAYOUT.sysenterCs),
  IA32_SYSENTER_ESP: msr(LAYOUT.sysenterEsp),
  IA32_SYSENTER_EIP: msr(LAYOUT.sysenterEip),
  IA32_PAT: msr(LAYOUT.pat),
  IA32_APIC_BASE: msr(LAYOUT.apicBase),
  IA32_DEBUGCTL: msr(LAYOUT.debugctl),
  IA32_FEATURE_CONTROL: msr(LAYOUT.featureControl),
} as const satisfies Record<string, RegisterRow>;

export type RegisterName = keyof typeof REGISTERS;
export const REGISTER_NAMES = Object.keys(REGISTERS) as readonly RegisterName[];

/** General registers in the order of their numbers in instructions and exit qualifications. */
export const GENERAL_REGISTERS = [
  'RAX',
  'RCX',
  'RDX',
  'RBX',
  'RSP',
  'RBP',
  'RSI',
  'RDI',
  'R8',
  'R9',
  'R10',
  'R11',
  'R12',
  'R13',
  'R14',
  'R15',
] as const satisfies readonly RegisterName[];
