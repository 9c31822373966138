/** Finds what the debugger can evaluate in a line of assembly source. */

export interface Token {
  /** Exclusive end; both count from 0 on the line. */
  readonly start: number;
  readonly end: number;
  /** What to evaluate. */
  readonly text: string;
}

const GENERAL = ['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp', 'sp'];
const numbered = (prefix: string, from: number, to: number, suffixes: readonly string[] = ['']): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    suffixes.map((suffix) => `${prefix}${from + index}${suffix}`),
  ).flat();

const REGISTERS: ReadonlySet<string> = new Set([
  ...['al', 'bl', 'cl', 'dl', 'ah', 'bh', 'ch', 'dh', 'sil', 'dil', 'bpl', 'spl'],
  ...['', 'e', 'r'].flatMap((width) => GENERAL.map((name) => width + name)),
  ...numbered('r', 8, 15, ['', 'd', 'w', 'b']),
  ...['cs', 'ds', 'es', 'fs', 'gs', 'ss'],
  ...['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'],
  ...['rip', 'eip', 'ip', 'rflags', 'eflags', 'flags'],
  ...numbered('xmm', 0, 15),
]);

const isRegister = (word: string): boolean => REGISTERS.has(word.toLowerCase());

/** The line with its comment and its strings replaced by spaces: columns stay. */
function withoutTextAndComment(line: string): string {
  let quote: string | undefined;
  let result = '';
  for (const letter of line) {
    if (quote !== undefined) {
      if (letter === quote) quote = undefined;
      result += ' ';
    } else if (letter === ';') {
      return result.padEnd(line.length);
    } else if (letter === '"' || letter === "'" || letter === '`') {
      quote = letter;
      result += ' ';
    } else result += letter;
  }
  return result;
}

const WORD = /[A-Za-z_.?$@%][\w.$#@~?%]*/g;

const words = (code: string): Token[] =>
  [...code.matchAll(WORD)].map((match) => ({ start: match.index, end: match.index + match[0].length, text: match[0] }));

/** Registers a line names, in lower case, each once. */
export function registersOf(line: string): Token[] {
  const found = new Map<string, Token>();
  for (const word of words(withoutTextAndComment(line))) {
    const text = word.text.toLowerCase();
    if (isRegister(text) && !found.has(text)) found.set(text, { ...word, text });
  }
  return [...found.values()];
}

export interface RegisterPlace extends Token {
  /** Counts from 0. */
  readonly line: number;
}

/**
 * Registers to show beside the source where the machine has stopped: those of the current line and of the few lines above it,
 * whose effect one has just seen. A register is shown once, on the line nearest to the current one.
 * @param lineAt text of a line, counting from 0.
 */
export function registersNear(lineAt: (line: number) => string, current: number, first: number): RegisterPlace[] {
  const shown = new Set<string>();
  const places: RegisterPlace[] = [];
  for (let line = current; line >= first; line--) {
    for (const register of registersOf(lineAt(line))) {
      if (shown.has(register.text)) continue;
      shown.add(register.text);
      places.push({ ...register, line });
    }
  }
  return places;
}

const SIZE_BEFORE_BRACKET = /\b(byte|word|dword|qword)\s+$/i;

/** The memory operand around a column, with its size where the source states one; a trailing column counts as inside. */
function memoryOperandAt(code: string, column: number): Token | undefined {
  const open = code.lastIndexOf('[', column);
  const close = code.indexOf(']', open);
  if (open < 0 || close < column) return undefined;
  const [stated = '', size] = SIZE_BEFORE_BRACKET.exec(code.slice(0, open)) ?? [];
  const inside = code
    .slice(open + 1, close)
    .replace(/^\s*(rel|abs)\s+/i, '')
    .trim();
  const text = size === undefined ? `[${inside}]` : `${size.toLowerCase()} [${inside}]`;
  return { start: open - stated.length, end: close + 1, text };
}

const LABEL = /^\s*([A-Za-z_?$@][\w.$#@~?]*)\s*:/;

/** A local label's full name: NASM prefixes it with the last label that is not local. */
function fullName(name: string, lineAt: (line: number) => string, line: number): string | undefined {
  for (let above = line; above >= 0; above--) {
    const parent = LABEL.exec(withoutTextAndComment(lineAt(above)))?.[1];
    if (parent !== undefined) return parent.includes('.') ? `${parent.split('.')[0]}${name}` : `${parent}${name}`;
  }
  return undefined;
}

/** Words of operands and directives that have no value. */
const KEYWORDS: ReadonlySet<string> = new Set(
  'byte word dword qword tword oword yword zword ptr rel abs short near far strict nosplit to equ db dw dd dq dt resb resw resd resq times'.split(
    ' ',
  ),
);

/** What a hover at a position evaluates: a register, a label, or on a bracket the whole memory operand. */
export function expressionAt(lineAt: (line: number) => string, line: number, column: number): Token | undefined {
  const code = withoutTextAndComment(lineAt(line));
  const word = words(code).find(({ start, end }) => start <= column && column < end);
  if (word === undefined) return memoryOperandAt(code, column);
  if (isRegister(word.text)) return { ...word, text: word.text.toLowerCase() };
  const begins = code.slice(0, word.start).replace(LABEL, '').trim() === '';
  const isLabelDefinition = code.slice(word.end).trimStart().startsWith(':');
  if (word.text.startsWith('%') || word.text.startsWith('$')) return undefined;
  if (begins && !isLabelDefinition) return undefined;
  if (KEYWORDS.has(word.text.toLowerCase())) return undefined;
  if (!word.text.startsWith('.')) return word;
  const text = fullName(word.text, lineAt, line);
  return text === undefined ? undefined : { ...word, text };
}
