/**
 * The Multiboot 1 header inside a kernel image (Multiboot Specification 0.6.96, "OS image format").
 */
import type { Diagnostic } from '../base/diagnostic.ts';
import { viewOf } from './bytes.ts';
import { fileError, fileWarning, hex } from './file-diagnostic.ts';
import type { NamedSegment } from './segments.ts';

const MULTIBOOT_HEADER_MAGIC = 0x1bad_b002;
/** The header lies completely within this many bytes of the file, on a multiple of four. */
const SEARCH_BYTES = 8192;

const FLAG_VIDEO = 1 << 2;
const FLAG_ADDRESSES = 1 << 16;
/** Bits 15:0 are requirements: a loader that does not know one must refuse. Modules are aligned, memory information is always given. */
const KNOWN_REQUIREMENTS = 0x0007;

/** Addresses of a header with flag 16, for images that are not ELF. */
export interface MultibootAddresses {
  readonly header: number;
  readonly load: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: nothing is zeroed. */
  readonly bssEnd: number;
  readonly entry: number;
}

export interface MultibootHeader {
  /** Offset in the file. */
  readonly offset: number;
  readonly flags: number;
  readonly addresses: MultibootAddresses | undefined;
}

/** The first valid header of `bytes`, undefined where there is none. */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | undefined {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, SEARCH_BYTES);
  for (let offset = 0; offset + 12 <= end; offset += 4) {
    if (view.getUint32(offset, true) !== MULTIBOOT_HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    const checksum = view.getUint32(offset + 8, true);
    if ((MULTIBOOT_HEADER_MAGIC + flags + checksum) % 2 ** 32 !== 0) continue;
    if ((flags & FLAG_ADDRESSES) === 0) return { offset, flags, addresses: undefined };
    if (offset + 32 > bytes.length) continue;
    const field = (at: number) => view.getUint32(offset + at, true);
    const addresses = { header: field(12), load: field(16), loadEnd: field(20), bssEnd: field(24), entry: field(28) };
    return { offset, flags, addresses };
  }
  return undefined;
}

/** What a header asks for that this machine does not give. */
export function checkMultibootHeader(file: string, { offset, flags }: MultibootHeader): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0) {
    diagnostics.push(
      fileError(
        file,
        'multiboot-requirement',
        `${file}: the Multiboot header at offset ${hex(offset)} requires features ${hex(unknown)} that Multiboot 1 does not define; clear these flags.`,
      ),
    );
  }
  if ((flags & FLAG_VIDEO) !== 0) {
    diagnostics.push(
      fileWarning(
        file,
        'multiboot-video',
        `${file}: the Multiboot header at offset ${hex(offset)} asks for a video mode; there is no graphics, the kernel starts without.`,
      ),
    );
  }
  return diagnostics;
}

/** The one segment that a header with addresses describes, or why it cannot be. */
export function multibootSegment(
  file: string,
  bytes: Uint8Array,
  header: MultibootHeader,
  addresses: MultibootAddresses,
): { readonly segment: NamedSegment } | { readonly segment: undefined; readonly diagnostics: readonly Diagnostic[] } {
  const refuse = (message: string) => ({
    segment: undefined,
    diagnostics: [
      fileError(file, 'multiboot-addresses', `${file}: Multiboot header at offset ${hex(header.offset)}: ${message}`),
    ],
  });
  const { load, loadEnd, bssEnd } = addresses;
  if (load > addresses.header) return refuse(`load_addr ${hex(load)} is above header_addr ${hex(addresses.header)}.`);
  const start = header.offset - (addresses.header - load);
  if (start < 0) {
    return refuse(`load_addr ${hex(load)} lies ${hex(-start)} bytes before the beginning of the file.`);
  }
  const end = loadEnd === 0 ? bytes.length : start + (loadEnd - load);
  if (end < start) return refuse(`load_end_addr ${hex(loadEnd)} is below load_addr ${hex(load)}.`);
  if (end > bytes.length) {
    return refuse(
      `load_end_addr ${hex(loadEnd)} is at offset ${hex(end)}, but the file ends at ${hex(bytes.length)}; the file is truncated.`,
    );
  }
  const loaded = bytes.subarray(start, end);
  const loadedEnd = load + loaded.length;
  if (bssEnd !== 0 && bssEnd < loadedEnd)
    return refuse(`bss_end_addr ${hex(bssEnd)} is below the end of the loaded bytes ${hex(loadedEnd)}.`);
  return {
    segment: { title: 'the image', address: load, bytes: loaded, zeroBytes: bssEnd === 0 ? 0 : bssEnd - loadedEnd },
  };
}

/** Command line of a Multiboot kernel: GRUB puts the file name first, and kernels skip it. */
export function multibootCommandLine(file: string, commandArguments: string | undefined): string {
  const name = file.split(/[\\/]/).at(-1) ?? file;
  // A space would end the first word early.
  const word = name.replaceAll(' ', '_');
  return commandArguments === undefined || commandArguments === '' ? word : `${word} ${commandArguments}`;
}
