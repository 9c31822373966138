/** Stepping through virtualized execution on the bare machine: the program is the hypervisor. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT, openSession } from './client.ts';
import type { Client } from './client.ts';
import { compareTranscript, transcriptOf } from './transcript.ts';

const FOLDER = path.join(ROOT, 'samples/22-first-vmlaunch');
const PROGRAM = path.join(FOLDER, 'vmlaunch.asm');
const WORKSPACE = { __workspaceFolder: path.join(ROOT, 'samples') };

describe('VMX on the bare machine', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
  });
  afterEach(() => client.close());

  const frames = async (): Promise<string[]> =>
    (await client.request('stackTrace', { threadId: 1 })).stackFrames.map((frame: { name: string }) => frame.name);
  const launchTo = async (label: string): Promise<void> => {
    await client.launch({ program: PROGRAM, ...WORKSPACE }, () =>
      client.request('setFunctionBreakpoints', { breakpoints: [{ name: label }] }),
    );
    assert.equal((await client.untilStopped('continue')).reason, 'breakpoint');
    await client.request('setFunctionBreakpoints', { breakpoints: [] });
  };
  const thread = async (): Promise<string> => (await client.request('threads')).threads[0].name;

  it('chooses the bare machine for a program that executes VMXON', async () => {
    await client.launch({ program: PROGRAM, ...WORKSPACE });
    assert.equal((await client.request('hyperstep/machineInfo')).mode, 'bare');
  });

  it('steps into VMLAUNCH to the first instruction of the guest, and out to the exit handler', async () => {
    await launchTo('launch');
    assert.match(await thread(), /64-bit, ring 0, VMX root/);
    await client.untilStopped('stepIn', { threadId: 1, granularity: 'instruction' });
    assert.deepEqual(await frames(), ['[ring 0] guest', '—— VM exits go to vm_exit ——']);
    assert.match(await thread(), /VMX non-root/);
    const stop = await client.untilStopped('stepOut');
    assert.match((await frames())[0]!, /^\[ring 0\] vm_exit$/);
    assert.equal(stop.description, 'Paused on VM exit #1: CPUID');
    assert.deepEqual((await frames()).slice(1), ['—— VM exit #1: CPUID ——', '[ring 0] guest+0x2']);
  });

  it('steps over VMLAUNCH: until the guest exits', async () => {
    await launchTo('launch');
    await client.untilStopped('next');
    assert.equal((await frames())[0], '[ring 0] vm_exit');
  });

  it('steps one exiting instruction to the first instruction of the handler', async () => {
    await launchTo('guest_out');
    await client.untilStopped('stepIn');
    assert.equal((await frames())[0], '[ring 0] vm_exit');
  });

  it('runs from exit to exit', async () => {
    await client.launch({ program: PROGRAM, ...WORKSPACE });
    const seen: string[] = [];
    for (let exit = 1; exit <= 4; exit++) {
      const stop = await client.untilStopped('hyperstep/runToNextExit');
      seen.push(stop.description ?? '');
    }
    assert.deepEqual(seen, [
      'Paused on VM exit #1: CPUID',
      'Paused on VM exit #2: I/O instruction',
      'Paused on VM exit #3: VMCALL',
      'Paused on VM exit #4: HLT',
    ]);
    const exits = await client.request('hyperstep/exits', { start: -2, count: 10 });
    assert.equal(exits.total, 4);
    assert.equal(exits.start, 2);
    assert.deepEqual(
      exits.rows.map((row: { name: string; summary: string; place: { symbol: string } }) => [
        row.name,
        row.summary,
        row.place.symbol,
      ]),
      [
        ['vmcall', 'RAX 2Ah', 'guest_out+0x1'],
        ['hlt', '', 'guest_hlt'],
      ],
    );
    assert.equal(exits.counts.length, 4);
    assert.ok(exits.counts.every((row: { count: number; share: number }) => row.count === 1 && row.share === 0.25));
  });

  it('stops on ticked exits whose condition holds', async () => {
    await client.launch({ program: PROGRAM, ...WORKSPACE }, async () => {
      const { breakpoints } = await client.request('setExceptionBreakpoints', {
        filters: ['exit.hlt'],
        filterOptions: [
          { filterId: 'exit.io', condition: 'port == 0x3f8 && direction == out && size == 1' },
          { filterId: 'exit.cpuid', condition: 'leaf == 0x1234' },
          { filterId: 'exit.vmcall', condition: 'nothing == 1' },
        ],
      });
      assert.deepEqual(
        breakpoints.map((each: { verified: boolean }) => each.verified),
        [true, true, true, false],
      );
    });
    assert.equal((await client.untilStopped('continue')).description, 'Paused on VM exit #2: I/O instruction');
    const info = await client.request('exceptionInfo', { threadId: 1 });
    assert.equal(info.exceptionId, 'VM exit: I/O instruction');
    assert.match(info.details.stackTrace, /port = 0x3f8/);
    assert.equal((await client.untilStopped('continue')).description, 'Paused on VM exit #4: HLT');
  });

  it('shows the VMCS with decoded bits and where a field was last written', async () => {
    await launchTo('launch');
    const vmcs = await client.request('hyperstep/vmcs');
    assert.equal(vmcs.present, true);
    assert.equal(vmcs.launchState, 'clear');
    assert.deepEqual(
      vmcs.groups.map((group: { area: string }) => group.area),
      ['guest state', 'host state', 'control', 'exit information'],
    );
    const fields = vmcs.groups.flatMap((group: { fields: object[] }) => group.fields);
    const field = (key: string) => fields.find((each: { key: string }) => each.key === key);
    assert.equal(field('VMCS_LINK_PTR').value, '0xffffffffffffffff');
    assert.equal(field('HOST_RIP').lastWrite.path, PROGRAM);
    const hlt = field('PROC1_CONTROLS').fields.find((each: { name: string }) => each.name === 'HLT exiting');
    assert.equal(hlt.value, 1);
    assert.equal(field('EXIT_REASON').writable, false);
    const { result } = await client.request('evaluate', { expression: 'vmcs.HOST_RIP', context: 'hover' });
    assert.match(result, /<vm_exit>$/);
  });

  it('lets a field be changed, and refuses what it cannot hold', async () => {
    await launchTo('launch');
    await client.request('setExpression', { expression: 'vmcs.GUEST_RFLAGS', value: '0' });
    await assert.rejects(
      client.request('setExpression', { expression: 'vmcs.GUEST_CS_SELECTOR', value: '0x10000' }),
      /16 bits/,
    );
    const stop = await client.untilStopped('continue');
    assert.equal(stop.description, 'Paused on VMLAUNCH failure');
    const info = await client.request('exceptionInfo', { threadId: 1 });
    assert.match(info.details.stackTrace, /GRFL-01: RFLAGS bit 1 is 1/);
  });

  it('says before VMXON why there is no VMCS', async () => {
    await client.launch({ program: PROGRAM, ...WORKSPACE });
    assert.deepEqual(await client.request('hyperstep/vmcs'), {
      present: false,
      because: 'The processor is not in VMX operation: VMXON has not been executed.',
    });
    await assert.rejects(client.request('evaluate', { expression: 'vmcs.GUEST_RIP' }), /no current VMCS/);
  });

  it('walks page tables of a guest under EPT without changing anything', async () => {
    await launchTo('guest');
    const walk = await client.request('hyperstep/pageWalk', { address: 'guest' });
    assert.equal(walk.mode, '4-level');
    assert.equal(walk.nested, true);
    assert.equal(walk.failure, undefined);
    assert.equal(walk.hostPhysical, walk.guestPhysical);
    assert.deepEqual(walk.steps.map((step: { level: string }) => step.level).slice(0, 2), ['PML4E', 'PDPTE']);
    for (const step of walk.steps) assert.equal(step.ept.steps.at(-1).leaf, true);
    assert.deepEqual(await client.request('hyperstep/pageWalk', { address: 'guest' }), walk);
    const missing = await client.request('hyperstep/pageWalk', { address: '0xffff800000000000', access: 'write' });
    assert.match(missing.failure, /PML4E/);
    assert.equal(missing.steps.at(-1).failing, true);
    assert.equal(missing.steps.at(-1).verdict, 'not present');
  });

  it('explains a refused VM entry: every check, its field, value and last write', async () => {
    const program = path.join(FOLDER, 'broken/05-rflags-bit-1.asm');
    await client.launch({ program, ...WORKSPACE });
    await client.untilStopped('continue');
    await client.request('exceptionInfo', { threadId: 1 });
    await client.request('stackTrace', { threadId: 1 });
    compareTranscript(
      'refused-entry',
      transcriptOf(client, {
        without: ['hyperstep/stopped', 'hyperstep/resumed'],
        shorten: { initialize: () => undefined },
      }),
    );
  });
});
