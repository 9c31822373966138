/** Which handler of the interpreter an instruction gets, and a name for it. */
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { HANDLERS, LOWERED, PSEUDO_HANDLER } from '../../debug-adapter/engine/execution/handlers.ts';
import { lower } from '../../debug-adapter/engine/execution/lowering.ts';
import { RECORD_BYTES } from '../../debug-adapter/engine/execution/record.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import { SYSTEM_ROWS } from '../../debug-adapter/engine/instructions/system/emitted/index.ts';
import { X87_ROWS } from '../../debug-adapter/engine/instructions/x87/emitted/index.ts';
import { codeName } from '../../debug-adapter/engine/isa/codes.ts';
import type { DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';

const scratch = new DataView(new ArrayBuffer(RECORD_BYTES));

const names = new Map<number, string>();
for (const { number, row, operands } of HANDLERS) {
  const name = `${row.name}${row.bytes} ${operands.map(({ kind }) => kind).join(',')}`.trimEnd();
  names.set(number, [...names.values()].includes(name) ? `${name} of ${row.codes[0]}` : name);
}

/** `add4 register,memory`: row, size and operand shape. */
const handlerName = (number: number): string => names.get(number)!;

/** Those that other tests compare with their TypeScript implementations: test/instructions/x87 and test/instructions/system. */
const COMPARED_ROWS = new Set([...X87_ROWS, ...SYSTEM_ROWS]);
export const GENERAL_HANDLER_NAMES: readonly string[] = HANDLERS.filter(({ row }) => !COMPARED_ROWS.has(row)).map(
  ({ number }) => handlerName(number),
);
/** Instructions of deferred.ts that no row hands over: those that do are known by the handler's name. */
export const DEFERRED_NAMES: readonly string[] = [...DEFERRED_INSTRUCTIONS.keys()]
  .filter((code) => !LOWERED.has(code))
  .map(codeName);

/** Name of the handler, or of the `Code` where the meaning is TypeScript in deferred.ts; undefined for everything else. */
export function executedBy(d: DecodedInstruction, bits: CodeBits): string | undefined {
  if (d.invalid) return undefined;
  const number = lower(scratch, 0, d, bits, 0);
  if (number !== PSEUDO_HANDLER.SYSTEM) return handlerName(number);
  return DEFERRED_INSTRUCTIONS.has(d.code) ? codeName(d.code) : undefined;
}
