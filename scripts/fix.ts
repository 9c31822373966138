/** `npm run fix`: lets eslint and prettier rewrite what they can. */
import { spawnSync } from 'node:child_process';
import { fromRoot, ROOT } from './lib/root.ts';

const paths = process.argv.length > 2 ? process.argv.slice(2) : ['.'];
for (const [file, ...args] of [
  ['eslint/bin/eslint.js', '--fix'],
  ['prettier/bin/prettier.cjs', '--write', '--log-level=warn', '--ignore-unknown'],
] as const) {
  const { status } = spawnSync(process.execPath, [fromRoot('node_modules', file), ...args, ...paths], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
