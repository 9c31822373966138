/**
 * `npm run check [-- <part> ...]`: everything that can be judged without running the product. All parts run even when one
 * fails, so that one run tells everything.
 */
import { spawnSync } from 'node:child_process';
import { fromRoot, ROOT } from './lib/root.ts';

const node = (file: string, ...args: readonly string[]): readonly string[] => [fromRoot('node_modules', file), ...args];

const PARTS: Readonly<Record<string, readonly string[]>> = {
  types: node('typescript/bin/tsc', '-b'),
  lint: node('eslint/bin/eslint.js', '--max-warnings=0', '.'),
  format: node('prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'),
  layering: ['--import=tsx', fromRoot('scripts/layering.ts')],
  'dead exports': node('knip/bin/knip.js', '--no-progress'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  console.error(`npm run check knows no part "${unknown}"; it knows ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
const results = Object.entries(PARTS)
  .filter(([name]) => wanted.length === 0 || wanted.includes(name))
  .map(([name, args]) => {
    const started = performance.now();
    const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
    return { name, ok: status === 0, seconds: (performance.now() - started) / 1000 };
  });
console.log('');
for (const { name, ok, seconds } of results) console.log(`${name}: ${ok ? 'ok' : 'FAILED'} (${seconds.toFixed(1)} s)`);
if (results.some(({ ok }) => !ok)) process.exitCode = 1;
