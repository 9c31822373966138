/** Laid-out pieces to the image, the line map and the symbol list. */
import type { CodeBits, LineSpan, ProgramSymbol } from '../base/program.ts';
import type { ParserState } from './directives.ts';
import { SCALAR } from './evaluate.ts';
import type { Content } from './items.ts';
import { IMAGE_REMEDY, MAX_IMAGE_BYTES, type Layout, type Piece } from './layout.ts';
import type { Messages } from './messages.ts';
import type { SymbolNames } from './symbols.ts';

export interface Image {
  readonly bytes: Uint8Array;
  readonly origin: bigint;
  readonly lines: readonly LineSpan[];
  readonly symbols: readonly ProgramSymbol[];
  readonly entryBits: CodeBits;
  readonly reservedBytes: number;
}

export function buildImage(layout: Layout, state: ParserState, names: SymbolNames, messages: Messages): Image {
  const { sections } = state;
  const origin = state.origin ?? 0n;
  let end = origin;
  let reservedEnd = origin;
  sections.forEach((section, index) => {
    const length = layout.lengths[index];
    const sectionEnd = layout.starts[index] + BigInt(length);
    if (section.kind === 'progbits' && length > 0 && sectionEnd > end) end = sectionEnd;
    if (section.kind === 'nobits' && length > 0 && sectionEnd > reservedEnd) reservedEnd = sectionEnd;
  });
  const size = imageSize(end - origin, state, messages);
  const bytes = new Uint8Array(size);
  for (const piece of layout.pieces) {
    const { section } = piece.item;
    if (sections[section].kind !== 'progbits') continue;
    const at = Number(layout.starts[section] - origin + (piece.address - layout.bases[section]));
    if (at >= 0 && at + piece.bytes.length <= size) bytes.set(piece.bytes, at);
  }
  const inImage = layout.pieces.filter(({ item }) => sections[item.section].kind === 'progbits');
  const lines = lineSpans(inImage);
  const first = inImage[0];
  return {
    bytes,
    origin,
    lines,
    symbols: symbolList(layout, names),
    entryBits: lines[0]?.bits ?? first?.item.bits ?? state.bits,
    reservedBytes: reservedEnd > end ? Number(reservedEnd - end) : 0,
  };
}

function imageSize(size: bigint, state: ParserState, messages: Messages): number {
  if (size <= BigInt(MAX_IMAGE_BYTES)) return Number(size);
  messages.error(
    'image-too-large',
    `the image has ${size} bytes; at most ${MAX_IMAGE_BYTES} are possible; ${IMAGE_REMEDY}`,
    state.sections[0].place,
  );
  return 0;
}

function isCode(content: Content): boolean {
  switch (content.kind) {
    case 'instruction':
    case 'prefixes':
      return true;
    case 'times':
      return isCode(content.content);
    case 'data':
    case 'reserve':
    case 'align':
    case 'fill-to':
    case 'label':
    case 'equ':
      return false;
  }
}

/** One span per piece; pieces of one line that touch (macros, repetitions) are one span. */
function lineSpans(pieces: readonly Piece[]): readonly LineSpan[] {
  const spans: LineSpan[] = [];
  const sorted = [...pieces].sort((left, right) =>
    left.address < right.address ? -1 : left.address > right.address ? 1 : 0,
  );
  for (const { item, address, length } of sorted) {
    const { file, line } = item.place;
    const code = isCode(item.content);
    const last = spans.at(-1);
    const touches = last !== undefined && last.address + BigInt(last.bytes) === address;
    if (touches && last.file === file && last.line === line && last.code === code && last.bits === item.bits) {
      spans[spans.length - 1] = { ...last, bytes: last.bytes + length };
    } else spans.push({ address, bytes: length, file, line, bits: item.bits, code });
  }
  return spans;
}

/** Labels and constants by their full names. Data labels reach to the next label or instruction. */
function symbolList(layout: Layout, names: SymbolNames): readonly ProgramSymbol[] {
  const byAddress = new Map<bigint, Piece>();
  for (const piece of layout.pieces) if (!byAddress.has(piece.address)) byAddress.set(piece.address, piece);
  const symbols: ProgramSymbol[] = [];
  for (const { name, kind, place } of names.definitions.values()) {
    const value = layout.symbols.get(name);
    if (value === undefined || value.unknown || name.startsWith('..@')) continue;
    const piece = byAddress.get(value.number);
    const constant = kind === 'constant' || value.section === SCALAR;
    const code = piece !== undefined && isCode(piece.item.content);
    symbols.push({
      name,
      address: BigInt.asUintN(64, value.number),
      bytes: constant || code || piece === undefined ? 0 : piece.length,
      kind: constant ? 'constant' : code ? 'code' : 'data',
      file: place.file,
      line: place.line,
    });
  }
  return symbols;
}
