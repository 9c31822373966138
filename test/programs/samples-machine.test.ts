/** Every sample on our own machine: the same consoles, refusals and registers that Bochs gives. */
import assert from 'node:assert/strict';
import { REGISTER_NAMES } from '../../debug-adapter/engine/index.ts';
import { requireTool } from '../harness/tools.ts';
import { budget, runToStop, startSample, stopsFor } from '../machine/guest.ts';
import { runOnBochs } from '../oracles/bochs.ts';
import { assembleWithNasm } from '../oracles/nasm.ts';
import { FAULTS_FOLDER, readFaults, readSample, refusalLine, samplePath, SAMPLES } from './samples.ts';

const TINYOS = '02-tinyos/tinyos.asm';
const POPF = '14-popf/popf.asm';

describe('samples on the bare machine', () => {
  for (const { program, transcript } of SAMPLES) {
    it(`${program} prints its transcript and turns the machine off`, () => {
      const { machine, console } = startSample(program);
      const stop = runToStop(machine);
      assert.equal(console(), readSample(transcript));
      assert.deepEqual(stop, { kind: 'power-off', status: 0 });
    });
  }

  for (const { file, check, refusal } of readFaults()) {
    it(`broken/${file} is refused by ${check}`, () => {
      const { machine, console } = startSample(`${FAULTS_FOLDER}/${file}`);
      machine.setStopConditions(stopsFor({ vmEntryFailure: true }));
      const stop = runToStop(machine);
      assert.ok(stop.kind === 'vm-entry-failure', stop.kind);
      const { report } = stop;
      assert.equal(report.failed[0]?.id, check);
      if ('vmInstructionError' in refusal)
        assert.deepEqual(report.failure, { kind: 'VMfailValid', error: refusal.vmInstructionError });
      else {
        assert.equal(report.failure, undefined);
        assert.deepEqual(
          [report.exitReason, report.qualification],
          [refusal.exitReason, BigInt(refusal.qualification)],
        );
      }
      for (const { lastWrites, fields } of report.failed)
        assert.deepEqual(
          lastWrites.map(({ field }) => field),
          fields,
        );

      machine.setStopConditions(stopsFor({}));
      const end = runToStop(machine);
      assert.equal(console(), `vmlaunch: in VMX operation\n${refusalLine(refusal)}\n`);
      assert.equal(end.kind, 'power-off');
    });
  }
});

describe('02-tinyos on Bochs and on the bare machine', function () {
  requireTool('nasm');
  requireTool('bochs', 'bochs bochs-term bochsbios vgabios');
  requireTool('script', 'bsdutils');
  this.timeout(60_000);

  it('ends with the same console and the same general registers', async () => {
    const bochs = await runOnBochs(await assembleWithNasm(samplePath(TINYOS)));
    const { machine, console } = startSample(TINYOS);
    assert.equal(runToStop(machine).kind, 'power-off');
    assert.equal(console(), bochs.console);
    const general = REGISTER_NAMES.filter((name) => bochs.registers.has(name));
    assert.equal(general.length, 16);
    assert.deepEqual(
      new Map(general.map((name) => [name, machine.inspect.register(0, name)])),
      new Map(general.map((name) => [name, bochs.registers.get(name)])),
    );
  });
});

describe('samples under the built-in hypervisor', () => {
  for (const program of ['00-hello/hello.asm', TINYOS, POPF]) {
    it(`${program} prints what it prints on the bare machine`, () => {
      const { machine, console } = startSample(program, 'vm');
      const stop = runToStop(machine);
      assert.deepEqual(stop, { kind: 'power-off', status: 0 });
      const { transcript } = SAMPLES.find((sample) => sample.program === program)!;
      assert.equal(console(), readSample(transcript));
      const counted = [...machine.exitCounts.values()].reduce((sum, count) => sum + count, 0);
      assert.ok(counted > 0, 'no VM exit at all');
    });
  }

  it('14-popf takes no exit for POPF, as VT-x does it', () => {
    const { machine, program } = startSample(POPF, 'vm');
    const source = readSample(POPF).split('\n');
    const popf = new Set(
      program.lines
        .filter(({ file, line }) => file.endsWith('popf.asm') && /^\s+popfq?\b/.test(source[line - 1]!))
        .map(({ address }) => address),
    );
    const exits: bigint[] = [];
    machine.setStopConditions(
      stopsFor({
        breakpoints: popf,
        vmExit: ({ guestLinearRip }) => exits.push(guestLinearRip) < 0,
      }),
    );
    const executed: bigint[] = [];
    let stop = runToStop(machine);
    for (; stop.kind === 'breakpoint'; stop = machine.run(budget(1_000_000, { ignoreFirstBreakpoint: true })))
      executed.push(stop.linear);
    assert.equal(stop.kind, 'power-off');
    assert.deepEqual(new Set(executed), popf);
    assert.ok(popf.size >= 2 && exits.length > 0, `${popf.size} POPF, ${exits.length} exits`);
    assert.deepEqual(
      exits.filter((rip) => popf.has(rip)),
      [],
    );
  });
});
