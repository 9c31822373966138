/** Disks as INT 13h knows them: a number, a geometry, and sectors that someone else keeps. */
import { SECTOR_BYTES } from '../binary.ts';
import { EQUIPMENT, type BiosDataChoices } from './bios-data.ts';

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** In a track. */
  readonly sectors: number;
}

const FLOPPY_1440K = { geometry: { cylinders: 80, heads: 2, sectors: 18 }, type: 4 } as const;
/** Formats of PC floppies with the drive type that INT 13h, AH = 08h gives. */
const FLOPPIES: readonly { readonly geometry: DiskGeometry; readonly type: number }[] = [
  { geometry: { cylinders: 40, heads: 2, sectors: 9 }, type: 1 },
  { geometry: { cylinders: 80, heads: 2, sectors: 9 }, type: 3 },
  { geometry: { cylinders: 80, heads: 2, sectors: 15 }, type: 2 },
  FLOPPY_1440K,
  { geometry: { cylinders: 80, heads: 2, sectors: 36 }, type: 6 },
];
/** Larger images with a partition table are hard disks. */
const LARGEST_FLOPPY_SECTORS = 2880 * 2;

const PARTITION_TABLE = 0x1be;
const PARTITION_BYTES = 16;
const PARTITION_TYPE = 4;
const ACTIVE = 0x80;
export const FIRST_HARD_DISK = 0x80;
/** INT 13h reaches this many cylinders. */
const MOST_CYLINDERS = 1024;

/** Where a disk's sectors are, by number, 512 bytes each. */
export interface SectorStore {
  readonly sectors: number;
  read(lba: number): Uint8Array;
  write(lba: number, bytes: Uint8Array): void;
}

export class FirmwareDisk {
  /** INT 13h number: 0 is the floppy, 80h and up are hard disks. */
  readonly drive: number;
  readonly geometry: DiskGeometry;
  /** Drive type of a floppy; 0 for a hard disk. */
  readonly type: number;
  readonly #store: SectorStore;

  private constructor(store: SectorStore, drive: number, geometry: DiskGeometry, type: number) {
    this.#store = store;
    this.drive = drive;
    this.geometry = geometry;
    this.type = type;
  }

  /** The disk that is booted from: a floppy, or a hard disk where it is large and has a partition table. */
  static boot(store: SectorStore): FirmwareDisk {
    if (isHardDisk(store)) return FirmwareDisk.hard(store, FIRST_HARD_DISK);
    const known = FLOPPIES.find(({ geometry }) => sectorsOf(geometry) === store.sectors);
    const { geometry, type } = known ?? FLOPPY_1440K;
    return new FirmwareDisk(store, 0, geometry, type);
  }

  static hard(store: SectorStore, drive: number): FirmwareDisk {
    return new FirmwareDisk(store, drive, hardDiskGeometry(store.sectors), 0);
  }

  get isFloppy(): boolean {
    return this.drive < FIRST_HARD_DISK;
  }

  /** Sectors that LBA reaches: the whole image, and never less than the floppy. */
  get sectors(): number {
    return this.isFloppy ? Math.max(sectorsOf(this.geometry), this.#store.sectors) : this.#store.sectors;
  }

  /** Sectors after the image's end read as zeros until they are written. */
  read(first: number, count: number): Uint8Array {
    const data = new Uint8Array(count * SECTOR_BYTES);
    for (let index = 0; index < count; index++) data.set(this.#store.read(first + index), index * SECTOR_BYTES);
    return data;
  }

  /** `data`: whole sectors. */
  write(first: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += SECTOR_BYTES)
      this.#store.write(first + at / SECTOR_BYTES, data.subarray(at, at + SECTOR_BYTES));
  }
}

/** What the BIOS data area says of the disks. */
export const biosDataOf = (disks: readonly FirmwareDisk[]): BiosDataChoices => ({
  equipment: EQUIPMENT.others | (disks.some(({ isFloppy }) => isFloppy) ? EQUIPMENT.floppy : 0),
  hardDisks: disks.filter(({ isFloppy }) => !isFloppy).length,
});

/** An image's sectors: the last one is filled up with zeros, and so is what lies behind it. */
export const sectorsOfImage = (image: Uint8Array): Pick<SectorStore, 'sectors' | 'read'> => ({
  sectors: Math.ceil(image.length / SECTOR_BYTES),
  read(lba) {
    const bytes = image.subarray(lba * SECTOR_BYTES, (lba + 1) * SECTOR_BYTES);
    if (bytes.length === SECTOR_BYTES) return bytes;
    const whole = new Uint8Array(SECTOR_BYTES);
    whole.set(bytes);
    return whole;
  },
});

export const sectorsOf = ({ cylinders, heads, sectors }: DiskGeometry): number => cylinders * heads * sectors;

/** A partition table in the first sector: every entry is active or not, and one is in use. */
function isHardDisk(store: SectorStore): boolean {
  if (store.sectors <= LARGEST_FLOPPY_SECTORS) return false;
  const image = store.read(0);
  const entries = [0, 1, 2, 3].map((index) => PARTITION_TABLE + index * PARTITION_BYTES);
  return (
    entries.every((at) => image[at] === 0 || image[at] === ACTIVE) &&
    entries.some((at) => (image[at + PARTITION_TYPE] ?? 0) !== 0)
  );
}

/** As BIOSes translate: 63 sectors in a track and as many heads as bring the cylinders below 1,024. */
function hardDiskGeometry(total: number): DiskGeometry {
  const sectors = 63;
  const heads = [16, 32, 64, 128].find((each) => total <= MOST_CYLINDERS * each * sectors) ?? 255;
  return { cylinders: Math.min(Math.max(1, Math.floor(total / (heads * sectors))), MOST_CYLINDERS), heads, sectors };
}
