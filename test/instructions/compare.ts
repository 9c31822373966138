/** Compares what an instruction did on our machine with what it did on the host, undefined parts left out. */
import { decode, type DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import type { Outcome, Setup } from './environment.ts';
import { resultUndefined, undefinedFlags } from './undefined-flags.ts';

const REGISTER_NAMES = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
];
const MASK_32 = 0xffff_ffffn;

export const decodeSetup = ({ code, bits }: Setup): DecodedInstruction => decode(code, 0, code.length, 0n, bits);

const errorCodeOf = ({ fault }: Outcome, ignored: number): number | undefined =>
  fault === undefined ? undefined : fault.errorCode & ~ignored;
const hex = (value: bigint | number): string => value.toString(16);

/** Empty where they agree; else one line per difference, `name ours host's`. */
export function differences(setup: Setup, ours: Outcome, hosts: Outcome): string[] {
  const found: string[] = [];
  const d = decodeSetup(setup);
  const compare = (name: string, a: bigint | number | undefined, b: bigint | number | undefined): void => {
    if (a !== b) found.push(`${name}: ${a === undefined ? '-' : hex(a)}, should be ${b === undefined ? '-' : hex(b)}`);
  };
  compare('fault', ours.fault?.vector, hosts.fault?.vector);
  // Linux tells user programs that every page of its own half is present.
  const kernel = (hosts.fault?.linear ?? 0n) >> 47n !== 0n ? 1 : 0;
  compare('error code', errorCodeOf(ours, kernel), errorCodeOf(hosts, kernel));
  compare('fault address', ours.fault?.linear, hosts.fault?.linear);
  compare('rip', ours.rip, hosts.rip);
  const mask = ~undefinedFlags(d, setup.gpr[1]!);
  compare('flags', ours.flags & mask, hosts.flags & mask);
  if (resultUndefined(d, setup.gpr[1]!)) return found;
  // Outside 64-bit mode upper halves are nobody's business (and R8 to R15 cannot change).
  const kept = setup.bits === 64 ? -1n : MASK_32;
  ours.gpr.forEach((value, i) => compare(REGISTER_NAMES[i]!, value & kept, hosts.gpr[i]! & kept));
  for (const address of new Set([...ours.memory.keys(), ...hosts.memory.keys()]))
    compare(`[${hex(address)}]`, ours.memory.get(address), hosts.memory.get(address));
  return found;
}
