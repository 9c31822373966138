/** Which kind of program a source is. */
import assert from 'node:assert/strict';
import { assembleProgram } from '../../debug-adapter/engine/assembler/program.ts';

const make = (source: string) => assembleProgram({ file: 'dir/guest.asm', source, readInclude: () => undefined });

const HEADER = `
bits 32
org 0x100000
header: dd 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
        dd header, 0x100000, end_of_image, end_of_bss, entry
entry:  hlt
end_of_image:
section .bss
        resb 64
end_of_bss:
`;

describe('assembled programs', () => {
  it('is a boot image with org 7C00h and the signature, padded to sectors', () => {
    const { program, diagnostics } = make('org 7C00h\nhlt\ntimes 510-($-$$) db 0\ndw 0xAA55\ndb 1');
    assert.deepEqual(diagnostics, []);
    assert.ok(program?.boot.kind === 'boot-sector');
    assert.equal(program.boot.disk.length, 1024);
    assert.deepEqual([program.boot.disk[0], program.boot.disk[511], program.boot.disk[512]], [0xf4, 0xaa, 1]);
    assert.deepEqual(program.segments, []);
    assert.equal(program.name, 'guest.asm');
  });

  it('is flat without the signature, or at another origin', () => {
    for (const source of ['org 7C00h\ntimes 512 nop', 'org 8000h\ntimes 510 nop\ndw 0xAA55', 'org 7C00h\nhlt']) {
      assert.equal(make(source).program?.boot.kind, 'flat');
    }
  });

  it('is entered at its first byte in the code size there', () => {
    const { program } = make('bits 64\norg 0x200000\nnop\nsection .bss\nresb 100');
    assert.deepEqual(program?.boot, { kind: 'flat', entry: 0x20_0000, bits: 64 });
    assert.deepEqual(
      program?.segments.map(({ address, zeroBytes }) => [address, zeroBytes]),
      [[0x20_0000, 103]],
    );
  });

  it('is entered at a global _start or start', () => {
    const entry = (source: string) => make(source).program?.boot;
    assert.deepEqual(entry('global _start\ndw 5\nbits 32\n_start: hlt'), { kind: 'flat', entry: 2, bits: 32 });
    assert.deepEqual(entry('global start\ndw 5\nstart: hlt'), { kind: 'flat', entry: 2, bits: 16 });
    assert.deepEqual(entry('dw 5\nstart: hlt'), { kind: 'flat', entry: 0, bits: 16 });
  });

  it('follows the address fields of a Multiboot header', () => {
    const { program, diagnostics } = make(HEADER.replaceAll('FLAGS', '0x10003'));
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(program?.boot, { kind: 'multiboot', entry: 0x10_0020, commandLine: 'guest.asm' });
    const [segment] = program?.segments ?? [];
    assert.deepEqual([segment?.address, segment?.bytes.length, segment?.zeroBytes], [0x10_0000, 33, 67]);
  });

  it('refuses a Multiboot header without address fields, in the line of the header', () => {
    const { program, diagnostics } = make(HEADER.replaceAll('FLAGS', '3'));
    assert.equal(program, undefined);
    assert.deepEqual(
      diagnostics.map(({ code, line }) => [code, line]),
      [['bad-multiboot-header', 4]],
    );
  });

  it('takes a wrong checksum for no header', () => {
    assert.equal(make(HEADER.replaceAll('FLAGS', '0x10003').replace('-(', '1-(')).program?.boot.kind, 'flat');
  });

  it('is nothing when there are errors, no bytes, or an origin no memory has', () => {
    for (const [source, code] of [
      ['mvo ax, 1', 'unknown-mnemonic'],
      ['; nothing', 'empty-program'],
      ['org -5\nnop', 'bad-origin'],
    ] as const) {
      const { program, diagnostics } = make(source);
      assert.equal(program, undefined);
      assert.deepEqual(
        diagnostics.map((diagnostic) => diagnostic.code),
        [code],
      );
    }
  });

  it('keeps warnings beside the program', () => {
    const { program, diagnostics } = make('db 300');
    assert.ok(program !== undefined);
    assert.deepEqual(
      diagnostics.map(({ severity }) => severity),
      ['warning'],
    );
  });
});
