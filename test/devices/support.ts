/** Small fakes for the device tests. */
import type { InterruptLine, PortDevice } from '../../debug-adapter/engine/devices/device.ts';

/** An interrupt line that remembers what happened to it. */
export class RecordingLine implements InterruptLine {
  level = false;
  readonly history: boolean[] = [];

  set(level: boolean): void {
    this.level = level;
    this.history.push(level);
  }

  /** Level changes since the last call. */
  take(): boolean[] {
    return this.history.splice(0);
  }
}

/** One step of a register-level script: write a byte, or read one and compare. */
export type Step =
  | readonly ['w', offset: number, value: number]
  | readonly ['r', offset: number, expected: number]
  | readonly ['do', action: () => void];

/** Runs a script and returns the mismatches in words; a test asserts that there are none. */
export function mismatches(device: PortDevice<unknown>, script: readonly Step[]): string[] {
  const wrong: string[] = [];
  script.forEach((step, index) => {
    if (step[0] === 'do') step[1]();
    else if (step[0] === 'w') device.write(step[1], 1, step[2]);
    else {
      const value = device.read(step[1], 1);
      if (value !== step[2]) {
        wrong.push(`step ${index}: offset ${step[1]} reads ${value.toString(16)}h, not ${step[2].toString(16)}h`);
      }
    }
  });
  return wrong;
}
