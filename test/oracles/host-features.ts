/**
 * What the host processor has, as the kernel shows it: CPUID less what the kernel keeps from programs. Tests that let it judge
 * leave out the forms that it does not know, and say so.
 */
import { CpuidFeature, Instruction } from 'iced-x86';
import { existsSync, readFileSync } from 'node:fs';

/** Names of iced's features by the flag that Linux shows in /proc/cpuinfo; a feature in neither column every x86-64 processor has. */
const CPUINFO_FLAG: Readonly<Record<string, string>> = {
  ADX: 'adx',
  AES: 'aes',
  AVX: 'avx',
  AVX2: 'avx2',
  BMI1: 'bmi1',
  BMI2: 'bmi2',
  CLDEMOTE: 'cldemote',
  CLFLUSHOPT: 'clflushopt',
  CLWB: 'clwb',
  CMPXCHG16B: 'cx16',
  F16C: 'f16c',
  FMA: 'fma',
  LZCNT: 'abm',
  MOVBE: 'movbe',
  MOVDIR64B: 'movdir64b',
  MOVDIRI: 'movdiri',
  PCLMULQDQ: 'pclmulqdq',
  POPCNT: 'popcnt',
  PREFETCHW: '3dnowprefetch',
  PREFETCHWT1: 'prefetchwt1',
  RTM: 'rtm',
  SHA: 'sha_ni',
  SSE3: 'pni',
  SSE4_1: 'sse4_1',
  SSE4_2: 'sse4_2',
  SSSE3: 'ssse3',
};

function featuresOf(code: number): string[] {
  const instruction = new Instruction();
  instruction.code = code;
  const names = Array.from(instruction.cpuidFeatures(), (feature) => CpuidFeature[feature]!);
  instruction.free();
  return names;
}

const CPUINFO = '/proc/cpuinfo';
const shown = (name: string): string =>
  existsSync(CPUINFO) ? (new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(readFileSync(CPUINFO, 'utf8'))?.[1] ?? '') : '';
const flags: ReadonlySet<string> = new Set(shown('flags').trim().split(/\s+/));

export const hostModel = (): string => shown('model name') || 'an x86-64 processor';

/** Features of a form that the host has not, by iced's names. */
export const featuresTheHostLacks = (code: number): string[] =>
  featuresOf(code).filter((feature) => {
    const flag = CPUINFO_FLAG[feature];
    return flag !== undefined && !flags.has(flag);
  });

/** The programs that load and store whole YMM registers. */
export const hostHasAvx = (): boolean => flags.has('avx');

/** Keeps what the host can judge of a list, and says what it cannot. */
export function judgedByHost<T>(all: readonly T[], codeOf: (one: T) => number): T[] {
  const lacking = new Set<string>();
  const kept = all.filter((one) => {
    const features = featuresTheHostLacks(codeOf(one));
    for (const feature of features) lacking.add(feature);
    return features.length === 0;
  });
  if (lacking.size > 0)
    console.log(
      `      left out, since the host processor has no ${[...lacking].sort().join(', ')}: ${all.length - kept.length} of ${all.length}`,
    );
  return kept;
}
