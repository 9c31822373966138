/**
 * Text of source files: what is being edited comes before what is saved. As when a program is launched, includes are read only
 * below the workspace's folders and the program's own.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The path of a document on disk; other documents (an untitled one) are named by their URI. */
export const fileOf = (uri: string): string => (uri.startsWith('file:') ? fileURLToPath(uri) : uri);

export const uriOf = (file: string): string => (path.isAbsolute(file) ? pathToFileURL(file).toString() : file);

/** A source file larger than this is not one. */
const MAX_BYTES = 4 * 2 ** 20;

const contains = (folder: string, file: string): boolean => {
  const relative = path.relative(folder, file);
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
};

/** With links followed; the path itself where it names nothing. */
function real(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

export class Sources {
  readonly #edited: (uri: string) => string | undefined;
  #folders: readonly string[] = [];

  /** @param edited text of an open document. */
  constructor(edited: (uri: string) => string | undefined) {
    this.#edited = edited;
  }

  setFolders(folders: readonly string[]): void {
    this.#folders = folders.map(real);
  }

  /** Text of a file; undefined where there is none or it lies outside of the folders. */
  read(file: string, program: string): string | undefined {
    const edited = this.#edited(uriOf(file));
    if (edited !== undefined) return edited;
    const folders = [real(path.dirname(program)), ...this.#folders];
    const target = real(file);
    if (!folders.some((folder) => contains(folder, target))) return undefined;
    try {
      return statSync(target).size > MAX_BYTES ? undefined : readFileSync(target, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** An included file: beside the including one, else beside the program. */
  include(name: string, from: string, program: string): { file: string; source: string } | undefined {
    for (const folder of new Set([path.dirname(from), path.dirname(program)])) {
      const file = path.resolve(folder, name);
      const source = this.read(file, program);
      if (source !== undefined) return { file, source };
    }
    return undefined;
  }
}
