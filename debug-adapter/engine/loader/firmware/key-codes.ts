/**
 * What INT 16h reports for a key: scan code in the high byte, ASCII in the low one (IBM PC AT technical reference, "Keyboard
 * Encoding and Usage"; keys that the 101-key keyboard added have E0h for ASCII, or for the scan code).
 */

/** Which column of the encoding tables counts. */
export type KeyShift = 'plain' | 'shift' | 'control' | 'alt';

export interface KeyState {
  readonly shift: KeyShift;
  readonly capsLock: boolean;
  readonly numLock: boolean;
}

/** Keys that print something: scan code of the first, then what the following ones print without and with Shift. */
const PRINTING: readonly (readonly [first: number, plain: string, shifted: string])[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [0x39, ' ', ' '],
  [0x56, '\\', '|'],
];

const DIGIT_ROW = { first: 0x02, last: 0x0d, alt: 0x78 } as const;
const SPACE_KEY = 0x39;

/** What Control makes of keys that are not letters; others report nothing. */
const CONTROLS: Readonly<Record<number, number>> = {
  0x03: 0x0300,
  0x07: 0x071e,
  0x0c: 0x0c1f,
  0x1a: 0x1a1b,
  0x1b: 0x1b1d,
  0x2b: 0x2b1c,
  0x39: 0x3920,
};

type Columns = readonly [plain: number, shift: number, control: number, alt: number];

const NAMED: Readonly<Record<number, Columns>> = {
  0x01: [0x011b, 0x011b, 0x011b, 0x0100],
  0x0e: [0x0e08, 0x0e08, 0x0e7f, 0x0e00],
  0x0f: [0x0f09, 0x0f00, 0x9400, 0xa500],
  0x1c: [0x1c0d, 0x1c0d, 0x1c0a, 0x1c00],
  0x37: [0x372a, 0x372a, 0x9600, 0x3700],
  0x4a: [0x4a2d, 0x4a2d, 0x8e00, 0x4a00],
  0x4e: [0x4e2b, 0x4e2b, 0x9000, 0x4e00],
  0x57: [0x8500, 0x8700, 0x8900, 0x8b00],
  0x58: [0x8600, 0x8800, 0x8a00, 0x8c00],
};

const FUNCTION_KEYS = { first: 0x3b, last: 0x44, shift: 0x54, control: 0x5e, alt: 0x68 } as const;

/** Keys after E0h that are not on the cursor pad: keypad Enter and division. */
const NAMED_EXTENDED: Readonly<Record<number, Columns>> = {
  0x1c: [0xe00d, 0xe00d, 0xe00a, 0xa600],
  0x35: [0xe02f, 0xe02f, 0x9500, 0xa400],
};

/** Cursor keys, on the keypad and (after E0h) beside it: digit with Num Lock, then scan codes with Control and Alt. */
const CURSOR: Readonly<Record<number, readonly [digit: string, control: number, alt: number]>> = {
  0x47: ['7', 0x77, 0x97],
  0x48: ['8', 0x8d, 0x98],
  0x49: ['9', 0x84, 0x99],
  0x4b: ['4', 0x73, 0x9b],
  0x4c: ['5', 0x8f, 0],
  0x4d: ['6', 0x74, 0x9d],
  0x4f: ['1', 0x75, 0x9f],
  0x50: ['2', 0x91, 0xa0],
  0x51: ['3', 0x76, 0xa1],
  0x52: ['0', 0x92, 0xa2],
  0x53: ['.', 0x93, 0xa3],
};

const COLUMN: Readonly<Record<KeyShift, 0 | 1 | 2 | 3>> = { plain: 0, shift: 1, control: 2, alt: 3 };

/** Code of the key with `scan` (set 1, as pressed), `extended` after E0h; undefined where it reports nothing. */
export function keyCode(scan: number, extended: boolean, state: KeyState): number | undefined {
  const { shift } = state;
  const cursor = CURSOR[scan];
  if (extended) return cursor === undefined ? NAMED_EXTENDED[scan]?.[COLUMN[shift]] : besideKeypad(scan, cursor, shift);
  if (cursor !== undefined) return onKeypad(scan, cursor, state);
  const named = NAMED[scan];
  if (named !== undefined) return named[COLUMN[shift]];
  if (scan >= FUNCTION_KEYS.first && scan <= FUNCTION_KEYS.last)
    return (shift === 'plain' ? scan : scan - FUNCTION_KEYS.first + FUNCTION_KEYS[shift]) << 8;
  return printing(scan, state);
}

function printing(scan: number, { shift, capsLock }: KeyState): number | undefined {
  const row = PRINTING.find(([first, plain]) => scan >= first && scan < first + plain.length);
  if (row === undefined) return undefined;
  const [first, plain, shifted] = row;
  const small = plain.charCodeAt(scan - first);
  const large = shifted.charCodeAt(scan - first);
  const isLetter = small >= 0x61 && small <= 0x7a;
  switch (shift) {
    case 'plain':
    case 'shift':
      return (scan << 8) | ((shift === 'shift') !== (isLetter && capsLock) ? large : small);
    case 'control':
      return isLetter ? (scan << 8) | (small & 0x1f) : CONTROLS[scan];
    case 'alt':
      if (scan === SPACE_KEY) return 0x3920;
      return (scan >= DIGIT_ROW.first && scan <= DIGIT_ROW.last ? scan - DIGIT_ROW.first + DIGIT_ROW.alt : scan) << 8;
  }
}

function onKeypad(scan: number, [digit, control]: (typeof CURSOR)[number], state: KeyState): number | undefined {
  switch (state.shift) {
    case 'plain':
    case 'shift':
      return (scan << 8) | ((state.shift === 'shift') !== state.numLock ? digit.charCodeAt(0) : 0);
    case 'control':
      return control << 8;
    case 'alt':
      // Alt and digits enter a character by its number, which is not built.
      return undefined;
  }
}

function besideKeypad(scan: number, [, control, alt]: (typeof CURSOR)[number], shift: KeyShift): number {
  if (shift === 'alt') return alt << 8;
  return ((shift === 'control' ? control : scan) << 8) | 0xe0;
}
