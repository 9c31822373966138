import assert from 'node:assert/strict';
import type { FirmwareRegister } from '../../../debug-adapter/engine/loader/firmware/context.ts';
import { SERVICES } from '../../../debug-adapter/engine/loader/firmware/services.ts';
import type { FakeMachine } from './fake-machine.ts';
import { MIB, again, call, disk } from './fake-machine.ts';

describe('firmware services', () => {
  it('prints with INT 10h, AH=0Eh, and changes no register', () => {
    const { machine, result } = call(0x10, 0x0e41);
    assert.deepEqual(result, { kind: 'done' });
    assert.equal(machine.printed, 'A');
    assert.equal(machine.registers.eax, 0xa5a5_0e41);
  });

  for (const [vector, ax, what] of [
    [0x16, 0x2000, 'firmware service INT 16h, AH=20h, called before 0000:7C12'],
    [0x10, 0x0013, 'firmware service INT 10h, AH=00h, called before 0000:7C12: video mode 13h'],
    [0x10, 0x1c00, 'firmware service INT 10h, AH=1Ch, called before 0000:7C12'],
    [0x13, 0x0501, 'firmware service INT 13h, AH=05h, called before 0000:7C12'],
    [0x15, 0x2404, 'firmware service INT 15h, AX=2404h, called before 0000:7C12'],
    [0x19, 0x0000, 'firmware service INT 19h, AH=00h, called before 0000:7C12'],
    [0x0d, 0x0000, 'INT 0Dh (#GP, general protection) at 0000:7C12: the program has set no handler for it'],
    [0x00, 0x0000, 'INT 00h (#DE, divide error) at 0000:7C12: the program has set no handler for it'],
  ] as const) {
    it(`stops at ${what}`, () => {
      const { machine, result } = call(vector, ax);
      assert.deepEqual(result, { kind: 'unimplemented', what });
      assert.equal(machine.registers.eax, (0xa5a5_0000 | ax) >>> 0);
    });
  }

  it('resets on the reset call', () => assert.deepEqual(call(0x100, 0).result, { kind: 'reset' }));

  it('has one row per function', () => {
    const keys = SERVICES.map(({ vector, ah, ax }) => `${vector} ${ah} ${ax}`);
    assert.equal(new Set(keys).size, keys.length);
    for (const { ah, ax } of SERVICES) assert.ok(ah === undefined || ax === undefined);
  });
});

describe('INT 13h', () => {
  it('resets drive 0 only', () => {
    const present = call(0x13, 0x0000, { edx: 0 });
    assert.deepEqual([present.machine.ah, present.machine.carry], [0, false]);
    const absent = call(0x13, 0x0000, { edx: 0x80 });
    assert.deepEqual([absent.machine.ah, absent.machine.carry], [1, true]);
    assert.equal(absent.machine.memory[0x474], 1, 'status in the BIOS data area');
    assert.deepEqual([again(absent.machine, absent.boot, 0x13, 0x0100, { edx: 0x80 }).machine.ah], [1]);
  });

  const reads: readonly [title: string, cx: number, dx: number, firstSector: number][] = [
    ['sector 2 of the first track', 0x0002, 0x0000, 1],
    ['head 1', 0x0001, 0x0100, 18],
    ['cylinder 1', 0x0101, 0x0000, 36],
    ['the last sector of a track', 0x0012, 0x0000, 17],
  ];
  for (const [title, ecx, edx, first] of reads) {
    it(`reads ${title} by cylinder, head, sector`, () => {
      const { machine } = call(0x13, 0x0202, { ecx, edx, ebx: 0x7e00 });
      assert.deepEqual([machine.ah, machine.registers.eax & 0xff, machine.carry], [0, 2, false]);
      assert.equal(machine.registers.eax >>> 16, 0xa5a5);
      assert.equal(machine.memory[0x7e00], first);
      assert.equal(machine.memory[0x7e00 + 1023], first + 1);
      assert.equal(machine.memory[0x7e00 + 1024], 0);
    });
  }

  it('reads zeros after the end of the image and up to the end of the floppy', () => {
    const { machine } = call(0x13, 0x0201, { ecx: 0x4f12, edx: 0x0100, ebx: 0x8000 }, (m) =>
      m.memory.fill(0xcc, 0x8000, 0x8200),
    );
    assert.equal(machine.carry, false);
    assert.ok(machine.memory.subarray(0x8000, 0x8200).every((byte) => byte === 0));
  });

  const failures: readonly [
    title: string,
    ax: number,
    registers: Partial<Record<FirmwareRegister, number>>,
    es: number,
    ah: number,
  ][] = [
    ['another drive', 0x0201, { ecx: 1, edx: 0x80 }, 0, 0x01],
    ['no sectors', 0x0200, { ecx: 1 }, 0, 0x01],
    ['sector 0', 0x0201, { ecx: 0 }, 0, 0x04],
    ['sector 19', 0x0201, { ecx: 19 }, 0, 0x04],
    ['head 2', 0x0201, { ecx: 1, edx: 0x0200 }, 0, 0x04],
    ['cylinder 80', 0x0201, { ecx: 0x5001 }, 0, 0x04],
    ['cylinder 256', 0x0201, { ecx: 0x0041 }, 0, 0x04],
    ['beyond the last sector', 0x0202, { ecx: 0x4f12, edx: 0x0100 }, 0, 0x04],
    ['across a 64 KiB boundary', 0x0202, { ecx: 1, ebx: 0xfe00 }, 0x1000, 0x09],
  ];
  for (const [title, ax, registers, es, ah] of failures) {
    it(`refuses ${title} with status ${ah}`, () => {
      const { machine } = call(0x13, ax, registers, (m) => (m.segments.es = es));
      assert.deepEqual([machine.ah, machine.registers.eax & 0xff, machine.carry], [ah, 0, true]);
    });
  }

  it('tells the geometry of a 1.44 MB floppy', () => {
    const { machine } = call(0x13, 0x0800, { edx: 0 });
    const { eax, ebx, ecx, edx, edi } = machine.registers;
    assert.deepEqual([eax & 0xffff, ebx, ecx, edx, machine.carry], [0, 4, 0x4f12, 0x0101, false]);
    assert.deepEqual([machine.segments.es, edi], [0xf000, 0xefc7]);
    const absent = call(0x13, 0x0800, { edx: 0x0181 }).machine;
    assert.deepEqual([absent.ah, absent.carry, absent.registers.edx], [1, true, 0x0100]);
  });

  it('reads back what it has written, and leaves the image alone', () => {
    const image = disk(100);
    const { machine, boot } = call(
      0x13,
      0x0302,
      { ecx: 0x0002, ebx: 0x7e00 },
      (m) => m.memory.fill(0xee, 0x7e00, 0x8200),
      image,
    );
    assert.deepEqual([machine.ah, machine.carry], [0, false]);
    assert.ok(image.subarray(512, 1536).every((byte, at) => byte === (at < 512 ? 1 : 2)));
    again(machine, boot, 0x13, 0x0203, { ecx: 0x0001, ebx: 0x9000 });
    assert.deepEqual([machine.memory[0x9000], machine.memory[0x9200], machine.memory[0x9400]], [0, 0xee, 0xee]);
  });

  it('takes a large image with a partition table for a hard disk, drive 80h', () => {
    const image = disk(20_000);
    image.fill(0, 0x1be, 0x1fe);
    [image[0x1be], image[0x1c2]] = [0x80, 0x83];
    const { machine, boot } = call(0x13, 0x0800, { edx: 0x80 }, undefined, image);
    const { ecx, edx } = machine.registers;
    // 19 cylinders of 16 heads with 63 sectors.
    assert.deepEqual([machine.carry, ecx, edx & 0xffff], [false, (18 << 8) | 63, 0x0f01]);
    assert.deepEqual([machine.memory[0x475], machine.memory[0x410]! & 1], [1, 0]);
    again(machine, boot, 0x13, 0x1500, { edx: 0x80 });
    assert.deepEqual([machine.ah, machine.registers.ecx, machine.registers.edx & 0xffff], [3, 0, 20_000]);
    machine.segments.ds = 0;
    again(machine, boot, 0x13, 0x4800, { edx: 0x80, esi: 0x9000 }, (m) => (m.memory[0x9000] = 26));
    const view = new DataView(machine.memory.buffer, 0x9000);
    assert.deepEqual(
      [4, 8, 12, 16].map((at) => view.getUint32(at, true)),
      [19, 16, 63, 20_000],
    );
    assert.equal(again(machine, boot, 0x13, 0x0000, { edx: 0 }).machine.carry, true, 'no floppy');
  });

  for (const [kib, geometry] of [
    [360, 0x2709],
    [720, 0x4f09],
    [1200, 0x4f0f],
    [2880, 0x4f24],
  ] as const)
    it(`knows a floppy of ${kib} KiB`, () => {
      assert.equal(call(0x13, 0x0800, { edx: 0 }, undefined, disk(kib * 2)).machine.registers.ecx, geometry);
    });

  it('announces the LBA extensions', () => {
    const { machine } = call(0x13, 0x4100, { ebx: 0x55aa });
    assert.deepEqual([machine.registers.ebx, machine.registers.ecx, machine.ah, machine.carry], [0xaa55, 1, 1, false]);
    assert.equal(call(0x13, 0x4100, { ebx: 0x1234 }).machine.carry, true);
  });

  const packet = (
    machine: FakeMachine,
    bytes: number,
    count: number,
    offset: number,
    segment: number,
    lba: bigint,
    flat = 0n,
  ) => {
    machine.segments.ds = 0x60;
    const view = new DataView(machine.memory.buffer, 0x600 + 0x10, 24);
    view.setUint8(0, bytes);
    view.setUint16(2, count, true);
    view.setUint16(4, offset, true);
    view.setUint16(6, segment, true);
    view.setBigUint64(8, lba, true);
    view.setBigUint64(16, flat, true);
  };

  it('reads by LBA, into segment:offset or a flat address, and past the floppy in a larger image', () => {
    const near = call(0x13, 0x4200, { esi: 0x10 }, (m) => packet(m, 16, 3, 0x10, 0x7e0, 5n)).machine;
    assert.deepEqual([near.ah, near.carry], [0, false]);
    assert.deepEqual(
      [near.memory[0x7e10], near.memory[0x7e10 + 512], near.memory[0x7e10 + 1535], near.memory[0x7e10 + 1536]],
      [5, 6, 7, 0],
    );
    const flat = call(
      0x13,
      0x4200,
      { esi: 0x10 },
      (m) => packet(m, 24, 1, 0xffff, 0xffff, 2900n, 0x10_1000n),
      disk(3000),
    ).machine;
    assert.deepEqual([flat.carry, flat.memory[0x10_1000]], [false, 2900 & 0xff]);
  });

  for (const [title, bytes, lba, ah] of [
    ['a short packet', 8, 0n, 1],
    ['a sector beyond the disk', 16, 2880n, 4],
    ['a sector far beyond the disk', 16, 2n ** 63n, 4],
  ] as const) {
    it(`refuses ${title}`, () => {
      const { machine } = call(0x13, 0x4200, { esi: 0x10 }, (m) => packet(m, bytes, 1, 0, 0x800, lba));
      assert.deepEqual([machine.ah, machine.carry], [ah, true]);
      if (ah === 4) assert.equal(machine.memory[0x612], 0, 'sectors transferred');
    });
  }
});

describe('INT 15h', () => {
  it('walks the memory map', () => {
    const entries: number[][] = [];
    let ebx = 0;
    do {
      const { machine } = call(0x15, 0xe820, { eax: 0xe820, ebx, ecx: 24, edx: 0x534d_4150, edi: 0x900 });
      assert.equal(machine.carry, false);
      assert.deepEqual([machine.registers.eax, machine.registers.ecx], [0x534d_4150, 20]);
      const view = new DataView(machine.memory.buffer, 0x900);
      entries.push([Number(view.getBigUint64(0, true)), Number(view.getBigUint64(8, true)), view.getUint32(16, true)]);
      ebx = machine.registers.ebx;
    } while (ebx !== 0 && entries.length < 10);
    assert.deepEqual(entries, [
      [0, 0x9_fc00, 1],
      [0x9_fc00, 0x400, 2],
      [0xe_0000, 0x2_0000, 2],
      [MIB, 63 * MIB, 1],
    ]);
  });

  for (const [title, registers] of [
    ['a wrong signature', { ebx: 0, ecx: 20, edx: 0 }],
    ['a short buffer', { ebx: 0, ecx: 19, edx: 0x534d_4150 }],
    ['an entry past the last', { ebx: 4, ecx: 20, edx: 0x534d_4150 }],
  ] as const) {
    it(`refuses ${title}`, () => {
      const { machine } = call(0x15, 0xe820, { eax: 0xe820, ...registers });
      assert.deepEqual([machine.ah, machine.carry], [0x86, true]);
    });
  }

  it('tells extended memory in blocks, equipment and conventional memory', () => {
    const { eax, ebx, ecx, edx } = call(0x15, 0xe801).machine.registers;
    assert.deepEqual([eax & 0xffff, ebx, ecx, edx], [15 * 1024, 48 * 16, 15 * 1024, 48 * 16]);
    assert.equal(call(0x11, 0).machine.registers.eax & 0xffff, 0x0223);
    assert.equal(call(0x12, 0).machine.registers.eax & 0xffff, 639);
  });

  it('moves a block between the descriptors at ES:SI', () => {
    const { machine } = call(0x15, 0x8700, { ecx: 2, esi: 0x9000 }, (m) => {
      m.memory.set([0xff, 0xff, 0x00, 0x00, 0x02, 0x93, 0, 0], 0x9010);
      m.memory.set([0xff, 0xff, 0x20, 0x10, 0x10, 0x93, 0, 0], 0x9018);
      m.memory.set([1, 2, 3, 4, 5], 0x2_0000);
    });
    assert.deepEqual([machine.ah, machine.carry], [0, false]);
    assert.deepEqual([...machine.memory.subarray(0x10_1020, 0x10_1025)], [1, 2, 3, 4, 0]);
  });

  it('has a configuration table and an extended BIOS data area', () => {
    const table = call(0x15, 0xc000).machine;
    assert.deepEqual([table.segments.es, table.registers.ebx, table.carry], [0xf000, 0xe6f5, false]);
    assert.equal(call(0x15, 0xc100).machine.segments.es, 0x9fc0);
  });

  it('knows that there is no power management, pointing device or EISA', () => {
    for (const ax of [0x5300, 0xc200, 0xd800, 0xec00]) {
      const { machine } = call(0x15, ax);
      assert.deepEqual([machine.ah, machine.carry], [0x86, true]);
    }
  });

  it('tells extended memory and moves the A20 gate', () => {
    assert.equal(call(0x15, 0x8800).machine.registers.eax & 0xffff, 63 * 1024);
    const on = call(0x15, 0x2401).machine;
    assert.deepEqual([on.a20, on.ah, on.carry], [true, 0, false]);
    const off = call(0x15, 0x2400, {}, (m) => (m.a20 = true)).machine;
    assert.deepEqual([off.a20, off.ah, off.carry], [false, 0, false]);
    const state = call(0x15, 0x2402, {}, (m) => (m.a20 = true)).machine;
    assert.deepEqual([state.registers.eax & 0xffff, state.carry], [1, false]);
    const support = call(0x15, 0x2403).machine;
    assert.deepEqual([support.registers.ebx, support.ah, support.carry], [3, 0, false]);
  });
});
