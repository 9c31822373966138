/** Every handler of the interpreter: which rows exist, what number each combination of row and operand shape has. */
import { codeByName } from '../isa/codes.ts';
import type { EmittedRow, Operand } from '../instructions/builder.ts';
import { EMITTED_ROWS, STRING_ROWS } from '../instructions/index.ts';
import type { Repeat } from '../instructions/strings.ts';

/** Handlers that are not instructions. */
export const PSEUDO_HANDLER = {
  LINK_NEXT: 0,
  LINK_TARGET: 1,
  SYSTEM: 2,
  BREAKPOINT: 3,
  CROSS: 4,
  LATE: 5,
  STALE: 6,
} as const;
const FIRST_ROW_HANDLER = 7;

export interface Handler {
  readonly number: number;
  readonly row: EmittedRow;
  readonly operands: readonly Operand[];
}

/** How one `Code` is executed: its row and the handler for each operand shape. */
export interface LoweredCode {
  readonly row: EmittedRow;
  readonly handlers: ReadonlyMap<string, number>;
}

const SHAPE_LETTER: { readonly [K in Operand['kind']]: string } = { register: 'r', memory: 'm', immediate: 'i' };
export const shapeKey = (kinds: readonly Operand['kind'][]): string => kinds.map((kind) => SHAPE_LETTER[kind]).join('');

function operandsOf(row: EmittedRow, shape: readonly Operand['kind'][]): readonly Operand[] {
  return shape.map((kind, i) => {
    const bytes = row.operandBytes?.[i] ?? row.bytes;
    return kind === 'register' ? { kind, slot: i as 0 | 1 | 2, bytes } : { kind, bytes };
  });
}

const handlers: Handler[] = [];

function lower(rows: readonly EmittedRow[]): ReadonlyMap<number, LoweredCode> {
  const table = new Map<number, LoweredCode>();
  for (const row of rows) {
    const numbers = new Map<string, number>();
    for (const shape of row.shapes) {
      const number = FIRST_ROW_HANDLER + handlers.length;
      handlers.push({ number, row, operands: operandsOf(row, shape) });
      numbers.set(shapeKey(shape), number);
    }
    for (const name of row.codes) {
      const code = codeByName(name);
      if (code === undefined) throw new Error(`Invariant broken: no instruction form is called ${name}`);
      if (table.has(code)) throw new Error(`Invariant broken: ${name} is in two rows`);
      table.set(code, { row, handlers: numbers });
    }
  }
  return table;
}

/** Rows by iced `Code`, without the string instructions. */
export const LOWERED: ReadonlyMap<number, LoweredCode> = lower(EMITTED_ROWS);
/** String instructions by repeat kind. */
export const LOWERED_STRINGS: { readonly [R in Repeat]: ReadonlyMap<number, LoweredCode> } = {
  once: lower(STRING_ROWS.once),
  rep: lower(STRING_ROWS.rep),
  repe: lower(STRING_ROWS.repe),
  repne: lower(STRING_ROWS.repne),
};
/** In handler-number order, starting behind the pseudo handlers. */
export const HANDLERS: readonly Handler[] = handlers;
