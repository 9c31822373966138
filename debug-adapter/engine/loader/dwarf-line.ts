/** Source lines of an ELF file: its `.debug_line` (DWARF 5, "Line Number Information", 6.2), versions 2 to 5. */
import type { Diagnostic } from '../base/diagnostic.ts';
import type { LineSpan } from '../base/program.ts';
import { ByteCursor } from './byte-cursor.ts';
import { compilationDirectories } from './dwarf-unit.ts';
import { readLineProgramHeader, type DwarfStrings, type LineProgram } from './dwarf-header.ts';
import { PT_LOAD, SHF_COMPRESSED, sectionBytes, type ElfFile } from './elf-format.ts';
import { fileWarning, hex } from './file-diagnostic.ts';

const STANDARD = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  negateStatement: 6,
  constAddPc: 8,
  fixedAdvancePc: 9,
} as const;

const EXTENDED = { endSequence: 1, setAddress: 2 } as const;

interface Row {
  readonly address: bigint;
  readonly file: number;
  readonly line: number;
}

interface Lines {
  readonly lines: readonly LineSpan[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Line spans sorted by address, without overlaps. A damaged table costs lines, never the program: it is a warning. */
export function readLines(file: string, elf: ElfFile, bytes: Uint8Array): Lines {
  const section = elf.sections.find(({ name }) => name === '.debug_line');
  if (section === undefined) return { lines: [], diagnostics: [] };
  const warning = (because: string) =>
    fileWarning(file, 'dwarf-lines', `${file}: some source lines are missing: ${because}.`);
  if ((section.flags & SHF_COMPRESSED) !== 0) {
    return {
      lines: [],
      diagnostics: [warning('.debug_line is compressed; link with `--compress-debug-sections=none`')],
    };
  }
  const named = (name: string) => {
    const found = elf.sections.find((candidate) => candidate.name === name);
    const readable = found !== undefined && (found.flags & SHF_COMPRESSED) === 0;
    return readable ? sectionBytes(bytes, found) : new Uint8Array(0);
  };
  const strings: DwarfStrings = { lineStrings: named('.debug_line_str'), strings: named('.debug_str') };
  const data = sectionBytes(bytes, section);
  const directories = compilationDirectories({
    information: named('.debug_info'),
    abbreviations: named('.debug_abbrev'),
    strings: strings.strings,
  });
  const spans: LineSpan[] = [];
  const reasons = new Set<string>();
  for (let at = 0; at < data.length;) {
    const header = readLineProgramHeader(data, at, strings, directories.get(at) ?? '');
    if (header.kind === 'damaged') {
      reasons.add(`.debug_line is damaged at offset ${hex(section.offset + at)}`);
      break;
    }
    if (header.kind === 'unsupported') {
      reasons.add(`${header.because} is not supported`);
      at = header.end;
      continue;
    }
    if (!runLineProgram(data, header.program, elf.bits, spans)) {
      reasons.add(`.debug_line is damaged at offset ${hex(section.offset + at)}`);
    }
    at = header.program.end;
  }
  return { lines: withoutOverlaps(spans, elf), diagnostics: [...reasons].map(warning) };
}

/** Runs one line number program and adds its spans; false where it runs over its end. */
function runLineProgram(data: Uint8Array, program: LineProgram, bits: 32 | 64, spans: LineSpan[]): boolean {
  const cursor = new ByteCursor(data, program.start, program.end);
  const step = BigInt(program.minimumInstructionBytes);
  const specialAdvance = (opcode: number) =>
    BigInt(Math.floor((opcode - program.opcodeBase) / program.lineRange)) * step;
  let address = 0n;
  let file = 1;
  let line = 1;
  let rows: Row[] = [];
  const emit = () => rows.push({ address, file, line });

  while (!cursor.done) {
    const opcode = cursor.u8();
    if (opcode >= program.opcodeBase) {
      address += specialAdvance(opcode);
      line += program.lineBase + ((opcode - program.opcodeBase) % program.lineRange);
      emit();
      continue;
    }
    switch (opcode) {
      case 0: {
        const next = cursor.index() + cursor.at;
        const extended = cursor.u8();
        if (extended === EXTENDED.setAddress) address = next - cursor.at === 4 ? BigInt(cursor.u32()) : cursor.u64();
        if (extended === EXTENDED.endSequence) {
          emit();
          addSequence(rows, program, bits, spans);
          rows = [];
          address = 0n;
          file = 1;
          line = 1;
        }
        cursor.skip(next - cursor.at);
        break;
      }
      case STANDARD.copy:
        emit();
        break;
      case STANDARD.advancePc:
        address += cursor.uleb() * step;
        break;
      case STANDARD.advanceLine:
        line += Number(cursor.sleb());
        break;
      case STANDARD.setFile:
        file = cursor.index();
        break;
      case STANDARD.constAddPc:
        address += specialAdvance(255);
        break;
      case STANDARD.fixedAdvancePc:
        address += BigInt(cursor.u16());
        break;
      default:
        // Columns, statement marks and the like: nothing a line span keeps. Their operands are all LEB128.
        for (let count = program.operandCounts[opcode - 1] ?? 0; count > 0; count--) cursor.uleb();
    }
  }
  return !cursor.overrun;
}

/** The rows of one sequence, whose last only ends it, as spans; of rows at one address the last counts. */
function addSequence(rows: readonly Row[], program: LineProgram, bits: 32 | 64, spans: LineSpan[]): void {
  rows.forEach((row, index) => {
    const next = rows[index + 1];
    const path = program.files.get(row.file);
    // Line 0 is code that belongs to no line.
    if (next === undefined || next.address <= row.address || row.line < 1 || path === undefined) return;
    const last = spans.at(-1);
    const bytes = Number(next.address - row.address);
    if (
      last !== undefined &&
      last.file === path &&
      last.line === row.line &&
      last.address + BigInt(last.bytes) === row.address
    ) {
      spans[spans.length - 1] = { ...last, bytes: last.bytes + bytes };
    } else {
      spans.push({ address: row.address, bytes, file: path, line: row.line, bits, code: true });
    }
  });
}

/** Sorts, and drops what is not in memory (code the linker discarded keeps its lines, at address 0). */
function withoutOverlaps(spans: readonly LineSpan[], elf: ElfFile): LineSpan[] {
  const loaded = elf.programHeaders.filter((header) => header.type === PT_LOAD);
  const inMemory = (span: LineSpan) =>
    loaded.some(({ virtualAddress, memoryBytes }) => {
      const offset = span.address - virtualAddress;
      return offset >= 0n && offset + BigInt(span.bytes) <= BigInt(Math.min(memoryBytes, Number.MAX_SAFE_INTEGER));
    });
  const sorted = spans.filter(inMemory).sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const kept: LineSpan[] = [];
  for (const span of sorted) {
    const last = kept.at(-1);
    if (last === undefined || last.address + BigInt(last.bytes) <= span.address) kept.push(span);
  }
  return kept;
}
