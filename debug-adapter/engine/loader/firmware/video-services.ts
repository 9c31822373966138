/**
 * INT 10h on the VGA in 80 x 25 colour text (IBM VGA technical reference, "BIOS"): cursor, pages, scrolling and characters in
 * video memory. Graphics modes are not built; VESA functions answer as a BIOS without them.
 */
import { FirmwareGap, type FirmwareCall } from './context.ts';
import { biosDataAddress } from './bios-data.ts';

export const VIDEO_MEMORY = 0xb_8000;
const TEXT_80 = [0x02, 0x03];
const KEEP_SCREEN = 0x80;
const SPACE = 0x20;
const GREY_ON_BLACK = 0x07;
export const BLANK_CELL = (GREY_ON_BLACK << 8) | SPACE;

const CRTC = { cursorStart: 0x0a, cursorEnd: 0x0b, start: 0x0c, cursor: 0x0e } as const;
/** In the registers the cursor is a scan line pair of a 16-line cell, in the BIOS's functions one of an 8-line cell. */
const CURSOR_START_SHAPE = 0x0607;
const CURSOR_OFF = 0x20;
const LINES_OF_OLD_CELL = 8;

const ATTRIBUTE_PORT = 0x3c0;
const INPUT_STATUS = 0x3da;
const ATTRIBUTE_MODE = 0x10;
const ATTRIBUTE_OVERSCAN = 0x11;
const ATTRIBUTE_PALETTE_ON = 0x20;
const MODE_BLINK = 0x08;

const BELL = 0x07;
const BACKSPACE = 0x08;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const hexByte = (value: number): string => `${value.toString(16).padStart(2, '0').toUpperCase()}h`;

interface Place {
  readonly row: number;
  readonly column: number;
}

const columnsOf = (call: FirmwareCall): number => call.field('columns');
const rowsOf = (call: FirmwareCall): number => call.field('lastRow') + 1;

const cellAddress = (call: FirmwareCall, page: number, { row, column }: Place): number =>
  VIDEO_MEMORY + page * call.field('videoPageBytes') + (row * columnsOf(call) + column) * 2;

const pageOf = (number: number): number => number & 7;

function cursorOf(call: FirmwareCall, page: number): Place {
  const word = call.readWord(biosDataAddress('cursors') + page * 2);
  return { column: word & 0xff, row: word >> 8 };
}

function moveCursor(call: FirmwareCall, page: number, { row, column }: Place): void {
  call.writeWord(biosDataAddress('cursors') + page * 2, (row << 8) | column);
  if (page === call.field('activePage')) showCursor(call);
}

/** The controller's cursor follows the active page's. */
function showCursor(call: FirmwareCall): void {
  const { row, column } = cursorOf(call, call.field('activePage'));
  writeCrtcWord(call, CRTC.cursor, (call.field('videoPageStart') >> 1) + row * columnsOf(call) + column);
}

function writeCrtcWord(call: FirmwareCall, index: number, value: number): void {
  const port = call.field('crtController');
  call.writeIndexed(port, index, value >> 8);
  call.writeIndexed(port, index + 1, value);
}

/** A row of cells as bytes: the same character and attribute `count` times. */
function cells(count: number, cell: number): Uint8Array {
  const bytes = new Uint8Array(count * 2);
  for (let at = 0; at < bytes.length; at += 2) {
    bytes[at] = cell & 0xff;
    bytes[at + 1] = cell >> 8;
  }
  return bytes;
}

/** AH = 00h: sets video mode AL. */
export function setMode(call: FirmwareCall): void {
  const mode = call.al & ~KEEP_SCREEN;
  if (!TEXT_80.includes(mode)) throw new FirmwareGap(`video mode ${hexByte(mode)}`);
  call.setField('videoMode', mode);
  call.setField('columns', 80);
  call.setField('lastRow', 24);
  call.setField('videoControl', (call.field('videoControl') & ~KEEP_SCREEN) | (call.al & KEEP_SCREEN));
  for (let page = 0; page < 8; page++) call.writeWord(biosDataAddress('cursors') + page * 2, 0);
  if ((call.al & KEEP_SCREEN) === 0)
    call.context.writeMemory(VIDEO_MEMORY, cells(8 * (call.field('videoPageBytes') / 2), BLANK_CELL));
  setCursorShape(call, CURSOR_START_SHAPE);
  showPage(call, 0);
  // What the mode-set returns: the mode number class (IBM compatible BIOSes give 30h for text modes).
  call.setAl(0x30);
}

/** AH = 01h: cursor from line CH to line CL. */
export function setCursorType(call: FirmwareCall): void {
  setCursorShape(call, call.low('ecx'));
}

function setCursorShape(call: FirmwareCall, shape: number): void {
  call.setField('cursorShape', shape);
  const port = call.field('crtController');
  const scaled = (line: number): number => {
    if (line >= LINES_OF_OLD_CELL) return line;
    // The last two lines of either cell are the underline.
    const height = call.field('characterHeight');
    return line >= LINES_OF_OLD_CELL - 2 ? height - LINES_OF_OLD_CELL + line - 1 : (line * height) / LINES_OF_OLD_CELL;
  };
  const start = (shape >> 8) & 0x1f;
  call.writeIndexed(port, CRTC.cursorStart, scaled(start) | ((shape >> 8) & CURSOR_OFF));
  call.writeIndexed(port, CRTC.cursorEnd, scaled(shape & 0x1f));
}

/** AH = 02h: moves the cursor of page BH to row DH, column DL. */
export function setCursorPosition(call: FirmwareCall): void {
  moveCursor(call, pageOf(call.high('ebx')), { row: call.high('edx'), column: call.lowByte('edx') });
}

/** AH = 03h: cursor of page BH in DX, its shape in CX. */
export function readCursor(call: FirmwareCall): void {
  const { row, column } = cursorOf(call, pageOf(call.high('ebx')));
  call.setLow('edx', (row << 8) | column);
  call.setLow('ecx', call.field('cursorShape'));
}

/** AH = 05h: shows page AL. */
export function selectPage(call: FirmwareCall): void {
  showPage(call, pageOf(call.al));
}

function showPage(call: FirmwareCall, page: number): void {
  const start = page * call.field('videoPageBytes');
  call.setField('activePage', page);
  call.setField('videoPageStart', start);
  writeCrtcWord(call, CRTC.start, start >> 1);
  showCursor(call);
}

/** AH = 06h and 07h: scrolls the window CH,CL to DH,DL by AL lines; AL = 0 blanks it. New lines have attribute BH. */
export function scroll(call: FirmwareCall, direction: 'up' | 'down'): void {
  const window = {
    top: call.high('ecx'),
    left: call.lowByte('ecx'),
    bottom: Math.min(call.high('edx'), rowsOf(call) - 1),
    right: Math.min(call.lowByte('edx'), columnsOf(call) - 1),
  };
  scrollWindow(call, call.field('activePage'), window, direction === 'up' ? call.al : -call.al, call.high('ebx'));
}

interface Window {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Upwards by `lines`, downwards where negative; by as many as it is high, or by 0: blanks it. */
function scrollWindow(call: FirmwareCall, page: number, window: Window, lines: number, attribute: number): void {
  const width = window.right - window.left + 1;
  const height = window.bottom - window.top + 1;
  if (width <= 0 || height <= 0) return;
  const by = lines === 0 || Math.abs(lines) > height ? height : lines;
  const address = (row: number): number => cellAddress(call, page, { row, column: window.left });
  const blank = cells(width, (attribute << 8) | SPACE);
  const rows = Array.from({ length: height }, (_, index) => index);
  const old = rows.map((row) => call.context.readMemory(address(window.top + row), width * 2));
  for (const row of rows) call.context.writeMemory(address(window.top + row), old[row + by] ?? blank);
}

/** AH = 08h: character and attribute under the cursor of page BH, in AL and AH. */
export function readCell(call: FirmwareCall): void {
  const page = pageOf(call.high('ebx'));
  call.setLow('eax', call.readWord(cellAddress(call, page, cursorOf(call, page))));
}

/** AH = 09h and 0Ah: writes AL CX times from the cursor of page BH on, with attribute BL or with those that are there. */
export function writeCells(call: FirmwareCall, attribute: number | undefined): void {
  const page = pageOf(call.high('ebx'));
  const start = cellAddress(call, page, cursorOf(call, page));
  const end = VIDEO_MEMORY + (page + 1) * call.field('videoPageBytes');
  for (let count = 0; count < call.low('ecx') && start + count * 2 < end; count++) {
    call.writeByte(start + count * 2, call.al);
    if (attribute !== undefined) call.writeByte(start + count * 2 + 1, attribute);
  }
}

/** AH = 0Bh: BH = 0 sets the border to BL; BH = 1 chooses a palette of a graphics mode. */
export function setColor(call: FirmwareCall): void {
  if (call.high('ebx') === 0) writeAttribute(call, ATTRIBUTE_OVERSCAN, call.lowByte('ebx'));
}

function writeAttribute(call: FirmwareCall, index: number, value: number): void {
  call.context.readPort(INPUT_STATUS, 1);
  call.context.writePort(ATTRIBUTE_PORT, 1, index | ATTRIBUTE_PALETTE_ON);
  call.context.writePort(ATTRIBUTE_PORT, 1, value);
}

/** AH = 0Eh: prints AL on the active page. */
export function teletype(call: FirmwareCall): void {
  call.context.teletype(call.al);
  type(call, call.field('activePage'), call.al, undefined);
}

/** One character as a terminal prints it. */
function type(call: FirmwareCall, page: number, character: number, attribute: number | undefined): void {
  const at = cursorOf(call, page);
  switch (character) {
    case BELL:
      return;
    case BACKSPACE:
      return moveCursor(call, page, { row: at.row, column: Math.max(0, at.column - 1) });
    case CARRIAGE_RETURN:
      return moveCursor(call, page, { row: at.row, column: 0 });
    case LINE_FEED:
      return moveCursor(call, page, lineDown(call, page, at));
    default: {
      const address = cellAddress(call, page, at);
      call.writeByte(address, character);
      if (attribute !== undefined) call.writeByte(address + 1, attribute);
      const column = at.column + 1;
      const wraps = column >= columnsOf(call);
      moveCursor(call, page, wraps ? lineDown(call, page, { row: at.row, column: 0 }) : { row: at.row, column });
    }
  }
}

/** The place below; on the last line the page scrolls, and the new line has the attribute of the old one. */
function lineDown(call: FirmwareCall, page: number, { row, column }: Place): Place {
  const last = rowsOf(call) - 1;
  if (row < last) return { row: row + 1, column };
  const attribute = call.readByte(cellAddress(call, page, { row: last, column }) + 1);
  scrollWindow(call, page, { top: 0, left: 0, bottom: last, right: columnsOf(call) - 1 }, 1, attribute);
  return { row: last, column };
}

/** AH = 0Fh: columns in AH, mode in AL, page in BH. */
export function readMode(call: FirmwareCall): void {
  const keep = call.field('videoControl') & KEEP_SCREEN;
  call.setLow('eax', (columnsOf(call) << 8) | call.field('videoMode') | keep);
  call.setHigh('ebx', call.field('activePage'));
}

/** AX = 1001h: sets the border to BH. */
export function setOverscan(call: FirmwareCall): void {
  writeAttribute(call, ATTRIBUTE_OVERSCAN, call.high('ebx'));
}

/** AX = 1003h: attribute bit 7 blinks (BL = 1) or is a bright background (BL = 0). */
export function setBlinking(call: FirmwareCall): void {
  call.context.readPort(INPUT_STATUS, 1);
  call.context.writePort(ATTRIBUTE_PORT, 1, ATTRIBUTE_MODE | ATTRIBUTE_PALETTE_ON);
  const mode = call.context.readPort(ATTRIBUTE_PORT + 1, 1);
  writeAttribute(call, ATTRIBUTE_MODE, (call.lowByte('ebx') & 1) === 0 ? mode & ~MODE_BLINK : mode | MODE_BLINK);
}

const ADAPTER = { configuration: 0x10, scanLines: 0x30 } as const;
const SCAN_LINES_400 = 2;
/** AL of a function of AH = 12h that is there. */
const SUPPORTED = 0x12;

/**
 * AH = 12h: BL = 10h tells what the adapter is: colour, 256 KiB, its switches. BL = 30h chooses the scan lines of text modes from
 * the next mode set on: AL = 2 for 400, which is what they have.
 */
export function alternateSelect(call: FirmwareCall): void {
  const number = call.lowByte('ebx');
  if (number === ADAPTER.configuration) {
    call.setLow('ebx', 0x0003);
    call.setLow('ecx', call.field('videoSwitches') & 0x0f);
  } else if (number === ADAPTER.scanLines && call.al === SCAN_LINES_400) call.setAl(SUPPORTED);
  else throw new FirmwareGap(`AL=${hexByte(call.al)}, BL=${hexByte(number)}`);
}

/** AH = 11h: AL = 04h and 14h load the ROM's 8 x 16 font, which the text screen always has. */
export function loadFont(call: FirmwareCall): void {
  if (call.al !== 0x04 && call.al !== 0x14) throw new FirmwareGap(`AL=${hexByte(call.al)}`);
}

/** AH = 13h: prints CX characters at ES:BP on page BH from DH,DL on; AL bit 1: with attributes between, bit 0: moves the cursor. */
export function writeString(call: FirmwareCall): void {
  const page = pageOf(call.high('ebx'));
  const withAttributes = (call.al & 2) !== 0;
  const step = withAttributes ? 2 : 1;
  const text = call.context.readMemory(call.pointer('es', 'ebp'), call.low('ecx') * step);
  const before = cursorOf(call, page);
  moveCursor(call, page, { row: call.high('edx'), column: call.lowByte('edx') });
  for (let at = 0; at < text.length; at += step) {
    const character = text[at] ?? 0;
    call.context.teletype(character);
    type(call, page, character, withAttributes ? text[at + 1] : call.lowByte('ebx'));
  }
  if ((call.al & 1) === 0) moveCursor(call, page, before);
}

/** AX = 1A00h: the display combination code: a VGA with a colour display. */
export function readDisplayCombination(call: FirmwareCall): void {
  call.setAl(0x1a);
  call.setLow('ebx', call.field('displayCombination'));
}

/** AH = 4Fh, VESA BIOS Extensions: AL other than 4Fh tells that there are none ("VBE Return Status"). */
export function noVesa(call: FirmwareCall): void {
  call.setLow('eax', 0x0100);
}
