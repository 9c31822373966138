/** Instructions that ask the processor something: CPUID, RDTSC, RDTSCP, XSETBV; and those that need nothing done. */
import { cpuid, cpuidOf, withControlBits, type CpuidResult } from '../../cpu/cpuid.ts';
import { CR4 } from '../../cpu/control-bits.ts';
import { GP, MachineStop, UD } from '../../cpu/guest-fault.ts';
import { LAYOUT } from '../../cpu/layout.ts';
import type { HypervisorContext } from '../context.ts';
import { step, type ExitHandler, type Handler } from '../steps.ts';
import { advanceAndResume, faultAndResume } from './common.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

/** CPUID.1:ECX. */
const MONITOR_BIT = 1 << 3;
const VMX_BIT = 1 << 5;
const HYPERVISOR_PRESENT_BIT = 1 << 31;
const HYPERVISOR_LEAF = 0x4000_0000;
/** EBX, ECX, EDX of the hypervisor leaf: twelve letters. */
const SIGNATURE = 'HyperstepVMX';

const word = (text: string, at: number): number =>
  [3, 2, 1, 0].reduce((value, byte) => (value << 8) | text.charCodeAt(at + byte), 0);

/** What the guest is told instead of the processor's own answer. */
function filterCpuid(leaf: number, subleaf: number, answer: CpuidResult, guestCr4: number): CpuidResult {
  const result = withControlBits(leaf, subleaf, answer, guestCr4);
  if (leaf === 1) {
    const kept = result.ecx & ~(MONITOR_BIT | VMX_BIT);
    return { ...result, ecx: kept | HYPERVISOR_PRESENT_BIT };
  }
  if (leaf === HYPERVISOR_LEAF)
    return { eax: HYPERVISOR_LEAF, ebx: word(SIGNATURE, 0), ecx: word(SIGNATURE, 4), edx: word(SIGNATURE, 8) };
  return result;
}

const CPUID_READ = step('read the leaf', "Take leaf and subleaf from the guest's EAX and ECX.");
const CPUID_QUERY = step('query the processor', 'Execute CPUID for that leaf on the processor itself.');
const CPUID_FILTER = step(
  'filter the answer',
  'Hide MONITOR and VMX (CPUID.1:ECX[3], [5]), set "hypervisor present" (CPUID.1:ECX[31]), name the hypervisor in leaf 40000000h.',
);
const CPUID_WRITE = step('write RAX, RBX, RCX, RDX', 'Give the guest the answer in its registers.', {
  registers: ['RAX', 'RBX', 'RCX', 'RDX'],
});

export const handleCpuid: ExitHandler = function* (hypervisor) {
  const { guest } = hypervisor;
  const { state } = hypervisor.cpu;
  yield CPUID_READ;
  const leaf = state.gpr32(RAX);
  const subleaf = state.gpr32(RCX);
  yield CPUID_QUERY;
  const answer = cpuidOf(hypervisor.cpu, leaf, subleaf);
  yield CPUID_FILTER;
  const { eax, ebx, ecx, edx } = filterCpuid(leaf, subleaf, answer, guest.low('GUEST_CR4'));
  yield CPUID_WRITE;
  guest.setGeneral32(RAX, eax);
  guest.setGeneral32(RBX, ebx);
  guest.setGeneral32(RCX, ecx);
  guest.setGeneral32(RDX, edx);
  yield* advanceAndResume(hypervisor);
};

const TSC_READ = step('read the time-stamp counter', 'Read the TSC and add the TSC offset where offsetting is on.');
const TSC_WRITE = step('write RDX:RAX', 'Give the guest the counter in EDX:EAX.', { registers: ['RAX', 'RDX'] });
const TSC_AUX_WRITE = step('write RDX:RAX and RCX', 'Give the guest the counter in EDX:EAX and IA32_TSC_AUX in ECX.', {
  registers: ['RAX', 'RDX', 'RCX'],
});

function* timeStamp(hypervisor: HypervisorContext, auxiliary: boolean): Handler {
  const { cpu, guest, vmx } = hypervisor;
  yield TSC_READ;
  const value = vmx.intercepts.timeStampCounter(cpu.timeStampCounter());
  yield auxiliary ? TSC_AUX_WRITE : TSC_WRITE;
  guest.setGeneral32(RAX, Number(value & 0xffff_ffffn));
  guest.setGeneral32(RDX, Number(value >> 32n));
  if (auxiliary) guest.setGeneral32(RCX, cpu.state.low(LAYOUT.tscAux));
  yield* advanceAndResume(hypervisor);
}
export const handleRdtsc: ExitHandler = (hypervisor) => timeStamp(hypervisor, false);
export const handleRdtscp: ExitHandler = (hypervisor) => timeStamp(hypervisor, true);

const NOTHING = step('nothing to do', 'The instruction concerns caches or timing, which the machine does not model.');

/** PAUSE, WBINVD and INVD: no effect that a guest could see. */
export const handleNoEffect: ExitHandler = function* (hypervisor) {
  yield NOTHING;
  yield* advanceAndResume(hypervisor);
};

const REFUSE = step(
  'refuse the instruction',
  'The guest was told that the processor lacks this instruction: it gets #UD.',
);

/** Instructions that CPUID, as the guest sees it, does not offer. */
export const handleNotOffered: ExitHandler = function* (hypervisor) {
  yield REFUSE;
  yield* faultAndResume(hypervisor, UD);
};

const XSETBV_CHECK = step(
  'check the value',
  'XCR0 takes only state components that CPUID.0DH offers, x87 always among them.',
);
const XSETBV_WRITE = step('write XCR0', 'Set the extended control register.', { memory: ['XCR0'] });

export const handleXsetbv: ExitHandler = function* (hypervisor) {
  const { guest, cpu } = hypervisor;
  const { state } = cpu;
  yield XSETBV_CHECK;
  if ((guest.low('GUEST_CR4') & CR4.OSXSAVE) === 0) {
    yield* faultAndResume(hypervisor, UD);
    return;
  }
  const { eax, edx } = cpuid(cpu.features, 0xd, 0);
  const offered = (BigInt(edx >>> 0) << 32n) | BigInt(eax >>> 0);
  const value = (BigInt(state.gpr32(RDX)) << 32n) | BigInt(state.gpr32(RAX));
  const avxWithoutSse = (value & 6n) === 4n;
  if (state.gpr32(RCX) !== 0 || (value & 1n) === 0n || (value & ~offered) !== 0n || avxWithoutSse) {
    yield* faultAndResume(hypervisor, GP);
    return;
  }
  yield XSETBV_WRITE;
  state.set64(LAYOUT.xcr0, value);
  yield* advanceAndResume(hypervisor);
};

const STOP = step('stop the machine', 'The hypervisor has no handler for this exit.');

/** An exit that the hypervisor's controls do not ask for. */
export const stopFor = (what: string): ExitHandler =>
  function* () {
    yield STOP;
    throw new MachineStop(`VM exit "${what}", which the built-in hypervisor does not handle`);
  };
