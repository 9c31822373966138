/** What a launch configuration may say. */

export interface LaunchAttributes {
  /** Absolute path of a `.asm` source, a boot image or a multiboot ELF. */
  readonly program: string;
  /**
   * `bare`: the program owns the machine. `vm`: the built-in hypervisor runs it in VMX non-root operation. Default: `bare` for
   * a program that executes VMXON itself, else `vm`.
   */
  readonly mode?: LaunchMode;
  /** Guest memory: `"64M"`, `"1G"`, `"512K"`, or a number of MiB. Default 64M. */
  readonly memory?: string | number;
  /** Stop before the first instruction. Default true. */
  readonly stopOnEntry?: boolean;
  /** Names defined before the first source line, as `%define NAME VALUE`. */
  readonly defines?: Readonly<Record<string, string | number>>;
  /** Folders searched by `%include` besides the including file's own; below the workspace folder or the program's folder. */
  readonly includePaths?: readonly string[];
  /** ELF file whose symbols are added: for a flat image that was linked from it. */
  readonly symbols?: string;
  /** Exit names that stop from the start, as the exception filters of the same name do: `["cpuid", "eptViolation"]`. */
  readonly stopOn?: readonly string[];
  /** Set by the editor's "Run Without Debugging": breakpoints and entry stop are ignored. */
  readonly noDebug?: boolean;
}

export type LaunchMode = 'bare' | 'vm';
export const LAUNCH_MODES: readonly LaunchMode[] = ['bare', 'vm'];

/** Every attribute of `LaunchAttributes`, with the kind of value it takes; the schema in package.json is compared with it. */
export const LAUNCH_ATTRIBUTES = {
  program: 'string',
  mode: 'string',
  memory: 'string or number',
  stopOnEntry: 'boolean',
  defines: 'object',
  includePaths: 'array of strings',
  symbols: 'string',
  stopOn: 'array of strings',
  noDebug: 'boolean',
} as const satisfies Record<keyof LaunchAttributes, string>;

/** Where the program does not decide it. */
export const DEFAULT_MODE: LaunchMode = 'vm';
export const DEFAULT_MEMORY = '64M';

/**
 * Attributes of launch.json that belong to the editor or to the protocol and are passed along: no reason to complain.
 * Names that begin with two underscores are the editor's own as well.
 */
export const EDITOR_ATTRIBUTES: readonly string[] = [
  'type',
  'name',
  'request',
  'preLaunchTask',
  'postDebugTask',
  'presentation',
  'internalConsoleOptions',
  'console',
  'debugServer',
  'serverReadyAction',
  'suppressMultipleSessionWarning',
  'cwd',
  'windows',
  'linux',
  'osx',
];

/**
 * What the extension adds to a launch request for the adapter: the workspace folder, which bounds where `%include` may read.
 * Not written by people.
 */
export const WORKSPACE_ATTRIBUTE = '__workspaceFolder';
