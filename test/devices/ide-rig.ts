/** An IDE controller with one disk, memory for its bus master, and time that a test lets pass. */
import { BusMasterIde } from '../../debug-adapter/engine/devices/ide/bus-master.ts';
import { IdeChannel } from '../../debug-adapter/engine/devices/ide/channel.ts';
import { CopyOnWriteDisk, DISK_SECTOR_BYTES } from '../../debug-adapter/engine/devices/ide/disk.ts';
import { RecordingLine } from './support.ts';

export const SECTORS = 5000;

/** Sector n holds n in its first four bytes, and then a pattern of its own. */
export function sectorContents(lba: number): Uint8Array {
  const bytes = Uint8Array.from({ length: DISK_SECTOR_BYTES }, (_, index) => (lba * 7 + index * 3) & 0xff);
  new DataView(bytes.buffer).setUint32(0, lba, true);
  return bytes;
}

export function ideRig() {
  const memory = new Uint8Array(1 << 20);
  const reads: number[] = [];
  const disk = new CopyOnWriteDisk({
    sectors: SECTORS,
    read(lba) {
      reads.push(lba);
      return sectorContents(lba);
    },
  });
  let enabled = true;
  const busMaster = new BusMasterIde({
    memory: {
      read: (address, bytes) => memory.slice(address, address + bytes),
      write(address, bytes) {
        if (address + bytes.length > memory.length) return false;
        memory.set(bytes, address);
        return true;
      },
    },
    enabled: () => enabled,
    started: (index) => (index === 0 ? channel : empty).dmaStarted(),
  });
  const line = new RecordingLine();
  const channel = new IdeChannel('primary', disk, { interrupt: line, dma: busMaster.engine(0) });
  const empty = new IdeChannel('secondary', undefined, { interrupt: new RecordingLine(), dma: busMaster.engine(1) });
  let now = 0;
  const write = (offset: number, ...values: number[]) => values.forEach((value) => channel.write(offset, 1, value));
  const rig = {
    memory,
    reads,
    disk,
    busMaster,
    line,
    channel,
    empty,
    write,
    read: (offset: number) => channel.read(offset, 1),
    status: () => channel.controlPort.read(0, 1),
    control: (value: number) => channel.controlPort.write(0, 1, value),
    setEnabled: (to: boolean) => (enabled = to),
    /** To the next thing the device does. */
    wait() {
      const event = channel.nextEvent();
      if (event === undefined) return;
      now = event;
      channel.advanceTo(now);
    },
    pass(ticks: number) {
      now += ticks;
      channel.advanceTo(now);
    },
    /** Parameters of a command in LBA, 28 bits or, `extended`, 48. */
    address(lba: number, count: number, extended = false) {
      const byte = (index: number) => Math.floor(lba / 2 ** (8 * index)) % 256;
      if (extended) {
        write(2, count >> 8);
        [3, 4, 5].forEach((offset, index) => write(offset, byte(3 + index)));
      }
      write(2, count & 0xff);
      [3, 4, 5].forEach((offset, index) => write(offset, byte(index)));
      write(6, 0xe0 | (extended ? 0 : byte(3)));
    },
    /** Gives a command and waits until the device is busy no longer. */
    command(code: number) {
      write(7, code);
      rig.wait();
    },
    readSector: () =>
      Uint8Array.from(
        Array.from({ length: 256 }, () => channel.read(0, 2)).flatMap((word) => [word & 0xff, word >> 8]),
      ),
    writeSector(bytes: Uint8Array) {
      for (let at = 0; at < bytes.length; at += 4) channel.write(0, 4, new DataView(bytes.buffer).getUint32(at, true));
    },
    /** Region table of the primary channel at an address. */
    regions(table: number, ...rows: readonly (readonly [address: number, bytes: number])[]) {
      const view = new DataView(memory.buffer);
      rows.forEach(([address, bytes], index) => {
        view.setUint32(table + 8 * index, address, true);
        const last = index === rows.length - 1 ? 0x8000_0000 : 0;
        view.setUint32(table + 8 * index + 4, (bytes & 0xffff) + last, true);
      });
      busMaster.write(4, 4, table);
    },
  };
  return rig;
}
