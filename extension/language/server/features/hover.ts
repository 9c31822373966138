/** What a word means: the forms of an instruction, the value of a name, a field of the VMCS. */
import { MarkupKind, type Hover, type Position } from 'vscode-languageserver';
import type { Assembly } from '../assembly.ts';
import { definitionsOf, referenceAt, wordAt, withoutComment } from './places.ts';
import { hex } from './symbols.ts';
import { DIRECTIVES, OPERAND_WORDS, PREPROCESSOR } from './words.ts';

/** One encoding as the SDM writes it. */
export interface InstructionForm {
  /** `ADD r/m64, r64`. */
  readonly notation: string;
  /** `REX.W 01 /r`. */
  readonly opCode: string;
}

export interface VmcsFieldFacts {
  readonly name: string;
  readonly encoding: number;
  /** `natural width, guest state`. */
  readonly facts: string;
}

/** What hovers look up. */
export interface Reference {
  readonly forms: (mnemonic: string) => readonly InstructionForm[];
  readonly vmcsField: (key: string) => VmcsFieldFacts | undefined;
}

const MAX_FORMS = 12;

function formsText(mnemonic: string, forms: readonly InstructionForm[]): string {
  const shown = forms.slice(0, MAX_FORMS);
  const width = Math.max(...shown.map(({ opCode }) => opCode.length));
  const lines = shown.map(({ notation, opCode }) => `${opCode.padEnd(width)}  ${notation}`);
  const more = forms.length - shown.length;
  const rest = more === 0 ? '' : `\n\n${more} more form${more === 1 ? '' : 's'}.`;
  return `**${mnemonic.toUpperCase()}**\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`${rest}`;
}

function fieldText(key: string, { name, encoding, facts }: VmcsFieldFacts): string {
  return `VMCS field **${name}** (\`${key}\`), encoding ${encoding.toString(16).toUpperCase().padStart(4, '0')}h: ${facts}.`;
}

function nameText(assembly: Assembly, file: string, position: Position): string | undefined {
  const reference = referenceAt(assembly, file, position);
  if (reference === undefined) return undefined;
  const defined = definitionsOf(assembly, reference)[0];
  const where =
    defined === undefined
      ? ''
      : `, line ${defined.line}${defined.file === file ? '' : ` of ${defined.file.split(/[\\/]/).at(-1)}`}`;
  if (reference.kind === 'macro') return `Macro **${reference.name}**${where}.`;
  const symbol = assembly.symbols.find(({ name }) => name === reference.name);
  if (symbol === undefined) return `**${reference.name}**${where}.`;
  if (symbol.kind === 'constant')
    return `Constant **${symbol.name}** = ${hex(symbol.address)} (${symbol.address})${where}.`;
  return `Label **${symbol.name}** at ${hex(symbol.address)}${where}.`;
}

const ALL_WORDS = new Map(
  [...DIRECTIVES, ...PREPROCESSOR, ...OPERAND_WORDS].map(({ word, meaning }) => [word, meaning]),
);

export function hover(
  reference: Reference,
  assembly: Assembly | undefined,
  file: string,
  lineText: string,
  position: Position,
): Hover | undefined {
  const word = wordAt(lineText, position.character);
  if (word === undefined || word.start >= withoutComment(lineText).length) return undefined;
  const lower = word.text.toLowerCase();
  const field = reference.vmcsField(word.text.toUpperCase());
  const named = assembly === undefined ? undefined : nameText(assembly, file, position);
  const forms = named === undefined ? reference.forms(lower) : [];
  const meaning = named === undefined ? ALL_WORDS.get(lower) : undefined;
  const parts = [
    named,
    field === undefined ? undefined : fieldText(word.text.toUpperCase(), field),
    forms.length === 0 ? undefined : formsText(lower, forms),
    forms.length > 0 || meaning === undefined ? undefined : `**${lower}**: ${meaning}`,
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  return {
    contents: { kind: MarkupKind.Markdown, value: parts.join('\n\n') },
    range: {
      start: { line: position.line, character: word.start },
      end: { line: position.line, character: word.end },
    },
  };
}
