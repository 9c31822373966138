/** Assembler directives: sections, modes, structures, alignment. */
import type { CodeBits } from '../base/program.ts';
import type { Cursor } from './cursor.ts';
import { placeOf } from './cursor.ts';
import { parseExpression, type Expression, type ExpressionContext } from './expression.ts';
import type { Content, Section } from './items.ts';
import type { Messages, Place } from './messages.ts';
import { DEFAULT_ALIGN } from './sections.ts';
import type { SymbolNames } from './symbols.ts';
import type { Token } from './tokens.ts';

/** What parsing carries from line to line. */
export interface ParserState {
  readonly messages: Messages;
  readonly names: SymbolNames;
  readonly context: ExpressionContext;
  readonly sections: Section[];
  /** Number of the current section. */
  section: number;
  bits: CodeBits;
  defaultRelative: boolean;
  origin: bigint | undefined;
  readonly globals: Set<string>;
  /** Line the next item is attributed to. */
  line: Place;
  structure: OpenStructure | undefined;
  instances: number;
  /** Adds an item to the current section. */
  add(content: Content): void;
  /** Value now, for directives that need one while parsing; undefined after reporting why there is none. */
  constant(expression: Expression, place: Place): bigint | undefined;
  /** Remembers the value of a constant when it is a plain number already. */
  noteConstant(name: string, value: Expression): void;
  /** Parses what AT places. */
  parseContent(cursor: Cursor): Content | undefined;
  expectEnd(cursor: Cursor): void;
}

/** STRUC or ISTRUC in progress. */
export interface OpenStructure {
  readonly kind: 'definition' | 'instance';
  readonly name: string;
  readonly place: Place;
  /** Section to return to after ENDSTRUC. */
  readonly section: number;
  /** Label at the start of the instance. */
  readonly start: string;
}

type Directive = (cursor: Cursor, state: ParserState, name: Token) => void;

function setBits(bits: bigint | undefined, state: ParserState, place: Place): void {
  if (bits === 16n) state.bits = 16;
  else if (bits === 32n) state.bits = 32;
  else if (bits === 64n) state.bits = 64;
  else if (bits !== undefined) state.messages.error('bad-directive', `bits takes 16, 32 or 64, not ${bits}`, place);
}

const bits: Directive = (cursor, state) => {
  const { place } = cursor;
  const value = parseExpression(cursor, state.context);
  if (value !== undefined) setBits(state.constant(value, place), state, place);
  state.expectEnd(cursor);
};

const use =
  (width: bigint): Directive =>
  (cursor, state, name) => {
    setBits(width, state, placeOf(name));
    state.expectEnd(cursor);
  };

const org: Directive = (cursor, state, name) => {
  const { place } = cursor;
  const value = parseExpression(cursor, state.context);
  if (value === undefined) return;
  state.expectEnd(cursor);
  const origin = state.constant(value, place);
  if (origin === undefined) return;
  if (state.origin !== undefined && state.origin !== origin) {
    state.messages.error(
      'bad-directive',
      'org can be given only once; use section vstart= for code that runs elsewhere',
      placeOf(name),
    );
    return;
  }
  state.origin = origin;
};

/** Number of the section of that name, made when it is new. */
function sectionNumber(name: string, place: Place, sections: Section[]): number {
  const known = sections.findIndex((section) => section.name === name && section.kind !== 'absolute');
  if (known >= 0) return known;
  const kind = name === '.bss' ? 'nobits' : 'progbits';
  const align = name === '.text' ? 1 : DEFAULT_ALIGN;
  sections.push({ name, place, kind, align, start: undefined, virtualStart: undefined, base: undefined });
  return sections.length - 1;
}

const section: Directive = (cursor, state, name) => {
  const { token } = cursor;
  if (token?.kind !== 'identifier' && token?.kind !== 'string') {
    state.messages.error('bad-directive', `${name.text} needs a name such as .text, .data or .bss`, cursor.place);
    return;
  }
  cursor.index += 1;
  const known = state.sections.length;
  state.section = sectionNumber(
    token.kind === 'string' ? (token.bytes ?? '') : token.text,
    placeOf(token),
    state.sections,
  );
  const current = state.sections[state.section];
  while (!cursor.done) if (!sectionAttribute(cursor, state, current)) return;
  if (state.sections.length > known && current.kind === 'nobits' && current.start !== undefined) {
    state.messages.warning(
      'section-start',
      'a section without bytes has its start after the image unless vstart= is given',
      placeOf(token),
    );
  }
};

const SECTION_WORDS: Readonly<Record<string, Partial<Pick<Section, 'kind'>>>> = {
  progbits: { kind: 'progbits' },
  nobits: { kind: 'nobits' },
  code: {},
  text: {},
  data: {},
  bss: { kind: 'nobits' },
  exec: {},
  noexec: {},
  write: {},
  nowrite: {},
  alloc: {},
  noalloc: {},
};

/** One attribute of a section; false after reporting a mistake. */
function sectionAttribute(cursor: Cursor, state: ParserState, target: Section): boolean {
  const { word, token, place } = cursor;
  cursor.index += 1;
  const plain = word !== undefined && Object.hasOwn(SECTION_WORDS, word) ? SECTION_WORDS[word] : undefined;
  if (plain !== undefined) {
    Object.assign(target, plain);
    return true;
  }
  if ((word === 'align' || word === 'start' || word === 'vstart') && cursor.skipOperator('=')) {
    const expression = parseExpression(cursor, state.context);
    const value = expression === undefined ? undefined : state.constant(expression, place);
    if (value === undefined) return false;
    if (word === 'start') target.start = value;
    else if (word === 'vstart') target.virtualStart = value;
    else raiseAlign(target, value, state, place);
    return true;
  }
  state.messages.error(
    'bad-directive',
    `"${token?.text ?? ''}" is not a section attribute; there are align=, start=, vstart=, progbits and nobits`,
    place,
  );
  return false;
}

function raiseAlign(target: Section, value: bigint, state: ParserState, place: Place): void {
  if (value <= 0n || value > 0x1000_0000n || (value & (value - 1n)) !== 0n) {
    state.messages.error('bad-alignment', `an alignment must be a power of two, not ${value}`, place);
    return;
  }
  target.align = Math.max(target.align, Number(value));
}

function align(reserve: boolean): Directive {
  return (cursor, state) => {
    const { place } = cursor;
    const boundary = parseExpression(cursor, state.context);
    if (boundary === undefined) return;
    let fill: Content | undefined;
    if (cursor.skipOperator(',')) {
      fill = state.parseContent(cursor);
      if (fill === undefined) return;
    } else {
      state.expectEnd(cursor);
      if (!reserve) fill = nop(place);
    }
    const target = state.sections[state.section];
    const value = state.constant(boundary, place);
    if (value !== undefined && target.kind !== 'absolute' && value > 0n && (value & (value - 1n)) === 0n)
      raiseAlign(target, value, state, place);
    // In a section without bytes there is nothing to fill with.
    if (target.kind !== 'progbits') fill = undefined;
    state.add({ kind: 'align', boundary, fill });
  };
}

const nop = (place: Place): Content => ({
  kind: 'data',
  unit: 1,
  elements: [{ kind: 'value', value: { kind: 'number', value: 0x90n }, place }],
});

const sectionAlign: Directive = (cursor, state) => {
  const { place } = cursor;
  if (cursor.word === 'on' || cursor.word === 'off') return;
  const value = parseExpression(cursor, state.context);
  const number = value === undefined ? undefined : state.constant(value, place);
  if (number !== undefined) raiseAlign(state.sections[state.section], number, state, place);
};

const absolute: Directive = (cursor, state, name) => {
  const base = parseExpression(cursor, state.context);
  if (base === undefined) return;
  state.expectEnd(cursor);
  enterAbsolute(base, placeOf(name), state);
};

function enterAbsolute(base: Expression, place: Place, state: ParserState): void {
  state.sections.push({ name: '', place, kind: 'absolute', align: 1, start: undefined, virtualStart: undefined, base });
  state.section = state.sections.length - 1;
}

function structureName(cursor: Cursor, state: ParserState, directive: Token): Token | undefined {
  const { token } = cursor;
  if (token?.kind === 'identifier') {
    cursor.index += 1;
    return token;
  }
  state.messages.error('bad-directive', `${directive.text} needs the name of a structure`, cursor.place);
  return undefined;
}

function refuseNesting(state: ParserState, directive: Token): boolean {
  const open = state.structure;
  if (open === undefined) return false;
  const [begin, end] = open.kind === 'definition' ? ['struc', 'endstruc'] : ['istruc', 'iend'];
  state.messages.error(
    'unterminated-block',
    `the ${begin} of line ${open.place.line} is still open; end it with ${end} first`,
    placeOf(directive),
  );
  return true;
}

const struc: Directive = (cursor, state, directive) => {
  const name = structureName(cursor, state, directive);
  if (name === undefined || refuseNesting(state, directive)) return;
  let base: Expression = { kind: 'number', value: 0n };
  if (cursor.skipOperator(',')) base = parseExpression(cursor, state.context) ?? base;
  state.expectEnd(cursor);
  const { section: outer } = state;
  enterAbsolute(base, placeOf(directive), state);
  const { name: full, fresh } = state.names.define(name, 'constant');
  if (fresh) state.add({ kind: 'label', name: full });
  state.structure = { kind: 'definition', name: name.text, place: placeOf(directive), section: outer, start: '' };
};

const endstruc: Directive = (cursor, state, directive) => {
  state.expectEnd(cursor);
  const open = state.structure;
  if (open?.kind !== 'definition') {
    state.messages.error('unbalanced-block', 'endstruc without struc before it', placeOf(directive));
    return;
  }
  const name = `${open.name}_size`;
  const place = placeOf(directive);
  const size: Expression = {
    kind: 'binary',
    operator: '-',
    left: { kind: 'here', place },
    right: { kind: 'section-start', place },
    place,
  };
  if (state.names.defineAs(name, 'constant', open.place)) state.add({ kind: 'equ', name, value: size });
  state.section = open.section;
  state.structure = undefined;
};

const istruc: Directive = (cursor, state, directive) => {
  const name = structureName(cursor, state, directive);
  if (name === undefined || refuseNesting(state, directive)) return;
  state.expectEnd(cursor);
  state.context.resolveName(name);
  state.instances += 1;
  const start = `..@istruc.${state.instances}`;
  state.names.defineAs(start, 'label', placeOf(directive));
  state.add({ kind: 'label', name: start });
  state.structure = { kind: 'instance', name: name.text, place: placeOf(directive), section: state.section, start };
};

const at: Directive = (cursor, state, directive) => {
  const open = state.structure;
  if (open?.kind !== 'instance') {
    state.messages.error('unbalanced-block', 'at is meaningful only between istruc and iend', placeOf(directive));
    return;
  }
  // `at .field` names a field of the structure.
  const { token } = cursor;
  const local = token?.kind === 'identifier' && token.text.startsWith('.');
  const { parent } = state.names;
  if (local) state.names.parent = open.name;
  const field = parseExpression(cursor, state.context);
  state.names.parent = parent;
  if (field === undefined) return;
  state.add({ kind: 'fill-to', from: open.start, offset: fieldOffset(field, open, placeOf(directive)) });
  if (!cursor.skipOperator(',')) {
    state.expectEnd(cursor);
    return;
  }
  const content = state.parseContent(cursor);
  if (content !== undefined) state.add(content);
};

const iend: Directive = (cursor, state, directive) => {
  state.expectEnd(cursor);
  const open = state.structure;
  if (open?.kind !== 'instance') {
    state.messages.error('unbalanced-block', 'iend without istruc before it', placeOf(directive));
    return;
  }
  const token: Token = { kind: 'identifier', text: `${open.name}_size`, space: true, ...open.place };
  state.add({ kind: 'fill-to', from: open.start, offset: { kind: 'symbol', name: token.text, token } });
  state.structure = undefined;
};

/** Offset of a field within its structure: fields of a structure with a base count from that base. */
function fieldOffset(field: Expression, open: OpenStructure, place: Place): Expression {
  const token: Token = { kind: 'identifier', text: open.name, space: true, ...place };
  return { kind: 'binary', operator: '-', left: field, right: { kind: 'symbol', name: open.name, token }, place };
}

const global: Directive = (cursor, state) => {
  while (!cursor.done) {
    const { token } = cursor;
    cursor.index += 1;
    if (token?.kind === 'identifier') {
      state.globals.add(state.context.resolveName(token));
      // `name:function` and sizes matter to object formats only.
      while (!cursor.done && !cursor.isOperator(',')) cursor.index += 1;
    }
    cursor.skipOperator(',');
  }
};

const extern: Directive = (cursor, state, name) => {
  state.messages.error(
    'unsupported',
    `${name.text.toLowerCase()} needs a linker: a flat image has no other files; put "${cursor.token?.text ?? ''}" into this source or %include it`,
    placeOf(name),
  );
};

const incbin: Directive = (_cursor, state, name) => {
  state.messages.error(
    'unsupported',
    'incbin is refused: guest programs reach no file of this computer; write the bytes with db',
    placeOf(name),
  );
};

const setDefault: Directive = (cursor, state) => {
  const { word, place } = cursor;
  if (word === 'rel') state.defaultRelative = true;
  else if (word === 'abs') state.defaultRelative = false;
  else if (word !== 'bnd' && word !== 'nobnd') state.messages.error('bad-directive', 'default takes rel or abs', place);
};

const ignored: Directive = () => undefined;

/** By name in lower case. */
export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map<string, Directive>([
  ['bits', bits],
  ['use16', use(16n)],
  ['use32', use(32n)],
  ['use64', use(64n)],
  ['org', org],
  ['section', section],
  ['segment', section],
  ['align', align(false)],
  ['alignb', align(true)],
  ['sectalign', sectionAlign],
  ['absolute', absolute],
  ['struc', struc],
  ['endstruc', endstruc],
  ['istruc', istruc],
  ['at', at],
  ['iend', iend],
  ['global', global],
  ['static', global],
  ['extern', extern],
  ['required', extern],
  ['common', extern],
  ['incbin', incbin],
  ['default', setDefault],
  ['cpu', ignored],
  ['float', ignored],
]);
