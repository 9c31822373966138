import assert from 'node:assert/strict';
import { CODE_PAGE_437 } from '../../debug-adapter/present/code-page-437.ts';
import { presentTextScreen, screenText } from '../../debug-adapter/present/text-screen.ts';
import type { TextScreen } from '../../debug-adapter/engine/index.ts';

/** A screen of four columns and three rows. */
const screenOf = (cells: readonly (readonly [character: number, attribute: number])[], blink = true): TextScreen => ({
  columns: 4,
  rows: 3,
  cells: Uint8Array.from(Array.from({ length: 12 }, (_, index) => cells[index] ?? [0, 7]).flat()),
  cursor: { row: 1, column: 2, visible: true, startLine: 13, endLine: 14 },
  characterHeight: 16,
  address: 0xb_8000,
  startAddress: 0,
  blink,
  palette: Array.from({ length: 16 }, (_, index) => index * 0x10_0101),
});

describe('text screen', () => {
  it('has a character for each of the 256 codes', () => {
    assert.equal(CODE_PAGE_437.length, 256);
    // IBM's own table: smiley, house, C cedilla, light shade, box corners, alpha, black square.
    for (const [code, character] of [
      [0x01, '☺'],
      [0x1f, '▼'],
      [0x41, 'A'],
      [0x7e, '~'],
      [0x7f, '⌂'],
      [0x80, 'Ç'],
      [0x9f, 'ƒ'],
      [0xb0, '░'],
      [0xc9, '╔'],
      [0xda, '┌'],
      [0xdb, '█'],
      [0xe0, 'α'],
      [0xf8, '°'],
      [0xfe, '■'],
    ] as const)
      assert.equal(CODE_PAGE_437.charAt(code), character, code.toString(16));
    assert.equal(new Set([...CODE_PAGE_437].slice(1)).size, 255);
  });

  it('gives lines of text and runs of one look', () => {
    const body = presentTextScreen(
      screenOf([
        [0x48, 0x1f],
        [0x69, 0x1f],
        [0x21, 0x9f],
        [0xb3, 0x07],
      ]),
    );
    assert.equal(body.lines.length, 3);
    assert.deepEqual(body.lines[0], {
      text: 'Hi!│',
      runs: [
        { column: 0, length: 2, foreground: 15, background: 1, blink: false },
        { column: 2, length: 1, foreground: 15, background: 1, blink: true },
        { column: 3, length: 1, foreground: 7, background: 0, blink: false },
      ],
    });
    assert.deepEqual(body.lines[1], {
      text: '    ',
      runs: [{ column: 0, length: 4, foreground: 7, background: 0, blink: false }],
    });
    assert.deepEqual(body.cursor, { row: 1, column: 2, visible: true, startLine: 13, endLine: 14 });
    assert.equal(body.memoryReference, 'gpa:0x00000000000b8000');
    assert.equal(body.palette[1], '#100101');
  });

  it('takes bit 7 for the background where nothing blinks', () => {
    const [run] = presentTextScreen(screenOf([[0x21, 0x9f]], false)).lines[0]!.runs;
    assert.deepEqual([run?.background, run?.blink], [9, false]);
  });

  it('is text without blanks at ends', () => {
    assert.equal(
      screenText(
        screenOf([
          [0x41, 7],
          [0, 7],
          [0, 7],
          [0, 7],
          [0x20, 7],
          [0x42, 7],
        ]),
      ),
      'A\n B',
    );
    assert.equal(screenText(screenOf([])), '');
  });
});
