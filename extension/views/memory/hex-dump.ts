/** Memory as text: an address, sixteen bytes, the same bytes as letters. */

const BYTES_PER_LINE = 16;

export interface MemoryWindow {
  /** First address shown, a multiple of 16. */
  readonly start: bigint;
  readonly bytes: number;
}

/** Lines shown before the bytes of interest. */
const LINES_BEFORE = 4;
const LINES = 32;

/** What to show around an address. */
export function windowAround(address: bigint): MemoryWindow {
  const line = address - (address % BigInt(BYTES_PER_LINE));
  const wished = line - BigInt(LINES_BEFORE * BYTES_PER_LINE);
  return { start: wished < 0n ? 0n : wished, bytes: LINES * BYTES_PER_LINE };
}

/** Columns of a run of bytes, counting from 0; the end is exclusive. */
export interface Highlight {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

export interface HexDump {
  readonly lines: readonly string[];
  readonly highlights: readonly Highlight[];
}

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');

const letter = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

/** Digits of the addresses of a window: half as many where that is enough, so that a line is narrow. */
const addressDigits = ({ start, bytes }: MemoryWindow): number => (start + BigInt(bytes) <= 2n ** 32n ? 8 : 16);
/** Columns behind the address: two spaces, then two digits and a space per byte, one space more between the halves. */
const byteColumn = (at: number): number => 2 + 3 * at + (at >= BYTES_PER_LINE / 2 ? 1 : 0);

/**
 * @param known bytes from `window.start` on; those beyond are shown as `??`, which is memory that cannot be read.
 * @param marked addresses to highlight.
 */
export function hexDump(
  window: MemoryWindow,
  known: Uint8Array,
  marked: { readonly start: bigint; readonly bytes: number },
): HexDump {
  const lines: string[] = [];
  const highlights: Highlight[] = [];
  const digits = addressDigits(window);
  for (let at = 0; at < window.bytes; at += BYTES_PER_LINE) {
    const address = window.start + BigInt(at);
    const bytes = Array.from({ length: BYTES_PER_LINE }, (_, index) => known[at + index]);
    const cells = bytes.map((byte) => (byte === undefined ? '??' : hex(byte, 2)));
    const half = BYTES_PER_LINE / 2;
    const letters = bytes.map((byte) => (byte === undefined ? ' ' : letter(byte))).join('');
    const line = `${hex(address, digits)}  ${cells.slice(0, half).join(' ')}  ${cells.slice(half).join(' ')}  |${letters}|`;
    const first = Math.max(0, Number(marked.start - address));
    const last = Math.min(BYTES_PER_LINE, Number(marked.start + BigInt(marked.bytes) - address)) - 1;
    if (first <= last && first < BYTES_PER_LINE) {
      highlights.push({ line: lines.length, start: digits + byteColumn(first), end: digits + byteColumn(last) + 2 });
    }
    lines.push(line);
  }
  return { lines, highlights };
}

/** The address in a memory reference, and what names its address space. */
export function parseReference(reference: string): { readonly space: string; readonly address: bigint } | undefined {
  const [, space, digits] = /^((?:gpa|hpa):)?(0x[0-9a-f]+)$/i.exec(reference) ?? [];
  return digits === undefined ? undefined : { space: space ?? '', address: BigInt(digits) };
}

const SPACES: Readonly<Record<string, string>> = { '': 'linear', 'gpa:': 'guest-physical', 'hpa:': 'host-physical' };

/** `guest-physical`; the reference's own word where it is one we do not know. */
export const spaceInWords = (space: string): string => SPACES[space] ?? space;
