/** Facts about iced `Code` values, for messages and tests. */
import { Code, CodeExt, CpuidFeature, EncodingKind, Instruction, Mnemonic } from 'iced-x86';

/** How one instruction form is written in the SDM and where it exists. */
export interface CodeFacts {
  readonly name: string;
  /** SDM notation of the bytes: `REX.W 01 /r`. */
  readonly opCodeString: string;
  /** SDM notation of the instruction: `ADD r/m64, r64`. */
  readonly instructionString: string;
  /** Lower case. */
  readonly mnemonic: string;
  readonly mode16: boolean;
  readonly mode32: boolean;
  readonly mode64: boolean;
}

/** Name of a `Code` value, `Add_rm64_r64`; throws for a number iced does not use (a bug in the caller). */
export function codeName(code: number): string {
  const name = Code[code];
  if (name === undefined) throw new Error(`no iced Code has the number ${code}`);
  return name;
}

/** The `Code` value of a name; undefined when iced has none of that name. */
export function codeByName(name: string): number | undefined {
  const value: unknown = (Code as unknown as Record<string, unknown>)[name];
  return typeof value === 'number' ? value : undefined;
}

/** Mnemonic of a `Code` value in lower case, `vmlaunch`. */
export function mnemonicOf(code: number): string {
  const info = CodeExt.opCode(code);
  try {
    return mnemonicName(info.mnemonic);
  } finally {
    info.free();
  }
}

/** Lower-case name of an iced `Mnemonic` number. */
export function mnemonicName(mnemonic: number): string {
  const name = Mnemonic[mnemonic];
  if (name === undefined) throw new Error(`no iced Mnemonic has the number ${mnemonic}`);
  return name.toLowerCase();
}

/** Names in iced's `CpuidFeature` of what a processor needs to execute a form. */
export function cpuidFeaturesOf(code: number): readonly string[] {
  const instruction = new Instruction();
  try {
    instruction.code = code;
    return Array.from(instruction.cpuidFeatures(), (feature) => CpuidFeature[feature]);
  } finally {
    instruction.free();
  }
}

/** What iced names by a generation of processors: no bit of CPUID tells. */
const GENERATION = /^(INTEL\d|X64$|FPU[23]87)/;

/** How a message names a form that nobody built: `VADDPS zmm1 {k1}{z}, ... (CPUID feature AVX512F)`. */
export function describeCode(code: number): string {
  const features = cpuidFeaturesOf(code).filter((name) => !GENERATION.test(name));
  const needed =
    features.length === 0 ? '' : ` (CPUID feature${features.length === 1 ? '' : 's'} ${features.join(', ')})`;
  return `${codeFacts(code).instructionString}${needed}`;
}

/** What iced knows about the encoding of a `Code` value. */
export function codeFacts(code: number): CodeFacts {
  const info = CodeExt.opCode(code);
  try {
    return {
      name: codeName(code),
      opCodeString: info.opCodeString,
      instructionString: info.instructionString,
      mnemonic: mnemonicName(info.mnemonic),
      mode16: info.mode16,
      mode32: info.mode32,
      mode64: info.mode64,
    };
  } finally {
    info.free();
  }
}

/** Whether a form has a VEX, EVEX or XOP prefix, which real-address and virtual-8086 mode do not know. */
export function isVectorEncoded(code: number): boolean {
  const info = CodeExt.opCode(code);
  try {
    return info.encoding !== EncodingKind.Legacy;
  } finally {
    info.free();
  }
}
