/** What else an assembly gives: line map, symbols, references, sections, entry. */
import assert from 'node:assert/strict';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import { listDirectives, listMnemonics, listRegisters } from '../../debug-adapter/engine/assembler/vocabulary.ts';
import { assembleText } from './lines.ts';

const spans = (source: string, files: Readonly<Record<string, string>> = {}) =>
  assembleText(source, files).lines.map(
    ({ address, bytes, file, line, bits, code }) =>
      `${address.toString(16)}+${bytes} ${file}:${line} ${bits}${code ? ' code' : ''}`,
  );

describe('assembler line map', () => {
  it('gives each line its bytes, code size and kind', () => {
    assert.deepEqual(spans('org 7C00h\nmov ax, 1\nx: db 1, 2\nbits 32\n\nhlt'), [
      '7c00+3 source.asm:2 16 code',
      '7c03+2 source.asm:3 16',
      '7c05+1 source.asm:6 32 code',
    ]);
  });

  it('attributes a macro to the line that uses it, in one span', () => {
    assert.deepEqual(spans('%macro two 0\nnop\nhlt\n%endmacro\ncli\ntwo\nsti'), [
      '0+1 source.asm:5 16 code',
      '1+2 source.asm:6 16 code',
      '3+1 source.asm:7 16 code',
    ]);
  });

  it('attributes included lines to their own file, macros in it included', () => {
    assert.deepEqual(spans('nop\n%include "a.inc"\nm', { 'a.inc': '%macro m 0\nhlt\n%endmacro\n\ncli\nm' }), [
      '0+1 source.asm:1 16 code',
      '1+1 a.inc:5 16 code',
      '2+1 a.inc:6 16 code',
      '3+1 source.asm:3 16 code',
    ]);
  });

  it('keeps the lines of a repetition and the first line of a continued one', () => {
    assert.deepEqual(spans('%rep 2\nnop\nhlt\n%endrep\ndb 1, \\\n2'), [
      '0+1 source.asm:2 16 code',
      '1+1 source.asm:3 16 code',
      '2+1 source.asm:2 16 code',
      '3+1 source.asm:3 16 code',
      '4+2 source.asm:5 16',
    ]);
  });

  it('is sorted by address even when sections are not', () => {
    const { lines } = assembleText('section .data\ndb 1\nsection .text\nnop');
    assert.deepEqual(
      lines.map(({ line }) => line),
      [4, 2],
    );
  });
});

describe('assembler symbols', () => {
  const { symbols } = assembleText(
    'org 100h\nmain: nop\n.loop: jmp .loop\nmsg: db "abc", 0\nSIZE equ 5\nstruc p\n.x: resw 1\nendstruc\nsection .bss\nbuffer: resb 9',
  );
  const rows: readonly [string, bigint, number, string, number][] = [
    ['main', 0x100n, 0, 'code', 2],
    ['main.loop', 0x101n, 0, 'code', 3],
    ['msg', 0x103n, 4, 'data', 4],
    ['SIZE', 5n, 0, 'constant', 5],
    ['p.x', 0n, 0, 'constant', 7],
    ['p_size', 2n, 0, 'constant', 6],
    ['buffer', 0x108n, 9, 'data', 10],
  ];
  for (const [name, address, bytes, kind, line] of rows) {
    it(`${name} is ${kind} at ${address.toString(16)}h`, () => {
      const symbol = symbols.find((candidate) => candidate.name === name);
      assert.deepEqual(symbol, { name, address, bytes, kind, file: 'source.asm', line });
    });
  }

  it('leaves out the labels of macros', () => {
    const names = assembleText('%macro m 0\n%%x: jmp %%x\n%endmacro\nm\nm').symbols.map(({ name }) => name);
    assert.deepEqual(names, []);
  });
});

describe('assembler references', () => {
  it('tells where names are defined and used, with columns', () => {
    const { references } = assembleText('%define TEN 10\nmain: mov ax, TEN\n.x: jmp .x\n  call main');
    const found = references.map(
      ({ name, kind, line, column, length, definition }) =>
        `${line}:${column}+${length} ${kind} ${name}${definition ? ' defined' : ''}`,
    );
    assert.deepEqual(found.sort(), [
      '1:9+3 macro TEN defined',
      '2:1+4 symbol main defined',
      '2:15+3 macro TEN',
      '3:1+2 symbol main.x defined',
      '3:9+2 symbol main.x',
      '4:8+4 symbol main',
    ]);
  });
});

describe('assembler options and vocabulary', () => {
  it('takes definitions from outside', () => {
    const result = assemble({
      file: 'a.asm',
      source: '%ifdef COUNT\ntimes COUNT nop\n%endif',
      readInclude: () => undefined,
      defines: { COUNT: '3' },
    });
    assert.equal(Buffer.from(result.bytes).toString('hex'), '909090');
  });

  it('asks for include files by path and including file', () => {
    const asked: string[] = [];
    assemble({
      file: 'main.asm',
      source: '%include "x/a.inc"',
      readInclude: (path, from) => {
        asked.push(`${path} from ${from}`);
        return path === 'x/a.inc' ? { file: 'lib/x/a.inc', source: '%include "b.inc"' } : undefined;
      },
    });
    assert.deepEqual(asked, ['x/a.inc from main.asm', 'b.inc from lib/x/a.inc']);
  });

  it('answers %if with addresses that are known only later', () => {
    const { bytes, diagnostics } = assembleText('%if end - start > 2\nhlt\n%endif\nstart: nop\nnop\nnop\nend:');
    assert.deepEqual(diagnostics, []);
    assert.deepEqual([...bytes], [0xf4, 0x90, 0x90, 0x90]);
  });

  it('lists words for completion', () => {
    for (const word of ['vmlaunch', 'mov', 'jnz', 'pushfd', 'vaddps']) assert.ok(listMnemonics().includes(word), word);
    for (const word of ['rax', 'r8b', 'cr4', 'gs', 'xmm0']) assert.ok(listRegisters().includes(word), word);
    for (const word of ['db', 'section', '%macro', '%ifdef', '%endif', 'times', 'equ']) {
      assert.ok(listDirectives().includes(word), word);
    }
    assert.equal(new Set(listMnemonics()).size, listMnemonics().length);
    assert.ok(!listRegisters().includes('rip'));
  });
});
