/** User mistakes: what is said, and where. */
import assert from 'node:assert/strict';
import { assembleText } from './lines.ts';

/** Source, then `line:column code` of each diagnostic, then a piece of the first one's text. */
const ROWS: readonly [name: string, source: string, places: readonly string[], text: RegExp][] = [
  [
    'a misspelt mnemonic',
    'mvo ax, bx',
    ['1:1 unknown-mnemonic'],
    /unknown instruction or directive "mvo"; did you mean "mov"/,
  ],
  ['a misspelt mnemonic after a label', 'a: vmluanch', ['1:4 unknown-mnemonic'], /did you mean "vmlaunch"/],
  [
    'an undefined symbol',
    'start: jmp strat',
    ['1:12 undefined-symbol'],
    /"strat" is not defined; did you mean "start"\?/,
  ],
  ['an undefined local label', 'main: nop\njmp .x', ['2:5 undefined-symbol'], /"main\.x" is not defined/],
  ['a local label used twice under two parents', 'a: nop\n.x: nop\nb: nop\n.x: nop', [], /./],
  ['a duplicate label', 'a: nop\na: nop', ['2:1 duplicate-label'], /"a" is already defined at line 1/],
  ['wrong operands', 'bits 64\nlgdt rax', ['2:1 invalid-operands'], /it takes LGDT m16&64/],
  ['an instruction of another mode', 'bits 64\npusha', ['2:1 not-in-mode'], /does not exist in 64-bit code/],
  ['a missing size', 'inc [bx]', ['1:1 size-not-specified'], /write byte, word, dword or qword/],
  ['a missing size beside a number', 'mov [bx], 5', ['1:1 size-not-specified'], /size/],
  ['a short jump too far', 'jmp short a\ntimes 200 nop\na:', ['1:5 short-jump-out-of-range'], /leave out "short"/],
  ['a loop too far', 'a: times 200 nop\nloop a', ['2:6 short-jump-out-of-range'], /nearer/],
  ['text after operands', 'mov ax, bx cx', ['1:12 unexpected-text'], /"cx"/],
  ['an open bracket', 'mov ax, [bx', ['1:12 bad-address'], /expected "\]"/],
  ['an empty address', 'mov ax, []', ['1:9 bad-address'], /missing/],
  ['three registers in an address', 'mov eax, [eax+ebx+ecx]', ['1:10 bad-address'], /at most two/],
  ['a 16-bit address of wrong registers', 'mov ax, [ax+dx]', ['1:9 bad-address'], /bx or bp/],
  ['a wrong scale', 'mov eax, [eax*7]', ['1:10 bad-address'], /not by 7/],
  ['a subtracted register', 'mov eax, [4-eax]', ['1:10 bad-address'], /./],
  ['a segment outside the brackets', 'mov ax, es:[bx]', ['1:9 bad-operand'], /inside the brackets/],
  ['a register in a number', 'dw ax', ['1:4 bad-expression'], /register ax/],
  ['division by zero', 'dw 5/0', ['1:5 division-by-zero'], /division by zero/],
  ['a missing value', 'dw 5+', ['1:6 bad-expression'], /missing/],
  ['a missing parenthesis', 'dw (5', ['1:6 bad-expression'], /"\)"/],
  ['the sum of labels', 'a: dw a+a', ['1:8 not-scalar'], /sum of two labels/],
  ['arithmetic on a label', 'a: dw a/2', ['1:8 not-scalar'], /label - \$\$/],
  ['a bad number', 'dw 12g4', ['1:4 invalid-number'], /0x1F or 1Fh/],
  ['an open string', "db 'abc", ['1:4 unterminated-string'], /no closing '/],
  ['a value that is too large', 'db 300', ['1:4 value-exceeds-bounds'], /300 does not fit/],
  ['an immediate that is too large', 'mov al, 300', ['1:9 value-exceeds-bounds'], /8 bits/],
  ['a negative TIMES', 'times 5-10 nop', ['1:1 bad-count'], /-5/],
  ['too long before the padding', 'times 600 nop\ntimes 510-($-$$) db 0', ['2:1 bad-count'], /too long/],
  ['a huge TIMES', 'times 1<<40 db 0', ['1:1 image-too-large'], /more than an image may have/],
  ['an endless row of jumps', 'a: times 50000 jmp a', ['1:1 bad-count'], /at most 20000/],
  ['an alignment that is no power of two', 'align 3', ['1:1 bad-alignment'], /power of two/],
  ['a label named like an instruction', 'loop: nop', ['1:1 reserved-name'], /\$loop/],
  ['a label without colon', 'hlat\nnop', ['1:1 label-without-colon'], /did you mean "hlt"/],
  ['EXTERN', 'extern printf', ['1:1 unsupported'], /linker/],
  ['INCBIN', 'incbin "disk.img"', ['1:1 unsupported'], /no file of this computer/],
  ['BITS 20', 'bits 20', ['1:6 bad-directive'], /16, 32 or 64/],
  ['ORG twice', 'org 1\norg 2', ['2:1 bad-directive'], /only once/],
  ['an unknown directive in brackets', '[bitz 16]', ['1:2 unknown-directive'], /bitz/],
  ['an unknown preprocessor directive', '%defien X 1', ['1:1 unknown-directive'], /%defien/],
  ['an open %if', 'nop\n%if 1\nnop', ['2:1 unterminated-block'], /no %endif/],
  ['an open %macro', '%macro m 0\nnop', ['1:1 unterminated-block'], /no %endmacro/],
  ['an open %rep', '%rep 3\nnop', ['1:1 unterminated-block'], /no %endrep/],
  ['an open STRUC', 'struc s\n.a: resb 1', ['1:1 unterminated-block'], /no endstruc/],
  ['%endif alone', '%endif', ['1:1 unbalanced-condition'], /without %if/],
  ['%endmacro alone', '%endmacro', ['1:1 unbalanced-block'], /without %macro/],
  ['%else twice', '%if 0\n%else\n%else\n%endif', ['3:1 unbalanced-condition'], /line 1/],
  [
    'a macro with too few arguments',
    '%macro m 2\nnop\n%endmacro\nm 1',
    ['4:1 bad-macro-call'],
    /takes 2 parameters, not 1/,
  ],
  [
    'a macro function with too many arguments',
    '%define f(x) x\ndw f(1,2)',
    ['2:4 bad-macro-call'],
    /takes 1 arguments, not 2/,
  ],
  [
    'a mistake within a macro',
    '%macro m 0\n  mvo ax, 1\n%endmacro\nm',
    ['4:1 unknown-mnemonic'],
    /from macro "m", source\.asm:2/,
  ],
  ['an include file that is missing', '%include "no.inc"', ['1:10 include-not-found'], /"no\.inc".*source\.asm/],
  ['an include file that includes itself', '%include "self.inc"', ['1:10 recursion-limit'], /self\.inc/],
  ['%error', '%error "stop here"', ['1:8 user-error'], /^stop here$/],
  ['%warning', '%warning careful', ['1:10 user-warning'], /^careful$/],
  ['%fatal', '%fatal "no"\nmvo', ['1:8 user-error'], /^no$/],
  ['an undefined name in %if', '%if FOO\n%endif', ['1:5 undefined-symbol'], /./],
  ['endless repetition', '%rep 10000000\n%endrep', ['1:1 expansion-limit'], /300000 lines/],
  [
    'macros that multiply',
    `%define a0 x x\n${Array.from({ length: 30 }, (_, i) => `%define a${i + 1} a${i} a${i}`).join('\n')}\na30`,
    ['32:1 expansion-limit'],
    /without end/,
  ],
  [
    'labels that never settle',
    'a: times (b-a) % 2 + 1 db 0\ntimes 2 - ((b-a) % 2) * 2 db 0\nb:',
    ['2:1 no-convergence'],
    /depend on each other/,
  ],
  [
    'an overrun structure',
    'struc s\n.a: resb 1\n.b: resb 1\nendstruc\nistruc s\nat s.a, dw 5\nat s.b, db 1\niend',
    ['7:1 structure-overrun', '8:1 structure-overrun'],
    /too long/,
  ],
];

describe('assembler diagnostics', () => {
  for (const [name, source, places, text] of ROWS) {
    it(name, () => {
      const { diagnostics } = assembleText(source, { 'self.inc': '%include "self.inc"' });
      const found = diagnostics.map(
        ({ file, line, column, code }) => `${file === 'self.inc' ? '1:10' : `${line}:${column}`} ${code}`,
      );
      assert.deepEqual(found, places, diagnostics.map(({ message }) => message).join('\n'));
      if (diagnostics[0] !== undefined) assert.match(diagnostics[0].message, text);
    });
  }

  it('goes on after a mistake', () => {
    const { bytes, diagnostics } = assembleText('nop\nmvo\nhlt');
    assert.deepEqual([...bytes], [0x90, 0xf4]);
    assert.equal(diagnostics.length, 1);
  });

  it('keeps at most a hundred and says so', () => {
    const { diagnostics } = assembleText(Array.from({ length: 300 }, (_, line) => `bad${line} x, y`).join('\n'));
    assert.equal(diagnostics.length, 100);
    assert.equal(diagnostics.at(-1)?.code, 'too-many-diagnostics');
    assert.match(diagnostics.at(-1)?.message ?? '', /^201 further/);
  });

  it('names the file of a mistake in an include file', () => {
    const { diagnostics, includedFiles } = assembleText('%include "a.inc"', { 'a.inc': 'nop\nmvo' });
    assert.deepEqual(
      diagnostics.map(({ file, line }) => [file, line]),
      [['a.inc', 2]],
    );
    assert.deepEqual(includedFiles, ['a.inc']);
  });
});
