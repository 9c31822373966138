/** The %if family: which lines are assembled. */
import { Cursor, placeOf, placeOfAll, splitAtCommas } from '../cursor.ts';
import type { Messages, Place } from '../messages.ts';
import { unreachable } from '../../base/unreachable.ts';
import type { Token } from '../tokens.ts';

const TESTS = ['', 'def', 'macro', 'idn', 'idni', 'num', 'id', 'str', 'token', 'empty', 'env', 'ctx'] as const;
type Test = (typeof TESTS)[number];

export interface ConditionDirective {
  /** `%elif...` rather than `%if...`. */
  readonly otherwise: boolean;
  readonly negated: boolean;
  readonly test: Test;
}

/** `%if`, `%ifn`, `%ifdef`, `%elifndef` ...: every spelling. */
export function conditionWords(): readonly string[] {
  return TESTS.flatMap((test) => [`%if${test}`, `%ifn${test}`, `%elif${test}`, `%elifn${test}`]);
}

/** Recognises `%if`, `%ifndef`, `%elifidni` and the like; undefined for every other directive. */
function conditionDirective(name: string): ConditionDirective | undefined {
  const match = /^%(el)?if(.*)$/.exec(name);
  if (match === null) return undefined;
  const otherwise = match[1] !== undefined;
  const rest = match[2] ?? '';
  const plain = TESTS.find((test) => test === rest);
  if (plain !== undefined) return { otherwise, negated: false, test: plain };
  const negated = rest.startsWith('n') ? TESTS.find((test) => test === rest.slice(1)) : undefined;
  return negated === undefined ? undefined : { otherwise, negated: true, test: negated };
}

/** One open %if. */
export interface Condition {
  readonly place: Place;
  /** Lines are assembled now. */
  active: boolean;
  /** A branch was taken already, or none can be because an outer condition is false. */
  settled: boolean;
  sawElse: boolean;
}

export interface ConditionScope {
  readonly messages: Messages;
  expand(tokens: readonly Token[]): readonly Token[];
  /** Value of an expression now; undefined after reporting why there is none. */
  constant(tokens: readonly Token[], place: Place): bigint | undefined;
  isDefined(name: string): boolean;
  isMacro(tokens: readonly Token[]): boolean;
}

/** Result of a test; a mistake in it is reported and counts as false. */
function testCondition(
  directive: ConditionDirective,
  name: Token,
  rest: readonly Token[],
  scope: ConditionScope,
): boolean {
  return truth(directive.test, name, rest, scope) !== directive.negated;
}

function truth(test: Test, name: Token, rest: readonly Token[], scope: ConditionScope): boolean {
  const place = placeOfAll(rest, placeOf(name));
  switch (test) {
    case '':
      if (rest.length === 0) {
        scope.messages.error('bad-condition', `${name.text} needs a condition`, placeOf(name));
        return false;
      }
      return (scope.constant(scope.expand(rest), place) ?? 0n) !== 0n;
    case 'def':
      if (rest.length === 0)
        scope.messages.error('bad-condition', `${name.text} needs the name of a macro`, placeOf(name));
      return rest.some((token) => token.kind === 'identifier' && scope.isDefined(token.text));
    case 'macro':
      return scope.isMacro(rest);
    case 'idn':
    case 'idni': {
      const parts = splitAtCommas(scope.expand(rest));
      if (parts.length !== 2) {
        scope.messages.error(
          'bad-condition',
          `${name.text} compares two texts: write ${name.text} first, second`,
          place,
        );
        return false;
      }
      return sameText(parts[0], parts[1], test === 'idni');
    }
    case 'num': {
      const [first, second, ...more] = scope.expand(rest);
      if (first?.kind === 'operator' && /^[+-]$/.test(first.text))
        return second?.kind === 'number' && more.length === 0;
      return first?.kind === 'number' && second === undefined;
    }
    case 'id': {
      const tokens = scope.expand(rest);
      return tokens.length === 1 && tokens[0].kind === 'identifier';
    }
    case 'str': {
      const tokens = scope.expand(rest);
      return tokens.length === 1 && tokens[0].kind === 'string';
    }
    case 'token':
      return scope.expand(rest).length === 1;
    case 'empty':
      return scope.expand(rest).length === 0;
    case 'env':
      // Guests reach nothing of the host: no environment variable is visible.
      return false;
    case 'ctx':
      return false;
    default:
      return unreachable(test);
  }
}

function sameText(left: readonly Token[], right: readonly Token[], anyCase: boolean): boolean {
  if (left.length !== right.length) return false;
  return left.every((token, index) => {
    const other = right[index];
    if (token.kind === 'string' && other.kind === 'string') {
      const [a, b] = [token.bytes ?? '', other.bytes ?? ''];
      return anyCase ? a.toLowerCase() === b.toLowerCase() : a === b;
    }
    return anyCase ? token.text.toLowerCase() === other.text.toLowerCase() : token.text === other.text;
  });
}

/** Handles %if..., %elif..., %else and %endif on a stack of open conditions; true when the directive was one of them. */
export function applyCondition(stack: Condition[], tokens: readonly Token[], scope: ConditionScope): boolean {
  const name = tokens[0];
  const rest = tokens.slice(1);
  const text = name.text.toLowerCase();
  const directive = conditionDirective(text);
  const top = stack.at(-1);
  if (directive !== undefined && !directive.otherwise) {
    const outer = top === undefined || top.active;
    const active = outer && testCondition(directive, name, rest, scope);
    stack.push({ place: placeOf(name), active, settled: !outer || active, sawElse: false });
    return true;
  }
  if (directive === undefined && text !== '%else' && text !== '%endif') return false;
  if (top === undefined) {
    scope.messages.error('unbalanced-condition', `${text} without %if before it`, placeOf(name));
    return true;
  }
  if (text === '%endif') {
    stack.pop();
    return true;
  }
  if (top.sawElse) {
    scope.messages.error(
      'unbalanced-condition',
      `${text} after %else of the %if at line ${top.place.line}`,
      placeOf(name),
    );
  }
  if (text === '%else') top.sawElse = true;
  const taken = !top.settled && (directive === undefined || testCondition(directive, name, rest, scope));
  top.active = taken;
  top.settled ||= taken;
  return true;
}

/** The whole of `tokens` read as one identifier; reports when it is not one. */
export function readName(tokens: readonly Token[], directive: Token, messages: Messages): Token | undefined {
  const cursor = new Cursor(tokens, placeOf(directive));
  const { token } = cursor;
  if (token?.kind === 'identifier') return token;
  messages.error('bad-directive', `${directive.text} needs a name`, cursor.place);
  return undefined;
}
