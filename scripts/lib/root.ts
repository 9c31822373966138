import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the repository. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** An absolute path from one written from the top of the repository. */
export const fromRoot = (...parts: readonly string[]): string => path.join(ROOT, ...parts);
