import assert from 'node:assert/strict';
import type { PortDevice } from '../../debug-adapter/engine/devices/device.ts';
import { PicPair } from '../../debug-adapter/engine/devices/pic-pair.ts';
import { RecordingLine, mismatches, type Step } from './support.ts';

const MASTER_COMMAND = 0;
const MASTER_DATA = 1;

function setUp({ icw4 = 0x01, icw1 = 0x11 } = {}) {
  const intr = new RecordingLine();
  const pair = new PicPair(intr);
  write(pair.master, icw1, 0x20, 0x04, icw4);
  write(pair.slave, icw1, 0x28, 0x02, icw4);
  const raise = (irq: number) => pair.input(irq).set(true);
  const lower = (irq: number) => pair.input(irq).set(false);
  return { intr, pair, raise, lower };
}

/** Writes ICW1 to the command port and the rest to the data port. */
function write(chip: PortDevice<unknown>, icw1: number, ...data: number[]) {
  chip.write(MASTER_COMMAND, 1, icw1);
  for (const value of data) chip.write(MASTER_DATA, 1, value);
}

const check = (device: PortDevice<unknown>, script: readonly Step[]) =>
  assert.deepEqual(mismatches(device, script), []);

describe('8259 pair', () => {
  for (let irq = 0; irq < 16; irq++) {
    if (irq === 2) continue;
    it(`delivers IRQ ${irq} with its vector and ends it`, () => {
      const { intr, pair, raise } = setUp();
      raise(irq);
      assert.equal(intr.level, true);
      assert.equal(pair.acknowledge(), 0x20 + irq);
      assert.equal(intr.level, false);
      const chip = irq < 8 ? pair.master : pair.slave;
      check(chip, [
        ['w', 0, 0x0b],
        ['r', 0, 1 << (irq & 7)],
        ['w', 0, 0x20],
        ['r', 0, 0],
      ]);
      if (irq >= 8)
        check(pair.master, [
          ['w', 0, 0x0b],
          ['r', 0, 0x04],
          ['w', 0, 0x20],
          ['r', 0, 0],
        ]);
      assert.equal(intr.level, false, 'the edge is used up although the line is still high');
    });
  }

  it('nests by priority', () => {
    const { intr, pair, raise } = setUp();
    raise(4);
    assert.equal(pair.acknowledge(), 0x24);
    raise(5);
    assert.equal(intr.level, false);
    raise(1);
    assert.equal(pair.acknowledge(), 0x21);
    pair.master.write(0, 1, 0x20);
    assert.equal(intr.level, false, 'IRQ 4 still in service');
    pair.master.write(0, 1, 0x20);
    assert.equal(pair.acknowledge(), 0x25);
  });

  it('masks with OCW1 and remembers the request', () => {
    const { intr, pair, raise } = setUp();
    pair.master.write(MASTER_DATA, 1, 0x10);
    raise(4);
    assert.equal(intr.level, false);
    check(pair.master, [
      ['w', 0, 0x0a],
      ['r', 0, 0x10],
      ['r', 1, 0x10],
      ['w', 1, 0x00],
    ]);
    assert.equal(intr.level, true);
  });

  it('gives a spurious vector 7 of either chip when the request goes away, with no ISR bit in the chip that lost it', () => {
    const { pair, raise, lower } = setUp();
    raise(3);
    lower(3);
    assert.equal(pair.acknowledge(), 0x27);
    check(pair.master, [
      ['w', 0, 0x0b],
      ['r', 0, 0],
    ]);
    // The slave's request is withdrawn after the master was told: level triggered cascade input keeps it simple to show.
    pair.master.elcr = 0;
    raise(12);
    const slaveState = pair.slave.save();
    pair.slave.load({ ...slaveState, irr: 0, inputs: 0 });
    assert.equal(pair.acknowledge(), 0x2f);
    check(pair.master, [
      ['w', 0, 0x0b],
      ['r', 0, 0x04],
    ]);
    check(pair.slave, [
      ['w', 0, 0x0b],
      ['r', 0, 0],
    ]);
  });

  it('needs a new edge, unless ELCR makes the input level triggered', () => {
    const { intr, pair, raise, lower } = setUp();
    raise(5);
    pair.acknowledge();
    pair.master.write(0, 1, 0x65);
    assert.equal(intr.level, false);
    lower(5);
    pair.edgeLevelControl.write(0, 1, 0xff);
    assert.equal(pair.edgeLevelControl.read(0, 1), 0xf8, 'timer, keyboard and cascade stay edge triggered');
    pair.edgeLevelControl.write(1, 1, 0xff);
    assert.equal(pair.edgeLevelControl.read(1, 1), 0xde);
    raise(5);
    assert.equal(pair.acknowledge(), 0x25);
    pair.master.write(0, 1, 0x65);
    assert.equal(intr.level, true, 'the level is still there');
    lower(5);
    assert.equal(intr.level, false);
  });

  it('ends interrupts by itself with AEOI, and rotates when told', () => {
    const { pair, raise, lower } = setUp({ icw4: 0x03 });
    raise(3);
    assert.equal(pair.acknowledge(), 0x23);
    check(pair.master, [
      ['w', 0, 0x0b],
      ['r', 0, 0],
    ]);
    lower(3);
    pair.master.write(0, 1, 0x80);
    raise(3);
    assert.equal(pair.acknowledge(), 0x23);
    // IRQ 3 is now the lowest: 4 goes before 0.
    lower(3);
    raise(0);
    raise(4);
    assert.equal(pair.acknowledge(), 0x24);
    pair.master.write(0, 1, 0x00);
    assert.equal(pair.acknowledge(), 0x20);
  });

  it('keeps a second slave request under AEOI', () => {
    const { intr, pair, raise } = setUp({ icw4: 0x03 });
    raise(9);
    raise(10);
    assert.equal(pair.acknowledge(), 0x29);
    assert.equal(intr.level, true);
    assert.equal(pair.acknowledge(), 0x2a);
    assert.equal(intr.level, false);
  });

  const rotations: readonly [string, number, number[]][] = [
    ['rotate on non-specific EOI', 0xa0, [5, 6, 7, 0, 1, 3, 4]],
    ['rotate on specific EOI', 0xe4, [5, 6, 7, 0, 1, 3, 4]],
    ['non-specific EOI', 0x20, [0, 1, 3, 4, 5, 6, 7]],
    ['specific EOI', 0x64, [0, 1, 3, 4, 5, 6, 7]],
  ];
  for (const [title, ocw2, order] of rotations) {
    it(`${title}: order afterwards is ${order.join(' ')}`, () => {
      const { pair, raise, lower } = setUp();
      raise(4);
      pair.acknowledge();
      lower(4);
      pair.master.write(0, 1, ocw2);
      for (const irq of [0, 1, 3, 4, 5, 6, 7]) raise(irq);
      const served = order.map(() => {
        const irq = pair.acknowledge() & 7;
        pair.master.write(0, 1, 0x60 | irq);
        return irq;
      });
      assert.deepEqual(served, order);
    });
  }

  it('sets the lowest priority by command', () => {
    const { pair, raise } = setUp();
    pair.master.write(0, 1, 0xc5);
    raise(0);
    raise(6);
    assert.equal(pair.acknowledge(), 0x26);
  });

  it('special mask mode lets lower priorities through, but not what is in service itself', () => {
    const { intr, pair, raise, lower } = setUp();
    raise(3);
    pair.acknowledge();
    lower(3);
    raise(6);
    assert.equal(intr.level, false);
    pair.master.write(0, 1, 0x68);
    assert.equal(intr.level, true);
    assert.equal(pair.acknowledge(), 0x26);
    raise(3);
    assert.equal(intr.level, false);
    // A masked in-service bit is not ended by a non-specific EOI.
    pair.master.write(MASTER_DATA, 1, 0x08);
    pair.master.write(0, 1, 0x20);
    check(pair.master, [
      ['w', 0, 0x0b],
      ['r', 0, 0x08],
    ]);
  });

  it('special fully nested mode lets a more urgent slave request in', () => {
    for (const [icw4, nests] of [
      [0x01, false],
      [0x11, true],
    ] as const) {
      const { intr, pair, raise } = setUp({ icw4 });
      raise(12);
      pair.acknowledge();
      raise(8);
      assert.equal(intr.level, nests);
    }
  });

  it('answers polls and acknowledges by them', () => {
    const { intr, pair, raise } = setUp();
    check(pair.master, [
      ['w', 0, 0x0c],
      ['r', 0, 0x00],
    ]);
    raise(6);
    check(pair.master, [
      ['w', 0, 0x0c],
      ['r', 0, 0x86],
      ['w', 0, 0x0b],
      ['r', 0, 0x40],
    ]);
    assert.equal(intr.level, false);
  });

  it('ICW1 clears mask, requests, service and special modes, and needs ICW2 to ICW4 before interrupting', () => {
    const { intr, pair, raise } = setUp();
    pair.master.write(MASTER_DATA, 1, 0xff);
    raise(1);
    pair.master.write(0, 1, 0x0b);
    pair.master.write(0, 1, 0x11);
    check(pair.master, [
      ['r', 0, 0x00],
      ['r', 1, 0x00],
    ]);
    raise(5);
    check(pair.master, [['w', 1, 0x40]]);
    assert.equal(intr.level, false);
    check(pair.master, [
      ['w', 1, 0x04],
      ['w', 1, 0x01],
    ]);
    assert.equal(pair.acknowledge(), 0x45, 'IRQ 1 needs a new edge after initialization');
  });

  it('skips ICW3 for a single chip and ICW4 where none is announced', () => {
    const { pair, raise } = setUp();
    write(pair.master, 0x12, 0x50);
    check(pair.master, [
      ['w', 1, 0x02],
      ['r', 1, 0x02],
    ]);
    raise(0);
    assert.equal(pair.acknowledge(), 0x50);
  });

  it('LTIM makes all inputs level triggered', () => {
    const { intr, pair, raise } = setUp({ icw1: 0x19 });
    raise(0);
    pair.acknowledge();
    pair.master.write(0, 1, 0x20);
    assert.equal(intr.level, true);
  });
});
