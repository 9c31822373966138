/** The command line of `npm run bench`. */
import { GUESTS } from './guests.ts';
import { PEER_NAMES, type PeerName } from './peers.ts';

export interface BenchArguments {
  readonly guests: readonly string[];
  readonly peers: readonly PeerName[];
  /** Times each peer runs each guest; the median counts. */
  readonly runs: number;
  /** Multiplies the work of every guest. */
  readonly scale: number;
  /** Which parts are measured. */
  readonly parts: readonly BenchPart[];
  /** Commit whose engine is the peer `earlier`. */
  readonly earlier: string;
}

/** The last commit before the processor was completed: no guest may have become slower since. */
const BASELINE = 'b2385cb9b6a230ba62ae57c276d32d33cc8beb2e';

export const BENCH_PARTS = ['guests', 'dispatch', 'dap'] as const;
export type BenchPart = (typeof BENCH_PARTS)[number];

export const USAGE = `npm run bench -- [--guests=all|NAME,NAME...] [--peers=NAME,NAME...] [--runs=N] [--scale=N] [--earlier=REVISION] [--only=PART,PART...]
  --guests  ${GUESTS.join(' ')}; default alu64,sieve64
  --peers   ${PEER_NAMES.join(' ')}; default hyperstep,bochs
  --runs    how often each peer runs each guest (default 3); the median counts
  --scale   multiplies the work of every guest (default 1)
  --earlier commit whose engine the peer \`earlier\` is (default ${BASELINE.slice(0, 7)})
  --only    ${BENCH_PARTS.join(' ')}; default guests,dap`;

/** Throws with a message for the user. */
export function parseArguments(words: readonly string[]): BenchArguments {
  let guests: readonly string[] = ['alu64', 'sieve64'];
  let peers: readonly PeerName[] = ['hyperstep', 'bochs'];
  let parts: readonly BenchPart[] = ['guests', 'dap'];
  let runs = 3;
  let scale = 1;
  let earlier = BASELINE;
  for (const word of words) {
    const [, name, value = ''] = /^--(\w+)=(.+)$/.exec(word) ?? [];
    switch (name) {
      case 'guests':
        guests = value === 'all' ? GUESTS : listed('guest', value, GUESTS);
        break;
      case 'peers':
        peers = listed('peer', value, PEER_NAMES);
        break;
      case 'only':
        parts = listed('part', value, BENCH_PARTS);
        break;
      case 'earlier':
        earlier = value;
        break;
      case 'runs':
        runs = count(word, value);
        break;
      case 'scale':
        scale = count(word, value);
        break;
      default:
        throw new Error(`unknown argument ${word}\n${USAGE}`);
    }
  }
  return { guests, peers, runs, scale, parts, earlier };
}

function listed<T extends string>(kind: string, value: string, known: readonly T[]): T[] {
  return value.split(',').map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined) throw new Error(`no ${kind} is called ${name}; there are: ${known.join(' ')}`);
    return found;
  });
}

function count(word: string, value: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value)) throw new Error(`${word}: a number from 1 to 9999 is needed`);
  return Number(value);
}
