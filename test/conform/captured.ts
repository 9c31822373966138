/**
 * Instructions as a real 80286 executed them in real-address mode. The capture is not part of this tree: it is looked for in
 * the folder that HYPERSTEP_SUITES names, else beside the repository.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Register } from 'iced-x86';
import { codeName, mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import { decode, type DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import {
  RealModeRig,
  SEGMENT_REGISTERS,
  WORD_REGISTERS,
  type Bytes,
  type RegisterValues,
} from '../instructions/real-mode-rig.ts';
import { ExcuseCounts, FormCounts, type Suite, type SuiteResult } from './suite.ts';

const SUITES = process.env['HYPERSTEP_SUITES'] ?? fileURLToPath(new URL('../../../shared/suites', import.meta.url));
const FOLDER = join(SUITES, '80286-real');
/** Most tests that a form has. */
export const WHOLE_SUITE = 250;

interface Captured {
  readonly name: string;
  /** In hexadecimal, with the HLT that follows. */
  readonly bytes: string;
  readonly initial: { readonly regs: RegisterValues; readonly ram: Bytes };
  readonly final: { readonly regs: Partial<RegisterValues>; readonly ram: Bytes };
  readonly exception?: { readonly number: number };
}

interface Form {
  readonly status: string;
  /** Flags that are defined; all where absent. */
  readonly 'flags-mask'?: number;
  readonly reg?: Readonly<Record<string, Form>>;
}

/** RFLAGS has bits 12 to 15 in real-address mode too; the 80286 kept them 0. */
const FLAGS_OF_286 = 0xfff;
const UD = 6;
const GP = 13;
const LONGEST_OF_286 = 10;

/** One reason why today's processors rightly differ; everything that no row excuses must match. */
interface Excuse {
  readonly why: string;
  readonly holds: (form: string, test: Captured, d: DecodedInstruction, found: readonly Difference[]) => boolean;
}

/** A register, flags or a byte of memory (by its address) that is not what it was on the 80286. */
interface Difference {
  readonly what: string | number;
  readonly got: number;
  readonly want: number;
}
const written = ({ what, got, want }: Difference): string =>
  `${typeof what === 'number' ? `[${what.toString(16)}]` : what} ${got.toString(16)}, should be ${want.toString(16)}`;

const prefixesOf = (test: Captured): readonly number[] => {
  const bytes = [...Buffer.from(test.bytes, 'hex')];
  return bytes.slice(
    0,
    bytes.findIndex((byte) => ![0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3].includes(byte)),
  );
};

function isValidWithoutLock(test: Captured): boolean {
  const code = Buffer.from(test.bytes, 'hex');
  const prefixes = prefixesOf(test).filter((byte) => byte !== 0xf0);
  const bytes = Buffer.concat([Buffer.from(prefixes), code.subarray(prefixesOf(test).length)]);
  return !decode(bytes, 0, bytes.length, 0n, 16).invalid;
}

const EXCUSES: readonly Excuse[] = [
  {
    why: 'LOCK with an instruction that has no locked form is #UD (SDM Vol. 2A, "LOCK—Assert LOCK# Signal Prefix"); the 80286 took any.',
    holds: (_form, test, d) => prefixesOf(test).includes(0xf0) && d.invalid && isValidWithoutLock(test),
  },
  {
    why: 'The captured 80286 had no coprocessor, so that escapes stored nothing; later processors have an x87 unit, which stores to memory and to AX (SDM Vol. 3B, "x87 FPU" 23.18).',
    holds: (form, _test, _d, found) =>
      /^D[9BDF]/.test(form) && found.every(({ what }) => typeof what === 'number' || what === 'ax'),
  },
  {
    why: 'The 80286 limits instructions to 10 bytes, later processors to 15 (SDM Vol. 3B, "Instruction Length" 23.15 of "Architecture Compatibility").',
    holds: (_form, test, d) => test.exception?.number === GP && d.length > LONGEST_OF_286,
  },
  {
    why: 'A word at offset FFFFh is #SS in the stack segment (SDM Vol. 3A, "Interrupt 12—Stack Fault Exception"); the 80286 raised 13 for all.',
    // Vector 12 has no handler in the capture: what runs there does not come to a HLT.
    holds: (_form, test, d, found) =>
      test.exception?.number === GP &&
      (d.segment === Register.SS || usesStack(d)) &&
      found.some(({ what }) => what === 'budget'),
  },
  {
    why: 'A string instruction that faults can be restarted: the registers are those before it (SDM Vol. 3A, "Program or Task Restart" 6.6); the 80286 had moved on.',
    holds: (form, test, _d, found) =>
      test.exception?.number === GP &&
      /^(6[C-F]|A[4-7A-F])$/.test(form) &&
      found.every(({ what }) => /^(si|di|cx)$/.test(String(what))),
  },
  {
    why: 'FS and GS exist since the 80386 (SDM Vol. 2B, "MOV—Move").',
    holds: (form, test) =>
      test.exception?.number === UD && /^8[CE]$/.test(form) && /,[fg]s$|mov [fg]s,/.test(test.name),
  },
  {
    why: 'Bits 12 to 14 of the flags that PUSHF stores exist since the 80386 (SDM Vol. 1, "EFLAGS Register" 3.4.3).',
    holds: (form, _test, _d, found) =>
      form === '9C' && found.every(({ what, got, want }) => typeof what === 'number' && ((got ^ want) & 0x8f) === 0),
  },
];

const usesStack = (d: DecodedInstruction): boolean =>
  /^(push|pop|call|ret|enter|leave|int|iret)/.test(d.code === 0 ? '' : mnemonicOf(d.code));

function differences(test: Captured, got: RegisterValues, rig: RealModeRig, mask: number): Difference[] {
  const want: RegisterValues = { ...test.initial.regs, ...test.final.regs };
  const found: Difference[] = [];
  const compare = (what: string | number, a: number, b: number): void => {
    if (a !== b) found.push({ what, got: a, want: b });
  };
  for (const name of [...WORD_REGISTERS, ...SEGMENT_REGISTERS]) compare(name, got[name], want[name]);
  // Behind a HLT at FFFFh the 80286 counts on from 0; today IP goes to 10000h, where the next fetch would fault.
  compare('ip', got.ip & 0xffff, want.ip);
  compare('flags', got.flags & mask, want.flags & mask);
  const linear = (offset: number): number => (want.ss << 4) + (offset & 0xffff);
  const pushedFlags = test.exception && [linear(want.sp + 4), linear(want.sp + 5)];
  // What is not said to have changed must be as it was.
  for (const [address, byte] of new Map([...test.initial.ram, ...test.final.ram])) {
    const half = pushedFlags?.indexOf(address) ?? -1;
    const kept = half < 0 ? 0xff : (mask >> (8 * half)) & 0xff;
    compare(address, rig.byteAt(address) & kept, byte & kept);
  }
  return found;
}

/**
 * Runs `perForm` tests of each form, evenly spread.
 * @param report called with the name of each form and its unexcused differences
 */
export function runCaptured(
  perForm: number,
  report: (form: string, wrong: number) => void = () => {},
): Omit<SuiteResult, 'notes'> {
  const forms = (JSON.parse(readFileSync(join(FOLDER, 'metadata.json'), 'utf8')) as { opcodes: Record<string, Form> })
    .opcodes;
  const rig = new RealModeRig();
  const wrong: string[] = [];
  const excused = new ExcuseCounts(EXCUSES.map(({ why }) => why));
  const executed = new FormCounts();
  let cases = 0;
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl.gz'))) {
    const name = file.replace('.jsonl.gz', '');
    const [opcode, reg] = name.split('.') as [string, string | undefined];
    const whole = forms[opcode];
    const form = reg === undefined ? whole : (whole?.reg?.[reg] ?? whole);
    const mask = (form?.['flags-mask'] ?? FLAGS_OF_286) & FLAGS_OF_286;
    const before = wrong.length;
    const lines = gunzipSync(readFileSync(join(FOLDER, file)))
      .toString()
      .trim()
      .split('\n')
      .slice(1);
    const step = Math.max(1, lines.length / perForm);
    for (let at = 0; at < lines.length; at += step) {
      const test = JSON.parse(lines[Math.floor(at)]!) as Captured;
      const got = rig.run(test.initial.regs, test.initial.ram);
      const found = typeof got === 'string' ? [{ what: got, got: 0, want: 0 }] : differences(test, got, rig, mask);
      rig.clear(test.initial.ram);
      rig.clear(test.final.ram);
      cases++;
      const code = Buffer.from(test.bytes, 'hex');
      const d = decode(code, 0, code.length, 0n, 16);
      if (!d.invalid) executed.add(codeName(d.code));
      if (found.length === 0) continue;
      const excuse = EXCUSES.find(({ holds }) => holds(name, test, d, found));
      if (excuse) excused.add(excuse.why);
      else wrong.push(`${name} ${test.bytes} ${test.name}: ${found.map(written).join(', ')}`);
    }
    report(name, wrong.length - before);
  }
  return {
    oracle: 'a Harris 80C286 in real-address mode',
    cases,
    passed: cases - excused.total - wrong.length,
    failed: wrong.length,
    excused: excused.list,
    forms: executed.record,
    wrong,
  };
}

export const capturedSuite: Suite = {
  name: 'captured',
  about:
    'Single instructions captured from hardware (SingleStepTests 80286 by Daniel Balsom): registers, flags that are defined, memory and exceptions.',
  missing: () =>
    existsSync(FOLDER) ? undefined : 'suite not present (set HYPERSTEP_SUITES to the folder that holds 80286-real)',
  run: ({ cases, say }) => ({
    ...runCaptured(cases ?? WHOLE_SUITE, (form, differing) => {
      if (differing > 0) say(`captured ${form}: ${differing} differ`);
    }),
    notes: ['`--cases=N` runs N of each form.'],
  }),
};
