/** Which instruction forms the host processor can be the judge of, and why not of the others. */
import { Code, CodeExt } from 'iced-x86';
import { LOWERED, LOWERED_STRINGS } from '../../../debug-adapter/engine/execution/handlers.ts';
import { codeName } from '../../../debug-adapter/engine/isa/codes.ts';
import { featuresTheHostLacks } from '../../oracles/host-features.ts';
import { INSTRUCTIONS } from '../../../debug-adapter/engine/machine/instruction-table.ts';

/** Every instruction form that the machine executes. */
export const CLAIMED: readonly number[] = [
  ...new Set([
    ...LOWERED.keys(),
    ...Object.values(LOWERED_STRINGS).flatMap((table) => [...table.keys()]),
    ...INSTRUCTIONS.keys(),
  ]),
].sort((a, b) => a - b);

/** By form name. */
const NOT_FOR_THE_HOST: readonly { readonly forms: RegExp; readonly why: string }[] = [
  {
    forms:
      /^(Syscall|Sysenter|Sysret|Sysexit|Int_imm8|Int1|Int3|Into|Iret|Call_(ptr|m16)|Jmp_(ptr|m16)|Ret(f|nf?_far)|Lcall|Ljmp)/,
    why: 'enters the kernel, or leaves for another segment',
  },
  {
    forms: /^(L[defgs]s|Lss|Pop[dqw]?_?(DS|ES|SS|FS|GS)|Mov_Sreg|Pop_?w?_?[DEFGS]S)/i,
    why: "loads a segment register: the tables of descriptors are the kernel's",
  },
  {
    forms:
      /^(Lar|Lsl|Verr|Verw|Sgdt|Sidt|Sldt|Str|Smsw|Rd[fg]sbase|Wr[fg]sbase|Xgetbv|Rdpkru|Wrpkru|Lgdt|Lidt|Lldt|Ltr|Lmsw)/i,
    why: 'reads or writes what the kernel owns',
  },
  {
    forms: /^(Rdtscp?|Rdpmc|Rdpid|Rdrand|Rdseed|Cpuid|Umonitor|Umwait|Tpause|Monitor|Mwait|Monitorx|Mwaitx)/i,
    why: 'gives what no two processors agree on',
  },
  {
    forms: /^(F?x?(save|rstor)|Xsave|Xrstor|Fn?save|Frstor|Fn?stenv|Fldenv|Fxsave|Fxrstor)/i,
    why: 'stores an image with pointers and reserved bytes that differ by make: compared field by field in test/instructions/simd/save.test.ts and test/instructions/x87',
  },
  { forms: /^(In_|Out_|Insb|Insw|Insd|Outsb|Outsw|Outsd)/i, why: 'accesses ports, which the kernel owns' },
];

/** Features that this host lacks, among those that the machine has, and the forms that are left out for it. */
export interface HostForms {
  readonly forms: readonly number[];
  readonly lacking: readonly string[];
  readonly notForTheHost: readonly { readonly why: string; readonly forms: readonly string[] }[];
}

export function formsForTheHost(): HostForms {
  const lacking = new Set<string>();
  const left = new Map<string, string[]>();
  const forms = CLAIMED.filter((code) => {
    const name = codeName(code);
    const reason = reasonAgainst(code, name);
    if (reason !== undefined) {
      left.set(reason, [...(left.get(reason) ?? []), name]);
      return false;
    }
    const missing = featuresTheHostLacks(code);
    for (const feature of missing) lacking.add(feature);
    return missing.length === 0;
  });
  return {
    forms,
    lacking: [...lacking].sort(),
    notForTheHost: [...left].map(([why, names]) => ({ why, forms: names })),
  };
}

function reasonAgainst(code: number, name: string): string | undefined {
  const named = NOT_FOR_THE_HOST.find(({ forms }) => forms.test(name));
  if (named) return named.why;
  const info = CodeExt.opCode(code);
  try {
    if (info.isPrivileged || info.mustBeCpl0 || !info.cpl3) return 'is for the supervisor';
    if (/^(VM|Vm|Invept|Invvpid)/.test(name) || code === Code.INVALID) return 'is for the supervisor';
    if (info.fwait) return 'is two instructions, WAIT and another';
    return undefined;
  } finally {
    info.free();
  }
}
