/** Source text as token lines, split lazily and joined at `\`. */
import type { Messages, Place } from '../messages.ts';
import { tokenize, type Token } from '../tokens.ts';

/** One logical line: where it begins and what is on it. */
export interface RawLine {
  readonly tokens: readonly Token[];
  readonly place: Place;
}

export interface LineSource {
  /** The next logical line; undefined at the end. */
  next(): RawLine | undefined;
}

export class FileLines implements LineSource {
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #messages: Messages;
  #index = 0;

  constructor(file: string, source: string, messages: Messages) {
    this.#file = file;
    this.#lines = source.split(/\r\n|\n|\r/);
    this.#messages = messages;
  }

  next(): RawLine | undefined {
    if (this.#index >= this.#lines.length) return undefined;
    const first = this.#index;
    const place = { file: this.#file, line: first + 1, column: 1, endColumn: 1 };
    const tokens: Token[] = [];
    let inComment = false;
    for (;;) {
      const text = this.#lines[this.#index] ?? '';
      const continues = text.endsWith('\\') && this.#index + 1 < this.#lines.length;
      if (!inComment) {
        const content = continues ? text.slice(0, -1) : text;
        const line = tokenize(content, this.#file, this.#index + 1, this.#messages);
        for (const token of line.tokens) tokens.push(token);
        inComment = line.comment;
      }
      this.#index += 1;
      if (!continues) return { tokens, place };
    }
  }
}

/** Lines kept from a macro body or a repetition. */
export class KeptLines implements LineSource {
  readonly #lines: readonly RawLine[];
  #index = 0;

  constructor(lines: readonly RawLine[]) {
    this.#lines = lines;
  }

  next(): RawLine | undefined {
    return this.#lines[this.#index++];
  }

  rewind(): void {
    this.#index = 0;
  }
}
