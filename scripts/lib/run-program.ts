import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build } from '../build.ts';
import { fromRoot } from './root.ts';

/** The folder the user typed the command in: paths on the command line are meant from there. */
const calledFrom = (): string => process.env['HYPERSTEP_CALLED_FROM'] ?? process.cwd();

/** Builds, then runs the command-line program with the given arguments where the user is; returns its exit code. */
export async function runHyperstep(args: readonly string[]): Promise<number> {
  await build({ production: false, quiet: true });
  const program = fromRoot('dist', 'hyperstep.cjs');
  if (!existsSync(program)) throw new Error('dist/hyperstep.cjs was not built: debug-adapter/cli.ts does not exist');
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', program, ...args], {
    cwd: calledFrom(),
    stdio: 'inherit',
  });
  return status ?? 1;
}
