/**
 * What the machine is given to run: bytes in guest-physical memory, where to start, and what names and source lines the
 * bytes have. Made by the assembler (`assembler/`) and the loaders (`loader/`); knows no file system.
 */
import type { Diagnostic } from './diagnostic.ts';

/** Code size the bytes at an address were written for: decides how they are disassembled before they ever run. */
export type CodeBits = 16 | 32 | 64;

/** A run of bytes of one source line. Spans do not overlap and are sorted by address. */
export interface LineSpan {
  readonly address: bigint;
  readonly bytes: number;
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  readonly bits: CodeBits;
  /** False for data directives: a breakpoint there makes no sense. */
  readonly code: boolean;
}

export interface ProgramSymbol {
  /** Full name; NASM local labels carry their parent, `main.loop`. */
  readonly name: string;
  readonly address: bigint;
  /** 0 where the format does not tell. */
  readonly bytes: number;
  readonly kind: 'code' | 'data' | 'constant';
  readonly file?: string;
  readonly line?: number;
}

/** Bytes to place at a guest-physical address before the first instruction; `zeroBytes` more zero bytes follow them. */
export interface LoadSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly zeroBytes: number;
}

/** A file that a Multiboot kernel finds in memory, from `start` to before `end`. */
export interface BootModule {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/**
 * How the program expects to be started.
 * - `boot-sector`: as from a floppy: the image is the disk (drive 0), its sector 0 is at 0:7C00h, DL = 0, real mode.
 * - `multiboot`: 32-bit protected mode, EAX = 2BADB002h, EBX = information structure (Multiboot 1).
 * - `linux`: 32-bit protected mode with a GDT of ours, ESI = `boot_params` (Linux/x86 "32-bit boot protocol").
 * - `linux-setup`: real mode in the setup code's segment, with firmware (Linux/x86 boot protocol, "Running the Kernel").
 * - `flat`: the bytes are placed at `loadAddress` and entered at `entry` in the given mode (64 = long mode under identity-mapped
 *   2 MiB pages prepared by the machine; used by small samples and tests).
 */
export type BootProtocol =
  | { readonly kind: 'boot-sector'; readonly disk: Uint8Array }
  | {
      readonly kind: 'multiboot';
      readonly entry: number;
      readonly commandLine: string;
      readonly modules?: readonly BootModule[];
    }
  /** All guest-physical. */
  | { readonly kind: 'linux'; readonly entry: number; readonly parameters: number; readonly gdt: number }
  | { readonly kind: 'linux-setup'; readonly segment: number; readonly stack: number }
  | { readonly kind: 'flat'; readonly entry: number; readonly bits: CodeBits };

export interface Program {
  /** Name for messages and views: the file name the user chose. */
  readonly name: string;
  readonly boot: BootProtocol;
  /** Empty for `boot-sector` (the firmware loads sector 0 from the disk). */
  readonly segments: readonly LoadSegment[];
  readonly symbols: readonly ProgramSymbol[];
  readonly lines: readonly LineSpan[];
}

/** Result of making a program from a user's file: a program, or reasons why not; warnings may accompany a program. */
export interface ProgramResult {
  readonly program: Program | undefined;
  readonly diagnostics: readonly Diagnostic[];
}
