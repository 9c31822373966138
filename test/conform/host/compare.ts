/** What differs between two results of one case, by name; and the parts of a result that no processor is asked about. */
import type { CodeBits } from '../../../debug-adapter/engine/base/program.ts';
import { CASE, CASE_BYTES, DEBUG_TRAP, type Cases } from './record.ts';

const GENERAL = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
];
const PAGE_FAULT = 14;
/** The arithmetic flags, DF, NT, AC and ID: what a user program can change. */
const USER_FLAGS = 0x24_4cd5;

interface Part {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}
const PARTS: readonly Part[] = [
  { name: 'fault', at: CASE.trap, bytes: 4 },
  { name: 'error code', at: CASE.error, bytes: 4 },
  { name: 'fault address', at: CASE.address, bytes: 8 },
  { name: 'rip', at: CASE.rip, bytes: 8 },
  { name: 'flags', at: CASE.flags, bytes: 8 },
  ...GENERAL.map((name, i) => ({ name, at: CASE.gpr + 8 * i, bytes: 8 })),
  { name: 'x87 control', at: CASE.control, bytes: 2 },
  { name: 'x87 status', at: CASE.status, bytes: 2 },
  { name: 'x87 tags', at: CASE.tags, bytes: 2 },
  ...Array.from({ length: 8 }, (_, i) => ({ name: `st${i}`, at: CASE.st + 16 * i, bytes: 16 })),
  { name: 'mxcsr', at: CASE.mxcsr, bytes: 4 },
  ...Array.from({ length: 16 }, (_, i) => ({ name: `ymm${i}`, at: CASE.ymm + 32 * i, bytes: 32 })),
  { name: 'memory', at: CASE.a, bytes: 128 },
  { name: 'stack', at: CASE.b, bytes: 320 },
];
export type PartName = string;

/**
 * Makes two results of a case comparable: flags that only a kernel sees, what a trap leaves in the place of an error code, the
 * kernel's half of addresses (Linux tells user programs that each of its pages is present).
 */
export function normalise(results: Cases, index: number, steps: number, bits: CodeBits): void {
  // Outside of 64-bit code the upper halves of registers are nobody's business.
  if (bits !== 64) for (let i = 0; i < 16; i++) results.setWord(index, CASE.gpr + 8 * i + 4, 0);
  const trap = results.word(index, CASE.trap);
  results.setWord(index, CASE.flags, results.word(index, CASE.flags) & USER_FLAGS);
  results.setWord(index, CASE.flags + 4, 0);
  results.setWord(index, CASE.steps, steps);
  if (trap !== PAGE_FAULT) {
    results.setWord(index, CASE.address, 0);
    results.setWord(index, CASE.address + 4, 0);
    if (trap === DEBUG_TRAP) results.setWord(index, CASE.error, 0);
  } else if (results.word(index, CASE.address + 4) >>> 15 !== 0)
    results.setWord(index, CASE.error, results.word(index, CASE.error) & ~1);
}

/** Parts of a case in which two results differ. */
export function differingParts(ours: Cases, hosts: Cases, index: number): PartName[] {
  const from = index * CASE_BYTES;
  const [a, b] = [Buffer.from(ours.bytes.buffer), Buffer.from(hosts.bytes.buffer)];
  return PARTS.filter(
    ({ at, bytes }) => a.compare(b, from + at, from + at + bytes, from + at, from + at + bytes) !== 0,
  ).map(({ name }) => name);
}

const hex = (cases: Cases, index: number, { at, bytes }: Part): string => {
  const part = Buffer.from(cases.part(index, at, bytes));
  return bytes <= 32
    ? part
        .reverse()
        .toString('hex')
        .replace(/^0+(?=.)/, '')
    : part.toString('hex');
};

/** One line: what each part that differs is, and should be. */
export function describeDifference(ours: Cases, hosts: Cases, index: number, parts: readonly PartName[]): string {
  return parts
    .map((name) => {
      const part = PARTS.find((candidate) => candidate.name === name)!;
      if (part.bytes <= 32) return `${name} ${hex(ours, index, part)}, should be ${hex(hosts, index, part)}`;
      const [a, b] = [ours.part(index, part.at, part.bytes), hosts.part(index, part.at, part.bytes)];
      const first = a.findIndex((byte, i) => byte !== b[i]);
      const show = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(first, first + 16)).toString('hex');
      return `${name}+${first} ${show(a)}, should be ${show(b)}`;
    })
    .join('; ');
}

/** The whole state in front of a case, for reports. */
export function describeState(cases: Cases, index: number): string {
  return PARTS.filter(({ name }) => !/^(fault|error|memory|stack)/.test(name))
    .map((part) => `${part.name}=${hex(cases, index, part)}`)
    .concat(
      `a@${cases.word(index, CASE.aAt).toString(16)}=${Buffer.from(cases.part(index, CASE.a, 128)).toString('hex')}`,
      `b@${cases.word(index, CASE.bAt).toString(16)}=${Buffer.from(cases.part(index, CASE.b, 320)).toString('hex')}`,
    )
    .join(' ');
}
