/**
 * Values as they cross the wire. 64-bit numbers are fixed-width lower-case hexadecimal strings (`0x` and 16 digits), because
 * JSON has no integers above 2^53; smaller hexadecimal values have the width of their field.
 */
export type Hex = string;

/**
 * Names memory for `readMemory` and `writeMemory`: `0x...` is a linear address, `gpa:0x...` a guest-physical, `hpa:0x...` a
 * host-physical one.
 */
export type MemoryReference = string;

/** One bit or bit range of a value, decoded. */
export interface DecodedField {
  readonly name: string;
  /** Lowest bit. */
  readonly bit: number;
  readonly width: number;
  /** As a number: a field of more than 32 bits is a `Hex`. */
  readonly value: number | Hex;
  readonly meaning?: string;
}

/** A place in a program: symbol as `name+0x12`, and its source line where one is known. */
export interface CodePlace {
  /** Linear address. */
  readonly linear: Hex;
  readonly symbol?: string;
  readonly path?: string;
  readonly line?: number;
}
