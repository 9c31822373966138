/** A sample of what `npm run conform captured` runs whole; CAPTURED_PER_FORM says how many of each form. */
import assert from 'node:assert/strict';
import { isCapturePresent, runCaptured, WHOLE_SUITE } from '../conform/captured.ts';
import { NOT_RUN } from '../harness/result.ts';

const PER_FORM = Number(process.env['CAPTURED_PER_FORM'] ?? 20);
const MOST_REPORTED = 20;

describe('instructions captured from an 80286', function () {
  this.timeout(120_000);
  before(function () {
    if (isCapturePresent()) return;
    const suite = this.test?.parent as (Mocha.Suite & { [NOT_RUN]?: string }) | undefined;
    if (suite !== undefined) suite[NOT_RUN] = 'not run: suite not present (set HYPERSTEP_SUITES)';
    this.skip();
  });

  it(`behave the same, ${PER_FORM} of each form`, () => {
    const { ran, wrong, excused } = runCaptured(PER_FORM);
    assert.equal(wrong.length, 0, `${wrong.length} of ${ran} differ:\n${wrong.slice(0, MOST_REPORTED).join('\n')}`);
    assert.ok(ran > 300 * Math.min(PER_FORM, 100), `only ${ran} tests`);
    if (PER_FORM < WHOLE_SUITE) return;
    for (const [why, count] of excused) assert.ok(count > 0, `nothing needs this excuse any more: ${why}`);
  });
});
