/** Physical addresses that devices answer instead of memory. */
import type { AccessBytes, MappedDevice } from './device.ts';

/** Two devices were given the same physical address. Thrown while a board is built, so it is a bug in the board. */
export class AddressOverlapError extends Error {
  readonly address: number;
  readonly existing: string;
  readonly added: string;

  constructor(address: number, existing: string, added: string) {
    super(`Address ${address.toString(16).toUpperCase()}h of ${added} already belongs to ${existing}`);
    this.name = 'AddressOverlapError';
    this.address = address;
    this.existing = existing;
    this.added = added;
  }
}

/** Where a device is; it may move, as the local APIC does, or leave the bus. */
interface MappedPlacement {
  readonly base: number;
  readonly device: MappedDevice<unknown>;
}

export class MappedBus {
  #placed: MappedPlacement[] = [];

  /** Places `device` at `base` .. `base + byteCount - 1`. */
  register(base: number, device: MappedDevice<unknown>): void {
    const end = base + device.byteCount;
    for (const other of this.#placed) {
      const first = Math.max(base, other.base);
      if (first < Math.min(end, other.base + other.device.byteCount))
        throw new AddressOverlapError(first, other.device.name, device.name);
    }
    this.#placed.push({ base, device });
  }

  /** Takes `device` off the bus; nothing where it is not on it. */
  unregister(device: MappedDevice<unknown>): void {
    this.#placed = this.#placed.filter((placement) => placement.device !== device);
  }

  /** Who decodes `address`. */
  at(address: number): MappedPlacement | undefined {
    return this.#placed.find(({ base, device }) => address >= base && address < base + device.byteCount);
  }

  /** Value read; undefined where no device decodes the whole access, and nothing has been read then. */
  read(address: number, bytes: AccessBytes): number | undefined {
    const placement = this.#whole(address, bytes);
    return placement && placement.device.read(address - placement.base, bytes) >>> 0;
  }

  /** False where no device decodes the whole access, and nothing has been written then. */
  write(address: number, bytes: AccessBytes, value: number): boolean {
    const placement = this.#whole(address, bytes);
    placement?.device.write(address - placement.base, bytes, value);
    return placement !== undefined;
  }

  #whole(address: number, bytes: AccessBytes): MappedPlacement | undefined {
    const placement = this.at(address);
    return placement && address + bytes <= placement.base + placement.device.byteCount ? placement : undefined;
  }
}
