import assert from 'node:assert/strict';
import { addUp, type LayerOutcome, type LayerResult } from '../../scripts/lib/test-summary.ts';

const result = (some: Partial<LayerResult> = {}): LayerResult => ({
  passed: 0,
  failed: 0,
  skipped: 0,
  failures: [],
  notRun: [],
  ...some,
});
const ran = (layer: string, some: Partial<LayerResult>): LayerOutcome => ({ layer, kind: 'ran', result: result(some) });

describe('architecture: summary of the test layers', () => {
  const NASM = { reason: 'not run: nasm missing (apt-get install nasm)', tests: 3 };
  const CASES: readonly (readonly [
    what: string,
    ci: boolean,
    outcomes: LayerOutcome[],
    last: string,
    failed: boolean,
  ])[] = [
    ['adds layers', true, [ran('a', { passed: 2 }), ran('b', { passed: 3 })], '5 passed, 0 failed', false],
    ['fails on a failure', false, [ran('a', { passed: 2, failed: 1 })], '2 passed, 1 failed', true],
    [
      'skips what lacks a program',
      false,
      [ran('a', { passed: 2, notRun: [NASM] })],
      '2 passed, 0 failed, 3 skipped',
      false,
    ],
    ['fails there on CI', true, [ran('a', { passed: 2, notRun: [NASM] })], '2 passed, 3 failed', true],
    ['fails on CI for a skipped test', true, [ran('a', { passed: 2, skipped: 1 })], '2 passed, 1 failed', true],
    [
      'skips a layer',
      false,
      [ran('a', { passed: 2 }), { layer: 'b', kind: 'not run', reason: 'not run: chromium missing' }],
      '2 passed, 0 failed, 1 skipped',
      false,
    ],
    [
      'fails for that layer on CI',
      true,
      [ran('a', { passed: 2 }), { layer: 'b', kind: 'not run', reason: 'not run: chromium missing' }],
      '2 passed, 1 failed',
      true,
    ],
    [
      'fails for a broken layer',
      false,
      [{ layer: 'b', kind: 'broken', reason: 'ran no test' }],
      '0 passed, 1 failed',
      true,
    ],
    ['fails when nothing ran', false, [], '0 passed, 0 failed', true],
  ];
  for (const [what, ci, outcomes, last, failed] of CASES) {
    it(what, () => {
      const summary = addUp(outcomes, ci);
      assert.equal(summary.lines.at(-1), last);
      assert.equal(summary.failed, failed);
    });
  }

  it('names the reason and the failed tests', () => {
    const failures = [{ title: 'cpu adds', message: 'expected 2\nactual 3' }];
    const { lines } = addUp([ran('unit', { passed: 1, failed: 1, failures, notRun: [NASM] })], false);
    assert.deepEqual(lines.slice(0, -1), [
      'unit: 1 passed, 1 failed, 3 skipped',
      '  not run: nasm missing (apt-get install nasm): 3 tests',
      'failed: cpu adds\n  expected 2',
    ]);
  });
});
