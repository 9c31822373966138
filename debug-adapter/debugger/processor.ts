/**
 * One processor as the debugger reads it. After a VM exit the processor holds the host's state, but the person still follows
 * the guest; a view can therefore take RIP, RSP, segments and control registers from the guest-state area of the VMCS.
 */
import { disassemble } from '../engine/index.ts';
import type {
  AddressSpace,
  CodeBits,
  CpuModeView,
  DisassembledInstruction,
  Machine,
  RegisterName,
  SegmentView,
  VmcsFieldKey,
} from '../engine/index.ts';
import type { SymbolTable } from './symbols.ts';

/** Longest legal instruction in bytes (SDM Vol. 2A, "Instruction Format", 2.1). */
export const MAX_INSTRUCTION_BYTES = 15;

const LOW_32 = 0xffff_ffffn;

/** Registers that a VM exit saves in the guest-state area and replaces. */
const SAVED_REGISTERS: Partial<Record<RegisterName, VmcsFieldKey>> = {
  RIP: 'GUEST_RIP',
  RSP: 'GUEST_RSP',
  RFLAGS: 'GUEST_RFLAGS',
  CR0: 'GUEST_CR0',
  CR3: 'GUEST_CR3',
  CR4: 'GUEST_CR4',
  DR7: 'GUEST_DR7',
  CS: 'GUEST_CS_SELECTOR',
  SS: 'GUEST_SS_SELECTOR',
  DS: 'GUEST_DS_SELECTOR',
  ES: 'GUEST_ES_SELECTOR',
  FS: 'GUEST_FS_SELECTOR',
  GS: 'GUEST_GS_SELECTOR',
  LDTR: 'GUEST_LDTR_SELECTOR',
  TR: 'GUEST_TR_SELECTOR',
  GDTR_BASE: 'GUEST_GDTR_BASE',
  GDTR_LIMIT: 'GUEST_GDTR_LIMIT',
  IDTR_BASE: 'GUEST_IDTR_BASE',
  IDTR_LIMIT: 'GUEST_IDTR_LIMIT',
  IA32_SYSENTER_CS: 'GUEST_SYSENTER_CS',
  IA32_SYSENTER_ESP: 'GUEST_SYSENTER_ESP',
  IA32_SYSENTER_EIP: 'GUEST_SYSENTER_EIP',
  IA32_EFER: 'GUEST_IA32_EFER',
};
/** The field of the guest-state area that holds a register after a VM exit. */
export const savedIn = (register: RegisterName): VmcsFieldKey | undefined => SAVED_REGISTERS[register];

const SEGMENT_KEYS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;

/** Access rights in the VMCS format (SDM Vol. 3C, "Guest Register State", 24.4.1). */
const ACCESS_RIGHTS_LONG = 1 << 13;
const ACCESS_RIGHTS_BIG = 1 << 14;
export const ACCESS_RIGHTS_UNUSABLE = 1 << 16;

/** What `ProcessorView` shows: the processor's own state, or the guest's as the VMCS holds it. */
export type StateSource = 'processor' | 'guest';

export class ProcessorView {
  readonly machine: Machine;
  readonly cpu: number;
  readonly source: StateSource;
  private cachedMode: CpuModeView | undefined;
  private cachedFields: ReadonlyMap<VmcsFieldKey, bigint> | undefined;

  /** A view is of one moment: make a new one after the machine has run. */
  constructor(machine: Machine, cpu: number, source: StateSource = 'processor') {
    this.machine = machine;
    this.cpu = cpu;
    this.source = source;
  }

  /** The guest while the built-in hypervisor handles its exit, else whatever the processor runs. */
  static current(machine: Machine, cpu: number): ProcessorView {
    return new ProcessorView(machine, cpu, machine.handler === undefined ? 'processor' : 'guest');
  }

  get mode(): CpuModeView {
    return (this.cachedMode ??= this.source === 'guest' ? this.guestMode() : this.machine.inspect.mode(this.cpu));
  }

  register(name: RegisterName): bigint {
    if (this.source === 'guest') {
      const field = savedIn(name);
      const value = field === undefined ? undefined : this.vmcsFields().get(field);
      if (value !== undefined) return value;
    }
    return this.machine.inspect.register(this.cpu, name);
  }

  vmcsField(key: VmcsFieldKey): bigint | undefined {
    return this.vmcsFields().get(key);
  }

  hasVmcs(): boolean {
    return this.vmcsFields().size > 0;
  }

  segments(): readonly SegmentView[] {
    if (this.source === 'processor') return this.machine.inspect.segments(this.cpu);
    return SEGMENT_KEYS.map((name) => this.segment(name));
  }

  segment(name: SegmentView['name']): SegmentView {
    if (this.source === 'processor') {
      const found = this.machine.inspect.segments(this.cpu).find((segment) => segment.name === name);
      if (!found) throw new Error(`Invariant broken: the inspector lists no ${name}`);
      return found;
    }
    const field = (part: string): bigint => this.vmcsFields().get(`GUEST_${name}_${part}` as VmcsFieldKey) ?? 0n;
    return {
      name,
      selector: Number(field('SELECTOR')),
      base: field('BASE'),
      limit: Number(field('LIMIT')),
      accessRights: Number(field('AR')),
    };
  }

  /** Base that the processor adds to an offset: none in 64-bit mode but for FS and GS. */
  segmentBase(name: SegmentView['name']): bigint {
    if (this.mode.bits === 64 && name !== 'FS' && name !== 'GS') return 0n;
    return this.segment(name).base;
  }

  /** CS base + RIP. */
  get linearRip(): bigint {
    return this.toLinear('CS', this.register('RIP'));
  }

  /** Stack pointer as wide as the stack is, without base. */
  get stackPointer(): bigint {
    const rsp = this.register('RSP');
    if (this.mode.bits === 64) return rsp;
    const big = (this.segment('SS').accessRights & ACCESS_RIGHTS_BIG) !== 0;
    return rsp & (big ? LOW_32 : 0xffffn);
  }

  get linearStackPointer(): bigint {
    return this.toLinear('SS', this.stackPointer);
  }

  toLinear(segment: SegmentView['name'], offset: bigint): bigint {
    if (this.mode.bits === 64) return BigInt.asUintN(64, this.segmentBase(segment) + offset);
    return (this.segmentBase(segment) + offset) & LOW_32;
  }

  /** Fewer bytes than asked for where memory is not mapped or ends. */
  readMemory(address: bigint, bytes: number, space: AddressSpace = 'linear'): Uint8Array {
    return this.machine.inspect.readMemory(space, address, bytes, this.cpu);
  }

  /** Little-endian; undefined where not all of it can be read. */
  readNumber(address: bigint, bytes: number, space: AddressSpace = 'linear'): bigint | undefined {
    const read = this.readMemory(address, bytes, space);
    return read.length < bytes ? undefined : littleEndian(read);
  }

  /** The instruction that runs next; undefined where its bytes cannot be read or are none. */
  instruction(symbols?: SymbolTable): DisassembledInstruction | undefined {
    return this.instructionAt(this.linearRip, symbols);
  }

  instructionAt(linear: bigint, symbols?: SymbolTable): DisassembledInstruction | undefined {
    const bytes = this.readMemory(linear, MAX_INSTRUCTION_BYTES);
    if (bytes.length === 0) return undefined;
    return disassemble(bytes, linear, this.mode.bits, symbols ? { symbolAt: symbols.exactly } : {});
  }

  private vmcsFields(): ReadonlyMap<VmcsFieldKey, bigint> {
    return (this.cachedFields ??= new Map(
      (this.machine.inspect.vmcs(this.cpu)?.fields ?? []).map((field) => [field.key, field.value]),
    ));
  }

  /** SDM Vol. 3A, "Modes of Operation", 2.2, from the saved state of the guest. */
  private guestMode(): CpuModeView {
    const cs = this.segment('CS');
    const protection = (this.register('CR0') & 1n) !== 0n;
    const virtual8086 = (this.register('RFLAGS') & (1n << 17n)) !== 0n;
    // "IA-32e mode guest" is bit 9 of the VM-entry controls (SDM Vol. 3C, 24.8.1).
    const long = ((this.vmcsField('ENTRY_CONTROLS') ?? 0n) & (1n << 9n)) !== 0n;
    const bits: CodeBits =
      long && (cs.accessRights & ACCESS_RIGHTS_LONG) !== 0
        ? 64
        : protection && !virtual8086 && (cs.accessRights & ACCESS_RIGHTS_BIG) !== 0
          ? 32
          : 16;
    const paged = (this.register('CR0') & (1n << 31n)) !== 0n;
    const cr4 = this.register('CR4');
    const cpl = virtual8086 ? 3 : protection ? (this.segment('SS').accessRights >> 5) & 3 : 0;
    return {
      operation: !protection
        ? 'real'
        : virtual8086
          ? 'virtual-8086'
          : bits === 64
            ? '64-bit'
            : long
              ? 'compatibility'
              : 'protected',
      bits,
      cpl: cpl as CpuModeView['cpl'],
      paging: !paged
        ? 'off'
        : long
          ? (cr4 & (1n << 12n)) !== 0n
            ? '5-level'
            : '4-level'
          : (cr4 & (1n << 5n)) !== 0n
            ? 'PAE'
            : '32-bit',
      vmx: 'non-root',
      activity: 'active',
    };
  }
}

export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

export function toLittleEndian(value: bigint, bytes: number): Uint8Array {
  const result = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index++) result[index] = Number((value >> BigInt(8 * index)) & 0xffn);
  return result;
}
