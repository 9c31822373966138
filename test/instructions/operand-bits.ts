/** Operand size of an instruction form, from its name: `Shl_rm16_CL` has 16 bits. */
import { codeName } from '../../debug-adapter/engine/isa/codes.ts';
import type { DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';

export function operandBits(d: DecodedInstruction): number {
  const found = /_(?:rm|r|m)(8|16|32|64)(?!\d)/.exec(codeName(d.code));
  if (found === null) throw new Error(`${codeName(d.code)} does not name its operand size`);
  return Number(found[1]);
}
