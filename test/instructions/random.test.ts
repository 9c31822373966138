/**
 * Thousands of random instructions on the host processor and on our machine, in every way our interpreter can be emitted, with
 * an empty TLB and with a filled one. The same ones each time: the seed is fixed.
 */
import assert from 'node:assert/strict';
import { requireHost, runOnHost } from '../oracles/host.ts';
import { judgedByHost } from '../oracles/host-features.ts';
import { decodeSetup, differences } from './compare.ts';
import type { Outcome } from './environment.ts';
import { drawSetups, type Drawn } from './generate.ts';
import { Rig } from './rig.ts';

const SEED = 20_260_101;
const TRIES = 20_000;
const PER_HANDLER = 5;
const MOST_REPORTED = 12;

describe('random instructions, as the host processor executes them', function () {
  requireHost();
  this.timeout(60_000);

  let drawn: readonly Drawn[];
  let native: readonly Outcome[];
  before(() => {
    drawn = judgedByHost(drawSetups(SEED, TRIES, PER_HANDLER), ({ setup }) => decodeSetup(setup).code);
    native = runOnHost(drawn.map(({ setup }) => setup));
  });

  it('draws instructions of nearly every handler, most of which do not fault', () => {
    const handlers = new Set(drawn.map(({ setup, by }) => `${setup.bits} ${by}`));
    assert.ok(handlers.size > 1500, `${handlers.size} handlers in 16-, 32- and 64-bit code`);
    const faults = native.filter(({ fault }) => fault !== undefined).length;
    assert.ok(faults > 200 && faults < drawn.length / 5, `${faults} of ${drawn.length} fault`);
  });

  for (const style of ['hot', 'all', 'none'] as const) {
    it(`agrees under dispatch style ${style}`, () => {
      const rig = new Rig(style);
      const wrong: string[] = [];
      for (const tlb of ['cold', 'warm'] as const) {
        drawn.forEach(({ setup, by }, i) => {
          const found = differences(setup, rig.run(setup, tlb), native[i]!);
          const bytes = Buffer.from(setup.code).toString('hex');
          if (found.length > 0) wrong.push(`${setup.bits}-bit ${bytes} (${by}, ${tlb}): ${found.join('; ')}`);
        });
      }
      const shown = wrong.slice(0, MOST_REPORTED).join('\n');
      assert.equal(wrong.length, 0, `${wrong.length} of ${2 * drawn.length} differ:\n${shown}`);
    });
  }
});
