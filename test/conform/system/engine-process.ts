/**
 * Our machine as a process: runs a multiboot guest and prints what it sends to port E9h.
 *
 *     node --import=tsx engine-process.ts <guest.elf>
 */
import { readFileSync, writeSync } from 'node:fs';
import { createMachine } from '../../../debug-adapter/engine/index.ts';
import { loadProgram } from '../../../debug-adapter/engine/loader/load.ts';

const MEMORY_BYTES = 32 << 20;
const SLICE = 20_000_000;

const file = process.argv[2];
if (file === undefined) throw new Error('usage: engine-process.ts <guest.elf>');
const { program, diagnostics } = loadProgram('guest.elf', readFileSync(file), { memoryBytes: MEMORY_BYTES });
if (program === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));

const text = new TextDecoder('latin1');
let pending = '';
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Standard output may be a pipe that is full for a moment. */
function flush(): void {
  const bytes = Buffer.from(pending, 'latin1');
  pending = '';
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(sleeper, 0, 0, 5);
    }
  }
}
const machine = createMachine({
  program,
  mode: 'bare',
  memoryBytes: MEMORY_BYTES,
  onConsole: (bytes, source) => {
    if (source === 'e9') pending += text.decode(bytes);
  },
});
for (;;) {
  const stop = machine.run({ maxInstructions: SLICE, ignoreFirstBreakpoint: false, handlerSteps: 'run' });
  flush();
  if (stop.kind === 'budget') continue;
  if (stop.kind !== 'power-off') {
    const detail = JSON.stringify(stop, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value.toString(16)}h` : value,
    );
    writeSync(1, `\nSTOP ${detail}\n`);
  }
  break;
}
