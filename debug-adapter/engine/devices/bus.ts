/** The I/O address space: which device answers which port, and how wide accesses are split. */
import type { AccessBytes, PortDevice } from './device.ts';

const PORT_SPACE = 0x10000;

/** Two devices were given the same port. Thrown while a board is built, so it is a bug in the board. */
export class PortOverlapError extends Error {
  readonly port: number;
  readonly existing: string;
  readonly added: string;

  constructor(port: number, existing: string, added: string) {
    super(`Port ${port.toString(16).toUpperCase()}h of ${added} already belongs to ${existing}`);
    this.name = 'PortOverlapError';
    this.port = port;
    this.existing = existing;
    this.added = added;
  }
}

/** `unclaimed` names the first port of the access that no device decodes; nothing has been read or written then. */
export type PortRead =
  { readonly kind: 'done'; readonly value: number } | { readonly kind: 'unclaimed'; readonly port: number };
export type PortWrite = { readonly kind: 'done' } | { readonly kind: 'unclaimed'; readonly port: number };

export interface Placement {
  readonly base: number;
  readonly device: PortDevice<unknown>;
}

const WRITTEN: PortWrite = { kind: 'done' };

/** Unsigned value of `bytes` bytes at byte `at` of `value`. */
const part = (value: number, at: number, bytes: AccessBytes): number =>
  bytes === 4 ? value >>> 0 : (value >>> (at * 8)) & (bytes === 2 ? 0xffff : 0xff);

export class PortBus {
  /** Index + 1 into `placed` of the device at each port; 0 where there is none. */
  readonly #owner = new Uint8Array(PORT_SPACE);
  readonly #placed: Placement[] = [];
  readonly #movable: { readonly device: PortDevice<unknown>; readonly base: () => number | undefined }[] = [];

  /** Places `device` at ports `base` .. `base + portCount - 1`. */
  register(base: number, device: PortDevice<unknown>): void {
    if (base < 0 || base + device.portCount > PORT_SPACE || this.#placed.length === 255) {
      throw new Error(`Invariant broken: ${device.name} does not fit in I/O space at ${base}`);
    }
    for (let port = base; port < base + device.portCount; port++) {
      const existing = this.at(port);
      if (existing !== undefined) throw new PortOverlapError(port, existing.device.name, device.name);
    }
    this.#placed.push({ base, device });
    this.#owner.fill(this.#placed.length, base, base + device.portCount);
  }

  /** Adds a device whose ports software moves; devices with ports of their own come first. `base`: undefined where it answers none. */
  registerMovable(device: PortDevice<unknown>, base: () => number | undefined): void {
    this.#movable.push({ device, base });
  }

  /** Who decodes `port`. */
  at(port: number): Placement | undefined {
    const owner = this.#owner[port & 0xffff] ?? 0;
    return owner === 0 ? this.#movableAt(port & 0xffff) : this.#placed[owner - 1];
  }

  /** Who takes an access in one piece; undefined where it must be split, or nobody does. */
  whole(port: number, bytes: AccessBytes): Placement | undefined {
    const owner = this.#owner[port] ?? 0;
    const placement = owner === 0 ? undefined : this.#placed[owner - 1];
    if (placement === undefined) return undefined;
    const { base, device } = placement;
    return bytes <= device.widestAccess && port - base + bytes <= device.portCount ? placement : undefined;
  }

  #movableAt(port: number): Placement | undefined {
    for (const { device, base } of this.#movable) {
      const first = base();
      if (first !== undefined && port >= first && port < first + device.portCount) return { base: first, device };
    }
    return undefined;
  }

  /** All devices in the order they were placed, those that move last. */
  get devices(): readonly PortDevice<unknown>[] {
    return [...this.#placed, ...this.#movable].map(({ device }) => device);
  }

  /** Reads `bytes` bytes from `port` on; ports wrap from FFFFh to 0. */
  read(port: number, bytes: AccessBytes): PortRead {
    const unclaimed = this.#firstUnclaimed(port, bytes);
    if (unclaimed !== undefined) return { kind: 'unclaimed', port: unclaimed };
    let value = 0;
    for (let done = 0; done < bytes;) {
      const { device, offset, width } = this.#piece(port + done, bytes - done);
      value += (device.read(offset, width) >>> 0) * 2 ** (done * 8);
      done += width;
    }
    return { kind: 'done', value };
  }

  /** Writes the low `bytes` bytes of `value`, low byte at the low port. */
  write(port: number, bytes: AccessBytes, value: number): PortWrite {
    const unclaimed = this.#firstUnclaimed(port, bytes);
    if (unclaimed !== undefined) return { kind: 'unclaimed', port: unclaimed };
    for (let done = 0; done < bytes;) {
      const { device, offset, width } = this.#piece(port + done, bytes - done);
      device.write(offset, width, part(value, done, width));
      done += width;
    }
    return WRITTEN;
  }

  /** As `read`, but bytes that no device drives are ones. */
  readFloating(port: number, bytes: AccessBytes): number {
    let value = 0;
    for (let done = 0; done < bytes;) {
      const piece = this.at(port + done) && this.#piece(port + done, bytes - done);
      value += (piece === undefined ? 0xff : piece.device.read(piece.offset, piece.width) >>> 0) * 2 ** (done * 8);
      done += piece?.width ?? 1;
    }
    return value;
  }

  /** As `write`, but bytes that no device takes are lost. */
  writeFloating(port: number, bytes: AccessBytes, value: number): void {
    for (let done = 0; done < bytes;) {
      const piece = this.at(port + done) && this.#piece(port + done, bytes - done);
      piece?.device.write(piece.offset, piece.width, part(value, done, piece.width));
      done += piece?.width ?? 1;
    }
  }

  /** Asked before anything is touched, so that a refused access has no effect. */
  #firstUnclaimed(port: number, bytes: AccessBytes): number | undefined {
    for (let done = 0; done < bytes;) {
      if (this.at(port + done) === undefined) return (port + done) & 0xffff;
      done += this.#piece(port + done, bytes - done).width;
    }
    return undefined;
  }

  /** The widest next part of an access that one device takes in one piece. */
  #piece(port: number, bytesLeft: number): { device: PortDevice<unknown>; offset: number; width: AccessBytes } {
    const placement = this.at(port);
    if (placement === undefined) throw new Error(`Invariant broken: port ${port} was checked to be claimed`);
    const { base, device } = placement;
    const offset = (port & 0xffff) - base;
    const limit = Math.min(bytesLeft, device.widestAccess, device.portCount - offset);
    return { device, offset, width: limit >= 4 ? 4 : limit >= 2 ? 2 : 1 };
  }
}
