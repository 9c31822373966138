/** What a launch configuration may say. */

export interface LaunchAttributes {
  /** Absolute path of a `.asm` source, a boot image or a multiboot ELF. */
  readonly program: string;
  /**
   * `bare`: the program owns the machine. `vm`: the built-in hypervisor runs it in VMX non-root operation. Default: `bare` for
   * a program that executes VMXON itself and for several processors, else `vm`.
   */
  readonly mode?: LaunchMode;
  /** Guest memory: `"64M"`, `"1G"`, `"512K"`, or a number of MiB. Default 64M. */
  readonly memory?: string | number;
  /**
   * The simulated processor: a preset (`minimal`, `baseline`, `haswell`, `skylake-server`, `full`) with single CPUID features
   * switched: `{ "preset": "haswell", "features": { "BMI2": false } }`. Default `full`.
   */
  readonly cpu?: { readonly preset?: string; readonly features?: Readonly<Record<string, boolean>> };
  /** Processors, 1 to 8. Default 1; more only in mode `bare`, which is then the default. */
  readonly processors?: number;
  /**
   * What an access does to a port or address where the machine has no device: `stop` it with a message, or `float`: reads
   * give ones, writes are lost, an MSR that is not built raises #GP, and the first access to each place is told. Default `stop`.
   */
  readonly absentDevices?: AbsentDevices;
  /** What a Linux or Multiboot kernel is told: the whole command line of Linux, the words after the file name of Multiboot. */
  readonly commandLine?: string;
  /** Initial RAM disk of a Linux kernel, or the modules of a Multiboot kernel: a path, or several. */
  readonly initrd?: string | readonly string[];
  /** Raw image of a hard disk, device 0 of the primary IDE channel. What the guest writes stays in the machine. */
  readonly disk?: string;
  /** Write what the guest has written into the file of `disk` when the session ends. Default false. */
  readonly diskWrite?: boolean;
  /** Stop before the first instruction. Default true. */
  readonly stopOnEntry?: boolean;
  /** Names defined before the first source line, as `%define NAME VALUE`. */
  readonly defines?: Readonly<Record<string, string | number>>;
  /** Folders searched by `%include` besides the including file's own; see `WORKSPACE_ATTRIBUTE` for where they may be. */
  readonly includePaths?: readonly string[];
  /** ELF file whose symbols are added: for a flat image that was linked from it. */
  readonly symbols?: string;
  /**
   * VM exits that stop from the start: names of exits (`"cpuid"`, `"eptViolation"`), or of the groups that the Breakpoints view
   * lists (`"io"`, `"ept"`; also written `"exit.io"`). A name that is both means the exit; `"exit."` before it, the group.
   */
  readonly stopOn?: readonly string[];
  /** Set by the editor's "Run Without Debugging": breakpoints and entry stop are ignored. */
  readonly noDebug?: boolean;
}

export type LaunchMode = 'bare' | 'vm';
export const LAUNCH_MODES: readonly LaunchMode[] = ['bare', 'vm'];

export type AbsentDevices = 'stop' | 'float';
export const ABSENT_DEVICES: readonly AbsentDevices[] = ['stop', 'float'];

/** Every attribute of `LaunchAttributes`, with the kind of value it takes; the schema in package.json is compared with it. */
export const LAUNCH_ATTRIBUTES = {
  program: 'string',
  mode: 'string',
  memory: 'string or number',
  cpu: 'object with options',
  processors: 'number',
  absentDevices: 'string',
  commandLine: 'string',
  initrd: 'string or array of strings',
  disk: 'string',
  diskWrite: 'boolean',
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
export const DEFAULT_PROCESSORS = 1;

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
 * Not written by people. Where a client sends none, it is the nearest folder above the program that holds a `.vscode` folder
 * (the home folder aside, where editors keep their own), else the program's folder.
 */
export const WORKSPACE_ATTRIBUTE = '__workspaceFolder';
