import assert from 'node:assert/strict';
import { hexDump, parseReference, spaceInWords, windowAround } from '../../../extension/views/memory/hex-dump.ts';
import { byteSize, counted, short } from '../../../extension/views/text.ts';

describe('extension: memory as text', () => {
  it('begins some lines before the address, never below zero', () => {
    assert.deepEqual(windowAround(0x1238n), { start: 0x11f0n, bytes: 512 });
    assert.equal(windowAround(0x18n).start, 0n);
  });

  it('shows bytes, letters, and what cannot be read', () => {
    const { lines } = hexDump({ start: 0x1000n, bytes: 32 }, new Uint8Array([0x48, 0x69, 0, 0xff]), {
      start: 0x1000n,
      bytes: 1,
    });
    assert.deepEqual(lines, [
      '00001000  48 69 00 ff ?? ?? ?? ??  ?? ?? ?? ?? ?? ?? ?? ??  |Hi..            |',
      '00001010  ?? ?? ?? ?? ?? ?? ?? ??  ?? ?? ?? ?? ?? ?? ?? ??  |                |',
    ]);
  });

  it('writes long addresses in full', () => {
    const start = 0xffff_8000_0000_0000n;
    const { lines, highlights } = hexDump({ start, bytes: 16 }, new Uint8Array([1, 2]), {
      start: start + 1n,
      bytes: 1,
    });
    assert.match(lines[0] ?? '', /^ffff800000000000 {2}01 02 /);
    assert.deepEqual(
      highlights.map(({ start: from, end }) => lines[0]?.slice(from, end)),
      ['02'],
    );
  });

  it('highlights exactly the bytes of interest, across lines as well', () => {
    const known = Uint8Array.from({ length: 48 }, (_, index) => index);
    const { lines, highlights } = hexDump({ start: 0n, bytes: 48 }, known, { start: 0xen, bytes: 4 });
    assert.deepEqual(
      highlights.map(({ line, start, end }) => lines[line]?.slice(start, end)),
      ['0e 0f', '10 11'],
    );
    const eighth = hexDump({ start: 0n, bytes: 16 }, known, { start: 7n, bytes: 2 });
    assert.deepEqual(
      eighth.highlights.map(({ line, start, end }) => eighth.lines[line]?.slice(start, end)),
      ['07  08'],
    );
  });

  it('reads memory references', () => {
    assert.deepEqual(parseReference('gpa:0x0000000000001000'), { space: 'gpa:', address: 0x1000n });
    assert.deepEqual(parseReference('0xffff800000000000'), { space: '', address: 0xffff_8000_0000_0000n });
    assert.equal(parseReference('rax'), undefined);
    assert.equal(spaceInWords('hpa:'), 'host-physical');
  });

  it('writes numbers for people', () => {
    assert.equal(short('0x0000000000000000'), '0x0');
    assert.equal(short('0x00000000000a0010'), '0xa0010');
    assert.deepEqual([4096, 2 ** 21, 2 ** 30, 12].map(byteSize), ['4 KiB', '2 MiB', '1 GiB', '12 bytes']);
    assert.equal(counted(1, 'exit'), '1 exit');
    assert.equal(counted(1234567, 'exit'), '1,234,567 exits');
  });
});
