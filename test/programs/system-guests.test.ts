/**
 * Guests that try system features of the processor and print what came of it: our machine prints, bare and under the built-in
 * hypervisor, what Bochs or QEMU prints for the same program.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CpuChoice } from '../../debug-adapter/engine/cpu/features.ts';
import { requireTool } from '../harness/tools.ts';
import { programOf, runToStop, start } from '../machine/guest.ts';
import { runOnBochs } from '../oracles/bochs.ts';
import { assembleWithNasm } from '../oracles/nasm.ts';
import { runOnQemu } from '../oracles/qemu.ts';

/** A program of the folder, and which other machine has what it tries (Bochs as one of its models). */
type SystemGuest = { readonly name: string; readonly cpu?: CpuChoice } & (
  { readonly bochs: string } | { readonly qemu: true }
);

const GUESTS: readonly SystemGuest[] = [
  { name: 'debug-registers', bochs: 'corei7_haswell_4770' },
  { name: 'alignment', bochs: 'corei7_haswell_4770' },
  { name: 'virtual-8086', bochs: 'corei7_haswell_4770' },
  { name: 'protection-keys', qemu: true },
  { name: 'five-levels', cpu: { features: { LA57: true } }, qemu: true },
];

const MEMORY_BYTES = 32 << 20;
const path = (name: string): string => fileURLToPath(new URL(`system/${name}`, import.meta.url));
const read = (name: string): string => readFileSync(path(name), 'utf8');

describe('system guests', function () {
  this.timeout(30_000);

  for (const { name, cpu } of GUESTS)
    for (const mode of ['bare', 'vm'] as const)
      it(`${name} prints its transcript (${mode})`, () => {
        const { machine, console } = start(
          programOf(path(`${name}.asm`), read(`${name}.asm`)),
          mode,
          MEMORY_BYTES,
          1,
          cpu,
        );
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

  for (const guest of GUESTS)
    if ('bochs' in guest)
      it(`${guest.name} prints the same transcript`, async () => {
        const image = await assembleWithNasm(path(`${guest.name}.asm`));
        const { console, ended } = await runOnBochs(image, { model: guest.bochs });
        assert.equal(console, read(`${guest.name}.expected.txt`));
        assert.equal(ended, 'shutdown port');
      });
});

describe('system guests on QEMU', function () {
  requireTool('nasm');
  requireTool('qemu-system-x86_64', 'qemu-system-x86');
  this.timeout(60_000);

  for (const guest of GUESTS)
    if ('qemu' in guest)
      it(`${guest.name} prints the same transcript`, async () => {
        const { console, ended } = await runOnQemu(await assembleWithNasm(path(`${guest.name}.asm`)));
        assert.equal(console, read(`${guest.name}.expected.txt`));
        assert.ok(ended, 'QEMU reached its time limit');
      });
});
