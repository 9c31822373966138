/** Numeric literals of NASM (NASM manual, "Numeric Constants" and "Floating-Point Constants"). */

const RADIX_PREFIXES: Readonly<Record<string, number>> = { x: 16, h: 16, b: 2, y: 2, o: 8, q: 8, d: 10, t: 10 };
const RADIX_SUFFIXES: Readonly<Record<string, number>> = { h: 16, x: 16, b: 2, y: 2, o: 8, q: 8, d: 10, t: 10 };
const DIGITS: Readonly<Record<number, RegExp>> = {
  2: /^[01][01_]*$/,
  8: /^[0-7][0-7_]*$/,
  10: /^[0-9][0-9_]*$/,
  16: /^[0-9a-f_]+$/,
};
const MARKS: Readonly<Record<number, string>> = { 2: '0b', 8: '0o', 10: '', 16: '0x' };

/** Value of an integer literal (`12`, `0x1f`, `1fh`, `0h1f`, `$1f`, `101b`, `0o17`, `1_000`); undefined when it is none. */
export function parseInteger(text: string): bigint | undefined {
  const lower = text.toLowerCase();
  if (lower.startsWith('$')) return inRadix(lower.slice(1), 16);
  if (lower.length > 2 && lower.startsWith('0')) {
    const radix = RADIX_PREFIXES[lower.charAt(1)];
    // `0b1h` and `0d1h` are hexadecimal: a suffix h wins over a prefix that is also a hexadecimal digit.
    if (radix !== undefined && !(lower.endsWith('h') && radix !== 16)) {
      const value = inRadix(lower.slice(2), radix);
      if (value !== undefined) return value;
    }
  }
  const suffix = RADIX_SUFFIXES[lower.charAt(lower.length - 1)];
  if (suffix !== undefined) {
    const value = inRadix(lower.slice(0, -1), suffix);
    if (value !== undefined) return value;
  }
  return inRadix(lower, 10);
}

function inRadix(digits: string, radix: number): bigint | undefined {
  if (!DIGITS[radix].test(digits)) return undefined;
  const plain = digits.replaceAll('_', '');
  return plain === '' ? undefined : BigInt(MARKS[radix] + plain);
}

/** Bytes of a floating-point literal as IEEE 754 single or double, little-endian; undefined when it is none or the width is another. */
export function floatBytes(text: string, bytes: number): Uint8Array | undefined {
  const value = Number(text.replaceAll('_', ''));
  if (Number.isNaN(value) || (bytes !== 4 && bytes !== 8)) return undefined;
  const out = new Uint8Array(bytes);
  const view = new DataView(out.buffer);
  if (bytes === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return out;
}
