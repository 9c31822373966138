/** Stepping by line and instruction, in, over and out; breakpoints of every kind. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { openSession } from './client.ts';
import type { Client } from './client.ts';

const PROGRAM = path.join(import.meta.dirname, 'fixtures/calls.asm');

describe('stepping and breakpoints', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
    await client.launch({ program: PROGRAM, mode: 'bare' });
  });
  afterEach(() => client.close());

  const here = async (): Promise<number> => (await client.request('stackTrace', { threadId: 1 })).stackFrames[0].line;
  const frames = async (): Promise<string[]> =>
    (await client.request('stackTrace', { threadId: 1 })).stackFrames.map((frame: { name: string }) => frame.name);
  const value = async (expression: string): Promise<string> =>
    (await client.request('evaluate', { expression, context: 'watch' })).result;
  const step = async (command: string, granularity?: string): Promise<number> => {
    const stop = await client.untilStopped(command, { threadId: 1, ...(granularity ? { granularity } : {}) });
    assert.equal(stop.reason, 'step');
    return here();
  };
  const to = async (line: number): Promise<void> => {
    await client.request('setBreakpoints', { source: { path: PROGRAM }, breakpoints: [{ line }] });
    assert.equal((await client.untilStopped('continue')).reason, 'breakpoint');
    assert.equal(await here(), line);
    await client.request('setBreakpoints', { source: { path: PROGRAM }, breakpoints: [] });
  };

  it('begins at the boot sector', async () => {
    assert.deepEqual(await frames(), ['[real] start']);
    assert.equal(await here(), 11);
    assert.equal(await value('cs.base + ip == 0x7c00'), '1');
  });

  it('steps into calls, shows the callers, and steps out', async () => {
    await to(16);
    assert.equal(await step('stepIn'), 30);
    assert.equal(await step('stepIn'), 31);
    assert.equal(await step('stepIn'), 36);
    assert.deepEqual(await frames(), ['[real] inner', '[real] outer+0x4', '[real] start+0xe']);
    assert.equal(await step('stepOut'), 32);
    assert.equal(await step('stepOut'), 17);
    assert.equal(await value('dx'), '0x1234');
  });

  it('says why it cannot step out of the outermost routine', async () => {
    await assert.rejects(client.request('stepOut', { threadId: 1 }), /No caller is known here/);
  });

  it('steps over calls', async () => {
    await to(16);
    assert.equal(await step('next'), 17);
    assert.equal(await value('dx'), '0x1234');
  });

  it('takes a macro as one statement, and as several instructions', async () => {
    await to(17);
    assert.equal(await step('stepIn', 'instruction'), 17);
    assert.equal(await step('stepIn', 'instruction'), 18);
    await client.untilStopped('restart', {});
    await to(17);
    assert.equal(await step('next'), 18);
    assert.equal(await value('bx'), '0x0002');
  });

  it('stops at each round of a loop in one line', async () => {
    await to(20);
    assert.equal(await step('next'), 20);
    assert.equal(await value('cx'), '0x0002');
    assert.equal(await step('next'), 20);
    assert.equal(await step('next'), 21);
  });

  it('takes a repeated string instruction as one step', async () => {
    for (const [command, granularity] of [['next'], ['stepIn'], ['stepIn', 'instruction']] as const) {
      await to(24);
      assert.equal(await step(command, granularity), 25);
      assert.equal(await value('cx'), '0x0000');
      assert.equal(await value('byte [buffer+15]'), '0x78');
      await client.untilStopped('restart', {});
    }
  });

  it('stops at a breakpoint inside what is stepped over', async () => {
    await to(16);
    await client.request('setBreakpoints', { source: { path: PROGRAM }, breakpoints: [{ line: 36 }] });
    const stop = await client.untilStopped('next');
    assert.equal(stop.reason, 'breakpoint');
    assert.equal(stop.hitBreakpointIds?.length, 1);
    assert.equal(await here(), 36);
  });

  it('moves a breakpoint to the next line with code, and explains one that has none', async () => {
    const { breakpoints } = await client.request('setBreakpoints', {
      source: { path: PROGRAM },
      breakpoints: [{ line: 1 }, { line: 19 }, { line: 90 }],
    });
    assert.deepEqual(
      breakpoints.map((each: { verified: boolean; line?: number }) => [each.verified, each.line]),
      [
        [true, 11],
        [true, 20],
        [false, undefined],
      ],
    );
    assert.match(breakpoints[2].message, /no code at or after this line/);
    const locations = await client.request('breakpointLocations', { source: { path: PROGRAM }, line: 16, endLine: 20 });
    assert.deepEqual(locations.breakpoints, [{ line: 16 }, { line: 17 }, { line: 18 }, { line: 20 }]);
  });

  it('obeys conditions, hit counts and log messages', async () => {
    const set = (extra: object): Promise<{ breakpoints: { verified: boolean; message?: string }[] }> =>
      client.request('setBreakpoints', { source: { path: PROGRAM }, breakpoints: [{ line: 20, ...extra }] });
    await set({ condition: 'cx == 1' });
    await client.untilStopped('continue');
    assert.equal(await value('cx'), '0x0001');
    await client.untilStopped('restart', {});
    await set({ hitCondition: '2' });
    await client.untilStopped('continue');
    assert.equal(await value('cx'), '0x0002');
    await client.untilStopped('restart', {});
    await set({ logMessage: 'cx is {cx}' });
    assert.equal((await client.untilStopped('continue')).reason, 'halted');
    const logs = client.log.flatMap((message) =>
      'event' in message && message.event === 'output' && message.body.category === 'console'
        ? [message.body.output]
        : [],
    );
    assert.deepEqual(logs, ['cx is 0x3\n', 'cx is 0x2\n', 'cx is 0x1\n']);
    const bad = await set({ condition: 'cz == 1' });
    assert.equal(bad.breakpoints[0]?.verified, false);
    assert.match(bad.breakpoints[0]?.message ?? '', /"cz" is no register/);
  });

  it('breaks on functions by name and pattern, and on instructions', async () => {
    const functions = await client.request('setFunctionBreakpoints', {
      breakpoints: [{ name: '/^(inner|outer)$/' }, { name: 'iner' }],
    });
    assert.equal(functions.breakpoints[0].verified, true);
    assert.match(functions.breakpoints[1].message, /no label "iner".*Did you mean "inner"/);
    await client.untilStopped('continue');
    assert.equal((await frames())[0], '[real] outer');
    await client.untilStopped('continue');
    assert.equal((await frames())[0], '[real] inner');
    await client.request('setFunctionBreakpoints', { breakpoints: [] });
    const reference = (await client.request('evaluate', { expression: 'outer', context: 'watch' })).memoryReference;
    await client.request('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: reference, offset: 4 }],
    });
    assert.equal((await client.untilStopped('continue')).reason, 'breakpoint');
    assert.equal((await frames())[0], '[real] outer+0x4');
  });

  it('stops after memory is touched', async () => {
    const info = await client.request('dataBreakpointInfo', { name: 'word [counter]' });
    assert.equal(info.description, '2 bytes at counter');
    const set = await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId: info.dataId, accessType: 'write' }],
    });
    assert.equal(set.breakpoints[0].verified, true);
    const stop = await client.untilStopped('continue');
    assert.equal(stop.reason, 'data breakpoint');
    assert.equal(stop.text, 'write at counter');
    assert.equal(await value('word [counter]'), '0x0007');
    assert.equal(await here(), 26);
  });

  it('steps one instruction where a data breakpoint beside it does not apply', async () => {
    await to(25);
    const { dataId } = await client.request('dataBreakpointInfo', { name: 'word [counter]' });
    await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId, accessType: 'write', condition: 'ax == 1' }],
    });
    assert.equal(await step('stepIn', 'instruction'), 26);
  });

  it('watches memory: not what a register happens to hold, unless its value is named as an address', async () => {
    const info = (args: object): Promise<{ dataId: string | null; description: string }> =>
      client.request('dataBreakpointInfo', args);
    const { scopes } = await client.request('scopes', {
      frameId: (await client.request('stackTrace', { threadId: 1 })).stackFrames[0].id,
    });
    const row = await info({ name: 'RSP', variablesReference: scopes[0].variablesReference });
    assert.equal(row.dataId, null);
    assert.match(row.description, /^RSP is not in linear memory.*\[RSP\]/);
    assert.equal((await info({ name: 'sp' })).dataId, null);
    assert.equal((await info({ name: '7c00h' })).dataId, null);
    assert.equal((await info({ name: '7c00h', asAddress: true, bytes: 4 })).dataId, '0x0000000000007c00/4');
    assert.match((await info({ name: 'counter' })).description, /^2 bytes at counter$/);
  });

  it('answers each breakpoint on its own: one bad address or place does not refuse the rest', async () => {
    const instructions = await client.request('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: 'outer' }, { instructionReference: '0x7c00' }],
    });
    assert.deepEqual(
      instructions.breakpoints.map((each: { verified: boolean }) => each.verified),
      [false, true],
    );
    assert.match(instructions.breakpoints[0].message, /"instructionReference" is "outer", which is no linear address/);
    const data = await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId: '0x7000/0' }, { dataId: 'all' }, { dataId: '0x7000/1' }],
    });
    assert.deepEqual(
      data.breakpoints.map((each: { verified: boolean }) => each.verified),
      [false, false, true],
    );
    assert.match(data.breakpoints[0].message, /"dataId" is "0x7000\/0".*at least 1 byte/);
  });

  it('keeps the numbers of breakpoints over a restart, and says what became of them', async () => {
    const { breakpoints } = await client.request('setBreakpoints', {
      source: { path: PROGRAM },
      breakpoints: [{ line: 90 }, { line: 20 }],
    });
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'inner' }] });
    await client.request('restart', {});
    const changed = [
      await client.event('breakpoint'),
      await client.event('breakpoint'),
      await client.event('breakpoint'),
    ];
    assert.deepEqual(
      changed.map(({ reason, breakpoint }) => [reason, breakpoint.verified]),
      [
        ['changed', false],
        ['changed', true],
        ['changed', true],
      ],
    );
    assert.equal(changed[0].breakpoint.id, breakpoints[0].id);
    assert.equal(changed[1].breakpoint.id, breakpoints[1].id);
    await client.event('stopped');
    assert.deepEqual((await client.untilStopped('continue')).hitBreakpointIds, [changed[2].breakpoint.id]);
  });

  it('sets RIP to a line', async () => {
    const { targets } = await client.request('gotoTargets', { source: { path: PROGRAM }, line: 18 });
    const stop = await client.untilStopped('goto', { threadId: 1, targetId: targets[0].id });
    assert.equal(stop.reason, 'goto');
    assert.equal(await here(), 18);
  });
});
