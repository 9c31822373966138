/** Files that go along with a kernel: Multiboot modules, and the initial RAM disk of a Linux kernel. */
import { EXTENDED_MEMORY, memoryMap } from '../base/memory-map.ts';
import type { Program, ProgramResult } from '../base/program.ts';
import { failed, fileError, finished } from './file-diagnostic.ts';
import { segmentEnd } from './segments.ts';

export interface KernelModule {
  /** What the kernel is told about it: the file name. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const PAGE = 0x1000;
/** Archives of a RAM disk begin at multiples of this ("initramfs buffer format": zero bytes may lie between them). */
const ARCHIVE_ALIGNMENT = 4;

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Places modules behind a Multiboot kernel, each on a page of its own. */
export function withMultibootModules(
  program: Program,
  modules: readonly KernelModule[],
  memoryBytes: number,
): ProgramResult {
  const { boot, segments } = program;
  if (boot.kind !== 'multiboot') throw new Error('Invariant broken: modules for a program that is no Multiboot kernel');
  let address = roundUp(Math.max(EXTENDED_MEMORY, ...segments.map(segmentEnd)), PAGE);
  const placed = modules.map(({ name, bytes }) => {
    const at = address;
    address = roundUp(at + bytes.length, PAGE);
    return { name, bytes, address: at };
  });
  const extended = memoryMap(memoryBytes).find(({ base }) => base === EXTENDED_MEMORY);
  if (extended === undefined || address > extended.base + extended.bytes) {
    const total = modules.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return failed(
      fileError(
        program.name,
        'modules-beyond-memory',
        `${program.name}: modules of ${total} bytes do not fit behind the kernel; set "memory" to more.`,
      ),
    );
  }
  return finished(
    {
      ...program,
      boot: {
        ...boot,
        modules: placed.map(({ name, bytes, address: start }) => ({ start, end: start + bytes.length, name })),
      },
      segments: [...segments, ...placed.map(({ bytes, address: at }) => ({ address: at, bytes, zeroBytes: 0 }))],
    },
    [],
  );
}

/** Several RAM disks as the one that a Linux kernel takes. */
export function joinedRamDisk(modules: readonly KernelModule[]): Uint8Array {
  const ends: number[] = [];
  for (const { bytes } of modules) ends.push(roundUp((ends.at(-1) ?? 0) + bytes.length, ARCHIVE_ALIGNMENT));
  const joined = new Uint8Array(ends.at(-1) ?? 0);
  modules.forEach(({ bytes }, index) => joined.set(bytes, ends[index - 1] ?? 0));
  return joined;
}
