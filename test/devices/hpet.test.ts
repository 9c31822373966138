import assert from 'node:assert/strict';
import { Hpet } from '../../debug-adapter/engine/devices/hpet.ts';

const CONFIG = 0x10;
const STATUS = 0x20;
const COUNTER = 0xf0;
const timer = (index: number) => 0x100 + index * 0x20;
const comparator = (index: number) => timer(index) + 8;

function rig() {
  const log: string[] = [];
  const hpet = new Hpet(100_000_000, {
    output: (to) => ({
      set: (level) =>
        void log.push(`${'pin' in to ? `pin ${to.pin}` : `IRQ ${to.legacyIrq}`} ${level ? 'up' : 'down'}`),
    }),
  });
  return {
    hpet,
    log,
    read: (at: number) => hpet.read(at, 4),
    write: (at: number, value: number) => hpet.write(at, 4, value),
  };
}

describe('HPET', () => {
  it('says what it can do', () => {
    const { read } = rig();
    assert.equal(read(0), 0x8086_a201);
    assert.equal(read(4), 10_000_000, 'femtoseconds per count');
    assert.equal(read(timer(2)), 0x30);
    assert.equal(read(timer(2) + 4), 0x00f0_0000);
    assert.equal(hpetOf(rig()).nextEvent(), undefined);
  });

  it('counts while enabled, from what was written', () => {
    const { hpet, read, write } = rig();
    hpet.advanceTo(50);
    assert.equal(read(COUNTER), 0);
    write(COUNTER, 0xffff_fff0);
    write(CONFIG, 1);
    hpet.advanceTo(50 + 0x20);
    assert.deepEqual([read(COUNTER), read(COUNTER + 4)], [0x10, 1]);
    write(CONFIG, 0);
    hpet.advanceTo(1000);
    assert.equal(read(COUNTER), 0x10);
  });

  it('interrupts once at the comparator, edge triggered', () => {
    const { hpet, log, write } = rig();
    write(timer(0), (20 << 9) | 4);
    write(comparator(0), 300);
    write(comparator(0) + 4, 0);
    write(CONFIG, 1);
    assert.equal(hpet.nextEvent(), 300);
    hpet.advanceTo(299);
    assert.deepEqual(log, []);
    hpet.advanceTo(300);
    assert.deepEqual(log, ['pin 20 up', 'pin 20 down']);
    assert.equal(hpet.nextEvent(), undefined);
  });

  it('holds a level until its status bit is written', () => {
    const { hpet, log, read, write } = rig();
    write(timer(1), (21 << 9) | 6);
    write(comparator(1), 10);
    write(comparator(1) + 4, 0);
    write(CONFIG, 1);
    hpet.advanceTo(20);
    assert.equal(read(STATUS), 2);
    write(STATUS, 1);
    assert.deepEqual(log, ['pin 21 up']);
    write(STATUS, 2);
    assert.deepEqual(log, ['pin 21 up', 'pin 21 down']);
    assert.equal(read(STATUS), 0);
  });

  it('repeats in periodic mode, the first time set through VAL_SET by half and whole stores', () => {
    for (const stores of [
      [
        [0, 1000],
        [0, 100],
      ],
      [
        [0, 1000],
        [4, 0],
        [0, 100],
        [4, 0],
      ],
    ]) {
      const { hpet, log, write } = rig();
      write(timer(0), 0x100 | 0x40 | 0x08 | 4);
      for (const [half, value] of stores) write(comparator(0) + half!, value!);
      write(CONFIG, 3);
      assert.equal(hpet.nextEvent(), 1000);
      hpet.advanceTo(1000);
      assert.equal(hpet.nextEvent(), 1100);
      hpet.advanceTo(1350);
      assert.equal(hpet.nextEvent(), 1400);
      assert.deepEqual(log, ['IRQ 0 up', 'IRQ 0 down', 'IRQ 0 up', 'IRQ 0 down']);
    }
  });
});

const hpetOf = ({ hpet }: ReturnType<typeof rig>): Hpet => hpet;
