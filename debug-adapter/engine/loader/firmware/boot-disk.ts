/**
 * The disk that the firmware boots from, by sectors. What the guest writes is kept beside the image, which stays as it is;
 * sectors after the image's end read as zeros until they are written.
 */
import { SECTOR_BYTES } from '../binary.ts';
import { EQUIPMENT, type BiosDataChoices } from './bios-data.ts';

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** In a track. */
  readonly sectors: number;
}

const FLOPPY_1440K: DiskGeometry = { cylinders: 80, heads: 2, sectors: 18 };
/** Formats of PC floppies with the drive type that INT 13h, AH = 08h gives. */
const FLOPPIES: readonly { readonly geometry: DiskGeometry; readonly type: number }[] = [
  { geometry: { cylinders: 40, heads: 2, sectors: 9 }, type: 1 },
  { geometry: { cylinders: 80, heads: 2, sectors: 9 }, type: 3 },
  { geometry: { cylinders: 80, heads: 2, sectors: 15 }, type: 2 },
  { geometry: FLOPPY_1440K, type: 4 },
  { geometry: { cylinders: 80, heads: 2, sectors: 36 }, type: 6 },
];
const TYPE_1440K = 4;
/** Larger images with a partition table are hard disks. */
const LARGEST_FLOPPY = 2880 * 1024;

const PARTITION_TABLE = 0x1be;
const PARTITION_BYTES = 16;
const PARTITION_TYPE = 4;
const ACTIVE = 0x80;
const HARD_DISK = 0x80;
/** INT 13h reaches this many cylinders. */
const MOST_CYLINDERS = 1024;

export class BootDisk {
  readonly #image: Uint8Array;
  readonly #written = new Map<number, Uint8Array>();
  /** INT 13h number: 0 is the floppy, 80h the hard disk. */
  readonly drive: 0 | 0x80;
  readonly geometry: DiskGeometry;
  /** Drive type of a floppy; 0 for a hard disk. */
  readonly type: number;

  constructor(image: Uint8Array) {
    this.#image = image;
    this.drive = isHardDisk(image) ? HARD_DISK : 0;
    const floppy = FLOPPIES.find(({ geometry }) => sectorsOf(geometry) * SECTOR_BYTES === image.length);
    this.geometry = this.drive === 0 ? (floppy?.geometry ?? FLOPPY_1440K) : hardDiskGeometry(image.length);
    this.type = this.drive === 0 ? (floppy?.type ?? TYPE_1440K) : 0;
  }

  /** What the BIOS data area says of the disks. */
  get biosData(): BiosDataChoices {
    return this.drive === 0 ? {} : { equipment: EQUIPMENT.others, hardDisks: 1 };
  }

  /** Sectors that LBA reaches: the whole image, and never less than the floppy. */
  get sectors(): number {
    const inImage = Math.ceil(this.#image.length / SECTOR_BYTES);
    return this.drive === 0 ? Math.max(sectorsOf(this.geometry), inImage) : inImage;
  }

  read(first: number, count: number): Uint8Array {
    const data = new Uint8Array(count * SECTOR_BYTES);
    data.set(this.#image.subarray(first * SECTOR_BYTES, (first + count) * SECTOR_BYTES));
    if (this.#written.size > 0)
      for (let index = 0; index < count; index++) {
        const sector = this.#written.get(first + index);
        if (sector !== undefined) data.set(sector, index * SECTOR_BYTES);
      }
    return data;
  }

  /** `data`: whole sectors. */
  write(first: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += SECTOR_BYTES)
      this.#written.set(first + at / SECTOR_BYTES, data.slice(at, at + SECTOR_BYTES));
  }
}

export const sectorsOf = ({ cylinders, heads, sectors }: DiskGeometry): number => cylinders * heads * sectors;

/** A partition table in the first sector: every entry is active or not, and one is in use. */
function isHardDisk(image: Uint8Array): boolean {
  if (image.length <= LARGEST_FLOPPY) return false;
  const entries = [0, 1, 2, 3].map((index) => PARTITION_TABLE + index * PARTITION_BYTES);
  return (
    entries.every((at) => image[at] === 0 || image[at] === ACTIVE) &&
    entries.some((at) => (image[at + PARTITION_TYPE] ?? 0) !== 0)
  );
}

/** As BIOSes translate: 63 sectors in a track and as many heads as bring the cylinders below 1,024. */
function hardDiskGeometry(bytes: number): DiskGeometry {
  const sectors = 63;
  const total = Math.ceil(bytes / SECTOR_BYTES);
  const heads = [16, 32, 64, 128].find((each) => total <= MOST_CYLINDERS * each * sectors) ?? 255;
  return { cylinders: Math.min(Math.max(1, Math.floor(total / (heads * sectors))), MOST_CYLINDERS), heads, sectors };
}
