/** Several processors are the threads of the debugger. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { openSession } from './client.ts';
import type { Body, Client } from './client.ts';

const PROGRAM = path.join(import.meta.dirname, 'fixtures/processors.asm');
const LINES = readFileSync(PROGRAM, 'utf8').split('\n');
const lineOf = (text: string): number => LINES.findIndex((line) => line.trim() === text) + 1;

describe('processors as threads', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
    await client.launch({ program: PROGRAM, processors: 4 });
  });
  afterEach(() => client.close());

  const threads = async (): Promise<string[]> =>
    (await client.request('threads')).threads.map(({ id, name }: Body) => `${id} ${name}`);
  const top = async (threadId: number): Promise<Body> =>
    (await client.request('stackTrace', { threadId })).stackFrames[0];
  const ebx = async (threadId: number): Promise<string> =>
    (await client.request('evaluate', { expression: 'ebx', frameId: (await top(threadId)).id })).result;
  const stopAt = async (text: string): Promise<void> => {
    await client.request('setBreakpoints', {
      source: { path: PROGRAM },
      breakpoints: text === '' ? [] : [{ line: lineOf(text) }],
    });
  };

  it('tell in their names what they do', async () => {
    assert.deepEqual(await threads(), [
      '1 Processor 0 (BSP): running, protected, ring 0',
      '2 Processor 1: waiting for SIPI',
      '3 Processor 2: waiting for SIPI',
      '4 Processor 3: waiting for SIPI',
    ]);
    await stopAt('cli');
    const stop = await client.untilStopped('continue');
    assert.equal(stop.threadId, 1);
    assert.equal(stop.allThreadsStopped, true);
    assert.deepEqual(
      (await threads()).map((name) => name.replace(/,.*/, '')),
      ['1 Processor 0 (BSP): running', '2 Processor 1: halted', '3 Processor 2: halted', '4 Processor 3: halted'],
    );
  });

  it('stop one by one, each with its own stack, registers and steps', async () => {
    await stopAt('call count_one');
    for (const threadId of [2, 3, 4]) {
      const stop = await client.untilStopped('continue', { threadId: 1 });
      assert.equal(stop.reason, 'breakpoint');
      assert.equal(stop.threadId, threadId);
      const { stackFrames } = await client.request('stackTrace', { threadId });
      assert.deepEqual(
        stackFrames.map(({ name }: Body) => name),
        ['[ring 0] work+0x6', '[ring 0] sleep'],
      );
      assert.equal(await ebx(threadId), `0x${((threadId - 1) * 0x111).toString(16).padStart(8, '0')}`);
      assert.equal((await client.untilStopped('stepIn', { threadId })).threadId, threadId);
      assert.equal((await top(threadId)).line, lineOf('lock inc dword [count]'));
      assert.equal((await client.untilStopped('stepOut', { threadId })).threadId, threadId);
      assert.equal((await top(threadId)).line, lineOf('call count_one') + 1);
      if (threadId === 2) assert.equal((await top(3)).name, '[real] 0xfffffff0', 'its turn has not come');
    }
  });

  it('stop alike at a second run', async () => {
    const run = async (session: Client): Promise<unknown[]> => {
      const seen: unknown[] = [];
      await session.request('setBreakpoints', {
        source: { path: PROGRAM },
        breakpoints: [{ line: lineOf('lock inc dword [count]') }],
      });
      for (let index = 0; index < 3; index++) {
        const { threadId } = await session.untilStopped('continue');
        const info = await session.request('hyperstep/machineInfo');
        seen.push([threadId, info.instructions]);
        await session.untilStopped('next', { threadId });
      }
      return seen;
    };
    const first = await run(client);
    const again = await openSession();
    try {
      await again.launch({ program: PROGRAM, processors: 4 });
      assert.deepEqual(await run(again), first);
    } finally {
      again.close();
    }
  });

  it('may be stepped while they wait: until they have made their next instruction', async () => {
    const stop = await client.untilStopped('stepIn', { threadId: 4, granularity: 'instruction' });
    assert.equal(stop.threadId, 4);
    assert.equal((await top(4)).line, lineOf('trampoline:') + 2);
  });

  it('have registers that can be set', async () => {
    await stopAt('call count_one');
    await client.untilStopped('continue');
    await client.untilStopped('continue');
    const frameId = (await top(2)).id;
    const { scopes } = await client.request('scopes', { frameId });
    const { variablesReference } = scopes.find(({ name }: Body) => name === 'Registers');
    await client.request('setVariable', { variablesReference, name: 'RBX', value: '0x77' });
    assert.deepEqual([await ebx(2), await ebx(3)], ['0x00000077', '0x00000222']);
    await client.request('evaluate', { expression: 'ebx = 0x78', context: 'repl', frameId });
    assert.deepEqual([await ebx(2), await ebx(3)], ['0x00000078', '0x00000222']);
  });

  it('halt for good when the last of them does', async () => {
    const stop = await client.untilStopped('continue');
    assert.match(String(stop.text ?? stop.description), /no other processor runs/);
  });

  it('are one in mode vm', async () => {
    const refused = await openSession();
    try {
      await refused.request('initialize', { adapterID: 'hyperstep' });
      await assert.rejects(
        refused.request('launch', { program: PROGRAM, processors: 2, mode: 'vm' }),
        /"processors" is 2: the built-in hypervisor runs one virtual processor; write "mode": "bare" for more/,
      );
      await assert.rejects(
        refused.request('launch', { program: PROGRAM, processors: 9 }),
        /"processors" is 9; it must be a whole number from 1 to 8/,
      );
    } finally {
      refused.close();
    }
  });
});
