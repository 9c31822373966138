/** What `npm run build` makes out of what; the one place where the names of files in `dist/` are decided. */
import { readdirSync } from 'node:fs';
import type { BuildOptions } from 'esbuild';
import { fromRoot } from './root.ts';

export interface Bundle {
  /** From the top of the repository. */
  readonly entry: string;
  readonly output: string;
  readonly options: BuildOptions;
}

// The `binary` loader uses Uint8Array.fromBase64, which Node 20 lacks, unless the target is pinned.
const NODE: BuildOptions = { platform: 'node', format: 'cjs', target: ['es2022', 'node20'] };
const BROWSER: BuildOptions = { platform: 'browser', format: 'iife', target: ['es2022'] };

const PROGRAMS: readonly Bundle[] = [
  { entry: 'extension/main.ts', output: 'dist/extension.cjs', options: { ...NODE, external: ['vscode'] } },
  { entry: 'extension/language/server/main.ts', output: 'dist/server.cjs', options: NODE },
  { entry: 'debug-adapter/main.ts', output: 'dist/adapter.cjs', options: NODE },
  { entry: 'debug-adapter/cli.ts', output: 'dist/hyperstep.cjs', options: NODE },
];

const VIEWS = 'extension/views';

/** Folders below extension/views that have a browser side. */
export function viewsWithPage(): string[] {
  return readdirSync(fromRoot(VIEWS), { withFileTypes: true })
    .filter((folder) => folder.isDirectory())
    .map((folder) => folder.name)
    .filter((view) => readdirSync(fromRoot(VIEWS, view)).includes('page'))
    .sort();
}

/** A page's script; the styles beside it (`page/*.css`) become `dist/views/<view>.css`. */
const pageBundle = (view: string): Bundle => ({
  entry: `${VIEWS}/${view}/page/main.ts`,
  output: `dist/views/${view}.js`,
  options: BROWSER,
});

export const pageStyles = (view: string): { folder: string; output: string } => ({
  folder: `${VIEWS}/${view}/page`,
  output: `dist/views/${view}.css`,
});

export const allBundles = (): Bundle[] => [...PROGRAMS, ...viewsWithPage().map(pageBundle)];
