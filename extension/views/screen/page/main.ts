/** The browser side of the guest's screen: draws what it is told and reports keys. */
import type { ScreenPageMessage, ScreenPageUpdate } from '../../../../debug-adapter/protocol/screen-page.ts';
import type { TextScreenBody, TextScreenLine } from '../../../../debug-adapter/protocol/text-screen.ts';
import { lineKey, piecesOf } from './cells.ts';
import { pressed, released } from './scan-codes.ts';

declare function acquireVsCodeApi(): { postMessage(message: ScreenPageMessage): void };

/** A character cell of the VGA's text modes is 9 pixels wide. */
const CELL_PIXELS = 9;
/** Room that the margins and the line below the screen take. */
const MARGIN_PIXELS = 26;
const STATUS_PIXELS = 72;

const api = acquireVsCodeApi();
const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
};
const screen = element('screen');
const lines = element('lines');
const cursor = element('cursor');
const status = element('status');

let shown: TextScreenBody | undefined;
const keys: string[] = [];

function drawLine(line: TextScreenLine, palette: readonly string[]): HTMLElement {
  const row = document.createElement('div');
  row.className = 'line';
  for (const { text, columns, run } of piecesOf(line)) {
    const piece = document.createElement('span');
    piece.style.width = `calc(${columns} * var(--cell-width))`;
    piece.style.color = palette[run.foreground] ?? '';
    piece.style.backgroundColor = palette[run.background] ?? '';
    const glyphs = document.createElement('span');
    glyphs.textContent = text;
    if (run.blink) glyphs.className = 'blink';
    piece.append(glyphs);
    row.append(piece);
  }
  return row;
}

/** Fits the cells into the window, in the proportions of the VGA's. */
function fit(): void {
  if (shown === undefined) return;
  const { columns, rows, characterHeight } = shown;
  const ratio = characterHeight / CELL_PIXELS;
  const room = { width: window.innerWidth - MARGIN_PIXELS, height: window.innerHeight - STATUS_PIXELS };
  const width = Math.max(4, Math.min(room.width / columns, room.height / rows / ratio));
  const pen = document.createElement('canvas').getContext('2d');
  const family = getComputedStyle(screen).fontFamily;
  if (pen !== null) pen.font = `100px ${family}`;
  const advance = (pen?.measureText('M').width ?? 60) / 100;
  screen.style.setProperty('--cell-width', `${width}px`);
  screen.style.setProperty('--cell-height', `${width * ratio}px`);
  screen.style.setProperty('--columns', String(columns));
  // Not larger than the cell either way.
  screen.style.fontSize = `${Math.min(width / advance, width * ratio * 0.86)}px`;
}

function drawCursor({ cursor: place, characterHeight, palette }: TextScreenBody): void {
  cursor.hidden = !place.visible;
  cursor.style.left = `calc(${place.column} * var(--cell-width))`;
  cursor.style.top = `calc((${place.row} + ${place.startLine / characterHeight}) * var(--cell-height))`;
  cursor.style.height = `calc(${(place.endLine - place.startLine + 1) / characterHeight} * var(--cell-height))`;
  cursor.style.backgroundColor = palette[7] ?? '';
}

function draw(next: TextScreenBody): void {
  const before = shown;
  shown = next;
  const samePalette = before?.palette.join() === next.palette.join();
  next.lines.forEach((line, index) => {
    const old = before?.lines[index];
    if (samePalette && old !== undefined && lineKey(old) === lineKey(line) && lines.children[index]) return;
    const row = drawLine(line, next.palette);
    if (lines.children[index]) lines.children[index].replaceWith(row);
    else lines.append(row);
  });
  while (lines.children.length > next.rows) lines.lastElementChild?.remove();
  screen.setAttribute('aria-label', `Guest screen, ${next.columns} columns, ${next.rows} rows`);
  drawCursor(next);
  if (before?.columns !== next.columns || before.rows !== next.rows || before.characterHeight !== next.characterHeight)
    fit();
}

function update(message: ScreenPageUpdate): void {
  const there = message.kind === 'screen';
  screen.hidden = !there;
  if (there) {
    draw(message.screen);
    const state = message.running ? 'running' : 'stopped';
    status.textContent = `${message.screen.columns} × ${message.screen.rows}, ${state}. Click the screen to type into the guest; Shift+Tab leaves it.`;
  } else {
    shown = undefined;
    lines.replaceChildren();
    status.textContent = message.because;
  }
}

const send = (scanCodes: readonly number[] | undefined): void => {
  if (scanCodes !== undefined) api.postMessage({ kind: 'keys', scanCodes });
};

/** The editor's own: many of its shortcuts begin with these, debugging's are on function keys, and Shift+Tab is the way out by keyboard. */
const belongsToEditor = (event: KeyboardEvent): boolean =>
  event.metaKey || (event.shiftKey && (event.ctrlKey || event.code === 'Tab' || /^F\d+$/.test(event.code)));

screen.addEventListener('keydown', (event) => {
  if (belongsToEditor(event) || pressed(event.code) === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (!keys.includes(event.code)) keys.push(event.code);
  send(pressed(event.code));
});
screen.addEventListener('keyup', (event) => {
  const at = keys.indexOf(event.code);
  if (at < 0) return;
  event.preventDefault();
  keys.splice(at, 1);
  send(released(event.code));
});
// A key that comes up elsewhere would stay down in the guest.
screen.addEventListener('blur', () => {
  for (const code of keys.splice(0).reverse()) send(released(code));
});
window.addEventListener('resize', fit);
window.addEventListener('message', (event: MessageEvent<ScreenPageUpdate>) => update(event.data));
api.postMessage({ kind: 'ready' });
