/**
 * What CPUID says, as data: exactly what is built (SDM Vol. 2A, "CPUID—CPU Identification"). One preset so far: a 64-bit
 * Intel-style processor with VMX and without x87 and SSE.
 */
import type { Cpu } from './context.ts';

export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Names of feature bits by leaf and register; `BASELINE` says which are on. */
const CPUID_FEATURES = {
  '1.ecx': { VMX: 5, CMPXCHG16B: 13, PCID: 17 },
  '1.edx': {
    DE: 2,
    PSE: 3,
    TSC: 4,
    MSR: 5,
    PAE: 6,
    MCE: 7,
    CX8: 8,
    SEP: 11,
    MTRR: 12,
    PGE: 13,
    MCA: 14,
    CMOV: 15,
    PAT: 16,
    'PSE-36': 17,
    CLFSH: 19,
  },
  '7.ebx': { FSGSBASE: 0, TSC_ADJUST: 1, SMEP: 7, INVPCID: 10, SMAP: 20 },
  '7.ecx': { UMIP: 2 },
  '80000001.ecx': { LAHF64: 0 },
  '80000001.edx': { SYSCALL: 11, NX: 20, '1GB-pages': 26, RDTSCP: 27, LM: 29 },
  '80000007.edx': { invariantTsc: 8 },
} as const;

const mask = (word: keyof typeof CPUID_FEATURES): number =>
  Object.values(CPUID_FEATURES[word]).reduce((bits: number, bit: number) => bits | (1 << bit), 0);

export const PHYSICAL_BITS = 40;
const LINEAR_BITS = 48;
const VENDOR = 'GenuineIntel';
const BRAND = 'Hyperstep simulated processor';
/** Family 6, model 3Ch, stepping 3. */
export const SIGNATURE = 0x0003_06c3;
const CACHE_LINE_BYTES = 64;

/** Little-endian double words of a text, padded with zeros. */
function words(text: string, count: number): number[] {
  return Array.from({ length: count }, (_, word) =>
    [0, 1, 2, 3].reduce((value, byte) => value | ((text.charCodeAt(word * 4 + byte) || 0) << (byte * 8)), 0),
  );
}

const leaf = (eax: number, ebx = 0, ecx = 0, edx = 0): CpuidResult => ({ eax, ebx, ecx, edx });
const [vendorB, vendorD, vendorC] = words(VENDOR, 3) as [number, number, number];
const brand = words(BRAND, 12);
const brandLeaf = (index: number): CpuidResult =>
  leaf(brand[index * 4], brand[index * 4 + 1], brand[index * 4 + 2], brand[index * 4 + 3]);

const MAX_BASIC = 7;
const MAX_EXTENDED = 0x8000_0008;

export const BASELINE: ReadonlyMap<number, CpuidResult> = new Map([
  [0, leaf(MAX_BASIC, vendorB, vendorC, vendorD)],
  [1, leaf(SIGNATURE, ((CACHE_LINE_BYTES / 8) << 8) | (1 << 16), mask('1.ecx'), mask('1.edx'))],
  [2, leaf(0x01, 0, 0, 0)],
  [7, leaf(0, mask('7.ebx'), mask('7.ecx'), 0)],
  [0x8000_0000, leaf(MAX_EXTENDED)],
  [0x8000_0001, leaf(0, 0, mask('80000001.ecx'), mask('80000001.edx'))],
  [0x8000_0002, brandLeaf(0)],
  [0x8000_0003, brandLeaf(1)],
  [0x8000_0004, brandLeaf(2)],
  [0x8000_0006, leaf(0, 0, CACHE_LINE_BYTES, 0)],
  [0x8000_0007, leaf(0, 0, 0, mask('80000007.edx'))],
  [0x8000_0008, leaf(PHYSICAL_BITS | (LINEAR_BITS << 8))],
]);

const ABSENT = leaf(0);

/** One leaf. Above the highest of either range Intel processors answer with the highest basic leaf. */
export function cpuid(eax: number, ecx: number): CpuidResult {
  const requested = eax >>> 0;
  const extended = requested >= 0x8000_0000;
  const beyond = requested > (extended ? MAX_EXTENDED : MAX_BASIC);
  const index = beyond ? MAX_BASIC : requested;
  if (index === 7 && ecx !== 0) return ABSENT;
  return BASELINE.get(index) ?? ABSENT;
}

/** CPUID, the instruction: EAX and ECX in, four registers out. */
export function executeCpuid(cpu: Cpu): void {
  const state = cpu.state;
  const result = cpuid(state.gpr32(0), state.gpr32(1));
  state.setGpr32(0, result.eax);
  state.setGpr32(3, result.ebx);
  state.setGpr32(1, result.ecx);
  state.setGpr32(2, result.edx);
}
