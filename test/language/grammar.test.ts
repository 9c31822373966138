import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import { INITIAL, parseRawGrammar, Registry, type IGrammar } from 'vscode-textmate';
import { listMnemonics } from '../../debug-adapter/engine/index.ts';
import { classesOf, grammarText } from '../../scripts/lib/grammar.ts';
import { fromRoot } from '../../scripts/lib/root.ts';

const FILE = fromRoot('syntaxes', 'nasm-guest.tmLanguage.json');

async function loadGrammar(): Promise<IGrammar> {
  const wasm = readFileSync(createRequire(import.meta.url).resolve('vscode-oniguruma/release/onig.wasm'));
  await loadWASM({ data: wasm });
  const registry = new Registry({
    onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
    loadGrammar: async () => parseRawGrammar(readFileSync(FILE, 'utf8'), FILE),
  });
  const grammar = await registry.loadGrammar('source.nasm-guest');
  assert.ok(grammar);
  return grammar;
}

/** Each visible token with the beginning of its innermost scope: `mov<keyword.mnemonic>`. */
function tokensOf(grammar: IGrammar, line: string): string[] {
  return grammar
    .tokenizeLine(line, INITIAL)
    .tokens.map(({ startIndex, endIndex, scopes }) => {
      const scope = scopes.length === 1 ? '' : (scopes.at(-1) ?? '').replace(/\.nasm-guest$/, '');
      return { text: line.slice(startIndex, endIndex).trim(), scope };
    })
    .filter(({ text }) => text !== '')
    .map(({ text, scope }) => (scope === '' ? text : `${text}<${scope}>`));
}

/** A line of source, and its tokens. */
const LINES: readonly (readonly [string, string])[] = [
  ['    mov rax, 10h', 'mov<keyword.mnemonic> rax<variable.other.register> , 10h<constant.numeric>'],
  [
    'main:   vmlaunch ; go',
    'main<entity.name.function.label> :<punctuation.separator.label> vmlaunch<support.function.mnemonic.virtualization> ;<punctuation.definition.comment> go<comment.line.semicolon>',
  ],
  [
    '.next: JNZ short .next',
    '.next<entity.name.function.label> :<punctuation.separator.label> JNZ<keyword.control.mnemonic.branch> short<storage.modifier.size> .next',
  ],
  ['    rep movsb', 'rep<keyword.control.prefix> movsb<keyword.mnemonic>'],
  ['    call str', 'call<keyword.control.mnemonic.branch> str'],
  ['COM1 equ 3F8h', 'COM1<variable.other.constant> equ<storage.type.directive> 3F8h<constant.numeric>'],
  [
    'text: db "mov; rax", 10',
    'text<entity.name.function.label> :<punctuation.separator.label> db<storage.type.directive> "mov; rax"<string.quoted.double> , 10<constant.numeric>',
  ],
  ['bits 16', 'bits<keyword.control.directive> 16<constant.numeric>'],
  [
    '%define FAULT 3',
    '%define<keyword.control.directive.preprocessor> FAULT<entity.name.function.preprocessor> 3<constant.numeric>',
  ],
  ['%ifdef FAULT', '%ifdef<keyword.control.directive.preprocessor> FAULT'],
  ['%include "lib.inc"', '%include<keyword.control.directive.preprocessor> "lib.inc"<string.quoted.double>'],
  ['    mov [%1], cr3', 'mov<keyword.mnemonic> [ %1<variable.parameter.macro> ], cr3<variable.other.register>'],
  [
    '    times 510 - ($ - $$) db 0',
    'times<storage.type.directive> 510<constant.numeric> -<keyword.operator> ( $<variable.language> -<keyword.operator> $$<variable.language> ) db<storage.type.directive> 0<constant.numeric>',
  ],
  [
    '    mov dword [rel table + 8*rcx], 0b1010_0001',
    'mov<keyword.mnemonic> dword<storage.modifier.size> [ rel<storage.modifier.size> table +<keyword.operator> 8<constant.numeric> *<keyword.operator> rcx<variable.other.register> ], 0b1010_0001<constant.numeric>',
  ],
  [
    '%%again: hlt',
    '%%again<entity.name.function.label> :<punctuation.separator.label> hlt<keyword.control.mnemonic.branch>',
  ],
  ['mover: raxx', 'mover<entity.name.function.label> :<punctuation.separator.label> raxx'],
];

describe('language: TextMate grammar', () => {
  let grammar: IGrammar;
  before(async () => {
    grammar = await loadGrammar();
  });

  for (const [line, tokens] of LINES) {
    it(line, () => assert.equal(tokensOf(grammar, line).join(' '), tokens));
  }

  it('is what the assembler’s table of mnemonics generates', () => {
    const hint = 'run: npx tsx scripts/generate-grammar.ts';
    assert.ok(readFileSync(FILE, 'utf8') === grammarText(listMnemonics()), hint);
  });

  it('recognises every mnemonic the assembler knows, and nothing else', () => {
    const unknown = listMnemonics().filter((word) => !/mnemonic/.test(tokensOf(grammar, `    ${word} 1`)[0] ?? ''));
    assert.deepEqual(unknown, []);
    assert.deepEqual(tokensOf(grammar, '    vmlaunchh')[0], 'vmlaunchh');
  });

  it('colours the VMX instructions as a class of their own', () => {
    const { virtualization, branch } = classesOf(listMnemonics());
    for (const word of ['vmxon', 'vmlaunch', 'vmresume', 'vmread', 'invept']) assert.ok(virtualization.includes(word));
    for (const word of ['jmp', 'jz', 'call', 'iretq', 'syscall', 'loop']) assert.ok(branch.includes(word), word);
  });
});
