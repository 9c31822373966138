/** Launch configurations that somebody has written for a program, for the command line: nearest `.vscode/launch.json` above it. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../debugger/user-error.ts';
import { DEBUG_TYPE } from '../protocol/ids.ts';

export interface Preset {
  readonly workspace: string;
  /** Attributes as written, with `${workspaceFolder}` put in. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

const VARIABLE = '${workspaceFolder}';

/** The nearest folder at or above the program that has a `.vscode/launch.json`. */
export function workspaceOf(program: string): string | undefined {
  for (let folder = path.dirname(path.resolve(program)); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, '.vscode', 'launch.json'))) return folder;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** All configurations for the program, in the order of the file. */
export function presetsFor(program: string): readonly Preset[] {
  const workspace = workspaceOf(program);
  if (workspace === undefined) return [];
  const file = path.join(workspace, '.vscode', 'launch.json');
  let parsed: unknown;
  try {
    parsed = JSON.parse(withoutComments(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new UserError(
      `${file} is no valid launch configuration: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const { configurations } = (parsed ?? {}) as { configurations?: unknown };
  if (!Array.isArray(configurations)) return [];
  return (configurations as Readonly<Record<string, unknown>>[])
    .filter((each) => each['type'] === DEBUG_TYPE && typeof each['program'] === 'string')
    .map((each) => putInFolder(each, workspace) as Preset['attributes'])
    .filter((each) => path.resolve(workspace, String(each['program'])) === path.resolve(program))
    .map((attributes) => ({ workspace, attributes }));
}

function putInFolder(value: unknown, folder: string): unknown {
  if (typeof value === 'string') return value.replaceAll(VARIABLE, folder);
  if (Array.isArray(value)) return value.map((each) => putInFolder(each, folder));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, putInFolder(each, folder)]));
}

/** launch.json may have comments and trailing commas; strings are left alone. */
export function withoutComments(text: string): string {
  return text
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string: string | undefined) => string ?? '')
    .replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string: string | undefined) => string ?? '');
}
