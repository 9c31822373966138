import assert from 'node:assert/strict';
import { SymbolTable } from '../../debug-adapter/debugger/symbols.ts';
import { nearestName } from '../../debug-adapter/debugger/nearest.ts';

const span = (address: number, bytes: number, line: number, code = true, file = 'a.asm') =>
  ({ address: BigInt(address), bytes, file, line, bits: 64, code }) as const;
const symbol = (name: string, address: number, kind: 'code' | 'data' | 'constant' = 'code', bytes = 0) =>
  ({ name, address: BigInt(address), bytes, kind }) as const;

const table = new SymbolTable({
  symbols: [
    symbol('second', 0x20),
    symbol('first', 0x10),
    symbol('first.local', 0x18),
    symbol('table', 0x30, 'data', 8),
    symbol('alias', 0x20, 'data'),
    symbol('SIZE', 5, 'constant'),
  ],
  lines: [
    span(0x10, 2, 3),
    span(0x12, 3, 4), // a macro: two spans that adjoin are one place
    span(0x15, 3, 4),
    span(0x20, 1, 4), // and one elsewhere
    span(0x30, 8, 9, false),
    span(0x38, 1, 12, true, 'b.inc'),
  ],
});

describe('symbol table', () => {
  const names: readonly (readonly [number, string | undefined])[] = [
    [0x0f, undefined],
    [0x10, 'first'],
    [0x13, 'first+0x3'],
    [0x18, 'first.local'],
    [0x20, 'second'],
    [0x30, 'table'],
    [0x38, 'table+0x8'],
    [0x39, undefined], // beyond the end that the symbol's size tells
  ];
  for (const [address, expected] of names) {
    it(`names ${address.toString(16)}`, () => assert.equal(table.describe(BigInt(address)), expected));
  }

  it('names an address far from everything by nothing', () => {
    const far = new SymbolTable({ symbols: [symbol('start', 0)], lines: [] });
    assert.equal(far.describe(0x1_0000n), 'start+0x10000');
    assert.equal(far.describe(0x1_0001n), undefined);
  });

  it('finds the line of an address', () => {
    assert.equal(table.lineAt(0x14n)?.line, 4);
    assert.equal(table.lineAt(0x18n), undefined);
    assert.equal(table.lineAt(0n), undefined);
  });

  it('finds every place of a line, or of the next with code', () => {
    const places = (line: number) => table.codeAtOrAfter('a.asm', line).map((each) => Number(each.address));
    assert.deepEqual(places(1), [0x10]);
    assert.deepEqual(places(4), [0x12, 0x20]);
    assert.deepEqual(places(5), []); // line 9 is data
    assert.deepEqual(table.codeAtOrAfter('c.asm', 1), []);
    assert.deepEqual(table.codeLines('a.asm'), [3, 4]);
    assert.deepEqual(table.files, ['a.asm', 'b.inc']);
  });

  it('matches labels by name or regular expression, never constants', () => {
    const matching = (pattern: string) => table.matching(pattern).map(({ name }) => name);
    assert.deepEqual(matching('second'), ['second']);
    assert.deepEqual(matching('SIZE'), []);
    assert.deepEqual(matching('/^first/'), ['first', 'first.local']);
  });
});

describe('nearest name', () => {
  const known = ['program', 'memory', 'mode', 'stopOnEntry'];
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['porgram', 'program'],
    ['Memory', 'memory'],
    ['stopOnentry', 'stopOnEntry'],
    ['mod', 'mode'],
    ['zzz', undefined],
    ['x', undefined],
  ];
  for (const [name, expected] of cases) it(`${name}`, () => assert.equal(nearestName(name, known), expected));
});
