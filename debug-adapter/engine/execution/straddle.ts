/**
 * Vector accesses that lie in two pages, both of which the TLB has: one in 256 of those to consecutive unaligned addresses. The
 * bytes at the end of the first page and at the start of the second one are brought together in the processor state.
 */
import { LAYOUT, STRADDLE_BYTES } from '../cpu/layout.ts';
import { TLB_ENTRY } from '../memory/tlb.ts';
import { I32, I64, type FunctionWriter } from '../wasm/function.ts';
import type { ModuleWriter } from '../wasm/module.ts';
import type { InterpreterOptions } from './interpreter-lookup.ts';
import { emitTlbProbe } from './tlb-probe.ts';

/** Function indices. */
export interface Straddling {
  /**
   * (cpu, linear address, bytes) to where the bytes are, all of them, in the processor state; 0 unless they lie in two pages that
   * may be read.
   */
  readonly straddleRead: number;
  /** The same for pages that may be written: what is stored there goes to the pages by `straddleCommit`. */
  readonly straddleWrite: number;
  /** (cpu, linear address) after a store to where `straddleWrite` said. */
  readonly straddleCommit: number;
}

const PAGE = 4096;
/** Bytes from each page: as many as the longest access has. */
const WINDOW = STRADDLE_BYTES / 2;
const VECTOR = 16;
const [CPU, LINEAR, BYTES] = [0, 1, 2];

export function emitStraddling(module: ModuleWriter, options: InterpreterOptions): Straddling {
  return {
    straddleRead: emitGather(module, options.tlbBase, TLB_ENTRY.read),
    straddleWrite: emitGather(module, options.tlbBase, TLB_ENTRY.write),
    straddleCommit: emitCommit(module, options.tlbBase),
  };
}

/** Sets `host` to where the window of each page is in the engine memory; `otherwise` where the TLB does not answer. */
function windows(f: FunctionWriter, tlbBase: number, tag: number, otherwise: () => void): readonly [number, number] {
  const [first, second, entry] = [f.local(I32), f.local(I32), f.local(I32)];
  const next = f.local(I64);
  const look = (linear: number, host: number, at: number): void => {
    emitTlbProbe(f, { cpu: CPU, linear, entry }, tlbBase + tag);
    f.op('i32_eqz');
    f.if(otherwise);
    f.get(entry);
    f.memory('i32_load', tlbBase + TLB_ENTRY.host);
    f.i32(at);
    f.op('i32_add');
    f.set(host);
  };
  look(LINEAR, first, PAGE - WINDOW);
  f.get(LINEAR);
  f.i64(BigInt(PAGE - 1));
  f.op('i64_or');
  f.i64(1n);
  f.op('i64_add');
  f.set(next);
  look(next, second, 0);
  return [first, second];
}

/** Copies a window; each side is a local with an address and an offset. */
function copy(f: FunctionWriter, to: number, toOffset: number, from: number, fromOffset: number): void {
  for (let at = 0; at < WINDOW; at += VECTOR) {
    f.get(to);
    f.get(from);
    f.simdMemory('v128_load', fromOffset + at);
    f.simdMemory('v128_store', toOffset + at);
  }
}

function emitGather(module: ModuleWriter, tlbBase: number, tag: number): number {
  const { index, body: f } = module.define({ parameters: [I32, I64, I32], results: [I32] });
  const inFirst = f.local(I32);
  const giveUp = () => {
    f.i32(0);
    f.op('return');
  };
  f.i32(PAGE);
  f.get(LINEAR);
  f.op('i32_wrap_i64');
  f.i32(PAGE - 1);
  f.op('i32_and');
  f.op('i32_sub');
  f.tee(inFirst);
  f.get(BYTES);
  f.op('i32_ge_u');
  f.if(giveUp);
  const [first, second] = windows(f, tlbBase, tag, giveUp);
  copy(f, CPU, LAYOUT.straddle, first, 0);
  copy(f, CPU, LAYOUT.straddle + WINDOW, second, 0);
  f.get(CPU);
  f.i32(LAYOUT.straddle + WINDOW);
  f.op('i32_add');
  f.get(inFirst);
  f.op('i32_sub');
  return index;
}

function emitCommit(module: ModuleWriter, tlbBase: number): number {
  const { index, body: f } = module.define({ parameters: [I32, I64], results: [] });
  const [first, second] = windows(f, tlbBase, TLB_ENTRY.write, () => f.op('unreachable'));
  copy(f, first, 0, CPU, LAYOUT.straddle);
  copy(f, second, 0, CPU, LAYOUT.straddle + WINDOW);
  return index;
}
