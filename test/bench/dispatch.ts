/**
 * One question: which handlers should be cases of the interpreter's main function (a giant `br_table`), and which functions of
 * their own that a case calls?
 *
 * Last answer (Node 20.20, two shared AMD EPYC cores; M guest instructions/s of the first 20 M, then once V8 has optimised):
 *
 *                 hot         all        none
 *     arithmetic  184, 472    54, 195    157, 255
 *     memory       96, 249    50, 157    150, 198
 *     calls       151, 360    47, 157    180, 256
 *     rare        122, 304    48, 204    185, 273
 *     alu64       160, 442    48, 199    139, 250
 *     sieve64     156, 355    49, 173    156, 236
 *     hashsort64  142, 407    47, 194    160, 213
 *
 * `hot` (some handlers in the main function) is the default. `all` loses twice: V8 needs longest to optimise it, and then
 * allocates the registers of a function of more than 8,192 virtual registers by a quicker method. The cliff lies between 53,700 and
 * 56,000 bytes of main function: test/execution/interpreter-size.test.ts keeps us below. With the same handlers and more, 60,000 bytes,
 * alu64 ran at 224. Node 22 and 24 punish a large main function less and never reward it.
 */
import { spawnSync } from 'node:child_process';
import { fromRoot } from '../../scripts/lib/root.ts';
import type { DispatchStyle } from '../../debug-adapter/engine/execution/interpreter.ts';
import { buildGuests, guestPath } from './guests.ts';
import { columns, rounded } from './limits.ts';

const STYLES: readonly DispatchStyle[] = ['hot', 'all', 'none'];

/** Loops of 64-bit code that count RCX down; RBX points at memory. */
export const MICRO_LOOPS: Readonly<Record<string, string>> = {
  arithmetic:
    'next: add rax, rcx\n xor rdx, rax\n lea rsi, [rax + rdx*2 + 1]\n sub rdx, rsi\n and rdx, rsi\n dec rcx\n jnz next',
  memory:
    'next: mov rsi, [rbx]\n add rsi, rcx\n mov [rbx], rsi\n add [rbx + 8], rsi\n cmp byte [rbx], 1\n dec rcx\n jnz next',
  calls: 'next: call work\n dec rcx\n jnz next\n jmp done\nwork: push rbx\n pop rbx\n ret\ndone:',
  rare: 'next: rol rax, 7\n adc rdx, rax\n bswap rdx\n bsf rsi, rdx\n cmovz rsi, rcx\n setc sil\n dec rcx\n jnz next',
};
const GUESTS = ['alu64', 'sieve64', 'hashsort64'];

/** Million guest instructions per second. */
export interface Speeds {
  /** Of the first 20 million instructions, before V8 optimises. */
  readonly cold: number;
  readonly warm: number;
}

/** A table: the speed of each program in each style, cold and warm. */
export function measureDispatch(): string {
  buildGuests(GUESTS, ['elf'], 1);
  const rows = [['M insns/s cold, warm', ...STYLES]];
  for (const name of [...Object.keys(MICRO_LOOPS), ...GUESTS]) {
    const program = GUESTS.includes(name) ? guestPath(name, 'elf', 1) : name;
    const cells = STYLES.map((style) => {
      const { cold, warm } = speedsOf(style, program);
      return `${rounded(cold)}, ${rounded(warm)}`;
    });
    rows.push([name, ...cells]);
  }
  return columns(rows);
}

function speedsOf(style: DispatchStyle, program: string): Speeds {
  const script = fromRoot('test', 'bench', 'dispatch-program.ts');
  const child = spawnSync(process.execPath, ['--import=tsx', script, style, program], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${program} did not run: ${child.stderr}`);
  return JSON.parse(child.stdout) as Speeds;
}
