import assert from 'node:assert/strict';
import { keyScanCodes, markedScanCodes, textScanCodes } from '../../debug-adapter/debugger/keyboard.ts';

const hex = (codes: readonly number[]): string => codes.map((code) => code.toString(16).padStart(2, '0')).join(' ');

describe('keyboard', () => {
  for (const [text, expected] of [
    ['a', '1e 9e'],
    ['A', '2a 1e 9e aa'],
    ['1!', '02 82 2a 02 82 aa'],
    ['~', '2a 29 a9 aa'],
    ['/?', '35 b5 2a 35 b5 aa'],
    [' \n\t', '39 b9 1c 9c 0f 8f'],
    ['=+', '0d 8d 2a 0d 8d aa'],
    [']}', '1b 9b 2a 1b 9b aa'],
  ] as const) {
    it(`types ${JSON.stringify(text)}`, () => assert.equal(hex(textScanCodes(text)), expected));
  }

  for (const [name, expected] of [
    ['Enter', '1c 9c'],
    ['enter', '1c 9c'],
    ['F1', '3b bb'],
    ['F12', '58 d8'],
    ['ArrowUp', 'e0 48 e0 c8'],
    ['Ctrl+C', '1d 2e ae 9d'],
    ['Ctrl+Alt+Delete', '1d 38 e0 53 e0 d3 b8 9d'],
    ['Ctrl++', '1d 0d 8d 9d'],
    ['+', '0d 8d'],
  ] as const) {
    it(`presses ${name}`, () => assert.equal(hex(keyScanCodes(name)), expected));
  }

  it('presses keys within text', () => {
    assert.equal(hex(markedScanCodes('b<Enter><lt>')), '30 b0 1c 9c 2a 33 b3 aa');
  });

  it('types every printable character of ASCII with a key of its own', () => {
    const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index));
    assert.equal(new Set(printable.map((character) => hex(textScanCodes(character)))).size, 95);
  });

  it('names what no key is there for', () => {
    assert.throws(() => textScanCodes('ä'), /no key for "ä"/);
    assert.throws(() => keyScanCodes('Entr'), /no key "Entr".*Did you mean "Enter"/);
    assert.throws(() => keyScanCodes(''), /no key ""/);
  });
});
