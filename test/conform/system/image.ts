/** Builds the conformance guest and patches into it what to run. Needs gcc, nasm and binutils. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missingTool, onPath } from '../../../scripts/lib/programs.ts';
import { fromRoot } from '../../../scripts/lib/root.ts';
import { AVOIDED } from './deviations.ts';

/** The size of the monitor's code: 32-bit protected mode, or IA-32e mode. */
export type GuestBits = 32 | 64;

/** What `parameters` of start.asm holds, in its order (guest.h names the same). */
export interface Parameters {
  readonly seed: readonly [number, number];
  readonly firstBatch: number;
  readonly batches: number;
  readonly casesPerBatch: number;
  /** Prints every case whole. */
  readonly detail: boolean;
  /** A bit for each family of main.c. */
  readonly families: number;
  /** A bit for each row of deviations.ts that the guest avoids. */
  readonly deviations: number;
  /** A bit for each CPU feature that both machines have (guest.h). */
  readonly features: number;
}

const SOURCES = fromRoot('test', 'conform', 'system', 'guest');
const FOLDER = fromRoot('out', 'conform', 'system');
const TOOLS = { gcc: 'gcc', nasm: 'nasm', ld: 'binutils', objcopy: 'binutils' };
const MARK = 'PARAMETERS\0\0\0\0\0\0';
const SECTOR_BYTES = 512;
const FLOPPY_BYTES = 1_474_560;

const C_FLAGS = [
  ...['-O2', '-ffreestanding', '-mgeneral-regs-only', '-fno-pic', '-fno-pie', '-mno-red-zone', '-fno-stack-protector'],
  ...['-fcf-protection=none', '-fno-asynchronous-unwind-tables', '-fno-tree-loop-distribute-patterns', '-fno-builtin'],
  ...['-fno-strict-aliasing', '-Wall', '-Wextra', '-Werror'],
];
const C_FLAGS_OF = { 32: ['-m32', '-march=i686', '-mpreferred-stack-boundary=2'], 64: ['-m64', '-mcmodel=small'] };

function run(program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', cwd: SOURCES });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}:\n${error?.message ?? ''}${stdout}${stderr}`);
}

const built = new Map<GuestBits, { readonly elf: Buffer; readonly flat: Buffer; readonly bootSector: Buffer }>();

/** Builds the guest, once a process. */
function build(bits: GuestBits): { readonly elf: Buffer; readonly flat: Buffer; readonly bootSector: Buffer } {
  const before = built.get(bits);
  if (before) return before;
  for (const [tool, debianPackage] of Object.entries(TOOLS)) {
    if (onPath(tool) === undefined) throw new Error(missingTool(tool, debianPackage));
  }
  mkdirSync(FOLDER, { recursive: true });
  const out = (name: string): string => path.join(FOLDER, `${name}.${bits}.${process.pid}`);
  const avoided = Object.keys(AVOIDED).map((name, i) => `#define AVOID_${name} ${1 << i}u\n`);
  writeFileSync(path.join(FOLDER, 'deviations.h'), `#pragma once\n${avoided.join('')}`);
  const objects: string[] = [];
  const sources = readdirSync(SOURCES).sort();
  for (const source of sources.filter((name) => name.endsWith('.asm'))) {
    objects.push(out(source));
    run('nasm', ['-f', `elf${bits}`, ...(bits === 64 ? ['-DB64'] : []), '-o', out(source), source]);
  }
  for (const source of sources.filter((name) => name.endsWith('.c'))) {
    objects.push(out(source));
    run('gcc', [`-I${FOLDER}`, ...C_FLAGS, ...C_FLAGS_OF[bits], '-c', '-o', out(source), source]);
  }
  const linked = out('guest');
  const emulation = bits === 64 ? 'elf_x86_64' : 'elf_i386';
  const linking = ['-nostdlib', '-z', 'noexecstack', '--no-warn-rwx-segments', '-z', 'max-page-size=4096'];
  run('ld', ['-m', emulation, ...linking, '-T', 'link.ld', '-o', linked, ...objects]);
  const elf = out('elf');
  // Multiboot loaders take 32-bit files.
  run('objcopy', ['-I', bits === 64 ? 'elf64-x86-64' : 'elf32-i386', '-O', 'elf32-i386', linked, elf]);
  const flat = out('flat');
  run('objcopy', ['-O', 'binary', '--only-section=.all', linked, flat]);
  const flatBytes = readFileSync(flat);
  const boot = out('boot');
  const sectors = Math.ceil(flatBytes.length / SECTOR_BYTES);
  run('nasm', ['-f', 'bin', `-DNSECT=${sectors}`, '-o', boot, fromRoot('test', 'bench', 'guests', 'bootsect.asm')]);
  const result = { elf: readFileSync(elf), flat: flatBytes, bootSector: readFileSync(boot) };
  built.set(bits, result);
  return result;
}

function patched(image: Buffer, parameters: Parameters): Buffer {
  const at = image.indexOf(MARK, 0, 'latin1');
  if (at < 0) throw new Error('Invariant broken: the guest has no parameters');
  const copy = Buffer.from(image);
  const { seed, firstBatch, batches, casesPerBatch, detail, families, deviations, features } = parameters;
  const values = [...seed, firstBatch, batches, casesPerBatch, Number(detail), families, deviations, features];
  values.forEach((value, i) => copy.writeUInt32LE(value >>> 0, at + MARK.length + 4 * i));
  return copy;
}

export const elfImage = (bits: GuestBits, parameters: Parameters): Buffer => patched(build(bits).elf, parameters);

export function floppyImage(bits: GuestBits, parameters: Parameters): Buffer {
  const { flat, bootSector } = build(bits);
  const image = Buffer.alloc(FLOPPY_BYTES);
  bootSector.copy(image);
  patched(flat, parameters).copy(image, SECTOR_BYTES);
  return image;
}
