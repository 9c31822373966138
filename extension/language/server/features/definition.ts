/** Go to label, macro, constant or included file; and where one is used. */
import type { Location, Position } from 'vscode-languageserver';
import type { Assembly } from '../assembly.ts';
import { uriOf } from '../documents/sources.ts';
import { definitionsOf, locationOf, referenceAt } from './places.ts';

const INCLUDE = /^\s*%include\s+(["'`])(.*?)\1/i;

/** @param resolve finds an included file as the assembler does. */
export function definition(
  assembly: Assembly | undefined,
  file: string,
  line: string,
  position: Position,
  resolve: (name: string) => string | undefined,
): Location[] {
  const included = INCLUDE.exec(line)?.[2];
  if (included !== undefined) {
    const target = resolve(included);
    const start = { line: 0, character: 0 };
    return target === undefined ? [] : [{ uri: uriOf(target), range: { start, end: start } }];
  }
  const reference = assembly === undefined ? undefined : referenceAt(assembly, file, position);
  if (assembly === undefined || reference === undefined) return [];
  return definitionsOf(assembly, reference).map(locationOf);
}

export function references(
  assembly: Assembly | undefined,
  file: string,
  position: Position,
  includeDeclaration: boolean,
): Location[] {
  const at = assembly === undefined ? undefined : referenceAt(assembly, file, position);
  if (assembly === undefined || at === undefined) return [];
  return assembly.references
    .filter(
      ({ name, kind, definition: defines }) => name === at.name && kind === at.kind && (includeDeclaration || !defines),
    )
    .map(locationOf);
}
