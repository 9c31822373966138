/** The facts of an exit under the names that conditions and views use: `port`, `gpa`, `msr` ... All values unsigned. */
import { LAYOUT } from '../cpu/layout.ts';
import type { CpuState } from '../cpu/state.ts';
import type { ExitFacts } from './exit-facts.ts';
import { EXIT_REASONS } from './exit-reasons.ts';
import type { ExitName } from './exit-reasons.ts';

type Payload = Readonly<Record<string, bigint>>;

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

const bits = (value: bigint, low: number, count: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(count)) - 1n);
const low32 = (state: CpuState, register: number): bigint => BigInt(state.gpr32(register));
const edxEax = (state: CpuState): bigint => (low32(state, RDX) << 32n) | low32(state, RAX);

/** Facts per exit; every payload also has `reason` and `qualification`. */
function factsOf(state: CpuState, name: ExitName, qualification: bigint, facts: ExitFacts): Payload {
  switch (name) {
    case 'exceptionOrNmi':
      return {
        vector: BigInt(facts.event?.vector ?? 0),
        ...(facts.event?.errorCode === undefined ? {} : { errorCode: BigInt(facts.event.errorCode) }),
        ...(facts.event?.linear === undefined ? {} : { linear: facts.event.linear }),
      };
    case 'externalInterrupt':
      return facts.event === undefined ? {} : { vector: BigInt(facts.event.vector) };
    case 'cpuid':
      return { leaf: low32(state, RAX), subleaf: low32(state, RCX) };
    case 'vmcall':
      return { rax: state.gpr(RAX), rbx: state.gpr(RBX), rcx: state.gpr(RCX), rdx: state.gpr(RDX) };
    case 'rdmsr':
      return { msr: low32(state, RCX) };
    case 'wrmsr':
      return { msr: low32(state, RCX), value: edxEax(state) };
    case 'xsetbv':
      return { register: low32(state, RCX), value: edxEax(state) };
    case 'rdpmc':
      return { counter: low32(state, RCX) };
    case 'invlpg':
      return { linear: qualification };
    case 'ioInstruction': {
      const size = bits(qualification, 0, 3) + 1n;
      const out = bits(qualification, 3, 1) === 0n;
      const string = bits(qualification, 4, 1);
      return {
        port: bits(qualification, 16, 16),
        size,
        direction: bits(qualification, 3, 1),
        string,
        rep: bits(qualification, 5, 1),
        ...(out && string === 0n ? { value: BigInt.asUintN(8 * Number(size), state.gpr(RAX)) } : {}),
        ...(string === 1n ? { linear: facts.guestLinear ?? 0n } : {}),
      };
    }
    case 'crAccess': {
      const access = bits(qualification, 4, 2);
      return { cr: bits(qualification, 0, 4), access, register: bits(qualification, 8, 4) };
    }
    case 'drAccess':
      return {
        dr: bits(qualification, 0, 3),
        direction: bits(qualification, 4, 1),
        register: bits(qualification, 8, 4),
      };
    case 'taskSwitch':
      return { selector: bits(qualification, 0, 16), source: bits(qualification, 30, 2) };
    case 'eptViolation':
      return {
        gpa: BigInt(facts.guestPhysical ?? 0),
        read: bits(qualification, 0, 1),
        write: bits(qualification, 1, 1),
        execute: bits(qualification, 2, 1),
        permissions: bits(qualification, 3, 3),
        ...(bits(qualification, 7, 1) === 1n ? { linear: facts.guestLinear ?? 0n } : {}),
      };
    case 'eptMisconfiguration':
      return { gpa: BigInt(facts.guestPhysical ?? 0) };
    case 'tripleFault':
      return { cr2: state.get64(LAYOUT.cr2) };
    default:
      return {};
  }
}

export function payloadOf(state: CpuState, name: ExitName, qualification: bigint, facts: ExitFacts): Payload {
  return {
    reason: BigInt(EXIT_REASONS[name].code),
    qualification,
    ...factsOf(state, name, qualification, facts),
    ...facts.payload,
  };
}
