/** Files of the real tools: what GCC, GNU as, ld and NASM make must load with the addresses and lines they report. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadElf } from '../../debug-adapter/engine/loader/elf.ts';
import { requireTool } from '../harness/tools.ts';

const BOOT = `
.section .text
.align 4
.long 0x1BADB002, 0, -0x1BADB002
.globl _start
_start: call kmain
1: hlt
 jmp 1b
.section .note.GNU-stack,"",@progbits
`;

const KERNEL = `static int counter;
int table[4] = {1, 2, 3, 4};
void kmain(void) {
  for (int i = 0; i < 4; i++)
    counter += table[i];
}
`;

describe('files of real tools', function () {
  this.timeout(30_000);
  const gcc = requireTool('gcc');
  const ld = requireTool('ld', 'binutils');
  const addr2line = requireTool('addr2line', 'binutils');
  const nasm = requireTool('nasm');
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperstep-elf-'));
    writeFileSync(join(folder, 'boot.S'), BOOT);
    writeFileSync(join(folder, 'kernel.c'), KERNEL);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const run = (program: string, ...words: string[]) => execFileSync(program, words, { cwd: folder, encoding: 'utf8' });

  for (const bits of [32, 64]) {
    for (const version of [2, 3, 4, 5]) {
      it(`loads a ${bits}-bit Multiboot kernel with DWARF ${version} lines as addr2line reads them`, () => {
        run(gcc, `-m${bits}`, '-c', 'boot.S', '-o', 'boot.o');
        run(
          gcc,
          `-m${bits}`,
          `-gdwarf-${version}`,
          '-O1',
          '-ffreestanding',
          '-fno-pic',
          '-fno-asynchronous-unwind-tables',
          '-c',
          'kernel.c',
        );
        const emulation = bits === 32 ? 'elf_i386' : 'elf_x86_64';
        run(
          ld,
          '-m',
          emulation,
          '-z',
          'max-page-size=4096',
          '-Ttext=0x101000',
          'boot.o',
          'kernel.o',
          '-o',
          'kernel.elf',
        );
        const { program, diagnostics } = loadElf('kernel.elf', readFileSync(join(folder, 'kernel.elf')), {
          memoryBytes: 16 << 20,
        });
        assert.deepEqual(diagnostics, []);
        assert.ok(program);
        assert.deepEqual(program.boot, { kind: 'multiboot', entry: 0x10_100c, commandLine: 'kernel.elf' });
        const named = (name: string) => program.symbols.find((symbol) => symbol.name === name);
        assert.equal(named('kmain')?.kind, 'code');
        assert.equal(named('table')?.bytes, 16);
        assert.equal(named('counter')?.kind, 'data');
        assert.ok(
          program.segments.some(({ zeroBytes }) => zeroBytes > 0),
          'counter is in zeroed memory',
        );
        const kmain = named('kmain')!;
        assert.ok(program.lines.length >= 2);
        for (const span of program.lines) {
          assert.ok(span.address >= kmain.address && span.address < kmain.address + BigInt(kmain.bytes));
          for (const address of [span.address, span.address + BigInt(span.bytes - 1)]) {
            const [file, line] = run(addr2line, '-e', 'kernel.elf', `0x${address.toString(16)}`)
              .trim()
              .split(':');
            assert.equal(span.line, Number.parseInt(line ?? '', 10));
            assert.equal(span.file, file);
          }
        }
      });
    }
  }

  it('reads the lines of NASM with its DWARF format', () => {
    writeFileSync(
      join(folder, 'guest.asm'),
      'bits 32\nglobal _start\nsection .text\n_start:\n  mov eax, 1\n  nop\n\n.halt:\n  hlt\n  jmp .halt\n',
    );
    run(nasm, '-f', 'elf32', '-g', '-F', 'dwarf', 'guest.asm', '-o', 'guest.o');
    run(ld, '-m', 'elf_i386', '-Ttext=0x100000', 'guest.o', '-o', 'guest.elf');
    const { program, diagnostics } = loadElf('guest.elf', readFileSync(join(folder, 'guest.elf')), {
      memoryBytes: 16 << 20,
    });
    assert.deepEqual(diagnostics, []);
    assert.ok(program);
    const rows = program.lines.map(({ address, bytes, line, file }) => [
      address,
      bytes,
      line,
      file.endsWith('guest.asm'),
    ]);
    assert.deepEqual(rows, [
      [0x10_0000n, 5, 5, true],
      [0x10_0005n, 1, 6, true],
      [0x10_0006n, 1, 9, true],
      [0x10_0007n, 2, 10, true],
    ]);
    assert.ok(program.symbols.some(({ name, kind }) => name === '_start.halt' && kind === 'code'));
  });

  it('says why compressed lines are missing', () => {
    run(gcc, '-m64', '-g', '-gz=zlib', '-O1', '-ffreestanding', '-fno-pic', '-c', 'kernel.c');
    run(gcc, '-m64', '-c', 'boot.S', '-o', 'boot.o');
    run(
      ld,
      '--compress-debug-sections=zlib',
      '-Ttext=0x101000',
      '-z',
      'max-page-size=4096',
      'boot.o',
      'kernel.o',
      '-o',
      'packed.elf',
    );
    const { program, diagnostics } = loadElf('packed.elf', readFileSync(join(folder, 'packed.elf')), {
      memoryBytes: 16 << 20,
    });
    assert.deepEqual(program?.lines, []);
    assert.match(diagnostics[0]?.message ?? '', /--compress-debug-sections=none/);
  });

  it('survives every prefix of a real kernel', () => {
    run(gcc, '-m64', '-g', '-O1', '-ffreestanding', '-fno-pic', '-c', 'kernel.c');
    run(gcc, '-m64', '-c', 'boot.S', '-o', 'boot.o');
    run(ld, '-Ttext=0x101000', '-z', 'max-page-size=4096', 'boot.o', 'kernel.o', '-o', 'whole.elf');
    const bytes = readFileSync(join(folder, 'whole.elf'));
    for (let length = 0; length < bytes.length; length += 1 + (length >> 9)) {
      const { program, diagnostics } = loadElf('whole.elf', bytes.subarray(0, length), { memoryBytes: 16 << 20 });
      assert.equal(program, undefined);
      assert.ok(diagnostics.some(({ severity }) => severity === 'error'));
    }
  });
});
