/** One program as the language server's features see it. */
import type { AssemblyResult } from '../../../debug-adapter/engine/assembler/assemble.ts';

export type { Diagnostic } from '../../../debug-adapter/engine/base/diagnostic.ts';
export type { ProgramSymbol } from '../../../debug-adapter/engine/base/program.ts';
export type { SymbolReference } from '../../../debug-adapter/engine/assembler/symbols.ts';

/** A document and everything it includes, assembled. Files are named as the reader names them. */
export type Assembly = Pick<AssemblyResult, 'diagnostics' | 'references' | 'symbols' | 'includedFiles'>;

/** Finds an included file; undefined where there is none. */
export type ReadInclude = (
  path: string,
  from: string,
) => { readonly file: string; readonly source: string } | undefined;
