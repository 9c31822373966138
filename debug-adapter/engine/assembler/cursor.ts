import type { Place } from './messages.ts';
import type { Token } from './tokens.ts';

/** Reads a token list from left to right. */
export class Cursor {
  readonly tokens: readonly Token[];
  /** Where something missing at the end is reported. */
  readonly #end: Place;
  index = 0;

  constructor(tokens: readonly Token[], fallback: Place) {
    this.tokens = tokens;
    const last = tokens.at(-1);
    this.#end = last === undefined ? fallback : { ...placeOf(last), column: last.endColumn, endColumn: last.endColumn };
  }

  get token(): Token | undefined {
    return this.tokens[this.index];
  }

  get done(): boolean {
    return this.index >= this.tokens.length;
  }

  /** Place of the current token, or just after the last one. */
  get place(): Place {
    const { token } = this;
    return token === undefined ? this.#end : placeOf(token);
  }

  peek(ahead: number): Token | undefined {
    return this.tokens[this.index + ahead];
  }

  isOperator(text: string): boolean {
    const { token } = this;
    return token !== undefined && token.kind === 'operator' && token.text === text;
  }

  /** Moves past the operator if it is the current token. */
  skipOperator(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.index += 1;
    return true;
  }

  /** The current token in lower case when it is an identifier not written with `$`. */
  get word(): string | undefined {
    const { token } = this;
    return token !== undefined && token.kind === 'identifier' && token.escaped !== true
      ? token.text.toLowerCase()
      : undefined;
  }
}

/** Only the place of a token. */
export function placeOf(token: Place): Place {
  return { file: token.file, line: token.line, column: token.column, endColumn: token.endColumn, via: token.via };
}

/** Place from the first token's start to the last one's end, as far as they are on one line. */
export function placeOfAll(tokens: readonly Token[], fallback: Place): Place {
  const first = tokens[0];
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) return fallback;
  const sameLine = last.line === first.line && last.file === first.file;
  return { ...placeOf(first), endColumn: sameLine ? Math.max(last.endColumn, first.endColumn) : first.endColumn };
}

/** Splits at the commas that are outside parentheses and brackets. An empty list has no parts. */
export function splitAtCommas(tokens: readonly Token[]): Token[][] {
  if (tokens.length === 0) return [];
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'operator') {
      if (token.text === '(' || token.text === '[') depth += 1;
      else if (token.text === ')' || token.text === ']') depth -= 1;
      else if (token.text === ',' && depth <= 0) {
        parts.push([]);
        continue;
      }
    }
    parts.at(-1)!.push(token);
  }
  return parts;
}
