/**
 * Scan code set 1 by the browser's name of a key's place (`KeyboardEvent.code`), so that a guest sees the key that was pressed
 * whatever the layout of the person's keyboard makes of it.
 */

const RELEASED = 0x80;
const EXTENDED = 0xe0;

/** Keys side by side on the keyboard, and the code of the first; the codes of the others follow it. */
const ROWS: readonly (readonly [first: number, codes: string])[] = [
  [0x01, 'Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace'],
  [0x0f, 'Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft'],
  [0x1e, 'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash'],
  [0x2c, 'KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock'],
  [0x3b, 'F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock'],
  [0x47, 'Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0'],
  [0x53, 'NumpadDecimal'],
  [0x56, 'IntlBackslash F11 F12'],
];

/** Keys that the first PC keyboards did not have: their codes follow an E0h. */
const EXTENDED_ROWS: readonly (readonly [first: number, codes: string])[] = [
  [0x1c, 'NumpadEnter ControlRight'],
  [0x35, 'NumpadDivide'],
  [0x38, 'AltRight'],
  [0x47, 'Home ArrowUp PageUp'],
  [0x4b, 'ArrowLeft'],
  [0x4d, 'ArrowRight'],
  [0x4f, 'End ArrowDown PageDown Insert Delete'],
];

const table = (rows: typeof ROWS, prefix: readonly number[]): [string, readonly number[]][] =>
  rows.flatMap(([first, codes]) =>
    codes.split(' ').map((code, index): [string, readonly number[]] => [code, [...prefix, first + index]]),
  );

const SCAN_CODES: ReadonlyMap<string, readonly number[]> = new Map([
  ...table(ROWS, []),
  ...table(EXTENDED_ROWS, [EXTENDED]),
]);

/** What the keyboard sends when a key goes down; undefined for a key that a PC keyboard does not have. */
export const pressed = (code: string): readonly number[] | undefined => SCAN_CODES.get(code);

/** What it sends when the key comes up again. */
export const released = (code: string): readonly number[] | undefined =>
  SCAN_CODES.get(code)?.map((byte) => (byte === EXTENDED ? byte : byte | RELEASED));
