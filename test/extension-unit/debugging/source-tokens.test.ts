import assert from 'node:assert/strict';
import { expressionAt, registersNear, registersOf } from '../../../extension/debugging/source-tokens.ts';

const SOURCE = [
  'main:',
  '    mov rax, [rbx + 8*rcx - 16] ; rdx is not touched',
  '.loop:  add eax, "rsi"',
  '    mov dword [rel counter], 5',
  '    jmp .loop',
  '    lea rdi, [main.loop + r9d]',
  '    %1 rax, $',
];
const lineAt = (line: number): string => SOURCE[line] ?? '';

/** The expression under the first occurrence of a text. */
function hover(line: number, text: string): string | undefined {
  const column = lineAt(line).indexOf(text);
  assert.notEqual(column, -1);
  return expressionAt(lineAt, line, column)?.text;
}

describe('extension: what a source line names', () => {
  it('finds registers outside of comments and strings, each once', () => {
    assert.deepEqual(
      registersOf('    xchg AX, [bx+si] ; cx').map(({ text, start, end }) => [text, start, end]),
      [
        ['ax', 9, 11],
        ['bx', 14, 16],
        ['si', 17, 19],
      ],
    );
    assert.deepEqual(
      registersOf(lineAt(2)).map(({ text }) => text),
      ['eax'],
    );
    assert.deepEqual(registersOf('raxx: db "rax"'), []);
    assert.deepEqual(
      registersOf('mov r15w, spl').map(({ text }) => text),
      ['r15w', 'spl'],
    );
  });

  it('shows a register beside the line nearest to the current one', () => {
    const places = registersNear((line) => ['mov rax, rbx', 'inc rax', 'mov cr3, rax'][line] ?? '', 2, 0);
    assert.deepEqual(
      places.map(({ line, text }) => `${line} ${text}`),
      ['2 cr3', '2 rax', '0 rbx'],
    );
  });

  it('evaluates registers, labels and memory operands', () => {
    assert.equal(hover(1, 'rax'), 'rax');
    assert.equal(hover(1, 'rbx'), 'rbx');
    assert.equal(hover(1, '['), '[rbx + 8*rcx - 16]');
    assert.equal(hover(3, '['), 'dword [counter]');
    assert.equal(hover(3, 'counter'), 'counter');
    assert.equal(hover(5, 'main.loop'), 'main.loop');
    assert.equal(hover(0, 'main'), 'main');
  });

  it('gives a local label its full name', () => {
    assert.equal(hover(4, '.loop'), 'main.loop');
    assert.equal(hover(2, '.loop'), 'main.loop');
  });

  it('evaluates neither mnemonics, keywords, comments, strings nor macro parameters', () => {
    assert.equal(hover(1, 'mov'), undefined);
    assert.equal(hover(3, 'dword'), undefined);
    assert.equal(hover(1, 'touched'), undefined);
    assert.equal(hover(2, 'rsi'), undefined);
    assert.equal(hover(6, '%1'), undefined);
  });
});
