/** One question: how fast are guests on our engine, compared with the peers in the same run? */
import type { BenchArguments } from './arguments.ts';
import { bundleEarlierEngine, bundleEngine } from './engine-bundles.ts';
import { buildGuests } from './guests.ts';
import { columns, rounded, type Check } from './limits.ts';
import { measure, type Phase } from './measure.ts';
import { PEERS, type PeerName } from './peers.ts';
import { median } from './statistics.ts';

const LIMIT_SECONDS = 300;

const CROSSINGS_PER_MILLION = 100;
/** The guests whose speed is promised: at least this much of Bochs, and at most this many crossings per million instructions. */
const PROMISED: Readonly<Record<string, { readonly ofBochs: number; readonly crossings?: number }>> = {
  alu64: { ofBochs: 0.5, crossings: CROSSINGS_PER_MILLION },
  sieve64: { ofBochs: 0.5, crossings: CROSSINGS_PER_MILLION },
  sse64: { ofBochs: 1 },
};
const AT_LEAST_OF_EARLIER = 0.9;

/** Guests that a peer cannot run: QEMU emulates no VT-x, and a Linux process may not use it. */
const cannotRun = (peer: PeerName, guest: string): boolean =>
  (peer === 'qemu' || peer === 'native') && guest.startsWith('vmx');

export interface Comparison {
  readonly table: string;
  readonly checks: readonly Check[];
  readonly failures: readonly string[];
}

/** Seconds and counters of every run, by `guest phase` and peer. */
type Samples = Map<string, Map<PeerName, Phase[]>>;

export async function compare({ guests, peers, runs, scale, earlier }: BenchArguments): Promise<Comparison> {
  for (const peer of peers) {
    const missing = PEERS[peer].missing();
    if (missing !== undefined) throw new Error(missing);
  }
  for (const peer of peers) {
    buildGuests(
      guests.filter((guest) => !cannotRun(peer, guest)),
      [PEERS[peer].file],
      scale,
    );
  }
  if (peers.includes('hyperstep')) await bundleEngine();
  if (peers.includes('earlier')) await bundleEarlierEngine(earlier);
  const samples: Samples = new Map();
  const failures: string[] = [];
  // Peers take turns, so that what else the machine does disturbs all of them alike.
  for (let run = 0; run < runs; run++) {
    for (const guest of guests) {
      for (const peer of peers) {
        if (cannotRun(peer, guest)) continue;
        const { phases, failure } = await measure(PEERS[peer].command(guest, scale), LIMIT_SECONDS);
        if (failure !== undefined) failures.push(`${peer} ${guest}: ${failure}`);
        for (const phase of phases) if (phase.ok) add(samples, `${guest} ${phase.name}`, peer, phase);
        process.stderr.write('.');
      }
    }
  }
  process.stderr.write('\n');
  const checks = peers.includes('hyperstep')
    ? [
        ...Object.keys(PROMISED)
          .filter((g) => guests.includes(g))
          .flatMap((g) => checksOf(g, samples)),
        ...[...samples].flatMap(([key, byPeer]) => slowerThanEarlier(key, byPeer)),
      ]
    : [];
  return { table: tableOf(samples, peers), checks, failures };
}

function add(samples: Samples, key: string, peer: PeerName, phase: Phase): void {
  const byPeer = samples.get(key) ?? new Map<PeerName, Phase[]>();
  samples.set(key, byPeer);
  byPeer.set(peer, [...(byPeer.get(peer) ?? []), phase]);
}

const seconds = (phases: readonly Phase[] | undefined): number | undefined =>
  phases && median(phases.map((phase) => phase.seconds));

/** How many times as fast as `peer` our engine is: the peer's time by ours. */
function speed(byPeer: ReadonlyMap<PeerName, readonly Phase[]>, peer: PeerName): number | undefined {
  const ours = seconds(byPeer.get('hyperstep'));
  const theirs = seconds(byPeer.get(peer));
  return ours === undefined || theirs === undefined ? undefined : theirs / ours;
}

/** WebAssembly-to-JavaScript calls per million guest instructions. */
function crossings(phases: readonly Phase[] | undefined): number | undefined {
  const rates = (phases ?? []).flatMap(({ counters: c }) =>
    c === undefined ? [] : [(c.crossings / c.instructions) * 1e6],
  );
  return rates.length === 0 ? undefined : median(rates);
}

/** Million guest instructions per second, to read the ratios by. */
function rate(phases: readonly Phase[] | undefined): number | undefined {
  const rates = (phases ?? []).flatMap(({ counters: c, seconds: s }) =>
    c === undefined ? [] : [c.instructions / s / 1e6],
  );
  return rates.length === 0 ? undefined : median(rates);
}

function tableOf(samples: Samples, peers: readonly PeerName[]): string {
  const others = peers.filter((peer) => peer !== 'hyperstep');
  const head = ['guest', 'phase', ...others.map((peer) => `hyperstep/${peer}`), 'crossings per M insns', 'M insns/s'];
  const cell = (value: number | undefined): string => (value === undefined ? '-' : rounded(value));
  const rows = [...samples].map(([key, byPeer]) => {
    const ours = byPeer.get('hyperstep');
    return [
      ...key.split(' '),
      ...others.map((peer) => cell(speed(byPeer, peer))),
      cell(crossings(ours)),
      cell(rate(ours)),
    ];
  });
  return columns([head, ...rows]);
}

function checksOf(guest: string, samples: Samples): Check[] {
  const promised = PROMISED[guest]!;
  const phases = [...samples].filter(([key]) => key.startsWith(`${guest} `));
  // A run without a result is no speed at all.
  if (phases.length === 0) phases.push([guest, new Map<PeerName, Phase[]>()]);
  return phases.flatMap(([key, byPeer]) => {
    const found: Check[] = [];
    if (byPeer.size === 0 || byPeer.has('bochs'))
      found.push({
        name: `${key} speed as a multiple of Bochs`,
        value: speed(byPeer, 'bochs') ?? 0,
        kind: 'at least',
        limit: promised.ofBochs,
        unit: '',
      });
    if (promised.crossings !== undefined)
      found.push({
        name: `${key} crossings per million instructions`,
        value: crossings(byPeer.get('hyperstep')) ?? Infinity,
        kind: 'below',
        limit: promised.crossings,
        unit: '',
      });
    return found;
  });
}

/** No phase may be slower than at the earlier commit; what measuring itself varies by is allowed for. */
function slowerThanEarlier(key: string, byPeer: ReadonlyMap<PeerName, readonly Phase[]>): Check[] {
  const multiple = speed(byPeer, 'earlier');
  if (multiple === undefined) return [];
  return [
    {
      name: `${key} speed as a multiple of the earlier commit`,
      value: multiple,
      kind: 'at least',
      limit: AT_LEAST_OF_EARLIER,
      unit: '',
    },
  ];
}
