/** Places in source: the engine counts from 1, the protocol from 0. */
import type { Location, Position, Range } from 'vscode-languageserver';
import type { Assembly, SymbolReference } from '../assembly.ts';
import { uriOf } from '../documents/sources.ts';

export function rangeOf({ line, column, length }: SymbolReference): Range {
  const start = { line: line - 1, character: column - 1 };
  return { start, end: { line: line - 1, character: column - 1 + length } };
}

export const locationOf = (reference: SymbolReference): Location => ({
  uri: uriOf(reference.file),
  range: rangeOf(reference),
});

/** The symbol or macro written at a position; a cursor just behind it counts. */
export function referenceAt(assembly: Assembly, file: string, position: Position): SymbolReference | undefined {
  return assembly.references.find(
    (each) =>
      each.file === file &&
      each.line === position.line + 1 &&
      each.column - 1 <= position.character &&
      position.character <= each.column - 1 + each.length,
  );
}

/** Where the same name is defined. */
export const definitionsOf = (assembly: Assembly, { name, kind }: SymbolReference): SymbolReference[] =>
  assembly.references.filter((each) => each.definition && each.name === name && each.kind === kind);

/** The word around a column, with the leading dot or percent sign of NASM's names. */
export function wordAt(line: string, column: number): { text: string; start: number; end: number } | undefined {
  for (const match of line.matchAll(/[%.]{0,2}[\w$#@~?][\w.$#@~?]*/g)) {
    const end = match.index + match[0].length;
    if (match.index <= column && column <= end) return { text: match[0], start: match.index, end };
  }
  return undefined;
}

/** The line as far as it is code. */
export const withoutComment = (line: string): string => /^(?:[^;"'`]|"[^"]*"|'[^']*'|`[^`]*`)*/.exec(line)?.[0] ?? line;
