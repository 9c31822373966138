/** Power-on and INIT (SDM Vol. 3A, "Processor State After Reset" 9.1.1, table 9-1). */
import type { Cpu } from './context.ts';
import { ACTIVITY, CR0, DR6_FIXED, DR7_FIXED } from './control-bits.ts';
import { CPU_STATE_BYTES, LAYOUT, SEGMENT_NAMES, type SegmentName } from './layout.ts';
import { resetMsrs } from './msrs.ts';
import { resetX87 } from './x87-state.ts';
import { COMPONENT, MXCSR_RESET } from './xsave.ts';

const RDX = 2;
const RANDOM_SEED = 0x9e37_79b9_7f4a_7c15n;
const NO_VMCS = 0xffff_ffff_ffff_ffffn;

/** Access rights of the segments: read/write data accessed, an LDT, a busy 32-bit TSS. */
const ACCESS_RIGHTS_AT_RESET: Partial<Record<SegmentName, number>> = { LDTR: 0x82, TR: 0x8b };

/** APICBASE bit 8: the bootstrap processor. */
const APIC_BASE_BSP = 1n << 8n;

export function resetProcessor(cpu: Cpu): void {
  const state = cpu.state;
  state.words.fill(0, 0, CPU_STATE_BYTES / 4);
  state.set64(LAYOUT.cr0, BigInt((CR0.CD | CR0.NW | CR0.ET) >>> 0));
  state.set64(LAYOUT.vmxonPointer, NO_VMCS);
  state.set64(LAYOUT.vmcsPointer, NO_VMCS);
  state.set64(LAYOUT.random, seedOf(cpu.topology.index));
  resetX87(state);
  state.set32(LAYOUT.mxcsr, MXCSR_RESET);
  state.set64(LAYOUT.xcr0, BigInt(COMPONENT.x87));
  resetMsrs(cpu);
  if (cpu.topology.index !== 0) state.set64(LAYOUT.apicBase, state.get64(LAYOUT.apicBase) & ~APIC_BASE_BSP);
  resetCore(cpu);
}

/** Every run draws the same numbers, each processor its own: a run can be repeated. */
const seedOf = (index: number): bigint => BigInt.asUintN(64, RANDOM_SEED * BigInt(2 * index + 1));

/** INIT: caches, MSRs, x87 and vector registers, time and the place in the system stay (SDM Vol. 3A, table 9-1). */
export function initializeProcessor(cpu: Cpu): void {
  const state = cpu.state;
  const keptBits = BigInt((CR0.CD | CR0.NW) >>> 0);
  for (let index = 0; index < 16; index++) state.setGpr(index, 0n);
  for (const at of [LAYOUT.cr2, LAYOUT.cr3, LAYOUT.cr4, LAYOUT.cr8, LAYOUT.efer]) state.set64(at, 0n);
  for (const at of [LAYOUT.dr0, LAYOUT.dr1, LAYOUT.dr2, LAYOUT.dr3, LAYOUT.pendingDebug]) state.set64(at, 0n);
  for (const at of [LAYOUT.gdtrBase, LAYOUT.idtrBase]) state.set64(at, 0n);
  state.set64(LAYOUT.cr0, (state.get64(LAYOUT.cr0) & keptBits) | BigInt(CR0.ET));
  state.set32(LAYOUT.interruptibility, 0);
  state.set32(LAYOUT.debugHits, 0);
  cpu.apic?.initialized();
  resetCore(cpu);
  cpu.breakpointsChanged('exactly');
}

/** What power-on and INIT have in common; all but the bootstrap processor wait for a start-up IPI afterwards. */
function resetCore(cpu: Cpu): void {
  const state = cpu.state;
  for (const name of SEGMENT_NAMES)
    state.setSegment(name, {
      selector: 0,
      base: 0n,
      limit: 0xffff,
      accessRights: ACCESS_RIGHTS_AT_RESET[name] ?? 0x93,
    });
  state.setSegment('CS', { selector: 0xf000, base: 0xffff_0000n, limit: 0xffff, accessRights: 0x93 });
  state.rip = 0xfff0n;
  state.rflags = 2;
  state.setGpr(RDX, BigInt(cpu.features.signature));
  state.set32(LAYOUT.gdtrLimit, 0xffff);
  state.set32(LAYOUT.idtrLimit, 0xffff);
  state.set64(LAYOUT.dr6, BigInt(DR6_FIXED));
  state.set64(LAYOUT.dr7, BigInt(DR7_FIXED));
  const bootstrap = (state.get64(LAYOUT.apicBase) & APIC_BASE_BSP) !== 0n;
  state.set32(LAYOUT.activity, bootstrap ? ACTIVITY.active : ACTIVITY.waitForSipi);
  cpu.flushTlb('all');
  cpu.modeChanged();
}
