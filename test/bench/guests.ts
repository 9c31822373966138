/** Which benchmark guests there are, and building them: needs gcc, nasm, binutils and make. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { missingTool, onPath } from '../../scripts/lib/programs.ts';
import { fromRoot } from '../../scripts/lib/root.ts';
import { hashReferences } from './guests/hash-references.ts';

const BOTH_SIZES = ['alu', 'sieve', 'hashsort', 'memcpy', 'pagewalk', 'syscalls', 'exits', 'ctrl', 'sse', 'x87'];

/** Every guest; the number at its end is the size of its code. */
export const GUESTS: readonly string[] = [
  ...BOTH_SIZES.map((name) => `${name}64`),
  'vmx64',
  ...BOTH_SIZES.map((name) => `${name}32`),
];

export type GuestFile = 'elf' | 'img' | 'native';

/** Where builds of this amount of work lie. */
const folderOf = (scale: number): string => fromRoot('out', 'bench', `scale-${scale}`);

export function guestPath(guest: string, kind: GuestFile, scale: number): string {
  const bits = guest.slice(-2);
  const name = kind === 'native' ? `native${bits}-${guest.slice(0, -2)}` : `${guest}.${kind}`;
  return path.join(folderOf(scale), name);
}

const TOOLS = { gcc: 'gcc', nasm: 'nasm', make: 'make', objcopy: 'binutils' };

/** Builds what is missing or out of date; throws with make's own words. */
export function buildGuests(guests: readonly string[], kinds: readonly GuestFile[], scale: number): void {
  for (const [tool, debianPackage] of Object.entries(TOOLS)) {
    if (onPath(tool) === undefined) throw new Error(missingTool(tool, debianPackage));
  }
  const folder = folderOf(scale);
  mkdirSync(folder, { recursive: true });
  // Only once: make would rebuild everything behind a newer file.
  const hashes = path.join(folder, 'hashes.h');
  if (!existsSync(hashes)) writeFileSync(hashes, hashReferences(scale));
  const goals = guests.flatMap((guest) => kinds.map((kind) => guestPath(guest, kind, scale)));
  const make = spawnSync(
    'make',
    ['-s', '-C', fromRoot('test', 'bench', 'guests'), `B=${folder}`, `SCALE=${scale}`, ...goals],
    {
      encoding: 'utf8',
    },
  );
  if (make.status !== 0) throw new Error(`the guests could not be built:\n${make.stdout}${make.stderr}`);
}
