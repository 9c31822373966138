/** Whatever is typed, the assembler answers: it never throws and never takes long. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assembleProgram } from '../../debug-adapter/engine/assembler/program.ts';

/** Repeatable random numbers (Lehmer, multiplier 48271). */
function randomSource(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}

const folder = join(import.meta.dirname, 'programs');
const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
const SNIPPETS = [
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ',',
  ':',
  '%',
  '%%',
  '%%x',
  '%1',
  '%{',
  '%[',
  '%+',
  '$',
  '$$',
  '"',
  "'",
  '`',
  '\\\n',
  '\n',
  ';',
  '?',
  '-',
  '*',
  '<<',
  'rax',
  'es:',
  'byte',
  'far',
  'short',
  'rel',
  'times',
  'times -1',
  'times 99999999999 ',
  'equ',
  'db',
  'resb',
  'align',
  'struc x\n',
  'endstruc\n',
  'istruc x\n',
  'at',
  'iend',
  'section .q\n',
  'absolute 5\n',
  '%macro a 0-*\n',
  '%endmacro\n',
  '%rep 5\n',
  '%endrep\n',
  '%if ',
  '%else\n',
  '%endif\n',
  '%define ',
  '%assign ',
  '%include ',
  '%exitrep\n',
  '%rotate 1\n',
  'bits 64\n',
  'org ',
  'lock ',
  'rep ',
  'o32 ',
  'dup (',
  '1e',
  '0x',
  '99999999999999999999999',
  '/0',
  '{k1}',
  'wrt',
  'seg',
];

function mutate(source: string, random: (below: number) => number): string {
  let text = source;
  for (let edits = 1 + random(6); edits > 0; edits--) {
    const at = random(text.length + 1);
    const kind = random(4);
    if (kind === 0) text = text.slice(0, at) + text.slice(at + 1 + random(12));
    else if (kind === 1) text = text.slice(0, at) + SNIPPETS[random(SNIPPETS.length)] + text.slice(at);
    else if (kind === 2) {
      const from = random(text.length + 1);
      text = text.slice(0, at) + text.slice(from, from + random(60)) + text.slice(at);
    } else text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at);
  }
  return text;
}

describe('assembler on damaged sources', function () {
  this.timeout(120_000);

  it('answers 400 random edits without throwing, each in good time', () => {
    const random = randomSource(20_250_807);
    let refused = 0;
    for (let turn = 0; turn < 400; turn++) {
      const source = mutate(sources[turn % sources.length] ?? '', random);
      const before = performance.now();
      const { diagnostics } = assembleProgram({
        file: 'fuzz.asm',
        source,
        readInclude: () => ({ file: 'fuzz.inc', source }),
      });
      const milliseconds = performance.now() - before;
      assert.ok(milliseconds < 5000, `edit ${turn} took ${milliseconds} ms`);
      assert.ok(diagnostics.length <= 100);
      if (diagnostics.length > 0) refused += 1;
      for (const { line, column, message } of diagnostics) assert.ok(line >= 1 && column >= 1 && message !== '');
    }
    assert.ok(refused > 100, `only ${refused} edits did damage`);
  });

  for (const [name, source] of [
    ['brackets without end', `dw ${'('.repeat(5000)}`],
    ['a long sum', `dw ${'1+'.repeat(20_000)}1`],
    ['a long chain of signs', `dw ${'-'.repeat(20_000)}1`],
    ['nested choices', `dw ${'1?'.repeat(5000)}`],
    ['nested DUP', `db ${'2 dup ('.repeat(500)}`],
    ['mutual macros', '%macro a 0\nb\n%endmacro\n%macro b 0\na\n%endmacro\na'],
    ['macro that defines itself anew', '%macro a 0\n%macro a 0\n%endmacro\na\n%endmacro\na\na'],
    ['an endless conditional repetition', '%assign i 0\n%rep 1<<62\n%assign i i+1\n%endrep'],
    ['binary rubbish', String.fromCharCode(...Array.from({ length: 3000 }, (_, index) => (index * 7919) % 256))],
  ] as const) {
    it(`survives ${name}`, () => {
      const { diagnostics } = assembleProgram({ file: 'fuzz.asm', source, readInclude: () => undefined });
      assert.ok(diagnostics.some(({ severity }) => severity === 'error'));
    });
  }
});
