/**
 * What leaves VMX non-root operation (SDM Vol. 3C, "VMX Non-Root Operation", chapter 25): implements the processor's port.
 * Each method decides from the controls of the current VMCS and, where they say so, takes the exit.
 */
import { Code } from 'iced-x86';
import { unreachable } from '../base/unreachable.ts';
import type { DeliveredEvent, EptFault, InterceptedInstruction, Intercepts } from '../cpu/context.ts';
import { BLOCKING_BY_MOV_SS, BLOCKING_BY_STI } from '../cpu/control-bits.ts';
import { pushesResumeFlag } from '../cpu/gates.ts';
import { DB, GuestFault, PF, UD } from '../cpu/guest-fault.ts';
import { IF } from '../cpu/flags.ts';
import { LAYOUT } from '../cpu/layout.ts';
import type { DecodedInstruction } from '../isa/decode.ts';
import type { VmxContext } from './context.ts';
import { takeExit } from './exit.ts';
import type { ExitFacts } from './exit-facts.ts';
import type { ExitName } from './exit-reasons.ts';
import {
  displacementQualification,
  fieldAccessInformation,
  insOutsInformation,
  invalidationInformation,
  memoryInformation,
  randomInformation,
  selectorInformation,
  tableInformation,
} from './instruction-information.ts';
import { timerClock } from './timer.ts';
import type { VmcsFieldKey } from './vmcs-fields.ts';

const CR0_TS = 8n;
const CR0_PE = 1n;
const BLOCKING_BY_STI_OR_MOV_SS = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
const MSR_RANGE = 0x2000;
const HIGH_MSRS = 0xc000_0000;
const CR3_TARGETS: readonly VmcsFieldKey[] = [
  'CR3_TARGET_VALUE0',
  'CR3_TARGET_VALUE1',
  'CR3_TARGET_VALUE2',
  'CR3_TARGET_VALUE3',
];

/** LGDT and its like with a 16-bit operand size. */
const SIXTEEN_BIT_TABLES: ReadonlySet<number> = new Set([
  Code.Lgdt_m1632_16,
  Code.Lidt_m1632_16,
  Code.Sgdt_m1632_16,
  Code.Sidt_m1632_16,
]);

type Of<K extends InterceptedInstruction['kind']> = Extract<InterceptedInstruction, { readonly kind: K }>;

export class VmxIntercepts implements Intercepts {
  private readonly vmx: VmxContext;

  constructor(vmx: VmxContext) {
    this.vmx = vmx;
  }

  instruction(what: InterceptedInstruction, instruction: DecodedInstruction): void {
    const { vmx } = this;
    switch (what.kind) {
      case 'cpuid':
      case 'invd':
      case 'getsec':
      case 'xsetbv':
        return this.exit(what.kind, instruction);
      case 'xsaves':
      case 'xrstors':
        // No bit of IA32_XSS exists that the XSS-exiting bitmap could name.
        if (!vmx.on('enableXsaves')) throw new GuestFault(UD, undefined, 'without "enable XSAVES/XRSTORS"');
        return;
      case 'rsm':
        return; // outside SMM it is #UD, which the processor raises
      case 'hlt':
        return vmx.on('hltExiting') ? this.exit('hlt', instruction) : undefined;
      case 'wbinvd':
        return vmx.on('wbinvdExiting') ? this.exit('wbinvd', instruction) : undefined;
      case 'rdtsc':
        return vmx.on('rdtscExiting') ? this.exit('rdtsc', instruction) : undefined;
      case 'rdtscp':
        if (!vmx.on('enableRdtscp')) throw new GuestFault(UD, undefined, 'RDTSCP without "enable RDTSCP"');
        return vmx.on('rdtscExiting') ? this.exit('rdtscp', instruction) : undefined;
      case 'rdpmc':
        return vmx.on('rdpmcExiting') ? this.exit('rdpmc', instruction) : undefined;
      case 'pause':
        return vmx.on('pauseExiting') ? this.exit('pause', instruction) : undefined;
      case 'monitor':
        return vmx.on('monitorExiting') ? this.exit('monitor', instruction) : undefined;
      case 'mwait':
        return vmx.on('mwaitExiting') ? this.exit('mwait', instruction) : undefined;
      case 'rdrand':
      case 'rdseed': {
        const exits = vmx.on(what.kind === 'rdrand' ? 'rdrandExiting' : 'rdseedExiting');
        if (!exits) return;
        return this.exit(what.kind, instruction, { instructionInformation: randomInformation(instruction) });
      }
      case 'invlpg':
        return vmx.on('invlpgExiting') ? this.exit('invlpg', instruction, { qualification: what.linear }) : undefined;
      case 'invpcid':
        if (!vmx.on('enableInvpcid')) throw new GuestFault(UD, undefined, 'INVPCID without "enable INVPCID"');
        return vmx.on('invlpgExiting')
          ? this.memoryExit('invpcid', instruction, invalidationInformation(instruction))
          : undefined;
      case 'vmx':
        return this.vmxInstruction(what, instruction);
      case 'io':
        return this.io(what, instruction);
      case 'rdmsr':
      case 'wrmsr':
        return this.msrExits(what.msr, what.kind) ? this.exit(what.kind, instruction) : undefined;
      case 'mov-to-cr':
        return this.moveToControlRegister(what, instruction);
      case 'mov-from-cr': {
        if (!vmx.on(what.cr === 3 ? 'cr3StoreExiting' : 'cr8StoreExiting')) return;
        return this.exit('crAccess', instruction, { qualification: BigInt(what.cr | 0x10 | (what.register << 8)) });
      }
      case 'clts':
        return this.clts(instruction);
      case 'lmsw':
        return this.lmsw(what, instruction);
      case 'mov-dr': {
        if (!vmx.on('movDrExiting')) return;
        const direction = what.direction === 'from' ? 0x10 : 0;
        return this.exit('drAccess', instruction, {
          qualification: BigInt(what.dr | direction | (what.register << 8)),
        });
      }
      case 'descriptor-table':
        return vmx.on('descriptorTableExiting') ? this.descriptorTable(what, instruction) : undefined;
      case 'task-switch': {
        const source = { call: 0, iret: 1, jmp: 2 }[what.source];
        const qualification = BigInt(what.selector) | (BigInt(source) << 30n);
        return this.exit('taskSwitch', instruction, { qualification });
      }
      default:
        return unreachable(what, 'intercepted instruction');
    }
  }

  writableControlRegister(cr: 0 | 4, value: bigint): bigint {
    const { state } = this.vmx.cpu;
    const vmcs = this.vmx.current;
    const mask = vmcs.read(cr === 0 ? 'CR0_GUEST_HOST_MASK' : 'CR4_GUEST_HOST_MASK');
    return (state.get64(cr === 0 ? LAYOUT.cr0 : LAYOUT.cr4) & mask) | (value & ~mask);
  }

  readControlRegister(cr: 0 | 4): bigint {
    const vmcs = this.vmx.current;
    const mask = vmcs.read(cr === 0 ? 'CR0_GUEST_HOST_MASK' : 'CR4_GUEST_HOST_MASK');
    const shadow = vmcs.read(cr === 0 ? 'CR0_READ_SHADOW' : 'CR4_READ_SHADOW');
    return (this.vmx.cpu.state.get64(cr === 0 ? LAYOUT.cr0 : LAYOUT.cr4) & ~mask) | (shadow & mask);
  }

  exception(event: DeliveredEvent): void {
    const vmcs = this.vmx.current;
    if (event.type === 'external' || event.type === 'software-interrupt' || event.type === 'nmi') return;
    let exits = ((vmcs.low('EXCEPTION_BITMAP') >>> event.vector) & 1) === 1;
    if (event.vector === PF) {
      const filtered = ((event.errorCode ?? 0) & vmcs.low('PFEC_MASK')) >>> 0 === vmcs.low('PFEC_MATCH');
      exits = filtered === exits;
    }
    if (!exits) return;
    takeExit(this.vmx, 'exceptionOrNmi', {
      qualification: event.vector === PF ? (event.linear ?? 0n) : event.vector === DB ? this.debugConditions() : 0n,
      event,
      // Faults push RF set; traps and software exceptions push RFLAGS as they are (SDM Vol. 3C, 27.3.3).
      ...(pushesResumeFlag(event) ? { resumeFlag: 1 } : {}),
    });
  }

  /** An event has no instruction, unless a software interrupt is being delivered. */
  taskGate(selector: number): void {
    takeExit(this.vmx, 'taskSwitch', { qualification: BigInt(selector) | (3n << 30n) });
  }

  tripleFault(): void {
    takeExit(this.vmx, 'tripleFault');
  }

  externalInterruptsExit(): boolean {
    return this.vmx.on('externalInterruptExiting');
  }

  externalInterrupt(acknowledge: () => number): void {
    const acknowledged: ExitFacts = this.vmx.on('acknowledgeInterruptOnExit')
      ? { event: { vector: acknowledge(), type: 'external', errorCode: undefined, instructionBytes: 0 } }
      : {};
    takeExit(this.vmx, 'externalInterrupt', acknowledged);
  }

  initSignal(): void {
    takeExit(this.vmx, 'init');
  }

  startUp(vector: number): void {
    takeExit(this.vmx, 'sipi', { qualification: BigInt(vector) });
  }

  boundary(): void {
    const { vmx } = this;
    const { cpu, watch } = vmx;
    const { state } = cpu;
    if (watch.mtfPending || (vmx.on('monitorTrapFlag') && this.hasMoved())) takeExit(vmx, 'monitorTrapFlag');
    if (watch.timerEnd !== undefined && timerClock(vmx) >= watch.timerEnd) takeExit(vmx, 'preemptionTimer');
    const open = (state.systemFlags & IF) !== 0 && (cpu.interruptibility() & BLOCKING_BY_STI_OR_MOV_SS) === 0;
    if (open && vmx.on('interruptWindowExiting')) takeExit(vmx, 'interruptWindow');
  }

  wantsBoundary(): boolean {
    const { vmx } = this;
    return (
      vmx.watch.mtfPending ||
      vmx.watch.timerEnd !== undefined ||
      vmx.on('interruptWindowExiting') ||
      vmx.on('monitorTrapFlag')
    );
  }

  eptFault(fault: EptFault): never {
    const facts = { guestPhysical: fault.guestPhysical, guestLinear: fault.linear ?? 0n } as const;
    if (fault.kind === 'misconfiguration') takeExit(this.vmx, 'eptMisconfiguration', { ...facts, resumeFlag: 1 });
    const { read, write, execute } = fault.access;
    const linear = fault.linear === undefined ? 0 : fault.duringWalk ? 0x80 : 0x180;
    const qualification =
      (read ? 1 : 0) | (write ? 2 : 0) | (execute ? 4 : 0) | ((fault.permissions & 7) << 3) | linear;
    return takeExit(this.vmx, 'eptViolation', {
      ...facts,
      qualification: BigInt(qualification),
      // Within event delivery RF is what the event would have pushed (SDM Vol. 3C, "Saving RIP, RSP, RFLAGS, and SSP" 27.3.3).
      ...(this.vmx.vectoring === undefined || pushesResumeFlag(this.vmx.vectoring) ? { resumeFlag: 1 } : {}),
    });
  }

  timeStampCounter(value: bigint): bigint {
    return this.vmx.on('tscOffsetting') ? BigInt.asUintN(64, value + this.vmx.current.read('TSC_OFFSET')) : value;
  }

  vectoring(event: DeliveredEvent | undefined): void {
    this.vmx.vectoring = event;
  }

  /** Exit for an instruction: fault-like, with its length. */
  private exit(name: ExitName, instruction: DecodedInstruction, facts: ExitFacts = {}): never {
    return takeExit(this.vmx, name, { resumeFlag: 0, ...facts, instructionBytes: instruction.length });
  }

  /** Exit whose qualification is the displacement of the memory operand. */
  private memoryExit(name: ExitName, instruction: DecodedInstruction, information: number): never {
    return this.exit(name, instruction, {
      qualification: displacementQualification(instruction, this.vmx.cpu.nextRip),
      instructionInformation: information,
    });
  }

  private vmxInstruction(what: Of<'vmx'>, instruction: DecodedInstruction): never {
    switch (what.mnemonic) {
      case 'vmcall':
      case 'vmlaunch':
      case 'vmresume':
      case 'vmxoff':
        return this.exit(what.mnemonic, instruction);
      case 'vmclear':
      case 'vmptrld':
      case 'vmptrst':
      case 'vmxon':
        return this.memoryExit(what.mnemonic, instruction, memoryInformation(instruction));
      case 'vmread':
      case 'vmwrite':
        return this.memoryExit(what.mnemonic, instruction, fieldAccessInformation(instruction, what.mnemonic));
      case 'invept':
      case 'invvpid':
        return this.memoryExit(what.mnemonic, instruction, invalidationInformation(instruction));
      default:
        return unreachable(what.mnemonic, 'VMX instruction');
    }
  }

  private io(what: Of<'io'>, instruction: DecodedInstruction): void {
    if (!this.portExits(what.port, what.bytes)) return;
    const qualification =
      (what.bytes - 1) |
      (what.direction === 'in' ? 8 : 0) |
      (what.string ? 16 : 0) |
      (what.rep ? 32 : 0) |
      (what.immediate ? 64 : 0) |
      (what.port << 16);
    this.exit('ioInstruction', instruction, {
      qualification: BigInt(qualification >>> 0),
      ...(what.string
        ? { guestLinear: what.linear, instructionInformation: insOutsInformation(instruction, what.direction) }
        : {}),
    });
  }

  /** SDM Vol. 3C, "Instructions That Cause VM Exits Conditionally", 25.1.3: a wrap past FFFFh exits with the bitmaps in use. */
  private portExits(port: number, bytes: number): boolean {
    if (!this.vmx.on('ioBitmaps')) return this.vmx.on('unconditionalIoExiting');
    if (port + bytes > 0x1_0000) return true;
    const vmcs = this.vmx.current;
    for (let touched = port; touched < port + bytes; touched++) {
      const bitmap = vmcs.number(touched < 0x8000 ? 'IO_BITMAP_A' : 'IO_BITMAP_B');
      const byte = this.vmx.cpu.physical.read(bitmap + ((touched & 0x7fff) >> 3), 1);
      if (((byte >> (touched & 7)) & 1) === 1) return true;
    }
    return false;
  }

  private msrExits(index: number, access: 'rdmsr' | 'wrmsr'): boolean {
    if (!this.vmx.on('msrBitmaps')) return true;
    const low = index < MSR_RANGE;
    if (!low && (index < HIGH_MSRS || index >= HIGH_MSRS + MSR_RANGE)) return true;
    const quarter = (low ? 0 : 0x400) + (access === 'rdmsr' ? 0 : 0x800);
    const bit = index & (MSR_RANGE - 1);
    const byte = this.vmx.cpu.physical.read(this.vmx.current.number('MSR_BITMAP') + quarter + (bit >> 3), 1);
    return ((byte >> (bit & 7)) & 1) === 1;
  }

  private moveToControlRegister(what: Of<'mov-to-cr'>, instruction: DecodedInstruction): void {
    if (!this.controlRegisterExits(what)) return;
    this.exit('crAccess', instruction, {
      qualification: BigInt(what.cr | (what.register << 8)),
      payload: { value: what.value },
    });
  }

  private controlRegisterExits(what: Of<'mov-to-cr'>): boolean {
    const vmcs = this.vmx.current;
    switch (what.cr) {
      case 0:
        return ((what.value ^ vmcs.read('CR0_READ_SHADOW')) & vmcs.read('CR0_GUEST_HOST_MASK')) !== 0n;
      case 4:
        return ((what.value ^ vmcs.read('CR4_READ_SHADOW')) & vmcs.read('CR4_GUEST_HOST_MASK')) !== 0n;
      case 3: {
        if (!this.vmx.on('cr3LoadExiting')) return false;
        const targets = CR3_TARGETS.slice(0, vmcs.low('CR3_TARGET_COUNT'));
        return !targets.some((key) => vmcs.read(key) === what.value);
      }
      case 8:
        return this.vmx.on('cr8LoadExiting');
      default:
        return unreachable(what.cr, 'control register');
    }
  }

  /** With TS owned by the host, CLTS exits only if the shadow says that TS is set; see `writableControlRegister` for the rest. */
  private clts(instruction: DecodedInstruction): void {
    const vmcs = this.vmx.current;
    const owned = (vmcs.read('CR0_GUEST_HOST_MASK') & CR0_TS) !== 0n;
    if (owned && (vmcs.read('CR0_READ_SHADOW') & CR0_TS) !== 0n)
      this.exit('crAccess', instruction, { qualification: 0x20n });
  }

  private lmsw(what: Of<'lmsw'>, instruction: DecodedInstruction): void {
    const vmcs = this.vmx.current;
    const mask = vmcs.read('CR0_GUEST_HOST_MASK');
    const shadow = vmcs.read('CR0_READ_SHADOW');
    const source = BigInt(what.source);
    // LMSW can set PE but not clear it (SDM Vol. 3C, 25.1.3).
    const changes = ((source ^ shadow) & mask & 0xen) !== 0n || (mask & source & ~shadow & CR0_PE) !== 0n;
    if (!changes) return;
    this.exit('crAccess', instruction, {
      qualification: BigInt(0x30 | (what.memory ? 0x40 : 0)) | (BigInt(what.source & 0xffff) << 16n),
      ...(what.memory ? { guestLinear: what.linear } : {}),
    });
  }

  private descriptorTable(what: Of<'descriptor-table'>, instruction: DecodedInstruction): never {
    const operand32 = !SIXTEEN_BIT_TABLES.has(instruction.code);
    switch (what.mnemonic) {
      case 'lgdt':
      case 'lidt':
      case 'sgdt':
      case 'sidt':
        return this.memoryExit('gdtrIdtr', instruction, tableInformation(instruction, what.mnemonic, operand32));
      case 'lldt':
      case 'ltr':
      case 'sldt':
      case 'str':
        return this.memoryExit('ldtrTr', instruction, selectorInformation(instruction, what.mnemonic));
      default:
        return unreachable(what.mnemonic, 'descriptor-table instruction');
    }
  }

  /** Conditions of a debug exception (SDM Vol. 3C, table 27-1); DR6 is not changed by the exit. */
  private debugConditions(): bigint {
    return BigInt(this.vmx.cpu.state.low(LAYOUT.pendingDebug) & 0x600f);
  }

  /** Whether the guest has done anything since it was entered. */
  private hasMoved(): boolean {
    const { cpu, watch } = this.vmx;
    if (watch.retired < 0) watch.retired = cpu.instructionsRetired();
    return cpu.instructionsRetired() !== watch.retired || cpu.state.rip !== watch.rip || cpu.state.gpr(1) !== watch.rcx;
  }
}
