/** Modes of the processor for random code to run in, each with descriptor tables and page tables that work, for a while. */
import { CR0, CR4, EFER } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { LAYOUT, type SegmentName } from '../../../debug-adapter/engine/cpu/layout.ts';
import type { CpuState } from '../../../debug-adapter/engine/cpu/state.ts';
import type { PhysicalMemory } from '../../../debug-adapter/engine/memory/physical.ts';
import { descriptor } from '../../cpu/harness.ts';

export interface Mode {
  readonly name: string;
  readonly bits: 16 | 32 | 64;
  readonly kind: 'real' | 'protected' | 'virtual-8086' | 'long';
  readonly cpl: 0 | 3;
  readonly paging: 'off' | '32-bit' | 'PAE' | '4-level';
}

const both = (name: string, mode: Omit<Mode, 'name' | 'cpl'>): Mode[] => [
  { ...mode, name: `${name}, supervisor`, cpl: 0 },
  { ...mode, name: `${name}, user`, cpl: 3 },
];

export const MODES: readonly Mode[] = [
  { name: 'real-address mode', bits: 16, kind: 'real', cpl: 0, paging: 'off' },
  { name: 'virtual-8086 mode', bits: 16, kind: 'virtual-8086', cpl: 3, paging: 'off' },
  { name: 'virtual-8086 mode, paging', bits: 16, kind: 'virtual-8086', cpl: 3, paging: '32-bit' },
  ...([16, 32] as const).flatMap((bits) => [
    ...both(`protected mode, ${bits}-bit`, { bits, kind: 'protected', paging: 'off' }),
    ...both(`protected mode, ${bits}-bit, 32-bit paging`, { bits, kind: 'protected', paging: '32-bit' }),
    ...both(`protected mode, ${bits}-bit, PAE paging`, { bits, kind: 'protected', paging: 'PAE' }),
    ...both(`compatibility mode, ${bits}-bit`, { bits, kind: 'long', paging: '4-level' }),
  ]),
  ...both('64-bit mode', { bits: 64, kind: 'long', paging: '4-level' }),
];

const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const [PML4, PDPT, DIRECTORY, DIRECTORY_32] = [0x10000, 0x11000, 0x12000, 0x13000];
const TSS_SELECTOR = 0x48;
/** Selector and descriptor's access bits 47:40 and 55:52. */
const SEGMENTS = {
  code: { 16: [0x08, 0x9b, 0], 32: [0x10, 0x9b, 4], 64: [0x18, 0x9b, 2] },
  data: { 16: [0x20, 0x93, 0], 32: [0x28, 0x93, 4], 64: [0x28, 0x93, 4] },
} as const;
const RING_3 = 0x60;
const LARGE_USER_PAGE = 0xe7n;
const PAGES_OF_2M = 2;

/** Writes tables and sets every register that the mode is made of; `codeBase` is where its code begins. */
export function enterMode(mode: Mode, state: CpuState, physical: PhysicalMemory, codeBase: number): void {
  writeTables(physical);
  const { kind, bits, cpl, paging } = mode;
  const flat = kind === 'protected' || kind === 'long';
  const limit = bits === 16 ? 0xffff : 0xffff_ffff;
  const base = flat && bits !== 16 ? 0 : codeBase;
  const set = (name: SegmentName, which: keyof typeof SEGMENTS): void => {
    const [selector, access, flags] = SEGMENTS[which][bits];
    const rights = access | (cpl === 3 ? RING_3 : 0) | (flags << 12) | (bits === 16 ? 0 : 0x8000);
    if (flat) state.setSegment(name, { selector: selector | cpl, base: BigInt(base), limit, accessRights: rights });
    else {
      const accessRights = kind === 'virtual-8086' ? 0xf3 : 0x93;
      state.setSegment(name, { selector: base >> 4, base: BigInt(base), limit: 0xffff, accessRights });
    }
  };
  set('CS', 'code');
  for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const) set(name, 'data');
  state.setSegment('TR', { selector: TSS_SELECTOR, base: BigInt(TSS), limit: 0x2067, accessRights: 0x8b });
  state.setSegment('LDTR', { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0082 });
  state.set64(LAYOUT.gdtrBase, BigInt(GDT));
  state.set32(LAYOUT.gdtrLimit, 0xff);
  state.set64(LAYOUT.idtrBase, kind === 'real' ? 0n : BigInt(IDT));
  state.set32(LAYOUT.idtrLimit, 0x7ff);
  const on = paging === 'off' ? 0 : CR0.PG;
  state.set64(LAYOUT.cr0, BigInt((CR0.ET | CR0.NE | (kind === 'real' ? 0 : CR0.PE) | on) >>> 0));
  const tables = { off: 0, '32-bit': DIRECTORY_32, PAE: PDPT, '4-level': PML4 }[paging];
  state.set64(LAYOUT.cr3, BigInt(tables));
  const wide = paging === 'PAE' || paging === '4-level' ? CR4.PAE : CR4.PSE;
  state.set64(LAYOUT.cr4, BigInt(wide | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
  state.set64(LAYOUT.xcr0, 7n);
  state.set64(LAYOUT.efer, BigInt(kind === 'long' ? EFER.LME | EFER.LMA | EFER.NXE | EFER.SCE : 0));
  for (let i = 0; i < 4; i++) state.set64(LAYOUT.pdpte + 8 * i, i === 0 ? BigInt(DIRECTORY) | 1n : 0n);
}

function writeTables(physical: PhysicalMemory): void {
  physical.write64(GDT, 0n);
  for (const table of Object.values(SEGMENTS))
    for (const [selector, access, flags] of Object.values(table))
      physical.write64(GDT + selector, descriptor(0, 0xfffff, access, flags | 8));
  physical.write64(GDT + TSS_SELECTOR, descriptor(TSS, 0x2067, 0x8b, 0));
  physical.write64(GDT + TSS_SELECTOR + 8, 0n);
  physical.write64(TSS + 4, 0x2_8000n);
  physical.write64(PML4, BigInt(PDPT) | 7n);
  // A PDPTE of PAE paging has neither R/W nor U/S: those bits are reserved there.
  physical.write64(PDPT, BigInt(DIRECTORY) | 7n);
  for (let i = 0; i < PAGES_OF_2M; i++) physical.write64(DIRECTORY + 8 * i, (BigInt(i) << 21n) | LARGE_USER_PAGE);
  physical.write64(DIRECTORY_32, LARGE_USER_PAGE);
}
