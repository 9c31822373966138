/** NASM as the reference for our own assembler, and as the assembler of whatever runs on another emulator. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * The flat binary NASM makes of a source file; warnings are errors. Rejects with NASM's own messages otherwise.
 *
 * NASM looks for included files from its working directory only, whatever file includes them. It therefore runs in the
 * file's own folder, and also tries the parent, for a file that includes its parent folder's sample with all it includes.
 *
 * @param defines preprocessor names and values, as `-dNAME=value`
 */
export async function assembleWithNasm(
  source: string,
  defines: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'hyperstep-nasm-'));
  const output = join(folder, 'image.bin');
  const flags = Object.entries(defines).map(([name, value]) => `-d${name}=${value}`);
  try {
    await promisify(execFile)('nasm', ['-f', 'bin', '-Werror', '-i', '../', ...flags, '-o', output, basename(source)], {
      cwd: dirname(source),
    });
    return new Uint8Array(await readFile(output));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
