/** The benchmark guests as a suite: freestanding programs that check their own results and say so. */
import { missingTool, onPath } from '../../scripts/lib/programs.ts';
import { bundleEngine } from '../bench/engine-bundles.ts';
import { buildGuests, GUESTS } from '../bench/guests.ts';
import { measure } from '../bench/measure.ts';
import { PEERS } from '../bench/peers.ts';
import type { Suite } from './suite.ts';

const LIMIT_SECONDS = 600;
/** The least amount of work: a guest's checks are the same, its loops shorter. */
const SCALE = 1;
const TOOLS = { gcc: 'gcc', nasm: 'nasm', make: 'make', objcopy: 'binutils' };

export const benchSuite: Suite = {
  name: 'bench',
  about:
    'Each guest program of the benchmark corpus, 64- and 32-bit, runs whole and ends with `#DONE ok`: its own checks of its results hold.',
  missing: () =>
    Object.entries(TOOLS)
      .filter(([tool]) => onPath(tool) === undefined)
      .map(([tool, debianPackage]) => missingTool(tool, debianPackage))[0],
  async run({ only, say }) {
    const guests = GUESTS.filter((guest) => only.length === 0 || only.includes(guest));
    buildGuests(guests, ['elf'], SCALE);
    await bundleEngine();
    const wrong: string[] = [];
    for (const guest of guests) {
      const { phases, failure } = await measure(PEERS.hyperstep.command(guest, SCALE), LIMIT_SECONDS);
      say(`bench ${guest}: ${failure ?? `#DONE ok (${phases.map(({ name }) => name).join(', ')})`}`);
      if (failure !== undefined) wrong.push(`${guest}: ${failure}`);
    }
    return {
      oracle: 'the guests themselves, with results computed by another implementation',
      cases: guests.length,
      passed: guests.length - wrong.length,
      failed: wrong.length,
      excused: [],
      forms: {},
      wrong,
      notes: [`Guests: ${guests.join(', ')}.`],
    };
  },
};
