/** Effective addresses: `[es:ebx+4*ecx+table-8]`. */
import { Register } from 'iced-x86';
import { placeOf, type Cursor } from '../cursor.ts';
import { parseExpression, type Expression, type ExpressionContext } from '../expression.ts';
import { registerByName, registerInfo, type RegisterInfo } from '../../isa/registers.ts';
import type { Place } from '../messages.ts';
import { unreachable } from '../../base/unreachable.ts';

export interface Address {
  /** iced `Register`; 0 for none. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Undefined when there is no number at all in the brackets. */
  readonly displacement: Expression | undefined;
  readonly segment: number;
  /** `rel` or `abs` written, or what `default` says; only for addresses without registers. */
  readonly relative: boolean;
  /** `rel` was written: worth a warning when it cannot be done. */
  readonly explicitRelative: boolean;
  /** Bytes of the address (no register) or of the displacement (with one) by keyword; 0 for none. */
  readonly bytes: number;
  readonly place: Place;
}

const WIDTHS: Readonly<Record<string, number>> = { byte: 1, word: 2, dword: 4, qword: 8 };

/** Parses from the opening bracket; undefined after reporting why not. `defaultRelative`: `default rel` is in effect. */
export function parseAddress(
  cursor: Cursor,
  context: ExpressionContext,
  defaultRelative: boolean,
): Address | undefined {
  const start = cursor.place;
  cursor.skipOperator('[');
  let bytes = 0;
  let written: boolean | undefined;
  let split = true;
  let segment = 0;
  for (;;) {
    const { word } = cursor;
    if (word === undefined) break;
    const info = registerByName(word);
    const next = cursor.peek(1);
    if (info?.class === 'segment' && next?.kind === 'operator' && next.text === ':') {
      segment = info.register;
      cursor.index += 2;
      continue;
    }
    if (Object.hasOwn(WIDTHS, word)) bytes = WIDTHS[word]!;
    else if (word === 'rel') written = true;
    else if (word === 'abs') written = false;
    else if (word === 'nosplit') split = false;
    else break;
    cursor.index += 1;
  }
  if (cursor.isOperator(']')) {
    context.messages.error('bad-address', 'an address is missing between the brackets', start);
    return undefined;
  }
  const expression = parseExpression(cursor, { ...context, registers: true });
  if (expression === undefined) return undefined;
  if (!cursor.skipOperator(']')) {
    const { token } = cursor;
    const found = token === undefined ? 'the line ends' : `"${token.text}" follows`;
    context.messages.error('bad-address', `expected "]" to close the address, but ${found}`, cursor.place);
    return undefined;
  }
  const terms = new Terms(context);
  if (!terms.add(expression, 1n)) return undefined;
  const registers = terms.registers(split, start);
  if (registers === undefined) return undefined;
  // A segment override with FS or GS makes an address absolute unless rel is written (NASM manual, "DEFAULT").
  const byDefault = defaultRelative && segment !== Register.FS && segment !== Register.GS;
  return {
    ...registers,
    displacement: terms.displacement,
    segment,
    relative: written ?? byDefault,
    explicitRelative: written === true,
    bytes,
    place: { ...start, endColumn: Math.max(cursor.tokens[cursor.index - 1]?.endColumn ?? 0, start.endColumn) },
  };
}

interface Factor {
  readonly info: RegisterInfo;
  count: bigint;
  /** `ecx*1` is written with a scale, so that it wants to be the index. */
  scaled: boolean;
}

/** Sum of registers times constants and of everything else. */
class Terms {
  readonly #context: ExpressionContext;
  readonly #factors: Factor[] = [];
  displacement: Expression | undefined;

  constructor(context: ExpressionContext) {
    this.#context = context;
  }

  /** Adds an expression `times` over; false after reporting what cannot be an address. */
  add(expression: Expression, times: bigint, scaled = false): boolean {
    if (!hasRegister(expression)) {
      this.#addNumber(expression, times);
      return true;
    }
    switch (expression.kind) {
      case 'register':
        return this.#addRegister(expression.register, times, scaled);
      case 'unary':
        if (expression.operator === '+') return this.add(expression.operand, times, scaled);
        if (expression.operator === '-') return this.add(expression.operand, -times, scaled);
        break;
      case 'binary': {
        const { operator, left, right } = expression;
        if (operator === '+') return this.add(left, times) && this.add(right, times);
        if (operator === '-') return this.add(left, times) && this.add(right, -times);
        if (operator === '*') {
          const [factor, inner] = hasRegister(left) ? [right, left] : [left, right];
          const constant = hasRegister(factor) ? undefined : constantOf(factor, this.#context);
          if (constant !== undefined) return this.add(inner, times * constant, true);
        }
        break;
      }
      case 'number':
      case 'symbol':
      case 'here':
      case 'section-start':
      case 'choice':
        break;
      default:
        return unreachable(expression);
    }
    const place = 'place' in expression ? expression.place : placeOf(firstRegister(expression));
    this.#context.messages.error(
      'bad-address',
      'registers in an address can only be added, or multiplied by a number such as 2, 4 or 8',
      place,
    );
    return false;
  }

  #addNumber(expression: Expression, times: bigint): void {
    const place = { file: '', line: 0, column: 0, endColumn: 0 };
    const value: Expression =
      times === 1n
        ? expression
        : {
            kind: 'binary',
            operator: '*',
            left: expression,
            right: { kind: 'number', value: times },
            place: placeIn(expression) ?? place,
          };
    const { displacement } = this;
    if (times === -1n && displacement !== undefined) {
      this.displacement = {
        kind: 'binary',
        operator: '-',
        left: displacement,
        right: expression,
        place: placeIn(expression) ?? place,
      };
    } else {
      this.displacement =
        displacement === undefined
          ? value
          : { kind: 'binary', operator: '+', left: displacement, right: value, place: placeIn(expression) ?? place };
    }
  }

  #addRegister(register: number, times: bigint, scaled: boolean): boolean {
    const known = this.#factors.find(({ info }) => info.register === register);
    if (known !== undefined) {
      known.count += times;
      return true;
    }
    this.#factors.push({ info: registerInfo(register)!, count: times, scaled });
    return true;
  }

  /** Which register is base and which index; undefined after reporting that no such address exists. */
  registers(split: boolean, place: Place): Pick<Address, 'base' | 'index' | 'scale'> | undefined {
    const factors = this.#factors.filter(({ count }) => count !== 0n);
    const fail = (message: string) => {
      this.#context.messages.error('bad-address', message, place);
      return undefined;
    };
    if (factors.length === 0) return { base: 0, index: 0, scale: 1 };
    if (factors.length > 2) return fail('an address has at most two registers: a base and an index');
    for (const { info } of factors) {
      if (!/^(?:gpr(?:16|32|64)|xmm|ymm|zmm)$/.test(info.class))
        return fail(`${info.name} cannot be used in an address`);
    }
    const vector = factors.find(({ info }) => info.class.endsWith('mm'));
    const sizes = new Set(factors.filter((factor) => factor !== vector).map(({ info }) => info.bytes));
    if (sizes.size > 1) return fail('base and index registers must have the same size');
    const [first, second] = order(factors, vector);
    if (sizes.has(2)) return registers16(first, second, fail);
    if (second === undefined)
      return vector === undefined ? single(first!, split, fail) : withIndex(undefined, vector, fail);
    return withIndex(first, second, fail);
  }
}

type Fail = (message: string) => undefined;

const isStackPointer = (info: RegisterInfo) => info.class.startsWith('gpr') && info.number === 4 && info.bytes >= 4;

/** Base first. The vector register, a scaled register and one with a count above 1 are the index; RSP never is. */
function order(
  factors: readonly Factor[],
  vector: Factor | undefined,
): readonly [Factor | undefined, Factor | undefined] {
  const [a, b] = factors;
  if (a === undefined || b === undefined) return [a, b];
  const swap =
    a === vector ||
    (b !== vector &&
      (a.count !== 1n || (a.scaled && !b.scaled && b.count === 1n) || (isStackPointer(b.info) && b.count === 1n)));
  const stays = isStackPointer(a.info) && a.count === 1n && b !== vector;
  return swap && !stays ? [b, a] : [a, b];
}

function single(factor: Factor, split: boolean, fail: Fail): Pick<Address, 'base' | 'index' | 'scale'> | undefined {
  const { register } = factor.info;
  const count = Number(factor.count);
  if (count === 1) return { base: register, index: 0, scale: 1 };
  if (isStackPointer(factor.info)) return fail(`${factor.info.name} cannot be multiplied in an address`);
  if ((count === 2 && split) || count === 3 || count === 5 || count === 9)
    return { base: register, index: register, scale: count - 1 };
  if (count === 2 || count === 4 || count === 8) return { base: 0, index: register, scale: count };
  return fail(`a register in an address can be multiplied by 1, 2, 3, 4, 5, 8 or 9, not by ${count}`);
}

function withIndex(
  base: Factor | undefined,
  index: Factor,
  fail: Fail,
): Pick<Address, 'base' | 'index' | 'scale'> | undefined {
  if (base !== undefined && base.count !== 1n)
    return fail('only one of the two registers of an address can be multiplied');
  if (isStackPointer(index.info)) return fail(`${index.info.name} cannot be the index of an address`);
  const scale = Number(index.count);
  if (![1, 2, 4, 8].includes(scale))
    return fail(`the index of an address can be multiplied by 1, 2, 4 or 8, not by ${scale}`);
  return { base: base?.info.register ?? 0, index: index.info.register, scale };
}

const BASES16: ReadonlySet<number> = new Set([Register.BX, Register.BP]);
const INDEXES16: ReadonlySet<number> = new Set([Register.SI, Register.DI]);

/** 16-bit addresses know eight combinations only (SDM Vol. 2A, "Addressing-Mode Encoding of ModR/M and SIB Bytes"). */
function registers16(
  first: Factor | undefined,
  second: Factor | undefined,
  fail: Fail,
): Pick<Address, 'base' | 'index' | 'scale'> | undefined {
  const factors = [first, second].filter((factor) => factor !== undefined);
  const base = factors.find(({ info }) => BASES16.has(info.register));
  const index = factors.find(({ info }) => INDEXES16.has(info.register));
  const used = (base === undefined ? 0 : 1) + (index === undefined ? 0 : 1);
  if (used !== factors.length || factors.some(({ count }) => count !== 1n)) {
    return fail('16-bit addresses are made of bx or bp, si or di, and a number; use 32-bit registers for more');
  }
  if (base === undefined) return { base: index?.info.register ?? 0, index: 0, scale: 1 };
  return { base: base.info.register, index: index?.info.register ?? 0, scale: 1 };
}

function hasRegister(expression: Expression): boolean {
  switch (expression.kind) {
    case 'register':
      return true;
    case 'unary':
      return hasRegister(expression.operand);
    case 'binary':
      return hasRegister(expression.left) || hasRegister(expression.right);
    case 'choice':
      return [expression.condition, expression.then, expression.otherwise].some(hasRegister);
    case 'number':
    case 'symbol':
    case 'here':
    case 'section-start':
      return false;
    default:
      return unreachable(expression);
  }
}

function firstRegister(expression: Expression): Place {
  if (expression.kind === 'register') return expression.token;
  if (expression.kind === 'choice')
    return firstRegister([expression.condition, expression.then, expression.otherwise].find(hasRegister)!);
  if (expression.kind === 'unary') return expression.place;
  if (expression.kind === 'binary') return expression.place;
  throw new Error('firstRegister: the expression holds no register');
}

function placeIn(expression: Expression): Place | undefined {
  if ('place' in expression) return expression.place;
  return 'token' in expression ? placeOf(expression.token) : undefined;
}

/** Value of a scale: numbers, constants defined before, and operators on them. */
function constantOf(expression: Expression, context: ExpressionContext): bigint | undefined {
  if (expression.kind === 'number') return expression.value;
  if (expression.kind === 'symbol') return context.knownConstant(expression.name);
  if (expression.kind === 'unary') {
    const value = constantOf(expression.operand, context);
    if (value === undefined || expression.operator === '+') return value;
    return expression.operator === '-' ? -value : undefined;
  }
  if (expression.kind !== 'binary') return undefined;
  const left = constantOf(expression.left, context);
  const right = constantOf(expression.right, context);
  if (left === undefined || right === undefined) return undefined;
  if (expression.operator === '*') return left * right;
  if (expression.operator === '+') return left + right;
  return expression.operator === '-' ? left - right : undefined;
}
