/**
 * The little world that one instruction is executed in, the same on the host processor and on our machine: three windows of
 * memory, user mode, and the registers given.
 */
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { ARITHMETIC_FLAGS, DF } from '../../debug-adapter/engine/cpu/flags.ts';
import type { SegmentName } from '../../debug-adapter/engine/cpu/layout.ts';

/** Linear memory a test may touch; the last pages can be read-only, or missing while the window goes on. */
export interface Window {
  readonly at: number;
  readonly bytes: number;
  readonly readOnlyFrom: number;
  /** From here on nothing is mapped. */
  readonly absentFrom: number;
}

/** Holds the instruction; the only window that may be executed. Its last page is missing, for instructions that run off it. */
export const CODE: Window = { at: 0x10_0000, bytes: 0x3000, readOnlyFrom: 0x10_2000, absentFrom: 0x10_2000 };
/** 64 KiB, so that 16-bit offsets stay inside: the page at 20E000h is read-only, the one at 20F000h is missing. */
export const DATA: Window = { at: 0x20_0000, bytes: 0x1_0000, readOnlyFrom: 0x20_e000, absentFrom: 0x20_f000 };
/** A stack; what lies below 300000h is missing. */
export const STACK: Window = { at: 0x30_0000, bytes: 0x1_0000, readOnlyFrom: 0x31_0000, absentFrom: 0x31_0000 };
export const WINDOWS: readonly Window[] = [CODE, DATA, STACK];

/** Where the instruction starts unless told otherwise. */
export const CODE_OFFSET = 0x800;

/** A hidden segment register; access rights in the VMCS format. */
export interface TestSegment {
  readonly base: number;
  readonly limit: number;
  readonly rights: number;
}
export const SEGMENT_ORDER = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const satisfies readonly SegmentName[];
export type TestSegments = { readonly [N in (typeof SEGMENT_ORDER)[number]]: TestSegment };

const RIGHTS = { data: 0x00f3, code: 0x00fb, big: 0x4000, paged: 0x8000, long: 0x2000 } as const;
const FLAT_DATA: TestSegment = { base: 0, limit: 0xffff_ffff, rights: RIGHTS.data | RIGHTS.big | RIGHTS.paged };
const small = (base: number): TestSegment => ({ base, limit: 0xffff, rights: RIGHTS.data });

const flat = (code: number): TestSegments => ({
  ES: FLAT_DATA,
  CS: { base: 0, limit: 0xffff_ffff, rights: code },
  SS: FLAT_DATA,
  DS: FLAT_DATA,
  FS: FLAT_DATA,
  GS: FLAT_DATA,
});

/** Flat segments for 64- and 32-bit code, 64 KiB segments over the windows for 16-bit code. */
export const DEFAULT_SEGMENTS: { readonly [B in CodeBits]: TestSegments } = {
  64: flat(RIGHTS.code | RIGHTS.paged | RIGHTS.long),
  32: flat(RIGHTS.code | RIGHTS.paged | RIGHTS.big),
  16: {
    ES: small(DATA.at),
    CS: { base: CODE.at, limit: 0xffff, rights: RIGHTS.code },
    SS: small(STACK.at),
    DS: small(DATA.at),
    FS: small(DATA.at + 0x1000),
    GS: small(DATA.at + 0x2000),
  },
};

/** The flags that are set and compared: the six arithmetic ones and DF. */
export const TESTED_FLAGS = ARITHMETIC_FLAGS | DF;

/** What one instruction starts from. */
export interface Setup {
  readonly bits: CodeBits;
  readonly code: Uint8Array;
  /** Linear address of its first byte. */
  readonly codeAt: number;
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. */
  readonly gpr: readonly bigint[];
  /** `TESTED_FLAGS`; bit 1 and IF are always set. */
  readonly flags: number;
  readonly segments: TestSegments;
  /** Memory that differs from the pattern: linear address to byte. */
  readonly cells: ReadonlyMap<number, number>;
}

export interface Fault {
  readonly vector: number;
  /** 0 where the exception has none. */
  readonly errorCode: number;
  /** Of page faults. */
  readonly linear: bigint | undefined;
}

/** What it left behind. */
export interface Outcome {
  readonly fault: Fault | undefined;
  readonly gpr: readonly bigint[];
  /** RIP (offset in CS). */
  readonly rip: bigint;
  /** The same flags as in `Setup`. */
  readonly flags: number;
  /** Bytes that are not what they were: linear address to byte. */
  readonly memory: ReadonlyMap<number, number>;
}

export const RIP_OF = (setup: Setup): bigint => BigInt(setup.codeAt - (setup.bits === 64 ? 0 : setup.segments.CS.base));

/** What every byte of the windows holds at first: no value twice in a row, and different on each page. */
export const patternByte = (linear: number): number => (linear * 0x1d + (linear >>> 8) * 0x35 + 0x47) & 0xff;

export function patternOf({ at, absentFrom }: Window): Uint8Array {
  return Uint8Array.from({ length: absentFrom - at }, (_, i) => patternByte(at + i));
}
