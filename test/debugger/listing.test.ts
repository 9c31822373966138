import assert from 'node:assert/strict';
import { Listing } from '../../debug-adapter/debugger/listing.ts';
import { ProcessorView } from '../../debug-adapter/debugger/processor.ts';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import type { LineSpan } from '../../debug-adapter/engine/index.ts';
import { standingMachine } from './fixed-machine.ts';

// mov eax, 1 / nop / ret / db 1, 2, 3 / 16-bit: mov ax, 1234h / hlt
const CODE = [0xb8, 1, 0, 0, 0, 0x90, 0xc3, 1, 2, 3, 0xb8, 0x34, 0x12, 0xf4];
const spans: readonly LineSpan[] = [
  { address: 0x100n, bytes: 5, file: 'a.asm', line: 1, bits: 64, code: true },
  { address: 0x105n, bytes: 1, file: 'a.asm', line: 2, bits: 64, code: true },
  { address: 0x106n, bytes: 1, file: 'a.asm', line: 3, bits: 64, code: true },
  { address: 0x107n, bytes: 3, file: 'a.asm', line: 4, bits: 64, code: false },
  { address: 0x10an, bytes: 3, file: 'a.asm', line: 5, bits: 16, code: true },
  { address: 0x10dn, bytes: 1, file: 'a.asm', line: 6, bits: 16, code: true },
];
const TEXT = ['mov eax, 1', 'nop', 'ret', 'db 0x01, 0x02, 0x03', 'mov ax, 0x1234', 'hlt'];

function listing(lines: readonly LineSpan[]): Listing {
  const machine = standingMachine({ memory: { 0x100: CODE } });
  return new Listing(new ProcessorView(machine, 0), new SymbolTable({ symbols: [], lines }));
}
const texts = (found: readonly { text: string }[]): string[] => found.map(({ text }) => text);

describe('disassembly listing', () => {
  it('follows the source: data as data, each part in its code size', () => {
    assert.deepEqual(texts(listing(spans).lines(0x100n, 0, 6)), TEXT);
  });

  it('goes back by whole lines of the program', () => {
    assert.deepEqual(texts(listing(spans).lines(0x10dn, -3, 4)), TEXT.slice(2));
    assert.deepEqual(texts(listing(spans).lines(0x10dn, -2, 1)), ['db 0x01, 0x02, 0x03']);
  });

  it('goes forward by a positive offset', () => {
    assert.deepEqual(texts(listing(spans).lines(0x100n, 2, 2)), TEXT.slice(2, 4));
  });

  it('always gives as many lines as asked for', () => {
    const found = listing(spans).lines(0x100n, -2, 10);
    assert.equal(found.length, 10);
    assert.deepEqual(found.map(({ valid }) => valid).slice(0, 2), [false, false]);
    assert.equal(found[2]?.text, 'mov eax, 1');
    assert.deepEqual(texts(found.slice(8)), ['??', '??']);
  });

  it('gives each line without text an address of its own', () => {
    for (const found of [
      listing(spans).lines(0x100n, -4, 20),
      listing(spans).lines(0xffff_ffff_ffff_fffen, 0, 6),
      listing([]).lines(1n, -8, 8),
    ]) {
      assert.equal(new Set(found.map(({ address }) => address)).size, found.length);
      assert.ok(found.every(({ address }) => address >= 0n && address < 1n << 64n));
    }
  });

  it('decodes nothing far from where it is asked', () => {
    for (const offset of [1e15, -1e15]) {
      const found = listing(spans).lines(0x100n, offset, 3);
      assert.deepEqual(texts(found), ['??', '??', '??']);
      assert.equal(new Set(found.map(({ address }) => address)).size, 3);
    }
  });

  it('falls into step without any source', () => {
    const nops = [...Array.from({ length: 40 }, () => 0x90), 0x48, 0x89, 0xc3, 0xc3];
    const machine = standingMachine({ memory: { 0: nops } });
    const bare = new Listing(new ProcessorView(machine, 0), new SymbolTable({ symbols: [], lines: [] }));
    assert.deepEqual(texts(bare.lines(43n, -2, 3)), ['nop', 'mov rbx, rax', 'ret']);
  });

  it('ends at the top of the address space', () => {
    const found = listing(spans).lines(0xffff_ffff_ffff_fffen, 0, 4);
    assert.equal(found.length, 4);
  });
});
