/**
 * Guests that try system features of the processor and print what came of it: our machine prints, bare and under the built-in
 * hypervisor, what Bochs or QEMU prints for the same program.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { requireTool } from '../harness/tools.ts';
import { programOf, runToStop, start } from '../machine/guest.ts';
import { runOnBochs } from '../oracles/bochs.ts';
import { assembleWithNasm } from '../oracles/nasm.ts';

/** A program of the folder, and the Bochs processor that has what it tries. */
interface SystemGuest {
  readonly name: string;
  readonly bochsModel: string;
}
const GUESTS: readonly SystemGuest[] = [{ name: 'debug-registers', bochsModel: 'corei7_haswell_4770' }];

const MEMORY_BYTES = 32 << 20;
const path = (name: string): string => fileURLToPath(new URL(`system/${name}`, import.meta.url));
const read = (name: string): string => readFileSync(path(name), 'utf8');

describe('system guests', function () {
  this.timeout(30_000);

  for (const { name } of GUESTS)
    for (const mode of ['bare', 'vm'] as const)
      it(`${name} prints its transcript (${mode})`, () => {
        const { machine, console } = start(programOf(path(`${name}.asm`), read(`${name}.asm`)), mode, MEMORY_BYTES);
        const stop = runToStop(machine);
        assert.equal(console(), read(`${name}.expected.txt`));
        assert.deepEqual(stop, { kind: 'power-off', status: 0 });
      });
});

describe('system guests on Bochs', function () {
  requireTool('nasm');
  requireTool('bochs', 'bochs bochs-term bochsbios vgabios');
  requireTool('script', 'bsdutils');
  this.timeout(60_000);

  for (const { name, bochsModel } of GUESTS)
    it(`${name} prints the same transcript`, async () => {
      const image = await assembleWithNasm(path(`${name}.asm`));
      const { console, ended } = await runOnBochs(image, { model: bochsModel });
      assert.equal(console, read(`${name}.expected.txt`));
      assert.equal(ended, 'shutdown port');
    });
});
