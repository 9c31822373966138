/**
 * The structure of an ELF file (System V ABI, "Object Files"): header, program headers, section headers. Little-endian,
 * ELF32 and ELF64. Every table is checked against the file's length before it is read.
 */
import type { Diagnostic } from '../base/diagnostic.ts';
import { textAt, viewOf } from './bytes.ts';
import { fileError, hex } from './file-diagnostic.ts';

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const;

export const PT_LOAD = 1;
const PF_X = 1;
export const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
export const SHF_EXECINSTR = 4;
export const SHF_COMPRESSED = 0x800;
export const SHN_ABS = 0xfff1;

const CLASS_32 = 1;
const CLASS_64 = 2;
const DATA_LITTLE_ENDIAN = 1;
const TYPE_EXECUTABLE = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const IDENT_BYTES = 16;
/** e_phnum holds this where the count does not fit (System V ABI, "ELF Header"). */
const PN_XNUM = 0xffff;

const TYPES: Readonly<Record<number, string>> = {
  1: 'an object file that was not linked; link it with `ld`',
  3: 'position-independent; link it with `-no-pie` and a fixed address',
  4: 'a core dump, not a program',
};

const MACHINES: Readonly<Record<number, string>> = {
  8: 'MIPS',
  20: 'PowerPC',
  40: 'Arm',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
};

export interface ProgramHeader {
  readonly index: number;
  readonly type: number;
  readonly executable: boolean;
  readonly offset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

export interface SectionHeader {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly bytes: number;
  readonly link: number;
  readonly entryBytes: number;
}

export interface ElfFile {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly programHeaders: readonly ProgramHeader[];
  readonly sections: readonly SectionHeader[];
}

export type ElfResult =
  { readonly elf: ElfFile } | { readonly elf: undefined; readonly diagnostics: readonly Diagnostic[] };

export const isElf = (bytes: Uint8Array): boolean => ELF_MAGIC.every((byte, index) => bytes[index] === byte);

/** Reads the fields whose width depends on the file's class. */
class ElfView {
  readonly view: DataView;
  readonly bits: 32 | 64;

  constructor(bytes: Uint8Array, bits: 32 | 64) {
    this.view = viewOf(bytes);
    this.bits = bits;
  }

  half(at: number): number {
    return this.view.getUint16(at, true);
  }

  word(at: number): number {
    return this.view.getUint32(at, true);
  }

  /** An address, offset or size; each class has it at its own offset. */
  wide(at32: number, at64: number): bigint {
    return this.bits === 32 ? BigInt(this.view.getUint32(at32, true)) : this.view.getBigUint64(at64, true);
  }

  /** The same as a number. Values beyond 2^53 lose low bits, and are refused later because nothing is that large. */
  size(at32: number, at64: number): number {
    return Number(this.wide(at32, at64));
  }
}

/** Reads all headers of `bytes`; says everything that keeps them from being read. */
export function readElf(file: string, bytes: Uint8Array): ElfResult {
  const refuse = (code: string, message: string): ElfResult => ({
    elf: undefined,
    diagnostics: [fileError(file, code, `${file}: ${message}`)],
  });
  const truncated = (what: string, end: number): ElfResult =>
    refuse(
      'elf-truncated',
      `${what} ends at offset ${hex(end)}, but the file ends at ${hex(bytes.length)}; the file is truncated, build it again.`,
    );

  if (!isElf(bytes)) return refuse('not-elf', 'not an ELF file (it does not begin with 7F 45 4C 46).');
  if (bytes.length < IDENT_BYTES) return truncated('the ELF identification', IDENT_BYTES);
  const [elfClass, data] = [bytes[4], bytes[5]];
  if (elfClass !== CLASS_32 && elfClass !== CLASS_64)
    return refuse('elf-class', `ELF class ${elfClass} at offset 4h is neither 32-bit nor 64-bit.`);
  if (data !== DATA_LITTLE_ENDIAN) return refuse('elf-wrong-machine', 'a big-endian ELF file; x86 is little-endian.');
  const bits = elfClass === CLASS_32 ? 32 : 64;
  const headerBytes = bits === 32 ? 52 : 64;
  if (bytes.length < headerBytes) return truncated('the ELF header', headerBytes);

  const elf = new ElfView(bytes, bits);
  const type = elf.half(16);
  const machine = elf.half(18);
  if (machine !== EM_386 && machine !== EM_X86_64) {
    return refuse(
      'elf-wrong-machine',
      `built for ${MACHINES[machine] ?? `machine ${machine}`}, not for x86; compile it for i386 or x86-64.`,
    );
  }
  if (type !== TYPE_EXECUTABLE) return refuse('elf-not-executable', `${TYPES[type] ?? `of unknown type ${type}`}.`);

  const layout = tableLayout(elf);
  if (layout.programCount === PN_XNUM)
    return refuse('elf-headers', 'more than 65,534 program headers are not supported.');
  for (const table of [layout.programs, layout.sections]) {
    if (table.count === 0) continue;
    if (table.entryBytes < table.needed) {
      return refuse(
        'elf-headers',
        `${table.title} entries have ${table.entryBytes} bytes, fewer than the ${table.needed} of the format.`,
      );
    }
    const end = table.offset + table.count * table.entryBytes;
    if (end > bytes.length) return truncated(table.title, end);
  }

  const programHeaders = Array.from({ length: layout.programs.count }, (_, index) =>
    readProgramHeader(elf, index, layout.programs.offset + index * layout.programs.entryBytes),
  );
  for (const header of programHeaders) {
    const end = header.offset + header.fileBytes;
    if (header.fileBytes > 0 && end > bytes.length) return truncated(`segment ${header.index}`, end);
  }
  const unnamed = Array.from({ length: layout.sections.count }, (_, index) =>
    readSectionHeader(elf, index, layout.sections.offset + index * layout.sections.entryBytes),
  );
  for (const section of unnamed) {
    const end = section.offset + section.bytes;
    if (section.index > 0 && section.type !== SHT_NOBITS && end > bytes.length)
      return truncated(`section ${section.index}`, end);
  }
  const names = unnamed[layout.nameSection];
  const sections = unnamed.map(({ nameOffset, ...section }) => ({
    ...section,
    name: names === undefined ? '' : textAt(sectionBytes(bytes, names), nameOffset),
  }));
  return { elf: { bits, entry: elf.wide(24, 24), programHeaders, sections } };
}

/** The file's bytes of a section; empty for sections without any. */
export const sectionBytes = (
  bytes: Uint8Array,
  section: Pick<SectionHeader, 'type' | 'offset' | 'bytes'>,
): Uint8Array =>
  section.type === SHT_NOBITS ? new Uint8Array(0) : bytes.subarray(section.offset, section.offset + section.bytes);

function tableLayout(elf: ElfView) {
  // The fields after e_flags move by the 12 bytes that the three wide fields before it have more in ELF64.
  const shift = elf.bits === 32 ? 0 : 12;
  const programCount = elf.half(44 + shift);
  return {
    programCount,
    nameSection: elf.half(50 + shift),
    programs: {
      title: 'the program header table',
      offset: elf.size(28, 32),
      entryBytes: elf.half(42 + shift),
      count: programCount,
      needed: elf.bits === 32 ? 32 : 56,
    },
    sections: {
      title: 'the section header table',
      offset: elf.size(32, 40),
      entryBytes: elf.half(46 + shift),
      count: elf.half(48 + shift),
      needed: elf.bits === 32 ? 40 : 64,
    },
  };
}

function readProgramHeader(elf: ElfView, index: number, at: number): ProgramHeader {
  return {
    index,
    type: elf.word(at),
    executable: (elf.word(elf.bits === 32 ? at + 24 : at + 4) & PF_X) !== 0,
    offset: elf.size(at + 4, at + 8),
    virtualAddress: elf.wide(at + 8, at + 16),
    physicalAddress: elf.size(at + 12, at + 24),
    fileBytes: elf.size(at + 16, at + 32),
    memoryBytes: elf.size(at + 20, at + 40),
  };
}

function readSectionHeader(
  elf: ElfView,
  index: number,
  at: number,
): Omit<SectionHeader, 'name'> & { nameOffset: number } {
  const is32 = elf.bits === 32;
  return {
    index,
    nameOffset: elf.word(at),
    type: elf.word(at + 4),
    flags: elf.size(at + 8, at + 8),
    offset: elf.size(at + 16, at + 24),
    bytes: elf.size(at + 20, at + 32),
    link: elf.word(is32 ? at + 24 : at + 40),
    entryBytes: elf.size(at + 36, at + 56),
  };
}
