import assert from 'node:assert/strict';
import { keyScanCodes, textScanCodes } from '../../../debug-adapter/debugger/keyboard.ts';
import type { TextScreenRun } from '../../../debug-adapter/protocol/text-screen.ts';
import { lineKey, piecesOf } from '../../../extension/views/screen/page/cells.ts';
import { pressed, released } from '../../../extension/views/screen/page/scan-codes.ts';

const run = (column: number, length: number, foreground = 7): TextScreenRun => ({
  column,
  length,
  foreground,
  background: 0,
  blink: false,
});

describe("extension: the guest's screen", () => {
  it('cuts lines where a font may not keep the width', () => {
    const pieces = piecesOf({ text: '╔═ab ', runs: [run(0, 3), run(3, 2, 15)] });
    assert.deepEqual(
      pieces.map(({ text, columns, run: { foreground } }) => [text, columns, foreground]),
      [
        ['╔', 1, 7],
        ['═', 1, 7],
        ['a', 1, 7],
        ['b ', 2, 15],
      ],
    );
  });

  it('covers the whole line', () => {
    const text = 'x'.repeat(40) + '│'.repeat(40);
    const columns = piecesOf({ text, runs: [run(0, 80)] }).reduce((sum, piece) => sum + piece.columns, 0);
    assert.equal(columns, 80);
  });

  it('tells lines apart by text and by colours', () => {
    const line = { text: 'ab', runs: [run(0, 2)] };
    assert.equal(lineKey(line), lineKey({ text: 'ab', runs: [run(0, 2)] }));
    assert.notEqual(lineKey(line), lineKey({ text: 'ac', runs: [run(0, 2)] }));
    assert.notEqual(lineKey(line), lineKey({ text: 'ab', runs: [run(0, 2, 1)] }));
  });

  it('sends the scan codes that the adapter sends for the same keys', () => {
    const both = (code: string): number[] => [...(pressed(code) ?? []), ...(released(code) ?? [])];
    for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
      assert.deepEqual(both(`Key${letter.toUpperCase()}`), textScanCodes(letter), letter);
    }
    for (const digit of '0123456789') assert.deepEqual(both(`Digit${digit}`), textScanCodes(digit), digit);
    const marks: Readonly<Record<string, string>> = {
      Minus: '-',
      Equal: '=',
      BracketLeft: '[',
      BracketRight: ']',
      Semicolon: ';',
      Quote: "'",
      Backquote: '`',
      Backslash: '\\',
      Comma: ',',
      Period: '.',
      Slash: '/',
      Space: ' ',
    };
    for (const [code, mark] of Object.entries(marks)) assert.deepEqual(both(code), textScanCodes(mark), code);
    const named = 'Escape Backspace Tab Enter CapsLock NumLock ScrollLock Home ArrowUp PageUp ArrowLeft ArrowRight End';
    for (const code of `${named} ArrowDown PageDown Insert Delete F1 F5 F10 F11 F12`.split(' ')) {
      assert.deepEqual(both(code), keyScanCodes(code), code);
    }
    assert.deepEqual(both('ShiftLeft'), keyScanCodes('Shift'));
    assert.deepEqual(both('ControlLeft'), keyScanCodes('Ctrl'));
    assert.deepEqual(both('AltLeft'), keyScanCodes('Alt'));
  });

  it('knows no code for keys that a PC keyboard lacks', () => {
    assert.equal(pressed('MediaPlayPause'), undefined);
    assert.equal(released('MediaPlayPause'), undefined);
  });
});
