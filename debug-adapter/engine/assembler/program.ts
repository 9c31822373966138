/**
 * An assembled source as something to start. The rule, first match wins:
 *
 * 1. **Boot image**: `org 7C00h`, at least 512 bytes, and 55h AAh at offset 510. The image is the disk, padded with zeros to
 *    whole sectors; the firmware loads sector 0.
 * 2. **Multiboot 1**: a header (magic 1BADB002h, checksum right, 4-byte aligned) within the first 8 KiB that carries the
 *    address fields (flag 16), as flat images need (Multiboot Specification 0.6.96, "Header layout" and "Header address
 *    fields"). A header without them is an error: without ELF nothing else says where the image goes.
 * 3. **Flat** otherwise: the image at its origin, entered at `_start`, else `start`, when that is declared `global`, else at
 *    its first byte, in the code size of that place.
 */
import type { CodeBits, LoadSegment, Program, ProgramResult } from '../base/program.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { assemble, type AssembleOptions, type AssemblyResult } from './assemble.ts';

const SECTOR_BYTES = 512;
const BOOT_ADDRESS = 0x7c00n;
const SIGNATURE_OFFSET = 510;
const MULTIBOOT_MAGIC = 0x1bad_b002;
const MULTIBOOT_SEARCH_BYTES = 8192;
const MULTIBOOT_ADDRESSES = 1 << 16;
/** Guest-physical addresses have at most 52 bits (SDM Vol. 3A, "Intel 64 and IA-32 Architectures Paging"). */
const MAX_PHYSICAL = 1n << 52n;

export function assembleProgram(options: AssembleOptions): ProgramResult {
  const result = assemble(options);
  const { diagnostics } = result;
  if (diagnostics.some(({ severity }) => severity === 'error')) return { program: undefined, diagnostics };
  const made = makeProgram(result, options.file);
  if ('boot' in made) return { program: made, diagnostics };
  return { program: undefined, diagnostics: [...diagnostics, made] };
}

function makeProgram(result: AssemblyResult, file: string): Program | Diagnostic {
  const { bytes, origin, lines, symbols } = result;
  const fail = (code: string, message: string, offset = 0): Diagnostic => {
    const at = origin + BigInt(offset);
    const span = lines.find((line) => line.address <= at && at < line.address + BigInt(line.bytes));
    return { severity: 'error', code, message, file: span?.file ?? file, line: span?.line ?? 1, column: 1 };
  };
  if (bytes.length === 0) return fail('empty-program', 'this source makes no bytes; write at least one instruction');
  if (origin < 0n || origin + BigInt(bytes.length + result.reservedBytes) > MAX_PHYSICAL) {
    return fail('bad-origin', `org ${origin} is no physical address; addresses go from 0 to 2^52 - 1`);
  }
  const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  const common = { name, symbols, lines };
  if (isBootImage(result)) {
    const disk = new Uint8Array(Math.ceil(bytes.length / SECTOR_BYTES) * SECTOR_BYTES);
    disk.set(bytes);
    return { ...common, boot: { kind: 'boot-sector', disk }, segments: [] };
  }
  const header = findMultibootHeader(bytes);
  if (header !== undefined) {
    const loaded = loadMultiboot(bytes, header);
    if (typeof loaded === 'string') return fail('bad-multiboot-header', loaded, header);
    return {
      ...common,
      boot: { kind: 'multiboot', entry: loaded.entry, commandLine: name },
      segments: [loaded.segment],
    };
  }
  const entry = entryAddress(result);
  const bits: CodeBits =
    lines.find(({ address, bytes: length }) => address <= entry && entry < address + BigInt(length))?.bits ??
    result.entryBits;
  const segment: LoadSegment = { address: Number(origin), bytes, zeroBytes: result.reservedBytes };
  return { ...common, boot: { kind: 'flat', entry: Number(entry), bits }, segments: [segment] };
}

function isBootImage({ bytes, origin }: AssemblyResult): boolean {
  if (origin !== BOOT_ADDRESS || bytes.length < SECTOR_BYTES) return false;
  return bytes[SIGNATURE_OFFSET] === 0x55 && bytes[SIGNATURE_OFFSET + 1] === 0xaa;
}

function entryAddress({ globals, symbols, origin }: AssemblyResult): bigint {
  for (const name of ['_start', 'start']) {
    const symbol = globals.includes(name) ? symbols.find((candidate) => candidate.name === name) : undefined;
    if (symbol !== undefined) return symbol.address;
  }
  return origin;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Offset of the Multiboot 1 header; undefined when there is none. */
function findMultibootHeader(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  for (let offset = 0; offset + 12 <= Math.min(bytes.length, MULTIBOOT_SEARCH_BYTES); offset += 4) {
    if (view.getUint32(offset, true) !== MULTIBOOT_MAGIC) continue;
    const sum = MULTIBOOT_MAGIC + view.getUint32(offset + 4, true) + view.getUint32(offset + 8, true);
    if (sum % 2 ** 32 === 0) return offset;
  }
  return undefined;
}

/** What the address fields say, or why they cannot be followed. */
function loadMultiboot(
  bytes: Uint8Array,
  offset: number,
): { readonly entry: number; readonly segment: LoadSegment } | string {
  const view = viewOf(bytes);
  const field = (index: number) => view.getUint32(offset + 4 * index, true);
  if ((field(1) & MULTIBOOT_ADDRESSES) === 0) {
    return 'a Multiboot header in a flat image needs the address fields: set bit 16 of its flags and add header_addr, load_addr, load_end_addr, bss_end_addr and entry_addr';
  }
  if (offset + 32 > bytes.length) return 'the image ends within the address fields of its Multiboot header';
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [field(3), field(4), field(5), field(6), field(7)];
  const from = offset - (headerAddress - loadAddress);
  if (loadAddress > headerAddress || from < 0)
    return 'load_addr of the Multiboot header must not be above header_addr, nor before the image';
  const end = loadEnd === 0 ? loadAddress + bytes.length - from : loadEnd;
  const length = end - loadAddress;
  if (length < 0 || from + length > bytes.length) return 'load_end_addr of the Multiboot header is outside the image';
  if (bssEnd !== 0 && bssEnd < end) return 'bss_end_addr of the Multiboot header is below load_end_addr';
  if (entry < loadAddress || entry >= end) return 'entry_addr of the Multiboot header is outside the image';
  const zeroBytes = bssEnd === 0 ? 0 : bssEnd - end;
  return { entry, segment: { address: loadAddress, bytes: bytes.slice(from, from + length), zeroBytes } };
}
