/** Cases as the guest prints them in detail mode, and how two machines' outcomes of one case differ. */
import { disassemble } from '../../../debug-adapter/engine/isa/disassemble.ts';
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';

/** One case with everything it was given and left. */
export interface Case {
  readonly batch: number;
  readonly index: number;
  readonly family: string;
  /** By name; a name that comes again has its number behind it: `data`, `data.1`. 64-bit values are two words. */
  readonly fields: ReadonlyMap<string, string>;
}

/** "C <batch> <index> <family> name=value ..." */
export function parseCase(line: string): Case {
  const [, batch = '', index = '', family = '', ...pairs] = line.split(' ');
  const fields = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, equals);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    fields.set(count === 0 ? name : `${name}.${count}`, pair.slice(equals + 1));
  }
  return { batch: Number.parseInt(batch, 16), index: Number.parseInt(index, 16), family, fields };
}

/** A field whose value differs, ours first. */
export interface Difference {
  readonly name: string;
  readonly ours: string;
  readonly theirs: string;
}

export function differences(ours: Case, theirs: Case): Difference[] {
  const names = new Set([...ours.fields.keys(), ...theirs.fields.keys()]);
  return [...names].flatMap((name) => {
    const [a, b] = [ours.fields.get(name) ?? '-', theirs.fields.get(name) ?? '-'];
    return a === b ? [] : [{ name, ours: a, theirs: b }];
  });
}

/** The number in a field; NaN where the case has none. */
const valueOf = ({ fields }: Case, name: string): number => Number.parseInt(fields.get(name) ?? '', 16);

const codeBits = (each: Case): CodeBits => valueOf(each, 'bits') as CodeBits;

/** The instructions of a case, up to the first INT3. */
function listing(each: Case): string[] {
  const bytes = Buffer.from(each.fields.get('code') ?? '', 'hex');
  const lines: string[] = [];
  for (let at = 0; at < bytes.length && bytes[at] !== 0xcc;) {
    const found = disassemble(bytes.subarray(at), BigInt(at), codeBits(each));
    lines.push(found?.text ?? '(no instruction)');
    if (found === undefined) break;
    at += found.bytes;
  }
  return lines;
}

/** A case that differs, for people. */
export function describeDifference(each: Case, found: readonly Difference[]): string {
  const given = [...each.fields].filter(([name]) => name.startsWith('entry.') || name.startsWith('given.'));
  return [
    `${each.family}, batch ${each.batch.toString(16)} case ${each.index.toString(16)}: ${listing(each).join('; ')}`,
    `  code ${each.fields.get('code')} in ${codeBits(each)}-bit code`,
    `  ${given.map(([name, value]) => `${name.replace(/^(entry|given)\./, '')}=${value}`).join(' ')}`,
    ...found.slice(0, 12).map(({ name, ours, theirs }) => `  ${name}: ours ${ours}, theirs ${theirs}`),
  ].join('\n');
}
