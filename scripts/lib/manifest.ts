import { readFileSync } from 'node:fs';
import { fromRoot } from './root.ts';

/** What scripts and tests need of package.json. */
export interface Manifest {
  readonly name: string;
  readonly publisher: string;
  readonly version: string;
  readonly main: string;
  readonly contributes: Readonly<Record<string, unknown>>;
}

export const manifest = (): Manifest => JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as Manifest;
