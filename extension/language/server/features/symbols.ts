/** The outline of a document: labels with their local labels, constants, macros. */
import { SymbolKind, type DocumentSymbol } from 'vscode-languageserver';
import type { Assembly, ProgramSymbol, SymbolReference } from '../assembly.ts';
import { rangeOf } from './places.ts';

const KINDS: Readonly<Record<ProgramSymbol['kind'], SymbolKind>> = {
  code: SymbolKind.Function,
  data: SymbolKind.Variable,
  constant: SymbolKind.Constant,
};

function kindOf({ name, kind }: SymbolReference, symbols: ReadonlyMap<string, ProgramSymbol>): SymbolKind {
  if (kind === 'macro') return SymbolKind.Operator;
  const symbol = symbols.get(name);
  return symbol === undefined ? SymbolKind.Function : KINDS[symbol.kind];
}

export const hex = (value: bigint): string =>
  `${value < 0n ? '-' : ''}${(value < 0n ? -value : value).toString(16).toUpperCase().padStart(1, '0')}h`;

export function documentSymbols(assembly: Assembly | undefined, file: string): DocumentSymbol[] {
  if (assembly === undefined) return [];
  const values = new Map(assembly.symbols.map((symbol) => [symbol.name, symbol]));
  const roots: DocumentSymbol[] = [];
  const byName = new Map<string, DocumentSymbol>();
  for (const reference of assembly.references) {
    if (!reference.definition || reference.file !== file) continue;
    const range = rangeOf(reference);
    const value = reference.kind === 'symbol' ? values.get(reference.name) : undefined;
    const dot = reference.name.startsWith('..') ? -1 : reference.name.lastIndexOf('.');
    const parent = dot > 0 ? byName.get(reference.name.slice(0, dot)) : undefined;
    const symbol: DocumentSymbol = {
      name: parent === undefined ? reference.name : reference.name.slice(dot),
      kind: kindOf(reference, values),
      range,
      selectionRange: range,
      ...(value === undefined ? {} : { detail: hex(value.address) }),
    };
    if (parent === undefined) roots.push(symbol);
    else {
      parent.children = [...(parent.children ?? []), symbol];
      // An outline's parent has to contain its children.
      parent.range = { start: parent.range.start, end: range.end };
    }
    if (reference.kind === 'symbol') byName.set(reference.name, symbol);
  }
  return roots;
}
