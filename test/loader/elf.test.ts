import assert from 'node:assert/strict';
import type { ProgramResult } from '../../debug-adapter/engine/base/program.ts';
import { loadElf, loadElfSymbols } from '../../debug-adapter/engine/loader/elf.ts';
import { buildElf, joined, multibootHeader, type BuiltElf } from './elf-builder.ts';

const OPTIONS = { memoryBytes: 16 << 20 };
const CODE = Uint8Array.of(0xf4, 0xeb, 0xfd);
const STT = { notype: 0, object: 1, func: 2, section: 3, file: 4 };

const plain = (change: Partial<BuiltElf> = {}): BuiltElf => ({
  bits: 32,
  entry: 0x10_0001n,
  segments: [{ address: 0x10_0000, bytes: CODE }],
  ...change,
});

const load = (elf: BuiltElf, options = OPTIONS) => loadElf('kernel.elf', buildElf(elf), options);
const codes = (result: ProgramResult) => result.diagnostics.map(({ code }) => code);

/** The program, which must be there without any message. */
function loaded(result: ProgramResult) {
  assert.deepEqual(result.diagnostics, []);
  assert.ok(result.program);
  return result.program;
}

describe('ELF loader', () => {
  for (const bits of [32, 64] as const) {
    it(`enters a plain ELF${bits} in its own mode`, () => {
      const program = loaded(load(plain({ bits })));
      assert.deepEqual(program.boot, { kind: 'flat', entry: 0x10_0001, bits });
      assert.deepEqual(program.segments, [{ address: 0x10_0000, bytes: CODE, zeroBytes: 0 }]);
    });

    it(`starts an ELF${bits} with a Multiboot header as Multiboot says, with zeroed memory after the file's bytes`, () => {
      const bytes = joined(multibootHeader(3), CODE);
      const segments = [{ address: 0x10_0000, bytes, memoryBytes: 0x2_0000 }];
      const program = loaded(
        loadElf('dir/my kernel.elf', buildElf(plain({ bits, entry: 0x10_000cn, segments })), {
          ...OPTIONS,
          commandArguments: 'a=1 b',
        }),
      );
      assert.deepEqual(program.boot, { kind: 'multiboot', entry: 0x10_000c, commandLine: 'my_kernel.elf a=1 b' });
      assert.deepEqual(program.segments, [{ address: 0x10_0000, bytes, zeroBytes: 0x2_0000 - bytes.length }]);
    });

    it(`enters a higher-half ELF${bits} at its physical entry`, () => {
      const segments = [{ address: 0x10_0000, virtual: 0xc010_0000n, bytes: CODE }];
      assert.deepEqual(loaded(load(plain({ bits, entry: 0xc010_0001n, segments }))).boot, {
        kind: 'flat',
        entry: 0x10_0001,
        bits,
      });
    });

    it(`reads the symbols of an ELF${bits} by kind, sorted by address`, () => {
      const symbols = [
        { name: 'table', address: 0x10_0100n, bytes: 16, type: STT.object, section: 2 },
        { name: 'start', address: 0x10_0000n, type: STT.notype, section: 1 },
        { name: 'main', address: 0x10_0002n, bytes: 7, type: STT.func, section: 1 },
        { name: 'end', address: 0x10_0200n, type: STT.notype, section: 2 },
        { name: 'PAGE', address: 0x1000n, type: STT.notype, section: 0xfff1 },
        { name: 'elsewhere', address: 0n, type: STT.notype, section: 0 },
        { name: 'main.c', address: 0n, type: STT.file, section: 0xfff1 },
        { name: 'section', address: 0n, type: STT.section, section: 1 },
      ];
      const program = loaded(load(plain({ bits, symbols })));
      const expected = [
        ['PAGE', 0x1000n, 0, 'constant'],
        ['start', 0x10_0000n, 0, 'code'],
        ['main', 0x10_0002n, 7, 'code'],
        ['table', 0x10_0100n, 16, 'data'],
        ['end', 0x10_0200n, 0, 'data'],
      ];
      assert.deepEqual(
        program.symbols.map((symbol) => [symbol.name, symbol.address, symbol.bytes, symbol.kind]),
        expected,
      );
      assert.deepEqual(loadElfSymbols('kernel.elf', buildElf(plain({ bits, symbols }))).symbols, program.symbols);
    });
  }

  it('follows the addresses of a Multiboot header that has them, even in an ELF file', () => {
    const header = multibootHeader(0x1_0000, 0x20_0000, 0x20_0000, 0x20_0023, 0x20_1000, 0x20_0020);
    const bytes = joined(header, CODE);
    const program = loaded(load(plain({ segments: [{ address: 0x10_0000, bytes }] })));
    assert.deepEqual(program.boot, { kind: 'multiboot', entry: 0x20_0020, commandLine: 'kernel.elf' });
    assert.deepEqual(program.segments, [{ address: 0x20_0000, bytes, zeroBytes: 0x1000 - 0x23 }]);
  });

  const refusals: readonly [title: string, elf: BuiltElf, code: string, message: RegExp][] = [
    ['another machine', plain({ machine: 183 }), 'elf-wrong-machine', /kernel\.elf: built for AArch64/],
    ['an object file', plain({ type: 1 }), 'elf-not-executable', /link it with `ld`/],
    ['a position-independent program', plain({ type: 3 }), 'elf-not-executable', /-no-pie/],
    ['no segments', plain({ segments: [] }), 'elf-empty', /no segment/],
    ['an entry outside all segments', plain({ entry: 0x20_0000n }), 'elf-entry', /200000h lies in no segment/],
    [
      'a segment beyond memory',
      plain({ segments: [{ address: 0x10_0000, bytes: CODE, memoryBytes: 0x200_0000 }] }),
      'segment-beyond-memory',
      /segment 0 occupies 100000h to 20FFFFFh, but the guest has 16 MiB of memory; set "memory" to at least 33M/,
    ],
    [
      'a segment in video memory',
      plain({
        segments: [
          { address: 0x10_0000, bytes: CODE },
          { address: 0xb_8000, bytes: CODE },
        ],
      }),
      'segment-outside-ram',
      /segment 1 occupies B8000h/,
    ],
    [
      'overlapping segments',
      plain({
        segments: [
          { address: 0x10_0000, bytes: CODE, memoryBytes: 0x2000 },
          { address: 0x10_1000, bytes: CODE },
        ],
      }),
      'segments-overlap',
      /segment 0 \(100000h to 101FFFh\) and segment 1 \(from 101000h\) overlap/,
    ],
    [
      'more bytes in the file than in memory',
      plain({
        segments: [
          { address: 0x10_0000, bytes: CODE },
          { address: 0x11_0000, bytes: CODE, memoryBytes: 1 },
        ],
      }),
      'elf-segment',
      /segment 1 has 3h bytes in the file but only 1h in memory/,
    ],
    [
      'an unknown Multiboot requirement',
      plain({ segments: [{ address: 0x10_0000, bytes: joined(multibootHeader(0x11), CODE) }] }),
      'multiboot-requirement',
      /requires features 10h/,
    ],
  ];
  for (const [title, elf, code, message] of refusals) {
    for (const bits of [32, 64] as const) {
      it(`refuses ${title} (ELF${bits})`, () => {
        const result = load({ ...elf, bits });
        assert.equal(result.program, undefined);
        assert.deepEqual(codes(result), [code]);
        assert.match(result.diagnostics[0]!.message, message);
        assert.equal(result.diagnostics[0]!.file, 'kernel.elf');
      });
    }
  }

  it('starts a kernel that wants a video mode, with a warning', () => {
    const result = load(
      plain({
        entry: 0x10_0020n,
        segments: [{ address: 0x10_0000, bytes: joined(multibootHeader(4), new Uint8Array(64)) }],
      }),
    );
    assert.ok(result.program);
    assert.deepEqual(
      result.diagnostics.map(({ severity, code }) => [severity, code]),
      [['warning', 'multiboot-video']],
    );
  });

  const patches: readonly [title: string, offset: number, value: number, code: string][] = [
    ['no magic', 0, 0x7e, 'not-elf'],
    ['an unknown class', 4, 3, 'elf-class'],
    ['big-endian data', 5, 2, 'elf-wrong-machine'],
    ['program header entries too small', 42, 16, 'elf-headers'],
    ['section header entries too small', 46, 16, 'elf-headers'],
    ['a program header table beyond the file', 31, 0x7f, 'elf-truncated'],
    ['a section header table beyond the file', 35, 0x7f, 'elf-truncated'],
  ];
  for (const [title, offset, value, code] of patches) {
    it(`refuses ${title}`, () => {
      const bytes = buildElf(plain());
      bytes[offset] = value;
      assert.deepEqual(codes(loadElf('kernel.elf', bytes, OPTIONS)), [code]);
    });
  }

  it('names the part that a truncated file misses, and its offset', () => {
    const bytes = buildElf(plain());
    const message = (length: number) =>
      loadElf('kernel.elf', bytes.subarray(0, length), OPTIONS).diagnostics[0]?.message;
    assert.match(message(10) ?? '', /the ELF identification ends at offset 10h, but the file ends at Ah/);
    assert.match(message(40) ?? '', /the ELF header ends at offset 34h, but the file ends at 28h/);
    assert.match(message(60) ?? '', /the program header table ends at offset 54h/);
    assert.match(message(bytes.length - 1) ?? '', /the section header table ends at offset/);
    const sectionless = bytes.slice(0, 85);
    sectionless.fill(0, 48, 50);
    assert.match(
      loadElf('kernel.elf', sectionless, OPTIONS).diagnostics[0]?.message ?? '',
      /segment 0 ends at offset 57h/,
    );
  });

  it('answers every prefix and every single-byte change with a program or a diagnostic, never an exception', () => {
    for (const bits of [32, 64] as const) {
      const symbols = [{ name: 'main', address: 0x10_0000n, type: STT.func, section: 1 }];
      const lines = Uint8Array.from({ length: 60 }, (_, index) => (index * 37) & 0xff);
      const whole = buildElf(
        plain({ bits, symbols, lines, segments: [{ address: 0x10_0000, bytes: joined(multibootHeader(0), CODE) }] }),
      );
      const check = (bytes: Uint8Array, what: string) => {
        const result = loadElf('kernel.elf', bytes, OPTIONS);
        const errors = result.diagnostics.filter(({ severity }) => severity === 'error');
        assert.equal(result.program === undefined, errors.length > 0, what);
      };
      for (let length = 0; length < whole.length; length++) {
        check(whole.subarray(0, length), `${bits}-bit prefix of ${length} bytes`);
        assert.equal(
          loadElf('kernel.elf', whole.subarray(0, length), OPTIONS).program,
          undefined,
          `prefix of ${length} bytes`,
        );
      }
      for (let offset = 0; offset < whole.length; offset++) {
        for (const value of [0x00, 0x01, 0x7f, 0xff]) {
          const changed = whole.slice();
          changed[offset] = value;
          check(changed, `${bits}-bit file with ${value} at ${offset}`);
        }
      }
    }
  });
});
