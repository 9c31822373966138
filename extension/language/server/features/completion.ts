/** What can be written at a place: instructions where a statement begins, registers and names in operands. */
import { CompletionItemKind, InsertTextFormat, type CompletionItem, type Position } from 'vscode-languageserver';
import type { Assembly, ProgramSymbol, SymbolReference } from '../assembly.ts';
import { withoutComment } from './places.ts';
import { DIRECTIVES, OPERAND_WORDS, PREPROCESSOR } from './words.ts';
import { hex } from './symbols.ts';

/** Where in a line a word is being written. */
type Place = 'statement' | 'operand' | 'preprocessor' | 'nowhere';

const LABEL = /^\s*(?:\.{0,2}[A-Za-z_?$@][\w.$#@~?]*\s*:)?\s*(?:(?:lock|rep|repe|repz|repne|repnz)\s+)*/i;

/** @param before the line up to the cursor. */
function placeOf(before: string): Place {
  const code = withoutComment(before);
  // In a comment, or in a text that is not closed.
  if (code.length < before.length) return 'nowhere';
  if (/^\s*%\w*$/.test(code)) return 'preprocessor';
  if (/^\s*%/.test(code)) return 'operand';
  const rest = code.slice(LABEL.exec(code)?.[0].length ?? 0);
  return /^[\w.%]*$/.test(rest) ? 'statement' : 'operand';
}

const wordItem = ({ word, meaning, snippet }: (typeof DIRECTIVES)[number]): CompletionItem => ({
  label: word,
  kind: CompletionItemKind.Keyword,
  documentation: meaning,
  ...(snippet === undefined ? {} : { insertText: snippet, insertTextFormat: InsertTextFormat.Snippet }),
});

const SYMBOL_KINDS: Readonly<Record<ProgramSymbol['kind'], CompletionItemKind>> = {
  code: CompletionItemKind.Function,
  data: CompletionItemKind.Variable,
  constant: CompletionItemKind.Constant,
};

function definedNames(assembly: Assembly): SymbolReference[] {
  const byName = new Map(assembly.references.filter((each) => each.definition).map((each) => [each.name, each]));
  return [...byName.values()];
}

/** The last label above that local labels belong to. */
function parentAt(assembly: Assembly, file: string, line: number): string | undefined {
  return assembly.references
    .filter((each) => each.definition && each.kind === 'symbol' && each.file === file && each.line <= line)
    .filter(({ name }) => !name.includes('.'))
    .at(-1)?.name;
}

function nameItems(assembly: Assembly, parent: string | undefined, macros: boolean): CompletionItem[] {
  const values = new Map(assembly.symbols.map((symbol) => [symbol.name, symbol]));
  return definedNames(assembly)
    .filter(({ kind }) => macros || kind === 'symbol')
    .map(({ name, kind }) => {
      const value = values.get(name);
      const isOwn = parent !== undefined && name.startsWith(`${parent}.`);
      return {
        label: isOwn ? name.slice(parent.length) : name,
        kind: kind === 'macro' ? CompletionItemKind.Snippet : SYMBOL_KINDS[value?.kind ?? 'code'],
        ...(value === undefined ? {} : { detail: hex(value.address) }),
        // Local labels of other functions last.
        sortText: `${isOwn ? 0 : name.includes('.') ? 2 : 1}${name}`,
      };
    });
}

export interface Vocabulary {
  readonly mnemonics: readonly string[];
  readonly registers: readonly string[];
}

export function completion(
  vocabulary: Vocabulary,
  assembly: Assembly | undefined,
  file: string,
  lineText: string,
  position: Position,
): CompletionItem[] {
  const place = placeOf(lineText.slice(0, position.character));
  const names = (macros: boolean): CompletionItem[] =>
    assembly === undefined ? [] : nameItems(assembly, parentAt(assembly, file, position.line + 1), macros);
  if (place === 'nowhere') return [];
  if (place === 'preprocessor') return PREPROCESSOR.map(wordItem);
  if (place === 'statement') {
    const macros = names(true).filter(({ kind }) => kind === CompletionItemKind.Snippet);
    const mnemonics = vocabulary.mnemonics.map((label) => ({ label, kind: CompletionItemKind.Operator }));
    return [...DIRECTIVES.map(wordItem), ...macros, ...mnemonics];
  }
  const registers = vocabulary.registers.map((label) => ({
    label,
    kind: CompletionItemKind.Variable,
    sortText: `3${label}`,
  }));
  return [...names(true), ...registers, ...OPERAND_WORDS.map(wordItem)];
}
