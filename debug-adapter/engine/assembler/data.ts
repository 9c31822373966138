/** DB and its kin: from tokens to elements, from elements to bytes. */
import type { Cursor } from './cursor.ts';
import { placeOf } from './cursor.ts';
import { evaluate, SCALAR, type Scope } from './evaluate.ts';
import { parseExpression, type ExpressionContext } from './expression.ts';
import type { DataElement } from './items.ts';
import { floatBytes } from './numbers.ts';

/** Bytes of one unit by directive. */
export const DATA_UNITS: Readonly<Record<string, number>> = {
  db: 1,
  dw: 2,
  dd: 4,
  dq: 8,
  dt: 10,
  do: 16,
  ddq: 16,
  dy: 32,
  dz: 64,
};
export const RESERVE_UNITS: Readonly<Record<string, number>> = {
  resb: 1,
  resw: 2,
  resd: 4,
  resq: 8,
  rest: 10,
  reso: 16,
  resdq: 16,
  resy: 32,
  resz: 64,
};

/** Parses the list after DB and its kin up to the end of the tokens or a ")"; mistakes are reported and left out. */
export function parseData(cursor: Cursor, unit: number, context: ExpressionContext, depth = 0): DataElement[] {
  const elements: DataElement[] = [];
  if (cursor.done) {
    context.messages.error('bad-data', 'at least one value is missing here', cursor.place);
    return elements;
  }
  for (;;) {
    const element = parseElement(cursor, unit, context, depth);
    if (element === undefined) return elements;
    elements.push(element);
    if (!cursor.skipOperator(',')) return elements;
    // NASM allows a comma after the last element.
    if (cursor.done) return elements;
  }
}

function parseElement(
  cursor: Cursor,
  unit: number,
  context: ExpressionContext,
  depth: number,
): DataElement | undefined {
  const { token, place } = cursor;
  const next = cursor.peek(1);
  const alone = next === undefined || (next.kind === 'operator' && (next.text === ',' || next.text === ')'));
  if (token?.kind === 'string' && alone) {
    cursor.index += 1;
    return { kind: 'string', bytes: token.bytes ?? '' };
  }
  if (token?.kind === 'operator' && token.text === '?' && alone) {
    cursor.index += 1;
    return { kind: 'bytes', bytes: new Uint8Array(unit) };
  }
  const negative = token?.kind === 'operator' && token.text === '-' && next?.kind === 'float';
  const float = negative ? next : token;
  if (float?.kind === 'float') {
    cursor.index += negative ? 2 : 1;
    const bytes = floatBytes((negative ? '-' : '') + float.text, unit);
    if (bytes !== undefined) return { kind: 'bytes', bytes };
    context.messages.error(
      'bad-data',
      `floating-point numbers fit dd (single) and dq (double), not units of ${unit} bytes`,
      placeOf(float),
    );
    return { kind: 'bytes', bytes: new Uint8Array(unit) };
  }
  const value = parseExpression(cursor, context);
  if (value === undefined) return undefined;
  if (cursor.word !== 'dup') return { kind: 'value', value, place };
  cursor.index += 1;
  if (!cursor.skipOperator('(') || depth > 8) {
    context.messages.error('bad-data', 'write the repeated values between parentheses: db 10 dup (0)', cursor.place);
    return undefined;
  }
  const elements = parseData(cursor, unit, context, depth + 1);
  if (!cursor.skipOperator(')')) {
    context.messages.error('bad-data', 'expected ")" after the repeated values', cursor.place);
    return undefined;
  }
  return { kind: 'repeated', count: value, elements, place };
}

/** Bytes of the elements in this pass. `limit` bounds what repetitions may produce; beyond it the result is cut. */
export function dataBytes(
  elements: readonly DataElement[],
  unit: number,
  scope: Scope,
  final: boolean,
  limit: number,
): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const push = (chunk: Uint8Array) => {
    chunks.push(chunk);
    length += chunk.length;
  };
  for (const element of elements) {
    switch (element.kind) {
      case 'bytes':
        push(element.bytes);
        break;
      case 'string': {
        const padded = new Uint8Array(Math.ceil(element.bytes.length / unit) * unit);
        for (let index = 0; index < element.bytes.length; index++) padded[index] = element.bytes.charCodeAt(index);
        push(padded);
        break;
      }
      case 'value':
        push(valueBytes(element, unit, scope, final));
        break;
      case 'repeated': {
        const count = evaluate(element.count, scope).number;
        const once = dataBytes(element.elements, unit, scope, final, limit);
        const times =
          count <= 0n || once.length === 0 ? 0 : Math.min(Number(count), Math.ceil((limit - length) / once.length));
        const all = new Uint8Array(once.length * Math.max(times, 0));
        for (let at = 0; at < all.length; at += once.length) all.set(once, at);
        push(all);
        break;
      }
    }
    if (length > limit) break;
  }
  if (chunks.length === 1) return chunks[0];
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function valueBytes(element: DataElement & { kind: 'value' }, unit: number, scope: Scope, final: boolean): Uint8Array {
  const { number, section, unknown } = evaluate(element.value, scope);
  const bytes = new Uint8Array(unit);
  let rest = number;
  for (let index = 0; index < unit; index++) {
    bytes[index] = Number(BigInt.asUintN(8, rest));
    rest >>= 8n;
  }
  if (final && unit < 8 && section === SCALAR && !unknown) {
    const bits = BigInt(unit * 8);
    if (number < -(1n << (bits - 1n)) || number >= 1n << bits) {
      scope.messages.warning(
        'value-exceeds-bounds',
        `the value ${number} does not fit in ${unit} bytes; its upper bits are lost`,
        element.place,
      );
    }
  }
  return bytes;
}
