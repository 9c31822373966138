/** From a path to a program: the adapter reads files, the engine makes sense of their bytes. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { assembleProgram, joinedRamDisk, loadElfSymbols, loadProgram, withMultibootModules } from '../engine/index.ts';
import type { Diagnostic, KernelModule, Program, ProgramResult } from '../engine/index.ts';
import { UserError } from '../debugger/user-error.ts';
import { formatMemorySize, plural } from '../present/text.ts';
import type { LaunchRequest } from './launch-arguments.ts';

/** A program that cannot be made, with every reason. */
export class ProgramError extends UserError {
  readonly diagnostics: readonly Diagnostic[];
  constructor(message: string, diagnostics: readonly Diagnostic[]) {
    super(message);
    this.diagnostics = diagnostics;
  }
}

export interface LoadedProgram {
  readonly program: Program;
  readonly warnings: readonly Diagnostic[];
}

/** Larger files are no guest of ours; reading one by mistake must not take the memory. */
const MAX_FILE_BYTES = 1024 ** 3;

const isSource = (file: string): boolean => /\.(asm|nasm|s|inc)$/i.test(file);

/** Throws `ProgramError` or `UserError` with one clear message. */
export function readProgram(launch: LaunchRequest): LoadedProgram {
  const bytes = readUserFile(launch.program, 'program');
  const result = isSource(launch.program) ? assembleFile(launch, bytes) : loadFile(launch, bytes);
  const program = withKernelParts(accept(launch.program, result), launch);
  checkFits(program, launch.memoryBytes);
  if (launch.symbols === undefined) return { program, warnings: result.diagnostics };
  const named = withSymbols(program, launch.symbols);
  return { program: named.program, warnings: [...result.diagnostics, ...named.warnings] };
}

function loadFile(launch: LaunchRequest, bytes: Uint8Array): ProgramResult {
  const { memoryBytes, commandLine, initrd } = launch;
  return loadProgram(launch.program, bytes, {
    memoryBytes,
    ...(commandLine === undefined ? {} : { commandArguments: commandLine }),
    ...(initrd.length === 0 ? {} : { initrd: joinedRamDisk(modulesOf(launch)) }),
  });
}

const modulesOf = ({ initrd }: LaunchRequest): readonly KernelModule[] =>
  initrd.map((file) => ({ name: path.basename(file), bytes: readUserFile(file, 'initrd') }));

/** Command line and modules for what the loader has not given them to; refuses them for programs that take none. */
function withKernelParts(program: Program, launch: LaunchRequest): Program {
  const { boot } = program;
  const { commandLine, initrd } = launch;
  const attribute = initrd.length > 0 ? 'initrd' : commandLine === undefined ? undefined : 'commandLine';
  if (attribute === undefined || boot.kind === 'linux' || boot.kind === 'linux-setup') return program;
  if (boot.kind !== 'multiboot')
    throw new UserError(
      `Launch attribute "${attribute}" is for Linux and Multiboot kernels, and ${path.basename(program.name)} is neither.`,
    );
  // A source has no loader that knows the command line.
  const complete =
    isSource(launch.program) && commandLine !== undefined
      ? { ...program, boot: { ...boot, commandLine: `${boot.commandLine} ${commandLine}` } }
      : program;
  if (initrd.length === 0) return complete;
  return accept(launch.program, withMultibootModules(complete, modulesOf(launch), launch.memoryBytes));
}

function accept(file: string, { program, diagnostics }: ProgramResult): Program {
  refuseErrors(diagnostics);
  if (!program) throw new Error(`Invariant broken: ${path.basename(file)} gave neither a program nor a reason`);
  return program;
}

function refuseErrors(diagnostics: readonly Diagnostic[]): void {
  const errors = diagnostics.filter((each) => each.severity === 'error').sort(byPlace);
  const first = errors[0];
  if (!first) return;
  const more = errors.length > 1 ? ` (and ${plural(errors.length - 1, 'more error')}; see the debug console)` : '';
  throw new ProgramError(`${diagnosticText(first)}${more}`, [...diagnostics].sort(byPlace));
}

/** The assembler finds some mistakes only after it has read everything; people read from the top. */
function byPlace(a: Diagnostic, b: Diagnostic): number {
  return a.file === b.file ? a.line - b.line || a.column - b.column : 0;
}

/** `boot.asm:12:5: message`; the file alone where the line is not known. */
export function diagnosticText({ file, line, column, message }: Diagnostic): string {
  if (message.startsWith(file)) return message.replace(file, path.basename(file));
  return line > 0 ? `${path.basename(file)}:${line}:${column}: ${message}` : `${path.basename(file)}: ${message}`;
}

function readUserFile(file: string, attribute: string): Uint8Array {
  try {
    const status = statSync(file);
    if (status.isDirectory()) throw new UserError(`"${attribute}" names a folder, ${file}; name the file in it.`);
    if (status.size > MAX_FILE_BYTES) {
      throw new UserError(
        `"${attribute}": ${file} has ${formatMemorySize(status.size)}, and at most ${formatMemorySize(MAX_FILE_BYTES)} are read; name the boot image or kernel itself, not the image of a whole disk.`,
      );
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`"${attribute}": ${file} cannot be read: ${reasonOf(error)}.`);
  }
}

export function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'reading it is not permitted';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** Sources are read only below this folder and the program's: a guest's source must not pull in files of the host. */
function workspaceFolder(launch: LaunchRequest): string | undefined {
  if (launch.workspace !== undefined) return path.resolve(launch.workspace);
  const home = path.resolve(os.homedir());
  for (let folder = path.dirname(path.resolve(launch.program)); ; folder = path.dirname(folder)) {
    if (folder === home || folder === path.dirname(folder)) return undefined;
    if (isFolder(path.join(folder, '.vscode'))) return folder;
  }
}

function real(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

const isBelow = (file: string, root: string): boolean => {
  const relative = path.relative(root, file);
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
};

/** A file that `%include` names exists, but not where sources may be read. */
interface Refusal {
  readonly name: string;
  readonly file: string;
}

function assembleFile(launch: LaunchRequest, bytes: Uint8Array): ProgramResult {
  const workspace = workspaceFolder(launch);
  const programFolder = path.dirname(path.resolve(launch.program));
  const roots = (workspace === undefined ? [programFolder] : [programFolder, workspace]).map(real);
  const refused: Refusal[] = [];
  const decoder = new TextDecoder();
  const readInclude = (name: string, from: string): { file: string; source: string } | undefined => {
    const folders = [path.dirname(from), ...launch.includePaths, path.dirname(launch.program)];
    if (workspace !== undefined) folders.push(workspace);
    for (const folder of folders) {
      const file = path.resolve(folder, name);
      if (!isFile(file)) continue;
      if (roots.some((root) => isBelow(real(file), root))) return { file, source: decoder.decode(readFileSync(file)) };
      refused.push({ name, file });
    }
    return undefined;
  };
  const source = decoder.decode(bytes);
  const result = assembleProgram({ file: launch.program, source, readInclude, defines: launch.defines });
  // What else is wrong may only be for want of the file: one message at a time.
  const explained = result.diagnostics.flatMap((each) => explainRefusal(each, refused, workspace ?? programFolder));
  return explained.length === 0 ? result : { ...result, diagnostics: explained };
}

function explainRefusal(diagnostic: Diagnostic, refused: readonly Refusal[], root: string): readonly Diagnostic[] {
  const refusal = refused.find(({ name }) => diagnostic.severity === 'error' && diagnostic.message.includes(name));
  if (!refusal) return [];
  const message = `"${refusal.name}" is ${refusal.file}, outside ${root}, and sources are read only below it: open the folder that holds both in the editor, or copy the file`;
  return [{ ...diagnostic, message }];
}

const statusOf = (file: string) => statSync(file, { throwIfNoEntry: false });

function isFile(file: string): boolean {
  try {
    return statusOf(file)?.isFile() === true;
  } catch {
    return false;
  }
}

function isFolder(file: string): boolean {
  try {
    return statusOf(file)?.isDirectory() === true;
  } catch {
    return false;
  }
}

function checkFits(program: Program, memoryBytes: number): void {
  for (const { address, bytes, zeroBytes } of program.segments) {
    const end = address + bytes.length + zeroBytes;
    if (end > memoryBytes) {
      throw new UserError(
        `${path.basename(program.name)} needs memory up to 0x${end.toString(16)} (${formatMemorySize(end)}), but the machine has ${formatMemorySize(memoryBytes)}: raise "memory".`,
      );
    }
  }
}

function withSymbols(program: Program, file: string): LoadedProgram {
  const { symbols, lines, diagnostics } = loadElfSymbols(file, readUserFile(file, 'symbols'));
  refuseErrors(diagnostics);
  return {
    program: {
      ...program,
      symbols: [...program.symbols, ...symbols],
      lines: program.lines.length > 0 ? program.lines : lines,
    },
    warnings: diagnostics,
  };
}
