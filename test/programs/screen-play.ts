/** Runs software that talks to a person: waits for what it shows, types what it is told. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createMachine, loadProgram } from '../../debug-adapter/engine/index.ts';
import type { Machine } from '../../debug-adapter/engine/index.ts';
import { markedScanCodes } from '../../debug-adapter/debugger/keyboard.ts';
import { screenText } from '../../debug-adapter/present/text-screen.ts';

/** Instructions between two looks at the screen. */
const SLICE = 500_000;
/** Looks that find the processor asleep. */
const MOST_IDLE_LOOKS = 20;

export class ScreenPlay {
  readonly machine: Machine;
  /** Everything sent to the console: COM1 and the firmware's teletype. */
  console = '';

  constructor(file: string, memoryMib: number, commandArguments = '') {
    const memoryBytes = memoryMib << 20;
    const { program, diagnostics } = loadProgram(file, readFileSync(file), { memoryBytes, commandArguments });
    assert.ok(program, diagnostics[0]?.message);
    this.machine = createMachine({
      program,
      mode: 'bare',
      memoryBytes,
      absentDevices: 'float',
      onConsole: (bytes) => (this.console += Buffer.from(bytes).toString('latin1')),
    });
  }

  get screen(): string {
    return screenText(this.machine.inspect.textScreen());
  }

  /** Runs until the screen shows `text`, for at most `millions` of instructions. */
  until(text: string | RegExp, millions: number, slice = SLICE): void {
    const { machine } = this;
    const limit = machine.instructionsRetired + millions * 1e6;
    const shown = (): boolean => (typeof text === 'string' ? this.screen.includes(text) : text.test(this.screen));
    // A processor that sleeps retires nothing, but time passes: that counts as a look of its own.
    for (let looks = 0; !shown(); looks++) {
      const left = limit - machine.instructionsRetired;
      if (left <= 0 || looks > (millions * 1e6) / slice + MOST_IDLE_LOOKS)
        assert.fail(`"${text}" is not on the screen after ${millions} million instructions:\n${this.screen}`);
      const stop = machine.run({
        maxInstructions: Math.min(slice, left),
        ignoreFirstBreakpoint: true,
        handlerSteps: 'run',
      });
      if (stop.kind !== 'budget' && !shown())
        assert.fail(
          `stopped before "${text}": ${JSON.stringify(stop, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}\n${this.screen}`,
        );
    }
  }

  /** Names such as `<Enter>` and `<Ctrl+B>` stand for keys. */
  type(text: string): void {
    this.machine.sendKeys(Uint8Array.from(markedScanCodes(text)));
  }
}
