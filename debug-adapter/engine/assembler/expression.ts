/** NASM expressions (NASM manual, "Expressions"): parsed once, evaluated in every pass. */
import type { Cursor } from './cursor.ts';
import { placeOf } from './cursor.ts';
import type { Messages, Place } from './messages.ts';
import { unreachable } from '../base/unreachable.ts';
import { registerByName } from '../isa/registers.ts';
import { characterConstant, type Token } from './tokens.ts';

export type UnaryOperator = '+' | '-' | '~' | '!';
export type BinaryOperator = keyof typeof BINARY_PRECEDENCE;

/** An expression as a tree. `register` leaves are legal only within effective addresses. */
export type Expression =
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'symbol'; readonly name: string; readonly token: Token }
  | { readonly kind: 'register'; readonly register: number; readonly token: Token }
  | { readonly kind: 'here'; readonly place: Place }
  | { readonly kind: 'section-start'; readonly place: Place }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression; readonly place: Place }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly place: Place;
    }
  | {
      readonly kind: 'choice';
      readonly condition: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    };

/** Loosest first. All associate to the left. */
export const BINARY_PRECEDENCE = {
  '||': 1,
  '^^': 2,
  '&&': 3,
  '=': 4,
  '==': 4,
  '!=': 4,
  '<>': 4,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '<=>': 4,
  '|': 5,
  '^': 6,
  '&': 7,
  '<<': 8,
  '<<<': 8,
  '>>': 8,
  '>>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '//': 10,
  '%': 10,
  '%%': 10,
} as const;

const MAX_DEPTH = 200;
/** Terms on one level; a tree of more would be deeper than the evaluation can follow. */
const MAX_TERMS = 1000;

export interface ExpressionContext {
  readonly messages: Messages;
  /** Full name of a symbol as written (a local label gets its parent), noted as a reference. */
  readonly resolveName: (token: Token) => string;
  /** Value of a plain number defined before this line by equ or a structure; undefined for all other names. */
  readonly knownConstant: (name: string) => bigint | undefined;
  /** Whether registers may appear: within brackets. */
  readonly registers: boolean;
}

/** Parses one expression at the cursor; undefined after reporting why not. Stops at the first token that cannot belong to it. */
export function parseExpression(cursor: Cursor, context: ExpressionContext): Expression | undefined {
  return parseChoice(cursor, context, 0);
}

function parseChoice(cursor: Cursor, context: ExpressionContext, depth: number): Expression | undefined {
  const condition = parseBinary(cursor, context, 1, depth);
  if (condition === undefined || !cursor.skipOperator('?')) return condition;
  const then = parseChoice(cursor, context, depth + 1);
  if (then === undefined) return undefined;
  if (!cursor.skipOperator(':')) {
    context.messages.error(
      'bad-expression',
      'expected ":" and the other value after "condition ? value"',
      cursor.place,
    );
    return undefined;
  }
  const otherwise = parseChoice(cursor, context, depth + 1);
  return otherwise && { kind: 'choice', condition, then, otherwise };
}

function isBinaryOperator(text: string): text is BinaryOperator {
  return Object.hasOwn(BINARY_PRECEDENCE, text);
}

function parseBinary(cursor: Cursor, context: ExpressionContext, least: number, depth: number): Expression | undefined {
  let left = parseUnary(cursor, context, depth);
  for (let terms = 0; left !== undefined; terms++) {
    const { token } = cursor;
    if (token === undefined || token.kind !== 'operator' || !isBinaryOperator(token.text)) return left;
    const precedence = BINARY_PRECEDENCE[token.text];
    if (precedence < least) return left;
    if (terms > MAX_TERMS) return tooDeep(cursor, context);
    cursor.index += 1;
    const right = parseBinary(cursor, context, precedence + 1, depth + 1);
    if (right === undefined) return undefined;
    left = { kind: 'binary', operator: token.text, left, right, place: placeOf(token) };
  }
  return undefined;
}

function tooDeep(cursor: Cursor, context: ExpressionContext): undefined {
  context.messages.error(
    'bad-expression',
    'this expression is too long or nested too deeply; split it with equ',
    cursor.place,
  );
  return undefined;
}

function isUnaryOperator(text: string): text is UnaryOperator {
  return text === '+' || text === '-' || text === '~' || text === '!';
}

function parseUnary(cursor: Cursor, context: ExpressionContext, depth: number): Expression | undefined {
  const { token } = cursor;
  if (depth > MAX_DEPTH) return tooDeep(cursor, context);
  if (token?.kind === 'operator' && isUnaryOperator(token.text)) {
    cursor.index += 1;
    const operand = parseUnary(cursor, context, depth + 1);
    return operand && { kind: 'unary', operator: token.text, operand, place: placeOf(token) };
  }
  return parsePrimary(cursor, context, depth);
}

function parsePrimary(cursor: Cursor, context: ExpressionContext, depth: number): Expression | undefined {
  const { token } = cursor;
  const { messages } = context;
  if (token === undefined) {
    messages.error('bad-expression', 'a value is missing here', cursor.place);
    return undefined;
  }
  cursor.index += 1;
  if (token.kind === 'number') return { kind: 'number', value: BigInt.asIntN(64, token.number ?? 0n) };
  if (token.kind === 'string') {
    return { kind: 'number', value: BigInt.asIntN(64, characterConstant(token.bytes ?? '')) };
  }
  if (token.kind === 'identifier') return parseName(token, context);
  if (token.kind === 'operator') {
    if (token.text === '$') return { kind: 'here', place: placeOf(token) };
    if (token.text === '$$') return { kind: 'section-start', place: placeOf(token) };
    if (token.text === '(') {
      const inner = parseChoice(cursor, context, depth + 1);
      if (inner !== undefined && !cursor.skipOperator(')')) {
        messages.error('bad-expression', 'expected ")" to close the parenthesis', cursor.place);
        return undefined;
      }
      return inner;
    }
  }
  if (token.kind === 'float') {
    messages.error('bad-expression', 'floating-point numbers can only be items of dd and dq', placeOf(token));
  } else if (token.kind === 'parameter') {
    messages.error(
      'bad-expression',
      `"${token.text}" is a macro parameter; it has a value only within %macro`,
      placeOf(token),
    );
  } else {
    messages.error('bad-expression', `a value is expected here, not "${token.text}"`, placeOf(token));
  }
  return undefined;
}

function parseName(token: Token, context: ExpressionContext): Expression | undefined {
  if (token.escaped !== true) {
    const register = registerByName(token.text);
    if (register !== undefined) {
      if (context.registers) return { kind: 'register', register: register.register, token };
      context.messages.error(
        'bad-expression',
        `the register ${register.name} cannot be part of a number`,
        placeOf(token),
      );
      return undefined;
    }
    const lower = token.text.toLowerCase();
    if (lower === 'seg' || lower === 'wrt') {
      context.messages.error(
        'unsupported',
        `"${lower}" needs relocation, which flat binaries do not have; write the segment value as a number`,
        placeOf(token),
      );
      return undefined;
    }
  }
  return { kind: 'symbol', name: context.resolveName(token), token };
}

/** Whether the value is the same wherever and whenever it is evaluated. */
export function isLiteral(expression: Expression): boolean {
  switch (expression.kind) {
    case 'number':
      return true;
    case 'unary':
      return isLiteral(expression.operand);
    case 'binary':
      return isLiteral(expression.left) && isLiteral(expression.right);
    case 'symbol':
    case 'register':
    case 'here':
    case 'section-start':
    case 'choice':
      return false;
    default:
      return unreachable(expression);
  }
}
