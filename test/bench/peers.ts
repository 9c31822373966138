/** The programs that run a benchmark guest: our engine, and what it is compared with. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missingTool, onPath } from '../../scripts/lib/programs.ts';
import { fromRoot } from '../../scripts/lib/root.ts';
import { guestPath, type GuestFile } from './guests.ts';

export const PEER_NAMES = ['hyperstep', 'earlier', 'bochs', 'qemu', 'native'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** A command line whose standard output carries the guest's console. */
export interface PeerCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Ends as soon as its guest is done, too fast for its CPU time to be read: it is given no way to end and is ended by us. */
  readonly stopAtDone?: true;
}

interface Peer {
  readonly file: GuestFile;
  /** What to say where the peer cannot run; undefined where it can. */
  readonly missing: () => string | undefined;
  readonly command: (guest: string, scale: number) => PeerCommand;
}

/** The bundles of hyperstep-peer.ts, today's and that of an earlier commit; engine-bundles.ts makes them. */
export const HYPERSTEP_BUNDLE = fromRoot('out', 'bench', 'hyperstep-peer.cjs');
export const EARLIER_BUNDLE = fromRoot('out', 'bench', 'earlier-peer.cjs');

const present = (): undefined => undefined;
const needs = (program: string, debianPackage: string) => () =>
  onPath(program) === undefined ? missingTool(program, debianPackage) : undefined;

export const PEERS: { readonly [P in PeerName]: Peer } = {
  hyperstep: { file: 'elf', missing: present, command: engineCommand(HYPERSTEP_BUNDLE) },
  earlier: { file: 'elf', missing: needs('git', 'git'), command: engineCommand(EARLIER_BUNDLE) },
  bochs: {
    file: 'img',
    missing: needs('bochs', 'bochs bochs-term bochsbios vgabios'),
    command: bochsCommand,
  },
  qemu: {
    file: 'elf',
    missing: needs('qemu-system-x86_64', 'qemu-system-x86'),
    command: (guest, scale) => ({
      program: 'qemu-system-x86_64',
      arguments: [
        ...['-accel', 'tcg,thread=single', '-cpu', 'max', '-m', '128', '-display', 'none', '-nodefaults', '-no-reboot'],
        ...['-serial', 'null', '-debugcon', 'stdio'],
        ...['-kernel', guestPath(guest, 'elf', scale)],
      ],
      environment: {},
      stopAtDone: true,
    }),
  },
  native: {
    file: 'native',
    missing: present,
    command: (guest, scale) => ({ program: guestPath(guest, 'native', scale), arguments: [], environment: {} }),
  },
};

function engineCommand(bundle: string): Peer['command'] {
  return (guest, scale) => ({
    program: process.execPath,
    arguments: [...extraNodeArguments(), bundle, guestPath(guest, 'elf', scale)],
    environment: {},
  });
}

/** For profiles of our engine: `HYPERSTEP_BENCH_NODE="--cpu-prof"`. */
function extraNodeArguments(): string[] {
  return (process.env['HYPERSTEP_BENCH_NODE'] ?? '').split(' ').filter(Boolean);
}

/** Debian's build has the debugger in it, so its `continue` is fed; the text display is the one that needs no screen. */
function bochsCommand(guest: string, scale: number): PeerCommand {
  const folder = fromRoot('out', 'bench', 'bochs');
  mkdirSync(folder, { recursive: true });
  const configuration = path.join(folder, `${guest}.rc`);
  const commands = path.join(folder, 'commands');
  writeFileSync(commands, 'c\n');
  writeFileSync(
    configuration,
    [
      'config_interface: textconfig',
      'display_library: term',
      'memory: guest=128, host=128',
      'romimage: file=$BXSHARE/BIOS-bochs-latest',
      'vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest',
      'boot: floppy',
      `floppya: 1_44=${guestPath(guest, 'img', scale)}, status=inserted`,
      'ata0: enabled=0',
      'ata1: enabled=0',
      'cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0',
      'clock: sync=none',
      'vga: update_freq=1',
      'port_e9_hack: enabled=1',
      'com1: enabled=1, mode=null',
      `log: ${path.join(folder, 'bochs.log')}`,
      'panic: action=fatal',
      'error: action=report',
      'info: action=ignore',
      'debug: action=ignore',
      '',
    ].join('\n'),
  );
  return {
    program: 'bochs',
    arguments: ['-q', '-f', configuration, '-rc', commands],
    environment: { BXSHARE: '/usr/share/bochs', TERM: 'xterm' },
  };
}
