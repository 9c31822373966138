import { LAYOUT, SEGMENT_NAMES } from '../cpu/layout.ts';
import type { StartState } from '../cpu/start-state.ts';
import type { ProcessorUnit } from './processor-unit.ts';

/** Puts a start state into the processor. */
export function applyStart(unit: Pick<ProcessorUnit, 'state' | 'cpu'>, start: StartState): void {
  const { state, cpu } = unit;
  start.general.forEach((value, index) => state.setGpr(index, value));
  state.rip = start.rip;
  state.rflags = start.rflags;
  for (const name of SEGMENT_NAMES) state.setSegment(name, start.segments[name]);
  state.set64(LAYOUT.gdtrBase, start.gdtr.base);
  state.set32(LAYOUT.gdtrLimit, start.gdtr.limit);
  state.set64(LAYOUT.idtrBase, start.idtr.base);
  state.set32(LAYOUT.idtrLimit, start.idtr.limit);
  state.set64(LAYOUT.cr0, BigInt(start.cr0 >>> 0));
  state.set64(LAYOUT.cr3, start.cr3);
  state.set64(LAYOUT.cr4, BigInt(start.cr4 >>> 0));
  state.set64(LAYOUT.efer, BigInt(start.efer >>> 0));
  cpu.flushTlb('all');
  cpu.modeChanged();
}
