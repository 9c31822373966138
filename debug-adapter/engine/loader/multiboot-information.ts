/**
 * The Multiboot 1 information structure that EBX points to (Multiboot Specification 0.6.96, "Boot information format"): memory
 * sizes, command line, modules, memory map and boot loader name.
 */
import { EXTENDED_BIOS_DATA, EXTENDED_MEMORY, memoryMap } from '../base/memory-map.ts';
import type { BootModule, LoadSegment } from '../base/program.ts';
import { segmentEnd } from './segments.ts';

/** EAX at entry. */
export const MULTIBOOT_BOOTLOADER_MAGIC = 0x2bad_b002;

const INFORMATION_BYTES = 116;
const MAP_ENTRY_BYTES = 24;
/** The size field of a map entry does not count itself. */
const MAP_ENTRY_SIZE = 20;
const MODULE_BYTES = 16;
const MAP_USABLE = 1;
const MAP_RESERVED = 2;

const FLAG_MEMORY = 1 << 0;
const FLAG_COMMAND_LINE = 1 << 2;
const FLAG_MODULES = 1 << 3;
const FLAG_MEMORY_MAP = 1 << 6;
const FLAG_LOADER_NAME = 1 << 9;

const OFFSET = {
  flags: 0,
  memLower: 4,
  memUpper: 8,
  commandLine: 16,
  moduleCount: 20,
  moduleAddress: 24,
  mapLength: 44,
  mapAddress: 48,
  loaderName: 64,
} as const;

const LOADER_NAME = 'Hyperstep';
/** Below are the interrupt vectors, BIOS data and what kernels like to use for trampolines. */
const LOWEST_ADDRESS = 0x9000;
const ALIGNMENT = 16;
const PAGE = 0x1000;

export interface MultibootInformation {
  /** What EBX holds at entry. */
  readonly address: number;
  readonly segment: LoadSegment;
}

export interface MultibootInformationOptions {
  readonly memoryBytes: number;
  /** Complete, with the file name as its first word (as `BootProtocol.commandLine` has it). */
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
  /** What is in memory already. */
  readonly segments: readonly LoadSegment[];
}

/** Builds the structure and finds room for it; undefined where the program fills all memory below 4 GiB. */
export function multibootInformation(options: MultibootInformationOptions): MultibootInformation | undefined {
  const map = memoryMap(options.memoryBytes);
  const commandLine = zeroTerminated(options.commandLine);
  const loaderName = zeroTerminated(LOADER_NAME);
  const mapOffset = INFORMATION_BYTES;
  const commandLineOffset = mapOffset + map.length * MAP_ENTRY_BYTES;
  const loaderNameOffset = commandLineOffset + commandLine.length;
  const moduleNames = options.modules.map(({ name }) => zeroTerminated(name));
  const modulesOffset = roundUp(loaderNameOffset + loaderName.length, 4);
  const namesOffset = modulesOffset + options.modules.length * MODULE_BYTES;
  const bytes = new Uint8Array(namesOffset + moduleNames.reduce((sum, name) => sum + name.length, 0));
  const address = freeAddress(bytes.length, options);
  if (address === undefined) return undefined;

  const view = new DataView(bytes.buffer);
  const set = (offset: number, value: number) => view.setUint32(offset, value, true);
  const extended = map.find((range) => range.base === EXTENDED_MEMORY);
  set(OFFSET.flags, FLAG_MEMORY | FLAG_COMMAND_LINE | FLAG_MODULES | FLAG_MEMORY_MAP | FLAG_LOADER_NAME);
  set(OFFSET.memLower, EXTENDED_BIOS_DATA / 1024);
  set(OFFSET.memUpper, Math.floor((extended?.bytes ?? 0) / 1024));
  set(OFFSET.commandLine, address + commandLineOffset);
  set(OFFSET.moduleCount, options.modules.length);
  set(OFFSET.moduleAddress, address + modulesOffset);
  set(OFFSET.mapLength, map.length * MAP_ENTRY_BYTES);
  set(OFFSET.mapAddress, address + mapOffset);
  set(OFFSET.loaderName, address + loaderNameOffset);
  map.forEach((range, index) => {
    const at = mapOffset + index * MAP_ENTRY_BYTES;
    set(at, MAP_ENTRY_SIZE);
    view.setBigUint64(at + 4, BigInt(range.base), true);
    view.setBigUint64(at + 12, BigInt(range.bytes), true);
    set(at + 20, range.kind === 'usable' ? MAP_USABLE : MAP_RESERVED);
  });
  bytes.set(commandLine, commandLineOffset);
  bytes.set(loaderName, loaderNameOffset);
  let nameOffset = namesOffset;
  options.modules.forEach(({ start, end }, index) => {
    const at = modulesOffset + index * MODULE_BYTES;
    set(at, start);
    set(at + 4, end);
    set(at + 8, address + nameOffset);
    const name = moduleNames[index] ?? zeroTerminated('');
    bytes.set(name, nameOffset);
    nameOffset += name.length;
  });
  return { address, segment: { address, bytes, zeroBytes: 0 } };
}

/** Names and command lines may hold any character; kernels read bytes, so each code unit's low byte counts. */
const zeroTerminated = (text: string): Uint8Array =>
  Uint8Array.from([...text].map((letter) => letter.charCodeAt(0)).concat(0));

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** First gap in conventional memory, else in extended memory after the program. */
function freeAddress(bytes: number, { segments, memoryBytes }: MultibootInformationOptions): number | undefined {
  const sorted = [...segments].sort((a, b) => a.address - b.address);
  const fits = (from: number, limit: number, align: number): number | undefined => {
    let candidate = from;
    for (const segment of sorted) {
      if (segmentEnd(segment) <= candidate) continue;
      if (segment.address >= candidate + bytes) break;
      candidate = roundUp(segmentEnd(segment), align);
    }
    return candidate + bytes <= limit ? candidate : undefined;
  };
  const conventional = fits(LOWEST_ADDRESS, EXTENDED_BIOS_DATA, ALIGNMENT);
  if (conventional !== undefined) return conventional;
  const extended = memoryMap(memoryBytes).find((range) => range.base === EXTENDED_MEMORY);
  return extended === undefined ? undefined : fits(extended.base, extended.base + extended.bytes, PAGE);
}
