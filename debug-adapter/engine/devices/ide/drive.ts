/**
 * An ATA disk: what commands do, block by block (ATA/ATAPI-6, "Protocol", 9). A command takes a fixed time, so that a program
 * finds the device busy as it would on hardware, at the same instruction in each run.
 */
import type { AccessBytes } from '../device.ts';
import type { DmaEngine } from './bus-master.ts';
import { ATA_COMMANDS, type AtaCommand } from './commands.ts';
import { DISK_SECTOR_BYTES, type CopyOnWriteDisk, type DiskState } from './disk.ts';
import { defaultGeometry, identifyData, MOST_MULTIPLE, type Geometry } from './identify.ts';
import { acceptsFeature, FIRST_DMA_MODE, SET_TRANSFER_MODE } from './features.ts';
import { PARAMETER, TaskFile, type TaskFileState } from './task-file.ts';

/** Bits of the status register. */
export const ATA_STATUS = { busy: 0x80, ready: 0x40, seekComplete: 0x10, dataRequest: 0x08, error: 0x01 } as const;
const BUSY = ATA_STATUS.busy;
const DATA_REQUEST = ATA_STATUS.dataRequest;
const ERROR = ATA_STATUS.error;
const IDLE = ATA_STATUS.ready | ATA_STATUS.seekComplete;

const ID_NOT_FOUND = 0x10;
const ABORTED = 0x04;
/** In the error register after a reset: device 0 passed, and there is no device 1. */
const DIAGNOSTIC_PASSED = 0x01;

/** 20 microseconds and 1 microsecond at 100 million ticks in a second: what a good solid-state disk takes. */
const COMMAND_TICKS = 2000;
const SECTOR_TICKS = 100;

/** A command that moves sectors. */
interface Transfer {
  readonly action: 'read' | 'write';
  readonly by: 'sector' | 'block' | 'dma';
  readonly extended: boolean;
  /** Next sector of the disk. */
  readonly lba: number;
  readonly left: number;
}

/** What the device does when it is busy no longer. */
type Work = 'reset' | 'command' | 'next-block' | 'block-written' | 'dma';

export interface AtaDriveState {
  readonly taskFile: TaskFileState;
  readonly command: number;
  readonly status: number;
  readonly error: number;
  readonly now: number;
  readonly work: { readonly what: Work; readonly at: number } | null;
  readonly transfer: Transfer | null;
  readonly waitsForDma: boolean;
  /** Data of the block at hand, and how much of it has passed the data register. */
  readonly buffer: readonly number[];
  readonly passed: number;
  readonly geometry: Geometry;
  readonly multiple: number;
  readonly dmaMode: number;
  readonly disk: DiskState;
}

export interface AtaDriveWiring {
  readonly dma: DmaEngine;
  readonly raiseInterrupt: () => void;
}

export class AtaDrive {
  readonly taskFile = new TaskFile();
  readonly #disk: CopyOnWriteDisk;
  readonly #wiring: AtaDriveWiring;
  #command = 0;
  #status: number = IDLE;
  #error = DIAGNOSTIC_PASSED;
  #now = 0;
  #work: { readonly what: Work; readonly at: number } | undefined;
  #transfer: Transfer | undefined;
  #waitsForDma = false;
  #buffer = new Uint8Array(0);
  #passed = 0;
  #geometry: Geometry;
  #multiple = MOST_MULTIPLE;
  #dmaMode = 0;

  constructor(disk: CopyOnWriteDisk, wiring: AtaDriveWiring) {
    this.#disk = disk;
    this.#wiring = wiring;
    this.#geometry = defaultGeometry(disk.sectors);
    this.taskFile.setSignature();
  }

  get status(): number {
    return this.#status;
  }

  get error(): number {
    return this.#error;
  }

  get command(): number {
    return this.#command;
  }

  get sectorsLeft(): number {
    return this.#transfer?.left ?? 0;
  }

  get nextEvent(): number | undefined {
    return this.#work?.at;
  }

  advanceTo(now: number): void {
    this.#now = now;
    if (this.#work === undefined || now < this.#work.at) return;
    const { what } = this.#work;
    this.#work = undefined;
    this.#perform(what);
  }

  /** The bus master of the channel was started. */
  dmaStarted(): void {
    if (this.#waitsForDma) this.#beginDma();
  }

  /** The command register was written. */
  start(command: number): void {
    this.#command = command;
    this.#error = 0;
    this.#busy('command', COMMAND_TICKS);
  }

  /** While the reset bit is set: busy, with nothing going on. */
  holdInReset(): void {
    this.#transfer = undefined;
    this.#work = undefined;
    this.#waitsForDma = false;
    this.#status = BUSY;
  }

  /** The reset bit was cleared. */
  leaveReset(): void {
    this.#busy('reset', COMMAND_TICKS);
  }

  readData(bytes: AccessBytes): number {
    if (!this.#passes('read')) return 0;
    let value = 0;
    for (let index = bytes - 1; index >= 0; index--) value = value * 256 + (this.#buffer[this.#passed + index] ?? 0);
    this.#pass(bytes);
    return value;
  }

  writeData(bytes: AccessBytes, value: number): void {
    if (!this.#passes('write')) return;
    for (let index = 0; index < bytes; index++)
      if (this.#passed + index < this.#buffer.length) this.#buffer[this.#passed + index] = value >>> (8 * index);
    this.#pass(bytes);
  }

  /** Whether the data register moves data this way now. What IDENTIFY DEVICE gives belongs to no transfer. */
  #passes(direction: 'read' | 'write'): boolean {
    const { action = 'read', by = 'sector' } = this.#transfer ?? {};
    return (this.#status & DATA_REQUEST) !== 0 && by !== 'dma' && action === direction;
  }

  /** Bytes have gone through the data register. */
  #pass(bytes: number): void {
    this.#passed += bytes;
    if (this.#passed < this.#buffer.length) return;
    const sectors = this.#buffer.length / DISK_SECTOR_BYTES;
    if (this.#transfer?.action === 'write') this.#busy('block-written', sectors * SECTOR_TICKS);
    else if (this.#transfer !== undefined && this.#transfer.left > 0) this.#busy('next-block', SECTOR_TICKS);
    else this.#finish('silently');
  }

  #busy(what: Work, ticks: number): void {
    this.#status = BUSY;
    this.#work = { what, at: this.#now + ticks };
  }

  #perform(what: Work): void {
    switch (what) {
      case 'reset':
        this.taskFile.setSignature();
        this.#geometry = defaultGeometry(this.#disk.sectors);
        this.#error = DIAGNOSTIC_PASSED;
        this.#status = IDLE;
        return;
      case 'command': {
        const command = ATA_COMMANDS[this.#command];
        if (command === undefined) this.#fail(ABORTED);
        else this.#execute(command);
        return;
      }
      case 'next-block':
        this.#offerBlock();
        return;
      case 'block-written':
        this.#storeBlock();
        return;
      case 'dma':
        this.#moveByDma();
    }
  }

  #execute(command: AtaCommand): void {
    const taskFile = this.taskFile;
    const count = taskFile.current(PARAMETER.count);
    switch (command.action) {
      case 'read':
      case 'write':
        this.#begin(command);
        return;
      case 'verify': {
        const lba = taskFile.address(command.extended, this.#geometry);
        if (lba === undefined || lba + taskFile.sectorCount(command.extended) > this.#disk.sectors)
          this.#fail(ID_NOT_FOUND);
        else this.#finish('interrupting');
        return;
      }
      case 'native-maximum':
        taskFile.setAddress(
          command.extended ? this.#disk.sectors - 1 : Math.min(this.#disk.sectors - 1, 0x0fff_ffff),
          command.extended,
          this.#geometry,
        );
        this.#finish('interrupting');
        return;
      case 'identify':
        this.#offer(
          identifyData({
            totalSectors: this.#disk.sectors,
            current: this.#geometry,
            multiple: this.#multiple,
            dmaMode: this.#dmaMode,
          }),
        );
        return;
      case 'succeed':
        this.#finish('interrupting');
        return;
      case 'diagnose':
        taskFile.setSignature();
        this.#error = DIAGNOSTIC_PASSED;
        this.#status = IDLE;
        this.#wiring.raiseInterrupt();
        return;
      case 'set-geometry': {
        const heads = (taskFile.device & 15) + 1;
        if (count === 0) return this.#fail(ABORTED);
        const cylinders = Math.min(0xffff, Math.floor(this.#disk.sectors / (heads * count)));
        this.#geometry = { cylinders, heads, sectors: count };
        this.#finish('interrupting');
        return;
      }
      case 'set-multiple':
        if (count > MOST_MULTIPLE || (count & (count - 1)) !== 0) return this.#fail(ABORTED);
        this.#multiple = count;
        this.#finish('interrupting');
        return;
      case 'set-features':
        this.#setFeatures(taskFile.current(PARAMETER.features), count);
        return;
      case 'power-mode':
        // Active or idle.
        taskFile.setCount(0xff);
        this.#finish('interrupting');
    }
  }

  #setFeatures(feature: number, value: number): void {
    if (!acceptsFeature(feature, value)) return this.#fail(ABORTED);
    if (feature === SET_TRANSFER_MODE && value >= FIRST_DMA_MODE) this.#dmaMode = value;
    this.#finish('interrupting');
  }

  #begin({ action, by, extended }: Extract<AtaCommand, { action: 'read' | 'write' }>): void {
    const lba = this.taskFile.address(extended, this.#geometry);
    if (lba === undefined) return this.#fail(ID_NOT_FOUND);
    if (by === 'block' && this.#multiple === 0) return this.#fail(ABORTED);
    this.#transfer = { action, by, extended, lba, left: this.taskFile.sectorCount(extended) };
    if (by === 'dma') {
      this.#waitsForDma = true;
      this.#status = IDLE | DATA_REQUEST;
      if (this.#wiring.dma.ready) this.#beginDma();
    } else if (action === 'read') this.#offerBlock();
    else this.#askForBlock();
  }

  /** Sectors of the next block that are on the disk; 0 after the command was failed. */
  #blockSectors({ by, lba, left, extended }: Transfer): number {
    const block = Math.min(left, by === 'block' ? this.#multiple : by === 'dma' ? left : 1);
    const there = Math.min(block, this.#disk.sectors - lba);
    if (there > 0) return there;
    this.taskFile.setAddress(lba, extended, this.#geometry);
    this.#fail(ID_NOT_FOUND);
    return 0;
  }

  #sectorsFrom(lba: number, count: number): Uint8Array {
    const data = new Uint8Array(count * DISK_SECTOR_BYTES);
    for (let index = 0; index < count; index++) data.set(this.#disk.read(lba + index), index * DISK_SECTOR_BYTES);
    return data;
  }

  #store(lba: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += DISK_SECTOR_BYTES)
      this.#disk.write(lba + at / DISK_SECTOR_BYTES, data.subarray(at, at + DISK_SECTOR_BYTES));
  }

  /** A block of a PIO read. */
  #offerBlock(): void {
    const transfer = this.#transfer;
    const sectors = transfer === undefined ? 0 : this.#blockSectors(transfer);
    if (transfer === undefined || sectors === 0) return;
    this.#transfer = { ...transfer, lba: transfer.lba + sectors, left: transfer.left - sectors };
    this.#offer(this.#sectorsFrom(transfer.lba, sectors));
  }

  #offer(data: Uint8Array): void {
    this.#buffer = data.slice();
    this.#passed = 0;
    this.#status = IDLE | DATA_REQUEST;
    this.#wiring.raiseInterrupt();
  }

  /** A PIO write wants its next block: the first one without an interrupt. */
  #askForBlock(): void {
    const sectors = this.#transfer === undefined ? 0 : this.#blockSectors(this.#transfer);
    if (sectors === 0) return;
    this.#buffer = new Uint8Array(sectors * DISK_SECTOR_BYTES);
    this.#passed = 0;
    this.#status = IDLE | DATA_REQUEST;
  }

  #storeBlock(): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#store(transfer.lba, this.#buffer);
    const sectors = this.#buffer.length / DISK_SECTOR_BYTES;
    this.#transfer = { ...transfer, lba: transfer.lba + sectors, left: transfer.left - sectors };
    if (this.#transfer.left === 0) return this.#finish('interrupting');
    this.#askForBlock();
    if ((this.#status & ERROR) === 0) this.#wiring.raiseInterrupt();
  }

  #beginDma(): void {
    this.#waitsForDma = false;
    this.#busy('dma', (this.#transfer?.left ?? 0) * SECTOR_TICKS);
  }

  #moveByDma(): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    if (!this.#wiring.dma.ready) {
      // Stopped in the middle: the device goes on asking.
      this.#waitsForDma = true;
      this.#status = IDLE | DATA_REQUEST;
      return;
    }
    const sectors = this.#blockSectors(transfer);
    if (sectors === 0) return;
    const reads = transfer.action === 'read';
    const data = reads ? this.#sectorsFrom(transfer.lba, sectors) : new Uint8Array(sectors * DISK_SECTOR_BYTES);
    if (!this.#wiring.dma.transfer(reads ? 'to-memory' : 'from-memory', data)) {
      // The table ended first: data is left over, and no interrupt tells of an end.
      this.#status = IDLE | DATA_REQUEST;
      return;
    }
    if (!reads) this.#store(transfer.lba, data);
    this.#transfer = { ...transfer, lba: transfer.lba + sectors, left: transfer.left - sectors };
    if (this.#transfer.left === 0) this.#finish('interrupting');
    else this.#blockSectors(this.#transfer);
  }

  #finish(how: 'interrupting' | 'silently'): void {
    this.#transfer = undefined;
    this.#status = IDLE;
    if (how === 'interrupting') this.#wiring.raiseInterrupt();
  }

  #fail(error: number): void {
    this.#transfer = undefined;
    this.#error = error;
    this.#status = IDLE | ERROR;
    this.#wiring.raiseInterrupt();
  }

  save(): AtaDriveState {
    return {
      taskFile: this.taskFile.save(),
      command: this.#command,
      status: this.#status,
      error: this.#error,
      now: this.#now,
      work: this.#work ?? null,
      transfer: this.#transfer ?? null,
      waitsForDma: this.#waitsForDma,
      buffer: [...this.#buffer],
      passed: this.#passed,
      geometry: this.#geometry,
      multiple: this.#multiple,
      dmaMode: this.#dmaMode,
      disk: this.#disk.save(),
    };
  }

  load(state: AtaDriveState): void {
    this.taskFile.load(state.taskFile);
    this.#command = state.command;
    this.#status = state.status;
    this.#error = state.error;
    this.#now = state.now;
    this.#work = state.work ?? undefined;
    this.#transfer = state.transfer ?? undefined;
    this.#waitsForDma = state.waitsForDma;
    this.#buffer = Uint8Array.from(state.buffer);
    this.#passed = state.passed;
    this.#geometry = state.geometry;
    this.#multiple = state.multiple;
    this.#dmaMode = state.dmaMode;
    this.#disk.load(state.disk);
  }
}
