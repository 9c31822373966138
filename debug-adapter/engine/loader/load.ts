/** Any program file that is not source: finds out what it is and loads it. */
import type { ProgramResult } from '../base/program.ts';
import { unreachable } from '../base/unreachable.ts';
import { isBootImage, loadBootImage, loadFlat, loadMultibootImage, type FlatOptions } from './binary.ts';
import { isElf } from './elf-format.ts';
import { loadElf } from './elf.ts';
import { failed, fileError } from './file-diagnostic.ts';
import { isLinuxImage } from './linux-header.ts';
import { loadLinux } from './linux.ts';
import type { LoadOptions } from './load-options.ts';
import { findMultibootHeader } from './multiboot-header.ts';

export type FileFormat = 'elf' | 'multiboot' | 'linux' | 'boot-image' | 'empty' | 'unknown';

/** What the bytes say they are. An ELF file is `elf` whether or not it has a Multiboot header. */
export function detectFormat(bytes: Uint8Array): FileFormat {
  if (bytes.length === 0) return 'empty';
  if (isElf(bytes)) return 'elf';
  // A Linux kernel also has a boot signature, and would print that it cannot start from a floppy.
  if (isLinuxImage(bytes)) return 'linux';
  // What a boot disk loads may have a Multiboot header of its own: GRUB's core does.
  if (isBootImage(bytes)) return 'boot-image';
  if (findMultibootHeader(bytes)?.addresses !== undefined) return 'multiboot';
  return 'unknown';
}

/** Loads `bytes`; with `flat`, a file of no known format is placed as it is. */
export function loadProgram(name: string, bytes: Uint8Array, options: LoadOptions, flat?: FlatOptions): ProgramResult {
  const format = detectFormat(bytes);
  switch (format) {
    case 'elf':
      return loadElf(name, bytes, options);
    case 'multiboot':
      return loadMultibootImage(name, bytes, options);
    case 'boot-image':
      return loadBootImage(name, bytes);
    case 'linux':
      return loadLinux(name, bytes, options);
    case 'empty':
      return failed(fileError(name, 'empty-file', `${name}: the file is empty.`));
    case 'unknown':
      if (flat !== undefined) return loadFlat(name, bytes, options, flat);
      return failed(
        fileError(
          name,
          'unknown-format',
          `${name}: neither an ELF file, nor a boot image (55 AA at the end of its first sector), nor a Multiboot or Linux kernel; "program" takes one of these, or \`.asm\` source.`,
        ),
      );
    default:
      return unreachable(format, 'file format');
  }
}
