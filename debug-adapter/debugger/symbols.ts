/** Names and source lines of a program, both ways. Built once per launch; every question is a binary search. */
import type { CodeBits, LineSpan, Program, ProgramSymbol } from '../engine/index.ts';

export interface SymbolPlace {
  readonly symbol: ProgramSymbol;
  readonly offset: bigint;
}

/** A symbol further away than this says nothing about an address. */
const MAX_SYMBOL_DISTANCE = 0x1_0000n;

export class SymbolTable {
  /** Symbols that name addresses, sorted by them. */
  readonly sorted: readonly ProgramSymbol[];
  readonly lines: readonly LineSpan[];
  /** Source files in the order in which their code appears. */
  readonly files: readonly string[];
  private readonly byName = new Map<string, ProgramSymbol>();
  private readonly codeByFile = new Map<string, LineSpan[]>();

  constructor(program: Pick<Program, 'symbols' | 'lines'>) {
    const byAddress = (a: { address: bigint }, b: { address: bigint }) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : 0;
    this.sorted = program.symbols.filter((symbol) => symbol.kind !== 'constant').sort(byAddress);
    this.lines = [...program.lines].sort(byAddress);
    for (const symbol of program.symbols) if (!this.byName.has(symbol.name)) this.byName.set(symbol.name, symbol);
    const files = new Set<string>();
    for (const span of this.lines) {
      files.add(span.file);
      if (!span.code) continue;
      const spans = this.codeByFile.get(span.file);
      if (spans) spans.push(span);
      else this.codeByFile.set(span.file, [span]);
    }
    for (const spans of this.codeByFile.values()) spans.sort((a, b) => a.line - b.line || byAddress(a, b));
    this.files = [...files];
  }

  named(name: string): ProgramSymbol | undefined {
    return this.byName.get(name);
  }

  names(): IterableIterator<string> {
    return this.byName.keys();
  }

  /** The symbol at or nearest below an address. */
  nearest(address: bigint): SymbolPlace | undefined {
    const index = lastAtOrBelow(this.sorted, address);
    if (index < 0) return undefined;
    let best = this.sorted[index]!;
    // Of several names for one address, code reads better than data, and a whole label better than a local one.
    for (let other = index - 1; other >= 0 && this.sorted[other]!.address === best.address; other--) {
      const candidate = this.sorted[other]!;
      if (candidate.kind === 'code' && (best.kind !== 'code' || best.name.includes('.'))) best = candidate;
    }
    const offset = address - best.address;
    if (offset > (best.bytes > 0 ? BigInt(best.bytes) : MAX_SYMBOL_DISTANCE)) return undefined;
    return { symbol: best, offset };
  }

  /** `main`, `main+0x12`, or undefined far from any symbol. */
  describe(address: bigint): string | undefined {
    const place = this.nearest(address);
    if (!place) return undefined;
    return place.offset === 0n ? place.symbol.name : `${place.symbol.name}+0x${place.offset.toString(16)}`;
  }

  /** Name of the symbol at exactly this address. */
  readonly exactly = (address: bigint): string | undefined => {
    const place = this.nearest(address);
    return place?.offset === 0n ? place.symbol.name : undefined;
  };

  lineAt(address: bigint): LineSpan | undefined {
    const span = this.lines[lastAtOrBelow(this.lines, address)];
    return span && address < span.address + BigInt(span.bytes) ? span : undefined;
  }

  /** Code size the source gives an address; undefined outside the program. */
  bitsAt(address: bigint): CodeBits | undefined {
    return this.lineAt(address)?.bits;
  }

  /** Index into `lines` of the span that holds the address, or of the last one before it; -1 before all. */
  lineIndex(address: bigint): number {
    return lastAtOrBelow(this.lines, address);
  }

  /** The first code of a source line, or of the next line that has code. All addresses, where a macro or `times` repeats the line. */
  codeAtOrAfter(file: string, line: number): readonly LineSpan[] {
    const spans = this.codeByFile.get(file) ?? [];
    const first = spans.find((span) => span.line >= line);
    if (!first) return [];
    const same = spans.filter((span) => span.line === first.line);
    // Adjoining spans are one statement: only their start is a place to stop.
    return same.filter((span, index) => {
      const before = same[index - 1];
      return !before || before.address + BigInt(before.bytes) !== span.address;
    });
  }

  /** Lines of a file that have code, in order. */
  codeLines(file: string): readonly number[] {
    return [...new Set((this.codeByFile.get(file) ?? []).map((span) => span.line))];
  }

  /** Symbols whose name matches: exactly, or by a regular expression written `/.../`. */
  matching(pattern: string): readonly ProgramSymbol[] {
    if (pattern.length > 2 && pattern.startsWith('/') && pattern.endsWith('/')) {
      const expression = new RegExp(pattern.slice(1, -1), 'u');
      return this.sorted.filter((symbol) => symbol.kind === 'code' && expression.test(symbol.name));
    }
    const symbol = this.byName.get(pattern);
    return symbol && symbol.kind !== 'constant' ? [symbol] : [];
  }
}

/** Index of the last element whose address is not above the given one; -1 where all are. */
function lastAtOrBelow(sorted: readonly { readonly address: bigint }[], address: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
