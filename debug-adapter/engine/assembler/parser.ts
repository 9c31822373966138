/** Lines to items: labels, prefixes, and what follows them. */
import { Register } from 'iced-x86';
import type { CodeBits } from '../base/program.ts';
import { registerByName } from '../isa/registers.ts';
import { Cursor, placeOf } from './cursor.ts';
import { DATA_UNITS, parseData, RESERVE_UNITS } from './data.ts';
import { DIRECTIVES, type ParserState } from './directives.ts';
import { parseExpression, type ExpressionContext } from './expression.ts';
import { segmentPrefixByte, type Prefixes } from './instruction/prefixes.ts';
import { prepareInstruction } from './instruction/statement.ts';
import { isMnemonic, listMnemonics } from './instruction/forms.ts';
import { parseOperand, type Operand } from './instruction/operands.ts';
import type { Content } from './items.ts';
import type { Place } from './messages.ts';
import type { RawLine } from './preprocessor/lines.ts';
import { nearest, suggestion } from './suggest.ts';
import type { Token } from './tokens.ts';

/** Words that go before a mnemonic. */
const PREFIX_WORDS: Readonly<Record<string, Partial<{ -readonly [Key in keyof Prefixes]: Prefixes[Key] }>>> = {
  lock: { lock: true },
  rep: { rep: true },
  repe: { rep: true },
  repz: { rep: true },
  repne: { repne: true },
  repnz: { repne: true },
  xacquire: { repne: true },
  xrelease: { rep: true },
  bnd: { repne: true },
  wait: { wait: true },
  a16: { addressSize: 16 },
  a32: { addressSize: 32 },
  a64: { addressSize: 64 },
  o16: { operandSize: 16 },
  o32: { operandSize: 32 },
  o64: { operandSize: 64 },
  es: { segment: Register.ES },
  cs: { segment: Register.CS },
  ss: { segment: Register.SS },
  ds: { segment: Register.DS },
  fs: { segment: Register.FS },
  gs: { segment: Register.GS },
};
const NO_PREFIXES: Prefixes = {
  lock: false,
  rep: false,
  repne: false,
  wait: false,
  segment: 0,
  operandSize: 0,
  addressSize: 0,
};

/** Every word besides mnemonics that begins a statement. */
export function directiveWords(): readonly string[] {
  return [...DIRECTIVES.keys(), ...Object.keys(DATA_UNITS), ...Object.keys(RESERVE_UNITS), 'times', 'equ'];
}

let knownWords: readonly string[] | undefined;

/** Every word that begins a statement, for suggestions. */
function statementWords(): readonly string[] {
  return (knownWords ??= [...listMnemonics(), ...directiveWords()]);
}

/** Whether a word in lower case begins a statement by itself, so that it cannot be a label without a colon. */
export function isStatementWord(word: string): boolean {
  return (
    Object.hasOwn(PREFIX_WORDS, word) ||
    Object.hasOwn(DATA_UNITS, word) ||
    Object.hasOwn(RESERVE_UNITS, word) ||
    DIRECTIVES.has(word) ||
    word === 'times' ||
    word === 'equ' ||
    isMnemonic(word)
  );
}

export function parseLine(line: RawLine, state: ParserState): void {
  const cursor = new Cursor(line.tokens, line.place);
  state.line = line.place;
  const first = cursor.token;
  if (first === undefined) return;
  if (first.kind === 'operator' && first.text === '[') {
    parseBracketDirective(cursor, state);
    return;
  }
  const label = parseLabel(cursor, state);
  if (label === 'error') return;
  if (cursor.done) {
    if (label !== undefined) defineLabel(label, state);
    return;
  }
  if (cursor.word === 'equ') {
    parseEqu(cursor, label, state);
    return;
  }
  // AT places a field of ISTRUC; the label would belong to the padding in front of it.
  if (label !== undefined) defineLabel(label, state);
  parseStatement(cursor, state);
}

function defineLabel(token: Token, state: ParserState): void {
  const { name, fresh } = state.names.define(token, 'label');
  if (fresh) state.add({ kind: 'label', name });
}

/** The label at the start of a line, if any; the cursor is after it. */
function parseLabel(cursor: Cursor, state: ParserState): Token | 'error' | undefined {
  const { token, word } = cursor;
  if (token?.kind !== 'identifier') return undefined;
  const next = cursor.peek(1);
  const colon = next?.kind === 'operator' && next.text === ':';
  const { messages } = state;
  if (word !== undefined && (isStatementWord(word) || registerByName(word) !== undefined)) {
    if (!colon || Object.hasOwn(PREFIX_WORDS, word)) return undefined;
    const what = registerByName(word) === undefined ? 'an instruction or directive' : 'a register';
    messages.error(
      'reserved-name',
      `"${token.text}" is ${what}; name the label otherwise, or write $${token.text}`,
      placeOf(token),
    );
    return 'error';
  }
  if (colon) {
    cursor.index += 2;
    return token;
  }
  const follows = next?.kind === 'identifier' && next.escaped !== true ? next.text.toLowerCase() : undefined;
  if (next === undefined) {
    const meant = nearest(token.text, statementWords());
    const near = meant === undefined || token.text.startsWith('.') ? '' : ` or did you mean "${meant}"`;
    messages.warning(
      'label-without-colon',
      `"${token.text}" alone on a line is a label: write "${token.text}:"${near}`,
      placeOf(token),
    );
    cursor.index += 1;
    return token;
  }
  if (follows !== undefined && isStatementWord(follows)) {
    cursor.index += 1;
    return token;
  }
  messages.error(
    'unknown-mnemonic',
    `unknown instruction or directive "${token.text}"${suggestion(token.text, statementWords())}`,
    placeOf(token),
  );
  return 'error';
}

function parseEqu(cursor: Cursor, label: Token | undefined, state: ParserState): void {
  const { place } = cursor;
  cursor.index += 1;
  if (label === undefined) {
    state.messages.error('bad-directive', 'equ needs a name before it: NAME equ value', place);
    return;
  }
  const { parent } = state.names;
  const { name, fresh } = state.names.define(label, 'constant');
  // Local labels after a constant still belong to the label before it.
  state.names.parent = parent;
  const value = parseExpression(cursor, state.context);
  if (value === undefined) return;
  expectEnd(cursor, state);
  if (!fresh) return;
  state.noteConstant(name, value);
  state.add({ kind: 'equ', name, value });
}

/** Reports what is left on a line. */
export function expectEnd(cursor: Cursor, state: ParserState): void {
  const { token } = cursor;
  if (token === undefined) return;
  state.messages.error('unexpected-text', `unexpected "${token.text}" here`, {
    ...placeOf(token),
    endColumn: token.endColumn,
  });
}

function parseBracketDirective(cursor: Cursor, state: ParserState): void {
  const { tokens, place } = cursor;
  const last = tokens.at(-1);
  if (last?.kind !== 'operator' || last.text !== ']') {
    state.messages.error('bad-directive', 'a directive in brackets ends with "]", for example [bits 16]', place);
    return;
  }
  const inner = new Cursor(tokens.slice(1, -1), place);
  const { word } = inner;
  if (word === 'warning' || word === 'map' || word === 'list' || word === 'debug') return;
  const directive = word === undefined ? undefined : DIRECTIVES.get(word);
  if (directive === undefined) {
    state.messages.error(
      'unknown-directive',
      `unknown directive "${inner.token?.text ?? ''}" in brackets`,
      inner.place,
    );
    return;
  }
  runDirective(inner, word!, state);
}

function runDirective(cursor: Cursor, word: string, state: ParserState): void {
  const token = cursor.token!;
  cursor.index += 1;
  DIRECTIVES.get(word)!(cursor, state, token);
}

function parseStatement(cursor: Cursor, state: ParserState): void {
  const { word } = cursor;
  if (word !== undefined && DIRECTIVES.has(word)) {
    runDirective(cursor, word, state);
    return;
  }
  const content = parseContent(cursor, state);
  if (content !== undefined) state.add(content);
}

/** An instruction, data, reserved space or TIMES of one of them; undefined after reporting why not. */
export function parseContent(cursor: Cursor, state: ParserState): Content | undefined {
  const { word, token } = cursor;
  if (token === undefined) {
    state.messages.error('bad-statement', 'an instruction or data is missing here', cursor.place);
    return undefined;
  }
  if (word === 'times') {
    cursor.index += 1;
    const count = parseExpression(cursor, state.context);
    const content = count === undefined ? undefined : parseContent(cursor, state);
    return count === undefined || content === undefined ? undefined : { kind: 'times', count, content };
  }
  const unit = word !== undefined && Object.hasOwn(DATA_UNITS, word) ? DATA_UNITS[word] : undefined;
  if (unit !== undefined) {
    cursor.index += 1;
    const elements = parseData(cursor, unit, state.context);
    expectEnd(cursor, state);
    return { kind: 'data', unit, elements };
  }
  const reserved = word !== undefined && Object.hasOwn(RESERVE_UNITS, word) ? RESERVE_UNITS[word] : undefined;
  if (reserved !== undefined) {
    cursor.index += 1;
    const count = parseExpression(cursor, state.context);
    expectEnd(cursor, state);
    return count && { kind: 'reserve', unit: reserved, count };
  }
  return parseInstruction(cursor, state);
}

function parsePrefixes(cursor: Cursor): Prefixes {
  let prefixes = NO_PREFIXES;
  for (;;) {
    const { word } = cursor;
    if (word === undefined || !Object.hasOwn(PREFIX_WORDS, word)) return prefixes;
    // WAIT and the instruction set's own F2/F3 instructions stand alone as instructions, too.
    if (word === 'wait' && cursor.peek(1) === undefined) return prefixes;
    prefixes = { ...prefixes, ...PREFIX_WORDS[word] };
    cursor.index += 1;
  }
}

function parseInstruction(cursor: Cursor, state: ParserState): Content | undefined {
  const start = cursor.index;
  const prefixes = parsePrefixes(cursor);
  const { token, word, place } = cursor;
  const { messages, bits } = state;
  if (token === undefined && cursor.index > start) return { kind: 'prefixes', bytes: prefixBytes(prefixes, bits) };
  if (token === undefined || word === undefined || !isMnemonic(word)) {
    const text = token?.text ?? '';
    const hint = token?.kind === 'identifier' ? suggestion(text, statementWords()) : '';
    messages.error('unknown-mnemonic', `expected an instruction or directive, not "${text}"${hint}`, place);
    return undefined;
  }
  cursor.index += 1;
  const operands = parseOperands(cursor, state.context, state.defaultRelative);
  if (operands === undefined) return undefined;
  expectEnd(cursor, state);
  if (!cursor.done) return undefined;
  const statement = prepareInstruction(word, operands, bits, prefixes, place);
  if (!('reason' in statement)) return { kind: 'instruction', statement };
  reportNoForms(word, statement, bits, place, state);
  return undefined;
}

function parseOperands(cursor: Cursor, context: ExpressionContext, defaultRelative: boolean): Operand[] | undefined {
  const operands: Operand[] = [];
  if (cursor.done) return operands;
  do {
    const operand = parseOperand(cursor, context, defaultRelative);
    if (operand === undefined) return undefined;
    operands.push(operand);
  } while (cursor.skipOperator(','));
  return operands;
}

function reportNoForms(
  mnemonic: string,
  { reason, accepted }: { readonly reason: 'operands' | 'mode' | 'size'; readonly accepted: readonly string[] },
  bits: CodeBits,
  place: Place,
  { messages }: ParserState,
): void {
  if (reason === 'size') {
    messages.error(
      'size-not-specified',
      `the operand size of ${mnemonic} is not specified; write byte, word, dword or qword before the "["`,
      place,
    );
    return;
  }
  if (reason === 'mode') {
    messages.error('not-in-mode', `${mnemonic} does not exist in ${bits}-bit code`, place);
    return;
  }
  const shown = accepted.slice(0, 8).join('; ');
  const more = accepted.length > 8 ? '; and others' : '';
  messages.error('invalid-operands', `${mnemonic} does not take these operands; it takes ${shown}${more}`, place);
}

/** Opcodes of prefixes without an instruction. */
function prefixBytes(prefixes: Prefixes, bits: CodeBits): Uint8Array {
  const bytes: number[] = [];
  if (prefixes.wait) bytes.push(0x9b);
  if (prefixes.lock) bytes.push(0xf0);
  if (prefixes.repne) bytes.push(0xf2);
  if (prefixes.rep) bytes.push(0xf3);
  if (prefixes.segment !== 0) bytes.push(segmentPrefixByte(prefixes.segment));
  if (prefixes.operandSize === 64) bytes.push(0x48);
  else if (prefixes.operandSize !== 0 && prefixes.operandSize !== (bits === 16 ? 16 : 32)) bytes.push(0x66);
  if (prefixes.addressSize !== 0 && prefixes.addressSize !== bits) bytes.push(0x67);
  return Uint8Array.from(bytes);
}
