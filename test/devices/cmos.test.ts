import assert from 'node:assert/strict';
import { oneSecondLater } from '../../debug-adapter/engine/devices/calendar.ts';
import { Cmos, RTC_HERTZ } from '../../debug-adapter/engine/devices/cmos.ts';
import { RecordingLine } from './support.ts';

const MIB = 1024 * 1024;

/** One tick is one crystal pulse. */
function setUp(memoryBytes = 64 * MIB) {
  const line = new RecordingLine();
  const cmos = new Cmos(RTC_HERTZ, memoryBytes, line);
  const get = (index: number) => {
    cmos.write(0, 1, index);
    return cmos.read(1, 1);
  };
  const set = (index: number, value: number) => {
    cmos.write(0, 1, index);
    cmos.write(1, 1, value);
  };
  const time = () =>
    [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00].map((index) => get(index).toString(16).padStart(2, '0')).join(' ');
  return { line, cmos, get, set, time };
}

describe('real-time clock', () => {
  it('starts on Saturday, 1 January 2000 and advances by virtual seconds', () => {
    const { cmos, time } = setUp();
    assert.equal(time(), '20 00 01 01 07 00 00 00');
    cmos.advanceTo(RTC_HERTZ - 1);
    assert.equal(time(), '20 00 01 01 07 00 00 00');
    cmos.advanceTo(RTC_HERTZ * 45);
    assert.equal(time(), '20 00 01 01 07 00 00 45');
    cmos.advanceTo(RTC_HERTZ * (86_400 + 3_661));
    assert.equal(time(), '20 00 01 02 01 01 01 01');
  });

  const carries: readonly [string, number[], string][] = [
    ['a common year', [1, 2, 28], '01-3-1'],
    ['a leap year', [4, 2, 28], '04-2-29'],
    ['a month of 30 days', [3, 4, 30], '03-5-1'],
    ['the year', [3, 12, 31], '04-1-1'],
    ['the century', [99, 12, 31], '00-1-1'],
  ];
  for (const [title, [year, month, day], expected] of carries) {
    it(`carries into ${title}`, () => {
      const next = oneSecondLater({
        second: 59,
        minute: 59,
        hour: 23,
        weekday: 7,
        day: day!,
        month: month!,
        year: year!,
        century: 20,
      });
      assert.equal(`${String(next.year).padStart(2, '0')}-${next.month}-${next.day}`, expected);
      assert.equal(next.weekday, 1);
      assert.equal(next.century, year === 99 ? 21 : 20);
    });
  }

  it('shows hours in 12-hour, binary and BCD form', () => {
    const { get, set } = setUp();
    set(0x04, 0x23);
    assert.equal(get(0x04), 0x23);
    set(0x0b, 0x00);
    assert.equal(get(0x04), 0x91);
    set(0x0b, 0x06);
    assert.equal(get(0x04), 23);
    set(0x0b, 0x00);
    set(0x04, 0x12);
    set(0x0b, 0x02);
    assert.equal(get(0x04), 0x00, '12 AM is midnight');
  });

  it('announces an update with UIP and stops updating under SET', () => {
    const { cmos, get, set, time } = setUp();
    cmos.advanceTo(RTC_HERTZ - 9);
    assert.equal(get(0x0a), 0x26);
    cmos.advanceTo(RTC_HERTZ - 8);
    assert.equal(get(0x0a), 0xa6);
    set(0x0b, 0x82);
    assert.equal(get(0x0a), 0x26);
    cmos.advanceTo(3 * RTC_HERTZ);
    assert.equal(time(), '20 00 01 01 07 00 00 00');
  });

  it('interrupts per update, at the alarm, and periodically; reading register C clears', () => {
    const { cmos, line, get, set } = setUp();
    get(0x0c);
    set(0x0b, 0x12);
    assert.equal(cmos.nextEvent(), RTC_HERTZ);
    cmos.advanceTo(RTC_HERTZ);
    assert.equal(line.level, true);
    assert.equal(get(0x0c), 0xd0, 'IRQF, UF, and PF because the rate divider ran');
    assert.equal(line.level, false);
    set(0x01, 0x05);
    set(0x03, 0xff);
    set(0x05, 0xc0);
    set(0x0b, 0x22);
    cmos.advanceTo(4 * RTC_HERTZ);
    assert.equal(line.level, false);
    cmos.advanceTo(5 * RTC_HERTZ);
    assert.equal(line.level, true);
    assert.equal(get(0x0c) & 0xa0, 0xa0);
    set(0x0b, 0x42);
    set(0x0a, 0x2f);
    assert.equal(cmos.nextEvent(), 5 * RTC_HERTZ + 16_384, 'rate 15 is 2 Hz');
    set(0x0a, 0x26);
    assert.equal(cmos.nextEvent(), 5 * RTC_HERTZ + 32, 'rate 6 is 1,024 Hz');
    set(0x0a, 0x20);
    assert.equal(cmos.nextEvent(), undefined);
  });

  it('register D says that the memory is valid; C and D cannot be written', () => {
    const { get, set } = setUp();
    set(0x0d, 0);
    set(0x0c, 0xff);
    assert.equal(get(0x0d), 0x80);
    assert.equal(get(0x0c), 0);
  });
});

describe('CMOS memory', () => {
  const word = (get: (index: number) => number, index: number) => get(index) | (get(index + 1) << 8);

  for (const [memory, kib, blocks, above4Gib] of [
    [1 * MIB, 0, 0, 0],
    [16 * MIB, 15 * 1024, 0, 0],
    [64 * MIB, 63 * 1024, 768, 0],
    [3072 * MIB, 0xffff, 0xbf00, 0],
    [8192 * MIB, 0xffff, 0xbf00, 0x1_4000],
  ] as const) {
    it(`tells the size of ${memory / MIB} MiB`, () => {
      const { get } = setUp(memory);
      assert.equal(word(get, 0x15), 640);
      assert.equal(word(get, 0x17), kib);
      assert.equal(word(get, 0x30), kib);
      assert.equal(word(get, 0x34), blocks);
      assert.equal(word(get, 0x5b) | (get(0x5d) << 16), above4Gib);
      let sum = 0;
      for (let index = 0x10; index < 0x2e; index++) sum += get(index);
      assert.equal((get(0x2e) << 8) | get(0x2f), sum);
    });
  }

  it('keeps what is written, under the NMI mask bit too', () => {
    const { get, set } = setUp();
    set(0x8f, 0x05);
    assert.equal(get(0x0f), 0x05);
  });
});
