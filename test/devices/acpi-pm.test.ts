import assert from 'node:assert/strict';
import { AcpiPm } from '../../debug-adapter/engine/devices/acpi-pm.ts';
import { RecordingLine } from './support.ts';

const TICKS_PER_SECOND = 100_000_000;
const HALF = 2 ** 23;

function rig() {
  const sci = new RecordingLine();
  const slept: number[] = [];
  const pm = new AcpiPm(TICKS_PER_SECOND, { sci, sleep: (type) => slept.push(type) });
  return { pm, sci, slept };
}

describe('ACPI power management', () => {
  it('counts 3,579,545 times in a second, in 24 bits', () => {
    const { pm } = rig();
    for (const [tick, count] of [
      [0, 0],
      [27, 0],
      [28, 1],
      [TICKS_PER_SECOND, 3_579_545],
      [5 * TICKS_PER_SECOND, (5 * 3_579_545) % 2 ** 24],
    ] as const) {
      pm.advanceTo(tick);
      assert.equal(pm.read(8, 4), count, `at ${tick}`);
    }
    assert.equal(pm.read(9, 1), (((5 * 3_579_545) % 2 ** 24) >> 8) & 0xff);
  });

  it('interrupts when the top bit changes, until the status is cleared', () => {
    const { pm, sci } = rig();
    assert.equal(pm.nextEvent(), undefined);
    pm.write(2, 2, 0x0001);
    const event = pm.nextEvent();
    assert.equal(event, Math.ceil((HALF * TICKS_PER_SECOND) / 3_579_545));
    pm.advanceTo(event - 1);
    assert.deepEqual([pm.read(0, 2), sci.level], [0, false]);
    pm.advanceTo(event);
    assert.deepEqual([pm.read(0, 2), sci.level, pm.read(8, 4)], [1, true, HALF]);
    assert.equal(pm.nextEvent(), undefined, 'it is told already');
    pm.write(0, 2, 0x0001);
    assert.deepEqual([pm.read(0, 2), sci.level], [0, false]);
    pm.advanceTo(pm.nextEvent()!);
    assert.deepEqual([sci.level, pm.read(8, 4)], [true, 0]);
    pm.write(2, 2, 0);
    assert.equal(sci.level, false);
  });

  it('is in ACPI mode, and goes to sleep by SLP_EN alone', () => {
    const { pm, slept } = rig();
    assert.equal(pm.read(4, 2), 1);
    pm.write(4, 2, 5 << 10);
    assert.deepEqual([pm.read(4, 2), slept], [0x1401, []]);
    pm.write(4, 2, (5 << 10) | 0x2000);
    assert.deepEqual([pm.read(4, 2), slept], [0x1401, [5]]);
    pm.write(4, 2, 0);
    assert.equal(pm.read(4, 2), 1);
  });

  it('keeps the bits that there are, by bytes as well', () => {
    const { pm } = rig();
    pm.write(2, 1, 0xff);
    pm.write(3, 1, 0xff);
    assert.equal(pm.read(2, 2), 0x0421);
    assert.equal(pm.read(0, 4), 0x0421_0000);
    assert.equal(pm.read(6, 2), 0);
  });
});
