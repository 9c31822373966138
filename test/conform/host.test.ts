/** A sample of what `npm run conform host` runs at length: the same cases each time. */
import assert from 'node:assert/strict';
import { requireHost } from '../oracles/host.ts';
import { hostSuite } from './host.ts';

const CASES = 200_000;
const SEED = 1;
const MOST_REPORTED = 20;

describe('random user-mode instructions of every form', function () {
  requireHost({ avx: true });
  this.timeout(180_000);

  it(`do on our machine what they do on the host processor, in ${CASES} cases`, async () => {
    const result = await hostSuite.run({ cases: CASES, seed: SEED, only: [], say: () => {} });
    assert.equal(
      result.failed,
      0,
      `${result.failed} of ${result.cases} differ:\n${result.wrong.slice(0, MOST_REPORTED).join('\n')}`,
    );
    assert.ok(result.passed > 0.9 * CASES, `only ${result.passed} of ${result.cases} agree outright`);
    assert.ok(Object.keys(result.forms).length > 1500, `only ${Object.keys(result.forms).length} forms`);
  });
});
