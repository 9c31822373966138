/** Small readings of byte arrays. */

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** NUL-terminated text at `offset`; empty beyond the end. */
export function textAt(bytes: Uint8Array, offset: number): string {
  let text = '';
  for (let at = offset; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}
