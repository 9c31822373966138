/** Collects diagnostics: bounded in number, one per place and rule, with the macro a token came from. */
import type { Diagnostic } from '../base/diagnostic.ts';

/** A stretch of one source line. Lines and columns count from 1; `endColumn` is exclusive. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  /** Set for text that came out of a macro: the place is the invocation's, this names the macro and its definition. */
  readonly via?: Expansion | undefined;
}

export interface Expansion {
  readonly macro: string;
  /** Line of the macro's body the text was written on. */
  readonly file: string;
  readonly line: number;
}

/** More than this many help nobody; the last one says that there are more. */
const MAX_DIAGNOSTICS = 100;

export class Messages {
  readonly #list: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  #dropped = 0;
  #errors = 0;
  #closed = false;

  get errorCount(): number {
    return this.#errors;
  }

  error(code: string, message: string, place: Place): void {
    this.#add('error', code, message, place);
  }

  /** The one mistake that all others follow from: it alone is shown. */
  cause(code: string, message: string, place: Place): void {
    this.#list.length = 0;
    this.#dropped = 0;
    this.error(code, message, place);
    this.#closed = true;
  }

  warning(code: string, message: string, place: Place): void {
    this.#add('warning', code, message, place);
  }

  /** In source order of their making; when some were dropped the last entry says how many. */
  list(): readonly Diagnostic[] {
    const last = this.#list.at(-1);
    if (this.#dropped === 0 || last === undefined) return this.#list;
    const note = `${this.#dropped} further diagnostics are not shown; fix the ones above first.`;
    return [...this.#list, { ...last, severity: 'warning', code: 'too-many-diagnostics', message: note }];
  }

  #add(severity: Diagnostic['severity'], code: string, message: string, place: Place): void {
    // Passes and repetitions meet the same mistake again.
    const key = `${code}\0${place.file}\0${place.line}\0${place.column}\0${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (severity === 'error') this.#errors += 1;
    if (this.#closed) return;
    if (this.#list.length >= MAX_DIAGNOSTICS - 1) {
      this.#dropped += 1;
      return;
    }
    const { via } = place;
    const origin = via === undefined ? '' : ` (from macro "${via.macro}", ${via.file}:${via.line})`;
    this.#list.push({
      severity,
      code,
      message: message + origin,
      file: place.file,
      line: place.line,
      column: place.column,
      ...(place.endColumn > place.column ? { endColumn: place.endColumn } : {}),
    });
  }
}
