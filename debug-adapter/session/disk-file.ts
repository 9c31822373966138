/** The file behind the guest's hard disk: read piece by piece, written only where the user has asked for that. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { DISK_SECTOR_BYTES } from '../engine/index.ts';
import type { DiskSource } from '../engine/index.ts';
import { UserError } from '../debugger/user-error.ts';
import { reasonOf } from './program-file.ts';

/** Read at once: guests read sectors that follow each other. */
const PIECE_SECTORS = 128;
/** Pieces that are kept: 4 MiB. */
const MOST_PIECES = 64;

export class DiskFile implements DiskSource {
  readonly sectors: number;
  private readonly file: string;
  private readonly handle: number;
  /** The oldest first. */
  private readonly pieces = new Map<number, Uint8Array>();

  /** Throws `UserError` where the file is no disk image that can be used so. */
  constructor(file: string, access: 'read' | 'write') {
    this.file = file;
    try {
      this.handle = openSync(file, access === 'write' ? 'r+' : 'r');
    } catch (error) {
      const verb = access === 'write' ? 'written' : 'read';
      throw new UserError(`"disk": ${file} cannot be ${verb}: ${reasonOf(error)}.`);
    }
    const status = fstatSync(this.handle);
    const problem = !status.isFile()
      ? 'is no file'
      : status.size === 0
        ? 'is empty'
        : status.size % DISK_SECTOR_BYTES !== 0
          ? `has ${status.size} bytes, which is no multiple of ${DISK_SECTOR_BYTES}`
          : undefined;
    if (problem !== undefined) {
      closeSync(this.handle);
      throw new UserError(`"disk": ${file} ${problem}; name the raw image of a hard disk.`);
    }
    this.sectors = status.size / DISK_SECTOR_BYTES;
  }

  read(lba: number): Uint8Array {
    const at = (lba % PIECE_SECTORS) * DISK_SECTOR_BYTES;
    return this.piece(Math.floor(lba / PIECE_SECTORS)).subarray(at, at + DISK_SECTOR_BYTES);
  }

  private piece(index: number): Uint8Array {
    const known = this.pieces.get(index);
    if (known !== undefined) return known;
    const piece = new Uint8Array(PIECE_SECTORS * DISK_SECTOR_BYTES);
    readSync(this.handle, piece, 0, piece.length, index * piece.length);
    const oldest = this.pieces.keys().next();
    if (this.pieces.size >= MOST_PIECES && oldest.done !== true) this.pieces.delete(oldest.value);
    this.pieces.set(index, piece);
    return piece;
  }

  write(changes: ReadonlyMap<number, Uint8Array>): void {
    try {
      for (const [lba, bytes] of changes) writeSync(this.handle, bytes, 0, bytes.length, lba * DISK_SECTOR_BYTES);
    } catch (error) {
      throw new UserError(`"disk": ${this.file} cannot be written: ${reasonOf(error)}.`);
    }
    this.pieces.clear();
  }

  close(): void {
    closeSync(this.handle);
  }
}
