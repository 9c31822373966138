/** What CPUID says of a processor with given features: exactly what is built (SDM Vol. 2A, "CPUID—CPU Identification"). */
import type { Cpu } from './context.ts';
import { CR4 } from './control-bits.ts';
import type { CpuFeatures } from './features.ts';
import { LAYOUT } from './layout.ts';
import { areaBytes, AVX_AT, AVX_BYTES, COMPONENT, supportedComponents } from './xsave.ts';

export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

export const PHYSICAL_BITS = 40;
const LINEAR_BITS = 48;
const VENDOR = 'GenuineIntel';
const BRAND = 'Hyperstep simulated processor';
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

const MAX_BASIC = 0xd;
const MAX_EXTENDED = 0x8000_0008;

/** Bytes that MONITOR watches: smallest and largest line. */
const MONITOR_LINE_BYTES = 64;

function leavesOf(features: CpuFeatures): ReadonlyMap<number, CpuidResult> {
  const monitor = features.has('MONITOR') ? MONITOR_LINE_BYTES : 0;
  return new Map([
    [0, leaf(MAX_BASIC, vendorB, vendorC, vendorD)],
    [
      1,
      leaf(
        features.signature,
        ((CACHE_LINE_BYTES / 8) << 8) | (1 << 16),
        features.word('1.ecx'),
        features.word('1.edx'),
      ),
    ],
    [2, leaf(0x01, 0, 0, 0)],
    [5, leaf(monitor, monitor, 0, 0)],
    [7, leaf(0, features.word('7.ebx'), features.word('7.ecx'), features.word('7.edx'))],
    [0x8000_0000, leaf(MAX_EXTENDED)],
    [0x8000_0001, leaf(0, 0, features.word('80000001.ecx'), features.word('80000001.edx'))],
    [0x8000_0002, brandLeaf(0)],
    [0x8000_0003, brandLeaf(1)],
    [0x8000_0004, brandLeaf(2)],
    [0x8000_0006, leaf(0, 0, CACHE_LINE_BYTES, 0)],
    [0x8000_0007, leaf(0, 0, 0, features.word('80000007.edx'))],
    [0x8000_0008, leaf(PHYSICAL_BITS | (LINEAR_BITS << 8))],
  ]);
}

/** Bit of leaf 1 ECX that shows CR4.OSXSAVE. */
const OSXSAVE = 1 << 27;

/** Leaf 0Dh: state components, their places in an XSAVE area and its size; `enabled` is XCR0. */
function stateComponents(features: CpuFeatures, index: number, enabled: number): CpuidResult {
  if (!features.has('XSAVE')) return ABSENT;
  const supported = supportedComponents(features);
  if (index === 0) return leaf(supported, areaBytes(enabled), areaBytes(supported));
  if (index === 1) return leaf(features.word('d1.eax'), features.has('XSAVEC') ? areaBytes(enabled) : 0);
  return 1 << index === COMPONENT.avx && (supported & COMPONENT.avx) !== 0 ? leaf(AVX_BYTES, AVX_AT) : ABSENT;
}

const known = new WeakMap<CpuFeatures, ReadonlyMap<number, CpuidResult>>();

const ABSENT = leaf(0);

/**
 * One leaf. Above the highest of either range Intel processors answer with the highest basic leaf.
 * @param enabled XCR0, which leaf 0Dh looks at
 */
export function cpuid(features: CpuFeatures, eax: number, ecx: number, enabled = 1): CpuidResult {
  let leaves = known.get(features);
  if (leaves === undefined) known.set(features, (leaves = leavesOf(features)));
  const requested = eax >>> 0;
  const extended = requested >= 0x8000_0000;
  const beyond = requested > (extended ? MAX_EXTENDED : MAX_BASIC);
  const index = beyond ? MAX_BASIC : requested;
  if (index === 7 && ecx !== 0) return ABSENT;
  if (index === 0xb) return features.has('x2APIC') ? topology(ecx & 0xff) : ABSENT;
  if (index === 0xd) return stateComponents(features, ecx >>> 0, enabled);
  return leaves.get(index) ?? ABSENT;
}

/**
 * Leaf 0Bh, which comes with x2APIC (SDM Vol. 3A, "Detecting and Enabling x2APIC Mode" 10.12.1): the levels SMT (1) and core (2)
 * with one logical processor each. EDX is its x2APIC id.
 */
const topology = (level: number): CpuidResult =>
  level < 2 ? leaf(0, 1, level | ((level + 1) << 8)) : leaf(0, 0, level);

const APIC = 1 << 9;
const APIC_BASE_EN = 1 << 11;

/** What a processor answers now: CPUID.1:EDX.APIC follows IA32_APIC_BASE bit 11. */
export const withApicState = (cpu: Cpu, eax: number, result: CpuidResult): CpuidResult =>
  eax !== 1 || (cpu.state.low(LAYOUT.apicBase) & APIC_BASE_EN) !== 0 ? result : { ...result, edx: result.edx & ~APIC };

/** CPUID, the instruction: EAX and ECX in, four registers out. */
export function executeCpuid(cpu: Cpu): void {
  const state = cpu.state;
  const leafNumber = state.gpr32(0);
  const result = withApicState(
    cpu,
    leafNumber,
    cpuid(cpu.features, leafNumber, state.gpr32(1), state.get32(LAYOUT.xcr0)),
  );
  const osxsave = leafNumber === 1 && (state.get32(LAYOUT.cr4) & CR4.OSXSAVE) !== 0 ? OSXSAVE : 0;
  state.setGpr32(0, result.eax);
  state.setGpr32(3, result.ebx);
  state.setGpr32(1, result.ecx | osxsave);
  state.setGpr32(2, result.edx);
}
