/** What tables have in common: fields at offsets, a checksum over everything, the header of ACPI (specification 6.3, 5.2.6). */

const HEADER_BYTES = 36;
const OEM_ID = 'HYPSTP';
const OEM_TABLE_ID = 'HYPERSTP';
const CREATOR_ID = 'HYST';

export class TableWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  byte = (offset: number, value: number): void => this.#view.setUint8(offset, value);
  word = (offset: number, value: number): void => this.#view.setUint16(offset, value, true);
  dword = (offset: number, value: number): void => this.#view.setUint32(offset, value, true);
  qword = (offset: number, value: number): void => this.#view.setBigUint64(offset, BigInt(value), true);
  text = (offset: number, value: string): void =>
    [...value].forEach((letter, index) => this.byte(offset + index, letter.charCodeAt(0)));

  /** A generic address structure: I/O space 1, memory 0 (5.2.3.2). */
  address(offset: number, space: 'memory' | 'io', bits: number, address: number): void {
    this.byte(offset, space === 'io' ? 1 : 0);
    this.byte(offset + 1, bits);
    // Undefined access size, as from the time before that field.
    this.byte(offset + 3, 0);
    this.qword(offset + 4, address);
  }

  /** Makes the sum of `length` bytes 0 modulo 256 by the byte at `offset`. */
  checksum(offset: number, length = this.bytes.length): void {
    this.byte(offset, 0);
    this.byte(offset, -this.bytes.subarray(0, length).reduce((sum, byte) => sum + byte, 0) & 0xff);
  }
}

/** A description table: header, then what `write` puts behind it at offsets from the table's start. */
export function descriptionTable(
  signature: string,
  revision: number,
  length: number,
  write: (table: TableWriter) => void,
): Uint8Array {
  const table = new TableWriter(length);
  table.text(0, signature);
  table.dword(4, length);
  table.byte(8, revision);
  table.text(10, OEM_ID);
  table.text(16, OEM_TABLE_ID);
  table.dword(24, 1);
  table.text(28, CREATOR_ID);
  table.dword(32, 1);
  write(table);
  table.checksum(9);
  return table.bytes;
}

/** A table whose contents are entries of bytes, one after the other. */
export const tableOfEntries = (
  signature: string,
  revision: number,
  fixed: readonly number[],
  entries: readonly (readonly number[])[],
): Uint8Array => {
  const body = [...fixed, ...entries.flat()];
  return descriptionTable(signature, revision, HEADER_BYTES + body.length, (table) =>
    body.forEach((value, index) => table.byte(HEADER_BYTES + index, value)),
  );
};

export const OEM = { id: OEM_ID, tableId: OEM_TABLE_ID } as const;

/** Little-endian bytes of numbers of given widths. */
export const packed = (...fields: readonly (readonly [value: number, bytes: 1 | 2 | 4 | 8])[]): number[] =>
  fields.flatMap(([value, bytes]) =>
    Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256),
  );
