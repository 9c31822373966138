/**
 * The directory a compilation unit was compiled in. Line tables before DWARF 5 name files relative to it without naming it: it
 * is an attribute of the unit's first entry in `.debug_info` (DWARF 4, "Normal and Partial Compilation Unit Entries", 3.1.1).
 */
import { ByteCursor } from './byte-cursor.ts';
import { textAt } from './bytes.ts';

const DWARF64_ESCAPE = 0xffff_ffff;
const NEWEST_VERSION = 4;
const DW_AT_stmt_list = 0x10;
const DW_AT_comp_dir = 0x1b;

interface Sections {
  readonly information: Uint8Array;
  readonly abbreviations: Uint8Array;
  readonly strings: Uint8Array;
}

interface Unit {
  readonly wide: boolean;
  readonly addressBytes: number;
  readonly strings: Uint8Array;
}

type FormValue = string | number;
type FormReader = (cursor: ByteCursor, unit: Unit) => FormValue;

const skipped =
  (bytes: (cursor: ByteCursor, unit: Unit) => number): FormReader =>
  (cursor, unit) => {
    cursor.skip(bytes(cursor, unit));
    return 0;
  };
const offset: FormReader = (cursor, { wide }) => (wide ? Number(cursor.u64()) : cursor.u32());
const index: FormReader = (cursor) => cursor.index();

/** Attribute forms of DWARF 2 to 4 (DWARF 4, "Attribute Form Encodings", 7.5.4). */
const FORMS: Readonly<Record<number, FormReader>> = {
  0x01: skipped((_, unit) => unit.addressBytes),
  0x03: skipped((cursor) => cursor.u16()),
  0x04: skipped((cursor) => cursor.u32()),
  0x05: (cursor) => cursor.u16(),
  0x06: (cursor) => cursor.u32(),
  0x07: (cursor) => Number(cursor.u64()),
  0x08: (cursor) => cursor.text(),
  0x09: skipped((cursor) => cursor.index()),
  0x0a: skipped((cursor) => cursor.u8()),
  0x0b: (cursor) => cursor.u8(),
  0x0c: (cursor) => cursor.u8(),
  0x0d: index,
  0x0e: (cursor, unit) => textAt(unit.strings, Number(offset(cursor, unit))),
  0x0f: index,
  0x10: offset,
  0x11: (cursor) => cursor.u8(),
  0x12: (cursor) => cursor.u16(),
  0x13: (cursor) => cursor.u32(),
  0x14: (cursor) => Number(cursor.u64()),
  0x15: index,
  0x17: offset,
  0x18: skipped((cursor) => cursor.index()),
  0x19: () => 1,
  0x20: skipped(() => 8),
};

/** Compilation directories by the offset of the unit's line table. Units that cannot be read are left out. */
export function compilationDirectories(sections: Sections): ReadonlyMap<number, string> {
  const directories = new Map<number, string>();
  const { information } = sections;
  for (let at = 0; at < information.length;) {
    const lengths = new ByteCursor(information, at);
    let unitBytes = lengths.u32();
    const wide = unitBytes === DWARF64_ESCAPE;
    if (wide) unitBytes = Number(lengths.u64());
    const end = lengths.at + unitBytes;
    if (lengths.overrun || end > information.length) break;
    readUnit(new ByteCursor(information, lengths.at, end), wide, sections, directories);
    at = end;
  }
  return directories;
}

function readUnit(cursor: ByteCursor, wide: boolean, sections: Sections, directories: Map<number, string>): void {
  // DWARF 5 units begin differently, and their line tables name the directory themselves.
  if (cursor.u16() > NEWEST_VERSION) return;
  const abbreviationsAt = wide ? Number(cursor.u64()) : cursor.u32();
  const unit: Unit = { wide, addressBytes: cursor.u8(), strings: sections.strings };
  const attributes = abbreviation(sections.abbreviations, abbreviationsAt, cursor.index());
  let lineTable: FormValue | undefined;
  let directory: FormValue | undefined;
  for (const { attribute, form } of attributes) {
    const read = FORMS[form];
    if (read === undefined) return;
    const value = read(cursor, unit);
    if (attribute === DW_AT_stmt_list) lineTable = value;
    if (attribute === DW_AT_comp_dir) directory = value;
  }
  if (typeof lineTable === 'number' && typeof directory === 'string' && !cursor.overrun)
    directories.set(lineTable, directory);
}

/** The attributes of abbreviation `code` in the table at `at`; none where it is missing. */
function abbreviation(table: Uint8Array, at: number, code: number): { attribute: number; form: number }[] {
  const cursor = new ByteCursor(table, at);
  while (!cursor.done) {
    const found = cursor.index();
    if (found === 0) break;
    // Tag, and whether the entry has children.
    cursor.uleb();
    cursor.skip(1);
    const attributes: { attribute: number; form: number }[] = [];
    for (;;) {
      const [attribute, form] = [cursor.index(), cursor.index()];
      if ((attribute === 0 && form === 0) || cursor.overrun) break;
      attributes.push({ attribute, form });
    }
    if (found === code) return cursor.overrun ? [] : attributes;
  }
  return [];
}
