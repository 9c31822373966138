/** Text and names of keys as what a US keyboard sends: scan code set 1. */
import { didYouMean } from './nearest.ts';
import { UserError } from './user-error.ts';

const RELEASED = 0x80;
const EXTENDED = 0xe0;

/** Rows of keys from left to right: without and with Shift, and the code of the first one; the others follow it. */
const CHARACTER_ROWS: readonly (readonly [plain: string, shifted: string, first: number])[] = [
  ['1234567890-=', '!@#$%^&*()_+', 0x02],
  ['qwertyuiop[]', 'QWERTYUIOP{}', 0x10],
  ["asdfghjkl;'`", 'ASDFGHJKL:"~', 0x1e],
  ['\\zxcvbnm,./', '|ZXCVBNM<>?', 0x2b],
  [' ', ' ', 0x39],
];

const MODIFIERS = {
  Shift: [0x2a],
  Ctrl: [0x1d],
  Alt: [0x38],
} as const satisfies Record<string, readonly number[]>;

const numbered = (prefix: string, first: number, codes: readonly number[]) =>
  Object.fromEntries(codes.map((code, index) => [`${prefix}${first + index}`, [code]]));

/** Keys that type no character, by the names that browsers give them, and what people call them otherwise. */
const NAMED: Readonly<Record<string, readonly number[]>> = {
  ...MODIFIERS,
  Control: MODIFIERS.Ctrl,
  Escape: [0x01],
  Esc: [0x01],
  Backspace: [0x0e],
  Tab: [0x0f],
  Enter: [0x1c],
  Space: [0x39],
  CapsLock: [0x3a],
  NumLock: [0x45],
  ScrollLock: [0x46],
  Home: [EXTENDED, 0x47],
  ArrowUp: [EXTENDED, 0x48],
  Up: [EXTENDED, 0x48],
  PageUp: [EXTENDED, 0x49],
  ArrowLeft: [EXTENDED, 0x4b],
  Left: [EXTENDED, 0x4b],
  ArrowRight: [EXTENDED, 0x4d],
  Right: [EXTENDED, 0x4d],
  End: [EXTENDED, 0x4f],
  ArrowDown: [EXTENDED, 0x50],
  Down: [EXTENDED, 0x50],
  PageDown: [EXTENDED, 0x51],
  Insert: [EXTENDED, 0x52],
  Delete: [EXTENDED, 0x53],
  ...numbered('F', 1, [0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58]),
};

/** Line ends and tabs come from keys that have names. */
const CONTROL_CHARACTERS: Readonly<Record<string, string>> = {
  '\n': 'Enter',
  '\r': 'Enter',
  '\t': 'Tab',
  '\b': 'Backspace',
};

interface Key {
  readonly codes: readonly number[];
  readonly shift: boolean;
}

function characterKey(character: string): Key | undefined {
  for (const [plain, shifted, first] of CHARACTER_ROWS) {
    const at = plain.indexOf(character);
    if (at >= 0) return { codes: [first + at], shift: false };
    const above = shifted.indexOf(character);
    if (above >= 0) return { codes: [first + above], shift: true };
  }
  return undefined;
}

const released = (codes: readonly number[]): number[] =>
  codes.map((code) => (code === EXTENDED ? code : code | RELEASED));

/** Keys go down in order and up again the other way round. */
const chord = (keys: readonly (readonly number[])[]): number[] => [
  ...keys.flat(),
  ...[...keys].reverse().flatMap(released),
];

/** Characters as typed on a US keyboard. */
export function textScanCodes(text: string): number[] {
  return [...text].flatMap((character) => {
    const name = CONTROL_CHARACTERS[character];
    if (name !== undefined) return keyScanCodes(name);
    const key = characterKey(character);
    if (key === undefined) throw new UserError(`A US keyboard has no key for ${JSON.stringify(character)}.`);
    return chord(key.shift ? [MODIFIERS.Shift, key.codes] : [key.codes]);
  });
}

/** One key, or several held together: `Enter`, `a`, `Ctrl+Alt+Delete`. */
export function keyScanCodes(name: string): number[] {
  // A plus sign alone, or after another one, is a key itself.
  const parts = name.split(/(?<=.)\+(?=.)/s);
  return chord(
    parts.map((part) => {
      const known = Object.keys(NAMED).find((each) => each.toLowerCase() === part.toLowerCase());
      const codes = known === undefined ? characterKey(part)?.codes : NAMED[known];
      if (codes === undefined || part === '')
        throw new UserError(`There is no key "${part}".${didYouMean(part, Object.keys(NAMED))}`);
      return codes;
    }),
  );
}

/** Text in which `<Name>` presses a key or chord; `<lt>` is the character `<` itself. */
export function markedScanCodes(text: string): number[] {
  return text
    .split(/(<[^<>]+>)/)
    .flatMap((part) =>
      part === '<lt>'
        ? textScanCodes('<')
        : /^<.+>$/s.test(part)
          ? keyScanCodes(part.slice(1, -1))
          : textScanCodes(part),
    );
}
