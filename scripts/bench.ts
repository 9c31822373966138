/** `npm run bench [-- <arguments>]`: builds and runs the benchmarks of test/bench. */
import { spawnSync } from 'node:child_process';
import { build, fail } from './build.ts';
import { fromRoot, ROOT } from './lib/root.ts';

try {
  await build({ production: false, quiet: true });
  const { status } = spawnSync(
    process.execPath,
    ['--import=tsx', fromRoot('test', 'bench', 'run.ts'), ...process.argv.slice(2)],
    { cwd: ROOT, stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
} catch (error) {
  fail('bench', error);
}
