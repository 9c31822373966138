/** Files without an object format: boot images, Multiboot kernels that carry their own addresses, and plain bytes. */
import type { CodeBits, ProgramResult } from '../base/program.ts';
import { EXTENDED_MEMORY } from '../base/memory-map.ts';
import { failed, fileError, finished } from './file-diagnostic.ts';
import type { LoadOptions } from './load-options.ts';
import {
  checkMultibootHeader,
  findMultibootHeader,
  multibootCommandLine,
  multibootSegment,
} from './multiboot-header.ts';
import { checkSegments } from './segments.ts';

/** Sector size of a disk image. */
export const SECTOR_BYTES = 512;
const SIGNATURE_OFFSET = 510;
/** Where firmware puts sector 0. */
export const BOOT_SECTOR_ADDRESS = 0x7c00;

export interface FlatOptions {
  /** Guest-physical; also the entry. */
  readonly loadAddress: number;
  readonly bits: CodeBits;
}

const DEFAULT_FLAT: FlatOptions = { loadAddress: EXTENDED_MEMORY, bits: 64 };

/** Whether the first sector ends in 55 AA, by which firmware knows a boot disk. */
export const isBootImage = (bytes: Uint8Array): boolean =>
  bytes.length >= SECTOR_BYTES && bytes[SIGNATURE_OFFSET] === 0x55 && bytes[SIGNATURE_OFFSET + 1] === 0xaa;

/** A disk image that starts as a floppy does; a last partial sector is filled with zeros. */
export function loadBootImage(name: string, bytes: Uint8Array): ProgramResult {
  if (!isBootImage(bytes)) {
    const because =
      bytes.length < SECTOR_BYTES
        ? `it has ${bytes.length} bytes, fewer than one sector`
        : 'bytes 510 and 511 are not 55 AA';
    return failed(
      fileError(
        name,
        'not-a-boot-image',
        `${name}: not a boot image: ${because}; end the first sector with \`times 510-($-$$) db 0\` and \`dw 0xaa55\`.`,
      ),
    );
  }
  const disk = new Uint8Array(Math.ceil(bytes.length / SECTOR_BYTES) * SECTOR_BYTES);
  disk.set(bytes);
  return finished({ name, boot: { kind: 'boot-sector', disk }, segments: [], symbols: [], lines: [] }, []);
}

/** A Multiboot kernel whose header has addresses (flag 16). */
export function loadMultibootImage(name: string, bytes: Uint8Array, options: LoadOptions): ProgramResult {
  const header = findMultibootHeader(bytes);
  if (header?.addresses === undefined) {
    return failed(
      fileError(
        name,
        'multiboot-addresses',
        `${name}: not an ELF file, and without a Multiboot header that has addresses (flag 16); link it as ELF or set the flag.`,
      ),
    );
  }
  const described = multibootSegment(name, bytes, header, header.addresses);
  if (described.segment === undefined) return failed(...described.diagnostics);
  const { address, bytes: loaded, zeroBytes } = described.segment;
  const commandLine = multibootCommandLine(name, options.commandArguments);
  return finished(
    {
      name,
      boot: { kind: 'multiboot', entry: header.addresses.entry, commandLine },
      segments: [{ address, bytes: loaded, zeroBytes }],
      symbols: [],
      lines: [],
    },
    [...checkMultibootHeader(name, header), ...checkSegments(name, [described.segment], options.memoryBytes)],
  );
}

/** Bytes placed at an address and entered there. */
export function loadFlat(
  name: string,
  bytes: Uint8Array,
  options: LoadOptions,
  flat: FlatOptions = DEFAULT_FLAT,
): ProgramResult {
  if (bytes.length === 0) return failed(fileError(name, 'empty-file', `${name}: the file is empty.`));
  const segment = { title: 'the image', address: flat.loadAddress, bytes, zeroBytes: 0 };
  return finished(
    {
      name,
      boot: { kind: 'flat', entry: flat.loadAddress, bits: flat.bits },
      segments: [{ address: flat.loadAddress, bytes, zeroBytes: 0 }],
      symbols: [],
      lines: [],
    },
    checkSegments(name, [segment], options.memoryBytes),
  );
}
