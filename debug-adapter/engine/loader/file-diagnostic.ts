/** Diagnostics about binary files, which have no lines: they name the file, and the message names the offset. */
import type { Diagnostic } from '../base/diagnostic.ts';
import type { Program, ProgramResult } from '../base/program.ts';

export const fileError = (file: string, code: string, message: string): Diagnostic => ({
  severity: 'error',
  code,
  message,
  file,
  line: 1,
  column: 1,
});

export const fileWarning = (file: string, code: string, message: string): Diagnostic => ({
  ...fileError(file, code, message),
  severity: 'warning',
});

export const failed = (...diagnostics: readonly Diagnostic[]): ProgramResult => ({ program: undefined, diagnostics });

/** A program with warnings, or no program where one of the diagnostics is an error. */
export const finished = (program: Program, diagnostics: readonly Diagnostic[]): ProgramResult => ({
  program: diagnostics.some((diagnostic) => diagnostic.severity === 'error') ? undefined : program,
  diagnostics,
});

/** Offsets and addresses as messages write them. */
export const hex = (value: number | bigint): string => `${value.toString(16).toUpperCase()}h`;
