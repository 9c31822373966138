/** A sample of what `npm run conform random` runs at length. */
import assert from 'node:assert/strict';
import { randomSuite } from './random.ts';

const INSTRUCTIONS = 200_000;
const SEED = 1;

describe('random bytes as code', function () {
  this.timeout(180_000);

  it(`break nothing in ${INSTRUCTIONS} instructions in every mode`, async () => {
    const { wrong, cases } = await randomSuite.run({ cases: INSTRUCTIONS, seed: SEED, only: [], say: () => {} });
    assert.deepEqual(wrong, []);
    assert.ok(cases >= INSTRUCTIONS, `only ${cases} instructions`);
  });
});
