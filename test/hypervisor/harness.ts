/** A processor with VT-x under the built-in hypervisor, guests written in assembly, and handlers run step by step. */
import assert from 'node:assert/strict';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import { CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import { MachineStop } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { REGISTER_NAMES, type RegisterName } from '../../debug-adapter/engine/cpu/registers.ts';
import type { StartState } from '../../debug-adapter/engine/cpu/start-state.ts';
import { CpuState, type Segment } from '../../debug-adapter/engine/cpu/state.ts';
import { createEngineMemory, engineMap } from '../../debug-adapter/engine/execution/engine-memory.ts';
import { EmittedLoop } from '../../debug-adapter/engine/execution/emitted-loop.ts';
import { Executor } from '../../debug-adapter/engine/execution/executor.ts';
import type { Exiting } from '../../debug-adapter/engine/hypervisor/controls.ts';
import { declareHostPhysicalMemory } from '../../debug-adapter/engine/hypervisor/guest-memory-map.ts';
import type { HandlerRun, StepResult } from '../../debug-adapter/engine/hypervisor/handler-run.ts';
import { GUEST_BASE, HOST_AREAS } from '../../debug-adapter/engine/hypervisor/host-layout.ts';
import { Hypervisor } from '../../debug-adapter/engine/hypervisor/hypervisor.ts';
import { TOUCHED_MEMORY } from '../../debug-adapter/engine/hypervisor/steps.ts';
import { DEFERRED_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/deferred.ts';
import { SYSTEM_INSTRUCTIONS } from '../../debug-adapter/engine/instructions/system/index.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb } from '../../debug-adapter/engine/memory/tlb.ts';
import { PROCESSOR_FACTS } from '../../debug-adapter/engine/vmx/capabilities.ts';
import { Vmx, VMX_INSTRUCTIONS, VmxCapabilities } from '../../debug-adapter/engine/vmx/index.ts';
import type { VmExit, VmcsFieldKey, VmxInstructionFailed } from '../../debug-adapter/engine/vmx/types.ts';

const MEMORY_BYTES = 0x40_0000;
/** Where guests are loaded and start. */
export const ORIGIN = 0x8000;
const STACK_TOP = 0x7000n;
const GDT = 0x1000;
const TABLES = 0x2000;
const FIRMWARE_PORT = 0xb5;
const INSTRUCTIONS_PER_RUN = 10_000;

export type Bits = 16 | 32 | 64;

export interface GuestOptions {
  readonly bits: Bits;
  /** NASM source; assembled at `ORIGIN`. */
  readonly source: string;
  readonly exiting?: Partial<Exiting>;
}

const segment = (selector: number, limit: number, accessRights: number): Segment => ({
  selector,
  base: 0n,
  limit,
  accessRights,
});
/** As the board does where no device answers. */
function stop(what: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- the lint setting knows this class in the engine's files only
  throw new MachineStop(what);
}
const SYSTEM_SEGMENTS = {
  LDTR: segment(0, 0xffff, 0x1_0082),
  TR: segment(0, 0xffff, 0x8b),
} as const;

function startState(bits: Bits): StartState {
  const code = bits === 16 ? segment(0, 0xffff, 0x9b) : segment(8, 0xffff_ffff, bits === 64 ? 0xa09b : 0xc09b);
  const data = bits === 16 ? segment(0, 0xffff, 0x93) : segment(0x10, 0xffff_ffff, 0xc093);
  const long = bits === 64;
  return {
    rip: BigInt(ORIGIN),
    rflags: 2,
    general: [0n, 0n, 0n, 0n, STACK_TOP, 0n, 0n, 0n],
    segments: { ES: data, CS: code, SS: data, DS: data, FS: data, GS: data, ...SYSTEM_SEGMENTS },
    gdtr: { base: BigInt(GDT), limit: 0x1f },
    idtr: { base: 0n, limit: 0x3ff },
    cr0: CR0.ET | (bits === 16 ? 0 : CR0.PE) | (long ? CR0.PG : 0),
    cr3: long ? BigInt(TABLES) : 0n,
    cr4: long ? CR4.PAE : 0,
    efer: long ? EFER.LME | EFER.LMA : 0,
  };
}

/** Ranges of host-physical memory by the names that steps use for them. */
const MEMORY: Readonly<Record<string, readonly (readonly [address: number, bytes: number])[]>> = {
  [TOUCHED_MEMORY.ept]: [[HOST_AREAS.ept.address, 0x2_0000]],
  [TOUCHED_MEMORY.guest]: [[GUEST_BASE, MEMORY_BYTES]],
  [TOUCHED_MEMORY.host]: (['code', 'gdt', 'tss', 'idt', 'stack', 'pageTables'] as const).map((name) => [
    HOST_AREAS[name].address,
    HOST_AREAS[name].bytes,
  ]),
  // Of the VMCS region only what is not a field.
  [TOUCHED_MEMORY.regions]: [
    [HOST_AREAS.vmxon.address, HOST_AREAS.vmxon.bytes],
    [HOST_AREAS.vmcs.address, 16],
  ],
  [TOUCHED_MEMORY.bitmaps]: (['ioBitmapA', 'ioBitmapB', 'msrBitmap'] as const).map((name) => [
    HOST_AREAS[name].address,
    HOST_AREAS[name].bytes,
  ]),
};

interface Snapshot {
  readonly vmcs: ReadonlyMap<VmcsFieldKey, bigint>;
  readonly registers: ReadonlyMap<RegisterName, bigint>;
  readonly memory: ReadonlyMap<string, Buffer>;
  readonly logged: number;
}

export class TestMachine {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  readonly cpu: Processor;
  readonly vmx: Vmx;
  readonly executor: Executor;
  readonly hypervisor: Hypervisor;
  readonly exits: VmExit[] = [];
  readonly failures: VmxInstructionFailed[] = [];
  readonly log: string[] = [];
  /** Bytes that IN takes next. */
  readonly input: number[] = [];
  /** What the firmware does when it is called. */
  firmware: (() => void) | undefined;
  printed = '';
  pendingVector: number | undefined;
  run: HandlerRun | undefined;
  readonly symbols: ReadonlyMap<string, bigint>;
  readonly bits: Bits;
  private readonly start: StartState;

  constructor({ bits, source, exiting }: GuestOptions) {
    this.bits = bits;
    const frames = Math.ceil((GUEST_BASE + MEMORY_BYTES) / 4096) + 256;
    const map = engineMap(frames);
    const memory = createEngineMemory(map);
    this.state = new CpuState(memory, map.cpuStates, 0);
    const nothing = {
      read: (): number => {
        stop('no memory');
      },
      write: () => {
        stop('no memory');
      },
    };
    this.physical = new PhysicalMemory(memory, map.pool, frames, frames, nothing);
    declareHostPhysicalMemory(this.physical, MEMORY_BYTES);
    const tlb = new Tlb(memory, map.tlb);
    const ports = {
      read: (port: number, bytes: number): number => {
        this.log.push(`in ${port.toString(16)} ${bytes}`);
        return this.input.shift() ?? 0;
      },
      write: (port: number, bytes: number, value: number): void => {
        this.log.push(`out ${port.toString(16)} ${bytes} ${value.toString(16)}`);
        if (port === 0x666) stop('OUT to port 666h, where there is no device');
        if (port === FIRMWARE_PORT) this.firmware?.();
      },
    };
    const interrupts = {
      pending: () => this.pendingVector !== undefined,
      acknowledge: (): number => {
        const vector = this.pendingVector;
        assert.notEqual(vector, undefined);
        this.pendingVector = undefined;
        return vector!;
      },
    };
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb,
      ports,
      interruptController: interrupts,
      instructionsRetired: () => this.state.retired,
      ticksPerInstruction: 1,
      idleTicks: () => 0,
    });
    this.vmx = new Vmx(this.cpu, new VmxCapabilities(PROCESSOR_FACTS), {
      exit: (exit) => {
        this.exits.push(exit);
        this.run = this.hypervisor.begin(exit);
        this.executor.interrupt();
      },
      instructionFailed: (failure) => void this.failures.push(failure),
    });
    this.cpu.plug(this.vmx.intercepts, this.vmx.port);
    const instructions = new Map([...SYSTEM_INSTRUCTIONS, ...VMX_INSTRUCTIONS, ...DEFERRED_INSTRUCTIONS]);
    this.executor = new Executor(new EmittedLoop(memory, map, this.physical, tlb), this.cpu, instructions, {
      interceptException: () => false,
      accessed: () => false,
      untilNextEvent: () => INSTRUCTIONS_PER_RUN,
      catchUp: () => undefined,
    });
    this.cpu.reset();
    this.hypervisor = new Hypervisor({
      cpu: this.cpu,
      vmx: this.vmx,
      physical: this.physical,
      memoryBytes: MEMORY_BYTES,
      ports,
      interrupts,
      print: (byte) => (this.printed += String.fromCharCode(byte)),
      firmwarePort: FIRMWARE_PORT,
      ...(exiting === undefined ? {} : { exiting }),
    });
    this.symbols = this.load(bits, source);
    this.start = startState(bits);
  }

  private load(bits: Bits, source: string): ReadonlyMap<string, bigint> {
    const text = `bits ${bits}\norg ${ORIGIN}\n${source}\n`;
    const { bytes, diagnostics, symbols } = assemble({ file: 'guest.asm', source: text, readInclude: () => undefined });
    assert.deepEqual(diagnostics, []);
    this.poke(ORIGIN, bytes);
    const entries = (values: readonly bigint[]) => new Uint8Array(BigUint64Array.from(values).buffer);
    this.poke(GDT, entries([0n, bits === 64 ? 0xaf9b_0000_00ff_ffn : 0xcf9b_0000_00ff_ffn, 0xcf93_0000_00ff_ffn]));
    this.poke(TABLES, entries([BigInt(TABLES + 0x1000) | 7n]));
    this.poke(TABLES + 0x1000, entries([BigInt(TABLES + 0x2000) | 7n]));
    this.poke(TABLES + 0x2000, entries([0x87n, 0x20_0087n]));
    return new Map(symbols.map(({ name, address }) => [name, address]));
  }

  /** Guest-physical memory, written as a loader does. */
  poke(address: number, bytes: Uint8Array): void {
    assert.equal(this.physical.poke(GUEST_BASE + address, bytes), bytes.length);
  }
  peek(address: number, bytes: number): Uint8Array {
    return this.physical.peek(GUEST_BASE + address, bytes);
  }

  field(key: VmcsFieldKey): bigint {
    return this.vmx.vmread(key);
  }
  symbol(name: string): bigint {
    const address = this.symbols.get(name);
    assert.notEqual(address, undefined, `no symbol ${name}`);
    return address!;
  }

  launch(): HandlerRun {
    this.run = this.hypervisor.launch(this.start);
    return this.run;
  }

  /** Launches and handles every exit up to the first that `wanted` names or accepts; its handler has not begun. */
  runTo(wanted: string | ((exit: VmExit) => boolean)): VmExit {
    if (this.run === undefined) assert.deepEqual(this.launch().finish(), { kind: 'done' });
    const accepts = typeof wanted === 'string' ? (exit: VmExit) => exit.name === wanted : wanted;
    for (let handled = 0; handled < 1000; handled++) {
      const exit = this.nextExit();
      if (accepts(exit)) return exit;
      assert.deepEqual(this.run!.finish(), { kind: 'done' }, `handler of ${exit.name}`);
    }
    return assert.fail(`no such exit among ${this.exits.map(({ name }) => name).join(' ')}`);
  }

  /** Runs the guest to its next exit; the one that VM entry took, if it did. */
  nextExit(): VmExit {
    for (let slice = 0; slice < 20; slice++) {
      if (this.run!.next !== undefined) return this.exits.at(-1)!;
      const stop = this.executor.run(INSTRUCTIONS_PER_RUN, false);
      if (this.run!.next !== undefined) return this.exits.at(-1)!;
      if (stop.kind !== 'budget' && stop.kind !== 'interrupted')
        assert.fail(`the guest stopped: ${JSON.stringify(stop)}`);
    }
    return assert.fail(`no exit: the guest is at ${this.state.linearRip.toString(16)}`);
  }

  /** Performs the next step and holds what changed against what it declares. */
  checkedStep(): StepResult {
    const run = this.run!;
    const step = run.next!;
    const before = this.snapshot();
    const result = run.step();
    const entered = run.next === undefined;
    const after = this.snapshot();
    const { vmcs, registers, memory } = step.touches;
    // A VM entry that takes an exit at once also shows what that exit did; the guest's own effects are not the step's.
    if (entered) return result;
    assert.deepEqual(undeclared(before.vmcs, after.vmcs, vmcs), [], `VMCS fields of step "${step.name}"`);
    assert.deepEqual(undeclared(before.registers, after.registers, registers), [], `registers of step "${step.name}"`);
    const changed = [...after.memory]
      .filter(([name, bytes]) => !bytes.equals(before.memory.get(name)!))
      .map(([name]) => name);
    assert.deepEqual(
      changed.filter((name) => !memory.includes(name)),
      [],
      `memory of step "${step.name}"`,
    );
    if (after.logged !== before.logged)
      assert.ok(memory.includes(TOUCHED_MEMORY.devices), `step "${step.name}" accesses a device`);
    return result;
  }

  /** All steps that are left, checked; their names. */
  checkedSteps(): string[] {
    const run = this.run!;
    while (run.next !== undefined) assert.deepEqual(this.checkedStep(), { kind: 'done' }, run.next?.name);
    return run.done.map(({ name }) => name);
  }

  private snapshot(): Snapshot {
    const fields = this.vmx.current?.fields(this.vmx.capabilities) ?? [];
    const area = (ranges: (typeof MEMORY)[string]) =>
      Buffer.concat(ranges.map(([address, bytes]) => this.physical.peek(address, bytes)));
    return {
      vmcs: new Map(fields.map(({ key, value }) => [key, value])),
      registers: new Map(REGISTER_NAMES.map((name) => [name, this.state.register(name)])),
      memory: new Map(Object.entries(MEMORY).map(([name, ranges]) => [name, area(ranges)])),
      logged: this.log.length,
    };
  }
}

function undeclared<K extends string>(
  before: ReadonlyMap<K, bigint>,
  after: ReadonlyMap<K, bigint>,
  declared: readonly K[],
): string[] {
  const changed = [...after].filter(([key, value]) => before.size > 0 && before.get(key) !== value);
  return changed
    .filter(([key]) => !declared.includes(key))
    .map(([key, value]) => `${key}: ${before.get(key)?.toString(16)} -> ${value.toString(16)}`);
}
