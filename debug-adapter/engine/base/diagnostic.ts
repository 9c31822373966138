/** A mistake in something the user wrote, in the place where it is. Lines and columns count from 1. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Stable kebab-case id of the rule, for example `unknown-mnemonic`. */
  readonly code: string;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Exclusive end column on the same line; the whole rest of the line where absent. */
  readonly endColumn?: number;
}
