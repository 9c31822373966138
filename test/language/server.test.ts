import assert from 'node:assert/strict';
import path from 'node:path';
import type { CompletionItem, DocumentSymbol, Hover, Location, MarkupContent } from 'vscode-languageserver/node';
import { fromRoot } from '../../scripts/lib/root.ts';
import { readSample, SAMPLES } from '../programs/samples.ts';
import { Editor } from './client.ts';

const any = (): boolean => true;
const some = (lines: readonly string[]): boolean => lines.length > 0;
const none = (lines: readonly string[]): boolean => lines.length === 0;

describe('language: server', () => {
  let editor: Editor;
  beforeEach(async () => {
    editor = new Editor();
    await editor.start();
  });
  afterEach(() => editor.dispose());

  const hoverText = async (text: string): Promise<string | undefined> => {
    await editor.open('a.asm', text);
    const hover = await editor.at<Hover | null>('hover', 'a.asm', text);
    return (hover?.contents as MarkupContent | undefined)?.value;
  };
  const labels = async (text: string): Promise<string[]> => {
    await editor.open('a.asm', text);
    return (await editor.at<CompletionItem[]>('completion', 'a.asm', text)).map(({ label }) => label);
  };

  describe('diagnostics', () => {
    it('underlines an unknown mnemonic', async () => {
      await editor.open('a.asm', 'bits 64\n    mvo rax, 1\n    ret\n');
      assert.deepEqual(await editor.diagnostics('a.asm', any), ['2:4-7 unknown-mnemonic']);
      assert.match(editor.messages('a.asm')[0] ?? '', /mvo.*mov/);
    });

    it('forgets it when it is corrected, and finds the next mistake', async () => {
      await editor.open('a.asm', 'mvo ax, 1\n');
      await editor.diagnostics('a.asm', some);
      await editor.change('a.asm', 'mov ax, 1\n');
      assert.deepEqual(await editor.diagnostics('a.asm', none), []);
      await editor.change('a.asm', 'mov ax, nowhere\n');
      assert.equal((await editor.diagnostics('a.asm', some)).length, 1);
    });

    it('shows the mistake of an included file in that file', async () => {
      editor.write('lib.inc', 'helper:\n    mvo ax, 1\n');
      await editor.open('a.asm', '%include "lib.inc"\n    call helper\n');
      assert.deepEqual(await editor.diagnostics('lib.inc', some), ['2:4-7 unknown-mnemonic']);
      assert.deepEqual(await editor.diagnostics('a.asm', any), []);
    });

    it('sees what is typed in an included file', async () => {
      editor.write('lib.inc', 'helper: ret\n');
      await editor.open('a.asm', '%include "lib.inc"\n    call helper\n');
      await editor.open('lib.inc', 'helper: ret\n');
      await editor.diagnostics('a.asm', none);
      await editor.change('lib.inc', 'renamed: ret\n');
      assert.equal((await editor.diagnostics('a.asm', some)).length, 1);
      await editor.change('lib.inc', 'helper: ret\n');
      assert.deepEqual(await editor.diagnostics('a.asm', none), []);
    });

    it('judges a part of a program only within one', async () => {
      await editor.open('lib.inc', '    call defined_by_the_program\n');
      assert.deepEqual(await editor.diagnostics('lib.inc', any), []);
    });

    it('removes them when the document is closed', async () => {
      await editor.open('a.asm', 'mvo ax, 1\n');
      await editor.diagnostics('a.asm', some);
      await editor.close('a.asm');
      assert.deepEqual(await editor.diagnostics('a.asm', none), []);
    });

    it('reads nothing outside of the workspace', async () => {
      await editor.open('a.asm', '%include "/etc/passwd"\n');
      const found = await editor.diagnostics('a.asm', some);
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /^1:.* include/);
    });
  });

  describe('go to definition', () => {
    const target = async (text: string): Promise<string[]> => {
      await editor.open('a.asm', text);
      const found = await editor.at<Location[]>('definition', 'a.asm', text);
      return found.map(({ uri, range }) => `${uri.split('/').at(-1)}:${range.start.line + 1}`);
    };

    it('finds a label', async () => {
      assert.deepEqual(await target('    jmp en¦d\nstart: nop\nend: hlt\n'), ['a.asm:3']);
    });

    it('finds the local label of this function', async () => {
      assert.deepEqual(await target('one:\n.l: jmp .l\ntwo:\n.l: jmp .¦l\n'), ['a.asm:4']);
    });

    it('finds a constant', async () => {
      assert.deepEqual(await target('PORT equ 3F8h\n    mov dx, POR¦T\n'), ['a.asm:1']);
    });

    it('finds a macro', async () => {
      assert.deepEqual(await target('%macro out_byte 1\n mov al, %1\n%endmacro\n    out_b¦yte 3\n'), ['a.asm:1']);
    });

    it('finds a label in an included file, and the file', async () => {
      editor.write('lib.inc', '; helpers\nhelper: ret\n');
      assert.deepEqual(await target('%include "lib.inc"\n call hel¦per\n'), ['lib.inc:2']);
      assert.deepEqual(await target('%include "li¦b.inc"\n'), ['lib.inc:1']);
    });

    it('finds nothing for an instruction', async () => {
      assert.deepEqual(await target('    h¦lt\n'), []);
    });
  });

  it('finds nothing wrong with any sample, though each includes files beside its own folder', async () => {
    const samples = new Editor();
    try {
      await samples.start(fromRoot('samples'));
      for (const { program } of SAMPLES) {
        const file = path.relative(samples.folder, fromRoot('samples', program));
        await samples.open(file, readSample(program));
        assert.deepEqual(await samples.diagnostics(file, any), [], program);
      }
    } finally {
      samples.dispose();
    }
  });

  it('finds every use of a name', async () => {
    const text = 'sta¦rt: jmp start\n dw start\n';
    await editor.open('a.asm', text);
    const all = await editor.at<Location[]>('references', 'a.asm', text, { context: { includeDeclaration: true } });
    assert.deepEqual(
      all.map(({ range: { start } }) => `${start.line}:${start.character}`),
      ['0:0', '0:11', '1:4'],
    );
    const uses = await editor.at<Location[]>('references', 'a.asm', text, { context: { includeDeclaration: false } });
    assert.equal(uses.length, 2);
  });

  it('outlines labels with their local labels, constants and macros', async () => {
    const text = 'PORT equ 3F8h\norg 7C00h\nmain: nop\n.loop: jmp .loop\ntext: db 1\n';
    await editor.open('a.asm', text);
    const symbols = await editor.at<DocumentSymbol[]>('documentSymbol', 'a.asm', text);
    assert.deepEqual(
      symbols.map(({ name, detail, children }) => [name, detail, (children ?? []).map((child) => child.name)]),
      [
        ['PORT', '3F8h', []],
        ['main', '7C00h', ['.loop']],
        ['text', '7C03h', []],
      ],
    );
  });

  describe('completion', () => {
    it('offers instructions and directives where a statement begins', async () => {
      const offered = await labels('start: vm¦\n');
      for (const word of ['vmlaunch', 'vmxon', 'mov', 'bits', 'db']) assert.ok(offered.includes(word), word);
      assert.ok(!offered.includes('rax'));
    });

    it('offers registers and names in operands, the own local labels by their short name', async () => {
      const offered = await labels('PORT equ 1\none:\n.a: nop\ntwo:\n.b: mov rax, ¦\n');
      for (const word of ['rcx', 'cr3', 'one', 'one.a', '.b', 'PORT', 'qword']) assert.ok(offered.includes(word), word);
      assert.ok(!offered.includes('vmlaunch'));
    });

    it('offers preprocessor directives behind a percent sign', async () => {
      assert.ok((await labels('%¦\n')).includes('%include'));
    });

    it('offers nothing in comments and texts', async () => {
      assert.deepEqual(await labels('; mo¦v\n'), []);
      assert.deepEqual(await labels('db "mo¦v"\n'), []);
    });
  });

  describe('hover', () => {
    it('shows the encodings of an instruction as the SDM writes them', async () => {
      const text = (await hoverText('bits 64\n    ad¦d rax, rbx\n')) ?? '';
      assert.match(text, /^\*\*ADD\*\*/);
      assert.match(text, /01 \/r +ADD r\/m16, r16/);
    });

    it('shows the address of a label and the value of a constant', async () => {
      assert.equal(await hoverText('org 7C00h\n nop\nstart: jmp st¦art\n'), 'Label **start** at 7C01h, line 3.');
      assert.equal(await hoverText('PORT equ 3F8h\n mov dx, P¦ORT\n'), 'Constant **PORT** = 3F8h (1016), line 1.');
    });

    it('knows the fields of the VMCS', async () => {
      const text = (await hoverText('GUEST_RIP equ 681Eh\n mov rcx, GUEST_¦RIP\n')) ?? '';
      assert.match(text, /VMCS field \*\*Guest RIP\*\* \(`GUEST_RIP`\), encoding 681Eh: natural width, guest state\./);
    });

    it('says nothing in a comment', async () => {
      assert.equal(await hoverText(' nop ; ad¦d\n'), undefined);
    });
  });
});
