/** Text of an expression to tokens. Columns count from 1. */

/** What is wrong with an expression, and where. Thrown inside the parser and evaluator, returned by their entry points. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  readonly column: number;
  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}

export type Token =
  | { readonly kind: 'number'; readonly value: bigint; readonly column: number }
  | { readonly kind: 'name'; readonly text: string; readonly column: number }
  | { readonly kind: 'operator'; readonly text: string; readonly column: number }
  | { readonly kind: 'end'; readonly column: number };

const OPERATORS = ['<<', '>>', '<=', '>=', '==', '!=', '&&', '||', ...'+-*/%&|^~!<>()[]:='];
const NAME = /[A-Za-z_.?@$][\w.$#@~?]*/y;
const NUMERAL = /[0-9][0-9A-Za-z_]*/y;

/** `10`, `0x1f`, `1fh`, `0b101`, `101b`, `0o17`, with `_` between digits. */
function parseNumber(text: string): bigint | undefined {
  const plain = text.replaceAll('_', '').toLowerCase();
  const forms: readonly (readonly [RegExp, string])[] = [
    [/^0[xh]([0-9a-f]+)$/, '0x'],
    [/^([0-9][0-9a-f]*)h$/, '0x'],
    [/^0b([01]+)$/, '0b'],
    [/^([01]+)b$/, '0b'],
    [/^0o([0-7]+)$/, '0o'],
    [/^([0-9]+)d?$/, ''],
  ];
  for (const [form, prefix] of forms) {
    const digits = form.exec(plain)?.[1];
    if (digits !== undefined) return BigInt(prefix + digits);
  }
  return undefined;
}

export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const column = at + 1;
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    const numeral = match(NUMERAL);
    if (numeral !== undefined) {
      const value = parseNumber(numeral);
      if (value === undefined)
        throw new ExpressionError(`"${numeral}" is not a number; hexadecimal is written 0x1f or 1fh.`, column);
      if (value >= 1n << 64n) throw new ExpressionError(`"${numeral}" does not fit in 64 bits.`, column);
      tokens.push({ kind: 'number', value, column });
      at += numeral.length;
      continue;
    }
    const name = match(NAME);
    if (name !== undefined) {
      tokens.push({ kind: 'name', text: name, column });
      at += name.length;
      continue;
    }
    const operator = OPERATORS.find((candidate) => text.startsWith(candidate, at));
    if (operator === undefined) throw new ExpressionError(`"${text[at]}" has no meaning in an expression.`, column);
    tokens.push({ kind: 'operator', text: operator, column });
    at += operator.length;
  }
  tokens.push({ kind: 'end', column: text.length + 1 });
  return tokens;
}
