import assert from 'node:assert/strict';
import { loadBootImage, loadFlat } from '../../debug-adapter/engine/loader/binary.ts';
import { detectFormat, loadProgram } from '../../debug-adapter/engine/loader/load.ts';
import { buildElf, joined, multibootHeader } from './elf-builder.ts';

const OPTIONS = { memoryBytes: 16 << 20 };

function bootImage(bytes = 512): Uint8Array {
  const image = new Uint8Array(bytes);
  image.set([0xf4, 0xeb, 0xfd]);
  image.set([0x55, 0xaa], 510);
  return image;
}

function linuxImage(): Uint8Array {
  const image = bootImage(1024);
  image.set(Buffer.from('HdrS'), 0x202);
  return image;
}

const elf = () =>
  buildElf({ bits: 32, entry: 0x10_0000n, segments: [{ address: 0x10_0000, bytes: Uint8Array.of(0xf4) }] });
const kludge = () =>
  joined(
    new Uint8Array(8),
    multibootHeader(0x1_0000, 0x10_0008, 0x10_0000, 0, 0x10_4000, 0x10_0028),
    Uint8Array.of(0xf4),
  );

describe('program files', () => {
  for (const [format, bytes] of [
    ['empty', new Uint8Array(0)],
    ['elf', elf()],
    ['boot-image', bootImage()],
    ['boot-image', bootImage(1_474_560)],
    ['multiboot', kludge()],
    ['linux', linuxImage()],
    ['unknown', Buffer.from('mov eax, 1\n')],
    ['unknown', new Uint8Array(512)],
    // A Multiboot header without addresses means nothing outside an ELF file.
    ['unknown', multibootHeader(0)],
  ] as const) {
    it(`knows ${bytes.length} bytes as ${format}`, () => assert.equal(detectFormat(bytes), format));
  }

  it('takes a boot image as a disk of whole sectors', () => {
    const { program, diagnostics } = loadProgram('boot.img', bootImage(700), OPTIONS);
    assert.deepEqual(diagnostics, []);
    assert.ok(program?.boot.kind === 'boot-sector');
    assert.equal(program.boot.disk.length, 1024);
    assert.equal(program.boot.disk[511], 0xaa);
    assert.deepEqual(program.segments, []);
  });

  it('loads a Multiboot image by the addresses in its header', () => {
    const bytes = kludge();
    const { program, diagnostics } = loadProgram('kernel.bin', bytes, { ...OPTIONS, commandArguments: 'x' });
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(program?.boot, { kind: 'multiboot', entry: 0x10_0028, commandLine: 'kernel.bin x' });
    assert.deepEqual(program.segments, [{ address: 0x10_0000, bytes, zeroBytes: 0x4000 - bytes.length }]);
  });

  const damaged: readonly [title: string, words: readonly number[], message: RegExp][] = [
    [
      'load address above the header',
      [0x10_0000, 0x10_0004, 0, 0, 0x10_0000],
      /load_addr 100004h is above header_addr/,
    ],
    ['load address before the file', [0x10_0100, 0x10_0000, 0, 0, 0x10_0000], /F8h bytes before the beginning/],
    ['load end beyond the file', [0x10_0008, 0x10_0000, 0x10_1000, 0, 0x10_0000], /offset 1000h, but the file ends at/],
    ['load end below the start', [0x10_0008, 0x10_0000, 0xf_0000, 0, 0x10_0000], /load_end_addr F0000h is below/],
    ['bss end within the image', [0x10_0008, 0x10_0000, 0, 0x10_0004, 0x10_0000], /bss_end_addr 100004h is below/],
  ];
  for (const [title, words, message] of damaged) {
    it(`refuses a Multiboot header with its ${title}`, () => {
      const { program, diagnostics } = loadProgram(
        'k.bin',
        joined(new Uint8Array(8), multibootHeader(0x1_0000, ...words)),
        OPTIONS,
      );
      assert.equal(program, undefined);
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['multiboot-addresses'],
      );
      assert.match(diagnostics[0]!.message, message);
    });
  }

  it('refuses a Multiboot image that does not fit', () => {
    const bytes = multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0, 0x800_0000, 0x10_0000);
    assert.deepEqual(
      loadProgram('k.bin', bytes, OPTIONS).diagnostics.map(({ code }) => code),
      ['segment-beyond-memory'],
    );
  });

  for (const [title, bytes, code, message] of [
    ['an empty file', new Uint8Array(0), 'empty-file', /a\.bin: the file is empty/],
    ['text', Buffer.from('hello'), 'unknown-format', /a\.bin: neither an ELF file, nor a boot image/],
    ['a Linux kernel of long ago', linuxImage(), 'linux-image', /older than 2\.02/],
  ] as const) {
    it(`refuses ${title}`, () => {
      const { program, diagnostics } = loadProgram('a.bin', bytes, OPTIONS);
      assert.equal(program, undefined);
      assert.deepEqual(
        diagnostics.map((diagnostic) => diagnostic.code),
        [code],
      );
      assert.match(diagnostics[0]!.message, message);
    });
  }

  it('says what a boot image lacks', () => {
    assert.match(
      loadBootImage('b.img', new Uint8Array(100)).diagnostics[0]!.message,
      /100 bytes, fewer than one sector/,
    );
    assert.match(
      loadBootImage('b.img', new Uint8Array(512)).diagnostics[0]!.message,
      /bytes 510 and 511 are not 55 AA/,
    );
  });

  it('places plain bytes when told where', () => {
    const bytes = Uint8Array.of(0x90, 0xf4);
    const { program } = loadProgram('code.bin', bytes, OPTIONS, { loadAddress: 0x7c00, bits: 16 });
    assert.deepEqual(program?.boot, { kind: 'flat', entry: 0x7c00, bits: 16 });
    assert.deepEqual(program.segments, [{ address: 0x7c00, bytes, zeroBytes: 0 }]);
    assert.deepEqual(loadFlat('code.bin', bytes, OPTIONS).program?.boot, { kind: 'flat', entry: 0x10_0000, bits: 64 });
    assert.deepEqual(
      loadFlat('code.bin', bytes, OPTIONS, { loadAddress: 0x100_0000, bits: 64 }).diagnostics.map(({ code }) => code),
      ['segment-beyond-memory'],
    );
  });
});
