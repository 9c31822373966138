/** Written operands of an instruction, before values are known. */
import type { Cursor } from '../cursor.ts';
import { placeOf } from '../cursor.ts';
import type { Place } from '../messages.ts';
import { parseExpression, type Expression, type ExpressionContext } from '../expression.ts';
import { registerByName, type RegisterInfo } from '../../isa/registers.ts';
import { parseAddress, type Address } from './address.ts';

interface OperandBase {
  /** Size keyword in bytes; 0 for none. */
  readonly bytes: number;
  readonly strict: boolean;
  /** `{k1}`, `{z}`, `{rn-sae}`, `{sae}` in lower case without braces. */
  readonly decorators: readonly string[];
  readonly place: Place;
}

export type Operand =
  | (OperandBase & { readonly kind: 'register'; readonly info: RegisterInfo; readonly to: boolean })
  | (OperandBase & {
      readonly kind: 'memory';
      readonly address: Address;
      readonly far: boolean;
      readonly broadcast: number;
    })
  | (OperandBase & {
      readonly kind: 'value';
      readonly value: Expression;
      readonly distance: 'short' | 'near' | undefined;
    })
  | (OperandBase & { readonly kind: 'far'; readonly selector: Expression; readonly offset: Expression })
  /** Rounding written as an operand of its own. */
  | (OperandBase & { readonly kind: 'decorator' });

/** Size keywords in bytes. */
const SIZE_KEYWORDS: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  xword: 16,
  yword: 32,
  zword: 64,
};

const DECORATOR = /^(?:k[1-7]|z|r[nduz]-sae|sae|1to\d+)$/;

interface Keywords {
  bytes: number;
  strict: boolean;
  far: boolean;
  to: boolean;
  distance: 'short' | 'near' | undefined;
}

function parseKeywords(cursor: Cursor): Keywords {
  const keywords: Keywords = { bytes: 0, strict: false, far: false, to: false, distance: undefined };
  for (;;) {
    const { word } = cursor;
    if (word === undefined) return keywords;
    const bytes = Object.hasOwn(SIZE_KEYWORDS, word) ? SIZE_KEYWORDS[word] : undefined;
    if (bytes !== undefined) keywords.bytes = bytes;
    else if (word === 'strict') keywords.strict = true;
    else if (word === 'short' || word === 'near') keywords.distance = word;
    else if (word === 'far') keywords.far = true;
    else if (word === 'to') keywords.to = true;
    else if (word !== 'ptr') return keywords;
    cursor.index += 1;
  }
}

/** `{k1}{z}` after an operand. Unknown ones are reported. */
function parseDecorators(cursor: Cursor, context: ExpressionContext): string[] {
  const decorators: string[] = [];
  while (cursor.isOperator('{')) {
    const { place } = cursor;
    cursor.index += 1;
    let text = '';
    while (!cursor.done && !cursor.isOperator('}')) {
      text += cursor.token?.text ?? '';
      cursor.index += 1;
    }
    cursor.skipOperator('}');
    if (DECORATOR.test(text.toLowerCase())) decorators.push(text.toLowerCase());
    else context.messages.error('bad-operand', `"{${text}}" is not an operand decorator`, place);
  }
  return decorators;
}

/** Parses one operand; undefined after reporting why not. */
export function parseOperand(
  cursor: Cursor,
  context: ExpressionContext,
  defaultRelative: boolean,
): Operand | undefined {
  const { place } = cursor;
  const keywords = parseKeywords(cursor);
  const base = (decorators: readonly string[]) => ({
    bytes: keywords.bytes,
    strict: keywords.strict,
    decorators,
    place,
  });
  if (cursor.isOperator('{')) return { kind: 'decorator', ...base(parseDecorators(cursor, context)) };
  const { token, word } = cursor;
  const register = word === undefined ? undefined : registerByName(word);
  const after = cursor.peek(1);
  if (register !== undefined && register.class !== 'ip' && !(after?.kind === 'operator' && after.text === ':')) {
    cursor.index += 1;
    return { kind: 'register', info: register, to: keywords.to, ...base(parseDecorators(cursor, context)) };
  }
  if (cursor.isOperator('[')) {
    const address = parseAddress(cursor, context, defaultRelative);
    if (address === undefined) return undefined;
    const decorators = parseDecorators(cursor, context);
    const broadcast = decorators.find((name) => name.startsWith('1to'));
    return {
      kind: 'memory',
      address,
      far: keywords.far,
      broadcast: broadcast === undefined ? 0 : Number(broadcast.slice(3)),
      ...base(decorators.filter((name) => name !== broadcast)),
    };
  }
  if (register?.class === 'segment' && token !== undefined) {
    context.messages.error(
      'bad-operand',
      `write the segment inside the brackets: [${register.name}:...]`,
      placeOf(token),
    );
    return undefined;
  }
  const value = parseExpression(cursor, context);
  if (value === undefined) return undefined;
  if (cursor.skipOperator(':')) {
    const offset = parseExpression(cursor, context);
    return offset && { kind: 'far', selector: value, offset, ...base([]) };
  }
  if (keywords.far) {
    context.messages.error('bad-operand', 'a far target is written as selector:offset', place);
    return undefined;
  }
  return { kind: 'value', value, distance: keywords.distance, ...base(parseDecorators(cursor, context)) };
}
