/** The look into the TLB that emitted code makes before every access. */
import { LAYOUT } from '../cpu/layout.ts';
import { TLB_ACCESS_KINDS, TLB_ENTRIES, TLB_KIND_SPREAD } from '../memory/tlb.ts';
import type { FunctionWriter } from '../wasm/function.ts';

const LOG2_ENTRY_BYTES = 5;

/**
 * Pushes whether the TLB allows an access at a linear address, and sets `entry` to the offset of the entry from the TLB's base.
 * @param tagAt where the table's first tag for the kind of access is
 * @param privilege `system`: of a supervisor-mode access that no flag changes, whatever the CPL
 * @param reach pushes bytes - 1 as i64, where the access has more than one byte: all must lie in the page
 */
export function emitTlbProbe(
  f: FunctionWriter,
  { cpu, linear, entry }: { readonly cpu: number; readonly linear: number; readonly entry: number },
  tagAt: number,
  reach?: () => void,
  privilege: 'current' | 'system' = 'current',
): void {
  f.get(linear);
  f.i64(12n);
  f.op('i64_shr_u');
  f.op('i32_wrap_i64');
  f.get(cpu);
  f.memory('i32_load', LAYOUT.tlbMix);
  f.op('i32_xor');
  if (privilege === 'system') {
    // What `tlbMix` made of the kind of access, undone.
    f.get(cpu);
    f.memory('i32_load', LAYOUT.tlbTag);
    f.i32(TLB_ACCESS_KINDS);
    f.op('i32_and');
    f.i32(TLB_KIND_SPREAD);
    f.op('i32_mul');
    f.op('i32_xor');
  }
  f.i32(TLB_ENTRIES - 1);
  f.op('i32_and');
  f.i32(LOG2_ENTRY_BYTES);
  f.op('i32_shl');
  f.tee(entry);
  f.memory('i64_load', tagAt);
  f.get(linear);
  if (reach !== undefined) {
    reach();
    f.op('i64_add');
  }
  f.i64(-4096n);
  f.op('i64_and');
  f.get(cpu);
  f.memory('i64_load32_u', LAYOUT.tlbTag);
  if (privilege === 'system') {
    f.i64(BigInt(~TLB_ACCESS_KINDS));
    f.op('i64_and');
  }
  f.op('i64_or');
  f.op('i64_eq');
}
