/**
 * One question: does the debugger answer at once? Measured where an editor sees it, at the wire: a launch until the stop on
 * entry (with the start of the adapter's process), a step until it has stopped again, a page walk until its answer, and the
 * adapter's memory when a guest has touched all of its 64 MiB.
 */
import path from 'node:path';
import { fromRoot } from '../../scripts/lib/root.ts';
import type { CustomRequests } from '../../debug-adapter/protocol/requests.ts';
import { WORKSPACE_ATTRIBUTE, type LaunchAttributes } from '../../debug-adapter/protocol/launch.ts';
import { DapClient } from './dap-client.ts';
import type { Check } from './limits.ts';
import { percentile95 } from './statistics.ts';

const ADAPTER = fromRoot('dist', 'adapter.cjs');
const LAUNCHES = 20;
const STEPS = 300;
const WALKS = 300;

const SAMPLE = fromRoot('samples', '02-tinyos', 'tinyos.asm');
const FILL = fromRoot('test', 'bench', 'guests', 'fill-memory.asm');
/** A label of the sample that it reaches in long mode with its own page tables. */
const IN_LONG_MODE = 'cpuid_syscall';
/** Addresses of the sample: its code, its stack, a page that is not mapped, one that is given out on demand. */
const WALKED = ['rip', 'rsp', '0x10000', '0x20000', '0x7fff00000000'];
const THREAD = 1;

const LIMITS = { launchMs: 500, stepMs: 10, walkMs: 10, megabytes: 250 } as const;

export async function measureDap(): Promise<readonly Check[]> {
  const launches: number[] = [];
  for (let i = 0; i < LAUNCHES; i++) {
    const from = performance.now();
    const client = await launch(SAMPLE, true);
    launches.push(performance.now() - from);
    client.end();
  }
  const { steps, walks } = await stepAndWalk();
  const megabytes = await memoryOfFullGuest();
  const milliseconds = (name: string, samples: readonly number[], limit: number): Check => ({
    name: `${name}, p95`,
    value: percentile95(samples),
    kind: 'below',
    limit,
    unit: ' ms',
  });
  const memory: Check = {
    name: 'adapter with a 64 MiB guest, peak RSS',
    value: megabytes ?? NaN,
    kind: 'below',
    limit: LIMITS.megabytes,
    unit: ' MB',
  };
  return [
    milliseconds('launch to stopped on entry', launches, LIMITS.launchMs),
    milliseconds('step', steps, LIMITS.stepMs),
    milliseconds('page walk', walks, LIMITS.walkMs),
    // Only Linux tells the peak.
    ...(megabytes === undefined ? [] : [memory]),
  ];
}

async function launch(program: string, stopOnEntry: boolean): Promise<DapClient> {
  const client = new DapClient(ADAPTER);
  await client.request('initialize', { adapterID: 'hyperstep', linesStartAt1: true, columnsStartAt1: true });
  const stopped = client.event(stopOnEntry ? 'stopped' : 'terminated');
  const configured = client.event('initialized').then(async () => {
    await client.request('setFunctionBreakpoints', { breakpoints: stopOnEntry ? [{ name: IN_LONG_MODE }] : [] });
    await client.request('configurationDone');
  });
  const attributes: LaunchAttributes = { program, memory: '64M', stopOnEntry };
  await Promise.all([
    client.request('launch', { ...attributes, [WORKSPACE_ATTRIBUTE]: path.dirname(path.dirname(program)) }),
    configured,
    stopped,
  ]);
  return client;
}

async function stepAndWalk(): Promise<{ readonly steps: readonly number[]; readonly walks: readonly number[] }> {
  const client = await launch(SAMPLE, true);
  const steps: number[] = [];
  const walks: number[] = [];
  const step = async () => {
    const from = performance.now();
    const stopped = client.event('stopped');
    await client.request('stepIn', { threadId: THREAD, granularity: 'instruction' });
    await stopped;
    steps.push(performance.now() - from);
  };
  // Half of them in real mode, half in long mode under EPT.
  for (let i = 0; i < STEPS / 2; i++) await step();
  const reached = client.event('stopped');
  await client.request('continue', { threadId: THREAD });
  await reached;
  for (let i = 0; i < STEPS / 2; i++) await step();
  for (let i = 0; i < WALKS; i++) {
    const args: CustomRequests['hyperstep/pageWalk']['arguments'] = {
      threadId: THREAD,
      address: WALKED[i % WALKED.length]!,
    };
    const from = performance.now();
    const body = await client.request<CustomRequests['hyperstep/pageWalk']['body']>('hyperstep/pageWalk', args);
    walks.push(performance.now() - from);
    if (body.steps.length === 0 || !body.nested)
      throw new Error(`the walk of ${args.address} is no nested one: ${JSON.stringify(body)}`);
  }
  client.end();
  return { steps, walks };
}

async function memoryOfFullGuest(): Promise<number | undefined> {
  const client = await launch(FILL, false);
  const megabytes = client.peakMegabytes();
  client.end();
  return megabytes;
}
