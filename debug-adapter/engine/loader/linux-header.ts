/** The setup header of a Linux kernel image (Linux/x86 boot protocol, "The Real-Mode Kernel Header"). */
import type { Diagnostic } from '../base/diagnostic.ts';
import { viewOf } from './bytes.ts';
import { fileError, hex } from './file-diagnostic.ts';

const SECTOR = 512;
const DEFAULT_SETUP_SECTORS = 4;
const LOADED_HIGH = 1;
/** The first version with the command line pointer that this loader sets. */
const OLDEST_VERSION = 0x0202;
/** From this version on the header tells where the kernel wants to be and how much memory it needs there. */
const VERSION_WITH_SIZE = 0x020a;
const DEFAULT_COMMAND_LINE_BYTES = 255;
const DEFAULT_INITRD_LIMIT = 0x37ff_ffff;
const HIGH_LOAD_ADDRESS = 0x10_0000;

/** Offsets in the image; in `boot_params` the header has the same ones. */
export const HEADER = {
  setupSectors: 0x1f1,
  signature: 0x202,
  headerEnd: 0x201,
  version: 0x206,
  loaderType: 0x210,
  loadFlags: 0x211,
  code32Start: 0x214,
  initrdAddress: 0x218,
  initrdBytes: 0x21c,
  heapEnd: 0x224,
  commandLine: 0x228,
  initrdLimit: 0x22c,
  commandLineBytes: 0x238,
  preferredAddress: 0x258,
  initBytes: 0x260,
} as const;

const SIGNATURE_TEXT = 0x5372_6448;

export interface LinuxHeader {
  readonly version: number;
  /** Boot sector and setup code. */
  readonly setup: Uint8Array;
  readonly kernel: Uint8Array;
  readonly loadAddress: number;
  /** What the kernel needs from `loadAddress` on until it has found the memory map. */
  readonly initBytes: number;
  /** The header's bytes from 1F1h on. */
  readonly header: Uint8Array;
  readonly mostCommandLineBytes: number;
  /** Highest address that the initial RAM disk may touch. */
  readonly initrdLimit: number;
  /** The header says enough for entering the kernel in protected mode without its setup code. */
  readonly describesKernel: boolean;
}

/** `HdrS`, by which the image is known. */
export const isLinuxImage = (bytes: Uint8Array): boolean =>
  bytes.length >= HEADER.signature + 4 && viewOf(bytes).getUint32(HEADER.signature, true) === SIGNATURE_TEXT;

/** The header of an image that `isLinuxImage`, or why this loader cannot take it. */
export function readLinuxHeader(file: string, bytes: Uint8Array): LinuxHeader | Diagnostic {
  const view = viewOf(bytes);
  const refuse = (message: string) => fileError(file, 'linux-image', `${file}: Linux kernel image: ${message}`);
  const sectors = view.getUint8(HEADER.setupSectors);
  const setupBytes = ((sectors === 0 ? DEFAULT_SETUP_SECTORS : sectors) + 1) * SECTOR;
  const headerEnd = HEADER.signature + view.getUint8(HEADER.headerEnd);
  const version = view.getUint16(HEADER.version, true);
  if (version < OLDEST_VERSION)
    return refuse(
      `boot protocol ${version >> 8}.${(version & 0xff).toString().padStart(2, '0')} is older than 2.02; use a kernel of 2.4 or newer.`,
    );
  if (bytes.length <= setupBytes || headerEnd > setupBytes)
    return refuse(
      `the setup code ends at offset ${hex(setupBytes)}, but the file at ${hex(bytes.length)}; the file is truncated.`,
    );
  if ((view.getUint8(HEADER.loadFlags) & LOADED_HIGH) === 0)
    return refuse('a zImage, which loads below 640 KiB; build a bzImage.');
  const has = (offset: number, size: number): boolean => headerEnd >= offset + size;
  const describesKernel = version >= VERSION_WITH_SIZE && has(HEADER.initBytes, 4);
  const kernel = bytes.subarray(setupBytes);
  return {
    version,
    setup: bytes.subarray(0, setupBytes),
    kernel,
    loadAddress: describesKernel ? Number(view.getBigUint64(HEADER.preferredAddress, true)) : HIGH_LOAD_ADDRESS,
    initBytes: describesKernel ? Math.max(view.getUint32(HEADER.initBytes, true), kernel.length) : kernel.length,
    header: bytes.subarray(HEADER.setupSectors, headerEnd),
    mostCommandLineBytes:
      version >= 0x0206 && has(HEADER.commandLineBytes, 4)
        ? view.getUint32(HEADER.commandLineBytes, true)
        : DEFAULT_COMMAND_LINE_BYTES,
    initrdLimit:
      version >= 0x0203 && has(HEADER.initrdLimit, 4) ? view.getUint32(HEADER.initrdLimit, true) : DEFAULT_INITRD_LIMIT,
    describesKernel,
  };
}
