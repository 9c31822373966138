/** Assembles lines that stand by themselves, like the nasm oracle does. */
import type { AssemblyResult } from '../../debug-adapter/engine/assembler/assemble.ts';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';

export function assembleText(source: string, files: Readonly<Record<string, string>> = {}): AssemblyResult {
  return assemble({
    file: 'source.asm',
    source,
    readInclude: (path) => {
      const text = files[path];
      return text === undefined ? undefined : { file: path, source: text };
    },
  });
}

/** The bytes of each line as hex; undefined for lines with an error. */
export function ourLines(lines: readonly string[], header: string): (string | undefined)[] {
  const out: (string | undefined)[] = [];
  const headerLines = header.split('\n').length;
  // In portions, because only the first hundred diagnostics are kept.
  for (let from = 0; from < lines.length; from += 50) {
    const portion = lines.slice(from, from + 50);
    const result = assembleText([header, ...portion].join('\n'));
    const byLine = new Map<number, string>();
    for (const span of result.lines) {
      const at = Number(span.address - result.origin);
      const hex = Buffer.from(result.bytes.subarray(at, at + span.bytes)).toString('hex');
      byLine.set(span.line, (byLine.get(span.line) ?? '') + hex);
    }
    const bad = new Set(result.diagnostics.filter(({ severity }) => severity === 'error').map(({ line }) => line));
    portion.forEach((_, index) => {
      const line = index + 1 + headerLines;
      out.push(bad.has(line) ? undefined : byLine.get(line));
    });
  }
  return out;
}
