/** IDENTIFY DEVICE data (ATA/ATAPI-6, "IDENTIFY DEVICE", 8.15). */
import { DISK_SECTOR_BYTES } from './disk.ts';

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

/** Sectors of one block of READ MULTIPLE at most. */
export const MOST_MULTIPLE = 16;
const MOST_CYLINDERS = 16_383;
const LBA28_SECTORS = 0x0fff_ffff;

/** The translation that a disk of this size starts with. */
export const defaultGeometry = (totalSectors: number): Geometry => ({
  cylinders: Math.max(1, Math.min(MOST_CYLINDERS, Math.floor(totalSectors / (16 * 63)))),
  heads: 16,
  sectors: 63,
});

export interface DriveFacts {
  readonly totalSectors: number;
  /** What INITIALIZE DEVICE PARAMETERS has chosen. */
  readonly current: Geometry;
  /** Sectors of a block of READ MULTIPLE; 0: not set. */
  readonly multiple: number;
  /** What SET FEATURES has chosen: 20h and the mode for multiword DMA, 40h and the mode for Ultra DMA. */
  readonly dmaMode: number;
}

export function identifyData({ totalSectors, current, multiple, dmaMode }: DriveFacts): Uint8Array {
  const bytes = new Uint8Array(DISK_SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const word = (index: number, value: number) => view.setUint16(2 * index, value, true);
  const long = (index: number, value: number) => view.setUint32(2 * index, value, true);
  /** The first character of each pair is in the high byte. */
  const text = (index: number, words: number, value: string) =>
    [...value.padEnd(2 * words)].forEach((letter, at) => (bytes[2 * index + (at ^ 1)] = letter.charCodeAt(0)));
  const start = defaultGeometry(totalSectors);
  word(0, 0x0040);
  word(1, start.cylinders);
  word(3, start.heads);
  word(6, start.sectors);
  text(10, 10, 'HS00000001');
  text(23, 4, '1.0');
  text(27, 20, 'HYPERSTEP DISK');
  word(47, 0x8000 | MOST_MULTIPLE);
  // IORDY, LBA and DMA.
  word(49, 0x0b00);
  word(50, 0x4000);
  word(51, 0x0200);
  // Words 54 to 58, 64 to 70 and 88 are valid.
  word(53, 0x0007);
  word(54, current.cylinders);
  word(55, current.heads);
  word(56, current.sectors);
  long(57, current.cylinders * current.heads * current.sectors);
  word(59, multiple === 0 ? 0 : 0x0100 | multiple);
  long(60, Math.min(totalSectors, LBA28_SECTORS));
  const chosen = (kind: number): number => ((dmaMode & 0xf8) === kind ? 0x100 << (dmaMode & 7) : 0);
  word(63, 0x0007 | chosen(0x20));
  // PIO modes 3 and 4, with the cycle times of mode 4 in nanoseconds.
  word(64, 0x0003);
  for (const index of [65, 66, 67, 68]) word(index, 120);
  // ATA-1 to ATA/ATAPI-6.
  word(80, 0x007e);
  // Look-ahead, write cache, power management; 48-bit addresses and both FLUSH CACHE commands.
  word(82, 0x0068);
  word(83, 0x7400);
  word(84, 0x4000);
  word(85, 0x0068);
  word(86, 0x3400);
  word(87, 0x4000);
  word(88, 0x003f | chosen(0x40));
  // Device 0, which found no device 1, behind a cable of 80 conductors.
  word(93, 0x6001);
  view.setBigUint64(200, BigInt(totalSectors), true);
  bytes[510] = 0xa5;
  bytes[511] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return bytes;
}
