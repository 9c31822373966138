/**
 * A kernel for several processors, with processes, pipes and its own programs that check their results: it prints the same here as
 * on QEMU, whatever its processors, and does the same each time, however a run is cut.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadProgram } from '../../debug-adapter/engine/index.ts';
import type { Program } from '../../debug-adapter/engine/base/program.ts';
import { fromRoot } from '../../scripts/lib/root.ts';
import { requireTool } from '../harness/tools.ts';
import { budget, runToStop, start, type Guest } from '../machine/guest.ts';
import { snapshot } from '../machine/snapshot.ts';

const SOURCES = fromRoot('test', 'programs', 'smp-kernel');
const MEMORY_BYTES = 16 << 20;
/** What the kernel takes, with room: a hang ends the test. */
const MOST_INSTRUCTIONS = 40_000_000;

const transcript = (processors: number): string =>
  [
    `smp-kernel: ${processors} processor${processors === 1 ? '' : 's'}`,
    'counted together: nothing lost',
    'processors without a process: 0, right',
    'primes below 20000: 2262, right',
    'fibonacci 19: 4181, right',
    'hash: 3705447365, right',
    'yields: 100, right',
    'primes again: 2262, right',
    'status of a forbidden write: 4294967282, right',
    'parallel sum: 3725748064, right',
    'slices that failed: 0, right',
    'pipeline: 1499500, right',
    'chain of processes: 32, right',
    'pages that were lost: 0, right',
    'smp-kernel: done',
    '',
  ].join('\n');

describe('a kernel for several processors', function () {
  this.timeout(60_000);
  requireTool('gcc');
  requireTool('nasm');
  requireTool('ld', 'binutils');
  const make = requireTool('make');
  let folder = '';
  let file = '';
  let program: Program;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperstep-smp-'));
    file = join(folder, 'kernel.elf');
    execFileSync(make, ['-s', '-C', SOURCES, `OUT=${folder}`]);
    const loaded = loadProgram('kernel.elf', readFileSync(file), { memoryBytes: MEMORY_BYTES });
    assert.ok(loaded.program, JSON.stringify(loaded.diagnostics));
    ({ program } = loaded);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const boot = (processors: number): Guest => start(program, 'bare', MEMORY_BYTES, processors);
  const finish = ({ machine, console }: Guest) => ({
    stop: runToStop(machine, MOST_INSTRUCTIONS),
    console: console(),
    state: snapshot(machine),
  });

  for (const processors of [1, 4]) {
    it(`runs on ${processors}, twice alike`, () => {
      const first = finish(boot(processors));
      assert.equal(first.console, transcript(processors));
      assert.deepEqual(first.stop, { kind: 'power-off', status: 1 });
      assert.deepEqual(finish(boot(processors)), first);
    });
  }

  it('does the same on 4 however the run is cut', () => {
    const whole = finish(boot(4));
    const cut = boot(4);
    const lengths = [1, 2, 3, 997, 20_011, 5, 1000];
    let stop;
    for (let turn = 0; ; turn++) {
      stop = cut.machine.run(budget(lengths[turn % lengths.length]!));
      if (stop.kind !== 'budget') break;
    }
    assert.deepEqual({ stop, console: cut.console(), state: snapshot(cut.machine) }, whole);
  });

  describe('on QEMU', () => {
    const qemu = requireTool('qemu-system-x86_64', 'qemu-system-x86');
    const run = (processors: number): Promise<{ console: string; status: number | string | null | undefined }> =>
      new Promise((resolve) => {
        const machine = `-accel tcg,thread=single -smp ${processors} -m 64 -no-reboot -display none -monitor none -serial stdio`;
        const exit = '-device isa-debug-exit,iobase=0xf4,iosize=4';
        execFile(qemu, [...`${machine} ${exit} -kernel`.split(' '), file], { timeout: 50_000 }, (error, stdout) => {
          resolve({ console: stdout, status: error === null ? 0 : error.code });
        });
      });

    for (const processors of [1, 4])
      it(`prints the same on ${processors}`, async () => {
        assert.deepEqual(await run(processors), { console: transcript(processors), status: 1 });
      });
  });
});
