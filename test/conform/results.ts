/** Results of suites as files, so that the report can be made from runs that took hours. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fromRoot } from '../../scripts/lib/root.ts';
import type { SuiteResult } from './suite.ts';

const FOLDER = fromRoot('out', 'conform');

export interface StoredResult extends SuiteResult {
  readonly seed: number;
}

export function storeResult(suite: string, result: StoredResult): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(fromRoot('out', 'conform', `${suite}.json`), `${JSON.stringify(result, undefined, 1)}\n`);
}

export function storedResult(suite: string): StoredResult | undefined {
  const file = fromRoot('out', 'conform', `${suite}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as StoredResult) : undefined;
}
