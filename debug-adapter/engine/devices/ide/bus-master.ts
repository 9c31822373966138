/**
 * Bus master IDE (Intel 82371SB data sheet, "Bus Master IDE I/O registers"; "Programming Interface for Bus Master IDE Controller"
 * 1.0): two channels of eight ports. A channel moves data between its device and memory as a table of regions says.
 */
import { decodeRegisters, field, flag, type AccessBytes, type PortDevice, type RegisterRow } from '../device.ts';

const CHANNEL_PORTS = 8;
const COMMAND = 0;
const STATUS = 2;
const TABLE = 4;

const START = 0x01;
/** The device gives, memory takes. */
const TO_MEMORY = 0x08;
const ACTIVE = 0x01;
const ERROR = 0x02;
const INTERRUPT = 0x04;
/** Drives that software has marked as capable of DMA. */
const CAPABLE = 0x60;

const REGION_BYTES = 8;
const END_OF_TABLE = 0x8000_0000;
const WHOLE_REGION = 0x1_0000;

/** Guest-physical memory for devices that are bus masters. */
export interface DmaMemory {
  /** Fewer bytes than asked where memory ends. */
  read(address: number, bytes: number): Uint8Array;
  /** False where there is no memory. */
  write(address: number, bytes: Uint8Array): boolean;
}

/** What a channel's device sees of its bus master. */
export interface DmaEngine {
  /** It was started, and the function may master the bus. */
  readonly ready: boolean;
  /** Moves all of `data` into memory, or fills it from there; false where the table or memory ends before. */
  transfer(direction: 'to-memory' | 'from-memory', data: Uint8Array): boolean;
  /** The device's interrupt has risen. */
  interrupted(): void;
}

interface Channel {
  command: number;
  status: number;
  table: number;
}
export type BusMasterState = readonly Readonly<Channel>[];

export interface BusMasterWiring {
  readonly memory: DmaMemory;
  /** Bit 2 of the function's command register. */
  readonly enabled: () => boolean;
  /** A channel was started. */
  readonly started: (channel: number) => void;
}

const commandRow = (offset: number): RegisterRow => ({
  title: 'Command',
  offset,
  access: 'read-write',
  bits: 8,
  fields: [flag('START', 0, 'transfers'), flag('TO_MEMORY', 3, 'from the device to memory')],
});
const statusRow = (offset: number): RegisterRow => ({
  title: 'Status',
  offset,
  access: 'read-write',
  bits: 8,
  fields: [
    flag('ACTIVE', 0, 'transfer goes on'),
    flag('ERROR', 1, 'memory did not answer'),
    flag('INTERRUPT', 2, "the device's interrupt has risen"),
    field('CAPABLE', 6, 5, 'devices that can do DMA'),
  ],
});
const tableRow = (offset: number): RegisterRow => ({
  title: 'Address of the region table',
  offset,
  access: 'read-write',
  bits: 32,
  fields: [],
});
const REGISTERS = {
  COMMAND0: commandRow(COMMAND),
  STATUS0: statusRow(STATUS),
  TABLE0: tableRow(TABLE),
  COMMAND1: commandRow(CHANNEL_PORTS + COMMAND),
  STATUS1: statusRow(CHANNEL_PORTS + STATUS),
  TABLE1: tableRow(CHANNEL_PORTS + TABLE),
} as const satisfies Record<string, RegisterRow>;

export class BusMasterIde implements PortDevice<BusMasterState> {
  readonly name = 'bus master IDE';
  readonly portCount = 2 * CHANNEL_PORTS;
  readonly widestAccess = 4;
  readonly #wiring: BusMasterWiring;
  #channels: readonly [Channel, Channel] = [newChannel(), newChannel()];

  constructor(wiring: BusMasterWiring) {
    this.#wiring = wiring;
  }

  engine(index: 0 | 1): DmaEngine {
    const ready = () => this.#ready(index);
    return {
      get ready() {
        return ready();
      },
      transfer: (direction, data) => this.#transfer(this.#channels[index], direction, data),
      interrupted: () => (this.#channels[index].status |= INTERRUPT),
    };
  }

  #ready(index: 0 | 1): boolean {
    return (this.#channels[index].status & ACTIVE) !== 0 && this.#wiring.enabled();
  }

  #transfer(channel: Channel, direction: 'to-memory' | 'from-memory', data: Uint8Array): boolean {
    const { memory } = this.#wiring;
    const fail = (bits: number): boolean => {
      channel.status = (channel.status & ~ACTIVE) | bits;
      return false;
    };
    if ((direction === 'to-memory') !== ((channel.command & TO_MEMORY) !== 0)) return fail(ERROR);
    let done = 0;
    for (let at = channel.table; ; at += REGION_BYTES) {
      const region = memory.read(at, REGION_BYTES);
      if (region.length < REGION_BYTES) return fail(ERROR);
      const view = new DataView(region.buffer, region.byteOffset);
      const address = (view.getUint32(0, true) & ~1) >>> 0;
      const size = view.getUint16(4, true) || WHOLE_REGION;
      const bytes = Math.min(size, data.length - done);
      const last = (view.getUint32(4, true) & END_OF_TABLE) !== 0;
      if (direction === 'to-memory') {
        if (!memory.write(address, data.subarray(done, done + bytes))) return fail(ERROR);
      } else {
        const read = memory.read(address, bytes);
        if (read.length < bytes) return fail(ERROR);
        data.set(read, done);
      }
      done += bytes;
      const complete = done === data.length;
      // A table that is longer than the transfer leaves the channel active, as a sign to the driver.
      if (complete && last && bytes === size) channel.status &= ~ACTIVE;
      if (complete) return true;
      if (last) return fail(0);
    }
  }

  read(offset: number, bytes: AccessBytes): number {
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--) value = value * 256 + this.#readByte(offset + index);
    return value;
  }

  #readByte(offset: number): number {
    const channel = this.#channels[offset < CHANNEL_PORTS ? 0 : 1];
    const at = offset % CHANNEL_PORTS;
    if (at === COMMAND) return channel.command;
    if (at === STATUS) return channel.status;
    return at < TABLE ? 0 : (channel.table >>> (8 * (at - TABLE))) & 0xff;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    for (let index = 0; index < bytes; index++) this.#writeByte(offset + index, (value >>> (8 * index)) & 0xff);
  }

  #writeByte(offset: number, value: number): void {
    const index = offset < CHANNEL_PORTS ? 0 : 1;
    const channel = this.#channels[index];
    const at = offset % CHANNEL_PORTS;
    if (at === COMMAND) {
      const rises = (value & ~channel.command & START) !== 0;
      channel.command = value & (START | TO_MEMORY);
      if ((value & START) === 0) channel.status &= ~ACTIVE;
      if (!rises) return;
      channel.status |= ACTIVE;
      this.#wiring.started(index);
    } else if (at === STATUS) {
      // Error and interrupt are cleared by ones.
      const kept = channel.status & (ACTIVE | ((ERROR | INTERRUPT) & ~value));
      channel.status = kept | (value & CAPABLE);
    } else if (at >= TABLE) {
      const shift = 8 * (at - TABLE);
      channel.table = ((channel.table & ~(0xff << shift)) | (value << shift)) >>> 0;
      channel.table = (channel.table & ~3) >>> 0;
    }
  }

  save(): BusMasterState {
    return this.#channels.map((channel) => ({ ...channel }));
  }

  load([first = newChannel(), second = newChannel()]: BusMasterState): void {
    this.#channels = [{ ...first }, { ...second }];
  }

  registers() {
    const [first, second] = this.#channels;
    return decodeRegisters(REGISTERS, {
      COMMAND0: first.command,
      STATUS0: first.status,
      TABLE0: first.table,
      COMMAND1: second.command,
      STATUS1: second.status,
      TABLE1: second.table,
    });
  }
}

const newChannel = (): Channel => ({ command: 0, status: 0, table: 0 });
