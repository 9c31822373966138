import assert from 'node:assert/strict';
import { fieldSummary, decodeFields } from '../../debug-adapter/present/fields.ts';
import {
  formatMemorySize,
  hexOf,
  memoryReference,
  parseMemoryReference,
  parseMemorySize,
} from '../../debug-adapter/present/text.ts';
import { splitFormat } from '../../debug-adapter/present/value.ts';
import { exitTable } from '../../debug-adapter/present/exit-table.ts';

describe('numbers as text', () => {
  it('have the width of their bits', () => {
    assert.equal(hexOf(0xabn, 64), '0x00000000000000ab');
    assert.equal(hexOf(-1n, 64), '0xffffffffffffffff');
    assert.equal(hexOf(-1, 32), '0xffffffff');
    assert.equal(hexOf(5, 3), '0x5');
  });

  it('name memory in each address space, both ways', () => {
    for (const space of ['linear', 'guest-physical', 'host-physical'] as const) {
      const address = 0xffff_8000_0000_1234n;
      assert.deepEqual(parseMemoryReference(memoryReference(address, space)), { space, address });
    }
    assert.deepEqual(parseMemoryReference('0x10'), { space: 'linear', address: 16n });
    for (const wrong of ['', 'main', 'gpa:', 'xyz:0x10', '0x10 ']) assert.equal(parseMemoryReference(wrong), undefined);
  });

  const sizes: readonly (readonly [string | number, number | undefined])[] = [
    ['64M', 64 << 20],
    ['64MiB', 64 << 20],
    ['512 k', 512 << 10],
    ['1G', 1 << 30],
    ['1.5M', 3 << 19],
    ['16', 16 << 20],
    [16, 16 << 20],
    ['0M', undefined],
    ['-1M', undefined],
    ['lots', undefined],
    [Number.NaN, undefined],
  ];
  for (const [size, bytes] of sizes) it(`memory size ${size}`, () => assert.equal(parseMemorySize(size), bytes));

  it('show memory sizes in the unit that fits', () => {
    assert.deepEqual([1, 2048, 64 << 20, 3 << 29].map(formatMemorySize), ['1 byte', '2 KiB', '64 MiB', '1.5 GiB']);
  });
});

describe('bit fields', () => {
  const fields = [
    { name: 'A', bit: 0 },
    { name: 'level', bit: 4, width: 2, meaning: 'privilege' },
    { name: 'page', bit: 12, width: 40 },
  ];
  it('are decoded with position and meaning', () => {
    assert.deepEqual(decodeFields(0x5031n, fields), [
      { name: 'A', bit: 0, width: 1, value: 1 },
      { name: 'level', bit: 4, width: 2, value: 3, meaning: 'privilege' },
      { name: 'page', bit: 12, width: 40, value: '0x0000000005' },
    ]);
  });
  it('are summed up from the top, without pages', () => {
    assert.equal(fieldSummary(0x5031n, fields), 'level=3 A');
    assert.equal(fieldSummary(0n, fields), '');
  });
});

describe('formats of a watch', () => {
  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ['rax,d', 'rax', 'd'],
    ['rax , x', 'rax ', 'x'],
    ['rax', 'rax', undefined],
    ['rax,z', 'rax,z', undefined],
  ];
  for (const [text, expression, format] of cases) {
    it(text, () => assert.deepEqual(splitFormat(text), { text: expression, format }));
  }
});

describe('table of VM exits', () => {
  it('has columns that line up', () => {
    const table = exitTable([
      { name: 'ioInstruction', title: 'I/O instruction', count: 1234, share: 1234 / 1240 },
      { name: 'hlt', title: 'HLT', count: 6, share: 6 / 1240 },
    ]);
    assert.equal(
      table,
      [
        'VM exits         count   share',
        'I/O instruction  1,234  99.5 %',
        'HLT                  6   0.5 %',
        'total            1,240',
      ].join('\n'),
    );
  });
  it('says so where there are none', () => assert.equal(exitTable([]), 'no VM exits'));
});
