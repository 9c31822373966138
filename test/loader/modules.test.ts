import assert from 'node:assert/strict';
import { joinedRamDisk, withMultibootModules } from '../../debug-adapter/engine/loader/modules.ts';
import type { Program } from '../../debug-adapter/engine/base/program.ts';

const MIB = 1 << 20;
const KERNEL: Program = {
  name: 'kernel.elf',
  boot: { kind: 'multiboot', entry: MIB, commandLine: 'kernel.elf' },
  segments: [{ address: MIB, bytes: new Uint8Array(0x1800), zeroBytes: 0x1000 }],
  symbols: [],
  lines: [],
};

describe('kernel modules', () => {
  it('lie behind the kernel and its zero bytes, on pages of their own', () => {
    const modules = [
      { name: 'a', bytes: new Uint8Array(0x1001).fill(1) },
      { name: 'b.img', bytes: new Uint8Array(3).fill(2) },
    ];
    const { program, diagnostics } = withMultibootModules(KERNEL, modules, 16 * MIB);
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(program?.boot, {
      ...KERNEL.boot,
      modules: [
        { start: 0x10_3000, end: 0x10_4001, name: 'a' },
        { start: 0x10_5000, end: 0x10_5003, name: 'b.img' },
      ],
    });
    assert.deepEqual(
      program?.segments.slice(1).map(({ address, bytes }) => [address, bytes]),
      [
        [0x10_3000, modules[0]?.bytes],
        [0x10_5000, modules[1]?.bytes],
      ],
    );
  });

  it('need memory', () => {
    const { program, diagnostics } = withMultibootModules(KERNEL, [{ name: 'a', bytes: new Uint8Array(MIB) }], 2 * MIB);
    assert.equal(program, undefined);
    assert.match(diagnostics[0]?.message ?? '', /modules of 1048576 bytes do not fit.*set "memory" to more/);
  });

  it('are joined at multiples of four for Linux', () => {
    const joined = joinedRamDisk([
      { name: 'a', bytes: Uint8Array.of(1, 2, 3) },
      { name: 'b', bytes: Uint8Array.of(4) },
    ]);
    assert.deepEqual([...joined], [1, 2, 3, 0, 4, 0, 0, 0]);
    assert.equal(joinedRamDisk([]).length, 0);
  });
});
