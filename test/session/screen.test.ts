/** The screen as a view asks for it, and keys as a view sends them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { openSession } from './client.ts';
import type { Client } from './client.ts';

const KEYBOARD = path.join(import.meta.dirname, 'fixtures/keyboard.asm');

describe('screen and keyboard', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
  });
  afterEach(() => client.close());

  for (const mode of ['bare', 'vm']) {
    it(`shows what the guest has written and types to it, mode ${mode}`, async () => {
      await client.launch({ program: KEYBOARD, mode });
      assert.match((await client.request('hyperstep/textScreen')).lines[0].text, /^ {80}$/);
      const stop = await client.untilStopped('continue');
      assert.match(stop.text ?? '', /no device will ever interrupt/);
      const { lines, columns, rows, cursor, memoryReference } = await client.request('hyperstep/textScreen');
      assert.deepEqual([columns, rows, lines.length, cursor.visible], [80, 25, 25, true]);
      assert.equal(lines[0].text.trimEnd(), 'K');
      assert.deepEqual(lines[0].runs[0], { column: 0, length: 1, foreground: 15, background: 1, blink: false });
      const { data } = await client.request('readMemory', { memoryReference, count: 2 });
      assert.equal(data, Buffer.from([0x4b, 0x1f]).toString('base64'));

      await client.request('hyperstep/keyboardInput', { text: 'aB', keys: ['F1'], scanCodes: [0x58, 0xd8] });
      await client.untilStopped('continue');
      const after = await client.request('hyperstep/textScreen');
      assert.equal(after.lines[1].text.trimEnd(), '1e2a303b58');

      await client.request('hyperstep/keyboardInput', { keys: ['Enter'] });
      await client.request('continue', { threadId: 1 });
      assert.deepEqual(await client.event('exited'), { exitCode: 1 });
    });
  }

  it('refuses keys that there are not', async () => {
    await client.launch({ program: KEYBOARD, mode: 'bare' });
    const send = async (args: object) => client.request('hyperstep/keyboardInput', args);
    await assert.rejects(send({ keys: ['Entr'] }), /Did you mean "Enter"/);
    await assert.rejects(send({ text: 'ß' }), /no key for "ß"/);
    await assert.rejects(send({ scanCodes: [256] }), /from 0 to 255/);
    await assert.rejects(send({ scanCodes: ['a'] }), /must be a number/);
  });
});
