/** A processor over guarded memory for random code: whatever that does, nothing outside of the guest may change. */
import type { DeliveredEvent } from '../../../debug-adapter/engine/cpu/context.ts';
import { ACTIVITY } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { Processor } from '../../../debug-adapter/engine/cpu/cpu.ts';
import { CPU_STATE_BYTES, LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../../debug-adapter/engine/cpu/state.ts';
import { EmittedLoop } from '../../../debug-adapter/engine/execution/emitted-loop.ts';
import { createEngineMemory, engineMap } from '../../../debug-adapter/engine/execution/engine-memory.ts';
import { Executor } from '../../../debug-adapter/engine/execution/executor.ts';
import { INSTRUCTIONS } from '../../../debug-adapter/engine/machine/instruction-table.ts';
import { PAGE_BYTES, PhysicalMemory } from '../../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VmxCapabilities } from '../../../debug-adapter/engine/vmx/index.ts';
import { startIn64Bit, VMCS_AT, VMXON_AT, writeGoodVmcs } from '../../vmx/fake-cpu.ts';
import type { Random } from '../host/random.ts';
import { enterMode, MODES, type Mode } from './modes.ts';

/** 4 MiB of guest memory, and as much behind it that nothing may touch. */
const FRAMES = 1024;
const GUARD_FRAMES = 64;
const GUARD_BYTE = 0xc3;
const CODE_AT = 0x4_0000;
const CODE_BYTES = 0x4_0000;
const BUDGET = 16;
const MOST_CPUS = 8;
const PAGE_FAULT = 14;

/** Thrown where an exception would be delivered, where it is not to be; no Error, whose stack costs more than the instruction. */
class Intercepted {
  readonly event: DeliveredEvent;
  constructor(event: DeliveredEvent) {
    this.event = event;
  }
}

const SIXTY_FOUR_BIT_SUPERVISOR = MODES.find(({ bits, cpl }) => bits === 64 && cpl === 0)!;

export type Place = Mode | 'non-root';
/** Where memory operands seldom fault most instructions are executed: the other modes have more episodes. */
export const PLACES: readonly Place[] = [
  ...MODES.flatMap((mode) => Array<Place>(mode.bits === 16 ? 1 : mode.bits === 32 ? 3 : 6).fill(mode)),
  ...Array<Place>(8).fill('non-root'),
];

export class RandomMachine {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  private readonly executor: Executor;
  private readonly cpu: Processor;
  private readonly vmx: Vmx;
  private readonly guards: readonly Uint8Array[];
  private delivering = false;

  constructor() {
    const map = engineMap(FRAMES + GUARD_FRAMES);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    const random = { read: (_at: number, bytes: number) => 2 ** (8 * bytes) - 1, write: () => {} };
    this.physical = new PhysicalMemory(memory, map.pool, FRAMES, FRAMES, random);
    this.physical.setPages(0, FRAMES, 'ram');
    for (let page = 0; page < FRAMES; page++) this.physical.frameOf(page * PAGE_BYTES);
    const tlb = new Tlb(memory, map.tlb);
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb,
      ports: { read: () => 0xff, write: () => {} },
      interruptController: { pending: () => false, acknowledge: () => 0xff },
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
    });
    this.vmx = new Vmx(this.cpu, new VmxCapabilities(PROCESSOR_FACTS), {
      exit: () => this.executor.interrupt(),
      instructionFailed() {},
    });
    this.cpu.plug(this.vmx.intercepts, this.vmx.port);
    this.executor = new Executor(new EmittedLoop(memory, map, this.physical, tlb), this.cpu, INSTRUCTIONS, {
      untilNextEvent: () => Number.MAX_SAFE_INTEGER,
      catchUp() {},
      interceptException: (event) => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- see Intercepted
        if (!this.delivering) throw new Intercepted(event);
        return false;
      },
      accessed: () => false,
    });
    const bytes = (from: number, length: number): Uint8Array => new Uint8Array(memory.buffer, from, length);
    this.guards = [
      bytes(0, map.cpuStates),
      bytes(map.cpuStates + CPU_STATE_BYTES, (MOST_CPUS - 1) * CPU_STATE_BYTES),
      bytes(map.pool + FRAMES * PAGE_BYTES, GUARD_FRAMES * PAGE_BYTES),
    ];
    for (const guard of this.guards) guard.fill(GUARD_BYTE);
  }

  /** New code, all of it random; some bytes are more frequent, which make longer and rarer instructions. */
  refill(random: Random): void {
    const view = new DataView(new ArrayBuffer(CODE_BYTES));
    for (let at = 0; at < CODE_BYTES; at += 4) view.setUint32(at, random.word(), true);
    const bytes = new Uint8Array(view.buffer);
    const frequent = [0x0f, 0x0f, 0x66, 0xf2, 0xf3, 0x48, 0xc4, 0xc5, 0x67, 0xf0];
    for (let at = 0; at < CODE_BYTES; at += 1 + random.below(24)) bytes[at] = random.of(frequent);
    this.executor.reset();
    this.physical.poke(CODE_AT, bytes);
  }

  /** Begins an episode: the processor is in this mode, whatever it was made to do before. */
  begin(place: Place, random: Random): void {
    this.vmx.reset();
    this.cpu.reset();
    this.state.set32(LAYOUT.activity, ACTIVITY.active);
    if (place === 'non-root') this.enterNonRoot(random);
    else enterMode(place, this.state, this.physical, CODE_AT + 16 * random.below(0x800));
    this.cpu.flushTlb('all');
    this.cpu.modeChanged();
  }

  /** A VMCS that is good but for its execution controls, of which any that may be 1 is. */
  private enterNonRoot(random: Random): void {
    const { vmx, cpu } = this;
    enterMode(SIXTY_FOUR_BIT_SUPERVISOR, this.state, this.physical, CODE_AT);
    const tables = this.state.get64(LAYOUT.cr3);
    startIn64Bit(cpu);
    for (const region of [VMXON_AT, VMCS_AT]) vmx.prepareRegion(region);
    writeGoodVmcs(vmx);
    vmx.vmwrite('HOST_CR3', tables);
    vmx.vmwrite('GUEST_CR3', tables);
    const controls = [
      ['PIN_CONTROLS', 0x48d],
      ['PROC1_CONTROLS', 0x48e],
    ] as const;
    if (random.once(2))
      for (const [field, msr] of controls) {
        const allowed = vmx.capabilities.msr(msr) ?? 0n;
        const wanted = BigInt(random.word()) & (allowed >> 32n) & BigInt(random.word());
        vmx.vmwrite(field, (allowed & 0xffff_ffffn) | wanted | (field === 'PROC1_CONTROLS' ? 1n << 7n : 0n));
      }
    vmx.vmwrite('EXCEPTION_BITMAP', BigInt(random.once(2) ? random.word() : 0));
    if (vmx.vmlaunch() !== 'entered') {
      // Controls that exclude each other: the same with none.
      for (const [field, msr] of controls) vmx.vmwrite(field, (vmx.capabilities.msr(msr) ?? 0n) & 0xffff_ffffn);
      vmx.vmlaunch();
    }
  }

  /** Sends the processor to some byte of the code with other registers. */
  scatter(random: Random): void {
    const { state } = this;
    const bits = state.codeBits;
    for (let i = 0; i < 16; i++) {
      const kind = random.below(4);
      const small = BigInt(random.below(0x40_0000));
      state.setGpr(i, kind < 2 ? small : kind === 2 ? BigInt(random.word()) : random.quad());
    }
    // Counts of repeated instructions that take a while are rare.
    if (!random.once(20_000)) state.setGpr(1, BigInt(random.below(64)));
    state.setGpr(4, BigInt(bits === 16 ? random.below(0x1_0000) : 0x2_0000 + random.below(0x1_0000)));
    const base = Number(state.segmentBase('CS') & 0xffff_ffffn);
    const from = bits === 16 ? random.word() & 0xffff : CODE_AT + random.below(CODE_BYTES) - (bits === 64 ? 0 : base);
    state.rip = BigInt(bits === 16 ? from : from >>> 0);
    state.rflags = (state.rflags & ~0xcd5) | (random.word() & 0xcd5) | (random.once(64) ? 0x100 : 0);
    state.set32(LAYOUT.mxcsr, 0x1f80 & (random.once(4) ? random.word() : -1));
  }

  /** Runs a few instructions; gives how many, and whether the processor can go on from here. */
  run(deliver: boolean): { readonly instructions: number; readonly alive: boolean } {
    const { state } = this;
    const before = state.retired;
    this.delivering = deliver;
    try {
      const stop = this.executor.run(BUDGET, false);
      const stopped = stop.kind === 'unimplemented' ? 1 : 0;
      const alive = stop.kind === 'budget' || (stop.kind === 'interrupted' && this.resume());
      return { instructions: state.retired - before + stopped, alive };
    } catch (error) {
      if (!(error instanceof Intercepted)) throw error;
      const { vector, linear } = error.event;
      const atFetch = vector === PAGE_FAULT && linear !== undefined && linear - state.linearRip < 16n;
      return { instructions: state.retired - before + (atFetch ? 0 : 1), alive: !atFetch };
    }
  }

  /** Behind a VM exit: enters again. */
  private resume(): boolean {
    const { vmx } = this;
    return vmx.mode === 1 && vmx.current !== undefined && vmx.vmresume() === 'entered';
  }

  /** Whether anything outside of the guest has changed. */
  get isIntact(): boolean {
    return this.guards.every((guard) => guard.every((byte) => byte === GUARD_BYTE));
  }

  /** Mode, bytes at RIP and registers, for reports. */
  describe(): string {
    const { state } = this;
    const linear = Number(state.linearRip & 0xffff_ffffn);
    const bytes = linear + 16 < FRAMES * PAGE_BYTES ? Buffer.from(this.physical.peek(linear, 16)).toString('hex') : '?';
    const registers = Array.from({ length: 16 }, (_, i) => state.gpr(i).toString(16)).join(' ');
    return `${state.codeBits}-bit cpl ${state.cpl} rip ${state.rip.toString(16)} (${bytes}) flags ${state.rflags.toString(16)} registers ${registers}`;
  }
}
