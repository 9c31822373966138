/** Machines for tests: a program from source text or from the samples, and the runs that tests ask for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { assembleProgram, createMachine } from '../../debug-adapter/engine/index.ts';
import type { CpuChoice } from '../../debug-adapter/engine/cpu/features.ts';
import type { CodeBits, Program } from '../../debug-adapter/engine/base/program.ts';
import type {
  Machine,
  MachineMode,
  RunRequest,
  Stop,
  StopConditions,
} from '../../debug-adapter/engine/machine/types.ts';
import { samplePath } from '../programs/samples.ts';

const MEMORY_BYTES = 8 << 20;
/** What the samples' launch presets give them at least. */
const SAMPLE_MEMORY_BYTES = 32 << 20;
/** Above the stack that programs are given, below 64 KiB so that addresses fit 16 bits. */
const ORIGIN = 0x8000;

/** A machine, what it printed so far, and where the labels of its program are. */
export interface Guest {
  readonly machine: Machine;
  readonly program: Program;
  console(): string;
  label(name: string): bigint;
}

const IGNORES: StopConditions = {
  breakpoints: new Set(),
  watchpoints: [],
  vmExit: () => false,
  exception: () => false,
  vmEntryFailure: false,
};

/** Conditions that stop for nothing but what is named. */
export const stopsFor = (conditions: Partial<StopConditions>): StopConditions => ({ ...IGNORES, ...conditions });

export function programOf(file: string, source: string): Program {
  const { program, diagnostics } = assembleProgram({
    file,
    source,
    readInclude(path, from) {
      const included = resolve(dirname(from), path);
      return { file: included, source: readFileSync(included, 'utf8') };
    },
  });
  assert.ok(program, diagnostics.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return program;
}

export function start(
  program: Program,
  mode: MachineMode = 'bare',
  memoryBytes = MEMORY_BYTES,
  processors = 1,
  cpu: CpuChoice = {},
): Guest {
  const printed: number[] = [];
  const onConsole = (bytes: Uint8Array) => void printed.push(...bytes);
  const machine = createMachine({ program, mode, memoryBytes, processors, cpu, onConsole });
  return {
    machine,
    program,
    console: () => Buffer.from(printed).toString('latin1'),
    label(name) {
      const symbol = program.symbols.find((candidate) => candidate.name === name);
      assert.ok(symbol, `no label ${name}`);
      return symbol.address;
    },
  };
}

export const startSample = (program: string, mode: MachineMode = 'bare'): Guest =>
  start(programOf(samplePath(program), readFileSync(samplePath(program), 'utf8')), mode, SAMPLE_MEMORY_BYTES);

/** A flat program at 8000h, entered at its first byte. */
export const startCode = (bits: CodeBits, source: string, mode: MachineMode = 'bare', processors = 1): Guest =>
  start(programOf('test.asm', `bits ${bits}\norg ${ORIGIN}\n${source}\n`), mode, MEMORY_BYTES, processors);

export const budget = (maxInstructions: number, more: Partial<RunRequest> = {}): RunRequest => ({
  maxInstructions,
  ignoreFirstBreakpoint: false,
  handlerSteps: 'run',
  ...more,
});

/** Runs until something other than the budget stops it; fails if that takes more instructions than expected. */
export function runToStop(machine: Machine, mostInstructions = 10_000_000): Stop {
  for (;;) {
    const stop = machine.run(budget(1_000_000));
    if (stop.kind !== 'budget') return stop;
    assert.ok(machine.instructionsRetired < mostInstructions, `still running after ${mostInstructions} instructions`);
  }
}

/** 2 MiB of linear memory that `mapPage` fills: entry 1 of the tables that 64-bit programs start with. */
export const WINDOW = 0x80_0000_0000n;
const WINDOW_TABLES = 0x10_0000;
/** Where the page-table entry of a page of the window lies, for programs that change it. */
export const windowEntry = (page: number): number => WINDOW_TABLES + 0x2000 + 8 * page;
const PRESENT_WRITABLE = 3;

/** Maps a page of the window to a physical address; before the program touches it. */
export function mapPage({ machine }: Guest, page: number, physical: number): void {
  const write = (address: number | bigint, value: number): void => {
    const entry = new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
    assert.equal(machine.writeMemory('host-physical', BigInt(address), entry, 0), entry.length);
  };
  write(machine.inspect.register(0, 'CR3') + 8n, WINDOW_TABLES | PRESENT_WRITABLE);
  write(WINDOW_TABLES, (WINDOW_TABLES + 0x1000) | PRESENT_WRITABLE);
  write(WINDOW_TABLES + 0x1000, (WINDOW_TABLES + 0x2000) | PRESENT_WRITABLE);
  write(windowEntry(page), physical | PRESENT_WRITABLE);
}

/** Assembles 64-bit code for an address and places it there. */
export function place({ machine }: Guest, address: number, source: string): void {
  const { segments } = programOf('placed.asm', `bits 64\norg ${address}\n${source}\n`);
  for (const segment of segments)
    assert.equal(machine.writeMemory('host-physical', BigInt(segment.address), segment.bytes, 0), segment.bytes.length);
}
