/** What the language server asks the engine, in the shapes its features use. */
import {
  allRegisters,
  assemble,
  codeFacts,
  formsOf,
  listMnemonics,
  VMCS_FIELD_KEYS,
  vmcsField,
} from '../../../debug-adapter/engine/index.ts';
import type { Assembly, ReadInclude } from './assembly.ts';
import type { Vocabulary } from './features/completion.ts';
import type { Reference } from './features/hover.ts';

export function assembleProgram(file: string, source: string, readInclude: ReadInclude): Assembly {
  const { diagnostics, references, symbols, includedFiles } = assemble({ file, source, readInclude });
  return { diagnostics, references, symbols, includedFiles };
}

let words: Vocabulary | undefined;

export function vocabulary(): Vocabulary {
  words ??= { mnemonics: listMnemonics(), registers: allRegisters().map(({ name }) => name) };
  return words;
}

const keys: ReadonlySet<string> = new Set(VMCS_FIELD_KEYS);
const isKey = (key: string): key is (typeof VMCS_FIELD_KEYS)[number] => keys.has(key);

export const reference: Reference = {
  forms: (mnemonic) =>
    formsOf(mnemonic).map(({ code }) => {
      const { instructionString, opCodeString } = codeFacts(code);
      return { notation: instructionString, opCode: opCodeString };
    }),
  vmcsField: (key) => {
    if (!isKey(key)) return undefined;
    const { name, encoding, width, area } = vmcsField(key);
    const bits = width === 'natural' ? 'natural width' : `${width} bits`;
    return { name, encoding, facts: `${bits}, ${area}` };
  },
};
