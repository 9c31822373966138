import assert from 'node:assert/strict';
import { ideRig, sectorContents, SECTORS } from './ide-rig.ts';

const IDLE = 0x50;
const DRQ = 0x58;
const BUSY = 0x80;
const FAILED = 0x51;
const ABORTED = 0x04;
const NOT_FOUND = 0x10;

describe('IDE channel and ATA disk', () => {
  it('has the signature of a disk after power-on and after a reset', () => {
    const { read, status, write, control, wait, line } = ideRig();
    const signature = () => [1, 2, 3, 4, 5, 6].map(read);
    assert.deepEqual([signature(), status()], [[1, 1, 1, 0, 0, 0], IDLE]);
    [2, 3, 4, 5].forEach((offset) => write(offset, 0xaa));
    control(0x04);
    assert.equal(status(), BUSY);
    control(0x00);
    assert.equal(status(), BUSY);
    wait();
    assert.deepEqual([signature(), status(), line.level], [[1, 1, 1, 0, 0, 0], IDLE, false]);
  });

  it('answers zeros for a device 1 that is not there, and an empty cable for a channel without devices', () => {
    const { write, read, status, empty, wait } = ideRig();
    write(6, 0xb0);
    assert.deepEqual([status(), read(7), read(1)], [0, 0, 0]);
    write(7, 0xec);
    wait();
    assert.equal(status(), 0);
    write(6, 0xa0);
    assert.equal(status(), IDLE);
    assert.deepEqual([empty.read(7, 1), empty.controlPort.read(0, 1), empty.read(0, 2)], [0x7f, 0x7f, 0x7f7f]);
  });

  it('identifies itself', () => {
    const { command, readSector, status, line } = ideRig();
    command(0xec);
    assert.deepEqual([status(), line.level], [DRQ, true]);
    const bytes = readSector();
    assert.equal(status(), IDLE);
    const words = new Uint16Array(bytes.buffer);
    const text = (first: number, count: number) =>
      [...words.slice(first, first + count)].map((word) => String.fromCharCode(word >> 8, word & 0xff)).join('');
    assert.equal(text(27, 20).trim(), 'HYPERSTEP DISK');
    assert.deepEqual([words[0], words[1], words[3], words[6]], [0x40, 4, 16, 63]);
    assert.deepEqual([words[60], words[61], words[100], words[101]], [SECTORS, 0, SECTORS, 0]);
    assert.equal(words[49]! & 0x0300, 0x0300, 'LBA and DMA');
    assert.equal(words[83]! & 0x0400, 0x0400, '48-bit addresses');
    assert.equal(
      bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0),
      0,
      'checksum',
    );
  });

  it('is busy for as long as a command takes', () => {
    const { write, status, pass, line, address } = ideRig();
    address(0, 1);
    write(7, 0x20);
    assert.equal(status(), BUSY);
    write(2, 99);
    pass(1999);
    assert.deepEqual([status(), line.level], [BUSY, false]);
    pass(1);
    assert.deepEqual([status(), line.level], [DRQ, true]);
  });

  for (const [title, code, extended] of [
    ['READ SECTORS', 0x20, false],
    ['READ SECTORS EXT', 0x24, true],
  ] as const) {
    it(`reads sector by sector: ${title}`, () => {
      const { address, command, readSector, status, wait, line, read } = ideRig();
      address(0x1234 % SECTORS, 2, extended);
      command(code);
      assert.deepEqual(readSector(), sectorContents(0x1234 % SECTORS));
      assert.equal(status(), BUSY);
      wait();
      assert.equal(line.take().filter((level) => level).length, 2, 'an interrupt for each sector');
      assert.equal(read(7), DRQ);
      assert.equal(line.level, false, 'reading the status takes the interrupt away');
      assert.deepEqual(readSector(), sectorContents((0x1234 % SECTORS) + 1));
      assert.deepEqual([status(), line.level], [IDLE, false]);
    });
  }

  it('reads by cylinder, head and sector', () => {
    const { write, command, readSector, read } = ideRig();
    const chs = (cylinder: number, head: number, sector: number) => {
      write(2, 1);
      write(3, sector);
      write(4, cylinder & 0xff);
      write(5, cylinder >> 8);
      write(6, 0xa0 | head);
      command(0x20);
    };
    chs(2, 3, 4);
    assert.deepEqual(readSector(), sectorContents((2 * 16 + 3) * 63 + 3));
    chs(0, 0, 0);
    assert.deepEqual([read(7), read(1)], [FAILED, NOT_FOUND]);
    chs(0, 0, 64);
    assert.deepEqual([read(7), read(1)], [FAILED, NOT_FOUND]);
    // INITIALIZE DEVICE PARAMETERS: 4 heads, 17 sectors.
    write(2, 17);
    write(6, 0xa3);
    command(0x91);
    assert.equal(read(7), IDLE);
    chs(2, 3, 4);
    assert.deepEqual(readSector(), sectorContents((2 * 4 + 3) * 17 + 3));
    chs(0, 4, 1);
    assert.deepEqual([read(7), read(1)], [FAILED, NOT_FOUND]);
  });

  it('reads blocks of several sectors at one interrupt', () => {
    const { write, command, address, readSector, status, wait, read, line } = ideRig();
    write(2, 4);
    command(0xc6);
    assert.equal(read(7), IDLE);
    address(100, 6);
    command(0xc4);
    line.take();
    for (let sector = 0; sector < 4; sector++) {
      assert.equal(status(), DRQ);
      assert.deepEqual(readSector(), sectorContents(100 + sector));
    }
    assert.deepEqual([status(), line.take().includes(true)], [BUSY, false]);
    wait();
    assert.deepEqual([readSector(), readSector()], [sectorContents(104), sectorContents(105)]);
    assert.equal(status(), IDLE);
  });

  it('refuses READ MULTIPLE without a block size, and sizes that are no power of two', () => {
    const { write, command, address, read } = ideRig();
    for (const size of [3, 32]) {
      write(2, size);
      command(0xc6);
      assert.deepEqual([read(7), read(1)], [FAILED, ABORTED]);
    }
    write(2, 0);
    command(0xc6);
    address(0, 1);
    command(0xc4);
    assert.deepEqual([read(7), read(1)], [FAILED, ABORTED]);
  });

  for (const [title, code, extended] of [
    ['WRITE SECTORS', 0x30, false],
    ['WRITE SECTORS EXT', 0x34, true],
    ['WRITE MULTIPLE', 0xc5, false],
  ] as const) {
    it(`writes into memory alone: ${title}`, () => {
      const { address, command, writeSector, readSector, status, wait, line, disk } = ideRig();
      const contents = [1, 2].map((value) => new Uint8Array(512).fill(value));
      address(7, 2, extended);
      command(code);
      assert.deepEqual([status(), line.level], [DRQ, false], 'no interrupt before the first block');
      writeSector(contents[0]!);
      if (code !== 0xc5) {
        wait();
        assert.deepEqual([status(), line.level], [DRQ, true]);
      }
      writeSector(contents[1]!);
      wait();
      assert.deepEqual([status(), line.level], [IDLE, true]);
      assert.deepEqual(
        [...disk.written],
        [
          [7, contents[0]],
          [8, contents[1]],
        ],
      );
      address(7, 1);
      command(0x20);
      assert.deepEqual(readSector(), contents[0]);
    });
  }

  it('fails at the first sector that is not there, and names it', () => {
    const { address, command, readSector, wait, read, line } = ideRig();
    address(SECTORS - 1, 3);
    command(0x20);
    assert.deepEqual(readSector(), sectorContents(SECTORS - 1));
    wait();
    assert.equal(line.level, true);
    assert.deepEqual([read(7), read(1)], [FAILED, NOT_FOUND]);
    assert.equal(read(3) + 256 * read(4) + 65_536 * read(5) + 2 ** 24 * (read(6) & 15), SECTORS);
    address(SECTORS - 2, 3);
    command(0x40);
    assert.deepEqual([read(7), read(1)], [FAILED, NOT_FOUND]);
    address(SECTORS - 3, 3);
    command(0x40);
    assert.equal(read(7), IDLE);
  });

  it('shows the bytes of a 48-bit address that were written before', () => {
    const { address, read, control, write } = ideRig();
    address(0x6655_4433_2211, 0xbbaa, true);
    const shown = () => [2, 3, 4, 5].map(read);
    assert.deepEqual(shown(), [0xaa, 0x11, 0x22, 0x33]);
    control(0x80);
    assert.deepEqual(shown(), [0xbb, 0x44, 0x55, 0x66]);
    write(6, 0xe0);
    assert.deepEqual(shown(), [0xaa, 0x11, 0x22, 0x33]);
  });

  it('says how large it is', () => {
    const { command, write, read, control } = ideRig();
    write(6, 0xe0);
    command(0xf8);
    assert.deepEqual([3, 4, 5].map(read), [(SECTORS - 1) & 0xff, (SECTORS - 1) >> 8, 0]);
    command(0x27);
    control(0x80);
    assert.deepEqual([3, 4, 5].map(read), [0, 0, 0]);
  });

  for (const [title, code, features, count, expected] of [
    ['RECALIBRATE', 0x10, 0, 0, IDLE],
    ['SEEK', 0x70, 0, 0, IDLE],
    ['FLUSH CACHE', 0xe7, 0, 0, IDLE],
    ['FLUSH CACHE EXT', 0xea, 0, 0, IDLE],
    ['STANDBY IMMEDIATE', 0xe0, 0, 0, IDLE],
    ['SET FEATURES: PIO mode 4', 0xef, 3, 0x0c, IDLE],
    ['SET FEATURES: Ultra DMA mode 5', 0xef, 3, 0x45, IDLE],
    ['SET FEATURES: write cache', 0xef, 2, 0, IDLE],
    ['SET FEATURES: a mode it has not', 0xef, 3, 0x46, FAILED],
    ['SET FEATURES: what it does not know', 0xef, 0x99, 0, FAILED],
    ['DEVICE RESET, which is for packet devices', 0x08, 0, 0, FAILED],
    ['IDENTIFY PACKET DEVICE', 0xa1, 0, 0, FAILED],
    ['NOP', 0x00, 0, 0, FAILED],
  ] as const) {
    it(`${expected === IDLE ? 'accepts' : 'aborts'} ${title}`, () => {
      const { write, command, read, line } = ideRig();
      write(1, features);
      write(2, count);
      command(code);
      assert.equal(line.level, true);
      assert.deepEqual([read(7), read(1)], [expected, expected === IDLE ? 0 : ABORTED]);
    });
  }

  it('executes diagnostics whichever device is selected', () => {
    const { write, command, read, status } = ideRig();
    write(6, 0x10);
    command(0x90);
    assert.deepEqual([status(), read(1), read(3)], [IDLE, 1, 1]);
  });

  it('reports its active power mode and the DMA mode that was chosen', () => {
    const { write, command, read, readSector } = ideRig();
    command(0xe5);
    assert.equal(read(2), 0xff);
    write(1, 3);
    write(2, 0x22);
    command(0xef);
    command(0xec);
    assert.equal(new Uint16Array(readSector().buffer)[63], 0x0407);
  });

  it('keeps its interrupt to itself while that is off', () => {
    const { control, command, line } = ideRig();
    control(0x02);
    command(0xe7);
    assert.equal(line.level, false);
    control(0x00);
    assert.equal(line.level, true);
  });
});

describe('bus master IDE', () => {
  const START = 0x01;
  const TO_MEMORY = 0x08;
  const COMPLETE = 0x04;
  const ACTIVE = 0x01;

  it('reads into the regions of its table', () => {
    const { address, write, status, regions, busMaster, wait, memory, line } = ideRig();
    address(20, 3);
    regions(0x1000, [0x2000, 512], [0x4002, 1000], [0x8000, 24]);
    write(7, 0xc8);
    busMaster.write(0, 1, TO_MEMORY | START);
    wait();
    assert.equal(status(), BUSY, 'data takes its time');
    assert.equal(busMaster.read(2, 1), ACTIVE);
    wait();
    assert.deepEqual([status(), line.level, busMaster.read(2, 1)], [IDLE, true, COMPLETE]);
    const data = [20, 21, 22].flatMap((lba) => [...sectorContents(lba)]);
    assert.deepEqual([...memory.slice(0x2000, 0x2200)], data.slice(0, 512));
    assert.deepEqual([...memory.slice(0x4002, 0x43ea)], data.slice(512, 1512));
    assert.deepEqual([...memory.slice(0x8000, 0x8018)], data.slice(1512));
    busMaster.write(2, 1, COMPLETE);
    assert.equal(busMaster.read(2, 1), 0);
  });

  it('writes from memory, started before or after the device asks', () => {
    for (const [code, extended] of [
      [0xca, false],
      [0x35, true],
    ] as const) {
      const { address, command, regions, busMaster, wait, memory, disk, status } = ideRig();
      memory.fill(0x5a, 0x3000, 0x3400);
      address(9, 2, extended);
      regions(0x1000, [0x3000, 1024]);
      command(code);
      assert.equal(status(), DRQ);
      busMaster.write(0, 1, START);
      wait();
      assert.equal(status(), IDLE);
      assert.deepEqual([...disk.written.keys()], [9, 10]);
      assert.deepEqual(disk.read(10), new Uint8Array(512).fill(0x5a));
    }
  });

  it('takes 0 for a whole 64 KiB', () => {
    const { address, command, regions, busMaster, wait, memory } = ideRig();
    address(0, 128);
    regions(0x1000, [0x2_0000, 0]);
    busMaster.write(0, 1, TO_MEMORY | START);
    command(0xc8);
    wait();
    assert.deepEqual(memory.slice(0x2_fe00, 0x3_0000), sectorContents(127));
    assert.equal(busMaster.read(2, 1), COMPLETE);
  });

  for (const [title, rows, expected] of [
    ['stays active where the table is longer than the transfer', [[0x2000, 1024]], ACTIVE | COMPLETE],
    ['stops where the table is shorter', [[0x2000, 256]], 0],
    ['reports memory that is not there', [[0xfffe_0000, 512]], 0x02],
  ] as const) {
    it(title, () => {
      const { address, command, regions, busMaster, wait } = ideRig();
      address(0, 1);
      regions(0x1000, ...rows);
      busMaster.write(0, 1, TO_MEMORY | START);
      command(0xc8);
      wait();
      assert.equal(busMaster.read(2, 1), expected);
    });
  }

  it('does nothing while the function may not master the bus, and goes on once started again', () => {
    const { address, command, regions, busMaster, wait, setEnabled, status, memory } = ideRig();
    setEnabled(false);
    address(3, 1);
    regions(0x1000, [0x2000, 512]);
    busMaster.write(0, 1, TO_MEMORY | START);
    command(0xc8);
    wait();
    assert.deepEqual([status(), memory[0x2000]], [DRQ, 0]);
    busMaster.write(0, 1, TO_MEMORY);
    setEnabled(true);
    busMaster.write(0, 1, TO_MEMORY | START);
    wait();
    assert.deepEqual([status(), memory[0x2000]], [IDLE, 3]);
  });

  it('moves nothing in the wrong direction', () => {
    const { address, command, regions, busMaster, wait, disk } = ideRig();
    address(3, 1);
    regions(0x1000, [0x2000, 512]);
    busMaster.write(0, 1, TO_MEMORY | START);
    command(0xca);
    wait();
    assert.deepEqual([busMaster.read(2, 1), disk.written.size], [0x02, 0]);
  });

  it('keeps the table aligned and the bits that software sets', () => {
    const { busMaster } = ideRig();
    busMaster.write(12, 4, 0x1234_5677);
    busMaster.write(10, 1, 0xff);
    busMaster.write(8, 1, 0xff);
    assert.deepEqual([busMaster.read(12, 4), busMaster.read(10, 1), busMaster.read(8, 1)], [0x1234_5674, 0x61, 0x09]);
    assert.equal(busMaster.read(8, 4), 0x0061_0009);
  });
});
