/**
 * Reads little-endian values one after another. Beyond the end it answers zeros and remembers: the caller looks at `overrun`
 * once per structure, and a truncated file can neither throw nor loop.
 */
import { textAt, viewOf } from './bytes.ts';

export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at: number;
  readonly end: number;
  overrun = false;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.at = at;
    this.end = Math.min(end, bytes.length);
  }

  get done(): boolean {
    return this.overrun || this.at >= this.end;
  }

  u8(): number {
    return this.#take(1, (at) => this.#view.getUint8(at), 0);
  }

  s8(): number {
    return this.#take(1, (at) => this.#view.getInt8(at), 0);
  }

  u16(): number {
    return this.#take(2, (at) => this.#view.getUint16(at, true), 0);
  }

  u32(): number {
    return this.#take(4, (at) => this.#view.getUint32(at, true), 0);
  }

  u64(): bigint {
    return this.#take(8, (at) => this.#view.getBigUint64(at, true), 0n);
  }

  skip(bytes: number): void {
    this.#take(bytes, () => 0, 0);
  }

  /** DWARF unsigned LEB128. */
  uleb(): bigint {
    return this.#leb().value;
  }

  /** DWARF signed LEB128. */
  sleb(): bigint {
    const { value, bits } = this.#leb();
    return BigInt.asIntN(bits, value);
  }

  /** A small unsigned LEB128: an index, a count. */
  index(): number {
    return Number(this.uleb());
  }

  /** NUL-terminated text. */
  text(): string {
    const text = textAt(this.#bytes.subarray(0, this.end), this.at);
    this.skip(text.length + 1);
    return text;
  }

  #leb(): { value: bigint; bits: number } {
    let value = 0n;
    let bits = 0;
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if ((byte & 0x80) === 0 || this.overrun) return { value, bits };
    }
  }

  #take<Value>(bytes: number, read: (at: number) => Value, otherwise: Value): Value {
    if (this.overrun || this.at + bytes > this.end) {
      this.overrun = true;
      return otherwise;
    }
    const value = read(this.at);
    this.at += bytes;
    return value;
  }
}
