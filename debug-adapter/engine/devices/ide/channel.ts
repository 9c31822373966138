/** One IDE channel with at most one disk, device 0: its registers, reset and interrupt line (ATA/ATAPI-6, "I/O registers", 7). */
import {
  decodeRegisters,
  flag,
  type AccessBytes,
  type InterruptLine,
  type PortDevice,
  type RegisterRow,
  type TimedDevice,
} from '../device.ts';
import type { DmaEngine } from './bus-master.ts';
import { ATA_COMMANDS } from './commands.ts';
import type { CopyOnWriteDisk } from './disk.ts';
import { ATA_STATUS, AtaDrive, type AtaDriveState } from './drive.ts';
import { DEVICE_ONE, PARAMETER } from './task-file.ts';

const DATA = 0;
const ERROR_OR_FEATURES = 1;
const DEVICE = 6;
const STATUS_OR_COMMAND = 7;

const NO_INTERRUPT = 0x02;
const SOFTWARE_RESET = 0x04;
const HIGH_ORDER_BYTE = 0x80;

/** Nobody drives the cable: a resistor pulls bit 7 down, so that no device is not a busy one (7.15.6). */
const EMPTY_CABLE = 0x7f;

const CHANNEL_REGISTERS = {
  STATUS: {
    title: 'Status',
    offset: STATUS_OR_COMMAND,
    access: 'read',
    bits: 8,
    fields: [
      flag('ERR', 0, 'error'),
      flag('DRQ', 3, 'data request'),
      flag('DSC', 4, 'seek complete'),
      flag('DF', 5, 'device fault'),
      flag('DRDY', 6, 'ready'),
      flag('BSY', 7, 'busy'),
    ],
  },
  ERROR: {
    title: 'Error',
    offset: ERROR_OR_FEATURES,
    access: 'read',
    bits: 8,
    fields: [flag('ABRT', 2, 'aborted'), flag('IDNF', 4, 'no such sector')],
  },
  COMMAND: { title: 'Last command', offset: STATUS_OR_COMMAND, access: 'write', bits: 8, fields: [] },
  COUNT: { title: 'Sector count', offset: PARAMETER.count, access: 'read-write', bits: 8, fields: [] },
  LBA_LOW: { title: 'LBA 7:0, or sector', offset: PARAMETER.low, access: 'read-write', bits: 8, fields: [] },
  LBA_MID: { title: 'LBA 15:8, or cylinder', offset: PARAMETER.middle, access: 'read-write', bits: 8, fields: [] },
  LBA_HIGH: { title: 'LBA 23:16, or cylinder', offset: PARAMETER.high, access: 'read-write', bits: 8, fields: [] },
  DEVICE: {
    title: 'Device and head',
    offset: DEVICE,
    access: 'read-write',
    bits: 8,
    fields: [flag('DEV', 4, 'device 1'), flag('LBA', 6, 'LBA rather than CHS')],
  },
  SECTORS_LEFT: { title: 'Sectors that the command has still to move', access: 'internal', bits: 32, fields: [] },
} as const satisfies Record<string, RegisterRow>;
const CONTROL_REGISTERS = {
  CONTROL: {
    title: 'Device control',
    offset: 0,
    access: 'write',
    bits: 8,
    fields: [
      flag('nIEN', 1, 'interrupt off'),
      flag('SRST', 2, 'reset'),
      flag('HOB', 7, 'registers show what they held before'),
    ],
  },
} as const satisfies Record<string, RegisterRow>;

export interface IdeChannelState {
  readonly control: number;
  readonly interrupt: boolean;
  readonly drive: AtaDriveState | null;
}

export interface IdeChannelWiring {
  readonly interrupt: InterruptLine;
  readonly dma: DmaEngine;
}

export class IdeChannel implements PortDevice<IdeChannelState>, TimedDevice {
  readonly name: string;
  readonly portCount = 8;
  readonly widestAccess = 4;
  /** The port of device control and alternate status. */
  readonly controlPort: IdeControlPort;
  readonly #drive: AtaDrive | undefined;
  readonly #line: InterruptLine;
  #control = 0;
  #interrupt = false;

  constructor(name: string, disk: CopyOnWriteDisk | undefined, { interrupt, dma }: IdeChannelWiring) {
    this.name = name;
    this.#line = interrupt;
    this.#drive =
      disk &&
      new AtaDrive(disk, {
        dma,
        raiseInterrupt: () => {
          this.#interrupt = true;
          dma.interrupted();
          this.#driveInterrupt();
        },
      });
    this.controlPort = new IdeControlPort(this);
  }

  get control(): number {
    return this.#control;
  }

  nextEvent(): number | undefined {
    return this.#drive?.nextEvent;
  }

  advanceTo(now: number): void {
    this.#drive?.advanceTo(now);
  }

  /** The bus master of the channel was started. */
  dmaStarted(): void {
    this.#drive?.dmaStarted();
  }

  /** Device 0 rather than 1. */
  get #selected(): boolean {
    return ((this.#drive?.taskFile.device ?? 0) & DEVICE_ONE) === 0;
  }

  read(offset: number, bytes: AccessBytes): number {
    const drive = this.#drive;
    if (drive !== undefined && offset === DATA) return drive.readData(bytes);
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--)
      value = value * 256 + (drive === undefined ? EMPTY_CABLE : this.#readRegister(drive, offset + index));
    return value;
  }

  #readRegister({ taskFile, error }: AtaDrive, offset: number): number {
    if (offset === ERROR_OR_FEATURES) return this.#selected ? error : 0;
    if (offset !== STATUS_OR_COMMAND) {
      const before = (this.#control & HIGH_ORDER_BYTE) !== 0 && offset !== DEVICE;
      return before ? taskFile.previous(offset) : taskFile.current(offset);
    }
    this.#lowerInterrupt();
    return this.alternateStatus;
  }

  /** The status without what reading it does. Device 0 answers zeros for a device 1 that is not there (9.16.1). */
  get alternateStatus(): number {
    if (this.#drive === undefined) return EMPTY_CABLE;
    return this.#selected ? this.#drive.status : 0;
  }

  write(offset: number, bytes: AccessBytes, value: number): void {
    const drive = this.#drive;
    if (drive === undefined) return;
    if (offset === DATA) drive.writeData(bytes, value);
    else
      for (let index = 0; index < bytes; index++)
        this.#writeRegister(drive, offset + index, (value >>> (8 * index)) & 0xff);
  }

  #writeRegister(drive: AtaDrive, offset: number, value: number): void {
    // Any write to a register shows the current bytes again (7.7).
    this.#control &= ~HIGH_ORDER_BYTE;
    const occupied = (drive.status & (ATA_STATUS.busy | ATA_STATUS.dataRequest)) !== 0;
    if (occupied && this.#selected && offset !== DEVICE) return;
    if (offset !== STATUS_OR_COMMAND) {
      drive.taskFile.write(offset, value);
      this.#driveInterrupt();
      return;
    }
    // Both devices execute this one, whichever is selected (8.9).
    if (!this.#selected && ATA_COMMANDS[value]?.action !== 'diagnose') return;
    this.#lowerInterrupt();
    drive.start(value);
  }

  writeControl(value: number): void {
    const falls = (this.#control & ~value & SOFTWARE_RESET) !== 0;
    this.#control = value & (NO_INTERRUPT | SOFTWARE_RESET | HIGH_ORDER_BYTE);
    if ((value & SOFTWARE_RESET) !== 0) {
      this.#drive?.holdInReset();
      this.#interrupt = false;
    } else if (falls) this.#drive?.leaveReset();
    this.#driveInterrupt();
  }

  #lowerInterrupt(): void {
    if (!this.#selected) return;
    this.#interrupt = false;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#line.set(this.#interrupt && this.#selected && (this.#control & NO_INTERRUPT) === 0);
  }

  save(): IdeChannelState {
    return { control: this.#control, interrupt: this.#interrupt, drive: this.#drive?.save() ?? null };
  }

  load({ control, interrupt, drive }: IdeChannelState): void {
    this.#control = control;
    this.#interrupt = interrupt;
    if (drive !== null) this.#drive?.load(drive);
  }

  registers() {
    const parameter = (offset: number): number => this.#drive?.taskFile.current(offset) ?? EMPTY_CABLE;
    return decodeRegisters(CHANNEL_REGISTERS, {
      STATUS: this.alternateStatus,
      ERROR: this.#drive?.error ?? EMPTY_CABLE,
      COMMAND: this.#drive?.command ?? 0,
      COUNT: parameter(PARAMETER.count),
      LBA_LOW: parameter(PARAMETER.low),
      LBA_MID: parameter(PARAMETER.middle),
      LBA_HIGH: parameter(PARAMETER.high),
      DEVICE: parameter(DEVICE),
      SECTORS_LEFT: this.#drive?.sectorsLeft ?? 0,
    });
  }
}

/** Device control and alternate status: 3F6h of the primary channel. */
class IdeControlPort implements PortDevice<null> {
  readonly name: string;
  readonly portCount = 1;
  readonly widestAccess = 1;
  readonly #channel: IdeChannel;

  constructor(channel: IdeChannel) {
    this.name = `${channel.name} control`;
    this.#channel = channel;
  }

  read(_offset: number, _bytes: AccessBytes): number {
    return this.#channel.alternateStatus;
  }

  write(_offset: number, _bytes: AccessBytes, value: number): void {
    this.#channel.writeControl(value);
  }

  save(): null {
    return null;
  }

  load(_state: null): void {}

  registers() {
    return decodeRegisters(CONTROL_REGISTERS, { CONTROL: this.#channel.control });
  }
}
