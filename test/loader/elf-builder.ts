/** Writes ELF files byte by byte, so that each test can have exactly the file it is about. */

export interface BuiltSegment {
  readonly address: number;
  /** Where paging will put it; the address where absent. */
  readonly virtual?: bigint;
  readonly bytes: Uint8Array;
  readonly memoryBytes?: number;
}

export interface BuiltSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly bytes?: number;
  readonly type: number;
  /** Section index; 1 is code, 2 is data. */
  readonly section: number;
}

export interface BuiltElf {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly segments: readonly BuiltSegment[];
  readonly symbols?: readonly BuiltSymbol[];
  /** Contents of `.debug_line`. */
  readonly lines?: Uint8Array;
  readonly type?: number;
  readonly machine?: number;
}

class Writer {
  readonly bytes: number[] = [];

  u(width: 1 | 2 | 4 | 8, value: number | bigint): this {
    for (let index = 0n; index < BigInt(width); index++)
      this.bytes.push(Number((BigInt(value) >> (8n * index)) & 0xffn));
    return this;
  }

  raw(bytes: Iterable<number>): this {
    this.bytes.push(...bytes);
    return this;
  }
}

const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

/** Names joined with NULs, and where each begins. */
function strings(names: readonly string[]) {
  const bytes = [0];
  const offsets = names.map((name) => {
    const at = bytes.length;
    bytes.push(...ascii(name), 0);
    return at;
  });
  return { bytes, offsets };
}

export function buildElf(elf: BuiltElf): Uint8Array {
  const is32 = elf.bits === 32;
  const word = is32 ? 4 : 8;
  const [headerBytes, programBytes, sectionBytes] = is32 ? [52, 32, 40] : [64, 56, 64];
  const programTable = headerBytes;
  let at = programTable + elf.segments.length * programBytes;
  const contents: { at: number; bytes: Iterable<number> }[] = [];
  const place = (bytes: ArrayLike<number> & Iterable<number>) => {
    const here = at;
    contents.push({ at, bytes });
    at += bytes.length;
    return { offset: here, size: bytes.length };
  };

  const segments = elf.segments.map((segment) => ({ ...segment, placed: place(segment.bytes) }));
  const symbols = elf.symbols ?? [];
  const symbolNames = strings(symbols.map(({ name }) => name));
  const table = new Writer().raw(new Array(is32 ? 16 : 24).fill(0));
  symbols.forEach(({ address, bytes = 0, type, section }, index) => {
    table.u(4, symbolNames.offsets[index]!);
    if (is32) table.u(4, address).u(4, bytes).u(1, type).u(1, 0).u(2, section);
    else table.u(1, type).u(1, 0).u(2, section).u(8, address).u(8, bytes);
  });
  const sections = [
    { name: '.text', type: 1, flags: 6, ...segments[0]?.placed, link: 0, entry: 0 },
    { name: '.data', type: 1, flags: 3, offset: 0, size: 0, link: 0, entry: 0 },
    { name: '.symtab', type: 2, flags: 0, ...place(table.bytes), link: 4, entry: is32 ? 16 : 24 },
    { name: '.strtab', type: 3, flags: 0, ...place(symbolNames.bytes), link: 0, entry: 0 },
    ...(elf.lines === undefined
      ? []
      : [{ name: '.debug_line', type: 1, flags: 0, ...place(elf.lines), link: 0, entry: 0 }]),
  ];
  const sectionNames = strings([...sections.map(({ name }) => name), '.shstrtab']);
  const all = [...sections, { name: '.shstrtab', type: 3, flags: 0, ...place(sectionNames.bytes), link: 0, entry: 0 }];
  const sectionTable = at;

  const file = new Writer();
  file.raw([0x7f, ...ascii('ELF'), is32 ? 1 : 2, 1, 1, ...new Array(9).fill(0)]);
  file
    .u(2, elf.type ?? 2)
    .u(2, elf.machine ?? (is32 ? 3 : 62))
    .u(4, 1)
    .u(word, elf.entry);
  file.u(word, programTable).u(word, sectionTable).u(4, 0);
  file
    .u(2, headerBytes)
    .u(2, programBytes)
    .u(2, segments.length)
    .u(2, sectionBytes)
    .u(2, all.length + 1)
    .u(2, all.length);
  for (const { address, virtual, bytes, memoryBytes, placed } of segments) {
    file.u(4, 1);
    if (!is32) file.u(4, 7);
    file
      .u(word, placed.offset)
      .u(word, virtual ?? address)
      .u(word, address)
      .u(word, bytes.length)
      .u(word, memoryBytes ?? bytes.length);
    if (is32) file.u(4, 7);
    file.u(word, 1);
  }
  for (const { bytes } of contents) file.raw(bytes);
  file.raw(new Array(sectionBytes).fill(0));
  all.forEach(({ type, flags, offset = 0, size = 0, link, entry }, index) => {
    file.u(4, sectionNames.offsets[index]!).u(4, type).u(word, flags).u(word, 0).u(word, offset).u(word, size);
    file.u(4, link).u(4, 0).u(word, 1).u(word, entry);
  });
  return Uint8Array.from(file.bytes);
}

/** A Multiboot header; `words` follow magic, flags and checksum. */
export function multibootHeader(flags: number, ...words: readonly number[]): Uint8Array {
  const magic = 0x1bad_b002;
  const bytes = new Uint8Array(12 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  [magic, flags, -(magic + flags), ...words].forEach((word, index) => view.setUint32(index * 4, word, true));
  return bytes;
}

export const joined = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
