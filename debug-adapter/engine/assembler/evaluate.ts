/** Values of expressions. */
import type { Messages, Place } from './messages.ts';
import { placeOf } from './cursor.ts';
import type { BinaryOperator, Expression } from './expression.ts';
import { unreachable } from '../base/unreachable.ts';

/** Section number of plain numbers. */
export const SCALAR = -1;

/**
 * A 64-bit value. Labels stay relative to their section: NASM picks shorter encodings only for plain numbers, and only
 * differences within one section are plain.
 */
export interface Value {
  /** Signed 64-bit. */
  readonly number: bigint;
  /** Section whose start the number includes, or `SCALAR`. */
  readonly section: number;
  /** Not known yet in this pass (a forward reference), or not at all (undefined); `number` is a placeholder. */
  readonly unknown: boolean;
}

export interface Scope {
  /** Value of a symbol by its full name; undefined when no such symbol exists. */
  symbol(name: string): Value | undefined;
  /** `$`: start of the current statement. */
  readonly here: Value;
  /** `$$`: start of the current section. */
  readonly sectionStart: Value;
  /** Reports a name that is defined nowhere. */
  undefinedSymbol(name: string, place: Place): void;
  readonly messages: Messages;
}

export const scalar = (number: bigint): Value => ({
  number: BigInt.asIntN(64, number),
  section: SCALAR,
  unknown: false,
});
const UNKNOWN: Value = { number: 0n, section: SCALAR, unknown: true };

/** Evaluates; mistakes are reported and give an unknown value. */
export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case 'number':
      return { number: expression.value, section: SCALAR, unknown: false };
    case 'here':
      return scope.here;
    case 'section-start':
      return scope.sectionStart;
    case 'symbol': {
      const value = scope.symbol(expression.name);
      if (value !== undefined) return value;
      scope.undefinedSymbol(expression.name, placeOf(expression.token));
      return UNKNOWN;
    }
    case 'register':
      scope.messages.error(
        'bad-address',
        'registers can only be added and multiplied by constants here',
        placeOf(expression.token),
      );
      return UNKNOWN;
    case 'unary': {
      const operand = evaluate(expression.operand, scope);
      if (expression.operator === '+') return operand;
      if (!needScalar(operand, expression.operator, expression.place, scope)) return UNKNOWN;
      const { number } = operand;
      const result =
        expression.operator === '-' ? -number : expression.operator === '~' ? ~number : number === 0n ? 1n : 0n;
      return { number: BigInt.asIntN(64, result), section: SCALAR, unknown: operand.unknown };
    }
    case 'choice': {
      const condition = evaluate(expression.condition, scope);
      return evaluate(condition.number !== 0n ? expression.then : expression.otherwise, scope);
    }
    case 'binary':
      return binary(expression, evaluate(expression.left, scope), evaluate(expression.right, scope), scope);
    default:
      return unreachable(expression);
  }
}

function needScalar(value: Value, operator: string, place: Place, scope: Scope): boolean {
  if (value.section === SCALAR) return true;
  scope.messages.error(
    'not-scalar',
    `"${operator}" needs plain numbers, and a label is an address; write (label - $$) for its offset in the section`,
    place,
  );
  return false;
}

function binary(expression: Expression & { kind: 'binary' }, left: Value, right: Value, scope: Scope): Value {
  const unknown = left.unknown || right.unknown;
  const { operator, place } = expression;
  if (operator === '+') {
    if (left.section === SCALAR || right.section === SCALAR) {
      const section = left.section === SCALAR ? right.section : left.section;
      return { number: BigInt.asIntN(64, left.number + right.number), section, unknown };
    }
    scope.messages.error('not-scalar', 'the sum of two labels has no meaning; subtract one from the other', place);
    return UNKNOWN;
  }
  if (operator === '-') {
    if (right.section === SCALAR || left.section === right.section || unknown) {
      const section = left.section === right.section ? SCALAR : left.section;
      return { number: BigInt.asIntN(64, left.number - right.number), section, unknown };
    }
    // Sections of a flat image have known addresses, so that the difference is a number all the same.
    if (left.section !== SCALAR) {
      return { number: BigInt.asIntN(64, left.number - right.number), section: SCALAR, unknown };
    }
    scope.messages.error('not-scalar', 'a label cannot be subtracted from a number', place);
    return UNKNOWN;
  }
  if (isComparison(operator) && left.section === right.section) {
    return { number: compare(operator, left.number, right.number), section: SCALAR, unknown };
  }
  if (!needScalar(left, operator, place, scope) || !needScalar(right, operator, place, scope)) return UNKNOWN;
  const number = calculate(operator, left.number, right.number);
  if (number === undefined) {
    if (!unknown) scope.messages.error('division-by-zero', 'division by zero', place);
    return UNKNOWN;
  }
  return { number: BigInt.asIntN(64, number), section: SCALAR, unknown };
}

type Comparison = '=' | '==' | '!=' | '<>' | '<' | '<=' | '>' | '>=' | '<=>';

function isComparison(operator: BinaryOperator): operator is Comparison {
  return /^(?:==?|!=|<>|<=?>?|>=?)$/.test(operator);
}

/** By the sign of the 64-bit difference, as NASM does. */
function compare(operator: Comparison, left: bigint, right: bigint): bigint {
  const difference = BigInt.asIntN(64, left - right);
  switch (operator) {
    case '=':
    case '==':
      return difference === 0n ? 1n : 0n;
    case '!=':
    case '<>':
      return difference !== 0n ? 1n : 0n;
    case '<':
      return difference < 0n ? 1n : 0n;
    case '<=':
      return difference <= 0n ? 1n : 0n;
    case '>':
      return difference > 0n ? 1n : 0n;
    case '>=':
      return difference >= 0n ? 1n : 0n;
    case '<=>':
      return difference < 0n ? -1n : difference > 0n ? 1n : 0n;
    default:
      return unreachable(operator);
  }
}

/**
 * `/` and `%` are unsigned, `//` and `%%` signed, `>>` shifts in zeros and `>>>` the sign; shift counts are modulo 64.
 * Undefined for division by zero. */
function calculate(operator: BinaryOperator, left: bigint, right: bigint): bigint | undefined {
  const unsigned = (value: bigint) => BigInt.asUintN(64, value);
  switch (operator) {
    case '||':
      return left !== 0n || right !== 0n ? 1n : 0n;
    case '^^':
      return (left !== 0n) !== (right !== 0n) ? 1n : 0n;
    case '&&':
      return left !== 0n && right !== 0n ? 1n : 0n;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case '&':
      return left & right;
    case '<<':
    case '<<<':
      return left << (right & 63n);
    case '>>':
      return unsigned(left) >> (right & 63n);
    case '>>>':
      return left >> (right & 63n);
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0n ? undefined : unsigned(left) / unsigned(right);
    case '//':
      return right === 0n ? undefined : left / right;
    case '%':
      return right === 0n ? undefined : unsigned(left) % unsigned(right);
    case '%%':
      return right === 0n ? undefined : left % right;
    case '=':
    case '==':
    case '!=':
    case '<>':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case '<=>':
      return compare(operator, left, right);
    default:
      return unreachable(operator);
  }
}
