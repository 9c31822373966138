import assert from 'node:assert/strict';
import { PortBus, PortOverlapError } from '../../debug-adapter/engine/devices/bus.ts';
import type { AccessBytes, PortDevice } from '../../debug-adapter/engine/devices/device.ts';

/** Answers each read with its own id in every byte and logs what it is asked. */
function fake(id: number, portCount: number, widestAccess: AccessBytes, log: string[]): PortDevice<null> {
  return {
    name: `fake ${id}`,
    portCount,
    widestAccess,
    read(offset, bytes) {
      log.push(`${id}: in ${bytes} @${offset}`);
      return (id * 0x01010101) % 2 ** (8 * bytes);
    },
    write(offset, bytes, value) {
      log.push(`${id}: out ${bytes} @${offset} ${value.toString(16)}`);
    },
    save: () => null,
    load: () => undefined,
    registers: () => [],
  };
}

function setUp() {
  const log: string[] = [];
  const bus = new PortBus();
  bus.register(0x40, fake(1, 4, 1, log));
  bus.register(0x44, fake(2, 4, 4, log));
  bus.register(0x510, fake(3, 2, 2, log));
  bus.register(0xffff, fake(4, 1, 1, log));
  bus.register(0x0, fake(5, 1, 1, log));
  return { bus, log };
}

const ROWS: readonly [port: number, bytes: AccessBytes, value: number, calls: string[]][] = [
  [0x41, 1, 0x01, ['1: in 1 @1']],
  [0x40, 2, 0x0101, ['1: in 1 @0', '1: in 1 @1']],
  [0x40, 4, 0x01010101, ['1: in 1 @0', '1: in 1 @1', '1: in 1 @2', '1: in 1 @3']],
  [0x44, 4, 0x02020202, ['2: in 4 @0']],
  [0x46, 2, 0x0202, ['2: in 2 @2']],
  // Straddling two devices: each gets its own bytes.
  [0x42, 4, 0x02020101, ['1: in 1 @2', '1: in 1 @3', '2: in 2 @0']],
  [0x510, 2, 0x0303, ['3: in 2 @0']],
  // The port number wraps at FFFFh.
  [0xffff, 2, 0x0504, ['4: in 1 @0', '5: in 1 @0']],
];

describe('port bus', () => {
  for (const [port, bytes, value, calls] of ROWS) {
    it(`reads ${bytes} bytes at ${port.toString(16)}h as ${calls.join(', ')}`, () => {
      const { bus, log } = setUp();
      assert.deepEqual(bus.read(port, bytes), { kind: 'done', value });
      assert.deepEqual(log, calls);
    });
  }

  it('splits writes low byte first and passes only the bits of each part', () => {
    const { bus, log } = setUp();
    assert.deepEqual(bus.write(0x42, 4, 0x89abcdef), { kind: 'done' });
    assert.deepEqual(log.splice(0), ['1: out 1 @2 ef', '1: out 1 @3 cd', '2: out 2 @0 89ab']);
    bus.write(0x44, 4, 0x89abcdef | 0);
    bus.write(0x45, 1, 0x1ff);
    assert.deepEqual(log.splice(0), ['2: out 4 @0 89abcdef', '2: out 1 @1 ff']);
    bus.write(0xffff, 2, 0x1234);
    assert.deepEqual(log, ['4: out 1 @0 34', '5: out 1 @0 12']);
  });

  it('names the first port nobody decodes and touches nothing then', () => {
    const { bus, log } = setUp();
    assert.deepEqual(bus.read(0x48, 1), { kind: 'unclaimed', port: 0x48 });
    assert.deepEqual(bus.read(0x46, 4), { kind: 'unclaimed', port: 0x48 });
    assert.deepEqual(bus.write(0x511, 2, 0), { kind: 'unclaimed', port: 0x512 });
    assert.deepEqual(bus.write(0xfffe, 4, 0), { kind: 'unclaimed', port: 0xfffe });
    assert.deepEqual(bus.read(0x0, 2), { kind: 'unclaimed', port: 1 });
    assert.deepEqual(log, []);
  });

  it('floats where it is told to, and asks the devices that are there', () => {
    const { bus, log } = setUp();
    assert.deepEqual([bus.readFloating(0x48, 1), bus.readFloating(0x48, 4)], [0xff, 0xffff_ffff]);
    assert.equal(bus.readFloating(0x46, 4), 0xffff_0202);
    assert.equal(bus.readFloating(0xfffe, 4), 0xff05_04ff);
    bus.writeFloating(0x46, 4, 0x89abcdef);
    bus.writeFloating(0x48, 2, 0x1234);
    assert.deepEqual(log, ['2: in 2 @2', '4: in 1 @0', '5: in 1 @0', '2: out 2 @2 cdef']);
  });

  it('refuses overlaps, naming both devices', () => {
    const { bus } = setUp();
    assert.throws(
      () => bus.register(0x3e, fake(9, 3, 1, [])),
      (error: unknown) =>
        error instanceof PortOverlapError &&
        error.port === 0x40 &&
        error.existing === 'fake 1' &&
        error.added === 'fake 9' &&
        error.message.includes('40h'),
    );
    assert.equal(bus.at(0x3e), undefined, 'a refused device has no ports');
    assert.throws(() => bus.register(0xffff, fake(9, 2, 1, [])), /does not fit/);
  });
});
