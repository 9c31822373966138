/** Where the code, the data and the stack of a case lie, the same on the host processor and on our machine. */
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';
import { DATA, DEFAULT_SEGMENTS, STACK, type TestSegments, type Window } from '../../instructions/environment.ts';

/** Instructions of a batch lie side by side; the window ends in the middle of nowhere. */
export const CODE: Window = { at: 0x10_0000, bytes: 0x1_0000, readOnlyFrom: 0x10_a000, absentFrom: 0x10_a000 };
export const WINDOWS: readonly Window[] = [CODE, DATA, STACK];

/** Bytes from one instruction to the next: each begins somewhere in the first half, so that some cross pages. */
export const SLOT_BYTES = 32;
/** The first slot is half in front of a page's border, and so each 128th from there. */
export const FIRST_SLOT = 0x1000 - SLOT_BYTES / 2;
/** As many as the window has room for. */
export const SLOTS = Math.floor((CODE.absentFrom - CODE.at - FIRST_SLOT) / SLOT_BYTES);

export const SEGMENTS: { readonly [B in CodeBits]: TestSegments } = DEFAULT_SEGMENTS;

/** Linear base of a segment in this kind of code; FS and GS of 64-bit code have one for each case. */
export const baseOf = (bits: CodeBits, name: keyof TestSegments): number =>
  bits === 64 ? 0 : SEGMENTS[bits][name].base;
