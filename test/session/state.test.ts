/** Registers, memory and disassembly as an editor reads and changes them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT, openSession } from './client.ts';
import type { Client } from './client.ts';
import { compareTranscript, transcriptOf } from './transcript.ts';

const TINYOS = path.join(ROOT, 'samples/02-tinyos/tinyos.asm');
const LAUNCH = { program: TINYOS, mode: 'bare', __workspaceFolder: path.join(ROOT, 'samples') };

interface Row {
  readonly name: string;
  readonly value: string;
  readonly variablesReference: number;
  readonly memoryReference?: string;
}

describe('state', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };

  beforeEach(async () => {
    client = await openSession();
  });
  afterEach(() => client.close());

  const launchTo = async (label: string): Promise<void> => {
    await client.launch(LAUNCH, () => client.request('setFunctionBreakpoints', { breakpoints: [{ name: label }] }));
    await client.untilStopped('continue');
  };
  const scope = async (name: string): Promise<number> => {
    const { stackFrames } = await client.request('stackTrace', { threadId: 1 });
    const { scopes } = await client.request('scopes', { frameId: stackFrames[0].id });
    return scopes.find((each: Row) => each.name === name).variablesReference;
  };
  const rows = async (variablesReference: number): Promise<Row[]> =>
    (await client.request('variables', { variablesReference })).variables;
  const row = async (reference: number, name: string): Promise<Row> => {
    const found = (await rows(reference)).find((each) => each.name === name);
    assert.ok(found, `no row ${name}`);
    return found;
  };
  const evaluate = async (expression: string, context = 'watch') => client.request('evaluate', { expression, context });

  it('shows scopes with decoded registers in long mode', async () => {
    await launchTo('start64');
    const { stackFrames } = await client.request('stackTrace', { threadId: 1 });
    const { scopes } = await client.request('scopes', { frameId: stackFrames[0].id });
    for (const each of scopes) await client.request('variables', { variablesReference: each.variablesReference });
    const flags = await row(scopes[0].variablesReference, 'RFLAGS');
    await client.request('variables', { variablesReference: flags.variablesReference });
    compareTranscript(
      'scopes-long-mode',
      transcriptOf(client, {
        without: ['hyperstep/stopped', 'hyperstep/resumed'],
        shorten: { initialize: () => undefined },
      }),
    );
  });

  it('gives rows the same number at every stop', async () => {
    await launchTo('start64');
    const before = await scope('Registers');
    await client.untilStopped('next');
    assert.equal(await scope('Registers'), before);
  });

  it('pages through rows', async () => {
    await launchTo('start64');
    const reference = await scope('Registers');
    const all = await rows(reference);
    const { variables } = await client.request('variables', { variablesReference: reference, start: 2, count: 3 });
    assert.deepEqual(variables, all.slice(2, 5));
  });

  it('changes registers, flags and control registers as far as the processor could hold them', async () => {
    await launchTo('start64');
    const registers = await scope('Registers');
    const set = async (variablesReference: number, name: string, value: string): Promise<string> =>
      (await client.request('setVariable', { variablesReference, name, value })).value;
    assert.equal(await set(registers, 'RAX', '0x1234 + 1'), '0x0000000000001235');
    assert.equal((await evaluate('ax')).result, '0x1235');
    const flags = await row(registers, 'RFLAGS');
    assert.match(await set(flags.variablesReference, 'CF', '1'), /^1/);
    assert.equal((await evaluate('cf')).result, '1');
    await assert.rejects(set(flags.variablesReference, 'CF', '2'), /does not fit in 1 bit/);
    await assert.rejects(set(registers, 'RIP', '0x8000000000000000'), /canonical/i);
    const system = await scope('System');
    await assert.rejects(set(system, 'CR0', '0x80000000'), /./);
    await assert.rejects(set(registers, 'RAX', '1 +'), /ends too early/);
    await assert.rejects(set(registers, 'XMM0', '1'), /no "XMM0"/);
  });

  it('evaluates in watches and hovers without effect, and assigns in the console', async () => {
    await launchTo('start64');
    assert.equal((await evaluate('start64')).result.split(' ')[1], '<start64>');
    assert.equal((await evaluate('rip == start64')).result, '1');
    assert.equal((await evaluate('cr0.pg + efer.lma')).result, '0x0000000000000002');
    assert.equal((await evaluate('-1,d')).result, '-1');
    assert.equal((await evaluate('al,b')).result.length, 10);
    await assert.rejects(evaluate('rax = 5', 'hover'), /"=" is not expected/);
    await assert.rejects(evaluate('rax = 5', 'watch'), /"=" is not expected/);
    assert.equal((await evaluate('rax = 5', 'repl')).result, '0x0000000000000005');
    assert.equal((await evaluate('byte gpa:[0x600] = 0x41', 'repl')).result, '0x41');
    const { data } = await client.request('readMemory', { memoryReference: 'gpa:0x600', count: 1 });
    assert.equal(Buffer.from(data, 'base64').toString(), 'A');
  });

  it('reads and writes memory by linear and physical address', async () => {
    await launchTo('start64');
    const boot = await client.request('readMemory', { memoryReference: '0x7c00', offset: 0x1fe, count: 2 });
    assert.equal(boot.data, Buffer.from([0x55, 0xaa]).toString('base64'));
    const unmapped = await client.request('readMemory', { memoryReference: '0x8000000', count: 16 });
    assert.deepEqual(unmapped, { address: '0x0000000008000000', data: '', unreadableBytes: 16 });
    const data = Buffer.from([1, 2, 3]).toString('base64');
    assert.deepEqual(await client.request('writeMemory', { memoryReference: 'hpa:0x500000', data }), {
      bytesWritten: 3,
    });
    assert.deepEqual((await client.event('memory')).memoryReference, 'hpa:0x500000');
    assert.equal((await client.request('readMemory', { memoryReference: 'gpa:0x500000', count: 3 })).data, data);
    await assert.rejects(client.request('writeMemory', { memoryReference: '0x8000000', data }), /Only 0 of 3 bytes/);
  });

  it('disassembles each part of the program in its own code size, with symbols and lines', async () => {
    await launchTo('start64');
    const at = async (label: string, instructionOffset: number, instructionCount: number) => {
      const { memoryReference } = await evaluate(label);
      return (
        await client.request('disassemble', {
          memoryReference,
          instructionOffset,
          instructionCount,
          resolveSymbols: true,
        })
      ).instructions;
    };
    const texts = (list: { instruction: string }[]) => list.map(({ instruction }) => instruction);
    const protectedMode = await at('enter_protected_mode', 0, 5);
    assert.deepEqual(texts(protectedMode), ['cli', 'lgdt [gdt_pointer]', 'mov eax, cr0', 'or eax, 1', 'mov cr0, eax']);
    assert.equal(protectedMode[0].symbol, 'enter_protected_mode');
    assert.equal(protectedMode[0].location.path, TINYOS);
    const before = await at('enter_protected_mode', -2, 3);
    assert.equal(before.length, 3);
    assert.equal(before[2].address, protectedMode[0].address);
    assert.ok(before.every((each: { presentationHint?: string }) => each.presentationHint === undefined));
    assert.equal((await at('start64', 0, 200)).length, 200);
  });

  it('completes registers, symbols and VMCS fields', async () => {
    await launchTo('start64');
    const labels = async (text: string): Promise<string[]> =>
      (await client.request('completions', { text, column: text.length + 1 })).targets.map(
        (each: { label: string }) => each.label,
      );
    assert.ok((await labels('r1')).includes('r10d'));
    assert.ok((await labels('1 + start')).includes('start64'));
    assert.ok((await labels('vmcs.guest_r')).includes('vmcs.GUEST_RIP'));
    assert.deepEqual(await labels('zzz'), []);
  });

  it('shows rings: user code called by nobody, kernel code interrupting it', async () => {
    await launchTo('user_first_touch');
    const names = async (): Promise<string[]> =>
      (await client.request('stackTrace', { threadId: 1 })).stackFrames.map((each: Row) => each.name);
    assert.match((await names())[0]!, /^\[ring 3\] user_first_touch/);
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'page_fault' }] });
    await client.untilStopped('continue');
    assert.match((await names())[0]!, /^\[ring 0\] page_fault/);
  });

  it('stops on guest exceptions with a condition', async () => {
    await client.launch(LAUNCH, () =>
      client.request('setExceptionBreakpoints', {
        filters: [],
        filterOptions: [{ filterId: 'guest.exception', condition: 'vector == PF && address >= 0x20000' }],
      }),
    );
    const stop = await client.untilStopped('continue');
    assert.equal(stop.description, 'Paused on #PF');
    assert.match(stop.text ?? '', /#PF \(error code 0x6\) at user_first_touch \(tinyos\.asm:\d+\), address 0x20008/);
    assert.equal((await client.request('exceptionInfo', { threadId: 1 })).exceptionId, '#PF');
  });

  it('lists the sources of the program', async () => {
    await client.launch(LAUNCH);
    const { sources } = await client.request('loadedSources');
    assert.ok(sources.some((each: { path: string }) => each.path === TINYOS));
    assert.match(
      (await client.request('source', { source: { path: TINYOS }, sourceReference: 0 })).content,
      /02-tinyos/,
    );
    await assert.rejects(
      client.request('source', { source: { path: path.join(ROOT, 'package.json') }, sourceReference: 0 }),
      /not part of the program/,
    );
  });

  it('explains a triple fault', async () => {
    await client.launch({ program: path.join(import.meta.dirname, 'fixtures/triple-fault.asm'), mode: 'bare' });
    const stop = await client.untilStopped('continue');
    assert.equal(stop.description, 'Paused on triple fault');
    const info = await client.request('exceptionInfo', { threadId: 1 });
    assert.match(info.details.stackTrace, /^First: #UD at start\+0x5/);
  });
});
