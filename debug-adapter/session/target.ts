/** What one launch makes: the machine with everything the debugger knows about its program. */
import path from 'node:path';
import { chooseFeatures, createMachine } from '../engine/index.ts';
import type { ConsoleSource, CpuChoice, Diagnostic, Machine, MachineMode, MachineOptions } from '../engine/index.ts';
import { BreakpointRegistry } from '../debugger/breakpoints.ts';
import { stackFrames } from '../debugger/stack.ts';
import type { Frame } from '../debugger/stack.ts';
import { StopRules } from '../debugger/stop-rules.ts';
import { SymbolTable } from '../debugger/symbols.ts';
import { UserError } from '../debugger/user-error.ts';
import { formatMemorySize, plural } from '../present/text.ts';
import { DEFAULT_MODE } from '../protocol/launch.ts';
import { ownsMachine } from '../debugger/program-kind.ts';
import { DiskFile } from './disk-file.ts';
import type { LaunchRequest } from './launch-arguments.ts';
import { readProgram } from './program-file.ts';
import { Runner } from './runner.ts';
import type { Outcome, RunnerEvents } from './runner.ts';

export class Target {
  readonly launch: LaunchRequest;
  readonly mode: MachineMode;
  readonly machine: Machine;
  readonly symbols: SymbolTable;
  readonly breakpoints: BreakpointRegistry;
  readonly rules: StopRules;
  readonly runner: Runner;
  readonly warnings: readonly Diagnostic[];
  /** Why the machine stands; undefined before the first stop and while it runs. */
  outcome: Outcome | undefined;
  private readonly disk: DiskFile | undefined;
  private readonly frames = new Map<number, readonly Frame[]>();

  /** Throws `UserError` where the program cannot be made. */
  constructor(
    launch: LaunchRequest,
    events: RunnerEvents & { readonly onConsole: (bytes: Uint8Array, source: ConsoleSource) => void },
  ) {
    this.launch = launch;
    const { program, warnings } = readProgram(launch);
    this.warnings = warnings;
    this.mode = launch.mode ?? (ownsMachine(program) || launch.processors > 1 ? 'bare' : DEFAULT_MODE);
    this.symbols = new SymbolTable(program);
    checkVirtualization(this.mode, launch.cpu);
    this.disk = launch.disk === undefined ? undefined : new DiskFile(launch.disk, launch.diskWrite ? 'write' : 'read');
    this.machine = madeMachine({
      program,
      mode: this.mode,
      memoryBytes: launch.memoryBytes,
      cpu: launch.cpu,
      processors: launch.processors,
      absentDevices: launch.absentDevices,
      onAbsentDevice: events.onLog,
      ...(this.disk === undefined ? {} : { disk: this.disk }),
      onConsole: events.onConsole,
    });
    this.breakpoints = new BreakpointRegistry(this.symbols);
    this.rules = new StopRules(this.symbols, launch.stopOn);
    this.runner = new Runner(this.machine, this.breakpoints, this.rules, events);
  }

  /**
   * Writes into the disk's file what the guest has written, where the launch says so.
   * @returns what was done, to be told; undefined where there was nothing to do
   */
  keepDisk(): string | undefined {
    const { diskChanges } = this.machine;
    if (this.disk === undefined || !this.launch.diskWrite || diskChanges.size === 0) return undefined;
    try {
      this.disk.write(diskChanges);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
    return `${plural(diskChanges.size, 'sector')} written to ${path.basename(this.launch.disk ?? '')}.`;
  }

  /** The machine will not run again. */
  close(): void {
    this.disk?.close();
  }

  get programName(): string {
    return path.basename(this.launch.program);
  }

  /** The program's own spelling of a path: Windows compares without case. */
  sourceFile(file: string): string {
    const { files } = this.symbols;
    if (process.platform !== 'win32' || files.includes(file)) return file;
    const wanted = path.normalize(file).toLowerCase();
    return files.find((each) => path.normalize(each).toLowerCase() === wanted) ?? file;
  }

  /** The call stack of one processor, the same objects until the machine runs or is changed. */
  stack(cpu: number): readonly Frame[] {
    let frames = this.frames.get(cpu);
    if (!frames) {
      frames = stackFrames(this.machine, cpu, this.symbols);
      this.frames.set(cpu, frames);
    }
    return frames;
  }

  /** State has changed: what was derived from it is out of date. */
  forget(): void {
    this.frames.clear();
  }
}

function madeMachine(options: MachineOptions): Machine {
  try {
    return createMachine(options);
  } catch (error) {
    // What WebAssembly.Memory throws where the computer cannot give as much.
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `This computer has no room for a machine with ${formatMemorySize(options.memoryBytes)} of memory: lower "memory".`,
    );
  }
}

/** The built-in hypervisor needs what the chosen processor may lack. */
function checkVirtualization(mode: MachineMode, cpu: CpuChoice): void {
  const chosen = chooseFeatures(cpu);
  if (mode === 'vm' && 'features' in chosen && !chosen.features.has('VMX'))
    throw new UserError(
      'Launch attribute "cpu": mode "vm" needs the feature VMX; turn it on, or write "mode": "bare".',
    );
}
