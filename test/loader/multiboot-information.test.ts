import assert from 'node:assert/strict';
import type { BootModule, LoadSegment } from '../../debug-adapter/engine/base/program.ts';
import { multibootInformation } from '../../debug-adapter/engine/loader/multiboot-information.ts';

const MIB = 1 << 20;
const segment = (address: number, bytes: number): LoadSegment => ({
  address,
  bytes: new Uint8Array(0),
  zeroBytes: bytes,
});

function build(
  memoryBytes: number,
  segments: readonly LoadSegment[] = [],
  commandLine = 'kernel.elf console=com1',
  modules: readonly BootModule[] = [],
) {
  const information = multibootInformation({ memoryBytes, commandLine, segments, modules });
  assert.ok(information);
  const { bytes, address } = information.segment;
  assert.equal(information.address, address);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (pointer: number) => {
    const at = pointer - address;
    return Buffer.from(bytes.subarray(at, bytes.indexOf(0, at))).toString('latin1');
  };
  return { address, bytes, view, text, u32: (offset: number) => view.getUint32(offset, true) };
}

describe('Multiboot information', () => {
  it('tells memory, command line, memory map and loader', () => {
    const { u32, view, text, address } = build(64 * MIB);
    assert.equal(u32(0), 0x24d);
    assert.equal(u32(4), 639);
    assert.equal(u32(8), 63 * 1024);
    assert.equal(text(u32(16)), 'kernel.elf console=com1');
    assert.equal(u32(20), 0, 'no modules');
    assert.equal(text(u32(64)), 'Hyperstep');
    const map: number[][] = [];
    for (let at = u32(48) - address; at < u32(48) - address + u32(44); at += view.getUint32(at, true) + 4) {
      map.push([
        Number(view.getBigUint64(at + 4, true)),
        Number(view.getBigUint64(at + 12, true)),
        view.getUint32(at + 20, true),
      ]);
    }
    assert.deepEqual(map, [
      [0, 0x9_fc00, 1],
      [0x9_fc00, 0x400, 2],
      [0xe_0000, 0x2_0000, 2],
      [MIB, 63 * MIB, 1],
    ]);
  });

  it('lists modules', () => {
    const { u32, text, address } = build(64 * MIB, [], 'k', [
      { start: 0x20_0000, end: 0x20_1234, name: 'initrd.img' },
      { start: 0x20_2000, end: 0x20_2001, name: 'b' },
    ]);
    assert.equal(u32(20), 2);
    const at = u32(24) - address;
    assert.equal(at % 4, 0);
    assert.deepEqual([u32(at), u32(at + 4), text(u32(at + 8)), u32(at + 12)], [0x20_0000, 0x20_1234, 'initrd.img', 0]);
    assert.deepEqual([u32(at + 16), u32(at + 20), text(u32(at + 24))], [0x20_2000, 0x20_2001, 'b']);
    assert.equal(text(u32(64)), 'Hyperstep');
  });

  it('splits memory above 3 GiB around the devices', () => {
    const { u32, view, address } = build(5 * 1024 * MIB);
    assert.equal(u32(8), 3071 * 1024);
    const last = u32(48) - address + u32(44) - 24;
    assert.equal(Number(view.getBigUint64(last + 4, true)), 4 * 1024 * MIB);
    assert.equal(Number(view.getBigUint64(last + 12, true)), 2 * 1024 * MIB);
  });

  const places: readonly [title: string, segments: readonly LoadSegment[], address: number][] = [
    ['in low memory', [segment(MIB, MIB)], 0x9000],
    ['after a segment there', [segment(0x8000, 0x2345)], 0xa350],
    ['in a gap that is large enough', [segment(0x9000, 0x10), segment(0x9020, 0x10), segment(0x9100, 0x1000)], 0xa100],
    ['after the program where low memory is full', [segment(0, 0x9_fc00), segment(MIB, 0x1234)], MIB + 0x2000],
  ];
  for (const [title, segments, address] of places) {
    it(`goes ${title}`, () => assert.equal(build(16 * MIB, segments).address, address));
  }

  it('finds no room where the program takes everything', () => {
    const segments = [segment(0, 0x9_fc00), segment(MIB, 15 * MIB)];
    assert.equal(multibootInformation({ memoryBytes: 16 * MIB, commandLine: '', segments, modules: [] }), undefined);
  });
});
