/** A processor without execution: state, memory and the port that VT-x programs against; records what it is asked to do. */
import assert from 'node:assert/strict';
import { OpKind } from 'iced-x86';
import type {
  Cpu,
  DeliveredEvent,
  FaultRecord,
  Intercepts,
  PortBus,
  VmxPort,
} from '../../debug-adapter/engine/cpu/context.ts';
import { BLOCKING_BY_MOV_SS, BLOCKING_BY_STI, CR0, CR4, EFER } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { PHYSICAL_BITS } from '../../debug-adapter/engine/cpu/cpuid.ts';
import { GuestFault, MachineStop, VmExitTaken } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LINEAR_BITS } from '../../debug-adapter/engine/cpu/modes.ts';
import { CPU_STATE_BYTES, LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { readMsr, writeMsr } from '../../debug-adapter/engine/cpu/msrs.ts';
import { ACCESS_RIGHTS, CpuState } from '../../debug-adapter/engine/cpu/state.ts';
import type { DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import { decode } from '../../debug-adapter/engine/isa/decode.ts';
import { registerInfo } from '../../debug-adapter/engine/isa/registers.ts';
import { ALL_FEATURES } from '../../debug-adapter/engine/cpu/features.ts';
import { PhysicalMemory } from '../../debug-adapter/engine/memory/physical.ts';
import { NO_VMCS } from '../../debug-adapter/engine/vmx/context.ts';
import { Vmx, VmxCapabilities, VMX_INSTRUCTIONS } from '../../debug-adapter/engine/vmx/index.ts';
import type { VmExit, VmxInstructionFailed } from '../../debug-adapter/engine/vmx/types.ts';

const POOL_AT = 0x1_0000;
const FRAMES = 64;
const MEMORY_BYTES = FRAMES * 4096;

export class FakeCpu implements Cpu {
  readonly state: CpuState;
  readonly physical: PhysicalMemory;
  intercepts!: Intercepts;
  vmx!: VmxPort;
  readonly ports: PortBus = { read: () => 0xff, write: () => {} };
  readonly features = ALL_FEATURES;
  readonly topology = { index: 0, processors: 1 };
  readonly physicalBits = PHYSICAL_BITS;
  readonly faultChain: readonly FaultRecord[] = [];
  nextRip = 0n;
  retired = 0;
  readonly flushes: unknown[] = [];
  readonly injected: DeliveredEvent[] = [];
  attention = 0;

  constructor() {
    const memory = new WebAssembly.Memory({ initial: (POOL_AT + MEMORY_BYTES) / 65536, maximum: 16 });
    this.state = new CpuState(memory, 0, 0);
    this.physical = new PhysicalMemory(memory, POOL_AT, FRAMES, FRAMES, {
      read: (_address: number, bytes: number) => 2 ** (8 * bytes) - 1,
      write: () => {},
    });
    this.physical.setPages(0, FRAMES, 'ram');
    if (CPU_STATE_BYTES > POOL_AT) throw new Error('the state overlaps memory');
  }

  readLinear(linear: bigint, bytes: 1 | 2 | 4 | 8): bigint {
    const at = Number(linear);
    return bytes === 8 ? this.physical.read64(at) : BigInt(this.physical.read(at, bytes));
  }
  writeLinear(linear: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (bytes === 8) this.physical.write64(Number(linear), value);
    else this.physical.write(Number(linear), bytes, Number(value));
  }
  checkWritable(): void {}
  pause(): void {}
  readSystem = this.readLinear.bind(this);
  writeSystem = this.writeLinear.bind(this);

  linearOperand(instruction: DecodedInstruction): bigint {
    const base = registerInfo(instruction.memoryBase);
    const value = base === undefined || base.class === 'ip' ? 0n : this.state.gpr(base.number);
    return BigInt.asUintN(64, value + instruction.displacement + (base?.class === 'ip' ? this.state.rip : 0n));
  }
  readOperand(instruction: DecodedInstruction, operand: number, bytes: 1 | 2 | 4 | 8): bigint {
    const register = this.registerOf(instruction, operand);
    const value =
      register === undefined ? this.readLinear(this.linearOperand(instruction), bytes) : this.state.gpr(register);
    return BigInt.asUintN(8 * bytes, value);
  }
  writeOperand(instruction: DecodedInstruction, operand: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const register = this.registerOf(instruction, operand);
    if (register === undefined) this.writeLinear(this.linearOperand(instruction), bytes, value);
    else this.state.setGpr(register, value);
  }
  private registerOf(instruction: DecodedInstruction, operand: number): number | undefined {
    const kind = operand === 0 ? instruction.op0Kind : instruction.op1Kind;
    if (kind !== OpKind.Register) return undefined;
    return registerInfo(operand === 0 ? instruction.op0Register : instruction.op1Register)?.number;
  }

  translateGuestPhysical(guestPhysical: number): number {
    return guestPhysical;
  }
  setNextRip(rip: bigint): void {
    this.nextRip = rip;
  }
  modeChanged(): void {
    const { state } = this;
    const rights = state.accessRights('CS');
    const long = (state.low(LAYOUT.efer) & EFER.LMA) !== 0 && (rights & ACCESS_RIGHTS.L) !== 0;
    state.set32(LAYOUT.codeBits, long ? 64 : (rights & ACCESS_RIGHTS.DB) !== 0 ? 32 : 16);
    state.set32(LAYOUT.cpl, (state.accessRights('SS') >>> ACCESS_RIGHTS.DPL_BIT) & 3);
  }
  flushTlb(what: unknown): void {
    this.flushes.push(what);
  }
  flushPage(): void {}
  deliver(event: DeliveredEvent): void {
    this.injected.push(event);
  }
  inject(event: DeliveredEvent): void {
    this.injected.push(event);
  }
  interruptibility(): number {
    return this.state.get32(LAYOUT.interruptibility);
  }
  readonly linearBits = LINEAR_BITS;
  breakpointsChanged(): void {}
  portAccessed(): void {}
  blockInterrupts(by: 'STI' | 'MOV SS'): void {
    const bit = by === 'STI' ? BLOCKING_BY_STI : BLOCKING_BY_MOV_SS;
    this.state.set32(LAYOUT.interruptibility, this.state.get32(LAYOUT.interruptibility) | bit);
  }
  requestAttention(): void {
    this.attention++;
  }
  instructionsRetired(): number {
    return this.retired;
  }
  loadSegment(): void {}
  absentMsr = (what: string): never => assert.fail(what);
  timeStampCounter(): bigint {
    return BigInt(this.retired) * 64n;
  }
  readMsr(index: number): bigint {
    return readMsr(this, index);
  }
  writeMsr(index: number, value: bigint): void {
    writeMsr(this, index, value);
  }
  shutdown(): void {
    this.state.set32(LAYOUT.activity, 2);
  }
}

/** Where the fixture keeps its regions. */
export const VMXON_AT = 0x1000;
export const VMCS_AT = 0x2000;
export const OTHER_VMCS_AT = 0x3000;
/** Pointer operands are at [RAX]. */
export const POINTER_AT = 0x4000;
export const TABLES_AT = 0x8000;

export const HOST_RIP = 0x7000n;
export const GUEST_RIP = 0x6000n;
const HOST_CODE_AT = 0x5000n;

const CODE64 = 0xa09b;
const DATA = 0xc093;

export interface Fixture {
  readonly cpu: FakeCpu;
  readonly vmx: Vmx;
  readonly exits: { readonly exit: VmExit; readonly rip: bigint; readonly linear: bigint }[];
  readonly failures: VmxInstructionFailed[];
}

/** A processor in 64-bit mode at CPL 0 with everything VMXON wants. */
export function fixture(): Fixture {
  const cpu = new FakeCpu();
  const exits: Fixture['exits'] = [];
  const failures: VmxInstructionFailed[] = [];
  const vmx = new Vmx(cpu, new VmxCapabilities(), {
    exit: (exit, rip, linear) => void exits.push({ exit, rip, linear }),
    instructionFailed: (failure) => void failures.push(failure),
  });
  cpu.intercepts = vmx.intercepts;
  cpu.vmx = vmx.port;
  startIn64Bit(cpu);
  for (const region of [VMXON_AT, VMCS_AT, OTHER_VMCS_AT]) vmx.prepareRegion(region);
  return { cpu, vmx, exits, failures };
}

/** 64-bit mode at CPL 0 with everything VMXON wants. */
export function startIn64Bit(cpu: Cpu): void {
  const { state } = cpu;
  state.set64(LAYOUT.cr0, BigInt((CR0.PE | CR0.ET | CR0.NE | CR0.PG) >>> 0));
  state.set64(LAYOUT.cr3, BigInt(TABLES_AT));
  state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.VMXE));
  state.set64(LAYOUT.efer, BigInt(EFER.LME | EFER.LMA));
  state.set64(LAYOUT.featureControl, 5n);
  state.set64(LAYOUT.vmxonPointer, NO_VMCS);
  state.set64(LAYOUT.vmcsPointer, NO_VMCS);
  state.setSegment('CS', { selector: 8, base: 0n, limit: 0xffff_ffff, accessRights: CODE64 });
  for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const)
    state.setSegment(name, { selector: 16, base: 0n, limit: 0xffff_ffff, accessRights: DATA });
  state.setSegment('TR', { selector: 24, base: 0n, limit: 0x67, accessRights: 0x8b });
  state.setSegment('LDTR', { selector: 0, base: 0n, limit: 0, accessRights: ACCESS_RIGHTS.UNUSABLE });
  state.rip = HOST_CODE_AT;
  state.rflags = 2;
  cpu.modeChanged();
}

/** In VMX root operation with a VMCS that enters a 64-bit guest. */
export function withGoodVmcs(): Fixture {
  const f = fixture();
  writeGoodVmcs(f.vmx);
  f.failures.length = 0;
  return f;
}

/** Enters VMX operation and fills a VMCS that enters a 64-bit guest. */
export function writeGoodVmcs(vmx: Vmx): void {
  vmx.vmxon(VMXON_AT);
  vmx.vmclear(VMCS_AT);
  vmx.vmptrld(VMCS_AT);
  const must = (index: number): bigint => (vmx.capabilities.msr(index) ?? 0n) & 0xffff_ffffn;
  const values: Partial<Record<Parameters<Vmx['vmwrite']>[0], bigint>> = {
    PIN_CONTROLS: must(0x48d),
    PROC1_CONTROLS: must(0x48e) | (1n << 31n) | (1n << 7n),
    PROC2_CONTROLS: 0n,
    EXIT1_CONTROLS: must(0x48f) | (1n << 9n),
    ENTRY_CONTROLS: must(0x490) | (1n << 9n),
    VMCS_LINK_PTR: NO_VMCS,
    HOST_CR0: 0x8000_0031n,
    HOST_CR3: BigInt(TABLES_AT),
    HOST_CR4: 0x2020n,
    HOST_CS_SELECTOR: 8n,
    HOST_SS_SELECTOR: 16n,
    HOST_DS_SELECTOR: 16n,
    HOST_ES_SELECTOR: 16n,
    HOST_FS_SELECTOR: 16n,
    HOST_GS_SELECTOR: 0n,
    HOST_TR_SELECTOR: 24n,
    HOST_TR_BASE: 0x9000n,
    HOST_GDTR_BASE: 0xa000n,
    HOST_IDTR_BASE: 0xb000n,
    HOST_FS_BASE: 0x1234n,
    HOST_RSP: 0xf000n,
    HOST_RIP,
    GUEST_CR0: 0x8000_0031n,
    GUEST_CR3: BigInt(TABLES_AT),
    GUEST_CR4: 0x2020n,
    GUEST_CS_SELECTOR: 8n,
    GUEST_CS_LIMIT: 0xffff_ffffn,
    GUEST_CS_AR: BigInt(CODE64),
    GUEST_TR_SELECTOR: 24n,
    GUEST_TR_LIMIT: 0x67n,
    GUEST_TR_AR: 0x8bn,
    GUEST_LDTR_AR: 0x1_0000n,
    GUEST_GDTR_LIMIT: 0xffffn,
    GUEST_IDTR_LIMIT: 0xffffn,
    GUEST_RSP: 0xe000n,
    GUEST_RIP,
    GUEST_RFLAGS: 2n,
    GUEST_DR7: 0x400n,
  };
  for (const [key, value] of Object.entries(values)) vmx.vmwrite(key as keyof typeof values, value);
  for (const name of ['SS', 'DS', 'ES', 'FS', 'GS'] as const) {
    vmx.vmwrite(`GUEST_${name}_SELECTOR`, 16n);
    vmx.vmwrite(`GUEST_${name}_LIMIT`, 0xffff_ffffn);
    vmx.vmwrite(`GUEST_${name}_AR`, BigInt(DATA));
  }
}

export type Outcome =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'fault';
      readonly vector: number;
      readonly errorCode: number | undefined;
      readonly because: string;
    }
  | { readonly kind: 'exit' }
  | { readonly kind: 'stop'; readonly what: string };

/** Runs something that ends like an instruction. */
export function outcomeOf(action: () => void): Outcome {
  try {
    action();
    return { kind: 'done' };
  } catch (thrown) {
    if (thrown instanceof GuestFault)
      return { kind: 'fault', vector: thrown.vector, errorCode: thrown.errorCode, because: thrown.because };
    if (thrown instanceof VmExitTaken) return { kind: 'exit' };
    if (thrown instanceof MachineStop) return { kind: 'stop', what: thrown.what };
    throw thrown;
  }
}

export function decodeBytes(cpu: FakeCpu, bytes: readonly number[]): DecodedInstruction {
  const instruction = decode(Uint8Array.from(bytes), 0, bytes.length, 0n, cpu.state.codeBits);
  if (instruction.invalid) throw new Error(`test bug: ${bytes.map((byte) => byte.toString(16)).join(' ')} is invalid`);
  cpu.nextRip = cpu.state.rip + BigInt(instruction.length);
  return instruction;
}

/** Executes one VMX instruction given as bytes. */
export function execute(cpu: FakeCpu, bytes: readonly number[]): Outcome {
  const instruction = decodeBytes(cpu, bytes);
  const meaning = VMX_INSTRUCTIONS.get(instruction.code);
  if (meaning === undefined) throw new Error(`test bug: not a VMX instruction: ${instruction.code}`);
  const before = cpu.state.rip;
  const outcome = outcomeOf(() => meaning(cpu, instruction));
  if (outcome.kind === 'done') cpu.state.rip = cpu.nextRip;
  else if (outcome.kind === 'fault' && cpu.state.rip !== before) throw new Error('a fault moved RIP');
  return outcome;
}

export const BYTES = {
  vmxon: [0xf3, 0x0f, 0xc7, 0x30],
  vmclear: [0x66, 0x0f, 0xc7, 0x30],
  vmptrld: [0x0f, 0xc7, 0x30],
  vmptrst: [0x0f, 0xc7, 0x38],
  /** vmread rcx, rbx: the field in RBX goes to RCX. */
  vmread: [0x0f, 0x78, 0xd9],
  /** vmwrite rbx, rcx: RCX goes to the field in RBX. */
  vmwrite: [0x0f, 0x79, 0xd9],
  vmlaunch: [0x0f, 0x01, 0xc2],
  vmresume: [0x0f, 0x01, 0xc3],
  vmxoff: [0x0f, 0x01, 0xc4],
  vmcall: [0x0f, 0x01, 0xc1],
  vmfunc: [0x0f, 0x01, 0xd4],
  /** invept rcx, [rax] */
  invept: [0x66, 0x0f, 0x38, 0x80, 0x08],
  /** invvpid rcx, [rax] */
  invvpid: [0x66, 0x0f, 0x38, 0x81, 0x08],
} as const;

const RAX = 0;
export const RCX = 1;
export const RBX = 3;

/** Puts a pointer where [RAX] names it. */
export function point(cpu: FakeCpu, pointer: bigint): void {
  cpu.state.setGpr(RAX, BigInt(POINTER_AT));
  cpu.physical.write64(POINTER_AT, pointer);
}
