/** NASM's preprocessor: a stack of line sources that hands out lines ready to be parsed. */
import { placeOf } from '../cursor.ts';
import type { Messages, Place } from '../messages.ts';
import type { Token } from '../tokens.ts';
import { applyCondition, type Condition, type ConditionScope } from './conditions.ts';
import { DIRECTIVES, type DirectiveContext } from './directives.ts';
import { FileLines, KeptLines, type LineSource, type RawLine } from './lines.ts';
import { MultiLineMacros } from './multi-line.ts';
import { splitArguments, substitute, type MacroCall, type MultiLineMacro } from './parameters.ts';
import { SingleLineMacros } from './single-line.ts';

export interface PreprocessorHost {
  readonly messages: Messages;
  readInclude(path: string, from: string): { readonly file: string; readonly source: string } | undefined;
  /** Value of an expression whose macros are expanded; undefined after reporting why there is none. */
  constant(tokens: readonly Token[], place: Place): bigint | undefined;
  /** Whether the word begins a statement by itself, so that it is no label in front of a macro. */
  isStatementWord(word: string): boolean;
  /** Code size in effect, for `__BITS__`. */
  bits(): number;
  /** A macro is defined or used here. */
  reference(name: string, place: Place, definition: boolean): void;
}

interface Frame {
  readonly kind: 'file' | 'macro' | 'repetition';
  readonly lines: LineSource;
  readonly conditions: Condition[];
  /** Macro whose parameters are in effect. */
  readonly call: MacroCall | undefined;
  /** Where it was begun. */
  readonly place: Place;
  /** Further repetitions after this one. */
  repeats: bigint;
}

/** Body of a %macro or %rep being collected. */
interface Collecting {
  readonly kind: 'macro' | 'repetition';
  readonly place: Place;
  readonly lines: RawLine[];
  readonly finish: (lines: readonly RawLine[]) => void;
  depth: number;
}

const MAX_NESTING = 64;
/** Lines read in all, repetitions included: enough for any real program, little enough to stop a runaway one at once. */
const MAX_LINES = 300_000;

const OPENERS: Readonly<Record<Collecting['kind'], RegExp>> = { macro: /^%i?macro$/, repetition: /^%rep$/ };
const CLOSERS: Readonly<Record<Collecting['kind'], RegExp>> = { macro: /^%endm(acro)?$/, repetition: /^%endrep$/ };

export class Preprocessor {
  readonly #host: PreprocessorHost;
  readonly #frames: Frame[] = [];
  readonly #single: SingleLineMacros;
  readonly #multi: MultiLineMacros;
  readonly #conditionScope: ConditionScope;
  readonly #directiveContext: DirectiveContext;
  readonly includedFiles: string[] = [];
  #collecting: Collecting | undefined;
  #pending: RawLine[] = [];
  #calls = 0;
  #linesRead = 0;

  constructor(host: PreprocessorHost, file: string, source: string, defines: Readonly<Record<string, string>>) {
    this.#host = host;
    const { messages } = host;
    this.#single = new SingleLineMacros(
      messages,
      (macro, token) => host.reference(macro.name, placeOf(token), false),
      (name, token) => this.#dynamicMacro(name, token),
    );
    this.#multi = new MultiLineMacros(messages);
    this.#conditionScope = {
      messages,
      expand: (tokens) => this.#single.expand(tokens),
      constant: (tokens, place) => host.constant(tokens, place),
      isDefined: (name) => this.#single.isDefined(name) || this.#dynamicMacro(name) !== undefined,
      isMacro: (tokens) => this.#multi.matches(tokens),
    };
    this.#directiveContext = {
      messages,
      single: this.#single,
      multi: this.#multi,
      expand: (tokens) => this.#single.expand(tokens),
      constant: (tokens, place) => host.constant(tokens, place),
      reference: (name, place) => host.reference(name, place, true),
      collect: (kind, place, finish) => {
        this.#collecting = { kind, place, finish, lines: [], depth: 0 };
      },
      repeat: (lines, count, place) =>
        this.#push('repetition', new KeptLines(lines), this.#frames.at(-1)?.call, count - 1n, place),
      exitRepetition: () => this.#exitRepetition(),
      include: (path, place) => this.#include(path, place),
      currentCall: () => this.#frames.at(-1)?.call,
      stop: () => this.#stop(),
    };
    for (const [name, body] of Object.entries(defines)) this.#predefine(name, body);
    this.#push('file', new FileLines(file, source, messages), undefined, 0n, {
      file,
      line: 1,
      column: 1,
      endColumn: 1,
    });
  }

  /** The next line for the parser, macros expanded; undefined at the end. */
  next(): RawLine | undefined {
    for (;;) {
      const pending = this.#pending.shift();
      if (pending !== undefined) return pending;
      const frame = this.#frames.at(-1);
      if (frame === undefined) return undefined;
      const raw = frame.lines.next();
      if (raw === undefined) this.#endOfFrame(frame);
      else if (++this.#linesRead > MAX_LINES) {
        this.#tooManyLines(this.#placeOf(raw, frame));
      } else this.#line(raw, frame);
    }
  }

  #placeOf(raw: RawLine, frame: Frame): Place {
    return frame.call?.place ?? raw.place;
  }

  #push(kind: Frame['kind'], lines: LineSource, call: MacroCall | undefined, repeats: bigint, place: Place): void {
    this.#frames.push({ kind, lines, conditions: [], call, repeats, place });
  }

  #tooManyLines(place: Place): void {
    this.#host.messages.error('expansion-limit', `the source expands to more than ${MAX_LINES} lines`, place);
    this.#stop();
  }

  #stop(): void {
    this.#frames.length = 0;
    this.#pending = [];
    this.#collecting = undefined;
  }

  #endOfFrame(frame: Frame): void {
    const { messages } = this.#host;
    if (this.#collecting !== undefined) {
      const { kind, place } = this.#collecting;
      const [begin, end] = kind === 'macro' ? ['%macro', '%endmacro'] : ['%rep', '%endrep'];
      messages.error('unterminated-block', `this ${begin} has no ${end} before the end of ${place.file}`, place);
      this.#collecting = undefined;
    }
    for (const { place } of frame.conditions) {
      messages.error('unterminated-block', 'this %if has no %endif', place);
    }
    if (frame.kind === 'repetition' && frame.repeats > 0n && frame.lines instanceof KeptLines) {
      frame.repeats -= 1n;
      frame.conditions.length = 0;
      frame.lines.rewind();
      // An empty body repeated without end must count as well.
      this.#linesRead += 1;
      if (this.#linesRead <= MAX_LINES) return;
      this.#tooManyLines(frame.place);
      return;
    }
    this.#frames.pop();
    if (frame.kind === 'macro' && frame.call !== undefined) this.#multi.leave(frame.call.macro);
  }

  #line(raw: RawLine, frame: Frame): void {
    const first = raw.tokens[0];
    if (this.#collecting !== undefined) {
      this.#collect(this.#collecting, raw, first);
      return;
    }
    if (first === undefined) return;
    const active = frame.conditions.at(-1)?.active ?? true;
    const place = this.#placeOf(raw, frame);
    if (!active) {
      if (first.kind === 'directive') applyCondition(frame.conditions, raw.tokens, this.#conditionScope);
      return;
    }
    const tokens =
      frame.call === undefined ? strayParameters(raw.tokens) : substitute(raw, frame.call, this.#host.messages);
    const begin = tokens[0];
    if (begin === undefined) return;
    if (begin.kind === 'directive') {
      if (applyCondition(frame.conditions, tokens, this.#conditionScope)) return;
      const directive = DIRECTIVES.get(begin.text.toLowerCase());
      if (directive !== undefined) {
        directive(this.#directiveContext, begin, tokens.slice(1));
        return;
      }
      if (!this.#single.isDefined(begin.text)) {
        this.#host.messages.error(
          'unknown-directive',
          `unknown preprocessor directive "${begin.text}"`,
          placeOf(begin),
        );
        return;
      }
    }
    const expanded = this.#single.expand(tokens);
    if (expanded.length > 0 && !this.#callMacro(expanded, place)) this.#pending.push({ tokens: expanded, place });
  }

  #collect(collecting: Collecting, raw: RawLine, first: Token | undefined): void {
    const word = first?.kind === 'directive' ? first.text.toLowerCase() : '';
    if (OPENERS[collecting.kind].test(word)) collecting.depth += 1;
    else if (CLOSERS[collecting.kind].test(word) && collecting.depth-- === 0) {
      this.#collecting = undefined;
      collecting.finish(collecting.lines);
      return;
    }
    collecting.lines.push(raw);
  }

  /** Starts a multi-line macro when the line is `macro args`, `label: macro args` or `label macro args`. */
  #callMacro(tokens: readonly Token[], place: Place): boolean {
    const first = tokens[0];
    if (first.kind !== 'identifier') return false;
    if (this.#multi.has(first.text)) return this.#invoke(tokens, 0, undefined, place);
    const colon = tokens[1]?.kind === 'operator' && tokens[1].text === ':';
    const at = colon ? 2 : 1;
    const name = tokens[at];
    if (name?.kind !== 'identifier' || !this.#multi.has(name.text)) return false;
    if (!colon && this.#host.isStatementWord(first.text)) return false;
    return this.#invoke(tokens, at, first, place);
  }

  #invoke(tokens: readonly Token[], at: number, label: Token | undefined, place: Place): boolean {
    const name = tokens[at];
    const rest = tokens.slice(at + 1);
    const macro = this.#multi.select(name.text, rest);
    const { messages } = this.#host;
    if (macro === undefined) {
      if (this.#multi.isBusy(name.text) || this.#host.isStatementWord(name.text)) return false;
      const counts = this.#multi.describe(name.text);
      const given = splitArguments(rest, Infinity, false).length;
      messages.error('bad-macro-call', `macro "${name.text}" takes ${counts} parameters, not ${given}`, placeOf(name));
      return true;
    }
    if (this.#frames.length >= MAX_NESTING) {
      messages.error(
        'recursion-limit',
        `macros are nested more than ${MAX_NESTING} deep at "${name.text}"`,
        placeOf(name),
      );
      return true;
    }
    this.#host.reference(macro.name, placeOf(name), false);
    if (label !== undefined) {
      const colon: Token = { kind: 'operator', text: ':', space: false, ...placeOf(label) };
      this.#pending.push({ tokens: [label, colon], place });
    }
    this.#calls += 1;
    const args = callArguments(macro, rest);
    this.#multi.enter(macro);
    const call: MacroCall = {
      macro,
      name,
      args,
      label,
      id: this.#calls,
      place: { ...place, ...placeOf(name) },
      rotation: 0,
    };
    this.#push('macro', new KeptLines(macro.body), call, 0n, call.place);
    return true;
  }

  #exitRepetition(): boolean {
    const at = this.#frames.map(({ kind }) => kind).lastIndexOf('repetition');
    if (at < 0) return false;
    for (const frame of this.#frames.splice(at)) {
      if (frame.kind === 'macro' && frame.call !== undefined) this.#multi.leave(frame.call.macro);
    }
    return true;
  }

  #include(path: string, place: Place): void {
    const { messages } = this.#host;
    if (this.#frames.filter(({ kind }) => kind === 'file').length >= MAX_NESTING) {
      // Each round has defined the same names again: those errors are this one's.
      messages.cause(
        'recursion-limit',
        `files are included more than ${MAX_NESTING} deep; does "${path}" include itself?`,
        place,
      );
      this.#stop();
      return;
    }
    const included = this.#host.readInclude(path, place.via?.file ?? place.file);
    if (included === undefined) {
      messages.error(
        'include-not-found',
        `cannot find the include file "${path}" (looked for it from ${place.file})`,
        place,
      );
      return;
    }
    if (!this.includedFiles.includes(included.file)) this.includedFiles.push(included.file);
    this.#push('file', new FileLines(included.file, included.source, messages), undefined, 0n, place);
  }

  #predefine(name: string, body: string): void {
    const lines = new FileLines('command line', body, this.#host.messages);
    this.#single.define({ name, parameters: undefined, body: lines.next()?.tokens ?? [], place: undefined }, false);
  }

  /** Standard macros with a value of their own; NASM writes them `__?LINE?__` and, before 2.15, `__LINE__`. */
  #dynamicMacro(name: string, token?: Token): Token | undefined {
    const match = /^__(\??)([A-Z_]+?)\1__$/.exec(name);
    if (match === null) return undefined;
    const place = token === undefined ? { file: '', line: 0, column: 0, endColumn: 0 } : placeOf(token);
    const space = token?.space ?? false;
    const numberToken = (value: number): Token => ({
      kind: 'number',
      text: String(value),
      number: BigInt(value),
      space,
      ...place,
    });
    switch (match[2]) {
      case 'LINE':
        return numberToken(place.line);
      case 'BITS':
        return numberToken(this.#host.bits());
      case 'FILE':
        return { kind: 'string', text: `"${place.file}"`, bytes: place.file, space, ...place };
      case 'OUTPUT_FORMAT':
        return { kind: 'identifier', text: 'bin', space, ...place };
      case 'NASM_MAJOR':
        return numberToken(2);
      case 'NASM_MINOR':
        return numberToken(16);
      default:
        return undefined;
    }
  }
}

/** Outside macros `%3` is the operator % before a number. */
function strayParameters(tokens: readonly Token[]): readonly Token[] {
  if (!tokens.some(({ kind, text }) => kind === 'parameter' && /^%\d/.test(text))) return tokens;
  return tokens.flatMap((token): Token[] => {
    if (token.kind !== 'parameter' || !/^%\d/.test(token.text)) return [token];
    const digits = token.text.slice(1);
    const split = token.column + 1;
    return [
      { ...token, kind: 'operator', text: '%', endColumn: split },
      { ...token, kind: 'number', text: digits, number: BigInt(digits), space: false, column: split },
    ];
  });
}

/** Arguments of a call with defaults filled in. */
function callArguments(macro: MultiLineMacro, rest: readonly Token[]): (readonly Token[])[] {
  const given: (readonly Token[])[] = splitArguments(rest, macro.most, macro.greedy);
  for (let number = given.length; number < macro.most; number++) {
    const fallback = macro.defaults[number - macro.least];
    if (fallback === undefined) break;
    given.push(fallback);
  }
  return given;
}
