/** A processor over real memory for table tests: descriptor tables by hand, one instruction at a time. */
import { Processor } from '../../debug-adapter/engine/cpu/cpu.ts';
import type {
  DeliveredEvent,
  EptFault,
  InterceptedInstruction,
  Intercepts,
} from '../../debug-adapter/engine/cpu/context.ts';
import { CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { eventOf } from '../../debug-adapter/engine/cpu/events.ts';
import { GuestFault, MachineStop, VmExitTaken } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { CPU_STATE_BYTES, LAYOUT, type SegmentName } from '../../debug-adapter/engine/cpu/layout.ts';
import { CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import { INSTRUCTIONS } from '../../debug-adapter/engine/machine/instruction-table.ts';
import { decode } from '../../debug-adapter/engine/isa/decode.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { Tlb, TLB_BYTES } from '../../debug-adapter/engine/memory/tlb.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const CODE = 0x8000;
export const STACK = 0xa000;
export const PAGES = 1024;
const STATE_AT = 0;
const TLB_AT = 0x10000;
const POOL_AT = 0x100000;

/** Selectors of the standard table that `protectedMode` and `longMode` write. */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  code64: 0x28,
  code64User: 0x33,
  tss: 0x38, // 16 bytes
  free: 0x48, // first entry that tests may write
} as const;

/** An 8-byte descriptor. `access` is bits 47:40, `flags` bits 55:52. */
export function descriptor(base: number, limit: number, access: number, flags: number): bigint {
  const [b, l] = [BigInt(base), BigInt(limit)];
  return (
    (l & 0xffffn) |
    ((b & 0xff_ffffn) << 16n) |
    (BigInt(access) << 40n) |
    (((l >> 16n) & 0xfn) << 48n) |
    (BigInt(flags) << 52n) |
    ((b >> 24n) << 56n)
  );
}

/** Gates: 8 bytes in protected mode, the low half of 16 in IA-32e mode. */
export const gate = (selector: number, offset: number, access: number, ist = 0): bigint =>
  (BigInt(offset) & 0xffffn) |
  (BigInt(selector) << 16n) |
  (BigInt(ist) << 32n) |
  (BigInt(access) << 40n) |
  ((BigInt(offset) >> 16n) << 48n);

/** What an instruction led to. */
export type Result =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'fault';
      readonly vector: number;
      readonly error: number | undefined;
      readonly linear: bigint | undefined;
    }
  | { readonly kind: 'exit' }
  | { readonly kind: 'stop'; readonly what: string };

/** Ends an instruction as a VM exit does. */
function takeExit(): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- what the engine throws is no Error, and must be thrown as it is
  throw new VmExitTaken();
}

/** Records what it is asked; exits on what `exitOn` names. */
class FakeIntercepts implements Intercepts {
  readonly asked: string[] = [];
  readonly events: DeliveredEvent[] = [];
  vector: number | undefined = undefined;
  eptFaults: EptFault[] = [];
  exitOn = new Set<string>();
  interruptsExit = false;
  inDelivery: DeliveredEvent | undefined = undefined;

  instruction(what: InterceptedInstruction): void {
    this.asked.push(what.kind);
    this.exitFor(what.kind);
  }
  writableControlRegister(_cr: 0 | 4, value: bigint): bigint {
    return value;
  }
  readControlRegister(cr: 0 | 4): bigint {
    return BigInt(cr) + 0x5000n;
  }
  exception(event: DeliveredEvent): void {
    this.asked.push(
      `exception ${event.vector}${this.inDelivery === undefined ? '' : ` during ${this.inDelivery.vector}`}`,
    );
    this.exitFor(`exception ${event.vector}`);
  }
  taskGate(selector: number): void {
    this.exitFor(`task gate ${selector.toString(16)}`);
  }
  tripleFault(): void {
    this.exitFor('triple fault');
  }
  externalInterruptsExit(): boolean {
    return this.interruptsExit;
  }
  externalInterrupt(acknowledge: () => number): void {
    this.vector = acknowledge();
    return takeExit();
  }
  initSignal(): void {
    this.exitFor('init');
  }
  startUp(vector: number): void {
    this.exitFor(`start-up ${vector}`);
  }
  boundary(): void {
    this.exitFor('boundary');
  }
  wantsBoundary(): boolean {
    return this.exitOn.has('wants boundary');
  }
  eptFault(fault: EptFault): never {
    this.eptFaults.push(fault);
    return takeExit();
  }
  timeStampCounter(value: bigint): bigint {
    return value + 1000n;
  }
  vectoring(event: DeliveredEvent | undefined): void {
    this.inDelivery = event;
  }
  private exitFor(name: string): void {
    if (this.exitOn.has(name)) return takeExit();
  }
}

/** Where a test machine's parts lie in a memory. */
interface MachinePlaces {
  readonly memory: WebAssembly.Memory;
  readonly stateAt: number;
  readonly tlbAt: number;
  readonly poolAt: number;
}
const ownMemory = (): MachinePlaces => ({
  memory: new WebAssembly.Memory({ initial: (POOL_AT + PAGES * 4096) / 65536 }),
  stateAt: STATE_AT + CPU_STATE_BYTES,
  tlbAt: TLB_AT,
  poolAt: POOL_AT,
});

export class TestMachine {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  readonly tlb: Tlb;
  readonly cpu: Processor;
  readonly intercepts = new FakeIntercepts();
  readonly portLog: string[] = [];
  /** Values that IN reads next. */
  readonly portInput: number[] = [];
  pendingVector: number | undefined = undefined;
  retired = 100;
  unrestricted = false;
  capabilityMsrs = new Map<number, bigint>([
    [0x486, 0x8000_0021n],
    [0x487, 0xffff_ffffn],
    [0x488, 0x2000n],
    [0x489, 0x37_67ffn],
  ]);

  constructor({ memory, stateAt, tlbAt, poolAt } = ownMemory()) {
    this.state = new CpuState(memory, stateAt, 0);
    this.tlb = new Tlb(memory, tlbAt);
    if (tlbAt + TLB_BYTES > poolAt) throw new Error('the TLB does not fit below the pool');
    const mapped = {
      read: (address: number) => {
        this.portLog.push(`mmio read ${address.toString(16)}`);
        return 0x55;
      },
      write: (address: number, bytes: number, value: number) =>
        void this.portLog.push(`mmio write ${address.toString(16)} ${bytes} ${value.toString(16)}`),
    };
    this.physical = new PhysicalMemory(memory, poolAt, PAGES, 0x10_0000, mapped);
    this.physical.setPages(0, PAGES, 'ram');
    this.cpu = new Processor({
      state: this.state,
      physical: this.physical,
      tlb: this.tlb,
      intercepts: this.intercepts,
      vmx: {
        readCapabilityMsr: (index) => this.capabilityMsrs.get(index),
        unrestrictedGuest: () => this.unrestricted,
      },
      ports: {
        read: (port, bytes) => {
          this.portLog.push(`in ${port.toString(16)} ${bytes}`);
          return this.portInput.shift() ?? 0xa5a5_a5a5 >>> (32 - bytes * 8);
        },
        write: (port, bytes, value) =>
          void this.portLog.push(`out ${port.toString(16)} ${bytes} ${value.toString(16)}`),
      },
      interruptController: {
        pending: () => this.pendingVector !== undefined,
        acknowledge: () => {
          const vector = this.pendingVector!;
          this.pendingVector = undefined;
          return vector;
        },
      },
      instructionsRetired: () => this.retired,
      ticksPerInstruction: 2,
    });
    this.cpu.reset();
  }

  write(address: number, value: bigint | number, bytes: 1 | 2 | 4 | 8 = 8): void {
    for (let i = 0; i < bytes; i++)
      this.physical.write(address + i, 1, Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
  }
  read(address: number, bytes: 1 | 2 | 4 | 8 = 8): bigint {
    let value = 0n;
    for (let i = 0; i < bytes; i++) value |= BigInt(this.physical.read(address + i, 1)) << BigInt(8 * i);
    return value;
  }
  gdt(selector: number, value: bigint): void {
    this.write(GDT + (selector & 0xfff8), value);
  }

  /** Executes one system instruction at RIP given as hex bytes, the way the executor does. */
  execute(hex: string): Result {
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    const instruction = decode(bytes, 0, bytes.length, 0n, this.state.codeBits);
    const meaning = INSTRUCTIONS.get(instruction.code);
    if (meaning === undefined) throw new Error(`no system instruction in ${hex} (code ${instruction.code})`);
    this.cpu.beginInstruction(instruction.length);
    const result = this.attempt(() => meaning(this.cpu, instruction));
    if (result.kind === 'done') {
      this.state.rip = this.cpu.nextRip;
      this.retired++;
    }
    return result;
  }

  attempt(body: () => void): Result {
    try {
      body();
      return { kind: 'done' };
    } catch (thrown) {
      if (thrown instanceof GuestFault)
        return { kind: 'fault', vector: thrown.vector, error: thrown.errorCode, linear: thrown.linear };
      if (thrown instanceof VmExitTaken) return { kind: 'exit' };
      if (thrown instanceof MachineStop) return { kind: 'stop', what: thrown.what };
      throw thrown;
    }
  }

  /** Delivers the fault as the executor does after an instruction raised it. */
  fault(vector: number, error?: number, linear?: bigint): void {
    this.cpu.deliver(eventOf(new GuestFault(vector, error, 'test', linear)));
  }

  get gpr(): { get: (index: number) => bigint } {
    return { get: (index) => this.state.gpr(index) };
  }
  set rsp(value: number | bigint) {
    this.state.setGpr(4, BigInt(value));
  }
  get rsp(): bigint {
    return this.state.gpr(4);
  }
  /** `count` values from the top of the stack (flat segments, no paging). */
  stack(count: number, bytes: 2 | 4 | 8): bigint[] {
    return Array.from({ length: count }, (_, i) => this.read(Number(this.rsp) + i * bytes, bytes));
  }

  private standardTables(): void {
    const entries: readonly (readonly [number, bigint])[] = [
      [SEL.code0, descriptor(0, 0xfffff, 0x9b, 0xc)],
      [SEL.data0, descriptor(0, 0xfffff, 0x93, 0xc)],
      [SEL.code3, descriptor(0, 0xfffff, 0xfb, 0xc)],
      [SEL.data3, descriptor(0, 0xfffff, 0xf3, 0xc)],
      [SEL.code64, descriptor(0, 0xfffff, 0x9b, 0xa)],
      [SEL.code64User, descriptor(0, 0xfffff, 0xfb, 0xa)],
      [SEL.tss, descriptor(TSS, 0x2067, 0x8b, 0)],
    ];
    for (const [selector, value] of entries) this.gdt(selector, value);
    const state = this.state;
    state.set64(LAYOUT.gdtrBase, BigInt(GDT));
    state.set32(LAYOUT.gdtrLimit, 0xff);
    state.set64(LAYOUT.idtrBase, BigInt(IDT));
    state.set32(LAYOUT.idtrLimit, 0x7ff);
    state.setSegment('TR', { selector: SEL.tss, base: BigInt(TSS), limit: 0x2067, accessRights: 0x8b });
    state.setSegment('LDTR', { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0082 });
    state.rip = BigInt(CODE);
    this.rsp = STACK;
  }

  private flat(name: SegmentName, selector: number, accessRights: number): void {
    this.state.setSegment(name, { selector, base: 0n, limit: 0xffff_ffff, accessRights });
  }

  /** 32-bit protected mode, flat segments, no paging. */
  protectedMode(cpl: 0 | 3 = 0): this {
    this.standardTables();
    this.state.set64(LAYOUT.cr0, BigInt(CR0.PE | CR0.ET));
    this.flat('CS', cpl === 0 ? SEL.code0 : SEL.code3, cpl === 0 ? 0xc09b : 0xc0fb);
    const [data, rights] = cpl === 0 ? [SEL.data0, 0xc093] : [SEL.data3, 0xc0f3];
    for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const) this.flat(name, data, rights);
    // 32-bit TSS: ring 0 stack.
    this.write(TSS + 4, 0x9000, 4);
    this.write(TSS + 8, SEL.data0, 2);
    this.cpu.modeChanged();
    return this;
  }

  /** 64-bit mode over identity-mapped 2 MiB pages (user, writable) whose tables are at 300000h. */
  longMode(cpl: 0 | 3 = 0): this {
    this.standardTables();
    this.write(0x30_0000, 0x30_1027);
    this.write(0x30_1000, 0x30_2027);
    for (let i = 0; i < 2; i++) this.write(0x30_2000 + i * 8, BigInt(i * 0x20_0000) | 0xe7n);
    this.write(GDT + SEL.tss + 8, 0n);
    const state = this.state;
    state.set64(LAYOUT.cr3, 0x30_0000n);
    state.set64(LAYOUT.cr4, BigInt(CR4.PAE));
    state.set64(LAYOUT.efer, BigInt(EFER.LME | EFER.LMA | EFER.NXE | EFER.SCE));
    state.set64(LAYOUT.cr0, BigInt((CR0.PG | CR0.PE | CR0.ET | CR0.WP) >>> 0));
    this.flat('CS', cpl === 0 ? SEL.code64 : SEL.code64User, cpl === 0 ? 0xa09b : 0xa0fb);
    const [data, rights] = cpl === 0 ? [SEL.data0, 0xc093] : [SEL.data3, 0xc0f3];
    for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const) this.flat(name, data, rights);
    this.write(TSS + 4, 0x9000); // RSP0
    this.write(TSS + 36, 0x9808); // IST1, not aligned on purpose
    this.cpu.modeChanged();
    return this;
  }
}
