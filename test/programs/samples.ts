/** The sample guests as the tests see them: which program prints what, and the tables that lie beside them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Absolute path of a file in samples/. */
export const samplePath = (name: string): string => fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));

/** Text of a file in samples/. */
export const readSample = (name: string): string => readFileSync(samplePath(name), 'utf8');

/** A program and the transcript of everything it sends to its console. */
export interface Sample {
  readonly program: string;
  readonly transcript: string;
}

/** Every sample that runs to its end as it should; the twelve broken ones are in `readFaults`. */
export const SAMPLES: readonly Sample[] = [
  { program: '00-hello/hello.asm', transcript: '00-hello/expected.txt' },
  { program: '02-tinyos/tinyos.asm', transcript: '02-tinyos/expected.txt' },
  { program: '14-popf/popf.asm', transcript: '14-popf/expected.txt' },
  { program: '22-first-vmlaunch/vmlaunch.asm', transcript: '22-first-vmlaunch/expected.txt' },
  { program: '25-ept/ept.asm', transcript: '25-ept/expected.txt' },
  { program: '25-ept/ept-misconfigured.asm', transcript: '25-ept/ept-misconfigured.expected.txt' },
];

/** How VM entry refuses: VMfail with a number, or a VM exit with bit 31 of the reason set. */
export type Refusal =
  { readonly vmInstructionError: number } | { readonly exitReason: number; readonly qualification: number };

/** One row of samples/22-first-vmlaunch/broken/faults.json. */
export interface Fault {
  /** The program, in the same folder. */
  readonly file: string;
  /** The preprocessor name that switches the fault on. */
  readonly define: string;
  /** Id of the VM-entry check that refuses. */
  readonly check: string;
  readonly refusal: Refusal;
  /** Regular expression for the line by which Bochs refuses. */
  readonly bochsLog: string;
  readonly remedy: string;
}

export const FAULTS_FOLDER = '22-first-vmlaunch/broken';

export const readFaults = (): readonly Fault[] =>
  (JSON.parse(readSample(`${FAULTS_FOLDER}/faults.json`)) as { faults: readonly Fault[] }).faults;

/** What vmlaunch.asm prints after a refusal. */
export function refusalLine(refusal: Refusal): string {
  if ('vmInstructionError' in refusal) return `VM entry refused: VM-instruction error ${refusal.vmInstructionError}`;
  const qualification = refusal.qualification.toString(16).toUpperCase().padStart(16, '0');
  return `vm exit: reason ${refusal.exitReason}, qualification ${qualification}: VM entry failed, no guest instruction ran`;
}
