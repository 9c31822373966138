import assert from 'node:assert/strict';
import { CHIP_SET_FUNCTIONS } from '../../debug-adapter/engine/devices/chip-set.ts';
import { PciBus } from '../../debug-adapter/engine/devices/pci.ts';

function rig() {
  let resets = 0;
  const pci = new PciBus(CHIP_SET_FUNCTIONS, () => resets++);
  const select = (device: number, fn: number, register: number, bus = 0) =>
    pci.write(0, 4, (0x8000_0000 + (bus << 16) + (device << 11) + (fn << 8) + register) >>> 0);
  return { pci, select, resets: () => resets };
}

describe('PCI configuration', () => {
  for (const [title, device, register, expected] of [
    ['host bridge', 0, 0x00, 0x1237_8086],
    ['host bridge class', 0, 0x08, 0x0600_0002],
    ['ISA bridge', 1, 0x00, 0x7000_8086],
    ['ISA bridge class', 1, 0x08, 0x0601_0000],
    ['ISA bridge routing', 1, 0x60, 0x0b0a_0b0a],
    ['header of a device with several functions', 1, 0x0c, 0x0080_0000],
    ['nothing', 2, 0x00, 0xffff_ffff],
  ] as const) {
    it(`reads the ${title}`, () => {
      const { pci, select } = rig();
      select(device, 0, register);
      assert.equal(pci.read(4, 4), expected);
    });
  }

  it('reads ones where there is no bus, no function or no configuration cycle', () => {
    const { pci, select } = rig();
    select(0, 0, 0, 1);
    assert.equal(pci.read(4, 2), 0xffff);
    select(1, 5, 0);
    assert.equal(pci.read(4, 1), 0xff);
    pci.write(0, 4, 0);
    assert.equal(pci.read(4, 4), 0xffff_ffff);
  });

  it('decodes parts of a register by the port', () => {
    const { pci, select } = rig();
    select(0, 0, 0);
    assert.deepEqual([pci.read(5, 1), pci.read(6, 2)], [0x80, 0x1237]);
  });

  it('keeps what can be written and nothing else', () => {
    const { pci, select } = rig();
    select(1, 0, 0x60);
    pci.write(5, 1, 0xff);
    assert.equal(pci.read(4, 4), 0x0b0a_8f0a);
    select(1, 0, 0);
    pci.write(4, 4, 0);
    assert.equal(pci.read(4, 4), 0x7000_8086);
    assert.equal(pci.read(0, 4), 0x8000_0800);
  });

  it('has an IDE function whose bus master can be sized and moved', () => {
    const { pci, select } = rig();
    const ide = pci.functionAt(1, 1);
    select(1, 1, 0x00);
    assert.equal(pci.read(4, 4), 0x7010_8086);
    select(1, 1, 0x08);
    assert.equal(pci.read(4, 4), 0x0101_8000);
    select(1, 1, 0x20);
    assert.deepEqual([pci.read(4, 4), ide.ioBase(4)], [0xc001, 0xc000]);
    pci.write(4, 4, 0xffff_ffff);
    assert.equal(pci.read(4, 4), 0xfff1);
    pci.write(4, 4, 0xd00f);
    assert.equal(ide.ioBase(4), 0xd000);
    select(1, 1, 0x04);
    assert.deepEqual([ide.ioEnabled, ide.masterEnabled], [true, true]);
    pci.write(4, 2, 0x04);
    assert.deepEqual([ide.ioBase(4), ide.masterEnabled], [undefined, true]);
    pci.write(4, 2, 0xffff);
    assert.equal(pci.read(4, 2), 0x0005);
  });

  it('resets by a rise of bit 2 at CF9h, whose byte is not part of the address', () => {
    const { pci, resets } = rig();
    pci.write(1, 1, 0x02);
    assert.equal(resets(), 0);
    pci.write(1, 1, 0x06);
    pci.write(1, 1, 0x06);
    assert.equal(resets(), 1);
    assert.deepEqual([pci.read(1, 1), pci.read(0, 4), pci.read(0, 1)], [0x06, 0, 0xff]);
  });
});
