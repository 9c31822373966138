/** The real processor, interpreter and VT-x without a board: what entry and exit mean for code that runs. */
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import { createEngineMemory, engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import type { ExecutorStop } from '../../debug-adapter/engine/execution/executor.ts';
import { EmittedLoop } from '../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../debug-adapter/engine/execution/executor.ts';
import { SYSTEM_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/system/index.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../debug-adapter/engine/memory/tlb.ts';
import { Vmx, VmxCapabilities, VMX_INSTRUCTIONS } from '../../debug-adapter/engine/vmx/index.ts';
import type { VmExit, VmcsFieldKey, VmxInstructionFailed } from '../../debug-adapter/engine/vmx/types.ts';
import { GUEST_RIP, startIn64Bit, VMCS_AT, VMXON_AT, writeGoodVmcs } from './fake-cpu.ts';

const FRAMES = 1024;
const PAGES = 1024;
const PML4 = 0x1_0000;
const PDPT = 0x1_1000;
const PD = 0x1_2000;
const EPT_PML4 = 0x2_0000;
const EPT_PDPT = 0x2_1000;
const EPT_PD = 0x2_2000;
/** EPT entries of the first 2 MiB in 4 KiB pages. */
export const EPT_PT = 0x2_3000;
const GDT = 0x3_0000;
const IDT = 0x3_1000;
export const GUEST_STACK = 0x4_0000;

export interface Bench {
  readonly cpu: Processor;
  readonly vmx: Vmx;
  readonly executor: Executor;
  readonly exits: VmExit[];
  readonly failures: VmxInstructionFailed[];
  set(key: VmcsFieldKey, value: bigint | number): void;
  read(key: VmcsFieldKey): bigint;
  /** Places guest code at GUEST_RIP. */
  code(bytes: readonly number[]): void;
}

/** A VMCS that enters a 64-bit guest at GUEST_RIP under identity-mapped paging and an identity EPT. */
export function bench(): Bench {
  const map = engineMap(FRAMES);
  const memory = createEngineMemory(map);
  const state = new CpuState(memory, map.cpuStates, 0);
  const floating = { read: (_at: number, bytes: number) => 2 ** (8 * bytes) - 1, write: () => {} };
  const physical = new PhysicalMemory(memory, map.pool, FRAMES, PAGES, floating);
  physical.setPages(0, PAGES, 'ram');
  const tlb = new Tlb(memory, map.tlb);
  const cpu = new Processor({
    state,
    physical,
    tlb,
    ports: { read: () => 0xff, write: () => {} },
    interruptController: { pending: () => false, acknowledge: () => 0xff },
    instructionsRetired: () => state.retired,
    ticksPerInstruction: 1,
  });
  const exits: VmExit[] = [];
  const failures: VmxInstructionFailed[] = [];
  const vmx = new Vmx(cpu, new VmxCapabilities(), {
    exit: (exit) => void exits.push(exit),
    instructionFailed: (failure) => void failures.push(failure),
  });
  cpu.plug(vmx.intercepts, vmx.port);
  const executor = new Executor(
    new EmittedLoop(memory, map, physical, tlb),
    cpu,
    new Map([...SYSTEM_INSTRUCTIONS, ...VMX_INSTRUCTIONS]),
    {
      untilNextEvent: () => Number.MAX_SAFE_INTEGER,
      catchUp: () => {},
      interceptException: () => false,
      accessed: () => false,
    },
  );
  cpu.reset();
  startIn64Bit(cpu);
  state.set64(LAYOUT.cr3, BigInt(PML4));
  identityMaps(physical);
  // The guest's GDT: null, null, 64-bit code at 10h ... the selectors of the VMCS are 8 and 16.
  physical.write64(GDT + 8, 0x00af_9b00_0000_ffffn);
  physical.write64(GDT + 16, 0x00cf_9300_0000_ffffn);
  for (const region of [VMXON_AT, VMCS_AT]) vmx.prepareRegion(region);
  cpu.modeChanged();
  writeGoodVmcs(vmx);
  const set = (key: VmcsFieldKey, value: bigint | number) => {
    if (!vmx.vmwrite(key, BigInt(value))) throw new Error(`test bug: VMWRITE of ${key} failed`);
  };
  set('HOST_CR3', PML4);
  set('GUEST_CR3', PML4);
  set('PROC2_CONTROLS', 2);
  set('EPTP', EPT_PML4 | 0x1e);
  set('GUEST_GDTR_BASE', GDT);
  set('GUEST_IDTR_BASE', IDT);
  set('GUEST_RSP', GUEST_STACK);
  const code = (bytes: readonly number[]) => void physical.poke(Number(GUEST_RIP), Uint8Array.from(bytes));
  return { cpu, vmx, executor, exits, failures, set, read: (key) => vmx.vmread(key), code };
}

function identityMaps(physical: PhysicalMemory): void {
  physical.write64(PML4, BigInt(PDPT | 3));
  physical.write64(PDPT, BigInt(PD | 3));
  physical.write64(EPT_PML4, BigInt(EPT_PDPT | 7));
  physical.write64(EPT_PDPT, BigInt(EPT_PD | 7));
  for (let large = 0; large < 2; large++) {
    physical.write64(PD + 8 * large, BigInt((large << 21) | 0x83));
    physical.write64(EPT_PD + 8 * large, BigInt((large << 21) | 0xb7));
  }
  physical.write64(EPT_PD, BigInt(EPT_PT | 7));
  for (let page = 0; page < 512; page++) physical.write64(EPT_PT + 8 * page, BigInt((page << 12) | 0x37));
}

/** A 64-bit interrupt gate to ring-0 code. */
export function gate(b: Bench, vector: number, handler: number): void {
  const at = IDT + 16 * vector;
  const low = BigInt(handler & 0xffff) | (8n << 16n) | (0x8en << 40n) | (BigInt(handler >>> 16) << 48n);
  b.cpu.physical.write64(at, low);
  b.cpu.physical.write64(at + 8, 0n);
}

/** Runs until an exit or `budget` instructions. */
export function runGuest(b: Bench, budget = 1000): VmExit | undefined {
  const before = b.exits.length;
  for (let left = budget; left > 0 && b.exits.length === before; left--) {
    const stop: ExecutorStop = b.executor.run(1, true);
    if (stop.kind === 'unimplemented') throw new Error(stop.what);
    if (stop.kind === 'inactive') break;
  }
  return b.exits[before];
}
