/** Executable ELF files as guest programs: Multiboot kernels, in ELF32 or ELF64, and plain programs entered in their own mode. */
import type { Diagnostic } from '../base/diagnostic.ts';
import { CONVENTIONAL_END, EXTENDED_MEMORY } from '../base/memory-map.ts';
import type { BootProtocol, LineSpan, LoadSegment, ProgramResult, ProgramSymbol } from '../base/program.ts';
import { readLines } from './dwarf-line.ts';
import { PT_LOAD, readElf, type ElfFile, type ProgramHeader } from './elf-format.ts';
import { readSymbols } from './elf-symbols.ts';
import { failed, fileError, finished, hex } from './file-diagnostic.ts';
import type { LoadOptions } from './load-options.ts';
import {
  checkMultibootHeader,
  findMultibootHeader,
  multibootCommandLine,
  multibootSegment,
} from './multiboot-header.ts';
import { checkSegments, type NamedSegment } from './segments.ts';

/** Names and source lines of an ELF file. */
export interface DebugInformation {
  readonly symbols: readonly ProgramSymbol[];
  readonly lines: readonly LineSpan[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Makes a program from an ELF file. `name` is the file's name for messages and views. */
export function loadElf(name: string, bytes: Uint8Array, options: LoadOptions): ProgramResult {
  const read = readElf(name, bytes);
  if (read.elf === undefined) return failed(...read.diagnostics);
  const { elf } = read;
  const header = findMultibootHeader(bytes);
  const diagnostics: Diagnostic[] = header === undefined ? [] : checkMultibootHeader(name, header);

  let segments: readonly NamedSegment[];
  let boot: BootProtocol;
  if (header?.addresses !== undefined) {
    // Flag 16 makes the header's addresses count, whatever the container says.
    const described = multibootSegment(name, bytes, header, header.addresses);
    if (described.segment === undefined) return failed(...described.diagnostics);
    segments = [described.segment];
    boot = multiboot(name, header.addresses.entry, options);
  } else {
    segments = loadSegments(name, bytes, elf, diagnostics);
    const entry = physicalEntry(elf);
    if (entry === undefined && segments.length > 0) {
      diagnostics.push(
        fileError(
          name,
          'elf-entry',
          `${name}: the entry point ${hex(elf.entry)} lies in no segment; set ENTRY in the linker script.`,
        ),
      );
    }
    boot =
      header === undefined ? { kind: 'flat', entry: entry ?? 0, bits: elf.bits } : multiboot(name, entry ?? 0, options);
  }
  diagnostics.push(...checkSegments(name, segments, options.memoryBytes));
  const { symbols, lines, diagnostics: debugDiagnostics } = debugInformation(name, elf, bytes);
  diagnostics.push(...debugDiagnostics);
  return finished({ name, boot, segments: segments.map(untitled), symbols, lines }, diagnostics);
}

/** Symbols and lines alone, for a flat image that was made from this ELF file. */
export function loadElfSymbols(name: string, bytes: Uint8Array): DebugInformation {
  const read = readElf(name, bytes);
  if (read.elf === undefined) return { symbols: [], lines: [], diagnostics: read.diagnostics };
  return debugInformation(name, read.elf, bytes);
}

function debugInformation(name: string, elf: ElfFile, bytes: Uint8Array): DebugInformation {
  return { symbols: readSymbols(elf, bytes), ...readLines(name, elf, bytes) };
}

const multiboot = (name: string, entry: number, options: LoadOptions): BootProtocol => ({
  kind: 'multiboot',
  entry,
  commandLine: multibootCommandLine(name, options.commandArguments),
});

const untitled = ({ address, bytes, zeroBytes }: NamedSegment): LoadSegment => ({ address, bytes, zeroBytes });

const isLoaded = (header: ProgramHeader): boolean => header.type === PT_LOAD && header.memoryBytes > 0;

function loadSegments(name: string, bytes: Uint8Array, elf: ElfFile, diagnostics: Diagnostic[]): NamedSegment[] {
  const segments: NamedSegment[] = [];
  for (const header of elf.programHeaders.filter(isLoaded)) {
    if (header.fileBytes > header.memoryBytes) {
      diagnostics.push(
        fileError(
          name,
          'elf-segment',
          `${name}: segment ${header.index} has ${hex(header.fileBytes)} bytes in the file but only ${hex(header.memoryBytes)} in memory.`,
        ),
      );
      continue;
    }
    if (isHeaderBelowOneMib(header)) continue;
    segments.push({
      title: `segment ${header.index}`,
      address: header.physicalAddress,
      bytes: bytes.subarray(header.offset, header.offset + header.fileBytes),
      zeroBytes: header.memoryBytes - header.fileBytes,
    });
  }
  if (segments.length === 0 && !diagnostics.some(({ severity }) => severity === 'error')) {
    diagnostics.push(
      fileError(name, 'elf-empty', `${name}: no segment is to be loaded; link the program with \`ld\`.`),
    );
  }
  return segments;
}

/**
 * Linked with `-Ttext=0x100000`, a program gets its ELF header as a segment of its own in the page below, where a PC has ROM.
 * Nothing in a kernel reads it there.
 */
const isHeaderBelowOneMib = ({ offset, executable, physicalAddress, memoryBytes }: ProgramHeader): boolean =>
  offset === 0 &&
  !executable &&
  physicalAddress >= CONVENTIONAL_END &&
  physicalAddress + memoryBytes <= EXTENDED_MEMORY;

/** Where execution starts, with paging off: the entry is a virtual address, which differs in higher-half kernels. */
function physicalEntry(elf: ElfFile): number | undefined {
  for (const header of elf.programHeaders.filter(isLoaded)) {
    const offset = elf.entry - header.virtualAddress;
    if (offset >= 0n && offset < BigInt(header.memoryBytes)) return header.physicalAddress + Number(offset);
  }
  return undefined;
}
