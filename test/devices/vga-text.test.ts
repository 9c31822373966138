import assert from 'node:assert/strict';
import { VgaText } from '../../debug-adapter/engine/devices/vga-text.ts';

function rig() {
  let graphics = 0;
  const vga = new VgaText(() => graphics++);
  const read = (port: number) => vga.read(port - 0x3b0, 1);
  const write = (port: number, ...values: number[]) => values.forEach((value) => vga.write(port - 0x3b0, 1, value));
  const shown = (name: string) => vga.registers().find((register) => register.name === name)?.value;
  return { vga, read, write, shown, graphics: () => graphics };
}

describe('VGA registers', () => {
  it('start in mode 03h', () => {
    const { read, write, shown } = rig();
    assert.equal(read(0x3cc), 0x67);
    assert.equal(shown('COLUMNS'), 80);
    write(0x3d4, 0x13);
    assert.equal(read(0x3d5), 0x28);
    write(0x3ce, 6);
    assert.equal(read(0x3cf), 0x0e);
  });

  it('move the cursor', () => {
    const { write, shown, read } = rig();
    write(0x3d4, 0x0e);
    write(0x3d5, 0x07);
    write(0x3d4, 0x0f);
    write(0x3d5, 0xcf);
    assert.equal(shown('CURSOR'), 0x7cf);
    assert.deepEqual([read(0x3d4), read(0x3d5)], [0x0f, 0xcf]);
  });

  it('protect the timing of the CRT controller until that is switched off', () => {
    const { read, write } = rig();
    write(0x3d4, 0x01);
    write(0x3d5, 0x27);
    assert.equal(read(0x3d5), 0x4f);
    write(0x3d4, 0x11);
    write(0x3d5, 0x0e);
    write(0x3d4, 0x01);
    write(0x3d5, 0x27);
    assert.equal(read(0x3d5), 0x27);
  });

  it('take attribute index and data in turns, starting over with a read of 3DAh', () => {
    const { read, write } = rig();
    write(0x3c0, 0x10);
    read(0x3da);
    write(0x3c0, 0x11, 0x3f);
    write(0x3c0, 0x11);
    assert.equal(read(0x3c1), 0x3f);
  });

  it('count through the palette', () => {
    const { read, write } = rig();
    write(0x3c8, 255);
    write(0x3c9, 1, 0xff, 3, 4);
    write(0x3c7, 255);
    assert.deepEqual([read(0x3c9), read(0x3c9), read(0x3c9), read(0x3c9)], [1, 0x3f, 3, 4]);
  });

  it('show both levels of the retrace', () => {
    const { read } = rig();
    assert.deepEqual([read(0x3da) & 8, read(0x3da) & 8], [8, 0]);
  });

  it('tell who asks for graphics', () => {
    const { write, graphics } = rig();
    write(0x3ce, 6);
    write(0x3cf, 0x0e);
    assert.equal(graphics(), 0);
    write(0x3cf, 0x05);
    assert.equal(graphics(), 1);
  });
});
