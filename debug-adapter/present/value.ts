/** The result of an expression as text. */
import type { Value } from '../debugger/expression-evaluator.ts';
import type { SymbolTable } from '../debugger/symbols.ts';
import { hexOf } from './text.ts';

/** `,x` hexadecimal, `,d` signed decimal, `,u` unsigned, `,b` binary, `,c` character. */
const FORMATS = 'xdubc';

/** `rax,d` is expression `rax` in format `d`. */
export function splitFormat(text: string): { readonly text: string; readonly format: string | undefined } {
  const match = /^(.*),\s*([a-z])\s*$/s.exec(text);
  if (!match || !FORMATS.includes(match[2]!)) return { text, format: undefined };
  return { text: match[1]!, format: match[2] };
}

export function formatValue(
  { number, bits, isAddress, place }: Value,
  format: string | undefined,
  symbols: SymbolTable,
): string {
  switch (format) {
    case 'd':
      return BigInt.asIntN(bits, number).toString();
    case 'u':
      return number.toString();
    case 'b':
      return `0b${number.toString(2).padStart(bits, '0')}`;
    case 'c':
      return `'${String.fromCharCode(Number(number & 0xffn))}'`;
    case 'x':
      return hexOf(number, bits);
    default: {
      if (bits < 8) return number.toString();
      const worthNaming = isAddress || (place !== undefined && bits >= 16 && number >= 0x1000n);
      const symbol = worthNaming ? symbols.describe(number) : undefined;
      return symbol === undefined ? hexOf(number, bits) : `${hexOf(number, bits)} <${symbol}>`;
    }
  }
}
