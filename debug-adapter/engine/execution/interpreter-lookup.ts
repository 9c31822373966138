/** The pieces of the emitted interpreter that look RIP up and check where it goes. */
import { LAYOUT, SEGMENT_BYTES, SEGMENT_INDEX, SEGMENT_LAYOUT } from '../cpu/layout.ts';
import { TLB_ENTRY } from '../memory/tlb.ts';
import { I32, I64, type FunctionWriter } from '../wasm/function.ts';
import type { ModuleWriter } from '../wasm/module.ts';
import { RECORD } from './record.ts';
import { emitTlbProbe } from './tlb-probe.ts';

/** Which handlers become cases of the main function. */
export type DispatchStyle = 'hot' | 'all' | 'none';

export interface InterpreterOptions {
  readonly memoryPages: number;
  readonly tlbBase: number;
  /** Byte offset of frame 0. */
  readonly poolBase: number;
  /** Table of code pages: three i32 (16-, 32-, 64-bit code) for each frame. */
  readonly codeTable: number;
  /** Addresses of the two pseudo records that unlinked `next` and `target` fields point to. */
  readonly linkNext: number;
  readonly linkTarget: number;
  readonly dispatch: DispatchStyle;
}

const CS_AT = LAYOUT.segments + SEGMENT_INDEX.CS * SEGMENT_BYTES;
const CODE_BITS_64 = 64;

/** Whether `offset .. offset + last` lies in a segment's readable or writable range; `field` is readFirst or writeFirst. */
export function emitSegmentCheck(module: ModuleWriter): number {
  const { index, body: f } = module.define({ parameters: [I32, I64, I32, I32], results: [I32] });
  const [segment, offset, last, field] = [0, 1, 2, 3];
  const first = f.local(I32);
  // first <= offset and offset + last <= end, without wrapping: offsets are below 2^32.
  f.get(segment);
  f.get(field);
  f.op('i32_add');
  f.tee(first);
  f.memory('i64_load32_u');
  f.get(offset);
  f.op('i64_le_u');
  f.get(offset);
  f.get(last);
  f.op('i64_extend_i32_u');
  f.op('i64_add');
  f.get(first);
  f.memory('i64_load32_u', 4);
  f.op('i64_le_u');
  f.op('i32_and');
  return index;
}

/** Record at the state's RIP, or 0 where TypeScript has to translate or decode first. Sets pageRip. */
export function emitLookup(module: ModuleWriter, options: InterpreterOptions): number {
  const { index, body: f } = module.define({ parameters: [I32], results: [I32] });
  const cpu = 0;
  const rip = f.local(I64);
  const linear = f.local(I64);
  const entry = f.local(I32);
  const page = f.local(I32);
  const giveUpUnless = () => {
    f.op('i32_eqz');
    f.if(() => {
      f.i32(0);
      f.op('return');
    });
  };
  f.get(cpu);
  f.memory('i64_load', LAYOUT.rip);
  f.tee(rip);
  f.set(linear);
  f.get(cpu);
  f.memory('i32_load', LAYOUT.codeBits);
  f.i32(CODE_BITS_64);
  f.op('i32_ne');
  f.if(() => {
    f.get(rip);
    f.get(cpu);
    f.memory('i64_load32_u', CS_AT + SEGMENT_LAYOUT.limit);
    f.op('i64_le_u');
    giveUpUnless();
    f.get(rip);
    f.get(cpu);
    f.memory('i64_load', CS_AT + SEGMENT_LAYOUT.base);
    f.op('i64_add');
    f.i64(0xffff_ffffn);
    f.op('i64_and');
    f.set(linear);
  });
  emitTlbProbe(f, { cpu, linear, entry }, options.tlbBase + TLB_ENTRY.execute);
  giveUpUnless();
  // codeTable + frame * 12 + (bits / 32) * 4
  f.get(entry);
  f.memory('i32_load', options.tlbBase + TLB_ENTRY.host);
  f.i32(options.poolBase);
  f.op('i32_sub');
  f.i32(12);
  f.op('i32_shr_u');
  f.i32(12);
  f.op('i32_mul');
  f.get(cpu);
  f.memory('i32_load', LAYOUT.codeBits);
  f.i32(5);
  f.op('i32_shr_u');
  f.i32(2);
  f.op('i32_shl');
  f.op('i32_add');
  f.memory('i32_load', options.codeTable);
  f.tee(page);
  giveUpUnless();
  f.get(page);
  f.get(linear);
  f.op('i32_wrap_i64');
  f.i32(0xfff);
  f.op('i32_and');
  f.i32(2);
  f.op('i32_shl');
  f.op('i32_add');
  f.memory('i32_load');
  f.get(cpu);
  f.get(rip);
  f.get(linear);
  f.i64(0xfffn);
  f.op('i64_and');
  f.op('i64_sub');
  f.memory('i64_store', LAYOUT.pageRip);
  return index;
}

/** RIP of a record; of a pseudo record the address that `previous` continues at. */
export function emitRipOf(module: ModuleWriter, options: InterpreterOptions): number {
  const { index, body: f } = module.define({ parameters: [I32, I32, I32], results: [I64] });
  const [cpu, record, previous] = [0, 1, 2];
  const pageRip = () => {
    f.get(cpu);
    f.memory('i64_load', LAYOUT.pageRip);
  };
  f.get(record);
  f.i32(options.linkNext);
  f.op('i32_eq');
  f.if(() => {
    pageRip();
    f.get(previous);
    f.memory('i64_load16_u', RECORD.pageOffset);
    f.op('i64_add');
    f.get(previous);
    f.memory('i64_load8_u', RECORD.length);
    f.op('i64_add');
    f.op('return');
  });
  f.get(record);
  f.i32(options.linkTarget);
  f.op('i32_eq');
  f.if(() => {
    pageRip();
    f.get(previous);
    f.memory('i64_load', RECORD.immediate);
    f.op('i64_add');
    f.get(previous);
    f.memory('i64_load', RECORD.targetMask);
    f.op('i64_and');
    f.op('return');
  });
  pageRip();
  f.get(record);
  f.memory('i64_load16_u', RECORD.pageOffset);
  f.op('i64_add');
  return index;
}

/** Runs `otherwise` unless the page behind the record's is still mapped to the frame the instruction was decoded from. */
export function emitCrossCheck(
  f: FunctionWriter,
  cpu: number,
  record: number,
  options: InterpreterOptions,
  otherwise: () => void,
): void {
  const linear = f.local(I64);
  const entry = f.local(I32);
  f.get(cpu);
  f.memory('i64_load', LAYOUT.pageRip);
  f.i64(4096n);
  f.op('i64_add');
  f.set(linear);
  f.get(cpu);
  f.memory('i32_load', LAYOUT.codeBits);
  f.i32(CODE_BITS_64);
  f.op('i32_ne');
  f.if(() => {
    f.get(linear);
    f.get(cpu);
    f.memory('i64_load', CS_AT + SEGMENT_LAYOUT.base);
    f.op('i64_add');
    f.i64(0xffff_ffffn);
    f.op('i64_and');
    f.set(linear);
  });
  emitTlbProbe(f, { cpu, linear, entry }, options.tlbBase + TLB_ENTRY.execute);
  f.op('i32_eqz');
  f.get(entry);
  f.memory('i32_load', options.tlbBase + TLB_ENTRY.host);
  f.get(record);
  f.memory('i32_load', RECORD.crossHost);
  f.op('i32_ne');
  f.op('i32_or');
  f.if(otherwise);
  f.release(linear);
  f.release(entry);
}
