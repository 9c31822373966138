import assert from 'node:assert/strict';
import { textScreen } from '../../debug-adapter/engine/devices/vga-screen.ts';
import { VgaText } from '../../debug-adapter/engine/devices/vga-text.ts';

const CRTC = 0x3d4;
const GRAPHICS = 0x3ce;
const TEXT = 0xb_8000;

function rig() {
  const vga = new VgaText(() => assert.fail('no graphics are asked for'));
  const memory = new Uint8Array(0xc_0000);
  return {
    vga,
    memory,
    write: (port: number, value: number) => vga.write(port - 0x3b0, 1, value),
    set(port: number, index: number, value: number) {
      vga.write(port - 0x3b0, 1, index);
      vga.write(port - 0x3b0 + 1, 1, value);
    },
    put(cell: number, character: string, attribute = 7) {
      memory.set([character.charCodeAt(0), attribute], TEXT + 2 * cell);
    },
    screen: () => textScreen(vga.save(), (address, bytes) => memory.slice(address, address + bytes)),
  };
}
type Rig = ReturnType<typeof rig>;
const at = ({ cells, columns }: ReturnType<Rig['screen']>, row: number, column: number): string =>
  String.fromCharCode(cells[2 * (row * columns + column)]!);

describe('VGA text screen', () => {
  it('shows mode 03h as the firmware leaves it', () => {
    const { put, screen } = rig();
    put(0, 'A', 0x1e);
    put(80 * 24 + 79, 'Z');
    const shown = screen();
    const { columns, rows, characterHeight, address, blink, cursor } = shown;
    assert.deepEqual(
      { columns, rows, characterHeight, address, blink },
      {
        columns: 80,
        rows: 25,
        characterHeight: 16,
        address: TEXT,
        blink: true,
      },
    );
    assert.deepEqual(cursor, { row: 0, column: 0, visible: true, startLine: 13, endLine: 14 });
    assert.equal(shown.cells.length, 80 * 25 * 2);
    assert.deepEqual([at(shown, 0, 0), shown.cells[1], at(shown, 24, 79)], ['A', 0x1e, 'Z']);
  });

  for (const [title, program, columns, rows] of [
    ['80 x 50', ({ set }: Rig) => set(CRTC, 9, 0x47), 80, 50],
    ['80 x 28', ({ set }: Rig) => set(CRTC, 9, 0x4d), 80, 28],
    [
      '40 x 25',
      ({ set }: Rig) => {
        set(CRTC, 0x11, 0x0e);
        set(CRTC, 1, 39);
        set(CRTC, 0x13, 20);
      },
      40,
      25,
    ],
    ['80 x 25 of 200 doubled lines', ({ set }: Rig) => set(CRTC, 9, 0xc7), 80, 25],
  ] as const) {
    it(`is ${title} where the registers say so`, () => {
      const board = rig();
      program(board);
      board.put(columns, 'x');
      const shown = board.screen();
      assert.deepEqual([shown.columns, shown.rows, at(shown, 1, 0)], [columns, rows, 'x']);
    });
  }

  it('scrolls by the start address and wraps where text memory ends', () => {
    const { set, put, screen } = rig();
    set(CRTC, 0x0c, 0x3f);
    set(CRTC, 0x0d, 0xf0);
    put(0x3ff0, 'a');
    put(0, 'b');
    const shown = screen();
    assert.deepEqual([at(shown, 0, 0), at(shown, 0, 16), shown.address], ['a', 'b', TEXT + 0x7fe0]);
  });

  it('has the cursor where its address is, counted from the start', () => {
    const { set, screen } = rig();
    set(CRTC, 0x0d, 160);
    set(CRTC, 0x0f, 160 + 85);
    assert.deepEqual(screen().cursor, { row: 1, column: 5, visible: true, startLine: 13, endLine: 14 });
  });

  for (const [title, program] of [
    ['switched off', ({ set }: Rig) => set(CRTC, 0x0a, 0x2d)],
    ['ending above its start', ({ set }: Rig) => set(CRTC, 0x0b, 0x01)],
    ['below the screen', ({ set }: Rig) => set(CRTC, 0x0e, 0x07)],
    ['above the screen', ({ set }: Rig) => set(CRTC, 0x0d, 80)],
  ] as const) {
    it(`has no cursor ${title}`, () => {
      const board = rig();
      if (title === 'below the screen') board.set(CRTC, 0x0f, 0xd0);
      program(board);
      assert.equal(board.screen().cursor.visible, false);
    });
  }

  it('has the EGA palette, and colours that a program chooses', () => {
    const { write, screen } = rig();
    const hex = () => screen().palette.map((rgb) => rgb.toString(16).padStart(6, '0'));
    assert.deepEqual(hex().slice(0, 8), '000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa'.split(' '));
    assert.deepEqual(hex().slice(8), '555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff'.split(' '));
    write(0x3c8, 7);
    [0x3f, 0x00, 0x20].forEach((value) => write(0x3c9, value));
    assert.equal(hex()[7], 'ff0082');
  });

  it('takes bit 7 of attributes for intensity where the attribute controller says so', () => {
    const { write, screen } = rig();
    write(0x3c0, 0x30);
    write(0x3c0, 0x04);
    assert.equal(screen().blink, false);
  });

  it('reads memory where the graphics controller has put it', () => {
    const { set, memory, screen } = rig();
    set(GRAPHICS, 6, 0x0a);
    memory[0xb_0000] = 'm'.charCodeAt(0);
    assert.equal(at(screen(), 0, 0), 'm');
  });
});
