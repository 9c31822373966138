/** NASM-syntax source to a flat image with line map, symbols, references and diagnostics. Pure: no input or output. */
import type { CodeBits, LineSpan, ProgramSymbol } from '../base/program.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { Cursor, placeOfAll } from './cursor.ts';
import type { ParserState } from './directives.ts';
import { evaluate, scalar, SCALAR, type Scope, type Value } from './evaluate.ts';
import { parseExpression, type Expression, type ExpressionContext } from './expression.ts';
import { buildImage } from './image.ts';
import type { Content, Item, Section } from './items.ts';
import { layOut, type Layout } from './layout.ts';
import { Messages, type Place } from './messages.ts';
import { expectEnd, isStatementWord, parseContent, parseLine } from './parser.ts';
import { Preprocessor } from './preprocessor/preprocessor.ts';
import { suggestion } from './suggest.ts';
import { SymbolNames, type SymbolReference } from './symbols.ts';
import type { Token } from './tokens.ts';

export interface AssembleOptions {
  /** Name of the source in diagnostics and line spans. */
  readonly file: string;
  readonly source: string;
  /** Text of an include file as named in `%include`, looked for from the file that includes it; undefined when there is none. */
  readInclude(path: string, from: string): { readonly file: string; readonly source: string } | undefined;
  /** Single-line macros defined before the first line, name to body. */
  readonly defines?: Readonly<Record<string, string>>;
}

export interface AssemblyResult {
  /** The image from the start of its first section to the end of the last one that has bytes. */
  readonly bytes: Uint8Array;
  /** Address of the first byte. */
  readonly origin: bigint;
  /** Sorted by address. */
  readonly lines: readonly LineSpan[];
  readonly symbols: readonly ProgramSymbol[];
  readonly diagnostics: readonly Diagnostic[];
  /** Code size at the first byte. */
  readonly entryBits: CodeBits;
  /** Bytes that the sections without bytes need after the image. */
  readonly reservedBytes: number;
  /** Names declared `global`. */
  readonly globals: readonly string[];
  /** Files read through %include, in the order of their first use. */
  readonly includedFiles: readonly string[];
  /** Every place where a symbol or macro is written in the files, definitions included. */
  readonly references: readonly SymbolReference[];
}

/** Runs needed when %if or %assign ask for addresses: each run answers with those of the run before. */
const MAX_RUNS = 8;

/** Assembles; user mistakes become diagnostics and the rest is assembled all the same. */
export function assemble(options: AssembleOptions): AssemblyResult {
  let answers: readonly Answer[] = [];
  for (let run = 1; ; run++) {
    const assembly = new Assembly(options, answers);
    const result = assembly.run();
    const next = assembly.answers();
    const settled = next.length === answers.length && next.every((answer, index) => isSame(answer, answers[index]));
    if (settled || run === MAX_RUNS) return result();
    answers = next;
  }
}

/** A value that was needed while parsing and depends on addresses. */
interface Question {
  readonly expression: Expression;
  /** Item in front of which the question was asked, for `$`. */
  readonly item: number;
  readonly section: number;
}

/** What a question came to in the run before: a number, or the name that is defined nowhere, or neither. */
interface Answer {
  readonly number: bigint | undefined;
  readonly missing: string | undefined;
}

function isSame(left: Answer, right: Answer | undefined): boolean {
  return left.number === right?.number && left.missing === right?.missing;
}

class Assembly {
  readonly #options: AssembleOptions;
  readonly #answers: readonly Answer[];
  readonly #messages = new Messages();
  readonly #names = new SymbolNames(this.#messages);
  readonly #items: Item[] = [];
  readonly #questions: Question[] = [];
  readonly #constants = new Map<string, bigint>();
  readonly #state: ParserState;
  readonly #preprocessor: Preprocessor;
  readonly #offsets: (bigint | undefined)[] = [0n];
  #layout: Layout | undefined;

  constructor(options: AssembleOptions, answers: readonly Answer[]) {
    this.#options = options;
    this.#answers = answers;
    const messages = this.#messages;
    const names = this.#names;
    const start: Place = { file: options.file, line: 1, column: 1, endColumn: 1 };
    const text: Section = {
      name: '.text',
      place: start,
      kind: 'progbits',
      align: 1,
      start: undefined,
      virtualStart: undefined,
      base: undefined,
    };
    const context: ExpressionContext = {
      messages,
      resolveName: (token) => names.use(token),
      knownConstant: (name) => this.#constants.get(name),
      registers: false,
    };
    const state: ParserState = {
      messages,
      names,
      context,
      sections: [text],
      section: 0,
      bits: 16,
      defaultRelative: false,
      origin: undefined,
      globals: new Set(),
      line: start,
      structure: undefined,
      instances: 0,
      add: (content) => this.#add(content),
      constant: (expression, place) => this.#constant(expression, place),
      noteConstant: (name, value) => this.#noteConstant(name, value),
      parseContent: (cursor) => parseContent(cursor, state),
      expectEnd: (cursor) => expectEnd(cursor, state),
    };
    this.#state = state;
    this.#preprocessor = new Preprocessor(
      {
        messages,
        readInclude: (path, from) => options.readInclude(path, from),
        constant: (tokens, place) => this.#constantOfTokens(tokens, place),
        isStatementWord: (word) => isStatementWord(word.toLowerCase()),
        bits: () => state.bits,
        reference: (name, place, definition) => names.refer(name, 'macro', place, definition),
      },
      options.file,
      options.source,
      options.defines ?? {},
    );
  }

  /** Parses and lays out; the result is made only when it is the last run. */
  run(): () => AssemblyResult {
    for (let line = this.#preprocessor.next(); line !== undefined; line = this.#preprocessor.next()) {
      parseLine(line, this.#state);
    }
    const { structure } = this.#state;
    if (structure !== undefined) {
      const [begin, end] = structure.kind === 'definition' ? ['struc', 'endstruc'] : ['istruc', 'iend'];
      this.#messages.error('unterminated-block', `this ${begin} has no ${end}`, structure.place);
    }
    const layout = layOut({
      items: this.#items,
      sections: this.#state.sections,
      origin: this.#state.origin ?? 0n,
      messages: this.#messages,
      undefinedSymbol: (name, place) => this.#undefinedSymbol(name, place),
      isDefined: (name) => this.#names.definitions.has(name),
    });
    this.#layout = layout;
    return () => ({
      ...buildImage(layout, this.#state, this.#names, this.#messages),
      diagnostics: this.#messages.list(),
      globals: [...this.#state.globals],
      includedFiles: this.#preprocessor.includedFiles,
      references: this.#names.references,
    });
  }

  /** What the questions of this run are answered with now that addresses are known. */
  answers(): Answer[] {
    const layout = this.#layout;
    if (layout === undefined) return [];
    return this.#questions.map(({ expression, item, section }) => {
      const sections = this.#state.sections;
      const relative = sections[section].kind === 'absolute' ? SCALAR : section;
      const base = layout.bases[section];
      let missing: string | undefined;
      const here = layout.addresses[item] ?? base + BigInt(layout.lengths[section]);
      const scope: Scope = {
        messages: new Messages(),
        symbol: (name) => layout.symbols.get(name),
        here: { number: here, section: relative, unknown: false },
        sectionStart: { number: base, section: relative, unknown: false },
        undefinedSymbol: (name) => {
          missing ??= name;
        },
      };
      const value = evaluate(expression, scope);
      return { number: value.unknown ? undefined : value.number, missing };
    });
  }

  #add(content: Content): void {
    const { section, bits, line } = this.#state;
    this.#items.push({ content, section, bits, place: line });
    this.#trackOffset(content, section);
  }

  /** Keeps offsets in STRUC and ABSOLUTE known while parsing, so that their names can be used in %if and as scales. */
  #trackOffset(content: Content, section: number): void {
    const { sections } = this.#state;
    const target = sections[section];
    if (target.kind !== 'absolute') return;
    if (!(section in this.#offsets))
      this.#offsets[section] = target.base === undefined ? 0n : this.#quietConstant(target.base, undefined);
    const offset = this.#offsets[section];
    if (offset === undefined) return;
    if (content.kind === 'label') this.#constants.set(content.name, offset);
    else if (content.kind === 'reserve') {
      const count = this.#quietConstant(content.count, offset);
      this.#offsets[section] = count === undefined ? undefined : offset + count * BigInt(content.unit);
    } else if (content.kind === 'equ') {
      const value = this.#quietConstant(content.value, offset);
      if (value !== undefined) this.#constants.set(content.name, value);
    } else this.#offsets[section] = undefined;
  }

  /** Value of an expression made of numbers and known constants; undefined for every other. */
  #quietConstant(expression: Expression, here: bigint | undefined): bigint | undefined {
    const unknown: Value = { number: 0n, section: SCALAR, unknown: true };
    const scope: Scope = {
      messages: new Messages(),
      symbol: (name) => {
        const value = this.#constants.get(name);
        return value === undefined ? unknown : scalar(value);
      },
      here: here === undefined ? unknown : scalar(here),
      sectionStart: here === undefined ? unknown : scalar(this.#absoluteBase()),
      undefinedSymbol: () => undefined,
    };
    const value = evaluate(expression, scope);
    return value.unknown || scope.messages.errorCount > 0 ? undefined : value.number;
  }

  #absoluteBase(): bigint {
    const { base } = this.#state.sections[this.#state.section];
    return base === undefined ? 0n : (this.#quietConstant(base, undefined) ?? 0n);
  }

  #noteConstant(name: string, value: Expression): void {
    const number = this.#quietConstant(value, undefined);
    if (number !== undefined) this.#constants.set(name, number);
  }

  #constantOfTokens(tokens: readonly Token[], place: Place): bigint | undefined {
    const cursor = new Cursor(tokens, place);
    const expression = parseExpression(cursor, this.#state.context);
    if (expression === undefined) return undefined;
    if (!cursor.done) {
      this.#messages.error('bad-expression', `unexpected "${cursor.token?.text ?? ''}" in an expression`, cursor.place);
      return undefined;
    }
    return this.#constant(expression, placeOfAll(tokens, place));
  }

  #constant(expression: Expression, place: Place): bigint | undefined {
    const known = this.#knownNow(expression);
    if (known !== undefined) return known;
    const number = this.#questions.length;
    this.#questions.push({ expression, item: this.#items.length, section: this.#state.section });
    const answer = this.#answers[number];
    if (answer === undefined) return 0n;
    if (answer.missing !== undefined) this.#undefinedSymbol(answer.missing, place);
    else if (answer.number === undefined) {
      this.#messages.error('not-constant', 'this must have a value that is known here', place);
    }
    return answer.number;
  }

  /** The value when it needs no address; mistakes such as division by zero are reported. */
  #knownNow(expression: Expression): bigint | undefined {
    let needsAddress = false;
    const unknown: Value = { number: 0n, section: SCALAR, unknown: true };
    const scope: Scope = {
      messages: this.#messages,
      symbol: (name) => {
        const value = this.#constants.get(name);
        if (value !== undefined) return scalar(value);
        needsAddress = true;
        return unknown;
      },
      get here() {
        needsAddress = true;
        return unknown;
      },
      get sectionStart() {
        needsAddress = true;
        return unknown;
      },
      undefinedSymbol: () => undefined,
    };
    const value = evaluate(expression, scope);
    return needsAddress ? undefined : value.number;
  }

  #undefinedSymbol(name: string, place: Place): void {
    const shown = name.startsWith('.') ? `local label "${name}" before any label` : `"${name}"`;
    const known = [...this.#names.definitions.keys()].filter((candidate) => !candidate.startsWith('..@'));
    this.#messages.error('undefined-symbol', `${shown} is not defined${suggestion(name, known)}`, place);
  }
}

export type { SymbolReference } from './symbols.ts';
