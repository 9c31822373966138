/** The multi-line macros that are defined, by name and number of parameters. */
import { placeOf } from '../cursor.ts';
import type { Messages } from '../messages.ts';
import type { Token } from '../tokens.ts';
import { splitArguments, type MultiLineMacro } from './parameters.ts';

export class MultiLineMacros {
  readonly #exact = new Map<string, MultiLineMacro[]>();
  readonly #anyCase = new Map<string, MultiLineMacro[]>();
  /** Macros being expanded: their own name inside them is the instruction of that name. */
  readonly #busy = new Set<MultiLineMacro>();
  readonly #messages: Messages;

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  #all(name: string): readonly MultiLineMacro[] {
    const exact = this.#exact.get(name);
    const loose = this.#anyCase.get(name.toLowerCase());
    return exact === undefined ? (loose ?? []) : loose === undefined ? exact : [...exact, ...loose];
  }

  has(name: string): boolean {
    return this.#exact.has(name) || this.#anyCase.has(name.toLowerCase());
  }

  isBusy(name: string): boolean {
    return this.#all(name).some((macro) => this.#busy.has(macro));
  }

  define(macro: MultiLineMacro, anyCase: boolean): void {
    const table = anyCase ? this.#anyCase : this.#exact;
    const key = anyCase ? macro.name.toLowerCase() : macro.name;
    const others = table.get(key) ?? [];
    const clash = others.find(({ least, most }) => least <= macro.most && macro.least <= most);
    if (clash !== undefined) {
      const where = `line ${clash.place.line} of ${clash.place.file}`;
      this.#messages.error(
        'duplicate-macro',
        `macro "${macro.name}" is already defined for as many parameters at ${where}`,
        macro.place,
      );
      return;
    }
    table.set(key, [...others, macro]);
  }

  /** %unmacro: forgets the macros of that name with exactly these numbers of parameters. */
  undefine(name: string, least: number, most: number): void {
    for (const [table, key] of [
      [this.#exact, name],
      [this.#anyCase, name.toLowerCase()],
    ] as const) {
      const rest = (table.get(key) ?? []).filter((macro) => macro.least !== least || macro.most !== most);
      if (rest.length > 0) table.set(key, rest);
      else table.delete(key);
    }
  }

  /** The macro that takes as many parameters as follow the name, unless it is being expanded. */
  select(name: string, rest: readonly Token[]): MultiLineMacro | undefined {
    const count = splitArguments(rest, Infinity, false).length;
    return this.#all(name).find(
      (macro) => !this.#busy.has(macro) && count >= macro.least && (count <= macro.most || macro.greedy),
    );
  }

  /** `2` or `1 to 3`, for messages. */
  describe(name: string): string {
    const one = ({ least, most, greedy }: MultiLineMacro) => {
      if (most === Infinity || greedy) return `${least} or more`;
      return least === most ? String(least) : `${least} to ${most}`;
    };
    return this.#all(name).map(one).join(', or ');
  }

  enter(macro: MultiLineMacro): void {
    this.#busy.add(macro);
  }

  leave(macro: MultiLineMacro): void {
    this.#busy.delete(macro);
  }

  /** %ifmacro: `name` or `name 1-2`. */
  matches(tokens: readonly Token[]): boolean {
    const name = tokens[0];
    if (name?.kind !== 'identifier') return false;
    const counts = parseCounts(tokens.slice(1));
    const macros = this.#all(name.text);
    return counts === undefined
      ? macros.length > 0
      : macros.some(({ least, most }) => least <= counts.most && counts.least <= most);
  }
}

export interface ParameterCounts {
  readonly least: number;
  readonly most: number;
  readonly greedy: boolean;
  /** Tokens read. */
  readonly length: number;
}

/** `2`, `1-3`, `1-*`, `1+`, `1-2+` at the start of `tokens`; undefined when there is no number. */
export function parseCounts(tokens: readonly Token[]): ParameterCounts | undefined {
  const isOperator = (index: number, text: string) =>
    tokens[index]?.kind === 'operator' && tokens[index]?.text === text;
  const first = tokens[0];
  if (first?.kind !== 'number') return undefined;
  const least = Number(first.number ?? 0n);
  let most = least;
  let index = 1;
  if (isOperator(index, '-')) {
    const upper = tokens[index + 1];
    if (upper?.kind === 'number') most = Number(upper.number ?? 0n);
    else if (isOperator(index + 1, '*')) most = Infinity;
    index += 2;
  }
  const greedy = isOperator(index, '+');
  if (greedy) index += 1;
  const { line } = placeOf(first);
  const option = tokens[index];
  if (option?.kind === 'identifier' && option.text.toLowerCase() === '.nolist' && option.line === line) index += 1;
  return { least, most: Math.max(least, most), greedy, length: index };
}
