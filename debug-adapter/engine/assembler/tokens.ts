/** One source line to tokens. */
import type { Messages, Place } from './messages.ts';
import { parseInteger } from './numbers.ts';

/**
 * - `identifier`: label, mnemonic, register, keyword; `escaped` when written `$name`, which is never a register or keyword.
 * - `parameter`: `%1`, `%{1}`, `%0`, `%+1`, `%%name`, `%?`: replaced within macros.
 * - `directive`: `%define` and all other `%name`.
 * - `context`: `%$name` and `%!name`, which this assembler refuses.
 */
export type TokenKind =
  'identifier' | 'number' | 'float' | 'string' | 'operator' | 'parameter' | 'directive' | 'context';

export interface Token extends Place {
  readonly kind: TokenKind;
  /** As written; for an escaped identifier without its `$`. */
  readonly text: string;
  /** White space or the start of the line comes before it. */
  readonly space: boolean;
  readonly number?: bigint;
  /** Content of a string; one character per byte, text above 7Fh as UTF-8. */
  readonly bytes?: string;
  readonly escaped?: boolean;
}

const SPACE = /[ \t\r\f\v]+/y;
const IDENTIFIER = /[A-Za-z_.?@\u0080-\uffff][\w$#@~.?\u0080-\uffff]*/y;
const WORD = /[0-9][\w]*/y;
const FLOAT = /[0-9][0-9_]*(?:\.[0-9_]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)/y;
const DOLLAR_HEX = /\$[0-9][0-9A-Fa-f_]*/y;
const PERCENT = /%(?:\{[^}]*\}|%[A-Za-z_.?@][\w$#@~.?]*|[+-]?[0-9]+|\?\??|\$+[\w.$#@~?]+|![\w.]+|[A-Za-z_][\w]*|[[+])/y;
const OPERATOR = /<=>|<<<|>>>|<<|>>|<=|>=|<>|==|!=|&&|\|\||\^\^|\/\/|%%|\$\$|./uy;

function at(pattern: RegExp, text: string, index: number): string | undefined {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0];
}

export interface LineTokens {
  readonly tokens: readonly Token[];
  /** A comment began on this line: what continues the line with `\` belongs to the comment. */
  readonly comment: boolean;
}

/** Splits one physical line. A string that does not end is reported and taken to the end of the line. */
export function tokenize(text: string, file: string, line: number, messages: Messages): LineTokens {
  const tokens: Token[] = [];
  let index = 0;
  let space = true;
  while (index < text.length) {
    const blank = at(SPACE, text, index);
    if (blank !== undefined) {
      index += blank.length;
      space = true;
      continue;
    }
    const character = text.charAt(index);
    if (character === ';') return { tokens, comment: true };
    const place = (length: number): Place => ({ file, line, column: index + 1, endColumn: index + 1 + length });
    const token = readToken(text, index, character, place, messages);
    tokens.push({ ...token, space });
    index = token.endColumn - 1;
    space = false;
  }
  return { tokens, comment: false };
}

function readToken(
  text: string,
  index: number,
  character: string,
  place: (length: number) => Place,
  messages: Messages,
): Omit<Token, 'space'> {
  if (character === "'" || character === '"' || character === '`')
    return readString(text, index, character, place, messages);
  const word = at(WORD, text, index);
  if (word !== undefined) {
    const number = parseInteger(word);
    const float = at(FLOAT, text, index);
    if (float !== undefined && (number === undefined || float.length > word.length)) {
      return { kind: 'float', text: float, ...place(float.length) };
    }
    if (number !== undefined) return { kind: 'number', text: word, number, ...place(word.length) };
    messages.error(
      'invalid-number',
      `"${word}" is not a number; hexadecimal numbers are written 0x1F or 1Fh, names cannot begin with a digit`,
      place(word.length),
    );
    return { kind: 'number', text: word, number: 0n, ...place(word.length) };
  }
  const identifier = at(IDENTIFIER, text, index);
  if (identifier !== undefined && identifier !== '?') {
    return { kind: 'identifier', text: identifier, ...place(identifier.length) };
  }
  if (character === '$') {
    const hex = at(DOLLAR_HEX, text, index);
    if (hex !== undefined) return { kind: 'number', text: hex, number: parseInteger(hex) ?? 0n, ...place(hex.length) };
    const escaped = at(IDENTIFIER, text, index + 1);
    if (escaped !== undefined) {
      return { kind: 'identifier', text: escaped, escaped: true, ...place(escaped.length + 1) };
    }
  }
  if (character === '%') {
    const percent = at(PERCENT, text, index);
    if (percent !== undefined) return { kind: percentKind(percent), text: percent, ...place(percent.length) };
  }
  const operator = at(OPERATOR, text, index) ?? character;
  return { kind: 'operator', text: operator, ...place(operator.length) };
}

function percentKind(text: string): TokenKind {
  if (text === '%[' || text === '%+') return 'operator';
  if (/^%[$!]/.test(text)) return 'context';
  return /^%[A-Za-z_]/.test(text) ? 'directive' : 'parameter';
}

function readString(
  text: string,
  index: number,
  quote: string,
  place: (length: number) => Place,
  messages: Messages,
): Omit<Token, 'space'> {
  let end = index + 1;
  while (end < text.length && text.charAt(end) !== quote) end += quote === '`' && text.charAt(end) === '\\' ? 2 : 1;
  const closed = end < text.length;
  if (!closed) {
    end = text.length;
    messages.error('unterminated-string', `this string has no closing ${quote}`, place(end - index));
  }
  const content = text.slice(index + 1, end);
  const whole = text.slice(index, closed ? end + 1 : end);
  const bytes = quote === '`' ? unescape(content) : utf8(content);
  return { kind: 'string', text: whole, bytes, ...place(whole.length) };
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
};
const ESCAPE = /\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{1,3})|([^]?))/g;

/** C escapes of back-quoted strings (NASM manual, "Character Strings"). */
function unescape(content: string): string {
  let out = '';
  let from = 0;
  for (const match of content.matchAll(ESCAPE)) {
    out += utf8(content.slice(from, match.index));
    from = match.index + match[0].length;
    const [, hex, short, long, octal, simple] = match;
    if (hex !== undefined) out += String.fromCharCode(parseInt(hex, 16));
    else if (short !== undefined) out += utf8(String.fromCodePoint(parseInt(short, 16)));
    else if (long !== undefined) out += utf8(String.fromCodePoint(Math.min(parseInt(long, 16), 0x10ffff)));
    else if (octal !== undefined) out += String.fromCharCode(parseInt(octal, 8) & 0xff);
    else out += String.fromCharCode(SIMPLE_ESCAPES[simple ?? ''] ?? simple?.charCodeAt(0) ?? 0x5c);
  }
  return out + utf8(content.slice(from));
}

/** The UTF-8 bytes of a text, one character each. */
function utf8(text: string): string {
  if (!/[^\0-\x7f]/.test(text)) return text;
  let out = '';
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) out += character;
    else if (point < 0x800) out += String.fromCharCode(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) {
      out += String.fromCharCode(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    } else {
      const high = [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63)];
      out += String.fromCharCode(...high, 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    }
  }
  return out;
}

/** The tokens as text, with single spaces where there was white space: for messages and %defstr. */
export function textOf(tokens: readonly Token[]): string {
  return tokens
    .map((token, index) => (index > 0 && token.space ? ' ' : '') + (token.escaped ? '$' : '') + token.text)
    .join('');
}

/** Little-endian value of a character constant, at most eight bytes; NASM ignores the rest. */
export function characterConstant(bytes: string): bigint {
  let value = 0n;
  for (let index = Math.min(bytes.length, 8) - 1; index >= 0; index--)
    value = (value << 8n) | BigInt(bytes.charCodeAt(index));
  return value;
}
