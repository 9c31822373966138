/** Which handler of the interpreter an instruction gets, and a name for it. */
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { HANDLERS, PSEUDO_HANDLER } from '../../debug-adapter/engine/execution/handlers.ts';
import { lower } from '../../debug-adapter/engine/execution/lowering.ts';
import { RECORD_BYTES } from '../../debug-adapter/engine/execution/record.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import { codeName } from '../../debug-adapter/engine/isa/codes.ts';
import type { DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';

const scratch = new DataView(new ArrayBuffer(RECORD_BYTES));
const FIRST = HANDLERS[0]!.number;

/** `add4 register,memory`: row, size and operand shape. */
export const handlerName = (number: number): string => {
  const { row, operands } = HANDLERS[number - FIRST]!;
  return `${row.name}${row.bytes} ${operands.map(({ kind }) => kind).join(',')}`.trimEnd();
};

export const ALL_HANDLER_NAMES: readonly string[] = HANDLERS.map(({ number }) => handlerName(number));
export const DEFERRED_NAMES: readonly string[] = [...DEFERRED_INSTRUCTIONS.keys()].map(codeName);

/** Name of the handler, or of the `Code` where the meaning is TypeScript in deferred.ts; undefined for everything else. */
export function executedBy(d: DecodedInstruction, bits: CodeBits): string | undefined {
  if (d.invalid) return undefined;
  const number = lower(scratch, 0, d, bits, 0);
  if (number !== PSEUDO_HANDLER.SYSTEM) return handlerName(number);
  return DEFERRED_INSTRUCTIONS.has(d.code) ? codeName(d.code) : undefined;
}
