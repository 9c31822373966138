/** Single-line macros: %define, %xdefine, %assign and the predefined ones. */
import { placeOf } from '../cursor.ts';
import type { Messages, Place } from '../messages.ts';
import type { Token } from '../tokens.ts';
import { paste } from './parameters.ts';

export interface SingleLineMacro {
  readonly name: string;
  /** Undefined for a macro used without parentheses. */
  readonly parameters: readonly string[] | undefined;
  readonly body: readonly Token[];
  readonly place: Place | undefined;
}

/** A line that grows beyond this many tokens comes from macros that multiply each other. */
const MAX_TOKENS = 20_000;
const MAX_DEPTH = 100;

export class SingleLineMacros {
  readonly #exact = new Map<string, SingleLineMacro[]>();
  readonly #anyCase = new Map<string, SingleLineMacro[]>();
  readonly #messages: Messages;
  /** Called with each name that is replaced. */
  readonly #onUse: (macro: SingleLineMacro, token: Token) => void;
  /** Body of a macro whose value depends on where it is used; undefined for all others. */
  readonly #dynamic: (name: string, token: Token) => Token | undefined;
  #budget = 0;
  #failed = false;

  constructor(
    messages: Messages,
    onUse: (macro: SingleLineMacro, token: Token) => void,
    dynamic: (name: string, token: Token) => Token | undefined,
  ) {
    this.#messages = messages;
    this.#onUse = onUse;
    this.#dynamic = dynamic;
  }

  /** Defines, replacing a macro of the same name and number of parameters. A name has either parameters or none. */
  define(macro: SingleLineMacro, anyCase: boolean): void {
    const table = anyCase ? this.#anyCase : this.#exact;
    const key = anyCase ? macro.name.toLowerCase() : macro.name;
    const arity = macro.parameters?.length;
    const others = (table.get(key) ?? []).filter(
      ({ parameters }) => arity !== undefined && parameters !== undefined && parameters.length !== arity,
    );
    table.set(key, [...others, macro]);
  }

  undefine(name: string): void {
    this.#exact.delete(name);
    this.#anyCase.delete(name.toLowerCase());
  }

  isDefined(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  #find(name: string): readonly SingleLineMacro[] | undefined {
    return this.#exact.get(name) ?? this.#anyCase.get(name.toLowerCase());
  }

  /** Replaces every single-line macro, `%[...]` and `%+` in a line. Nothing is left of a line with a mistake in that. */
  expand(tokens: readonly Token[]): readonly Token[] {
    if (!tokens.some((token) => this.#matters(token))) return tokens;
    this.#budget = MAX_TOKENS;
    this.#failed = false;
    const expanded = this.#expand(tokens, new Set(), 0);
    return this.#failed ? [] : joinPastes(expanded);
  }

  #matters(token: Token): boolean {
    if (token.kind === 'operator') return token.text === '%[' || token.text === '%+';
    return token.kind === 'identifier' && (this.#find(token.text) !== undefined || token.text.startsWith('__'));
  }

  #expand(tokens: readonly Token[], active: ReadonlySet<string>, depth: number): Token[] {
    const out: Token[] = [];
    for (let index = 0; index < tokens.length; index++) {
      const token = tokens[index];
      if (this.#failed) return out;
      if (--this.#budget < 0 || depth > MAX_DEPTH) {
        this.#fail('expansion-limit', 'this line grows without end when its macros are expanded', token);
        return out;
      }
      if (token.kind === 'operator' && token.text === '%[') {
        const end = closingBracket(tokens, index);
        const inner = this.#expand(tokens.slice(index + 1, end), active, depth + 1);
        inner.forEach((part, at) => {
          const placed = at === 0 ? { ...part, space: token.space } : part;
          if (at > 0 || token.space || !paste(out, placed)) out.push(placed);
        });
        index = end;
        const following = tokens[index + 1];
        if (following !== undefined && !following.space && inner.length > 0 && paste(out, following)) index += 1;
        continue;
      }
      const replaced =
        token.kind === 'identifier' && token.escaped !== true ? this.#replace(tokens, index, active, depth) : undefined;
      if (replaced === undefined) out.push(token);
      else {
        for (const part of replaced.tokens) out.push(part);
        index = replaced.last;
      }
    }
    return out;
  }

  #fail(code: string, message: string, token: Token): void {
    this.#failed = true;
    this.#messages.error(code, message, placeOf(token));
  }

  #replace(
    tokens: readonly Token[],
    index: number,
    active: ReadonlySet<string>,
    depth: number,
  ): { readonly tokens: readonly Token[]; readonly last: number } | undefined {
    const token = tokens[index];
    if (active.has(token.text)) return undefined;
    const macros = this.#find(token.text);
    if (macros === undefined) {
      const dynamic = token.text.startsWith('__') ? this.#dynamic(token.text, token) : undefined;
      return dynamic === undefined ? undefined : { tokens: [dynamic], last: index };
    }
    const plain = macros.find(({ parameters }) => parameters === undefined);
    const inner = new Set(active).add(token.text);
    if (plain !== undefined) {
      this.#onUse(plain, token);
      return { tokens: this.#expand(relocate(plain, token), inner, depth + 1), last: index };
    }
    const open = tokens[index + 1];
    if (open === undefined || open.kind !== 'operator' || open.text !== '(') return undefined;
    const { args, end } = callArguments(tokens, index + 1);
    if (end >= tokens.length) {
      this.#fail('bad-macro-call', `the arguments of macro "${token.text}" have no closing ")"`, token);
      return { tokens: [], last: tokens.length };
    }
    const macro =
      macros.find(({ parameters }) => parameters?.length === args.length) ??
      (args.length === 1 && args[0].length === 0
        ? macros.find(({ parameters }) => parameters?.length === 0)
        : undefined);
    if (macro === undefined) {
      const counts = macros.map(({ parameters }) => parameters?.length ?? 0).join(' or ');
      this.#fail('bad-macro-call', `macro "${token.text}" takes ${counts} arguments, not ${args.length}`, token);
      return { tokens: [], last: end };
    }
    this.#onUse(macro, token);
    const expanded = args.map((arg) => this.#expand(arg, active, depth + 1));
    const body: Token[] = [];
    for (const part of relocate(macro, token)) {
      const at = part.kind === 'identifier' ? macro.parameters!.indexOf(part.text) : -1;
      if (at < 0) body.push(part);
      else expanded[at].forEach((piece, order) => body.push(order === 0 ? { ...piece, space: part.space } : piece));
    }
    return { tokens: this.#expand(body, inner, depth + 1), last: end };
  }
}

/** The body with the place of the use. */
function relocate(macro: SingleLineMacro, use: Token): readonly Token[] {
  const origin = macro.place ?? { file: '', line: 0 };
  const via = use.via ?? { macro: macro.name, file: origin.file, line: origin.line };
  const place = { ...placeOf(use), via };
  return macro.body.map((token, index) => ({ ...token, ...place, space: index === 0 ? use.space : token.space }));
}

function closingBracket(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const token = tokens[index];
    if (token.kind !== 'operator') continue;
    if (token.text === '[' || token.text === '%[') depth += 1;
    else if (token.text === ']' && --depth === 0) return index;
  }
  return tokens.length;
}

/** Arguments between parentheses, `open` being the index of "("; `end` the index of ")", or past the end. */
function callArguments(tokens: readonly Token[], open: number): { args: Token[][]; end: number } {
  const args: Token[][] = [[]];
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const token = tokens[index];
    const operator = token.kind === 'operator' ? token.text : '';
    if (operator === '(' || operator === '{' || operator === '[') {
      depth += 1;
      if (depth === 1) continue;
    } else if (operator === ')' || operator === '}' || operator === ']') {
      depth -= 1;
      if (depth === 0) return { args, end: index };
    } else if (operator === ',' && depth === 1) {
      args.push([]);
      continue;
    }
    args.at(-1)!.push(token);
  }
  return { args, end: tokens.length };
}

/** `a %+ b` becomes one word. */
function joinPastes(tokens: readonly Token[]): readonly Token[] {
  if (!tokens.some(({ kind, text }) => kind === 'operator' && text === '%+')) return tokens;
  const out: Token[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    const next = tokens[index + 1];
    if (token.kind === 'operator' && token.text === '%+' && next !== undefined) {
      index += 1;
      if (!paste(out, next)) out.push({ ...next, space: false });
    } else out.push(token);
  }
  return out;
}
