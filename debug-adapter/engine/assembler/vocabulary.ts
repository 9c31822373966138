/** Every word the assembler knows, for completion, hover and the grammar's tests. */
import { allRegisters } from '../isa/registers.ts';
import { directiveWords } from './parser.ts';
import { DIRECTIVES as PREPROCESSOR_DIRECTIVES } from './preprocessor/directives.ts';
import { conditionWords } from './preprocessor/conditions.ts';

export { listMnemonics } from './instruction/forms.ts';

/** Registers that can be written, lower case; RIP and EIP cannot. */
export function listRegisters(): readonly string[] {
  return allRegisters()
    .filter((info) => info.class !== 'ip')
    .map((info) => info.name);
}

/** Directives of the assembler (`section`, `db`) and of the preprocessor (`%define`), lower case. */
export function listDirectives(): readonly string[] {
  return [...directiveWords(), ...PREPROCESSOR_DIRECTIVES.keys(), ...conditionWords(), '%else', '%endif'].sort();
}
