/** A disk image that is read sector by sector and written in memory only. */

export const DISK_SECTOR_BYTES = 512;

/** Where the sectors come from. What it gives must be the same whenever it is asked. */
export interface DiskSource {
  readonly sectors: number;
  /** The 512 bytes of one sector; the caller does not change them. */
  read(lba: number): Uint8Array;
}

/** Sectors that were written, with their contents as plain numbers, by number. */
export type DiskState = readonly (readonly [lba: number, bytes: readonly number[]])[];

export class CopyOnWriteDisk {
  readonly sectors: number;
  readonly #source: DiskSource;
  readonly #written = new Map<number, Uint8Array>();

  constructor(source: DiskSource) {
    this.sectors = source.sectors;
    this.#source = source;
  }

  /** One sector; the caller does not change it. */
  read(lba: number): Uint8Array {
    return this.#written.get(lba) ?? this.#source.read(lba);
  }

  write(lba: number, bytes: Uint8Array): void {
    this.#written.set(lba, bytes.slice());
  }

  /** What differs from the source, by sector number. */
  get written(): ReadonlyMap<number, Uint8Array> {
    return this.#written;
  }

  save(): DiskState {
    return [...this.#written].sort(([a], [b]) => a - b).map(([lba, bytes]) => [lba, [...bytes]]);
  }

  load(state: DiskState): void {
    this.#written.clear();
    for (const [lba, bytes] of state) this.#written.set(lba, Uint8Array.from(bytes));
  }
}
