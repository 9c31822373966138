/** From the first message to the last, as an editor speaks. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { AdapterProcess, ROOT, openSession } from './client.ts';
import { compareTranscript, transcriptOf } from './transcript.ts';

const HELLO = path.join(ROOT, 'samples/00-hello/hello.asm');
const FOREVER = path.join(import.meta.dirname, 'fixtures/forever.asm');
const BARE = { program: HELLO, mode: 'bare' };

/** The capabilities in a few lines: flags, and the filters by id. */
const capabilities = (body: Record<string, unknown>) => ({
  flags: Object.entries(body)
    .filter(([, value]) => value === true)
    .map(([name]) => name)
    .sort(),
  filters: (body['exceptionBreakpointFilters'] as { filter: string; default: boolean }[]).map(
    (each) => each.filter + (each.default ? ' (on)' : ''),
  ),
});

describe('life of a session', function () {
  this.timeout(30_000);

  it('over stdin and stdout: launch, run to the end, disconnect', async () => {
    const adapter = new AdapterProcess();
    try {
      const { client } = adapter;
      await client.launch(BARE);
      await client.request('threads');
      await client.request('continue', { threadId: 1 });
      await client.event('terminated');
      await client.request('disconnect');
      assert.equal(await adapter.exited(), 0);
      assert.equal(adapter.errors.trim(), '');
      compareTranscript('lifecycle-hello', transcriptOf(client, { shorten: { initialize: capabilities } }));
    } finally {
      adapter.kill();
    }
  });

  it('ends its process when the editor goes away without a word', async () => {
    const adapter = new AdapterProcess();
    await adapter.client.launch(BARE);
    adapter.process.stdin!.end();
    assert.equal(await adapter.exited(), 0);
  });

  it('pauses a guest that never ends, and hears other requests meanwhile', async () => {
    const client = await openSession();
    await client.launch({ program: FOREVER, mode: 'bare' });
    await client.request('continue', { threadId: 1 });
    const info = await client.request('hyperstep/machineInfo');
    assert.equal(info.running, true);
    await assert.rejects(client.request('next', { threadId: 1 }), /The machine is running: pause it first/);
    const asked = performance.now();
    const stop = await client.untilStopped('pause');
    assert.equal(stop.reason, 'pause');
    assert.ok(performance.now() - asked < 500, 'pause took too long');
    const after = await client.request('hyperstep/machineInfo');
    assert.equal(after.running, false);
    assert.ok(after.instructions > info.instructions);
    client.close();
  });

  it('disconnects from a running guest', async () => {
    const adapter = new AdapterProcess();
    await adapter.client.launch({ program: FOREVER, mode: 'bare', stopOnEntry: true });
    await adapter.client.request('continue', { threadId: 1 });
    await adapter.client.request('disconnect');
    assert.equal(await adapter.exited(), 0);
  });

  it('restarts the machine and keeps its breakpoints', async () => {
    const client = await openSession();
    await client.launch(BARE, async () => {
      await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'power_off' }] });
    });
    assert.equal((await client.untilStopped('continue')).reason, 'breakpoint');
    const before = await client.request('hyperstep/machineInfo');
    assert.ok(before.instructions > 100);
    assert.equal((await client.untilStopped('restart', {})).reason, 'entry');
    assert.equal((await client.request('hyperstep/machineInfo')).instructions, 0);
    assert.equal((await client.untilStopped('continue')).reason, 'breakpoint');
    assert.deepEqual(await client.request('hyperstep/machineInfo'), before);
    client.close();
  });

  it('runs without debugging: no entry stop, no breakpoints', async () => {
    const client = await openSession();
    await client.request('initialize', { adapterID: 'hyperstep' });
    await client.request('launch', { ...BARE, noDebug: true });
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'power_off' }] });
    await client.request('configurationDone');
    assert.deepEqual(await client.event('exited'), { exitCode: 0 });
    await client.event('terminated');
    assert.ok(
      !client.log.some((message) => message.type === 'event' && 'event' in message && message.event === 'stopped'),
    );
    client.close();
  });

  it('terminates on request', async () => {
    const client = await openSession();
    await client.launch({ program: FOREVER, mode: 'bare' });
    await client.request('continue', { threadId: 1 });
    await client.request('terminate');
    await client.event('terminated');
    await client.request('disconnect');
    client.close();
  });

  it('gives the console out line by line', async () => {
    const client = await openSession();
    await client.launch(BARE);
    await client.request('continue', { threadId: 1 });
    await client.event('terminated');
    const console = client.log.flatMap((message) =>
      'event' in message && message.event === 'output' && message.body.category === 'stdout'
        ? [message.body.output]
        : [],
    );
    assert.deepEqual(console, ['hello from the boot sector\n']);
    client.close();
  });
});
