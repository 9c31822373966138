/**
 * Our engine as a peer of the benchmark: runs one multiboot guest on the bare machine without a debugger and prints what
 * it sends to port E9h. In front of every line `#B` and `#E` stand the engine's counters, as `#C instructions=... crossings=...`.
 *
 *     node hyperstep-peer.cjs <guest.elf>
 */
import { readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createMachine } from '../../debug-adapter/engine/index.ts';
import { loadProgram } from '../../debug-adapter/engine/loader/load.ts';
import type { Machine } from '../../debug-adapter/engine/machine/types.ts';

const MEMORY_BYTES = 128 << 20;
/** Large enough that returning here is no part of the measurement. */
const SLICE = 50_000_000;
const NEWLINE = 10;

const file = process.argv[2];
if (file === undefined) throw new Error('usage: hyperstep-peer.cjs <guest.elf>');
const { program, diagnostics } = loadProgram(path.basename(file), readFileSync(file), { memoryBytes: MEMORY_BYTES });
if (program === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));

let line = '';
const machine: Machine = createMachine({ program, mode: 'bare', memoryBytes: MEMORY_BYTES, onConsole: print });

function print(bytes: Uint8Array, source: string): void {
  if (source !== 'e9') return;
  for (const byte of bytes) {
    line += String.fromCharCode(byte);
    if (byte !== NEWLINE) continue;
    if (/^#[BE] /.test(line))
      writeSync(1, `#C instructions=${machine.instructionsRetired} crossings=${machine.crossings}\n`);
    writeSync(1, line);
    line = '';
  }
}

for (;;) {
  const stop = machine.run({ maxInstructions: SLICE, ignoreFirstBreakpoint: false, handlerSteps: 'run' });
  if (stop.kind === 'budget') continue;
  if (stop.kind !== 'power-off') {
    const detail = JSON.stringify(stop, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value.toString(16)}h` : value,
    );
    writeSync(1, `${line}\n#ERR ${detail} rip=${machine.inspect.register(0, 'RIP').toString(16)}h\n`);
  }
  break;
}
