/**
 * `npm run build [-- --production]`: bundles the programs into `dist/`.
 *
 * While the product grows an entry point may not exist yet; it is named and skipped. A production build refuses that.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build as esbuild, type Message } from 'esbuild';
import { allBundles, pageStyles, viewsWithPage, type Bundle } from './lib/bundles.ts';
import { icedPlugin } from './lib/iced-plugin.ts';
import { fromRoot, ROOT } from './lib/root.ts';

async function bundle({ entry, output, options }: Bundle, production: boolean): Promise<void> {
  await esbuild({
    ...options,
    entryPoints: [fromRoot(entry)],
    outfile: fromRoot(output),
    absWorkingDir: ROOT,
    bundle: true,
    minify: production,
    keepNames: true,
    sourcemap: !production,
    legalComments: 'eof',
    loader: { '.wasm': 'binary' },
    plugins: [icedPlugin],
    logLevel: 'warning',
  });
}

/** Puts the style sheets of a page together in the order of their names. */
async function bundleStyles(view: string, production: boolean): Promise<void> {
  const { folder, output } = pageStyles(view);
  const sheets = readdirSync(fromRoot(folder))
    .filter((name) => name.endsWith('.css'))
    .sort();
  if (sheets.length === 0) return;
  const { outputFiles } = await esbuild({
    stdin: {
      contents: sheets.map((name) => `@import './${name}';`).join('\n'),
      loader: 'css',
      resolveDir: fromRoot(folder),
    },
    bundle: true,
    minify: production,
    write: false,
  });
  mkdirSync(path.dirname(fromRoot(output)), { recursive: true });
  for (const file of outputFiles) writeFileSync(fromRoot(output), file.contents);
}

export interface BuildChoice {
  /** Minified, without source maps, and complete. */
  readonly production: boolean;
  /** Says nothing about what went well. */
  readonly quiet?: boolean;
}

/** Builds everything that exists. Returns the entry points that do not. */
export async function build({ production, quiet = false }: BuildChoice): Promise<readonly string[]> {
  const bundles = allBundles();
  const missing = bundles.map(({ entry }) => entry).filter((entry) => !existsSync(fromRoot(entry)));
  if (production) {
    if (missing.length > 0) throw new Error(`these entry points do not exist: ${missing.join(', ')}`);
    rmSync(fromRoot('dist'), { recursive: true, force: true });
  }
  const present = bundles.filter(({ entry }) => !missing.includes(entry));
  await Promise.all([
    ...present.map(async (each) => bundle(each, production)),
    ...viewsWithPage().map(async (view) => bundleStyles(view, production)),
  ]);
  if (quiet) return missing;
  for (const { output } of present) {
    console.log(`built ${output} (${Math.round(statSync(fromRoot(output)).size / 1024)} KB)`);
  }
  for (const entry of missing) console.log(`not built: ${entry} does not exist`);
  return missing;
}

/** True for esbuild's own failures, whose messages it has printed already. */
export const alreadyReported = (error: unknown): boolean =>
  error instanceof Error && Array.isArray((error as Error & { errors?: Message[] }).errors);

/** Ends a script whose work failed: one line, unless esbuild has said it already. */
export function fail(script: string, error: unknown): void {
  if (!alreadyReported(error)) console.error(`${script}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const unknown = args.find((arg) => arg !== '--production');
  try {
    if (unknown !== undefined) throw new Error(`unknown argument ${unknown}; npm run build takes only --production`);
    await build({ production: args.includes('--production') });
  } catch (error) {
    fail('build', error);
  }
}
