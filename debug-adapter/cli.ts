/** `hyperstep`: runs guests from the command line. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { REGISTER_NAMES } from './engine/index.ts';
import { markedScanCodes } from './debugger/keyboard.ts';
import { didYouMean } from './debugger/nearest.ts';
import { UserError } from './debugger/user-error.ts';
import { failurePlace } from './present/exception-info.ts';
import { exitTable } from './present/exit-table.ts';
import { exitCounts } from './present/exits.ts';
import { failureText as entryFailureText } from './present/stops.ts';
import { formatMemorySize, hex64, plural } from './present/text.ts';
import { screenText } from './present/text-screen.ts';
import { STATUS, endText, failureText, runHeadless, statusOf } from './session/headless.ts';
import type { HeadlessResult, TimedKeys } from './session/headless.ts';
import { modeOf, readLaunchArguments } from './session/launch-arguments.ts';
import type { LaunchRequest } from './session/launch-arguments.ts';
import { ProgramError, diagnosticText } from './session/program-file.ts';
import { presetsFor, workspaceOf } from './session/presets.ts';

const HELP = `NAME
  hyperstep - run x86 guests on a simulated machine with Intel VT-x

SYNOPSIS
  hyperstep run FILE | FOLDER [--mode bare|vm] [--memory SIZE] [--processors N]
                [--cpu PRESET | JSON] [--absent-devices stop|float] [--define NAME=VALUE]...
                [--disk FILE [--disk-write]] [--command-line TEXT] [--initrd FILE]...
                [--include FOLDER]... [--keys N:TEXT]... [--max-instructions N] [--screen] [--json]
  hyperstep --help

DESCRIPTION
  Runs FILE to its end and prints what the guest writes to its console, then how often it left
  VMX non-root operation and why, then how it ended. FILE is a .asm source in NASM syntax, a boot
  image or a multiboot ELF. FOLDER stands for its main program: the only .asm file in it, or the
  one that the folder is named after (02-tinyos: tinyos.asm). Attributes come from the program's
  configuration in the nearest .vscode/launch.json (one with "mode": "vm" first), then from here.

OPTIONS
  --mode bare|vm         bare: the program owns the machine and may run its own VMXON ... VMLAUNCH.
                         vm: the built-in hypervisor runs it in VMX non-root operation.
                         Default: bare for a program that executes VMXON or for several
                         processors, else vm.
  --memory SIZE          Guest memory, for example 64M or 1G. Default 64M.
  --processors N         1 to 8, in mode bare. Default 1.
  --cpu PRESET | JSON    The simulated processor: minimal, baseline, haswell, skylake-server or full, or an
                         object as in launch.json: '{ "preset": "haswell", "features": { "BMI2": false } }'.
  --absent-devices stop|float
                         What an access does where there is no device. stop: ends the run by name.
                         float: reads give ones, writes are lost, as real operating systems expect,
                         and an MSR that is not built raises #GP;
                         the first access to each place is told on standard error. Default: stop.
  --disk FILE            A raw hard disk image. What the guest writes stays in memory.
  --disk-write           Writes it into the file in the end.
  --command-line TEXT    For a Linux or Multiboot kernel.
  --initrd FILE          Initial RAM disk of Linux, or a Multiboot module; may be repeated.
  --define NAME=VALUE    Defines a name for the assembler, as %define does; may be repeated.
  --include FOLDER       Searched by %include as well; may be repeated.
  --keys N:TEXT          Types TEXT on the keyboard once N instructions are done, or when the guest
                         waits for nothing else: --keys "50000000:ls<Enter>". Names such as <F2>,
                         <Up>, <Ctrl+C> stand for keys, <lt> for "<"; may be repeated.
  --max-instructions N   Stops after N instructions. Default: no limit.
  --screen               Prints what the text screen shows in the end.
  --json                 Prints one JSON object instead: console, screen, exits, registers and end.

EXIT STATUS
  0    the guest powered the machine off, or halted for ever with interrupts off
  1    VM entry failed (every failed check is printed), or the machine shut down by a triple
       fault, or the guest needs something that is not implemented
  2    the command line or the program is wrong; nothing has run
  3    the instruction limit was reached
  4    Hyperstep itself has failed: a bug, please report it
  A guest that ends through port F4h sets the status itself: twice the written value, plus 1.

EXAMPLES
  hyperstep run samples/02-tinyos
  hyperstep run samples/22-first-vmlaunch/broken/04-link-pointer.asm
  hyperstep run kernel.elf --mode vm --memory 256M --max-instructions 1000000
`;

interface Command {
  readonly launch: LaunchRequest;
  readonly maxInstructions: number;
  readonly json: boolean;
  readonly screen: boolean;
  readonly keys: readonly TimedKeys[];
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  mode: { type: 'string' },
  memory: { type: 'string' },
  processors: { type: 'string' },
  cpu: { type: 'string' },
  'absent-devices': { type: 'string' },
  disk: { type: 'string' },
  'disk-write': { type: 'boolean' },
  'command-line': { type: 'string' },
  initrd: { type: 'string', multiple: true },
  define: { type: 'string', multiple: true },
  include: { type: 'string', multiple: true },
  keys: { type: 'string', multiple: true },
  'max-instructions': { type: 'string' },
  screen: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

/** Undefined: help was asked for. */
function readCommandLine(args: readonly string[]): Command | undefined {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (values.help === true || positionals[0] === 'help' || args.length === 0) return undefined;
  for (const token of tokens) {
    if (token.kind === 'option' && !Object.hasOwn(OPTIONS, token.name)) {
      throw new UserError(`Unknown option ${token.rawName}.${didYouMean(token.name, Object.keys(OPTIONS))}`);
    }
  }
  const [command, file, ...more] = positionals;
  if (command !== 'run')
    throw new UserError(`Unknown command "${command ?? ''}".${didYouMean(command ?? '', ['run', 'help'])}`);
  if (file === undefined) throw new UserError('Say what to run: hyperstep run FILE or FOLDER.');
  if (more[0] !== undefined) throw new UserError(`One program at a time: "${more[0]}" is one too many.`);
  const text = (value: string | boolean | undefined, name: string): string | undefined => {
    if (typeof value === 'boolean') throw new UserError(`Option --${name} needs a value.`);
    return value;
  };
  const program = programIn(path.resolve(file));
  const mode = text(values.mode, 'mode');
  const preset = presetOf(program, mode);
  const memory = text(values.memory, 'memory');
  const processors = text(values.processors, 'processors');
  const cpu = text(values.cpu, 'cpu');
  const absentDevices = text(values['absent-devices'], 'absent-devices');
  const disk = text(values.disk, 'disk');
  const commandLine = text(values['command-line'], 'command-line');
  const initrd = (values.initrd ?? []).map((each) => path.resolve(text(each, 'initrd') ?? ''));
  const defines = (values.define ?? []).map((each) => definition(text(each, 'define') ?? ''));
  const includes = (values.include ?? []).map((each) => path.resolve(text(each, 'include') ?? ''));
  const launch = readLaunchArguments({
    ...preset,
    program,
    ...(mode === undefined ? {} : { mode: modeOf(mode) }),
    ...(memory === undefined ? {} : { memory }),
    ...(processors === undefined ? {} : { processors: count(processors, 'processors', processors) }),
    ...(cpu === undefined ? {} : { cpu: cpuFrom(cpu) }),
    ...(absentDevices === undefined ? {} : { absentDevices }),
    ...(disk === undefined ? {} : { disk: path.resolve(disk) }),
    ...(values['disk-write'] === true ? { diskWrite: true } : {}),
    ...(commandLine === undefined ? {} : { commandLine }),
    ...(initrd.length === 0 ? {} : { initrd }),
    defines: { ...(preset['defines'] as object | undefined), ...Object.fromEntries(defines) },
    includePaths: [...includes, ...((preset['includePaths'] as string[] | undefined) ?? [])],
    stopOnEntry: false,
    noDebug: true,
  });
  const limit = text(values['max-instructions'], 'max-instructions');
  return {
    launch: { ...launch, workspace: sourceFolder(program) },
    maxInstructions: limit === undefined ? Infinity : count(limit, 'max-instructions', limit),
    json: values.json === true,
    screen: values.screen === true,
    keys: (values.keys ?? []).map((each) => timedKeys(text(each, 'keys') ?? '')),
  };
}

/** The launch attribute `cpu`: a preset alone, or the object as launch.json has it. */
function cpuFrom(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return { preset: text };
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`Option --cpu ${text}: write a preset, or an object in JSON.`);
  }
}

function definition(text: string): readonly [string, string] {
  const match = /^([A-Za-z_.?][\w.$#@~?]*)(?:=(.*))?$/s.exec(text);
  if (!match) throw new UserError(`Option --define ${text}: write NAME=VALUE.`);
  return [match[1]!, match[2] ?? ''];
}

function count(text: string, option: string, given: string): number {
  const number = Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new UserError(`Option --${option} ${given}: write a whole number above 0.`);
  }
  return number;
}

function timedKeys(given: string): TimedKeys {
  const match = /^([^:]*):(.+)$/s.exec(given);
  if (!match) throw new UserError(`Option --keys ${given}: write an instruction count, a colon and what to type.`);
  return { instruction: count(match[1]!, 'keys', given), scanCodes: Uint8Array.from(markedScanCodes(match[2]!)) };
}

/** Attributes of the program's launch configuration: the one of the wanted mode, else one under the hypervisor, else the first. */
function presetOf(program: string, mode: string | undefined): Readonly<Record<string, unknown>> {
  const presets = presetsFor(program);
  const wanted = presets.find(({ attributes }) => attributes['mode'] === (mode ?? 'vm'));
  return (wanted ?? presets[0])?.attributes ?? {};
}

/** Sources may be included from the workspace of the program, or from the current folder where the program is below it. */
function sourceFolder(program: string): string | undefined {
  const workspace = workspaceOf(program);
  const here = process.cwd();
  if (workspace !== undefined) return workspace;
  return path.relative(here, program).startsWith('..') ? undefined : here;
}

function programIn(file: string): string {
  let isFolder: boolean;
  try {
    isFolder = statSync(file).isDirectory();
  } catch {
    throw new UserError(`${file}: there is no such file or folder.`);
  }
  if (!isFolder) return file;
  const sources = readdirSync(file).filter((name) => name.endsWith('.asm'));
  const named = sources.filter((name) => path.basename(file).endsWith(path.basename(name, '.asm')));
  const found = sources.length === 1 ? sources : named;
  if (found.length === 1) return path.join(file, found[0]!);
  const reason =
    sources.length === 0 ? 'has no .asm file' : `has several (${sources.join(', ')}) and none is named like the folder`;
  throw new UserError(`${file} ${reason}: name the program file.`);
}

async function run({ launch, maxInstructions, json, screen, keys }: Command): Promise<number> {
  const written: Uint8Array[] = [];
  const result = await runHeadless({
    launch,
    maxInstructions,
    keys,
    onLog: (line) => process.stderr.write(`hyperstep: ${line}\n`),
    onConsole: (bytes) => {
      if (json) written.push(bytes.slice());
      else process.stdout.write(bytes.slice());
    },
  });
  const kept = result.target.keepDisk();
  if (kept !== undefined) process.stderr.write(`hyperstep: ${kept}\n`);
  result.target.close();
  process.stdout.write(
    json ? `${jsonReport(result, Buffer.concat(written).toString('utf8'))}\n` : report(result, screen),
  );
  return statusOf(result);
}

function report(result: HeadlessResult, screen: boolean): string {
  const { machine, mode, programName } = result.target;
  const failures = failureText(result);
  const sections = [
    ...(screen ? [screenText(machine.inspect.textScreen())] : []),
    ...(failures === '' ? [] : [failures]),
    exitTable(exitCounts(machine.exitCounts)),
    `${programName}, mode ${mode}, ${formatMemorySize(machine.options.memoryBytes)}: ${plural(machine.instructionsRetired, 'instruction')}; ${endText(result)}`,
  ];
  return `\n${sections.join('\n\n')}\n`;
}

function jsonReport(result: HeadlessResult, console: string): string {
  const { machine, mode, programName } = result.target;
  const registersOf = (cpu: number) =>
    Object.fromEntries(REGISTER_NAMES.map((name) => [name, hex64(machine.inspect.register(cpu, name))]));
  return JSON.stringify(
    {
      program: programName,
      mode,
      memoryBytes: machine.options.memoryBytes,
      console,
      screen: screenText(machine.inspect.textScreen()).split('\n'),
      instructions: machine.instructionsRetired,
      exits: exitCounts(machine.exitCounts),
      failures: result.failures.map((failure) => ({
        instruction: failure.instruction,
        headline: entryFailureText(failure),
        error: failure.failure?.kind === 'VMfailValid' ? failure.failure.error : null,
        exitReason: failure.exitReason ?? null,
        qualification: hex64(failure.qualification),
        place: failurePlace(failure, result.target),
        checks: failure.failed.map(({ id, section, rule, remedy, fields, values }) => ({
          id,
          section,
          rule,
          remedy,
          fields: Object.fromEntries(fields.map((field, index) => [field, hex64(values[index] ?? 0n)])),
        })),
      })),
      registers: registersOf(0),
      ...(machine.cpuCount === 1
        ? {}
        : { processors: Array.from({ length: machine.cpuCount }, (_, cpu) => registersOf(cpu)) }),
      end: { kind: result.end.kind, text: endText(result) },
      status: statusOf(result),
      crossings: machine.crossings,
    },
    undefined,
    2,
  );
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = readCommandLine(args);
    if (command === undefined) {
      process.stdout.write(HELP);
      return STATUS.ended;
    }
    return await run(command);
  } catch (error) {
    if (!(error instanceof UserError)) {
      const message = error instanceof Error ? error.message : String(error);
      process.stderr.write(`hyperstep: Hyperstep itself has failed: ${message.split('\n')[0]} Please report it.\n`);
      return STATUS.bug;
    }
    const details = error instanceof ProgramError ? error.diagnostics.map(diagnosticText) : [error.message];
    process.stderr.write(`hyperstep: ${details.join('\nhyperstep: ')}\n`);
    return STATUS.usage;
  }
}

// Whoever reads the output may stop reading: `| head`.
process.stdout.on('error', () => process.exit(STATUS.failed));

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
