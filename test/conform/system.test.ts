/** A sample of what `npm run conform qemu bochs` runs at length: the same cases each time. */
import assert from 'node:assert/strict';
import { requireTool } from '../harness/tools.ts';
import { bochsSuite, qemuSuite } from './system/suite.ts';

const CASES = 20_000;
const SEED = 1;
const MOST_REPORTED = 20;

describe('random system state', function () {
  requireTool('gcc');
  requireTool('nasm');
  requireTool('objcopy', 'binutils');
  this.timeout(300_000);

  for (const [suite, program, debianPackage] of [
    [qemuSuite, 'qemu-system-x86_64', 'qemu-system-x86'],
    [bochsSuite, 'bochs', 'bochs bochs-term bochsbios vgabios'],
  ] as const) {
    describe(`against ${suite.name}`, () => {
      requireTool(program, debianPackage);

      it(`ends as there, in ${CASES} cases`, async () => {
        const { cases, failed, wrong } = await suite.run({ cases: CASES, seed: SEED, only: [], say: () => {} });
        assert.equal(failed, 0, `${failed} of ${cases} differ:\n${wrong.slice(0, MOST_REPORTED).join('\n')}`);
        assert.ok(cases >= CASES, `only ${cases} cases`);
      });
    });
  }
});
