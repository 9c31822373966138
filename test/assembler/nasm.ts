/** The oracle: Debian's nasm, run on a whole source or line by line. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface NasmResult {
  /** Undefined when nasm refuses the source. */
  readonly bytes: Uint8Array | undefined;
  /** What nasm wrote to its error output. */
  readonly messages: string;
  readonly listing: string;
}

/** Assembles a flat image; `includeFolders` are searched for %include. */
export function nasm(
  source: string,
  includeFolders: readonly string[] = [],
  extraFiles: Readonly<Record<string, string>> = {},
): NasmResult {
  const folder = mkdtempSync(join(tmpdir(), 'hyperstep-nasm-'));
  try {
    const input = join(folder, 'source.asm');
    const output = join(folder, 'image.bin');
    const listing = join(folder, 'image.lst');
    writeFileSync(input, source);
    for (const [name, text] of Object.entries(extraFiles)) writeFileSync(join(folder, name), text);
    const includes = [folder, ...includeFolders].flatMap((path) => ['-i', `${path}/`]);
    const run = spawnSync('nasm', ['-f', 'bin', ...includes, '-l', listing, '-o', output, input], {
      encoding: 'utf8',
      cwd: dirname(input),
      maxBuffer: 1 << 28,
    });
    const ok = run.status === 0;
    return {
      bytes: ok ? readFileSync(output) : undefined,
      messages: run.stderr.replaceAll(`${folder}/`, ''),
      listing: ok ? readFileSync(listing, 'utf8') : '',
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The bytes of each line as hex, assembled in one file at address 0 after `header`; undefined for lines that nasm refuses.
 * Lines stand by themselves: no labels, no directives.
 */
export function nasmLines(lines: readonly string[], header: string): (string | undefined)[] {
  const refused = new Set<number>();
  const headerLines = header.split('\n').length;
  for (;;) {
    const source = [header, ...lines.map((line, index) => (refused.has(index) ? '' : line)), ''].join('\n');
    const result = nasm(source);
    if (result.bytes !== undefined) return splitByListing(result, lines.length, headerLines);
    const before = refused.size;
    for (const [, line] of result.messages.matchAll(/^(?:panic: )?source\.asm:(\d+): (?:error|assertion)/gm))
      refused.add(Number(line) - 1 - headerLines);
    if (refused.size === before)
      throw new Error(
        `nasm refuses the lines without naming one: ${result.messages
          .split('\n')
          .filter((line) => !line.includes('warning'))
          .slice(0, 5)
          .join('; ')}`,
      );
  }
}

/** Offsets from the listing, bytes from the image: listings abbreviate. */
function splitByListing({ bytes, listing }: NasmResult, count: number, headerLines: number): (string | undefined)[] {
  const starts = new Map<number, number>();
  for (const [, line, offset] of listing.matchAll(/^ *(\d+) ([0-9A-F]{8}) /gm)) {
    const index = Number(line) - 1 - headerLines;
    if (!starts.has(index)) starts.set(index, parseInt(offset!, 16));
  }
  const sorted = [...starts].sort(([, left], [, right]) => left - right);
  const out: (string | undefined)[] = Array.from({ length: count });
  sorted.forEach(([index, start], order) => {
    const end = sorted[order + 1]?.[1] ?? bytes!.length;
    if (index >= 0) out[index] = Buffer.from(bytes!.subarray(start, end)).toString('hex');
  });
  return out;
}
