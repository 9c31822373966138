/** The three machines that run the conformance guest, as command lines whose standard output carries port E9h. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { elfImage, floppyImage, type GuestBits, type Parameters } from './image.ts';

export type Oracle = 'qemu' | 'bochs';
export type MachineName = 'hyperstep' | Oracle;

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

function file(folder: string, name: string, content: string | Buffer): string {
  const where = path.join(folder, name);
  writeFileSync(where, content);
  return where;
}

const COMMANDS: { readonly [M in MachineName]: (folder: string, bits: GuestBits, parameters: Parameters) => Command } =
  {
    hyperstep: (folder, bits, parameters) => ({
      program: process.execPath,
      args: [
        `--import=${pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href}`,
        fileURLToPath(new URL('engine-process.ts', import.meta.url)),
        file(folder, 'guest.elf', elfImage(bits, parameters)),
      ],
    }),
    qemu: (folder, bits, parameters) => ({
      program: 'qemu-system-x86_64',
      args: [
        ...[
          '-accel',
          'tcg,thread=single',
          '-cpu',
          'max,vendor=GenuineIntel',
          '-m',
          '32',
          '-display',
          'none',
          '-nodefaults',
          '-no-reboot',
        ],
        ...['-serial', 'null', '-debugcon', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
        ...['-kernel', file(folder, 'guest.elf', elfImage(bits, parameters))],
      ],
    }),
    bochs: (folder, bits, parameters) => {
      file(folder, 'commands', 'c\nq\n');
      file(folder, 'floppy.img', floppyImage(bits, parameters));
      file(folder, 'bochsrc', BOCHS_CONFIGURATION);
      return {
        program: 'bochs',
        args: ['-q', '-f', 'bochsrc', '-rc', 'commands'],
        environment: { BXSHARE: '/usr/share/bochs', TERM: 'xterm' },
      };
    },
  };

const BOCHS_CONFIGURATION = [
  'config_interface: textconfig',
  'display_library: term',
  'memory: guest=32, host=32',
  'romimage: file=$BXSHARE/BIOS-bochs-legacy',
  'vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest',
  'boot: floppy',
  'floppya: 1_44=floppy.img, status=inserted',
  'ata0: enabled=0',
  'ata1: enabled=0',
  'cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0',
  'clock: sync=none',
  'vga: update_freq=1',
  'port_e9_hack: enabled=1',
  'com1: enabled=1, mode=null',
  'log: bochs.log',
  'panic: action=fatal',
  'error: action=ignore',
  'info: action=ignore',
  'debug: action=ignore',
  '',
].join('\n');

/** A guest that hangs is a failure; a long run is many guests. */
const LIMIT_SECONDS = 1800;

/** Lines of the guest: what stands in front of one is the machine's own. */
const GUEST_LINE = /(?:^|[^\x20-\x7e])?((?:B|C) [0-9a-f]+ [0-9a-f]+ .*|END|STOP .*)$/;

/** Runs the guest to its end and hands over its lines as they come. Throws when it did not come to its end. */
export function runGuest(
  machine: MachineName,
  bits: GuestBits,
  parameters: Parameters,
  onLine: (line: string) => void,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hyperstep-conform-'));
  const { program, args, environment } = COMMANDS[machine](folder, bits, parameters);
  return new Promise((resolve, reject) => {
    // `timeout` makes a process group of itself and all that a start script starts, and outlives nobody for long.
    const child = spawn('timeout', ['-s', 'KILL', String(LIMIT_SECONDS), program, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = (): void => void (child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'));
    let ended = false;
    let unfinished = '';
    let tail = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (unfinished + chunk.toString('latin1')).split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) {
        const found = GUEST_LINE.exec(line.replace(/\r$/, ''))?.[1];
        if (found === undefined) tail = `${tail}${line}\n`.slice(-600);
        else if (found === 'END') {
          ended = true;
          end();
        } else if (found.startsWith('STOP')) {
          tail = found;
          end();
        } else onLine(found);
      }
    });
    child.stderr.on('data', (chunk: Buffer) => (tail = `${tail}${chunk.toString('latin1')}`.slice(-600)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      rmSync(folder, { recursive: true, force: true });
      if (ended) resolve();
      else
        reject(new Error(`${machine} did not finish the guest (${signal ?? code}): ${unfinished.slice(-200)} ${tail}`));
    });
  });
}
