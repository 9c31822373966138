/** Evaluates parsed expressions over one moment of a machine. Reading only; `place.ts` writes. */
import { VMCS_FIELD_KEYS, vmcsField } from '../engine/index.ts';
import type { SegmentView, VmcsFieldKey } from '../engine/index.ts';
import { ExpressionError } from './expression-tokens.ts';
import { parseExpression } from './expression-parser.ts';
import type { BinaryOperator, Expression, OperandBytes, UnaryOperator } from './expression-parser.ts';
import { didYouMean } from './nearest.ts';
import type { Place } from './place.ts';
import type { ProcessorView } from './processor.ts';
import { registerPart, registerPartNames } from './register-names.ts';
import type { SymbolTable } from './symbols.ts';

export interface Value {
  /** Unsigned. */
  readonly number: bigint;
  readonly bits: number;
  /** Where it was read from; undefined for computed values. */
  readonly place: Place | undefined;
  /** The number is an address of the program: a symbol. */
  readonly isAddress: boolean;
}

/** What names mean here. */
export interface Context {
  readonly view: ProcessorView;
  readonly symbols: SymbolTable;
  /** Names that come first: the payload of a VM exit. */
  readonly payload?: Readonly<Record<string, bigint>>;
}

export type Evaluated =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: ExpressionError };

const MASK_64 = (1n << 64n) - 1n;
const SEGMENT_PART = /^(cs|ss|ds|es|fs|gs|ldtr|tr)\.(base|limit|ar)$/i;
const VMCS_NAME = /^vmcs\.(\w+)$/i;
const VMCS_KEY_BY_LOWER = new Map(VMCS_FIELD_KEYS.map((key) => [key.toLowerCase(), key]));

export const vmcsKeyNamed = (name: string): VmcsFieldKey | undefined => VMCS_KEY_BY_LOWER.get(name.toLowerCase());

export function evaluateText(text: string, context: Context): Evaluated {
  const parsed = parseExpression(text);
  return parsed.ok ? evaluate(parsed.expression, context) : parsed;
}

export function evaluate(expression: Expression, context: Context): Evaluated {
  try {
    return { ok: true, value: valueOf(expression, context) };
  } catch (error) {
    if (error instanceof ExpressionError) return { ok: false, error };
    throw error;
  }
}

const computed = (number: bigint, bits = 64): Value => ({
  number: number & MASK_64,
  bits,
  place: undefined,
  isAddress: false,
});

function valueOf(expression: Expression, context: Context): Value {
  switch (expression.kind) {
    case 'number':
      return computed(expression.value);
    case 'name':
      return named(expression.name, expression.column, context);
    case 'memory':
      return memory(expression, context);
    case 'unary':
      return computed(unary(expression.operator, valueOf(expression.operand, context).number));
    case 'binary':
      return binary(expression, context);
  }
}

function named(name: string, column: number, { view, symbols, payload }: Context): Value {
  const fromPayload = payload !== undefined && Object.hasOwn(payload, name) ? payload[name] : undefined;
  if (fromPayload !== undefined) return computed(fromPayload);
  const plain = name.replace(/^[$%]/, '');
  const part = registerPart(plain);
  if (part) {
    const number = (view.register(part.register) >> BigInt(part.bit)) & ((1n << BigInt(part.bits)) - 1n);
    return {
      number,
      bits: part.bits,
      place: { kind: 'register', cpu: view.cpu, source: view.source, ...part },
      isAddress: false,
    };
  }
  const segment = SEGMENT_PART.exec(plain);
  if (segment) {
    const found = view.segment(segment[1]!.toUpperCase() as SegmentView['name']);
    const which = segment[2]!.toLowerCase();
    return computed(which === 'base' ? found.base : BigInt(which === 'limit' ? found.limit : found.accessRights));
  }
  const vmcs = VMCS_NAME.exec(plain);
  if (vmcs) return vmcsValue(vmcs[1]!, column, view);
  const symbol = symbols.named(name) ?? localSymbol(name, view, symbols);
  if (symbol) return { ...computed(symbol.address), isAddress: symbol.kind !== 'constant' };
  throw new ExpressionError(
    `"${name}" is no register, flag, symbol or VMCS field (vmcs.NAME).${didYouMean(name, [...registerPartNames(), ...symbols.names()])}`,
    column,
  );
}

/** `.loop` means the local label of the routine that runs now. */
function localSymbol(name: string, view: ProcessorView, symbols: SymbolTable) {
  if (!name.startsWith('.')) return undefined;
  const here = symbols.nearest(view.linearRip)?.symbol.name.split('.')[0];
  return here === undefined ? undefined : symbols.named(here + name);
}

function vmcsValue(name: string, column: number, view: ProcessorView): Value {
  const key = vmcsKeyNamed(name);
  if (key === undefined) {
    throw new ExpressionError(`"${name}" is no VMCS field.${didYouMean(name, VMCS_FIELD_KEYS)}`, column);
  }
  if (!view.hasVmcs()) throw new ExpressionError('There is no current VMCS: VMPTRLD has not been executed.', column);
  const number = view.vmcsField(key);
  if (number === undefined) {
    throw new ExpressionError(
      `This processor has no VMCS field ${key}: the control that needs it is not offered.`,
      column,
    );
  }
  return { number, bits: 8 * vmcsField(key).bytes, place: { kind: 'vmcs', cpu: view.cpu, key }, isAddress: false };
}

function memory(expression: Extract<Expression, { kind: 'memory' }>, context: Context): Value {
  const { view } = context;
  let address = valueOf(expression.address, context).number;
  const segment = expression.segment?.toUpperCase() as SegmentView['name'] | undefined;
  if (segment !== undefined) address = view.toLinear(segment, address);
  const bytes: OperandBytes = expression.bytes ?? ((view.mode.bits / 8) as OperandBytes);
  const number = view.readNumber(address, bytes, expression.space);
  if (number === undefined) {
    throw new ExpressionError(
      `There is no ${expression.space} memory to read at 0x${address.toString(16)}${expression.space === 'linear' ? ' (not mapped, or above the end of memory)' : ''}.`,
      expression.column,
    );
  }
  return {
    number,
    bits: 8 * bytes,
    place: { kind: 'memory', cpu: view.cpu, space: expression.space, address, bytes },
    isAddress: false,
  };
}

function unary(operator: UnaryOperator, operand: bigint): bigint {
  switch (operator) {
    case '-':
      return -operand;
    case '~':
      return ~operand;
    case '!':
      return operand === 0n ? 1n : 0n;
    case '+':
      return operand;
  }
}

function binary(expression: Extract<Expression, { kind: 'binary' }>, context: Context): Value {
  const { operator } = expression;
  const leftValue = valueOf(expression.left, context);
  const left = leftValue.number;
  if (operator === '&&' || operator === '||') {
    const decided = operator === '&&' ? left === 0n : left !== 0n;
    const truth = decided ? left !== 0n : valueOf(expression.right, context).number !== 0n;
    return computed(truth ? 1n : 0n, 1);
  }
  const rightValue = valueOf(expression.right, context);
  const right = rightValue.number;
  if ((operator === '/' || operator === '%') && right === 0n) {
    throw new ExpressionError('Division by zero.', expression.column);
  }
  const result = arithmetic(operator, left, right);
  if (typeof result === 'boolean') return computed(result ? 1n : 0n, 1);
  const isAddress = (operator === '+' || operator === '-') && (leftValue.isAddress || rightValue.isAddress);
  return { ...computed(result), isAddress };
}

function arithmetic(operator: Exclude<BinaryOperator, '&&' | '||'>, left: bigint, right: bigint): bigint | boolean {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '%':
      return left % right;
    case '&':
      return left & right;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case '<<':
      return right > 63n ? 0n : left << right;
    case '>>':
      return right > 63n ? 0n : left >> right;
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}
