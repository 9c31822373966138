/** The command-line runner: what it prints and the status it ends with. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './client.ts';

const SAMPLES = path.join(ROOT, 'samples');
const BUNDLE = path.join(ROOT, 'dist/hyperstep.cjs');
const CLI =
  process.env['HYPERSTEP_ADAPTER'] === 'bundle' && existsSync(BUNDLE)
    ? [BUNDLE]
    : ['--import=tsx', path.join(ROOT, 'debug-adapter/cli.ts')];

function hyperstep(...args: readonly string[]): { stdout: string; stderr: string; status: number | null } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...CLI, ...args], { cwd: ROOT, encoding: 'utf8' });
  return { stdout, stderr, status };
}

describe('hyperstep on the command line', function () {
  this.timeout(30_000);

  it('runs a sample folder under the hypervisor and tabulates its exits', () => {
    const { stdout, status } = hyperstep('run', 'samples/02-tinyos');
    const expected = readFileSync(path.join(SAMPLES, '02-tinyos/expected.txt'), 'utf8');
    assert.ok(stdout.startsWith(expected));
    assert.match(stdout, /^VM exits +count +share$/m);
    assert.match(stdout, /^CPUID +\d+ +[\d.]+ %$/m);
    assert.match(stdout, /mode vm, 64 MiB: [\d,]+ instructions; the guest powered the machine off, status 0/);
    assert.equal(status, 0);
  });

  it('obeys --mode and reports in JSON', () => {
    const { stdout, status } = hyperstep('run', 'samples/00-hello', '--mode=bare', '--memory', '16M', '--json');
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(report['mode'], 'bare');
    assert.equal(report['memoryBytes'], 16 * 1024 * 1024);
    assert.equal(report['console'], 'hello from the boot sector\n');
    assert.deepEqual(report['exits'], []);
    assert.deepEqual(report['end'], { kind: 'power-off', text: 'the guest powered the machine off, status 0' });
    assert.match((report['registers'] as Record<string, string>)['RIP']!, /^0x[0-9a-f]{16}$/);
    assert.equal(status, 0);
  });

  it('names the check that refuses a VM entry, with field, value, section and line', () => {
    const { stdout, status } = hyperstep('run', 'samples/22-first-vmlaunch/broken/01-tr-not-loaded.asm');
    assert.match(stdout, /^VMLAUNCH: VM-instruction error 8: VM entry with invalid host-state fields\.$/m);
    assert.match(stdout, /^HOST-SEG-09: /m);
    assert.match(
      stdout,
      /^ {2}HOST_TR_SELECTOR = 0x0000, last written at write_host_state\+\w+ \(samples[/\\]22-first-vmlaunch[/\\]vmlaunch\.asm:\d+\)$/m,
    );
    assert.match(stdout, /^ {2}SDM Vol\. 3C, "Checks on Host Segment and Descriptor-Table Registers", 26\.2\.3$/m);
    assert.equal(status, 1);
  });

  it('stops at the instruction limit', () => {
    const { stdout, status } = hyperstep('run', 'test/session/fixtures/forever.asm', '--max-instructions', '10_000');
    assert.match(stdout, /10,000 instructions; stopped after 10,000 instructions/);
    assert.equal(status, 3);
  });

  it('reports a triple fault', () => {
    const { stdout, status } = hyperstep('run', 'test/session/fixtures/triple-fault.asm', '--mode', 'bare');
    assert.match(stdout, /triple fault: It began with #UD at start\+0x5/);
    assert.equal(status, 1);
  });

  it('says where a guest has gone that leaves its memory, and what it may do', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-cli-'));
    try {
      const program = path.join(folder, 'away.asm');
      const run = (code: string, mode: string) => {
        writeFileSync(program, `bits 32\norg 100000h\nstart:\n    nop\n    ${code}\n`);
        return hyperstep('run', program, '--mode', mode);
      };
      const ending = 'Memory ends at 0x4000000 \\(64 MiB\\): raise "memory" or correct the';
      for (const mode of ['bare', 'vm']) {
        const jump = run('jmp 50000000h', mode);
        assert.match(
          jump.stdout,
          new RegExp(
            `The guest jumped to 0x50000000, where there is no memory \\(last instruction at start\\+0x1 \\(away.asm:5\\)\\)\\. ${ending} target\\.`,
          ),
        );
        assert.equal(jump.status, 1);
        const store = run('mov [50000000h], eax', mode);
        assert.match(
          store.stdout,
          new RegExp(
            `The guest writes to 0x50000000, where there is neither memory nor a device \\(at start\\+0x1 \\(away.asm:5\\)\\)\\. ${ending} address\\.`,
          ),
        );
      }
      assert.match(
        run('in al, 0EEh', 'bare').stdout,
        /IN from port .*EEh.*, at start\+0x1 \(away\.asm:5\), bytes e4 ee: Hyperstep does not implement this/i,
      );
      assert.match(
        run('cli\n    hlt', 'bare').stdout,
        /halted for ever: HLT with interrupts disabled.*\(away\.asm:6\)/,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('defines names and finds includes', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-cli-'));
    try {
      const program = path.join(folder, 'exit.asm');
      writeFileSync(
        program,
        'bits 16\norg 7C00h\nmov al, VALUE\nout 0F4h, al\nhlt\ntimes 510-($-$$) db 0\ndw 0AA55h\n',
      );
      assert.equal(hyperstep('run', program, '--define', 'VALUE=3', '--mode', 'bare').status, 7);
      const missing = hyperstep('run', program);
      assert.match(missing.stderr, /^hyperstep: exit\.asm:3:\d+: .*VALUE/);
      assert.equal(missing.status, 2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('types keys and prints the screen', () => {
    const run = (...args: string[]) =>
      hyperstep('run', 'test/session/fixtures/keyboard.asm', '--mode', 'bare', '--screen', ...args);
    assert.match(run().stdout, /^\nK\n\n.*halted for ever/ms);
    const { stdout, status } = run('--keys', '2000:<F10>', '--keys', '1_000:Ls', '--keys', '3000:<Enter>');
    assert.match(stdout, /^\nK\n2a261f44\n/);
    assert.equal(status, 1);
    const { screen } = JSON.parse(run('--json', '--keys', '100:x').stdout) as { screen: string[] };
    assert.deepEqual(screen, ['K', '2d']);
  });

  it('lets absent devices float, and says which', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'hyperstep-cli-'));
    try {
      const program = path.join(folder, 'probe.asm');
      writeFileSync(program, 'bits 32\norg 8000h\nmov edx, 2F8h\nin al, dx\nnot al\nout 0F4h, al\nhlt\n');
      const { stderr, status } = hyperstep('run', program, '--cpu=haswell', '--absent-devices', 'float');
      assert.equal(stderr, 'hyperstep: IN from port 2F8h, where there is no device\n');
      assert.equal(status, 1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('explains itself', () => {
    const { stdout, status } = hyperstep('--help');
    for (const part of ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES']) {
      assert.match(stdout, new RegExp(`^${part}$`, 'm'));
    }
    assert.equal(status, 0);
  });

  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [['rum', 'x.asm'], /Unknown command "rum"\. Did you mean "run"\?/],
    [['run'], /Say what to run/],
    [['run', 'none.asm'], /there is no such file or folder/],
    [['run', 'samples'], /has no \.asm file/],
    [['run', 'samples/00-hello', '--mod', 'vm'], /Unknown option --mod\. Did you mean "mode"\?/],
    [['run', 'samples/00-hello', '--mode', 'both'], /"mode" is "both"/],
    [['run', 'samples/00-hello', '--memory', 'much'], /"memory" is "much"/],
    [['run', 'samples/00-hello', '--memory', '4G'], /"memory" is 4 GiB; it must be from 1 MiB to \d+ MiB/],
    [['run', 'samples/00-hello', '--cpu', 'hasvell'], /preset "hasvell".* Did you mean "haswell"/],
    [['run', 'samples/00-hello', '--cpu', '{preset}'], /write a preset, or an object in JSON/],
    [['run', 'samples/00-hello', '--absent-devices', 'flaot'], /"absentDevices" is "flaot".* Did you mean "float"/],
    [['run', 'samples/00-hello', '--toString'], /Unknown option --toString/],
    [['run', 'samples/00-hello', '--max-instructions', 'many'], /whole number/],
    [['run', 'samples/00-hello', '--keys', 'Enter'], /write an instruction count, a colon and what to type/],
    [['run', 'samples/00-hello', '--keys', 'x:a'], /whole number above 0/],
    [['run', 'samples/00-hello', '--keys', '1:<Entr>'], /no key "Entr"\. Did you mean "Enter"/],
    [['run', 'samples/00-hello', 'samples/02-tinyos'], /One program at a time/],
  ];
  for (const [args, message] of mistakes) {
    it(`refuses ${args.join(' ')}`, () => {
      const { stdout, stderr, status } = hyperstep(...args);
      assert.match(stderr, /^hyperstep: /);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\.ts:|node:internal/);
      assert.equal(stdout, '');
      assert.equal(status, 2);
    });
  }
});
