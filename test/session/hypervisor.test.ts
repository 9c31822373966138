/** Guests under the built-in hypervisor: its handlers, step by step. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT, openSession } from './client.ts';
import type { Body, Client } from './client.ts';
import { compareTranscript, transcriptOf } from './transcript.ts';

const TINYOS = path.join(ROOT, 'samples/02-tinyos/tinyos.asm');
const LAUNCH = { program: TINYOS, mode: 'vm', __workspaceFolder: path.join(ROOT, 'samples') };
const CPUID = { filterId: 'exit.cpuid', condition: 'reason == cpuid && rax == 0x80000001' };

describe('the built-in hypervisor', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
  });
  afterEach(() => client.close());

  const frames = async (): Promise<string[]> =>
    (await client.request('stackTrace', { threadId: 1 })).stackFrames.map((frame: Body) => frame.name);
  const value = async (expression: string): Promise<string> =>
    (await client.request('evaluate', { expression, context: 'watch' })).result;
  const toCpuid = async (): Promise<Body> => {
    await client.launch(LAUNCH, () =>
      client.request('setExceptionBreakpoints', { filters: [], filterOptions: [CPUID] }),
    );
    return client.untilStopped('continue');
  };

  it('runs a guest in VMX non-root operation from its first instruction', async () => {
    await client.launch(LAUNCH);
    assert.deepEqual((await client.request('threads')).threads, [{ id: 1, name: 'vCPU 0 (real mode, VMX non-root)' }]);
    const info = await client.request('hyperstep/machineInfo');
    assert.equal(info.mode, 'vm');
    assert.equal(info.processors[0].hasVmcs, true);
  });

  it('stops on the CPUID exit the condition picks, and shows it', async () => {
    await toCpuid();
    await client.request('exceptionInfo', { threadId: 1 });
    await client.request('threads');
    const { stackFrames } = await client.request('stackTrace', { threadId: 1 });
    const { scopes } = await client.request('scopes', { frameId: stackFrames[0].id });
    await client.request('variables', {
      variablesReference: scopes.find((each: Body) => each.name === 'VM exit').variablesReference,
    });
    compareTranscript(
      'cpuid-exit',
      transcriptOf(client, { without: ['output', 'hyperstep/resumed'], shorten: { initialize: () => undefined } }),
    );
  });

  it('lets each change appear only after its own step', async () => {
    await toCpuid();
    const seen: (readonly [string, boolean, boolean])[] = [];
    const rip = await value('vmcs.GUEST_RIP');
    for (;;) {
      const top = (await frames())[0]!;
      if (!top.startsWith('hypervisor')) break;
      seen.push([top, (await value('rax')) !== '0x0000000080000001', (await value('vmcs.GUEST_RIP')) !== rip]);
      await client.untilStopped('stepIn');
    }
    assert.deepEqual(seen, [
      ['hypervisor: CPUID — read the leaf', false, false],
      ['hypervisor: CPUID — query the processor', false, false],
      ['hypervisor: CPUID — filter the answer', false, false],
      ['hypervisor: CPUID — write RAX, RBX, RCX, RDX', false, false],
      ['hypervisor: CPUID — advance GUEST_RIP', true, false],
      ['hypervisor: CPUID — VMRESUME', true, true],
    ]);
    assert.deepEqual(await frames(), ['[ring 0] cpuid_extended_features+0x2']);
  });

  it('steps into an exiting instruction to the first step of its handler, over it to the next instruction', async () => {
    await client.launch(LAUNCH, () =>
      client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'cpuid_extended_features' }] }),
    );
    await client.untilStopped('continue');
    await client.untilStopped('stepIn', { threadId: 1, granularity: 'instruction' });
    assert.equal((await frames())[0], 'hypervisor: CPUID — read the leaf');
    assert.deepEqual((await client.request('threads')).threads[0].name, 'vCPU 0 (VMX root, handling CPUID)');
    await client.untilStopped('restart', {});
    await client.untilStopped('continue');
    await client.untilStopped('next', { threadId: 1, granularity: 'instruction' });
    assert.deepEqual(await frames(), ['[ring 0] cpuid_extended_features+0x2']);
  });

  it('steps out of a handler, and runs from exit to exit', async () => {
    await toCpuid();
    const stop = await client.untilStopped('stepOut');
    assert.equal(stop.reason, 'step');
    assert.deepEqual(await frames(), ['[ring 0] cpuid_extended_features+0x2']);
    assert.match((await client.untilStopped('hyperstep/runToNextExit')).description ?? '', /^Paused on VM exit #\d+: /);
    assert.match((await frames())[0]!, /^hypervisor: /);
  });

  it('walks guest paging under EPT: 24 references for four levels on four', async () => {
    await client.launch(LAUNCH, () => client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'start64' }] }));
    await client.untilStopped('continue');
    const walk = await client.request('hyperstep/pageWalk', { address: 'start64' });
    assert.equal(walk.mode, '4-level');
    assert.deepEqual(
      walk.steps.map((step: Body) => step.level),
      ['PML4E', 'PDPTE', 'PDE', 'PTE'],
    );
    assert.ok(walk.steps.every((step: Body) => step.ept.failure === undefined));
    assert.notEqual(walk.hostPhysical, walk.guestPhysical);
    assert.ok(walk.references >= 4 + 5 * 3 && walk.references <= 24, String(walk.references));
    const { data } = await client.request('readMemory', { memoryReference: walk.hostPhysicalReference, count: 8 });
    assert.equal(data, (await client.request('readMemory', { memoryReference: walk.linear, count: 8 })).data);
  });

  it('changes guest registers while a handler runs', async () => {
    await toCpuid();
    await client.request('setExpression', { expression: 'rflags.CF', value: '1' });
    await client.request('setExpression', { expression: 'rbx', value: '0x77' });
    assert.equal(await value('cf'), '1');
    assert.equal(await value('vmcs.GUEST_RFLAGS & 1'), '0x0000000000000001');
    assert.equal(await value('rbx'), '0x0000000000000077');
  });

  it('prints the same console as the bare machine and ends the same', async () => {
    const consoleOf = async (mode: string): Promise<string> => {
      const session = await openSession();
      await session.launch({ ...LAUNCH, mode });
      await session.request('continue', { threadId: 1 });
      assert.deepEqual(await session.event('exited'), { exitCode: 0 });
      session.close();
      return session.log
        .map((message: Body) =>
          message.event === 'output' && message.body.category === 'stdout' ? message.body.output : '',
        )
        .join('');
    };
    const inVm = await consoleOf('vm');
    assert.match(inVm, /tinyos: done\n$/);
    assert.equal(inVm, await consoleOf('bare'));
  });
});
