/** One vector operand in flight: 32 bytes seen as lanes of every width. Meanings read and write these, never the registers. */
export const VECTOR_BYTES = 32;

export class Vector {
  readonly u8 = new Uint8Array(VECTOR_BYTES);
  readonly i8 = new Int8Array(this.u8.buffer);
  readonly u16 = new Uint16Array(this.u8.buffer);
  readonly i16 = new Int16Array(this.u8.buffer);
  readonly u32 = new Uint32Array(this.u8.buffer);
  readonly i32 = new Int32Array(this.u8.buffer);
  readonly u64 = new BigUint64Array(this.u8.buffer);
  readonly i64 = new BigInt64Array(this.u8.buffer);
  readonly f32 = new Float32Array(this.u8.buffer);
  readonly f64 = new Float64Array(this.u8.buffer);
}

/** Bytes of the vector length in force: 8 for MMX registers alone, 16 for XMM registers, 32 where there is a YMM register. */
export type VectorLength = 8 | 16 | 32;

/** Bytes of the parts that shuffles, packs and horizontal operations stay within. */
export const partBytes = (n: VectorLength): 8 | 16 => (n === 8 ? 8 : 16);

/** What a meaning is given besides its lanes. */
export interface Extra {
  /** The immediate byte; 0 without one. */
  readonly immediate: number;
  /** Whether operand `b` came from memory. */
  readonly memory: boolean;
  /** Whether the form is VEX-encoded. */
  readonly vex: boolean;
  /** Third source of four-operand forms; XMM0 for the legacy ones that use it implicitly. */
  readonly c: Vector;
}

/**
 * What an instruction does to its lanes. `d` holds the old destination on entry and the new one at the end; `a` is the first
 * source (for two-operand forms the old destination), `b` the last one. The three never share storage.
 */
export type Meaning = (d: Vector, a: Vector, b: Vector, n: VectorLength, extra: Extra) => void;

/** Meanings by the mnemonic of the legacy form (VEX forms put a `v` before it), or by the VEX mnemonic where there is only that. */
export type Meanings = Readonly<Record<string, Meaning>>;
