/** Mistakes get one clear message each; the adapter survives, and the next launch works. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT, openSession } from './client.ts';
import type { Client } from './client.ts';
import { compareTranscript, transcriptOf } from './transcript.ts';

const FIXTURES = path.join(import.meta.dirname, 'fixtures');
const HELLO = path.join(ROOT, 'samples/00-hello/hello.asm');

describe('bad input', function () {
  this.timeout(30_000);
  let client: Client & { close(): void };
  let scratch: string;

  beforeEach(async () => {
    client = await openSession();
    scratch = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-test-'));
  });
  afterEach(() => {
    client.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const file = (name: string, content: string | Uint8Array): string => {
    const target = path.join(scratch, name);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
    return target;
  };

  /** The launch is refused with this message; afterwards the same session debugs a good program. */
  async function refused(launch: object, message: RegExp): Promise<void> {
    await client.request('initialize', { adapterID: 'hyperstep' });
    await assert.rejects(client.request('launch', launch), (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n|\bat .*\.ts:/);
      return true;
    });
    await client.request('launch', { program: HELLO, mode: 'bare' });
    await client.request('configurationDone');
    assert.equal((await client.event('stopped')).reason, 'entry');
  }

  it('a syntax error is named by file, line and column, and all of them are listed', async () => {
    await refused({ program: path.join(FIXTURES, 'broken.asm') }, /^broken\.asm:4:\d+: .*nowhere/);
    const errors = client.log.flatMap((message) =>
      'event' in message && message.event === 'output' && message.body.category === 'stderr' ? [message.body] : [],
    );
    assert.deepEqual(
      errors.map((each) => each.line),
      [4, 5],
    );
    assert.ok(errors.every((each) => each.source.path.endsWith('broken.asm')));
  });

  it('a missing file', () =>
    refused({ program: path.join(FIXTURES, 'none.asm') }, /none\.asm cannot be read: there is no such file/));
  it('a folder', () => refused({ program: FIXTURES }, /names a folder/));
  it('an empty file', () => refused({ program: file('empty.elf', '') }, /empty/));
  it('a truncated ELF', () =>
    refused(
      { program: file('kernel.elf', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1)) },
      /kernel\.elf.*(truncated|ends|short)/i,
    ));
  it('a file of no known format', () =>
    refused({ program: file('notes.txt', 'hello') }, /notes\.txt.*neither an ELF file/));

  it('an unknown attribute, with the nearest known one', () =>
    refused(
      { program: HELLO, stopOnEntri: true },
      /Unknown launch attribute "stopOnEntri"\. Did you mean "stopOnEntry"\?/,
    ));
  for (const name of ['constructor', 'toString', 'hasOwnProperty'])
    it(`an attribute named ${name}`, () =>
      refused({ program: HELLO, [name]: 1 }, new RegExp(`^Unknown launch attribute "${name}"`)));
  it('an attribute of the wrong kind', () =>
    refused({ program: HELLO, stopOnEntry: 'yes' }, /"stopOnEntry" must be a boolean, not "yes"/));
  it('no program', () => refused({}, /"program" is missing/));
  it('an unknown mode', () => refused({ program: HELLO, mode: 'vmx' }, /"mode" is "vmx".*"bare" or "vm"/));
  it('a memory size that is none', () => refused({ program: HELLO, memory: 'plenty' }, /"memory" is "plenty"/));
  it('too much memory', () => refused({ program: HELLO, memory: '1000G' }, /must be from 1 MiB to/));
  it('more memory than the engine can lay out, with the most it can', async () => {
    await client.request('initialize', { adapterID: 'hyperstep' });
    const problem = await client
      .request('launch', { program: HELLO, memory: '4G' })
      .catch((error: Error) => error.message);
    const most = /must be from 1 MiB to \d+ MiB \("(\d+M)"\)/.exec(String(problem))?.[1];
    assert.ok(most !== undefined, String(problem));
    await client.request('launch', { program: HELLO, memory: most, mode: 'vm' });
    const next = `${Number.parseInt(most) + 1}M`;
    await assert.rejects(client.request('restart', { arguments: { program: HELLO, memory: next } }), /must be from/);
  });
  it('an exit that does not exist', () =>
    refused({ program: HELLO, stopOn: ['cpuuid'] }, /"cpuuid".*Did you mean "cpuid"/));
  it('a group of exits that does not exist, with all there are', () =>
    refused(
      { program: HELLO, stopOn: ['iox'] },
      /"iox", which is no VM exit and no group of them \(.*\bio, msr\b.*Did you mean "io"\?/,
    ));

  it('stopOn takes exits, and groups of them by both spellings', async () => {
    const tinyos = path.join(ROOT, 'samples/02-tinyos/tinyos.asm');
    for (const name of ['io', 'exit.io', 'ioInstruction']) {
      const session = await openSession();
      const stop = await session.launch({ program: tinyos, mode: 'vm', stopOnEntry: false, stopOn: [name] });
      session.close();
      assert.match(stop.description ?? '', /VM exit #\d+: I\/O instruction/);
    }
  });

  const PROCESSORS: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['of an unknown preset', { preset: 'haswel' }, /preset "haswel".*Did you mean "haswell"\?/],
    ['with an unknown option', { presets: 'haswell' }, /an option "presets"/],
    ['with an unknown feature', { features: { BMI3: true } }, /"BMI3", which is unknown.*Did you mean "BMI/],
    ['with a feature neither on nor off', { features: { BMI2: 1 } }, /"BMI2" must be true or false, not 1/],
    ['with a feature nobody built', { features: { AVX512F: true } }, /AVX512F cannot be turned on/],
    ['without VMX for mode vm', { features: { VMX: false } }, /mode "vm" needs the feature VMX/],
  ];
  for (const [title, cpu, message] of PROCESSORS)
    it(`a processor ${title}`, () => refused({ program: HELLO, mode: 'vm', cpu }, message));

  it('a guest larger than memory', () =>
    refused(
      { program: file('big.asm', 'org 100000h\nbits 32\nstart: hlt\nbuffer: times 3000000 db 1\n'), memory: '2M' },
      /big\.asm.*memory/i,
    ));

  it('an include that leaves the workspace', async () => {
    const secret = file('outside/secret.inc', 'db 1\n');
    const program = file(
      'project/main.asm',
      `%include "${path.relative(path.join(scratch, 'project'), secret)}"\nhlt\n`,
    );
    await refused({ program }, /^main\.asm:1:\d+: .*secret\.inc, outside .*open the folder that holds both/);
  });

  it('an include outside: the one message, although more is wrong for want of the file', async () => {
    file('outside/names.inc', 'ONE equ 1\n');
    const program = file('project/main.asm', '%include "../outside/names.inc"\nmov ax, ONE\nmov bx, TWO\n');
    await refused({ program }, /names\.inc[^\n]*file$/);
  });

  it('without a workspace, the folder above that an editor has opened holds the sources', async () => {
    file('opened/.vscode/settings.json', '{}');
    file('opened/lib/one.inc', 'ONE equ 1\n');
    const source = 'bits 16\norg 7C00h\n%include "../../lib/one.inc"\nmov ax, ONE\nhlt\n';
    await client.launch({ program: file('opened/a/b/main.asm', source), mode: 'bare' });
  });

  it('an include file that includes itself: one message', async () => {
    file('self.inc', 'twice: nop\n%include "self.inc"\n');
    await refused({ program: file('self.asm', '%include "self.inc"\n') }, /does "self\.inc" include itself\?$/);
  });

  it('an image that is too large: what to do', () =>
    refused(
      { program: file('wide.asm', 'bits 16\nstart: hlt\ntimes 5000000000 db 0\n') },
      /correct the count; memory behind the image/,
    ));

  it('an include of the workspace is read', async () => {
    file('lib/one.inc', 'ONE equ 1\n');
    const program = file(
      'project/main.asm',
      'bits 16\norg 7C00h\n%include "../lib/one.inc"\nmov ax, ONE\nhlt\ntimes 510-($-$$) db 0\ndw 0AA55h\n',
    );
    await client.launch({ program, mode: 'bare', __workspaceFolder: scratch });
  });

  const BROKEN = 'bits 16\norg 7C00h\nstart: jmp strat\n';
  const LOOP = BROKEN.replace('strat', 'start');

  it('a restart with a mistake leaves what runs running', async () => {
    const program = file('loop.asm', LOOP);
    await client.launch({ program, mode: 'bare' });
    await client.request('continue', { threadId: 1 });
    file('loop.asm', BROKEN);
    await assert.rejects(client.request('restart', {}), /loop\.asm:3:\d+: .*strat/);
    const before = await client.request('hyperstep/machineInfo');
    assert.equal(before.running, true);
    assert.equal((await client.untilStopped('pause')).reason, 'pause');
    assert.ok((await client.request('hyperstep/machineInfo')).instructions > before.instructions);
    file('loop.asm', LOOP);
    assert.equal((await client.untilStopped('restart', {})).reason, 'entry');
  });

  it('a restart with a mistake leaves what stands standing, and says so', async () => {
    const program = file('loop.asm', LOOP);
    await client.launch({ program, mode: 'bare' });
    assert.equal((await client.untilStopped('next')).reason, 'step');
    file('loop.asm', BROKEN);
    await assert.rejects(client.request('restart', {}), /strat/);
    assert.equal((await client.event('stopped')).reason, 'step');
    assert.equal((await client.request('hyperstep/machineInfo')).instructions, 1);
  });

  it('null stands for a field left out', async () => {
    await client.launch({ program: HELLO, mode: 'bare' });
    const { breakpoints } = await client.request('setBreakpoints', {
      source: { path: HELLO, sourceReference: null },
      breakpoints: [{ line: 20, condition: null }],
    });
    assert.equal(breakpoints[0].verified, true);
  });

  it('malformed and unknown requests', async () => {
    const refuse = async (command: string, args?: object): Promise<void> => {
      await assert.rejects(client.request(command, args));
    };
    await refuse('stackTrace', { threadId: 1 }); // before any launch
    await client.launch({ program: HELLO, mode: 'bare' });
    await refuse('stackTrace');
    await refuse('stackTrace', { threadId: '1' });
    await refuse('stackTrace', { threadId: 7 });
    await refuse('variables', { variablesReference: 999 });
    await refuse('scopes', { frameId: 77 });
    await refuse('setBreakpoints', { source: { path: HELLO }, breakpoints: [{ line: 'ten' }] });
    await refuse('setBreakpoints', { source: {}, breakpoints: [] });
    await refuse('readMemory', { memoryReference: 'main', count: 4 });
    await refuse('readMemory', { memoryReference: '0x7c00', count: 1e9 });
    await refuse('disassemble', { memoryReference: 'gpa:0x7c00', instructionCount: 4 });
    await refuse('evaluate', { expression: '1 +', context: 'repl' });
    await refuse('evaluate', { expression: 'powr_off', context: 'watch' });
    await refuse('readMemory', { memoryReference: '0x7c00', count: -1 });
    await refuse('readMemory', { memoryReference: '0x7c00', count: 4, offset: 0.5 });
    await refuse('writeMemory', { memoryReference: '0x7c00', data: '!!!' });
    await refuse('writeMemory', { memoryReference: '0x7c00', data: 'AAAAA' });
    await refuse('disassemble', { memoryReference: '0x7c00', instructionCount: 4, offset: 'a' });
    await refuse('disassemble', { memoryReference: '0x7c00', instructionCount: 4, instructionOffset: 1.5 });
    await refuse('setBreakpoints', { source: { path: 5 }, breakpoints: [] });
    await refuse('setBreakpoints', { source: { path: HELLO }, breakpoints: [{ line: 1, condition: 5 }] });
    await refuse('setBreakpoints', { source: { path: HELLO }, breakpoints: {} });
    await refuse('setExceptionBreakpoints', { filters: [5] });
    await refuse('setDataBreakpoints', { breakpoints: [{ dataId: '0x7000/1', accessType: 'bogus' }] });
    await refuse('evaluate', { expression: 'rax', frameId: 'x' });
    await refuse('evaluate', { expression: 'constructor' });
    await refuse('evaluate', { expression: 'toString [1]' });
    await refuse('stepIn', { threadId: 1, granularity: 'bogus' });
    await refuse('hyperstep/exits', { start: -1, count: -1 });
    await refuse('hyperstep/pageWalk', { address: '0', access: 'look' });
    await refuse('hyperstep/pageWalk', { address: '[' });
    await refuse('hyperstep/pageWalk', {});
    await refuse('setpVariable', {});
    await refuse('exceptionInfo', { threadId: 1 });
    await refuse('launch', { program: HELLO });
    await refuse('attach', { program: HELLO });
    await refuse('goto', { threadId: 1, targetId: 0.5 });
    assert.equal((await client.request('stackTrace', { threadId: 1 })).totalFrames, 1);
    compareTranscript(
      'bad-requests',
      transcriptOf(client, { without: ['output'], shorten: { initialize: () => undefined } }),
    );
  });

  it('text that is no message', async () => {
    await client.launch({ program: HELLO, mode: 'bare' });
    client.sendRaw('{ this is no JSON');
    client.sendRaw('null');
    client.sendRaw('{"type":"request","seq":99}');
    assert.equal((await client.untilStopped('next')).reason, 'step');
  });
});
