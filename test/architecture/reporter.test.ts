import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fromRoot } from '../../scripts/lib/root.ts';
import type { LayerResult } from '../../scripts/lib/test-summary.ts';

/** Runs a test file with the layers' reporter in a process of its own. */
function runMocha(source: string, env: Record<string, string> = {}) {
  // Inside the repository, so that its imports are found.
  const folder = mkdtempSync(fromRoot('out', 'reporter-'));
  try {
    const file = path.join(folder, 'example.test.ts');
    const resultFile = path.join(folder, 'result.json');
    writeFileSync(file, source);
    const { status } = spawnSync(
      process.execPath,
      [
        '--import=tsx',
        fromRoot('node_modules/mocha/bin/mocha.js'),
        `--reporter=${fromRoot('test/harness/reporter.ts')}`,
        file,
      ],
      { cwd: fromRoot(), encoding: 'utf8', env: { ...process.env, CI: '', ...env, HYPERSTEP_TEST_RESULT: resultFile } },
    );
    const result = existsSync(resultFile) ? (JSON.parse(readFileSync(resultFile, 'utf8')) as LayerResult) : undefined;
    return { status, result };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const NEEDS_MISSING_TOOL = `
import { requireTool } from '../../test/harness/tools.ts';
describe('oracle', () => {
  requireTool('hyperstep-no-such-program', 'no-such-package');
  it('compares', () => {});
  describe('inner', () => { it('compares more', () => {}); });
});
it('runs', () => {});
`;

describe('architecture: reporter of the test layers', function () {
  this.timeout(60_000);

  it('counts passed, failed and skipped tests', () => {
    const { status, result } = runMocha(`
      it('passes', () => {});
      it('fails', () => { throw new Error('broken on purpose'); });
      it.skip('is skipped', () => {});
    `);
    assert.equal(status, 1);
    assert.deepEqual(result, {
      passed: 1,
      failed: 1,
      skipped: 1,
      failures: [{ title: 'fails', message: 'broken on purpose' }],
      notRun: [],
    });
  });

  it('leaves no result when the process ends early', () => {
    const { status, result } = runMocha(`it('ends', () => process.exit(0));`);
    assert.equal(status, 0);
    assert.equal(result, undefined);
  });

  it('names the program that kept tests from running', () => {
    const { status, result } = runMocha(NEEDS_MISSING_TOOL);
    assert.equal(status, 0);
    assert.equal(result?.passed, 1);
    assert.equal(result.skipped, 0);
    const reason = 'not run: hyperstep-no-such-program missing (apt-get install no-such-package)';
    assert.deepEqual(result.notRun, [{ reason, tests: 2 }]);
  });

  it('fails on CI when a program is missing', () => {
    const { status, result } = runMocha(NEEDS_MISSING_TOOL, { CI: 'true' });
    assert.equal(status, 1);
    assert.equal(result?.failed, 1);
    assert.match(result.failures[0]?.message ?? '', /hyperstep-no-such-program missing/);
  });
});
