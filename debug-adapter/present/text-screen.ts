/** The VGA's text screen for the wire and for terminals. */
import type { TextScreen } from '../engine/index.ts';
import type { TextScreenBody, TextScreenRun } from '../protocol/text-screen.ts';
import { CODE_PAGE_437 } from './code-page-437.ts';
import { memoryReference } from './text.ts';

/** Two bytes for each cell. */
const cellAt = ({ cells, columns }: TextScreen, row: number, column: number) => {
  const at = 2 * (row * columns + column);
  return { character: cells[at] ?? 0, attribute: cells[at + 1] ?? 0 };
};

const range = (length: number): number[] => Array.from({ length }, (_, index) => index);

const lineText = (screen: TextScreen, row: number): string =>
  range(screen.columns)
    .map((column) => CODE_PAGE_437.charAt(cellAt(screen, row, column).character))
    .join('');

function runsOf(screen: TextScreen, row: number): readonly TextScreenRun[] {
  const runs: TextScreenRun[] = [];
  let before: number | undefined;
  for (const column of range(screen.columns)) {
    const { attribute } = cellAt(screen, row, column);
    const last = runs.at(-1);
    if (last !== undefined && attribute === before) runs[runs.length - 1] = { ...last, length: last.length + 1 };
    else {
      runs.push({
        column,
        length: 1,
        foreground: attribute & 15,
        background: (attribute >> 4) & (screen.blink ? 7 : 15),
        blink: screen.blink && (attribute & 0x80) !== 0,
      });
    }
    before = attribute;
  }
  return runs;
}

export function presentTextScreen(screen: TextScreen): TextScreenBody {
  const { columns, rows, cursor, characterHeight, palette, blink, address } = screen;
  return {
    columns,
    rows,
    lines: range(rows).map((row) => ({ text: lineText(screen, row), runs: runsOf(screen, row) })),
    cursor,
    characterHeight,
    palette: palette.map((rgb) => `#${rgb.toString(16).padStart(6, '0')}`),
    blink,
    memoryReference: memoryReference(address, 'guest-physical'),
  };
}

/** The characters alone, without the blanks at the ends of lines and the empty lines at the bottom. */
export function screenText(screen: TextScreen): string {
  const lines = range(screen.rows).map((row) => lineText(screen, row).replace(/[ \u00a0]+$/, ''));
  while (lines.length > 0 && lines.at(-1) === '') lines.pop();
  return lines.join('\n');
}
