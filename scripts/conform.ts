/** `npm run conform [suite ...]`: runs the conformance suites of test/conform. */
import { spawnSync } from 'node:child_process';
import { fromRoot, ROOT } from './lib/root.ts';

const { status } = spawnSync(
  process.execPath,
  ['--import=tsx', fromRoot('test', 'conform', 'run.ts'), ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
