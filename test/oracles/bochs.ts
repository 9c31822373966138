/**
 * Bochs 2.7 as a second opinion: runs a boot image in Debian's Bochs without a display and returns what the guest
 * printed, the registers it ended with, and what Bochs said about it.
 *
 * The guest is a floppy image whose first sector Bochs' BIOS loads to 0:7C00h. It ends its run by writing the eight
 * letters "Shutdown" to port 8900h. Debian's build has the debugger built in, so commands can be scripted as well.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What to run and for how long. */
export interface BochsOptions {
  /** One of the models `bochs --help cpu` lists. The default is a processor with VMX, EPT and unrestricted guest. */
  readonly model?: string;
  /** Guest memory in MiB. */
  readonly memoryMiB?: number;
  /** Bochs is killed after this many seconds and the run is reported as `time limit`. */
  readonly limitSeconds?: number;
  /**
   * Debugger commands given when the processor is about to execute the first instruction of the boot sector.
   * Without them the guest just runs to its end. A list should end by `c` to run on, or by `q` to stop there.
   */
  readonly commands?: readonly string[];
}

/** How a run ended. */
export type BochsEnd = 'shutdown port' | 'triple fault' | 'panic' | 'debugger' | 'time limit';

/** What a run left behind. */
export interface BochsRun {
  readonly ended: BochsEnd;
  /** Every byte the guest sent to COM1, one character per byte. */
  readonly console: string;
  /**
   * The sixteen general registers at a guest-caused end, by their 64-bit names; 32-bit dumps are zero-extended.
   * Empty when the debugger or the time limit ended the run.
   */
  readonly registers: ReadonlyMap<string, bigint>;
  /** Instruction pointer of the instruction that ended the run, where the registers are known. */
  readonly rip: bigint | undefined;
  /**
   * Bochs clock ticks from the first instruction of the boot sector to the end: one per instruction, and also one for
   * every tick slept through in HLT or waited for a firmware service, so this is an upper bound on instructions.
   */
  readonly ticks: number | undefined;
  /** Lines of the Bochs log from the boot sector on, without their tick counts. */
  readonly log: readonly string[];
  /** What the debugger printed, for `commands`. */
  readonly debuggerOutput: string;
}

/** Exit status of a program that SIGKILL ended, as `timeout` and `script` pass it on. */
const STATUS_OF_KILLED = 128 + 9;
const FLOPPY_BYTES = 1_474_560;
const GENERAL_REGISTERS = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'] as const;

/** Runs a boot image of at most 1.44 MB from its first sector to its end. */
export async function runOnBochs(image: Uint8Array, options: BochsOptions = {}): Promise<BochsRun> {
  if (image.length > FLOPPY_BYTES) throw new Error(`a floppy image has at most ${FLOPPY_BYTES} bytes`);
  const folder = await mkdtemp(join(tmpdir(), 'hyperstep-bochs-'));
  try {
    const floppy = new Uint8Array(FLOPPY_BYTES);
    floppy.set(image);
    await writeFile(join(folder, 'floppy.img'), floppy);
    await writeFile(join(folder, 'bochsrc'), configuration(options));
    await writeFile(join(folder, 'commands'), debuggerCommands(options.commands));
    await writeFile(join(folder, 'com1.out'), '');
    const { output, timedOut } = await runInTerminal(folder, options.limitSeconds ?? 30);
    const console = (await readFile(join(folder, 'com1.out'))).toString('latin1');
    const log = await readFile(join(folder, 'bochs.log'), 'latin1').catch(() => '');
    if (!log.includes('Booting from 0000:7c00')) throw new Error(`Bochs did not boot the image:\n${output}\n${log}`);
    return interpret(console, log, output, timedOut);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function configuration({ model = 'corei7_haswell_4770', memoryMiB = 64 }: BochsOptions): string {
  return [
    // A triple fault must end the run: with a reset the guest would boot again for ever.
    `cpu: model=${model}, count=1, ips=4000000, reset_on_triple_fault=0`,
    `memory: guest=${memoryMiB}, host=${memoryMiB}`,
    'romimage: file=$BXSHARE/BIOS-bochs-legacy',
    'vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest',
    'floppya: 1_44=floppy.img, status=inserted',
    'boot: floppy',
    'display_library: term',
    'speaker: enabled=0',
    'com1: enabled=1, mode=file, dev=com1.out',
    // A fixed date: nothing in a run may depend on the day.
    'clock: sync=none, time0=946684800',
    'log: bochs.log',
    'panic: action=fatal',
    'error: action=report',
    'info: action=report',
    'debug: action=ignore',
    '',
  ].join('\n');
}

function debuggerCommands(commands: readonly string[] = ['c']): string {
  return ['pb 0x7c00', 'c', 'ptime', 'bpd 1', ...commands, 'q', ''].join('\n');
}

function runInTerminal(folder: string, limitSeconds: number): Promise<{ output: string; timedOut: boolean }> {
  return new Promise((resolve, reject) => {
    // `script` gives Bochs the terminal that its text display insists on, and
    // `timeout` stands next to Bochs: a signal to `script` would not reach the session it opens for its terminal.
    const command = `timeout -s KILL ${limitSeconds} bochs -q -f bochsrc -rc commands`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: { ...process.env, BXSHARE: '/usr/share/bochs', TERM: 'vt100' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer): void => void (output += chunk.toString('latin1'));
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (code) => resolve({ output, timedOut: code === STATUS_OF_KILLED }));
  });
}

function interpret(console: string, wholeLog: string, output: string, timedOut: boolean): BochsRun {
  const allLines = wholeLog.split('\n');
  const lines = allLines.slice(allLines.findIndex((line) => line.includes('Booting from 0000:7c00')) + 1);
  const panicAt = lines.findIndex((line) => line.includes('>>PANIC<<'));
  const panic = lines[panicAt] ?? '';
  const dump = panicAt < 0 ? '' : lines.slice(panicAt).join('\n');
  const startTick = /ptime: (\d+)/.exec(output);
  const endTick = /^(\d+)p/.exec(panic);
  const rip = /\bE?R?IP=([0-9a-f]+) \(([0-9a-f]+)\)/.exec(dump);
  return {
    ended: endOf(panic, timedOut),
    console,
    registers: registersOf(dump),
    // The first number is the next instruction, the one in parentheses the instruction that was executing.
    rip: rip === null ? undefined : BigInt(`0x${rip[2]}`),
    ticks: startTick === null || endTick === null ? undefined : Number(endTick[1]) - Number(startTick[1]),
    log: lines.map((line) => line.replace(/^\d+/, '')),
    debuggerOutput: output,
  };
}

function endOf(panic: string, timedOut: boolean): BochsEnd {
  if (timedOut) return 'time limit';
  if (panic === '') return 'debugger';
  if (panic.includes('Shutdown port')) return 'shutdown port';
  return panic.includes('3rd') ? 'triple fault' : 'panic';
}

function registersOf(dump: string): Map<string, bigint> {
  const registers = new Map<string, bigint>();
  for (const [, name, digits] of dump.matchAll(
    /\b(E[A-D]X|E[SB]P|E[SD]I|R[A-D]X|R[SB]P|R[SD]I|R\d+)\s*=\s*([0-9a-f]+)/g,
  )) {
    registers.set(name!.replace(/^E/, 'R'), BigInt(`0x${digits}`));
  }
  if (registers.size > 0) {
    const expected = [
      ...GENERAL_REGISTERS.map((name) => `R${name}`),
      ...Array.from({ length: 8 }, (_, i) => `R${8 + i}`),
    ];
    // Dumps of 16- and 32-bit code leave out R8 to R15, which such code cannot touch.
    for (const name of expected) if (!registers.has(name)) registers.set(name, 0n);
  }
  return registers;
}
