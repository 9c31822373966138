/**
 * The guest while it does not run: its general registers are still in the processor, the rest is in the guest-state area of
 * the VMCS. All VMCS accesses are VMREAD and VMWRITE.
 */
import type { Cpu } from '../cpu/context.ts';
import { BLOCKING_BY_MOV_SS, BLOCKING_BY_STI, CR0, PENDING_ENABLED_BREAKPOINT } from '../cpu/control-bits.ts';
import { breakpointConditions, type AddressedAccess } from '../cpu/debug-unit.ts';
import { IF, RF, TF } from '../cpu/flags.ts';
import { hasErrorCode } from '../cpu/guest-fault.ts';
import type { SegmentName } from '../cpu/layout.ts';
import { ACCESS_RIGHTS } from '../cpu/state.ts';
import { controlMask } from '../vmx/controls.ts';
import type { Vmx } from '../vmx/index.ts';
import type { VmcsFieldKey } from '../vmx/types.ts';

const RSP = 4;
const LOW_32 = 0xffff_ffffn;
const DEBUGCTL_BTF = 1 << 1;
const PENDING_BS = 1n << 14n;
const IA32E_MODE_GUEST = controlMask('ia32eModeGuest');

/** VM-entry interruption information (SDM Vol. 3C, 24.8.3). */
const VALID = 0x8000_0000;
const ERROR_CODE_VALID = 1 << 11;
const TYPE_EXTERNAL = 0;
const TYPE_HARDWARE_EXCEPTION = 3;

export class Guest {
  private readonly vmx: Vmx;
  private readonly cpu: Cpu;

  constructor(vmx: Vmx, cpu: Cpu) {
    this.vmx = vmx;
    this.cpu = cpu;
  }

  read(field: VmcsFieldKey): bigint {
    return this.vmx.vmread(field);
  }
  /** Bits 31:0, unsigned. */
  low(field: VmcsFieldKey): number {
    const vmcs = this.vmx.current;
    if (vmcs === undefined) throw new Error('Invariant broken: the hypervisor has no current VMCS');
    return vmcs.low(field);
  }
  write(field: VmcsFieldKey, value: bigint): void {
    if (!this.vmx.vmwrite(field, value)) throw new Error(`Invariant broken: VMWRITE of ${field} failed`);
  }
  writeLow(field: VmcsFieldKey, value: number): void {
    this.write(field, BigInt(value >>> 0));
  }

  /** A general register by its number in instruction encodings; RSP is in the VMCS. */
  general(index: number): bigint {
    return index === RSP ? this.read('GUEST_RSP') : this.cpu.state.gpr(index);
  }
  setGeneral(index: number, value: bigint): void {
    if (index === RSP) this.write('GUEST_RSP', value);
    else this.cpu.state.setGpr(index, value);
  }
  /** A 32-bit result; the upper half becomes 0. */
  setGeneral32(index: number, value: number): void {
    if (index === RSP) this.writeLow('GUEST_RSP', value);
    else this.cpu.state.setGpr32(index, value);
  }
  /** Merges a result of 1, 2 or 4 bytes as an instruction with that operand size does. */
  mergeGeneral(index: number, bytes: 1 | 2 | 4, value: number): void {
    if (bytes === 4) this.setGeneral32(index, value);
    else {
      const mask = bytes === 2 ? 0xffffn : 0xffn;
      this.setGeneral(index, (this.general(index) & ~mask) | (BigInt(value) & mask));
    }
  }

  get longMode(): boolean {
    return (this.low('ENTRY_CONTROLS') & IA32E_MODE_GUEST) !== 0;
  }
  /** The guest runs 64-bit code. */
  get code64(): boolean {
    return this.longMode && (this.low('GUEST_CS_AR') & ACCESS_RIGHTS.L) !== 0;
  }
  get protectedMode(): boolean {
    return (this.low('GUEST_CR0') & CR0.PE) !== 0;
  }
  get flags(): number {
    return this.low('GUEST_RFLAGS');
  }
  segmentRights(segment: SegmentName): number {
    return this.low(`GUEST_${segment}_AR`);
  }

  /** The guest would take a maskable interrupt at its next instruction boundary. */
  get takesInterrupts(): boolean {
    return (
      (this.flags & IF) !== 0 && (this.low('GUEST_INTERRUPTIBILITY') & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) === 0
    );
  }
  /** The guest traps after each instruction. */
  get singleSteps(): boolean {
    return (this.flags & TF) !== 0 && (this.low('GUEST_IA32_DEBUGCTL') & DEBUGCTL_BTF) === 0;
  }

  /**
   * Ends the instruction that exited as if the guest had executed it: RIP behind it, blocking by STI and MOV SS over, the
   * single-step trap pending where TF is set (SDM Vol. 3C, "Guest Non-Register State", 24.4.2).
   */
  advance(): void {
    const rip = this.read('GUEST_RIP') + BigInt(this.low('EXIT_INSTR_LEN'));
    this.write('GUEST_RIP', this.code64 ? BigInt.asUintN(64, rip) : rip & LOW_32);
    const blocking = this.low('GUEST_INTERRUPTIBILITY');
    const unblocked = blocking & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    if (unblocked !== blocking) this.writeLow('GUEST_INTERRUPTIBILITY', unblocked);
    this.trapIfSingleStepping();
  }
  trapIfSingleStepping(): void {
    if (this.singleSteps) this.write('GUEST_PENDING_DEBUG', this.read('GUEST_PENDING_DEBUG') | PENDING_BS);
  }

  /** Data and I/O breakpoints that emulated accesses meet are pending as if the guest had made the accesses. */
  meetBreakpoints(accesses: readonly AddressedAccess[]): void {
    const [dr7, cr4] = [this.low('GUEST_DR7'), this.low('GUEST_CR4')];
    const met = accesses.reduce((all, access) => all | breakpointConditions(this.cpu.state, dr7, cr4, access), 0);
    if (met === 0) return;
    const pending = BigInt(met | PENDING_ENABLED_BREAKPOINT);
    this.write('GUEST_PENDING_DEBUG', this.read('GUEST_PENDING_DEBUG') | pending);
  }

  /** Has VM entry deliver an external interrupt. */
  injectInterrupt(vector: number): void {
    this.writeLow('ENTRY_INTR_INFO', vector | (TYPE_EXTERNAL << 8) | VALID);
  }
  /** Has VM entry deliver a fault of the instruction at RIP; its error code is left out where the guest's mode has none. */
  injectFault(vector: number, errorCode = 0): void {
    const withCode = hasErrorCode(vector) && this.protectedMode;
    if (withCode) this.writeLow('ENTRY_EXCEPTION_EC', errorCode);
    this.writeLow(
      'ENTRY_INTR_INFO',
      vector | (TYPE_HARDWARE_EXCEPTION << 8) | (withCode ? ERROR_CODE_VALID : 0) | VALID,
    );
    // A fault pushes RF set (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition", 17.3.1.1).
    this.writeLow('GUEST_RFLAGS', this.flags | RF);
  }
  /** Has VM entry deliver again what an exit interrupted; false where nothing was being delivered. */
  reinject(): boolean {
    const information = this.low('IDT_VECTORING_INFO');
    if ((information & VALID) === 0) return false;
    this.writeLow('ENTRY_EXCEPTION_EC', this.low('IDT_VECTORING_EC'));
    this.writeLow('ENTRY_INSTR_LEN', this.low('EXIT_INSTR_LEN'));
    // Bit 12 is undefined in the one field and reserved in the other.
    this.writeLow('ENTRY_INTR_INFO', information & ~0x1000);
    return true;
  }
}
