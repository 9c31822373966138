/** Preprocessor directives other than conditions. */
import { placeOf, placeOfAll, splitAtCommas } from '../cursor.ts';
import type { Messages, Place } from '../messages.ts';
import { FileLines, type RawLine } from './lines.ts';
import { textOf, type Token } from '../tokens.ts';
import { readName } from './conditions.ts';
import { parseCounts, type MultiLineMacros } from './multi-line.ts';
import type { MacroCall } from './parameters.ts';
import type { SingleLineMacros } from './single-line.ts';

export interface DirectiveContext {
  readonly messages: Messages;
  readonly single: SingleLineMacros;
  readonly multi: MultiLineMacros;
  expand(tokens: readonly Token[]): readonly Token[];
  constant(tokens: readonly Token[], place: Place): bigint | undefined;
  /** A macro is defined here. */
  reference(name: string, place: Place): void;
  /** Keeps the lines up to the matching end and hands them to `finish`. */
  collect(kind: 'macro' | 'repetition', place: Place, finish: (lines: readonly RawLine[]) => void): void;
  repeat(lines: readonly RawLine[], count: bigint, place: Place): void;
  /** False when no repetition is open. */
  exitRepetition(): boolean;
  include(path: string, place: Place): void;
  currentCall(): MacroCall | undefined;
  /** Reads no further line. */
  stop(): void;
}

type Directive = (context: DirectiveContext, name: Token, rest: readonly Token[]) => void;

/** %define and its kin: with or without expansion at definition, in exact or any letter case. */
function define(expandNow: boolean, anyCase: boolean): Directive {
  return (context, directive, rest) => {
    const name = readName(rest, directive, context.messages);
    if (name === undefined) return;
    const head = readParameters(rest);
    if (head === undefined) {
      context.messages.error(
        'bad-directive',
        `the parameters of macro "${name.text}" must be names between parentheses`,
        placeOf(name),
      );
      return;
    }
    const body = rest.slice(head.length);
    context.single.define(
      {
        name: name.text,
        parameters: head.parameters,
        body: expandNow ? context.expand(body) : body,
        place: placeOf(name),
      },
      anyCase,
    );
    context.reference(name.text, placeOf(name));
  };
}

/** `name` or `name(a, b)`: a parenthesis belongs to the name only when it touches it. */
function readParameters(rest: readonly Token[]): { parameters: string[] | undefined; length: number } | undefined {
  const open = rest[1];
  if (open === undefined || open.space || open.kind !== 'operator' || open.text !== '(')
    return { parameters: undefined, length: 1 };
  const parameters: string[] = [];
  for (let index = 2; index < rest.length; index++) {
    const token = rest[index];
    if (token.kind === 'operator' && token.text === ')') return { parameters, length: index + 1 };
    if (token.kind === 'identifier') parameters.push(token.text);
    else if (token.kind !== 'operator' || (token.text !== ',' && token.text !== '=')) return undefined;
  }
  return undefined;
}

function numberToken(value: bigint, like: Token): Token[] {
  const digits: Token = {
    kind: 'number',
    text: String(value < 0n ? -value : value),
    number: value < 0n ? -value : value,
    space: false,
    ...placeOf(like),
  };
  return value < 0n ? [{ kind: 'operator', text: '-', space: false, ...placeOf(like) }, digits] : [digits];
}

function assign(anyCase: boolean): Directive {
  return (context, directive, rest) => {
    const name = readName(rest, directive, context.messages);
    if (name === undefined) return;
    const expression = context.expand(rest.slice(1));
    const value = context.constant(expression, placeOfAll(expression, placeOf(name)));
    const body = numberToken(value ?? 0n, name);
    context.single.define({ name: name.text, parameters: undefined, body, place: placeOf(name) }, anyCase);
    context.reference(name.text, placeOf(name));
  };
}

function macro(anyCase: boolean): Directive {
  return (context, directive, rest) => {
    const name = readName(rest, directive, context.messages);
    const counts = parseCounts(context.expand(rest.slice(1)));
    const place = name === undefined ? placeOf(directive) : placeOf(name);
    if (name !== undefined && counts === undefined) {
      context.messages.error(
        'bad-directive',
        `write the number of parameters after the name: %macro ${name.text} 0`,
        place,
      );
    }
    const defaults = counts === undefined ? [] : splitAtCommas(context.expand(rest.slice(1)).slice(counts.length));
    context.collect('macro', placeOf(directive), (body) => {
      if (name === undefined) return;
      const { least, most, greedy } = counts ?? { least: 0, most: 0, greedy: false };
      context.multi.define({ name: name.text, least, most, greedy, defaults, body, place }, anyCase);
      context.reference(name.text, place);
    });
  };
}

const repetition: Directive = (context, directive, rest) => {
  const expression = context.expand(rest);
  const place = placeOfAll(expression, placeOf(directive));
  const count = context.constant(expression, place) ?? 0n;
  context.collect('repetition', placeOf(directive), (lines) => {
    if (count > 0n) context.repeat(lines, count, placeOf(directive));
  });
};

const include: Directive = (context, directive, rest) => {
  const tokens = context.expand(rest);
  const path = tokens[0];
  if (path?.kind !== 'string' || path.bytes === undefined || path.bytes === '') {
    context.messages.error('bad-directive', 'write the file name in quotes: %include "name.inc"', placeOf(directive));
    return;
  }
  context.include(path.bytes, placeOf(path));
};

function report(severity: 'error' | 'warning'): Directive {
  return (context, directive, rest) => {
    const tokens = context.expand(rest);
    const only = tokens.length === 1 ? tokens[0] : undefined;
    const text = only?.kind === 'string' ? (only.bytes ?? '') : textOf(tokens);
    const place = placeOfAll(rest, placeOf(directive));
    context.messages[severity](
      severity === 'error' ? 'user-error' : 'user-warning',
      text === '' ? directive.text : text,
      place,
    );
  };
}

const fatal: Directive = (context, directive, rest) => {
  report('error')(context, directive, rest);
  context.stop();
};

/** %strlen, %substr, %strcat and %defstr make a macro out of a text. */
function textMacro(
  make: (context: DirectiveContext, tokens: readonly Token[], name: Token) => Token[] | undefined,
): Directive {
  return (context, directive, rest) => {
    const name = readName(rest, directive, context.messages);
    if (name === undefined) return;
    const body = make(context, context.expand(rest.slice(1)), name);
    if (body === undefined) {
      context.messages.error('bad-directive', `${directive.text} ${name.text} needs a string`, placeOf(directive));
      return;
    }
    context.single.define({ name: name.text, parameters: undefined, body, place: placeOf(name) }, false);
    context.reference(name.text, placeOf(name));
  };
}

function stringToken(bytes: string, like: Token): Token {
  return { kind: 'string', text: `'${bytes}'`, bytes, space: false, ...placeOf(like) };
}

const stringLength = textMacro((_context, tokens, name) =>
  tokens[0]?.kind === 'string' ? numberToken(BigInt(tokens[0].bytes?.length ?? 0), name) : undefined,
);

const substring = textMacro((context, tokens, name) => {
  const [text, ...rest] = tokens;
  if (text?.kind !== 'string') return undefined;
  const bytes = text.bytes ?? '';
  const parts = splitAtCommas(rest[0]?.kind === 'operator' && rest[0].text === ',' ? rest.slice(1) : rest);
  const values = parts.map((part) => Number(context.constant(part, placeOfAll(part, placeOf(name))) ?? 1n));
  const start = (values[0] ?? 1) - 1;
  const length = values[1] ?? 1;
  const end = length < 0 ? bytes.length + length + 1 : start + length;
  return [stringToken(bytes.slice(Math.max(start, 0), Math.max(end, 0)), name)];
});

const concatenation = textMacro((_context, tokens, name) => {
  const strings = tokens.filter(({ kind }) => kind === 'string');
  return strings.length === 0 ? undefined : [stringToken(strings.map(({ bytes }) => bytes ?? '').join(''), name)];
});

const defineString = textMacro((_context, tokens, name) => [stringToken(textOf(tokens), name)]);

const defineTokens = textMacro((context, tokens, name) => {
  if (tokens[0]?.kind !== 'string') return undefined;
  const line = new FileLines(name.file, tokens[0].bytes ?? '', context.messages).next();
  return (line?.tokens ?? []).map((token) => ({ ...token, ...placeOf(name) }));
});

const undefine: Directive = (context, directive, rest) => {
  const name = readName(rest, directive, context.messages);
  if (name !== undefined) context.single.undefine(name.text);
};

const undefineMacro: Directive = (context, directive, rest) => {
  const name = readName(rest, directive, context.messages);
  const counts = parseCounts(rest.slice(1));
  if (name !== undefined && counts !== undefined) context.multi.undefine(name.text, counts.least, counts.most);
};

const rotate: Directive = (context, directive, rest) => {
  const call = context.currentCall();
  if (call === undefined) {
    context.messages.error('bad-directive', '%rotate is meaningful only within a macro', placeOf(directive));
    return;
  }
  const expression = context.expand(rest);
  const count = context.constant(expression, placeOfAll(expression, placeOf(directive))) ?? 0n;
  const { length } = call.args;
  if (length > 0) call.rotation = (((call.rotation + Number(count % BigInt(length))) % length) + length) % length;
};

const exitRepetition: Directive = (context, directive) => {
  if (!context.exitRepetition()) {
    context.messages.error('unbalanced-block', '%exitrep is meaningful only within %rep', placeOf(directive));
  }
};

function stray(opener: string): Directive {
  return (context, directive) =>
    context.messages.error('unbalanced-block', `${directive.text} without ${opener} before it`, placeOf(directive));
}

function unsupported(reason: string): Directive {
  return (context, directive) =>
    context.messages.error('unsupported', `${directive.text} is not supported: ${reason}`, placeOf(directive));
}

const ignored: Directive = () => undefined;

const contexts = unsupported('context stacks are not available; use %%names for labels of a macro');

/** By name in lower case, `%` included. */
export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map<string, Directive>([
  ['%define', define(false, false)],
  ['%idefine', define(false, true)],
  ['%xdefine', define(true, false)],
  ['%ixdefine', define(true, true)],
  ['%undef', undefine],
  ['%assign', assign(false)],
  ['%iassign', assign(true)],
  ['%macro', macro(false)],
  ['%imacro', macro(true)],
  ['%endmacro', stray('%macro')],
  ['%endm', stray('%macro')],
  ['%unmacro', undefineMacro],
  ['%rotate', rotate],
  ['%rep', repetition],
  ['%endrep', stray('%rep')],
  ['%exitrep', exitRepetition],
  ['%include', include],
  ['%error', report('error')],
  ['%warning', report('warning')],
  ['%fatal', fatal],
  ['%strlen', stringLength],
  ['%substr', substring],
  ['%strcat', concatenation],
  ['%defstr', defineString],
  ['%deftok', defineTokens],
  ['%push', contexts],
  ['%pop', contexts],
  ['%repl', contexts],
  ['%arg', unsupported('name the stack slots with equ')],
  ['%local', unsupported('name the stack slots with equ')],
  ['%stacksize', unsupported('name the stack slots with equ')],
  ['%use', unsupported('NASM macro packages are not built in')],
  ['%line', ignored],
  ['%pragma', ignored],
  ['%depend', ignored],
  ['%clear', ignored],
]);
