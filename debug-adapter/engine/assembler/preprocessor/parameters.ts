/** Replaces macro parameters in a line of a macro's body (NASM manual, "Multi-Line Macros"). */
import { placeOf } from '../cursor.ts';
import type { Expansion, Messages, Place } from '../messages.ts';
import { parseInteger } from '../numbers.ts';
import type { Token } from '../tokens.ts';
import type { RawLine } from './lines.ts';

export interface MultiLineMacro {
  readonly name: string;
  readonly least: number;
  /** `Infinity` for `%macro name 1-*`. */
  readonly most: number;
  /** The last parameter takes the rest of the line, commas included. */
  readonly greedy: boolean;
  readonly defaults: readonly (readonly Token[])[];
  readonly body: readonly RawLine[];
  readonly place: Place;
}

/** One use of a macro. */
export interface MacroCall {
  readonly macro: MultiLineMacro;
  readonly name: Token;
  readonly args: readonly (readonly Token[])[];
  readonly label: Token | undefined;
  /** Makes `%%name` different for each use. */
  readonly id: number;
  readonly place: Place;
  /** By how many places `%rotate` has moved the parameters to the left. */
  rotation: number;
}

const CONDITIONS = [
  ['o', 'no'],
  ['c', 'nc'],
  ['b', 'nb'],
  ['nae', 'ae'],
  ['e', 'ne'],
  ['z', 'nz'],
  ['be', 'nbe'],
  ['na', 'a'],
  ['s', 'ns'],
  ['p', 'np'],
  ['pe', 'po'],
  ['l', 'nl'],
  ['nge', 'ge'],
  ['le', 'nle'],
  ['ng', 'g'],
] as const;
const INVERSE_CONDITION = new Map<string, string>(
  CONDITIONS.flatMap(([a, b]) => [
    [a, b],
    [b, a],
  ]),
);

/** The line with parameters replaced; body text takes the place of the invocation, arguments keep their own. */
export function substitute(line: RawLine, call: MacroCall, messages: Messages): Token[] {
  const via: Expansion = { macro: call.macro.name, file: line.place.file, line: line.place.line };
  const out: Token[] = [];
  let pasteNext = false;
  for (const token of line.tokens) {
    if (token.kind !== 'parameter') {
      const moved: Token = { ...token, ...placeOf(call.place), via };
      if (pasteNext && !token.space && paste(out, moved)) continue;
      out.push(moved);
      pasteNext = false;
      continue;
    }
    const replacement = replace(token, call, via, messages);
    replacement.forEach((part, index) => {
      const placed = index === 0 ? { ...part, space: token.space } : part;
      if (index > 0 || token.space || !paste(out, placed)) out.push(placed);
    });
    pasteNext = replacement.length > 0 || pasteNext;
  }
  return out;
}

const isWord = (token: Token | undefined) =>
  token !== undefined && (token.kind === 'identifier' || token.kind === 'number');

/** Joins a word to the word before it (`foo%1`); false when either is no word. */
export function paste(out: Token[], next: Token): boolean {
  const last = out.at(-1);
  if (last === undefined || !isWord(last) || !isWord(next)) return false;
  out[out.length - 1] = wordToken(last.text + next.text, last);
  return true;
}

/** A name or number token of that text, placed as another token. */
function wordToken(text: string, like: Token): Token {
  const number = /^[0-9$]/.test(text) ? parseInteger(text) : undefined;
  const base = { text, space: like.space, ...placeOf(like) };
  return number === undefined ? { kind: 'identifier', ...base } : { kind: 'number', number, ...base };
}

function replace(token: Token, call: MacroCall, via: Expansion, messages: Messages): readonly Token[] {
  const text = token.text.startsWith('%{') ? token.text.slice(2, -1) : token.text.slice(1);
  const place = { ...placeOf(call.place), via };
  const word = (name: string): Token => ({ kind: 'identifier', text: name, space: token.space, ...place });
  if (text.startsWith('%')) return [word(`..@${call.id}.${text.slice(1)}`)];
  if (text === '?') return [word(call.name.text)];
  if (text === '??') return [word(call.macro.name)];
  if (text === '0') {
    const count = BigInt(call.args.length);
    return [{ kind: 'number', text: String(count), number: count, space: token.space, ...place }];
  }
  if (text === '00') return call.label === undefined ? [] : [call.label];
  if (/^\d+$/.test(text)) return argument(call, Number(text));
  const condition = /^([+-])(\d+)$/.exec(text);
  if (condition !== null) {
    const given = argument(call, Number(condition[2]))[0];
    const inverse = INVERSE_CONDITION.get(given?.text.toLowerCase() ?? '');
    if (given !== undefined && inverse !== undefined) return [condition[1] === '+' ? given : word(inverse)];
    messages.error(
      'bad-parameter',
      `parameter ${condition[2]} of macro "${call.macro.name}" must be a condition code such as nz`,
      place,
    );
    return [];
  }
  const range = /^(-?\d+):(-?\d+)$/.exec(text);
  if (range !== null) return argumentRange(call, Number(range[1]), Number(range[2]), place);
  messages.error('bad-parameter', `"${token.text}" is not a macro parameter`, place);
  return [];
}

/** Parameter `number`, counted from 1, after rotation; empty when it was not given. */
function argument(call: MacroCall, number: number): readonly Token[] {
  const { args, rotation } = call;
  if (number < 1 || number > args.length) return [];
  return args[(number - 1 + rotation) % args.length];
}

/** `%{2:4}`: parameters joined by commas; -1 is the last one; backwards when the first number is the larger. */
function argumentRange(call: MacroCall, from: number, to: number, place: Place): readonly Token[] {
  const count = call.args.length;
  const absolute = (number: number) => (number < 0 ? count + 1 + number : number);
  const [first, last] = [absolute(from), absolute(to)];
  if (first < 1 || last < 1 || first > count || last > count) return [];
  const comma: Token = { kind: 'operator', text: ',', space: false, ...placeOf(place) };
  const out: Token[] = [];
  const step = first <= last ? 1 : -1;
  for (let number = first; number !== last + step; number += step) {
    if (out.length > 0) out.push(comma);
    out.push(...argument(call, number));
  }
  return out;
}

/** Splits the text after a macro's name at commas; `{a, b}` is one argument. With `greedy`, the last of `most` takes the rest. */
export function splitArguments(tokens: readonly Token[], most: number, greedy: boolean): Token[][] {
  if (tokens.length === 0) return [];
  const parts: Token[][] = [[]];
  let braces = 0;
  for (const token of tokens) {
    const operator = token.kind === 'operator' ? token.text : '';
    if (operator === '{' && (braces > 0 || parts.at(-1)!.length === 0)) braces += 1;
    else if (operator === '}' && braces > 0) braces -= 1;
    if (operator === ',' && braces === 0 && !(greedy && parts.length >= most)) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts.map(withoutBraces);
}

function withoutBraces(part: Token[]): Token[] {
  const wrapped = part.length >= 2 && part[0].text === '{' && part[0].kind === 'operator' && part.at(-1)!.text === '}';
  return wrapped ? part.slice(1, -1) : part;
}
