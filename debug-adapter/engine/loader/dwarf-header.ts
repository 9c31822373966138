/** Header of a DWARF line number program, versions 2 to 5 (DWARF 5, "Line Number Program Header", 6.2.4). */
import { ByteCursor } from './byte-cursor.ts';
import { textAt } from './bytes.ts';

/** Sections that strings may live in. */
export interface DwarfStrings {
  readonly lineStrings: Uint8Array;
  readonly strings: Uint8Array;
}

export interface LineProgram {
  readonly minimumInstructionBytes: number;
  readonly defaultIsStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operand count of each standard opcode, from opcode 1 on. */
  readonly operandCounts: readonly number[];
  /** Path of a file by the number that the program uses. */
  readonly files: ReadonlyMap<number, string>;
  /** Offsets of the instructions. */
  readonly start: number;
  readonly end: number;
}

export type LineProgramResult =
  | { readonly kind: 'program'; readonly program: LineProgram }
  /** The unit is well-formed but cannot be read; the next begins at `end`. */
  | { readonly kind: 'unsupported'; readonly because: string; readonly end: number }
  | { readonly kind: 'damaged' };

const DWARF64_ESCAPE = 0xffff_ffff;
const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;

const DW_LNCT_path = 1;
const DW_LNCT_directory_index = 2;

const FORM = {
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  data1: 0x0b,
  strp: 0x0e,
  udata: 0x0f,
  data16: 0x1e,
  line_strp: 0x1f,
} as const;

interface Entry {
  readonly path: string;
  readonly directory: number;
}

/**
 * Reads the header at offset `at`.
 *
 * @param compilerDirectory where the compiler ran, as `.debug_info` says; version 5 says it here
 */
export function readLineProgramHeader(
  section: Uint8Array,
  at: number,
  strings: DwarfStrings,
  compilerDirectory: string,
): LineProgramResult {
  const lengths = new ByteCursor(section, at);
  let unitBytes = lengths.u32();
  const wide = unitBytes === DWARF64_ESCAPE;
  if (wide) unitBytes = Number(lengths.u64());
  const end = lengths.at + unitBytes;
  if (lengths.overrun || end > section.length) return { kind: 'damaged' };

  const cursor = new ByteCursor(section, lengths.at, end);
  const version = cursor.u16();
  if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
    return { kind: 'unsupported', because: `DWARF line table version ${version}`, end };
  }
  // Address and segment selector size; the addresses themselves tell their size.
  if (version >= 5) cursor.skip(2);
  const headerBytes = wide ? Number(cursor.u64()) : cursor.u32();
  const start = cursor.at + headerBytes;
  const minimumInstructionBytes = cursor.u8();
  // Operations per instruction: more than one only on VLIW machines.
  if (version >= 4) cursor.skip(1);
  const defaultIsStatement = cursor.u8() !== 0;
  const lineBase = cursor.s8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  const operandCounts = Array.from({ length: Math.max(opcodeBase - 1, 0) }, () => cursor.u8());
  if (cursor.overrun || lineRange === 0 || start > end) return { kind: 'damaged' };

  const files = version >= 5 ? readFiles5(cursor, strings, wide) : readFiles2(cursor, compilerDirectory);
  if (files === undefined) return { kind: 'unsupported', because: 'an unknown form in a DWARF 5 file table', end };
  if (cursor.overrun) return { kind: 'damaged' };
  return {
    kind: 'program',
    program: {
      minimumInstructionBytes,
      defaultIsStatement,
      lineBase,
      lineRange,
      opcodeBase,
      operandCounts,
      files,
      start,
      end,
    },
  };
}

const isAbsolute = (path: string): boolean => /^([\\/]|[A-Za-z]:)/.test(path);

const joined = (directory: string | undefined, path: string): string =>
  directory === undefined || directory === '' || isAbsolute(path) ? path : `${directory}/${path}`;

/** Versions 2 to 4: directories and files count from 1; directory 0 is the compiler's own. */
function readFiles2(cursor: ByteCursor, compilerDirectory: string): Map<number, string> {
  const directories: string[] = [compilerDirectory];
  for (let path = cursor.text(); path !== '' && !cursor.overrun; path = cursor.text())
    directories.push(joined(compilerDirectory, path));
  const files = new Map<number, string>();
  for (let path = cursor.text(); path !== '' && !cursor.overrun; path = cursor.text()) {
    const directory = cursor.index();
    // Time of modification and length.
    cursor.uleb();
    cursor.uleb();
    files.set(files.size + 1, joined(directories[directory], path));
  }
  return files;
}

/** Version 5: both tables describe their own columns and count from 0; directory 0 is the compiler's. */
function readFiles5(cursor: ByteCursor, strings: DwarfStrings, wide: boolean): Map<number, string> | undefined {
  const directories = readEntries(cursor, strings, wide);
  if (directories === undefined) return undefined;
  const compilerDirectory = directories[0]?.path;
  const paths = directories.map(({ path }) => joined(compilerDirectory, path));
  const entries = readEntries(cursor, strings, wide);
  if (entries === undefined) return undefined;
  return new Map(entries.map(({ path, directory }, index) => [index, joined(paths[directory], path)]));
}

function readEntries(cursor: ByteCursor, strings: DwarfStrings, wide: boolean): Entry[] | undefined {
  const columns = Array.from({ length: cursor.u8() }, () => ({ content: cursor.index(), form: cursor.index() }));
  const count = cursor.index();
  const entries: Entry[] = [];
  for (let index = 0; index < count && !cursor.overrun; index++) {
    let path = '';
    let directory = 0;
    for (const { content, form } of columns) {
      const value = readForm(cursor, form, strings, wide);
      if (value === undefined) return undefined;
      if (content === DW_LNCT_path && typeof value === 'string') path = value;
      if (content === DW_LNCT_directory_index && typeof value === 'number') directory = value;
    }
    entries.push({ path, directory });
    // A table without columns would never reach the end.
    if (columns.length === 0) break;
  }
  return entries;
}

/** Value of one column; blocks and 16-byte checksums are skipped and count as 0. */
function readForm(cursor: ByteCursor, form: number, strings: DwarfStrings, wide: boolean): string | number | undefined {
  const offset = () => (wide ? Number(cursor.u64()) : cursor.u32());
  switch (form) {
    case FORM.string:
      return cursor.text();
    case FORM.line_strp:
      return textAt(strings.lineStrings, offset());
    case FORM.strp:
      return textAt(strings.strings, offset());
    case FORM.udata:
      return cursor.index();
    case FORM.data1:
      return cursor.u8();
    case FORM.data2:
      return cursor.u16();
    case FORM.data4:
      return cursor.u32();
    case FORM.data8:
      return Number(cursor.u64());
    case FORM.data16:
      cursor.skip(16);
      return 0;
    case FORM.block:
      cursor.skip(cursor.index());
      return 0;
    default:
      return undefined;
  }
}
