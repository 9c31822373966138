/** What CPUID says of a processor with given features: exactly what is built (SDM Vol. 2A, "CPUID—CPU Identification"). */
import type { Cpu, Topology } from './context.ts';
import { CR4 } from './control-bits.ts';
import { FEATURES, type CpuFeatures } from './features.ts';
import { LAYOUT } from './layout.ts';
import { LINEAR_BITS, LINEAR_BITS_LA57 } from './modes.ts';
import {
  areaBytes,
  AVX_AT,
  AVX_BYTES,
  compactedBytes,
  COMPONENT,
  PKRU_AT,
  PKRU_BYTES,
  supportedComponents,
} from './xsave.ts';

export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

export const PHYSICAL_BITS = 40;
/** Linear-address width: registers take addresses of 5-level paging whether it is on or not. */
export const linearBitsOf = (features: CpuFeatures): number => (features.has('LA57') ? LINEAR_BITS_LA57 : LINEAR_BITS);
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
    [0x8000_0008, leaf(PHYSICAL_BITS | (linearBitsOf(features) << 8))],
  ]);
}

/** Bit of leaf 1 ECX that shows CR4.OSXSAVE, and of leaf 7 ECX that shows CR4.PKE. */
const OSXSAVE = 1 << 27;
const OSPKE = 1 << 4;

/** The answer with the bits that follow CR4. */
export function withControlBits(eax: number, ecx: number, result: CpuidResult, cr4: number): CpuidResult {
  if (eax === 1 && (cr4 & CR4.OSXSAVE) !== 0) return { ...result, ecx: result.ecx | OSXSAVE };
  // Where the leaf is hidden by IA32_MISC_ENABLE, another answers in its place.
  if (eax === 7 && ecx === 0 && (result.ecx & (1 << FEATURES.PKU.bit)) !== 0 && (cr4 & CR4.PKE) !== 0)
    return { ...result, ecx: result.ecx | OSPKE };
  return result;
}

/** Leaf 0Dh: state components, their places in an XSAVE area and its size; `enabled` is XCR0. */
function stateComponents(features: CpuFeatures, index: number, enabled: number): CpuidResult {
  if (!features.has('XSAVE')) return ABSENT;
  const supported = supportedComponents(features);
  if (index === 0) return leaf(supported, areaBytes(enabled), areaBytes(supported));
  if (index === 1) return leaf(features.word('d1.eax'), features.has('XSAVEC') ? compactedBytes(enabled) : 0);
  if (index >= 32 || (supported & (1 << index)) === 0) return ABSENT;
  return 1 << index === COMPONENT.pkru ? leaf(PKRU_BYTES, PKRU_AT) : leaf(AVX_BYTES, AVX_AT);
}

const known = new WeakMap<CpuFeatures, ReadonlyMap<number, CpuidResult>>();

const ABSENT = leaf(0);

/**
 * One leaf, but for what `cpuidOf` knows of one processor. Above the highest of either range Intel processors answer with the highest basic leaf.
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
  if (index === 0xd) return stateComponents(features, ecx >>> 0, enabled);
  return leaves.get(index) ?? ABSENT;
}

const HTT = 1 << 28;
const APIC = 1 << 9;
const APIC_BASE_EN = 1 << 11;

/** Bits of an APIC id that tell the processors of the package apart. */
const coreBits = ({ processors }: Topology): number => 32 - Math.clz32(processors - 1);

/** Leaf 1: initial APIC id, number of ids, HTT; CPUID.1:EDX.APIC follows IA32_APIC_BASE bit 11. */
function identity(result: CpuidResult, topology: Topology, apicEnabled: boolean): CpuidResult {
  const { index, processors } = topology;
  return {
    ...result,
    ebx: (result.ebx & 0xffff) | (processors << 16) | (index << 24),
    edx: (apicEnabled ? result.edx : result.edx & ~APIC) | (processors > 1 ? HTT : 0),
  };
}

/**
 * Leaf 4, for the number of cores that it tells: there is one where there are several. The cache is each core's own: 32 KiB of
 * data, 8 ways.
 */
function caches(topology: Topology, index: number): CpuidResult {
  if (topology.processors === 1 || index > 0) return ABSENT;
  const [ways, sets, firstLevelData] = [8, 64, 1 | (1 << 5) | (1 << 8)];
  const cores = 1 << coreBits(topology);
  return leaf(((cores - 1) << 26) | firstLevelData, ((ways - 1) << 22) | (CACHE_LINE_BYTES - 1), sets - 1);
}

/**
 * Leaf 0Bh, which comes with x2APIC (SDM Vol. 3A, "Detecting and Enabling x2APIC Mode" 10.12.1): the levels SMT (1), with one
 * logical processor, and core (2), with all of the package. EDX is the x2APIC id.
 */
function levels(topology: Topology, level: number): CpuidResult {
  const type = level < 2 ? level + 1 : 0;
  const [shift, below] = level === 0 ? [0, 1] : level === 1 ? [coreBits(topology), topology.processors] : [0, 0];
  return leaf(shift, below, level | (type << 8), topology.index);
}

/** IA32_MISC_ENABLE bit 22, "Limit CPUID Maxval": leaf 0 gives 2 (SDM Vol. 4, table 2-2), so what lies above answers as leaf 2. */
const LIMIT_CPUID_MAXVAL = 1 << 22;
const MAX_BASIC_LIMITED = 2;

/** What a processor answers now. */
export function cpuidOf(cpu: Cpu, eax: number, ecx: number): CpuidResult {
  if ((cpu.state.low(LAYOUT.miscEnable) & LIMIT_CPUID_MAXVAL) === 0) return unlimited(cpu, eax, ecx);
  const requested = eax >>> 0;
  if (requested === 0) return { ...unlimited(cpu, 0, 0), eax: MAX_BASIC_LIMITED };
  const basic = requested < 0x8000_0000 || requested > MAX_EXTENDED;
  return unlimited(cpu, basic ? Math.min(requested, MAX_BASIC_LIMITED) : eax, ecx);
}

function unlimited(cpu: Cpu, eax: number, ecx: number): CpuidResult {
  const { state, topology, features } = cpu;
  switch (eax) {
    case 1:
      return identity(cpuid(features, eax, ecx), topology, (state.low(LAYOUT.apicBase) & APIC_BASE_EN) !== 0);
    case 4:
      return caches(topology, ecx);
    case 0xb:
      return features.has('x2APIC') ? levels(topology, ecx & 0xff) : ABSENT;
    default:
      return cpuid(features, eax, ecx, state.get32(LAYOUT.xcr0));
  }
}

/** CPUID, the instruction: EAX and ECX in, four registers out. */
export function executeCpuid(cpu: Cpu): void {
  const state = cpu.state;
  const leafNumber = state.gpr32(0);
  const subleaf = state.gpr32(1);
  const result = withControlBits(leafNumber, subleaf, cpuidOf(cpu, leafNumber, subleaf), state.get32(LAYOUT.cr4));
  state.setGpr32(0, result.eax);
  state.setGpr32(3, result.ebx);
  state.setGpr32(1, result.ecx);
  state.setGpr32(2, result.edx);
}
