/** Sets registers as a debugger does: anything the processor could hold, refused with a sentence otherwise. */
import { writeCr0, writeCr3, writeCr4, writeCr8, writeDr } from '../cpu/control-registers.ts';
import type { Processor } from '../cpu/cpu.ts';
import { GuestFault } from '../cpu/guest-fault.ts';
import { SEGMENT_NAMES, type SegmentName } from '../cpu/layout.ts';
import { isCanonical, isRealStyle } from '../cpu/modes.ts';
import { REGISTERS, type RegisterName, type RegisterRow } from '../cpu/registers.ts';
import type { CpuState } from '../cpu/state.ts';

/** Linear addresses: must be canonical. */
const ADDRESSES: ReadonlySet<RegisterName> = new Set<RegisterName>([
  'RIP',
  'GDTR_BASE',
  'IDTR_BASE',
  'IA32_LSTAR',
  'IA32_CSTAR',
  'IA32_KERNEL_GS_BASE',
  'IA32_SYSENTER_ESP',
  'IA32_SYSENTER_EIP',
]);

const MSR_NUMBERS: Partial<Record<RegisterName, number>> = {
  IA32_EFER: 0xc000_0080,
  IA32_PAT: 0x277,
  IA32_APIC_BASE: 0x1b,
  IA32_DEBUGCTL: 0x1d9,
  IA32_FEATURE_CONTROL: 0x3a,
};

type Write = (cpu: Processor, value: bigint) => void;
const debugRegister =
  (dr: 0 | 1 | 2 | 3 | 6 | 7): Write =>
  (cpu, value) =>
    writeDr(cpu, dr, value);
/** Registers whose change has consequences. */
const WRITES: Partial<Record<RegisterName, Write>> = {
  CR0: writeCr0,
  CR3: writeCr3,
  CR4: writeCr4,
  CR8: writeCr8,
  DR0: debugRegister(0),
  DR1: debugRegister(1),
  DR2: debugRegister(2),
  DR3: debugRegister(3),
  DR6: debugRegister(6),
  DR7: debugRegister(7),
};

/** Returns why not, or undefined once it is done. `state` is the processor's, or a copy of the guest state of a VMCS. */
export function setRegister(cpu: Processor, state: CpuState, name: RegisterName, value: bigint): string | undefined {
  const row: RegisterRow = REGISTERS[name];
  if (row.readOnly) return `${name} cannot be written`;
  if (value < 0n || value >> BigInt(row.bits) !== 0n) return `${name} has ${row.bits} bits: ${hex(value)} does not fit`;
  if (ADDRESSES.has(name) && !isCanonical(value, cpu.linearBits))
    return `${hex(value)} is not canonical: bits 63:${cpu.linearBits - 1} must be equal`;
  const live = state === cpu.state;
  if (name === 'RFLAGS') {
    state.rflags = Number(value & 0xffff_ffffn);
    if (live) cpu.modeChanged();
    return undefined;
  }
  if (isSegment(name)) return setSelector(cpu, state, name, Number(value), live);
  const write = WRITES[name];
  if (live && write !== undefined) return attempt(() => write(cpu, value));
  const msr = MSR_NUMBERS[name];
  if (live && msr !== undefined) return attempt(() => cpu.writeMsr(msr, value));
  if (row.at === undefined) return `${name} cannot be written`;
  if (row.bits === 64) state.set64(row.at, value);
  else state.set32(row.at, Number(value));
  return undefined;
}

const isSegment = (name: RegisterName): name is RegisterName & SegmentName =>
  (SEGMENT_NAMES as readonly string[]).includes(name);

function setSelector(
  cpu: Processor,
  state: CpuState,
  name: SegmentName,
  selector: number,
  live: boolean,
): string | undefined {
  if (isRealStyle(state)) {
    state.setSegment(name, { ...state.segment(name), selector, base: BigInt(selector) << 4n });
    return undefined;
  }
  if (!live) return `${name} cannot be loaded while the hypervisor runs: set the VMCS fields of the segment instead`;
  if (name === 'CS') return 'CS is loaded by far branches: set RIP, or step over the branch';
  return attempt(() => cpu.loadSegment(name, selector));
}

function attempt(body: () => void): string | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    return `the processor refuses the value${error.because === '' ? '' : `: ${error.because}`}`;
  }
}

const hex = (value: bigint): string => `${value.toString(16).toUpperCase()}h`;
