/**
 * Linux kernel images (bzImage) by the Linux/x86 boot protocol. A kernel that says where it wants to be is entered in 32-bit
 * protected mode ("32-bit boot protocol"); an older one, and whatever else uses the format, through its real-mode setup code.
 */
import { EXTENDED_MEMORY, memoryMap } from '../base/memory-map.ts';
import type { BootProtocol, ProgramResult } from '../base/program.ts';
import { viewOf } from './bytes.ts';
import { failed, fileError, finished } from './file-diagnostic.ts';
import { HEADER, readLinuxHeader, type LinuxHeader } from './linux-header.ts';
import type { LoadOptions } from './load-options.ts';
import { checkSegments, type NamedSegment } from './segments.ts';

/** Real-mode segment of the setup code; `boot_params` takes its place for a kernel entered in protected mode. */
const SETUP_SEGMENT = 0x1000;
const SETUP_ADDRESS = SETUP_SEGMENT << 4;
const SETUP_STACK = 0xe000;
/** The heap ends below 512 bytes of stack; the field counts from 200h. */
const SETUP_HEAP_END = SETUP_STACK - 0x200 - 0x200;
const PARAMETER_BYTES = 0x1000;
const GDT_ADDRESS = SETUP_ADDRESS + PARAMETER_BYTES;
const COMMAND_LINE_ADDRESS = SETUP_ADDRESS + SETUP_STACK;
/** What fits into the rest of the setup segment. */
const MOST_COMMAND_LINE_BYTES = 0x1000;

const LOADER_UNDEFINED = 0xff;
const CAN_USE_HEAP = 0x80;
const PAGE = 0x1000;

/** Offsets in `boot_params` (zero page) besides the header's. */
const PARAMETER = { e820Entries: 0x1e8, e820Table: 0x2d0 } as const;
const E820_BYTES = 20;
const E820_USABLE = 1;
const E820_RESERVED = 2;
/** `screen_info` of 80 x 25 colour text: mode 3, page 0, cursor at the top. */
const SCREEN = { mode: 0x06, columns: 0x07, lines: 0x0e, isVga: 0x0f, points: 0x10 } as const;

/** Null, null, code at 10h and data at 18h: flat, 4 GiB. */
const GDT = [0n, 0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn] as const;

export function loadLinux(file: string, bytes: Uint8Array, options: LoadOptions): ProgramResult {
  const header = readLinuxHeader(file, bytes);
  if ('severity' in header) return failed(header);
  const commandLine = Uint8Array.from([...(options.commandArguments ?? '')].map((letter) => letter.charCodeAt(0)));
  const most = Math.min(header.mostCommandLineBytes, MOST_COMMAND_LINE_BYTES);
  if (commandLine.length > most)
    return failed(
      fileError(
        file,
        'linux-command-line',
        `${file}: the command line has ${commandLine.length} characters, but this kernel takes at most ${most}; shorten it.`,
      ),
    );
  const initrd = placeInitrd(header, options);
  if (initrd === 'no room')
    return failed(
      fileError(
        file,
        'linux-initrd',
        `${file}: the initial RAM disk of ${options.initrd?.length ?? 0} bytes does not fit above the kernel; set "memory" to more.`,
      ),
    );
  const segments: NamedSegment[] = [
    {
      title: 'the kernel',
      address: header.loadAddress,
      bytes: header.kernel,
      zeroBytes: header.initBytes - header.kernel.length,
    },
    { title: 'the command line', address: COMMAND_LINE_ADDRESS, bytes: commandLine, zeroBytes: 1 },
    ...(initrd === undefined ? [] : [initrd]),
  ];
  const boot: BootProtocol = header.describesKernel
    ? { kind: 'linux', entry: header.loadAddress, parameters: SETUP_ADDRESS, gdt: GDT_ADDRESS }
    : { kind: 'linux-setup', segment: SETUP_SEGMENT, stack: SETUP_STACK };
  if (header.describesKernel)
    segments.push(
      {
        title: 'the boot parameters',
        address: SETUP_ADDRESS,
        bytes: parametersOf(header, initrd, options.memoryBytes),
        zeroBytes: 0,
      },
      { title: 'the GDT', address: GDT_ADDRESS, bytes: new Uint8Array(BigUint64Array.from(GDT).buffer), zeroBytes: 0 },
    );
  else segments.push({ title: 'the setup code', address: SETUP_ADDRESS, bytes: setupOf(header, initrd), zeroBytes: 0 });
  return finished(
    {
      name: file,
      boot,
      segments: segments.map(({ address, bytes: data, zeroBytes }) => ({ address, bytes: data, zeroBytes })),
      symbols: [],
      lines: [],
    },
    checkSegments(file, segments, options.memoryBytes),
  );
}

/** As high as the kernel and memory allow, on a page. */
function placeInitrd(header: LinuxHeader, options: LoadOptions): NamedSegment | 'no room' | undefined {
  const { initrd } = options;
  if (initrd === undefined || initrd.length === 0) return undefined;
  const extended = memoryMap(options.memoryBytes).find(({ base }) => base === EXTENDED_MEMORY);
  const end = Math.min(header.initrdLimit + 1, extended === undefined ? 0 : extended.base + extended.bytes);
  const address = Math.floor((end - initrd.length) / PAGE) * PAGE;
  if (address < header.loadAddress + header.initBytes) return 'no room';
  return { title: 'the initial RAM disk', address, bytes: initrd, zeroBytes: 0 };
}

/** The fields that every loader sets, at their offsets in image and `boot_params`. */
function writeLoaderFields(view: DataView, header: LinuxHeader, initrd: NamedSegment | undefined): void {
  view.setUint8(HEADER.loaderType, LOADER_UNDEFINED);
  view.setUint32(HEADER.code32Start, header.loadAddress, true);
  view.setUint32(HEADER.commandLine, COMMAND_LINE_ADDRESS, true);
  if (initrd === undefined) return;
  view.setUint32(HEADER.initrdAddress, initrd.address, true);
  view.setUint32(HEADER.initrdBytes, initrd.bytes.length, true);
}

function setupOf(header: LinuxHeader, initrd: NamedSegment | undefined): Uint8Array {
  const setup = header.setup.slice();
  const view = viewOf(setup);
  writeLoaderFields(view, header, initrd);
  view.setUint8(HEADER.loadFlags, view.getUint8(HEADER.loadFlags) | CAN_USE_HEAP);
  view.setUint16(HEADER.heapEnd, SETUP_HEAP_END, true);
  return setup;
}

function parametersOf(header: LinuxHeader, initrd: NamedSegment | undefined, memoryBytes: number): Uint8Array {
  const bytes = new Uint8Array(PARAMETER_BYTES);
  const view = viewOf(bytes);
  bytes.set(header.header, HEADER.setupSectors);
  writeLoaderFields(view, header, initrd);
  view.setUint8(SCREEN.mode, 3);
  view.setUint8(SCREEN.columns, 80);
  view.setUint8(SCREEN.lines, 25);
  view.setUint8(SCREEN.isVga, 1);
  view.setUint16(SCREEN.points, 16, true);
  const map = memoryMap(memoryBytes);
  view.setUint8(PARAMETER.e820Entries, map.length);
  map.forEach((range, index) => {
    const at = PARAMETER.e820Table + index * E820_BYTES;
    view.setBigUint64(at, BigInt(range.base), true);
    view.setBigUint64(at + 8, BigInt(range.bytes), true);
    view.setUint32(at + 16, range.kind === 'usable' ? E820_USABLE : E820_RESERVED, true);
  });
  return bytes;
}
