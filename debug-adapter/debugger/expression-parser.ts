/**
 * Expressions over the machine: `rsp+8`, `dword [0x1000]`, `vmcs.GUEST_RIP & 0xfff`, `reason == cpuid && rax == 0x80000001`.
 * Numbers are 64-bit and unsigned; precedence is C's.
 */
import type { AddressSpace } from '../engine/index.ts';
import { ExpressionError, tokenize } from './expression-tokens.ts';
import type { Token } from './expression-tokens.ts';

export type OperandBytes = 1 | 2 | 4 | 8;
export type UnaryOperator = '-' | '~' | '!' | '+';
export type BinaryOperator =
  '||' | '&&' | '|' | '^' | '&' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '<<' | '>>' | '+' | '-' | '*' | '/' | '%';

export type Expression =
  | { readonly kind: 'number'; readonly value: bigint; readonly column: number }
  | { readonly kind: 'name'; readonly name: string; readonly column: number }
  | {
      readonly kind: 'memory';
      /** Undefined: as wide as the registers of the current code size. */
      readonly bytes: OperandBytes | undefined;
      readonly space: AddressSpace;
      /** Segment register whose base is added. */
      readonly segment: string | undefined;
      readonly address: Expression;
      readonly column: number;
    }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression; readonly column: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly column: number;
    };

export type Parsed =
  { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly error: ExpressionError };

/** `place = value`, as the debug console and setExpression take it. */
export interface Assignment {
  readonly target: Expression;
  readonly value: Expression;
}

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '<=': 7,
  '>': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};
const SIZES: ReadonlyMap<string, OperandBytes> = new Map([
  ['byte', 1],
  ['word', 2],
  ['dword', 4],
  ['qword', 8],
]);
const SPACES: ReadonlyMap<string, AddressSpace> = new Map([
  ['gpa', 'guest-physical'],
  ['hpa', 'host-physical'],
  ['linear', 'linear'],
]);
const SEGMENTS: ReadonlySet<string> = new Set(['cs', 'ss', 'ds', 'es', 'fs', 'gs']);
/** Deeper nesting is a mistake and must not overflow the stack. */
const MAX_DEPTH = 100;

export function parseExpression(text: string): Parsed {
  try {
    const parser = new Parser(tokenize(text));
    const expression = parser.expression();
    parser.end();
    return { ok: true, expression };
  } catch (error) {
    if (error instanceof ExpressionError) return { ok: false, error };
    throw error;
  }
}

/** Undefined where the text is no assignment at all (then it is an expression, right or wrong). */
export function parseAssignment(text: string): Assignment | ExpressionError | undefined {
  try {
    const tokens = tokenize(text);
    if (!tokens.some((token) => token.kind === 'operator' && token.text === '=')) return undefined;
    const parser = new Parser(tokens);
    const target = parser.expression();
    parser.expect('=');
    const value = parser.expression();
    parser.end();
    return { target, value };
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
}

class Parser {
  private readonly tokens: readonly Token[];
  private position = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  expression(minimum = 1): Expression {
    if (++this.depth > MAX_DEPTH) throw new ExpressionError('The expression is nested too deeply.', this.peek().column);
    let left = this.unary();
    for (;;) {
      const token = this.peek();
      if (token.kind !== 'operator' || !Object.hasOwn(PRECEDENCE, token.text)) break;
      const operator = token.text as BinaryOperator;
      if (PRECEDENCE[operator] < minimum) break;
      this.position++;
      const right = this.expression(PRECEDENCE[operator] + 1);
      left = { kind: 'binary', operator, left, right, column: token.column };
    }
    this.depth--;
    return left;
  }

  end(): void {
    const token = this.peek();
    if (token.kind === 'end') return;
    throw new ExpressionError(`${describe(token)} is not expected here.`, token.column);
  }

  expect(text: string): void {
    const token = this.peek();
    if (!this.accept(text)) throw new ExpressionError(`"${text}" is missing before ${describe(token)}.`, token.column);
  }

  private unary(): Expression {
    const token = this.peek();
    if (token.kind === 'operator' && ['-', '~', '!', '+'].includes(token.text)) {
      this.position++;
      if (++this.depth > MAX_DEPTH) throw new ExpressionError('The expression is nested too deeply.', token.column);
      const operand = this.unary();
      this.depth--;
      return { kind: 'unary', operator: token.text as UnaryOperator, operand, column: token.column };
    }
    return this.primary();
  }

  private primary(): Expression {
    const token = this.peek();
    if (token.kind === 'end') throw new ExpressionError('The expression ends too early.', token.column);
    this.position++;
    if (token.kind === 'number') return token;
    if (token.kind === 'operator') {
      if (token.text === '(') {
        const inner = this.expression();
        this.expect(')');
        return inner;
      }
      if (token.text === '[') return this.memory(token.column, undefined, 'linear', undefined);
      throw new ExpressionError(`${describe(token)} is not expected here.`, token.column);
    }
    const lower = token.text.toLowerCase();
    const size = SIZES.get(lower);
    if (size !== undefined) return this.sizedMemory(token.column, size);
    if (this.nextIs(':')) return this.sizedMemory(token.column, undefined, token);
    return { kind: 'name', name: token.text, column: token.column };
  }

  /** What follows a size: an optional `gpa:`, `hpa:` or segment override, and brackets. */
  private sizedMemory(column: number, bytes: OperandBytes | undefined, prefix?: Token): Expression {
    let space: AddressSpace = 'linear';
    let segment: string | undefined;
    let name = prefix;
    if (name === undefined && this.peek().kind === 'name') {
      name = this.peek();
      this.position++;
    }
    if (name?.kind === 'name') {
      const lower = name.text.toLowerCase();
      const named = SPACES.get(lower);
      if (named !== undefined) space = named;
      else if (SEGMENTS.has(lower)) segment = lower;
      else
        throw new ExpressionError(
          `"${name.text}" is no address space: write gpa:[...], hpa:[...] or a segment such as fs:[...].`,
          name.column,
        );
      this.expect(':');
    }
    this.expect('[');
    return this.memory(column, bytes, space, segment);
  }

  private memory(
    column: number,
    bytes: OperandBytes | undefined,
    space: AddressSpace,
    segment: string | undefined,
  ): Expression {
    // `[fs:0x10]` is how the assembler writes it.
    const token = this.peek();
    if (segment === undefined && token.kind === 'name' && SEGMENTS.has(token.text.toLowerCase())) {
      const after = this.tokens[this.position + 1];
      if (after?.kind === 'operator' && after.text === ':') {
        segment = token.text.toLowerCase();
        this.position += 2;
      }
    }
    const address = this.expression();
    this.expect(']');
    return { kind: 'memory', bytes, space, segment, address, column };
  }

  private peek(): Token {
    return this.tokens[this.position]!;
  }

  private nextIs(text: string): boolean {
    const token = this.peek();
    return token.kind === 'operator' && token.text === text;
  }

  private accept(text: string): boolean {
    if (!this.nextIs(text)) return false;
    this.position++;
    return true;
  }
}

function describe(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'the end';
    case 'number':
      return `number ${token.value}`;
    case 'name':
    case 'operator':
      return `"${token.text}"`;
  }
}
