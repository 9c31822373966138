/** The Bochs driver tells the ways a run can end apart; otherwise the comparisons built on it could not fail. */
import assert from 'node:assert/strict';
import { requireTool } from '../harness/tools.ts';
import { runOnBochs } from '../oracles/bochs.ts';

/** A boot sector that starts with these bytes. */
function bootSector(...code: readonly number[]): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set(code);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

describe('Bochs driver', function () {
  requireTool('bochs', 'bochs bochs-term bochsbios vgabios');
  requireTool('script', 'bsdutils');
  this.timeout(60_000);

  it('reports a guest that never ends', async () => {
    const run = await runOnBochs(bootSector(0xeb, 0xfe), { limitSeconds: 2 }); // jmp $
    assert.equal(run.ended, 'time limit');
    assert.equal(run.console, '');
    assert.equal(run.registers.size, 0);
  });

  it('reports a triple fault, with the registers at that point', async () => {
    // mov ax, 1234h; lidt [cs:7C20h], which holds zeros, so the table is empty; int3
    const image = bootSector(0xb8, 0x34, 0x12, 0x2e, 0x0f, 0x01, 0x1e, 0x20, 0x7c, 0xcc);
    const run = await runOnBochs(image);
    assert.equal(run.ended, 'triple fault');
    assert.equal(run.registers.get('RAX')! & 0xffffn, 0x1234n);
    assert.equal(run.rip, 0x7c09n);
  });

  it('runs debugger commands from the boot sector on', async () => {
    const run = await runOnBochs(bootSector(0xb8, 0x34, 0x12, 0xeb, 0xfe), { commands: ['s', 'r'] });
    assert.equal(run.ended, 'debugger');
    assert.match(run.debuggerOutput, /rax: \w{8}_\w{4}1234/);
  });

  it('refuses an image that does not boot', async () => {
    await assert.rejects(runOnBochs(new Uint8Array(512)), /did not boot the image/);
  });
});
