/** Every byte against nasm: single instructions of the whole legacy table, whole programs, all samples. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { requireTool } from '../harness/tools.ts';
import { corpus } from './corpus.ts';
import { ourLines } from './lines.ts';
import { nasm, nasmLines } from './nasm.ts';

/**
 * Where our bytes differ from nasm 2.16's, by mnemonic, for the forms of the corpus. Each is another encoding of the same
 * instruction, or (the last line) an address size taken from a register operand, which we refuse.
 */
const KNOWN_DIFFERENCES: Readonly<Record<CodeBits, readonly string[]>> = {
  16: [
    'ptwrite',
    'rdsspd',
    'incsspd',
    'wrussd',
    'wrssd',
    'vmgexit',
    'pop',
    'umonitor',
    'movdir64b',
    'enqcmd',
    'enqcmds',
  ],
  32: ['ptwrite', 'vmgexit', 'pop', 'umonitor', 'movdir64b', 'enqcmd', 'enqcmds'],
  64: ['pextrw', 'pextrb', 'ptwrite', 'invpcid', 'vmgexit', 'umonitor', 'movdir64b', 'enqcmd', 'enqcmds'],
};

const programs = join(import.meta.dirname, 'programs');
const samples = join(import.meta.dirname, '../../samples');

function sourcesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.asm'))
    .map((name) => join(folder, name))
    .sort();
}

function firstDifference(ours: Uint8Array, theirs: Uint8Array): number {
  let at = 0;
  while (at < ours.length && at < theirs.length && ours[at] === theirs[at]) at += 1;
  return at;
}

describe('assembler against nasm', function () {
  this.timeout(60_000);
  requireTool('nasm');

  for (const bits of [16, 32, 64] as const) {
    it(`encodes the legacy instructions of ${bits}-bit code as nasm does`, () => {
      const lines = corpus(bits, 10);
      const header = `bits ${bits}`;
      const theirs = nasmLines(lines, header);
      const ours = ourLines(lines, header);
      let accepted = 0;
      const differences: string[] = [];
      lines.forEach((line, index) => {
        if (theirs[index] === undefined) return;
        accepted += 1;
        if (ours[index] !== theirs[index])
          differences.push(`${line}: nasm ${theirs[index]}, ours ${ours[index] ?? 'refused'}`);
      });
      assert.ok(accepted > 3000, `nasm accepted only ${accepted} of ${lines.length} lines`);
      const known = KNOWN_DIFFERENCES[bits];
      const mnemonicOf = (line: string) => line.split(/[ :]/)[0] ?? '';
      assert.deepEqual(
        differences.filter((line) => !known.includes(mnemonicOf(line))),
        [],
      );
      const met = new Set(differences.map(mnemonicOf));
      assert.deepEqual(
        known.filter((mnemonic) => !met.has(mnemonic)),
        [],
        'a known difference is gone: take it off the list',
      );
    });
  }

  for (const path of [...sourcesBelow(programs), ...sourcesBelow(samples)]) {
    it(`assembles ${relative(join(import.meta.dirname, '../..'), path)} to the same image`, () => {
      const source = readFileSync(path, 'utf8');
      // nasm looks from fixed folders only, not from the including file.
      const theirs = nasm(source, [dirname(path), dirname(dirname(path))]);
      assert.ok(theirs.bytes !== undefined, theirs.messages.slice(0, 500));
      const ours = assemble({
        file: path,
        source,
        readInclude: (name, from) => {
          const file = [dirname(from), dirname(path)].map((folder) => join(folder, name)).find(existsSync);
          return file === undefined ? undefined : { file, source: readFileSync(file, 'utf8') };
        },
      });
      assert.deepEqual(
        ours.diagnostics.filter(({ severity }) => severity === 'error'),
        [],
      );
      const at = firstDifference(ours.bytes, theirs.bytes);
      const line = ours.lines.find(
        ({ address, bytes }) => Number(address - ours.origin) <= at && at < Number(address - ours.origin) + bytes,
      );
      assert.ok(
        at === theirs.bytes.length && at === ours.bytes.length,
        `differs at offset ${at}, line ${line?.line} of ${line?.file}`,
      );
    });
  }
});
