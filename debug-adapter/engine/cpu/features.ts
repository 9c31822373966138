/**
 * The processor's features as one table: where CPUID says so, which CR4 and EFER bits come with it, which instructions iced
 * files under it. A processor is a preset with single features switched; CPUID claims what is both asked for and built
 * (SDM Vol. 2A, "CPUID—CPU Identification", tables 3-8 and 3-10 and 3-11).
 */
import { Code, DecoderOptions } from 'iced-x86';
import { cpuidFeaturesOf } from '../isa/codes.ts';
import { CR4, EFER } from './control-bits.ts';

export type CpuidWord =
  '1.ecx' | '1.edx' | '7.ebx' | '7.ecx' | '7.edx' | 'd1.eax' | '80000001.ecx' | '80000001.edx' | '80000007.edx';

interface FeatureRow {
  readonly word: CpuidWord;
  readonly bit: number;
  /** Names in iced's `CpuidFeature` of the instructions that come with it. */
  readonly iced?: readonly string[];
  readonly cr4?: number;
  readonly efer?: number;
  /** Turning one of these off turns this one off. */
  readonly needs?: readonly string[];
  /** Nobody has built it yet: CPUID never claims it, and its instructions stop the machine by name. */
  readonly built?: false;
}

export const FEATURES = {
  FPU: { word: '1.edx', bit: 0, iced: ['FPU', 'FPU287', 'FPU387'] },
  VME: { word: '1.edx', bit: 1, cr4: CR4.VME | CR4.PVI },
  DE: { word: '1.edx', bit: 2, cr4: CR4.DE },
  PSE: { word: '1.edx', bit: 3, cr4: CR4.PSE },
  TSC: { word: '1.edx', bit: 4, iced: ['TSC'], cr4: CR4.TSD },
  MSR: { word: '1.edx', bit: 5, iced: ['MSR'] },
  PAE: { word: '1.edx', bit: 6, cr4: CR4.PAE },
  MCE: { word: '1.edx', bit: 7, cr4: CR4.MCE },
  CX8: { word: '1.edx', bit: 8, iced: ['CX8'] },
  APIC: { word: '1.edx', bit: 9 },
  SEP: { word: '1.edx', bit: 11, iced: ['SEP'] },
  MTRR: { word: '1.edx', bit: 12 },
  PGE: { word: '1.edx', bit: 13, cr4: CR4.PGE },
  MCA: { word: '1.edx', bit: 14 },
  CMOV: { word: '1.edx', bit: 15, iced: ['CMOV'] },
  PAT: { word: '1.edx', bit: 16 },
  'PSE-36': { word: '1.edx', bit: 17, needs: ['PSE'] },
  CLFSH: { word: '1.edx', bit: 19, iced: ['CLFSH'] },
  MMX: { word: '1.edx', bit: 23, iced: ['MMX'], needs: ['FPU'] },
  FXSR: { word: '1.edx', bit: 24, iced: ['FXSR'], cr4: CR4.OSFXSR, needs: ['FPU'] },
  SSE: { word: '1.edx', bit: 25, iced: ['SSE'], cr4: CR4.OSXMMEXCPT, needs: ['FXSR'] },
  SSE2: { word: '1.edx', bit: 26, iced: ['SSE2'], needs: ['SSE'] },

  SSE3: { word: '1.ecx', bit: 0, iced: ['SSE3'], needs: ['SSE2'] },
  PCLMULQDQ: { word: '1.ecx', bit: 1, iced: ['PCLMULQDQ'], needs: ['SSE2'] },
  MONITOR: { word: '1.ecx', bit: 3, iced: ['MONITOR'] },
  VMX: { word: '1.ecx', bit: 5, iced: ['VMX', 'INVEPT', 'INVVPID'], cr4: CR4.VMXE },
  SSSE3: { word: '1.ecx', bit: 9, iced: ['SSSE3'], needs: ['SSE3'] },
  FMA: { word: '1.ecx', bit: 12, iced: ['FMA'], needs: ['AVX'] },
  CMPXCHG16B: { word: '1.ecx', bit: 13, iced: ['CMPXCHG16B'], needs: ['CX8'] },
  /** IA32_PERF_CAPABILITIES, and with it the last-branch records. */
  PDCM: { word: '1.ecx', bit: 15 },
  PCID: { word: '1.ecx', bit: 17, cr4: CR4.PCIDE },
  'SSE4.1': { word: '1.ecx', bit: 19, iced: ['SSE4_1'], needs: ['SSSE3'] },
  'SSE4.2': { word: '1.ecx', bit: 20, iced: ['SSE4_2'], needs: ['SSE4.1'] },
  x2APIC: { word: '1.ecx', bit: 21, needs: ['APIC'] },
  MOVBE: { word: '1.ecx', bit: 22, iced: ['MOVBE'] },
  POPCNT: { word: '1.ecx', bit: 23, iced: ['POPCNT'] },
  'TSC-Deadline': { word: '1.ecx', bit: 24, needs: ['APIC'] },
  AESNI: { word: '1.ecx', bit: 25, iced: ['AES'], needs: ['SSE2'] },
  XSAVE: { word: '1.ecx', bit: 26, iced: ['XSAVE'], cr4: CR4.OSXSAVE, needs: ['FXSR'] },
  AVX: { word: '1.ecx', bit: 28, iced: ['AVX'], needs: ['XSAVE', 'SSE4.2'] },
  F16C: { word: '1.ecx', bit: 29, iced: ['F16C'], needs: ['AVX'] },
  RDRAND: { word: '1.ecx', bit: 30, iced: ['RDRAND'] },

  FSGSBASE: { word: '7.ebx', bit: 0, iced: ['FSGSBASE'], cr4: CR4.FSGSBASE },
  TSC_ADJUST: { word: '7.ebx', bit: 1 },
  BMI1: { word: '7.ebx', bit: 3, iced: ['BMI1'] },
  AVX2: { word: '7.ebx', bit: 5, iced: ['AVX2'], needs: ['AVX'] },
  SMEP: { word: '7.ebx', bit: 7, cr4: CR4.SMEP },
  BMI2: { word: '7.ebx', bit: 8, iced: ['BMI2'] },
  ERMS: { word: '7.ebx', bit: 9 },
  INVPCID: { word: '7.ebx', bit: 10, iced: ['INVPCID'] },
  AVX512F: { word: '7.ebx', bit: 16, iced: ['AVX512F'], needs: ['AVX2'], built: false },
  AVX512DQ: { word: '7.ebx', bit: 17, iced: ['AVX512DQ'], needs: ['AVX512F'], built: false },
  RDSEED: { word: '7.ebx', bit: 18, iced: ['RDSEED'] },
  ADX: { word: '7.ebx', bit: 19, iced: ['ADX'] },
  SMAP: { word: '7.ebx', bit: 20, iced: ['SMAP'], cr4: CR4.SMAP },
  CLFLUSHOPT: { word: '7.ebx', bit: 23, iced: ['CLFLUSHOPT'] },
  CLWB: { word: '7.ebx', bit: 24, iced: ['CLWB'] },
  AVX512CD: { word: '7.ebx', bit: 28, iced: ['AVX512CD'], needs: ['AVX512F'], built: false },
  SHA: { word: '7.ebx', bit: 29, iced: ['SHA'], needs: ['SSE2'] },
  AVX512BW: { word: '7.ebx', bit: 30, iced: ['AVX512BW'], needs: ['AVX512F'], built: false },
  AVX512VL: { word: '7.ebx', bit: 31, iced: ['AVX512VL'], needs: ['AVX512F'], built: false },

  UMIP: { word: '7.ecx', bit: 2, cr4: CR4.UMIP },
  PKU: { word: '7.ecx', bit: 3, iced: ['PKU'], cr4: CR4.PKE, needs: ['LM'] },
  LA57: { word: '7.ecx', bit: 16, cr4: CR4.LA57, needs: ['LM'] },
  RDPID: { word: '7.ecx', bit: 22, iced: ['RDPID'] },

  XSAVEOPT: { word: 'd1.eax', bit: 0, iced: ['XSAVEOPT'], needs: ['XSAVE'] },
  XSAVEC: { word: 'd1.eax', bit: 1, iced: ['XSAVEC'], needs: ['XSAVE'] },
  XGETBV1: { word: 'd1.eax', bit: 2, needs: ['XSAVE'] },
  XSAVES: { word: 'd1.eax', bit: 3, iced: ['XSAVES'], needs: ['XSAVEC'] },

  LAHF64: { word: '80000001.ecx', bit: 0 },
  LZCNT: { word: '80000001.ecx', bit: 5, iced: ['LZCNT'] },
  PREFETCHW: { word: '80000001.ecx', bit: 8 },
  SYSCALL: { word: '80000001.edx', bit: 11, iced: ['SYSCALL'], efer: EFER.SCE },
  NX: { word: '80000001.edx', bit: 20, efer: EFER.NXE },
  '1GB-pages': { word: '80000001.edx', bit: 26 },
  RDTSCP: { word: '80000001.edx', bit: 27, iced: ['RDTSCP'] },
  LM: { word: '80000001.edx', bit: 29, efer: EFER.LME | EFER.LMA },
  invariantTsc: { word: '80000007.edx', bit: 8 },
} as const satisfies Readonly<Record<string, FeatureRow>>;

export type FeatureName = keyof typeof FEATURES;
interface NamedRow extends FeatureRow {
  readonly needs?: readonly FeatureName[];
}
const ROWS: Readonly<Record<FeatureName, NamedRow>> = FEATURES;
export const FEATURE_NAMES = Object.keys(FEATURES) as readonly FeatureName[];
const isBuilt = (name: FeatureName): boolean => ROWS[name].built !== false;

/** Long mode on an integer processor with VT-x: what a 64-bit hypervisor cannot do without. */
const MINIMAL: readonly FeatureName[] = [
  ...([
    'VME',
    'DE',
    'PSE',
    'TSC',
    'MSR',
    'PAE',
    'MCE',
    'CX8',
    'SEP',
    'MTRR',
    'PGE',
    'MCA',
    'CMOV',
    'PAT',
    'PSE-36',
  ] as const),
  ...(['APIC', 'CLFSH', 'VMX', 'SYSCALL', 'NX', 'LM', 'RDTSCP', 'INVPCID'] as const),
];
/** The x86-64 baseline of compilers (x86-64-v1) besides. */
const BASELINE: readonly FeatureName[] = [...MINIMAL, 'FPU', 'MMX', 'FXSR', 'SSE', 'SSE2'];
const HASWELL: readonly FeatureName[] = [
  ...BASELINE,
  ...([
    'SSE3',
    'PCLMULQDQ',
    'MONITOR',
    'SSSE3',
    'FMA',
    'CMPXCHG16B',
    'PDCM',
    'PCID',
    'SSE4.1',
    'SSE4.2',
    'MOVBE',
  ] as const),
  ...(['POPCNT', 'AESNI', 'XSAVE', 'XSAVEOPT', 'AVX', 'F16C', 'RDRAND', 'FSGSBASE', 'TSC_ADJUST', 'BMI1'] as const),
  ...(['AVX2', 'SMEP', 'BMI2', 'ERMS', 'LAHF64', 'LZCNT', '1GB-pages', 'invariantTsc'] as const),
  ...(['x2APIC', 'TSC-Deadline'] as const),
];
const SKYLAKE_SERVER: readonly FeatureName[] = [
  ...HASWELL,
  ...(['AVX512F', 'AVX512DQ', 'AVX512CD', 'AVX512BW', 'AVX512VL', 'RDSEED', 'ADX', 'SMAP', 'CLFLUSHOPT'] as const),
  ...(['CLWB', 'XSAVEC', 'XGETBV1', 'XSAVES', 'PREFETCHW', 'PKU'] as const),
];

/** Everything built but LA57, which changes what every check of an address accepts even where 5-level paging is off. */
const FULL: readonly FeatureName[] = FEATURE_NAMES.filter((name) => name !== 'LA57');

interface PresetRow {
  readonly features: readonly FeatureName[];
  /** CPUID.1:EAX: family 6, a model, a stepping. */
  readonly signature: number;
}
export const CPU_PRESETS = {
  minimal: { features: MINIMAL, signature: 0x0000_06f1 },
  baseline: { features: BASELINE, signature: 0x0000_06fb },
  haswell: { features: HASWELL, signature: 0x0003_06c3 },
  'skylake-server': { features: SKYLAKE_SERVER, signature: 0x0005_0654 },
  full: { features: FULL, signature: 0x0003_06c3 },
} as const satisfies Readonly<Record<string, PresetRow>>;
export type CpuPreset = keyof typeof CPU_PRESETS;
const DEFAULT_CPU_PRESET: CpuPreset = 'full';

/** What a user asks for. */
export interface CpuChoice {
  readonly preset?: CpuPreset;
  readonly features?: Readonly<Partial<Record<FeatureName, boolean>>>;
}

/** Instructions of other makes: undefined on this one whatever its features. */
const OTHER_MAKES =
  /^(SVM|SKINIT_or_SVM|XOP|FMA4|TBM|LWP|SSE4A|D3NOW|CYRIX|CENTAUR|PADLOCK|MONITORX|CLZERO|MCOMMIT|RDPRU|SEV_|INVLPGB|RMPQUERY|KNC)/;

const FEATURE_OF_ICED: ReadonlyMap<string, FeatureName> = new Map(
  FEATURE_NAMES.flatMap((name) => (ROWS[name].iced ?? []).map((iced) => [iced, name] as const)),
);

/** A processor's features, decided. */
export class CpuFeatures {
  readonly signature: number;
  /** CR4 and EFER bits that exist. */
  readonly cr4Bits: number;
  readonly eferBits: number;
  /** iced's `DecoderOptions` for bytes that mean something else without a feature. */
  readonly decoderOptions: number;
  /** Asked for, built or not. */
  private readonly wanted: ReadonlySet<FeatureName>;
  private readonly verdicts = new Map<number, boolean>();

  constructor(preset: CpuPreset, wanted: ReadonlySet<FeatureName>) {
    this.signature = CPU_PRESETS[preset].signature;
    this.wanted = wanted;
    const claimed = FEATURE_NAMES.filter((name) => this.has(name));
    // Performance-counter and hypervisor bits have no feature bit of their own here.
    this.cr4Bits = claimed.reduce((bits, name) => bits | (ROWS[name].cr4 ?? 0), CR4.PCE);
    this.eferBits = claimed.reduce((bits, name) => bits | (ROWS[name].efer ?? 0), 0);
    this.decoderOptions =
      DecoderOptions.NoWbnoinvd |
      (this.has('BMI1') ? 0 : DecoderOptions.NoMPFX_0FBC) |
      (this.has('LZCNT') ? 0 : DecoderOptions.NoMPFX_0FBD) |
      (this.has('LAHF64') ? 0 : DecoderOptions.NoLahfSahf64);
  }

  /** Whether CPUID claims it. */
  has(name: FeatureName): boolean {
    return this.wanted.has(name) && isBuilt(name);
  }

  /** The bits of one CPUID word. */
  word(word: CpuidWord): number {
    return FEATURE_NAMES.filter((name) => ROWS[name].word === word && this.has(name)).reduce(
      (bits, name) => bits | (1 << ROWS[name].bit),
      0,
    );
  }

  /** False where the processor was chosen without the instruction (iced `Code`): it raises #UD. */
  executes(code: number): boolean {
    let verdict = this.verdicts.get(code);
    if (verdict === undefined) this.verdicts.set(code, (verdict = this.judge(code)));
    return verdict;
  }

  private judge(code: number): boolean {
    if (code === Code.INVALID) return true;
    const names = cpuidFeaturesOf(code);
    if (names.some((name) => OTHER_MAKES.test(name))) return false;
    return names.every((name) => {
      const feature = FEATURE_OF_ICED.get(name);
      return feature === undefined || this.wanted.has(feature);
    });
  }
}

/** Features of a choice; `problem` says in one sentence what cannot be had. */
export function chooseFeatures(choice: CpuChoice): { readonly features: CpuFeatures } | { readonly problem: string } {
  const preset = choice.preset ?? DEFAULT_CPU_PRESET;
  const wanted = new Set<FeatureName>(CPU_PRESETS[preset].features);
  const switched = Object.entries(choice.features ?? {}) as [FeatureName, boolean][];
  for (const [name, on] of switched) {
    if (!on) wanted.delete(name);
    else if (!isBuilt(name)) return { problem: `Feature ${name} cannot be turned on: this machine does not have it.` };
    else wanted.add(name);
  }
  const lacks = (name: FeatureName): string | undefined => ROWS[name].needs?.find((needed) => !wanted.has(needed));
  for (const [name, on] of switched) {
    const missing = on ? lacks(name) : undefined;
    if (missing !== undefined) return { problem: `Feature ${name} needs ${missing}, which is off.` };
  }
  // What needs something that is off goes with it.
  for (let before = -1; before !== wanted.size;) {
    before = wanted.size;
    for (const name of [...wanted]) if (lacks(name) !== undefined) wanted.delete(name);
  }
  return { features: new CpuFeatures(preset, wanted) };
}

/** The processor that one gets without choosing. */
export const ALL_FEATURES: CpuFeatures = new CpuFeatures('full', new Set(FULL));
