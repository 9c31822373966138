/**
 * `npm test [-- --layer <name> ...] [-- --grep <text>]`: builds, runs the layers of tests in order and adds them up.
 *
 * A layer counts as run only when its result file says so: no file, no tests or an unexpected exit code is a failure, whatever
 * the process that ran it claims. The last line is `N passed, N failed`, with `, N skipped` when tests were left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runTests } from '@vscode/test-electron';
import { build as esbuild } from 'esbuild';
import { alreadyReported, build } from './build.ts';
import { makePackage } from './package.ts';
import { browserPath, missingTool } from './lib/programs.ts';
import { fromRoot, ROOT } from './lib/root.ts';
import { codeServerUnsupported, installCodeServer } from './lib/vscode-install.ts';
import { addUp, type LayerOutcome, type LayerResult } from './lib/test-summary.ts';

const LAYERS = ['unit', 'session', 'extension', 'e2e'] as const;
type Layer = (typeof LAYERS)[number];

/** Folders of test/ that are layers of their own or no tests at all; all others are unit tests. */
const NOT_UNIT = ['session', 'extension', 'e2e', 'bench', 'harness'];

const RESULTS = fromRoot('out', 'test-results');
const CI = process.env['CI'] === 'true';

interface Selection {
  readonly layers: readonly Layer[];
  readonly grep: string | undefined;
}

const USAGE = `usage: npm test -- [--layer ${LAYERS.join('|')}] ... [--grep <text in the title>]`;

function parse(args: readonly string[]): Selection {
  const layers: Layer[] = [];
  let grep: string | undefined;
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1];
    const layer = LAYERS.find((name) => name === value);
    if (args[at] === '--layer' && layer !== undefined) layers.push(layer);
    else if (args[at] === '--grep' && value !== undefined) grep = value;
    else throw new Error(`unknown argument ${args.slice(at, at + 2).join(' ')}\n${USAGE}`);
  }
  return { layers: layers.length === 0 ? LAYERS : LAYERS.filter((layer) => layers.includes(layer)), grep };
}

/** All test files below folders of test/, sorted. */
function testFiles(folders: readonly string[]): string[] {
  return folders
    .filter((folder) => existsSync(fromRoot('test', folder)))
    .flatMap((folder) =>
      readdirSync(fromRoot('test', folder), { recursive: true, encoding: 'utf8' }).map((file) =>
        path.join('test', folder, file),
      ),
    )
    .filter((file) => file.endsWith('.test.ts'))
    .sort();
}

const unitFolders = (): string[] =>
  readdirSync(fromRoot('test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NOT_UNIT.includes(entry.name))
    .map((entry) => entry.name);

const resultFile = (layer: Layer): string => path.join(RESULTS, `${layer}.json`);

/** Turns what a layer's process left behind into its outcome; trusts the result file, not the exit code alone. */
function outcome(layer: Layer, exitCode: number | null, grep: string | undefined): LayerOutcome {
  const file = resultFile(layer);
  if (!existsSync(file)) {
    return { layer, kind: 'broken', reason: `ended with ${exitCode ?? 'a signal'} and left no result` };
  }
  const result = JSON.parse(readFileSync(file, 'utf8')) as LayerResult;
  const seen = result.passed + result.failed + result.notRun.reduce((sum, { tests }) => sum + tests, 0);
  // With --grep most layers have nothing to run; the summary complains when none has.
  if (seen === 0 && grep !== undefined) return { layer, kind: 'ran', result };
  if (seen === 0) return { layer, kind: 'broken', reason: 'ran no test' };
  if (exitCode !== 0 && result.failed === 0) {
    return { layer, kind: 'broken', reason: `all tests passed, yet the run ended with ${exitCode ?? 'a signal'}` };
  }
  return { layer, kind: 'ran', result };
}

function mocha(layer: Layer, files: readonly string[], grep: string | undefined, timeoutMs: number): LayerOutcome {
  if (files.length === 0) return { layer, kind: 'broken', reason: 'has no test files' };
  const { status } = spawnSync(
    process.execPath,
    [
      '--import=tsx',
      fromRoot('node_modules/mocha/bin/mocha.js'),
      `--reporter=${fromRoot('test/harness/reporter.ts')}`,
      `--timeout=${timeoutMs}`,
      '--forbid-only',
      ...(grep === undefined ? [] : [`--grep=${grep}`]),
      ...files,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, HYPERSTEP_TEST_RESULT: resultFile(layer) } },
  );
  return outcome(layer, status, grep);
}

/** Extension-host tests run inside VS Code, which loads CommonJS: each test file becomes one bundle beside the runner. */
async function bundleExtensionTests(files: readonly string[]): Promise<string> {
  const folder = fromRoot('out', 'extension-tests');
  rmSync(folder, { recursive: true, force: true });
  const entry = (file: string): { in: string; out: string } => ({
    in: fromRoot(file),
    out: path.relative('test', file).replaceAll(path.sep, '.').replace(/\.ts$/, ''),
  });
  await esbuild({
    entryPoints: [...files.map(entry), { in: fromRoot('test/harness/extension-host.ts'), out: 'index' }],
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: ['es2022', 'node20'],
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return path.join(folder, 'index.cjs');
}

async function extensionLayer(grep: string | undefined): Promise<LayerOutcome> {
  const layer = 'extension';
  const files = testFiles(['extension']);
  if (files.length === 0) return { layer, kind: 'broken', reason: 'has no test files' };
  const desktop = process.env['VSCODE_EXECUTABLE_PATH'];
  const missing = desktop === undefined ? vscodeMissing() : undefined;
  if (missing !== undefined) return { layer, kind: 'not run', reason: missing };
  let exitCode: number | null;
  try {
    const extensionTestsPath = await bundleExtensionTests(files);
    const workspace = fromRoot('test', 'extension', 'workspace');
    exitCode = await runTests({
      vscodeExecutablePath: desktop ?? fromRoot('test/harness/vscode-wrapper.mjs'),
      extensionDevelopmentPath: ROOT,
      extensionTestsPath,
      launchArgs: [
        ...(existsSync(workspace) ? [workspace] : []),
        '--disable-extensions',
        `--user-data-dir=${fromRoot('out', 'vscode-profile')}`,
      ],
      extensionTestsEnv: { HYPERSTEP_TEST_RESULT: resultFile(layer), HYPERSTEP_TEST_GREP: grep },
    });
  } catch (error) {
    if (!alreadyReported(error)) console.error(error instanceof Error ? error.message : error);
    exitCode = 1;
  }
  return outcome(layer, exitCode, grep);
}

async function e2eLayer(grep: string | undefined): Promise<LayerOutcome> {
  const layer = 'e2e';
  const missing = vscodeMissing();
  if (missing !== undefined) return { layer, kind: 'not run', reason: missing };
  try {
    process.env['HYPERSTEP_VSIX'] = await makePackage();
  } catch (error) {
    return { layer, kind: 'broken', reason: `no package: ${error instanceof Error ? error.message : String(error)}` };
  }
  return mocha(layer, testFiles(['e2e']), grep, 120_000);
}

/** Why the npm-installed VS Code cannot be used for tests here; installs it where it can. */
function vscodeMissing(): string | undefined {
  const unsupported = codeServerUnsupported();
  if (unsupported !== undefined) return `not run: ${unsupported}`;
  if (browserPath() === undefined) return missingTool('chromium', 'chromium');
  installCodeServer((line) => console.log(line));
  return undefined;
}

async function runLayer(layer: Layer, grep: string | undefined): Promise<LayerOutcome> {
  console.log(`\n=== ${layer}`);
  const started = performance.now();
  const run = {
    unit: () => mocha('unit', testFiles(unitFolders()), grep, 30_000),
    session: () => mocha('session', testFiles(['session']), grep, 30_000),
    extension: async () => extensionLayer(grep),
    e2e: async () => e2eLayer(grep),
  } satisfies Record<Layer, () => LayerOutcome | Promise<LayerOutcome>>;
  const result = await run[layer]();
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

async function main(): Promise<void> {
  const { layers, grep } = parse(process.argv.slice(2));
  rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  try {
    await build({ production: false });
  } catch (error) {
    if (!alreadyReported(error)) throw error;
    throw new Error('the build failed; its messages are above', { cause: error });
  }
  const outcomes: LayerOutcome[] = [];
  for (const layer of layers) outcomes.push(await runLayer(layer, grep));
  const { lines, failed } = addUp(outcomes, CI);
  console.log(`\n=== summary\n${lines.join('\n')}`);
  if (failed) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(`test: ${error instanceof Error ? error.message : String(error)}`);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
