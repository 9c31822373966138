/**
 * Every sample, assembled by NASM, runs on Bochs and prints what its transcript says; Bochs refuses the twelve broken ones
 * for the reason given. So the transcripts our own machine is held to are not our own opinion.
 */
import assert from 'node:assert/strict';
import { requireTool } from '../harness/tools.ts';
import { runOnBochs, type BochsRun } from '../oracles/bochs.ts';
import { assembleWithNasm } from '../oracles/nasm.ts';
import { FAULTS_FOLDER, readFaults, readSample, refusalLine, samplePath, SAMPLES } from './samples.ts';

/** An upper bound on instructions, firmware's included; see `BochsRun.ticks`. */
const MOST_TICKS = 5_000_000;

const run = async (program: string): Promise<BochsRun> => runOnBochs(await assembleWithNasm(samplePath(program)));

describe('samples on Bochs', function () {
  requireTool('nasm');
  requireTool('bochs', 'bochs bochs-term bochsbios vgabios');
  requireTool('script', 'bsdutils');
  this.timeout(60_000);

  for (const { program, transcript } of SAMPLES) {
    it(`${program} prints its transcript and turns the machine off`, async () => {
      const { ended, console, ticks } = await run(program);
      assert.equal(console, readSample(transcript));
      assert.equal(ended, 'shutdown port');
      assert.ok(ticks !== undefined && ticks < MOST_TICKS, `${ticks} ticks`);
    });
  }

  it('02-tinyos ends with the general registers that lib/power.inc promises', async () => {
    const { registers } = await run('02-tinyos/tinyos.asm');
    const { RSI, ...others } = Object.fromEntries(registers);
    const zero = ['RBX', 'RBP', 'RDI', 'R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15'].map((name) => [name, 0n]);
    assert.deepEqual(others, {
      ...Object.fromEntries(zero),
      RAX: BigInt('n'.charCodeAt(0)),
      RCX: 1n,
      RDX: 0x8900n,
      RSP: 0x7c00n,
    });
    // RSI has passed the last letter of "Shutdown"; where that lies only the assembler knows.
    assert.ok(RSI !== undefined && RSI > 0x7e00n && RSI < 0xa000n, `${RSI}`);
  });

  for (const { file, check, refusal, bochsLog } of readFaults()) {
    it(`broken/${file} is refused (${check})`, async () => {
      const { ended, console, log } = await run(`${FAULTS_FOLDER}/${file}`);
      assert.equal(console, `vmlaunch: in VMX operation\n${refusalLine(refusal)}\n`);
      assert.equal(ended, 'shutdown port');
      const refusals = log.filter((line) => /VMFAIL|VMENTER FAIL/.test(line));
      assert.equal(refusals.length, 1, refusals.join('\n'));
      assert.match(refusals[0]!, new RegExp(bochsLog));
    });
  }
});
