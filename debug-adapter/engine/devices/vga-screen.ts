/**
 * What a VGA in text mode shows, worked out from its registers and the text memory as the CRT controller would (IBM VGA
 * technical reference, "CRT Controller Registers" and "Attribute Controller Registers").
 */
import type { VgaTextState } from './vga-text.ts';

/** The screen as the hardware would draw it. Rows and columns count from 0. */
export interface TextScreen {
  readonly columns: number;
  readonly rows: number;
  /** Row after row, two bytes for each cell: character code (code page 437), attribute. */
  readonly cells: Uint8Array;
  readonly cursor: {
    readonly row: number;
    readonly column: number;
    /** It is switched on and lies on the screen. */
    readonly visible: boolean;
    /** First and last scan line of the character cell that it covers. */
    readonly startLine: number;
    readonly endLine: number;
  };
  /** Scan lines of a character. */
  readonly characterHeight: number;
  /** Guest-physical address of the first cell shown. */
  readonly address: number;
  /** Number of the first character shown, counted in text memory. */
  readonly startAddress: number;
  /** Bit 7 of an attribute makes the character blink; otherwise it is the background's intensity. */
  readonly blink: boolean;
  /** The sixteen colours of attributes as 24-bit RGB. */
  readonly palette: readonly number[];
}

const CRTC = {
  displayEndHorizontal: 0x01,
  overflow: 0x07,
  maximumScanLine: 0x09,
  cursorStart: 0x0a,
  cursorEnd: 0x0b,
  startHigh: 0x0c,
  cursorHigh: 0x0e,
  displayEndVertical: 0x12,
  offset: 0x13,
} as const;
const CURSOR_OFF = 0x20;
const SCAN_LINES = 0x1f;
const DOUBLE_SCAN = 0x80;
const GRAPHICS_MISCELLANEOUS = 6;
const ATTRIBUTE_MODE = 0x10;
const COLOUR_PLANES = 0x12;
const COLOUR_SELECT = 0x14;
const BLINK = 0x08;
const PALETTE_SIZE_SELECT = 0x80;
/** By bits 3:2 of the miscellaneous register: where the processor sees display memory, and how much of it. */
const WINDOWS = [
  { base: 0xa_0000, bytes: 0x2_0000 },
  { base: 0xa_0000, bytes: 0x1_0000 },
  { base: 0xb_0000, bytes: 0x8000 },
  { base: 0xb_8000, bytes: 0x8000 },
] as const;

export function textScreen(
  { crtc, graphics, attribute, palette, paletteMask }: VgaTextState,
  read: (guestPhysical: number, bytes: number) => Uint8Array,
): TextScreen {
  const register = (index: number): number => crtc[index] ?? 0;
  const word = (high: number): number => (register(high) << 8) | register(high + 1);
  const overflow = register(CRTC.overflow);
  const characterHeight = (register(CRTC.maximumScanLine) & SCAN_LINES) + 1;
  const scanLines = (register(CRTC.displayEndVertical) | ((overflow & 2) << 7) | ((overflow & 0x40) << 3)) + 1;
  const drawnLines = (register(CRTC.maximumScanLine) & DOUBLE_SCAN) !== 0 ? scanLines / 2 : scanLines;
  const columns = register(CRTC.displayEndHorizontal) + 1;
  const rows = Math.max(1, Math.floor(drawnLines / characterHeight));
  // The offset register counts words of the two planes that text is in.
  const pitch = register(CRTC.offset) * 2;
  const startAddress = word(CRTC.startHigh);
  const window = WINDOWS[((graphics[GRAPHICS_MISCELLANEOUS] ?? 0) >> 2) & 3] ?? WINDOWS[3];

  const memory = read(window.base, window.bytes);
  const cells = new Uint8Array(2 * rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < 2 * columns; column++)
      cells[2 * row * columns + column] = memory[(2 * (startAddress + row * pitch) + column) % window.bytes] ?? 0;

  const fromStart = word(CRTC.cursorHigh) - startAddress;
  const cursorRow = pitch === 0 ? 0 : Math.floor(fromStart / pitch);
  const cursorColumn = fromStart - cursorRow * pitch;
  const startLine = register(CRTC.cursorStart) & SCAN_LINES;
  const endLine = register(CRTC.cursorEnd) & SCAN_LINES;
  const onScreen = cursorRow >= 0 && cursorRow < rows && cursorColumn < columns;
  const drawn = (register(CRTC.cursorStart) & CURSOR_OFF) === 0 && startLine <= endLine && startLine < characterHeight;
  return {
    columns,
    rows,
    cells,
    cursor: {
      row: onScreen ? cursorRow : 0,
      column: onScreen ? cursorColumn : 0,
      visible: onScreen && drawn,
      startLine,
      endLine: Math.min(endLine, characterHeight - 1),
    },
    characterHeight,
    address: window.base + ((2 * startAddress) % window.bytes),
    startAddress,
    blink: ((attribute[ATTRIBUTE_MODE] ?? 0) & BLINK) !== 0,
    palette: Array.from({ length: 16 }, (_, colour) => rgbOf(colour, attribute, palette, paletteMask)),
  };
}

/** A colour of an attribute through the attribute controller's palette and the DAC. */
function rgbOf(colour: number, attribute: readonly number[], palette: readonly number[], paletteMask: number): number {
  const internal = attribute[colour & (attribute[COLOUR_PLANES] ?? 15)] ?? 0;
  const select = attribute[COLOUR_SELECT] ?? 0;
  const replacesTwo = ((attribute[ATTRIBUTE_MODE] ?? 0) & PALETTE_SIZE_SELECT) !== 0;
  const high = replacesTwo ? (select & 15) << 4 : (select & 12) << 4;
  const index = (high | (internal & (replacesTwo ? 0x0f : 0x3f))) & paletteMask;
  // A component has six bits; the lowest ones are those of the top again, so that full is full.
  const component = (which: number): number => {
    const value = palette[3 * index + which] ?? 0;
    return (value << 2) | (value >> 4);
  };
  return (component(0) << 16) | (component(1) << 8) | component(2);
}
