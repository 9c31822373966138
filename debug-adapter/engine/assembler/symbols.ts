/** Names: full names of local labels, definitions, references. */
import type { Definition } from './items.ts';
import type { Messages, Place } from './messages.ts';
import type { Token } from './tokens.ts';
import { placeOf } from './cursor.ts';

/** A place where a symbol or a macro is written, for an editor. */
export interface SymbolReference {
  /** Full name: local labels carry their parent. */
  readonly name: string;
  readonly kind: 'symbol' | 'macro';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
  readonly definition: boolean;
}

export class SymbolNames {
  readonly #messages: Messages;
  readonly definitions = new Map<string, Definition>();
  readonly references: SymbolReference[] = [];
  /** Last label that is not local. */
  parent = '';

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  /** `.loop` within `main` is `main.loop`; `..start` and `..@1.x` stand for themselves. */
  fullName(name: string): string {
    return name.startsWith('.') && !name.startsWith('..') ? this.parent + name : name;
  }

  /** Full name of a name that is used. */
  use(token: Token): string {
    const name = this.fullName(token.text);
    this.refer(name, 'symbol', token, false);
    return name;
  }

  /** Defines a name; false after reporting that it is defined already. */
  define(token: Token, kind: Definition['kind']): { readonly name: string; readonly fresh: boolean } {
    const name = this.fullName(token.text);
    const fresh = this.defineAs(name, kind, placeOf(token));
    if (fresh) this.refer(name, 'symbol', token, true);
    if (!token.text.startsWith('.')) this.parent = token.text;
    return { name, fresh };
  }

  defineAs(name: string, kind: Definition['kind'], place: Place): boolean {
    const known = this.definitions.get(name);
    if (known !== undefined) {
      const where =
        known.place.file === place.file ? `line ${known.place.line}` : `${known.place.file}:${known.place.line}`;
      this.#messages.error(
        'duplicate-label',
        `"${name}" is already defined at ${where}; give one of the two another name`,
        place,
      );
      return false;
    }
    this.definitions.set(name, { name, kind, place });
    return true;
  }

  refer(name: string, kind: SymbolReference['kind'], place: Place, definition: boolean): void {
    // Text out of a macro stands at the invocation, where something else is written.
    if (place.via !== undefined) return;
    const { file, line, column, endColumn } = place;
    this.references.push({ name, kind, file, line, column, length: endColumn - column, definition });
  }
}
