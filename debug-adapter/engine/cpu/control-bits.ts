/** Bits of the control registers as masks of bits 31:0 (SDM Vol. 3A, "Control Registers" 2.5; "Extended Feature Enable Register" 2.2.1). */
export const CR0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  UMIP: 1 << 11,
  LA57: 1 << 12,
  VMXE: 1 << 13,
  SMXE: 1 << 14,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
  PKE: 1 << 22,
} as const;

export const EFER = {
  SCE: 1 << 0,
  LME: 1 << 8,
  LMA: 1 << 10,
  NXE: 1 << 11,
} as const;

/** VMCS "Interruptibility state" (SDM Vol. 3C, table 24-3). */
export const BLOCKING_BY_STI = 1 << 0;
export const BLOCKING_BY_MOV_SS = 1 << 1;
export const BLOCKING_BY_NMI = 1 << 3;

/** VMCS "Activity state" (SDM Vol. 3C, 24.4.2). */
export const ACTIVITY = { active: 0, hlt: 1, shutdown: 2, waitForSipi: 3 } as const;

/** Values of LAYOUT.vmxMode. */
export const VMX_OFF = 0;
export const VMX_ROOT = 1;
export const VMX_NON_ROOT = 2;

/** IA32_DEBUGCTL (SDM Vol. 4, "Architectural MSRs" 2.1). */
export const DEBUGCTL = { LBR: 1 << 0, BTF: 1 << 1, TR: 1 << 6 } as const;

/** DR6: bits that read as ones, and the causes (SDM Vol. 3B, "Debug Status Register (DR6)" 17.2.3). */
export const DR6_FIXED = 0xffff_0ff0;
/** B0 to B3. */
export const DR6_BREAKPOINTS = 0xf;
export const DR6_BD = 1 << 13;
export const DR6_BS = 1 << 14;
export const DR6_BT = 1 << 15;
/** All causes. */
export const DR6_CAUSES = 0xe00f;
/** A pending debug exception is due to a breakpoint that is enabled (VMCS "Pending debug exceptions", SDM Vol. 3C, table 24-4). */
export const PENDING_ENABLED_BREAKPOINT = 1 << 12;
export const DR7_FIXED = 0x400;
/** Bits that MOV to DR7 takes from its operand. */
export const DR7_WRITABLE = 0xffff_2bff;
export const DR7_GD = 1 << 13;
