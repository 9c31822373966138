import assert from 'node:assert/strict';
import type { MappedDevice } from '../../debug-adapter/engine/devices/device.ts';
import { AddressOverlapError, MappedBus } from '../../debug-adapter/engine/devices/mapped-bus.ts';

/** Answers each read with its own number and remembers writes. */
function fake(name: string, byteCount: number, answer: number) {
  const writes: string[] = [];
  const device: MappedDevice<null> = {
    name,
    byteCount,
    read: () => answer,
    write: (offset, bytes, value) => void writes.push(`${offset} ${bytes} ${value}`),
    save: () => null,
    load: () => undefined,
    registers: () => [],
  };
  return { device, writes };
}

describe('memory-mapped bus', () => {
  const first = fake('first', 0x1000, -1);
  const second = fake('second', 0x20, 2);
  const bus = new MappedBus();
  bus.register(0xfec0_0000, first.device);
  bus.register(0xfec0_1000, second.device);

  it('asks the device that decodes the address, unsigned', () => {
    assert.equal(bus.read(0xfec0_0ffc, 4), 0xffff_ffff);
    assert.equal(bus.read(0xfec0_1000, 1), 2);
    assert.equal(bus.write(0xfec0_101e, 2, 7), true);
    assert.deepEqual(second.writes, ['30 2 7']);
  });

  for (const [title, address, bytes] of [
    ['below', 0xfebf_ffff, 1],
    ['behind', 0xfec0_1020, 4],
    ['across the end', 0xfec0_101e, 4],
    ['across two devices', 0xfec0_0ffe, 4],
  ] as const) {
    it(`touches nothing ${title}`, () => {
      first.writes.length = second.writes.length = 0;
      assert.equal(bus.read(address, bytes), undefined);
      assert.equal(bus.write(address, bytes, 1), false);
      assert.deepEqual([...first.writes, ...second.writes], []);
    });
  }

  it('rejects overlaps with both names, until the other device has left', () => {
    const third = fake('third', 0x1000, 3);
    assert.throws(
      () => bus.register(0xfebf_f001, third.device),
      (error: unknown) =>
        error instanceof AddressOverlapError && /FEC00000h of third already belongs to first/.test(error.message),
    );
    bus.unregister(first.device);
    bus.register(0xfebf_f001, third.device);
    assert.equal(bus.read(0xfebf_fffc, 4), 3);
    assert.equal(bus.read(0xfec0_0001, 1), undefined);
  });
});
