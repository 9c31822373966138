import assert from 'node:assert/strict';
import { DeviceClock } from '../../debug-adapter/engine/devices/clock.ts';
import { PitCounter, fromBcd, toBcd, type CounterMode } from '../../debug-adapter/engine/devices/pit-counter.ts';
import { PIT_HERTZ, Pit8254 } from '../../debug-adapter/engine/devices/pit8254.ts';
import { RecordingLine, mismatches, type Step } from './support.ts';

/**
 * The timing diagrams of the 82C54 data sheet, one row each. `script` is what happens between clock pulses: `.` a pulse,
 * `G`/`g` GATE rises/falls, a number a new count. `shown` is OUT (`H`/`L`) and the count after each pulse.
 */
const DIAGRAMS: readonly [CounterMode, string, string, string][] = [
  [0, 'mode 0: OUT rises N + 1 pulses after the write', '4 . . . . . .', 'L4 L3 L2 L1 H0 H65535'],
  [0, 'mode 0: gate low holds the count', '3 . . g . . G . .', 'L3 L2 L2 L2 L1 H0'],
  [0, 'mode 0: a new count starts over', '3 . . 2 . . . .', 'L3 L2 L2 L1 H0 H65535'],
  [1, 'mode 1: low for N pulses after a trigger', 'g 3 . G . . . . .', 'H0 L3 L2 L1 H0 H65535'],
  [1, 'mode 1: retriggered', 'g 3 G . . g G . . . .', 'L3 L2 L3 L2 L1 H0'],
  [1, 'mode 1: a new count waits for the next trigger', 'g 2 G . 4 . . . g G . .', 'L2 L1 H0 H65535 L4 L3'],
  [2, 'mode 2: low for the last pulse of N', '3 . . . . . . .', 'H3 H2 L1 H3 H2 L1 H3'],
  [2, 'mode 2: gate low raises OUT, its rise reloads', '3 . . . g . . G . .', 'H3 H2 L1 H1 H1 H3 H2'],
  [2, 'mode 2: a new count is taken at the reload', '4 . . 5 . . . . . . .', 'H4 H3 H2 L1 H5 H4 H3 H2 L1'],
  [3, 'mode 3, even', '4 . . . . . . . . .', 'H4 H2 L4 L2 H4 H2 L4 L2 H4'],
  [3, 'mode 3, odd: high one pulse longer', '5 . . . . . . . . . .', 'H4 H2 H0 L4 L2 H4 H2 H0 L4 L2'],
  [3, 'mode 3: gate low raises OUT', '4 . . . g . . G . .', 'H4 H2 L4 H4 H4 H4 H2'],
  [4, 'mode 4: one strobe N + 1 pulses after the write', '3 . . . . . .', 'H3 H2 H1 L0 H65535 H65534'],
  [4, 'mode 4: gate low holds the count', '3 g . . G . . . .', 'H3 H3 H2 H1 L0 H65535'],
  [5, 'mode 5: a strobe after a trigger', 'g 3 . G . . . . .', 'H0 H3 H2 H1 L0 H65535'],
  [5, 'mode 5: retriggered', 'g 3 G . . g G . . . . .', 'H3 H2 H3 H2 H1 L0 H65535'],
];

function play(counter: PitCounter, script: string): string {
  const shown: string[] = [];
  for (const word of script.split(' ')) {
    if (word === '.') {
      counter.advance(1);
      shown.push(`${counter.out ? 'H' : 'L'}${counter.countNow}`);
    } else if (word === 'G' || word === 'g') counter.setGate(word === 'G');
    else {
      counter.write(Number(word) & 0xff);
      counter.write(Number(word) >> 8);
    }
  }
  return shown.join(' ');
}

describe('8254 counter', () => {
  for (const [mode, title, script, expected] of DIAGRAMS) {
    it(title, () => {
      const counter = new PitCounter(true, () => undefined);
      counter.control(mode, 'low-high', false);
      assert.equal(play(counter, script), expected);
    });
  }

  it('takes many pulses in one step exactly as one by one', () => {
    for (const mode of [0, 1, 2, 3, 4, 5] as const) {
      for (const count of [2, 3, 7, 10, 0]) {
        for (const pulses of [1, 2, 9, 10, 11, 100, 1001, 70_000]) {
          const edges: [number, number] = [0, 0];
          const [slow, fast] = [0, 1].map((index) => {
            const counter = new PitCounter(false, () => edges[index]!++);
            counter.control(mode, 'low', false);
            counter.write(count);
            counter.setGate(true);
            return counter;
          }) as [PitCounter, PitCounter];
          for (let pulse = 0; pulse < pulses; pulse++) slow.advance(1);
          fast.advance(pulses);
          assert.deepEqual(fast.save(), slow.save(), `mode ${mode}, count ${count}, ${pulses} pulses`);
          assert.ok(edges[1] <= edges[0]);
        }
      }
    }
  });

  it('announces each change of OUT', () => {
    for (const mode of [0, 1, 2, 3, 4, 5] as const) {
      for (const count of [2, 3, 5, 8]) {
        const changes: number[] = [];
        let pulse = 0;
        const counter = new PitCounter(false, () => changes.push(pulse));
        counter.control(mode, 'low', false);
        counter.write(count);
        counter.setGate(true);
        changes.length = 0;
        const announced = new Set<number>();
        for (pulse = 1; pulse <= 30; pulse++) {
          const next = counter.pulsesToEvent();
          if (next !== undefined) announced.add(pulse - 1 + next);
          counter.advance(1);
        }
        assert.ok(changes.length > 0);
        for (const at of changes)
          assert.ok(announced.has(at), `mode ${mode}, count ${count}: OUT changed at pulse ${at}`);
      }
    }
  });

  it('counts in decimal', () => {
    const counter = new PitCounter(true, () => undefined);
    counter.control(0, 'low-high', true);
    counter.write(0x00);
    counter.write(0x10);
    counter.advance(2);
    assert.equal(counter.countNow, 0x0999);
    counter.write(0x00);
    counter.write(0x00);
    counter.advance(2);
    assert.equal(counter.countNow, 0x9999);
    for (const value of [0, 9, 10, 1234, 9999]) assert.equal(fromBcd(toBcd(value)), value);
  });
});

/** One tick is one timer pulse, so that ticks can be counted by hand. */
function setUp() {
  const line = new RecordingLine();
  const pit = new Pit8254(PIT_HERTZ, line);
  const at = (tick: number): Step => ['do', () => pit.advanceTo(tick)];
  return { line, pit, at };
}

describe('8254 timer', () => {
  it('reads and latches counts in all access modes', () => {
    const { pit, at } = setUp();
    const script: Step[] = [
      ['w', 3, 0x34],
      ['w', 0, 0x34],
      ['w', 0, 0x12],
      at(1),
      ['w', 3, 0x00],
      at(5),
      // The latch holds until both bytes are read, a second latch is ignored; then the count is live again.
      ['w', 3, 0x00],
      ['r', 0, 0x34],
      ['r', 0, 0x12],
      ['r', 0, 0x30],
      ['r', 0, 0x12],
      ['w', 3, 0x50],
      ['w', 1, 0x80],
      at(6),
      ['r', 1, 0x80],
      ['r', 1, 0x80],
      ['w', 3, 0x60],
      ['w', 1, 0x80],
      at(8),
      ['r', 1, 0x7f],
      ['r', 3, 0xff],
    ];
    assert.deepEqual(mismatches(pit, script), []);
  });

  it('reads back status and count, status first', () => {
    const { pit, at } = setUp();
    const script: Step[] = [
      ['w', 3, 0x36],
      ['w', 3, 0xe2],
      ['r', 0, 0xf6],
      ['w', 0, 0x00],
      ['w', 0, 0x01],
      at(1),
      ['w', 3, 0xc2],
      at(9),
      ['r', 0, 0xb6],
      ['r', 0, 0x00],
      ['r', 0, 0x01],
      ['r', 0, 0xf0],
      // Mode bits 110b and 111b mean modes 2 and 3.
      ['w', 3, 0x5e],
      ['w', 3, 0xe4],
      ['r', 1, 0xd6],
    ];
    assert.deepEqual(mismatches(pit, script), []);
  });

  it('drives IRQ 0 from counter 0 and says when', () => {
    const { line, pit } = setUp();
    assert.equal(pit.nextEvent(), undefined);
    pit.write(3, 1, 0x34);
    assert.deepEqual(line.take(), [true]);
    pit.write(0, 1, 10);
    pit.write(0, 1, 0);
    const edges: string[] = [];
    for (let event = pit.nextEvent(); event !== undefined && event < 40; event = pit.nextEvent()) {
      pit.advanceTo(event);
      for (const level of line.take()) edges.push(`${event}${level ? 'H' : 'L'}`);
    }
    assert.deepEqual(edges, ['10L', '11H', '20L', '21H', '30L', '31H']);
  });

  it('gates counter 2 through the speaker gate', () => {
    const { pit } = setUp();
    pit.write(3, 1, 0xb0);
    pit.write(2, 1, 3);
    pit.write(2, 1, 0);
    pit.advanceTo(10);
    assert.equal(pit.speakerOut, false);
    pit.setSpeakerGate(true);
    pit.advanceTo(12);
    assert.equal(pit.speakerOut, false);
    pit.advanceTo(13);
    assert.equal(pit.speakerOut, true);
  });

  it('flips the refresh toggle every 18 pulses', () => {
    const { pit } = setUp();
    const seen = [17, 18, 35, 36].map((tick) => {
      pit.advanceTo(tick);
      return pit.refreshToggle;
    });
    assert.deepEqual(seen, [false, true, true, false]);
  });
});

describe('device clock', () => {
  it('is exact against big integers over years of virtual time', () => {
    for (const ticksPerSecond of [1, 999_983, 100_000_000, 3_000_000_000]) {
      const clock = new DeviceClock(PIT_HERTZ, ticksPerSecond);
      let tick = 1;
      for (let step = 0; step < 200; step++) {
        const exact = (BigInt(tick) * BigInt(PIT_HERTZ)) / BigInt(ticksPerSecond);
        assert.equal(BigInt(clock.pulsesAt(tick)), exact);
        const pulse = clock.pulsesAt(tick);
        const back = clock.tickOfPulse(pulse);
        assert.ok(clock.pulsesAt(back) >= pulse && (back === 0 || clock.pulsesAt(back - 1) < pulse));
        tick = (tick * 7 + step) % 2 ** 48;
        if (exact > BigInt(Number.MAX_SAFE_INTEGER)) break;
        if (ticksPerSecond === 1) tick %= 2 ** 31;
      }
    }
  });

  it('refuses a ratio it cannot count exactly', () => {
    assert.throws(() => new DeviceClock(PIT_HERTZ, 1e10), /not countable exactly/);
  });
});
