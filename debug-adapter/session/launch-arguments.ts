/** Checks what a launch configuration says before anything is built from it. */
import { chooseFeatures, CPU_PRESETS, EXIT_NAMES, FEATURE_NAMES, MAX_CPUS, MAX_MEMORY_BYTES } from '../engine/index.ts';
import type { CpuChoice, CpuPreset, ExitName, FeatureName, MachineMode } from '../engine/index.ts';
import { didYouMean, nearestName } from '../debugger/nearest.ts';
import { EXIT_FILTER_PREFIX, filterOfExit } from '../debugger/stop-filters.ts';
import { UserError } from '../debugger/user-error.ts';
import { formatMemorySize, parseMemorySize } from '../present/text.ts';
import {
  ABSENT_DEVICES,
  DEFAULT_MEMORY,
  DEFAULT_PROCESSORS,
  EDITOR_ATTRIBUTES,
  LAUNCH_ATTRIBUTES,
  LAUNCH_MODES,
  WORKSPACE_ATTRIBUTE,
} from '../protocol/launch.ts';
import type { AbsentDevices, LaunchAttributes } from '../protocol/launch.ts';

/** A launch configuration with nothing left open. */
export interface LaunchRequest {
  readonly program: string;
  /** Undefined: `bare` where the program executes VMXON itself or there are several processors, else `vm`. */
  readonly mode: MachineMode | undefined;
  readonly memoryBytes: number;
  readonly cpu: CpuChoice;
  readonly processors: number;
  readonly absentDevices: AbsentDevices;
  /** Of a Linux or Multiboot kernel. */
  readonly commandLine: string | undefined;
  readonly initrd: readonly string[];
  readonly disk: string | undefined;
  readonly diskWrite: boolean;
  readonly stopOnEntry: boolean;
  readonly defines: Readonly<Record<string, string>>;
  readonly includePaths: readonly string[];
  readonly symbols: string | undefined;
  readonly stopOn: ReadonlySet<ExitName>;
  readonly noDebug: boolean;
  /** Folder below which sources may be included; the program's own folder always is. */
  readonly workspace: string | undefined;
}

const PAGE_BYTES = 4096;
const MIN_MEMORY = 1024 ** 2;

const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string');

const CHECKS: Readonly<Record<(typeof LAUNCH_ATTRIBUTES)[keyof LaunchAttributes], (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'object with options': (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'string or number': (value) => typeof value === 'string' || typeof value === 'number',
  'array of strings': isStrings,
  'string or array of strings': (value) => typeof value === 'string' || isStrings(value),
};

/** Throws a `UserError` that names the attribute and what to write instead. */
export function readLaunchArguments(raw: Readonly<Record<string, unknown>>): LaunchRequest {
  const known = Object.keys(LAUNCH_ATTRIBUTES) as (keyof LaunchAttributes)[];
  for (const [name, value] of Object.entries(raw)) {
    if (name.startsWith('__') || EDITOR_ATTRIBUTES.includes(name)) continue;
    if (!Object.hasOwn(LAUNCH_ATTRIBUTES, name)) {
      const suggestion = nearestName(name, known);
      throw new UserError(
        `Unknown launch attribute "${name}".${suggestion === undefined ? '' : ` Did you mean "${suggestion}"?`} Known: ${known.filter((each) => each !== 'noDebug').join(', ')}.`,
      );
    }
    const kind = LAUNCH_ATTRIBUTES[name as keyof LaunchAttributes];
    if (value !== undefined && !CHECKS[kind](value)) {
      throw new UserError(
        `Launch attribute "${name}" must be ${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}, not ${JSON.stringify(value)}.`,
      );
    }
  }
  const attributes = raw as Partial<LaunchAttributes>;
  if (!attributes.program) {
    throw new UserError(
      'Launch attribute "program" is missing: the path of a .asm source, a boot image or an ELF kernel.',
    );
  }
  if (attributes.diskWrite === true && attributes.disk === undefined)
    throw new UserError('Launch attribute "diskWrite" needs "disk": the image that is written.');
  const { initrd = [] } = attributes;
  const workspace = raw[WORKSPACE_ATTRIBUTE];
  const mode = attributes.mode === undefined ? undefined : modeOf(attributes.mode);
  return {
    program: attributes.program,
    mode,
    memoryBytes: memoryBytesOf(attributes.memory ?? DEFAULT_MEMORY),
    cpu: cpuOf(attributes.cpu ?? {}),
    processors: processorsOf(attributes.processors ?? DEFAULT_PROCESSORS, mode),
    absentDevices: oneOf('absentDevices', attributes.absentDevices ?? 'stop', ABSENT_DEVICES),
    commandLine: attributes.commandLine,
    initrd: typeof initrd === 'string' ? [initrd] : initrd,
    disk: attributes.disk,
    diskWrite: attributes.diskWrite ?? false,
    stopOnEntry: attributes.stopOnEntry ?? true,
    defines: Object.fromEntries(Object.entries(attributes.defines ?? {}).map(([name, value]) => [name, `${value}`])),
    includePaths: attributes.includePaths ?? [],
    symbols: attributes.symbols,
    stopOn: new Set((attributes.stopOn ?? []).flatMap(exitsNamed)),
    noDebug: attributes.noDebug ?? false,
    workspace: typeof workspace === 'string' ? workspace : undefined,
  };
}

export const modeOf = (mode: string): MachineMode => oneOf('mode', mode, LAUNCH_MODES);

function oneOf<Value extends string>(attribute: string, value: string, values: readonly Value[]): Value {
  const found = values.find((each) => each === value);
  if (found === undefined) {
    throw new UserError(
      `Launch attribute "${attribute}" is "${value}"; it must be ${values.map((each) => `"${each}"`).join(' or ')}.${didYouMean(value, values)}`,
    );
  }
  return found;
}

function processorsOf(processors: number, mode: MachineMode | undefined): number {
  if (!Number.isInteger(processors) || processors < 1 || processors > MAX_CPUS)
    throw new UserError(
      `Launch attribute "processors" is ${processors}; it must be a whole number from 1 to ${MAX_CPUS}.`,
    );
  if (processors > 1 && mode === 'vm')
    throw new UserError(
      `Launch attribute "processors" is ${processors}: the built-in hypervisor runs one virtual processor; write "mode": "bare" for more.`,
    );
  return processors;
}

const quoted = (names: readonly string[]): string => names.map((each) => `"${each}"`).join(', ');

/** Presets and features by name, and whether they can be had together. */
function cpuOf(cpu: Readonly<Record<string, unknown>>): CpuChoice {
  for (const name of Object.keys(cpu))
    if (name !== 'preset' && name !== 'features')
      throw new UserError(`Launch attribute "cpu" has an option "${name}"; it takes "preset" and "features".`);
  const { preset, features = {} } = cpu;
  const presets = Object.keys(CPU_PRESETS);
  if (preset !== undefined && (typeof preset !== 'string' || !presets.includes(preset)))
    throw new UserError(
      `Launch attribute "cpu" has the preset ${JSON.stringify(preset)}; there are ${quoted(presets)}.${typeof preset === 'string' ? didYouMean(preset, presets) : ''}`,
    );
  if (!CHECKS['object'](features))
    throw new UserError('Launch attribute "cpu": write "features" as an object such as { "BMI2": false }.');
  for (const [name, on] of Object.entries(features as object)) {
    if (!(FEATURE_NAMES as readonly string[]).includes(name))
      throw new UserError(
        `Launch attribute "cpu" names the feature "${name}", which is unknown.${didYouMean(name, FEATURE_NAMES)}`,
      );
    if (typeof on !== 'boolean')
      throw new UserError(
        `Launch attribute "cpu": feature "${name}" must be true or false, not ${JSON.stringify(on)}.`,
      );
  }
  const choice: CpuChoice = {
    ...(preset === undefined ? {} : { preset: preset as CpuPreset }),
    features: features as Partial<Record<FeatureName, boolean>>,
  };
  const chosen = chooseFeatures(choice);
  if ('problem' in chosen) throw new UserError(`Launch attribute "cpu": ${chosen.problem}`);
  return choice;
}

function memoryBytesOf(memory: string | number): number {
  const bytes = parseMemorySize(memory);
  if (bytes === undefined) {
    throw new UserError(
      `Launch attribute "memory" is ${JSON.stringify(memory)}; write for example "64M" or "1G", or a number of MiB.`,
    );
  }
  if (bytes < MIN_MEMORY || bytes > MAX_MEMORY_BYTES) {
    throw new UserError(
      `Launch attribute "memory" is ${formatMemorySize(bytes)}; it must be from ${formatMemorySize(MIN_MEMORY)} to ${MAX_MEMORY_BYTES / MIN_MEMORY} MiB ("${MAX_MEMORY_BYTES / MIN_MEMORY}M").`,
    );
  }
  if (bytes % PAGE_BYTES !== 0) {
    throw new UserError(`Launch attribute "memory" is ${bytes} bytes; it must be a multiple of 4 KiB.`);
  }
  return bytes;
}

/** An exit, or all that one filter of the Breakpoints view stands for: `io`, `exit.io`. */
function exitsNamed(name: string): readonly ExitName[] {
  const exact = EXIT_NAMES.find((each) => each === name);
  if (exact !== undefined) return [exact];
  const filter = name.startsWith(EXIT_FILTER_PREFIX) ? name : EXIT_FILTER_PREFIX + name;
  const grouped = EXIT_NAMES.filter((each) => filterOfExit(each) === filter);
  if (grouped.length > 0) return grouped;
  const groups = new Set(EXIT_NAMES.map((each) => filterOfExit(each).slice(EXIT_FILTER_PREFIX.length)));
  throw new UserError(
    `Launch attribute "stopOn" names "${name}", which is no VM exit and no group of them (${[...groups].join(', ')}).${didYouMean(name, [...EXIT_NAMES, ...groups])}`,
  );
}
