/** Compares what an instruction did on our machine with what it did on the host, undefined parts left out. */
import { Code, Register } from 'iced-x86';
import { decode, type DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import { mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import { SEGMENT_ORDER, type Outcome, type Setup } from './environment.ts';
import { resultUndefined, undefinedFlags } from './undefined-flags.ts';

const REGISTER_NAMES = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
];
const MASK_32 = 0xffff_ffffn;
const PAGE_BYTES = 4096n;
const RSI = 6;
const RDI = 7;

export const decodeSetup = ({ code, bits }: Setup): DecodedInstruction => decode(code, 0, code.length, 0n, bits);

const errorCodeOf = ({ fault }: Outcome, ignored: number): number | undefined =>
  fault === undefined ? undefined : fault.errorCode & ~ignored;
const hex = (value: bigint | number): string => value.toString(16);

/** Where an access to these bytes can page-fault: at its first byte, or where it enters the next page. */
function faultAddresses(linear: bigint, bytes: number): readonly bigint[] {
  const next = (linear / PAGE_BYTES + 1n) * PAGE_BYTES;
  return next < linear + BigInt(bytes) ? [linear, next] : [linear];
}

/**
 * CMPS reads two operands. Where both fault, the SDM does not say which is reported (Vol. 2A, "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ"),
 * and processors differ: each may name its own operand.
 */
function nameEachOneOperand(d: DecodedInstruction, { segments, bits }: Setup, a: Outcome, b: Outcome): boolean {
  if (d.code === Code.INVALID || !/^cmps[bwdq]$/.test(mnemonicOf(d.code))) return false;
  const [one, other] = [a.fault?.linear, b.fault?.linear];
  if (one === undefined || other === undefined) return false;
  const bytes = { b: 1, w: 2, d: 4, q: 8 }[mnemonicOf(d.code).at(-1) as 'b'];
  const named = SEGMENT_ORDER[d.segment - Register.ES]!;
  const base = (name: typeof named): bigint =>
    bits === 64 && !['FS', 'GS'].includes(name) ? 0n : BigInt(segments[name].base);
  const offset = (index: number): bigint => BigInt.asUintN(d.addressSize * 8, a.gpr[index]!);
  const source = faultAddresses(base(named) + offset(RSI), bytes);
  const destination = faultAddresses(base('ES') + offset(RDI), bytes);
  const apart = (p: bigint, q: bigint): boolean => source.includes(p) && destination.includes(q);
  return apart(one, other) || apart(other, one);
}

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
  if (!nameEachOneOperand(d, setup, ours, hosts)) compare('fault address', ours.fault?.linear, hosts.fault?.linear);
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
