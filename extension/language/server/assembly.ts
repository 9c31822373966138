/** One program as the language server's features see it. */
import type { AssemblyResult } from '../../../debug-adapter/engine/index.ts';

export type { Diagnostic, ProgramSymbol, SymbolReference } from '../../../debug-adapter/engine/index.ts';

/** A document and everything it includes, assembled. Files are named as the reader names them. */
export type Assembly = Pick<AssemblyResult, 'diagnostics' | 'references' | 'symbols' | 'includedFiles'>;

/** Finds an included file; undefined where there is none. */
export type ReadInclude = (
  path: string,
  from: string,
) => { readonly file: string; readonly source: string } | undefined;
