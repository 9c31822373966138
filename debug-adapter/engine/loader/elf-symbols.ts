/** Symbols of an ELF file: its `.symtab` (System V ABI, "Symbol Table"). */
import type { ProgramSymbol } from '../base/program.ts';
import { textAt, viewOf } from './bytes.ts';
import { SHF_EXECINSTR, SHN_ABS, SHT_SYMTAB, sectionBytes, type ElfFile } from './elf-format.ts';

const STT_NOTYPE = 0;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const SHN_UNDEF = 0;

/** Code, data and constants by address; files, sections, thread-local and undefined symbols are left out. */
export function readSymbols(elf: ElfFile, bytes: Uint8Array): readonly ProgramSymbol[] {
  const symbols: ProgramSymbol[] = [];
  for (const table of elf.sections) {
    const strings = elf.sections[table.link];
    const entryBytes = elf.bits === 32 ? 16 : 24;
    if (table.type !== SHT_SYMTAB || strings === undefined) continue;
    const names = sectionBytes(bytes, strings);
    const entries = sectionBytes(bytes, table);
    const view = viewOf(entries);
    for (let at = 0; at + entryBytes <= entries.length; at += entryBytes) {
      const symbol = readSymbol(elf, view, at);
      const name = textAt(names, view.getUint32(at, true));
      if (symbol !== undefined && name !== '') symbols.push({ name, ...symbol });
    }
  }
  return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

function readSymbol(elf: ElfFile, view: DataView, at: number): Omit<ProgramSymbol, 'name'> | undefined {
  const is32 = elf.bits === 32;
  const address = is32 ? BigInt(view.getUint32(at + 4, true)) : view.getBigUint64(at + 8, true);
  const bytes = is32 ? view.getUint32(at + 8, true) : Number(view.getBigUint64(at + 16, true));
  const type = view.getUint8(is32 ? at + 12 : at + 4) & 0x0f;
  const section = view.getUint16(is32 ? at + 14 : at + 6, true);
  if (section === SHN_UNDEF) return undefined;
  if (section === SHN_ABS && type === STT_NOTYPE) return { address, bytes, kind: 'constant' };
  if (type === STT_FUNC) return { address, bytes, kind: 'code' };
  if (type === STT_OBJECT) return { address, bytes, kind: 'data' };
  if (type !== STT_NOTYPE) return undefined;
  const executable = ((elf.sections[section]?.flags ?? 0) & SHF_EXECINSTR) !== 0;
  return { address, bytes, kind: executable ? 'code' : 'data' };
}
