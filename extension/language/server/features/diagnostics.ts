/** What the assembler says, as the editor underlines it. */
import { DiagnosticSeverity, type Diagnostic as EditorDiagnostic } from 'vscode-languageserver';
import type { Diagnostic } from '../assembly.ts';

/** Wider than any line: the editor cuts it off at the end. */
const END_OF_LINE = 1000;

export function editorDiagnostic({ severity, code, message, line, column, endColumn }: Diagnostic): EditorDiagnostic {
  return {
    severity: severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code,
    source: 'hyperstep',
    message,
    range: {
      start: { line: line - 1, character: column - 1 },
      end: { line: line - 1, character: endColumn === undefined ? END_OF_LINE : endColumn - 1 },
    },
  };
}
