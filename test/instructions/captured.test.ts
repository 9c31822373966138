/** A sample of what `npm run conform captured` runs whole; CAPTURED_PER_FORM says how many of each form. */
import assert from 'node:assert/strict';
import { capturedSuite, runCaptured, WHOLE_SUITE } from '../conform/captured.ts';
import { NOT_RUN } from '../harness/result.ts';

const PER_FORM = Number(process.env['CAPTURED_PER_FORM'] ?? 20);
const MOST_REPORTED = 20;

describe('instructions captured from an 80286', function () {
  this.timeout(120_000);
  before(function () {
    const missing = capturedSuite.missing();
    if (missing === undefined) return;
    const suite = this.test?.parent as (Mocha.Suite & { [NOT_RUN]?: string }) | undefined;
    if (suite !== undefined) suite[NOT_RUN] = `not run: ${missing}`;
    this.skip();
  });

  it(`behave the same, ${PER_FORM} of each form`, () => {
    const { cases, wrong, excused } = runCaptured(PER_FORM);
    assert.equal(wrong.length, 0, `${wrong.length} of ${cases} differ:\n${wrong.slice(0, MOST_REPORTED).join('\n')}`);
    assert.ok(cases > 300 * Math.min(PER_FORM, 100), `only ${cases} tests`);
    if (PER_FORM < WHOLE_SUITE) return;
    // Escapes that store are in other parts of the capture than the one at hand.
    for (const { why, count } of excused)
      assert.ok(count > 0 || why.includes('coprocessor'), `nothing needs this excuse any more: ${why}`);
  });
});
