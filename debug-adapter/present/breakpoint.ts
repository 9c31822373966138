/** Breakpoints and sources as the protocol writes them. */
import path from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Breakpoint } from '../debugger/breakpoints.ts';
import { memoryReference } from './text.ts';

export const sourceOf = (file: string): DebugProtocol.Source => ({ name: path.basename(file), path: file });

export function toBreakpoint(breakpoint: Breakpoint): DebugProtocol.Breakpoint {
  const { id, verified, message, line, addresses } = breakpoint;
  return {
    id,
    verified,
    ...(message === undefined ? {} : { message }),
    ...(line === undefined ? {} : { line: line.line, source: sourceOf(line.file) }),
    ...(addresses[0] === undefined ? {} : { instructionReference: memoryReference(addresses[0]) }),
  };
}
