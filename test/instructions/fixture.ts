/**
 * Tables of single instructions, one per line:
 *
 *     [64]
 *     add rax, rbx | rax=ffffffffffffffff rbx=1 | rax=0 flags=CF+PF+AF+ZF
 *
 * A bracketed line sets the code size. Behind the instruction (our assembler's syntax, `db` for bytes) stand the registers,
 * flags and memory before it, and what is different after it; what is not named stays as it was, RIP goes to the next
 * instruction. Numbers are hexadecimal.
 *
 *     rax=1             a general register, always by its 64-bit name
 *     flags=CF+ZF       the set ones of CF PF AF ZF SF DF OF; none: flags=0
 *     [200010]:4=1234   a little-endian value in memory, by linear address and bytes
 *     ds=200000:fff:f3  base, limit, access rights of a segment; fs=1000 in 64-bit code: its base
 *     at=ffe            where the instruction starts in the code window (before)
 *     rip=810           where it goes, in the code window (after); rip=!1234 somewhere else
 *     fault=PF:6:20f000 an exception: name, error code, address (after)
 *
 * A line that begins with `!` is not for the host processor; the comment above says why and what the SDM says.
 */
import assert from 'node:assert/strict';
import { assemble } from '../../debug-adapter/engine/assembler/assemble.ts';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { AF, CF, DF, OF, PF, SF, ZF } from '../../debug-adapter/engine/cpu/flags.ts';
import {
  CODE,
  CODE_OFFSET,
  DEFAULT_SEGMENTS,
  patternByte,
  RIP_OF,
  SEGMENT_ORDER,
  STACK,
  type Fault,
  type Outcome,
  type Setup,
  type TestSegment,
} from './environment.ts';
import { decodeSetup } from './compare.ts';
import { undefinedFlags } from './undefined-flags.ts';

const GPR_NAMES = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
];
const RSP = 4;
const FLAG_BITS: Readonly<Record<string, number>> = { CF, PF, AF, ZF, SF, DF, OF };
const VECTORS: Readonly<Record<string, number>> = { DE: 0, UD: 6, SS: 12, GP: 13, PF: 14 };

export interface FixtureCase {
  readonly line: number;
  readonly text: string;
  readonly bits: CodeBits;
  readonly onHost: boolean;
  readonly setup: Setup;
  readonly expected: Outcome;
}

/** Values that no instruction leaves alone by accident: 1111..., 2222...; RSP in the middle of its window. */
function defaultGpr(bits: CodeBits): bigint[] {
  return GPR_NAMES.map((_, i) => {
    if (i === RSP) return BigInt(0x8000 + (bits === 16 ? 0 : STACK.at));
    if (bits !== 64 && i >= 8) return 0n;
    return BigInt(`0x${i.toString(16).repeat(bits === 64 ? 16 : 8)}`);
  });
}

const parseHex = (text: string): number => {
  assert.match(text, /^[0-9a-f]+$/i, `${text} is not hexadecimal`);
  return Number.parseInt(text, 16);
};

const parseFlags = (text: string): number =>
  text === '0'
    ? 0
    : text.split('+').reduce((sum, name) => {
        const bit = FLAG_BITS[name];
        assert.ok(bit !== undefined, `no flag ${name}`);
        return sum | bit;
      }, 0);

function parseSegment(text: string, before: TestSegment): TestSegment {
  const [base, limit, rights] = text.split(':').map(parseHex);
  return { base: base!, limit: limit ?? before.limit, rights: rights ?? before.rights };
}

function* memoryBytes(token: string, value: string): Generator<readonly [number, number]> {
  const [, address, count] = /^\[([0-9a-f]+)\]:([1-9a-f])$/i.exec(token) ?? assert.fail(`bad memory cell ${token}`);
  let rest = BigInt(`0x${value}`);
  for (let i = 0; i < parseHex(count!); i++, rest >>= 8n) yield [parseHex(address!) + i, Number(rest & 0xffn)];
  assert.equal(rest, 0n, `${value} does not fit ${token}`);
}

const tokensOf = (text: string): (readonly [string, string])[] =>
  text
    .split(' ')
    .filter((token) => token !== '')
    .map((token) => {
      const at = token.indexOf('=');
      assert.ok(at > 0, `${token}: no value`);
      return [token.slice(0, at), token.slice(at + 1)] as const;
    });

function parseBefore(asm: string, bits: CodeBits, text: string): Setup {
  const gpr = defaultGpr(bits);
  let segments = DEFAULT_SEGMENTS[bits];
  let flags = 0;
  let codeAt = CODE.at + CODE_OFFSET;
  const cells = new Map<number, number>();
  for (const [name, value] of tokensOf(text)) {
    const register = GPR_NAMES.indexOf(name);
    const segment = SEGMENT_ORDER.find((candidate) => candidate === name.toUpperCase());
    if (register >= 0) gpr[register] = BigInt(`0x${value}`);
    else if (segment) segments = { ...segments, [segment]: parseSegment(value, segments[segment]) };
    else if (name === 'flags') flags = parseFlags(value);
    else if (name === 'at') codeAt = CODE.at + parseHex(value);
    else if (name.startsWith('[')) for (const [at, byte] of memoryBytes(name, value)) cells.set(at, byte);
    else assert.fail(`what is ${name}?`);
  }
  const setup = { bits, code: new Uint8Array(0), codeAt, gpr, flags, segments, cells };
  return { ...setup, code: bytesOf(asm, bits, Number(RIP_OF(setup))).subarray(0, CODE.absentFrom - codeAt) };
}

function bytesOf(asm: string, bits: CodeBits, origin: number): Uint8Array {
  const { bytes, diagnostics } = assemble({
    file: 'line',
    source: `bits ${bits}\norg ${origin}\n${asm}\n`,
    readInclude: () => undefined,
  });
  assert.deepEqual(
    diagnostics.map(({ message }) => message),
    [],
  );
  return bytes;
}

function parseFault(text: string): Fault {
  const [name, errorCode, linear] = text.split(':');
  const vector = VECTORS[name!];
  assert.ok(vector !== undefined, `no exception ${name}`);
  return {
    vector,
    errorCode: errorCode === undefined ? 0 : parseHex(errorCode),
    linear: linear === undefined ? undefined : BigInt(`0x${linear}`),
  };
}

function parseAfter(setup: Setup, text: string): Outcome {
  const gpr = [...setup.gpr];
  let { flags } = setup;
  let rip: bigint | undefined;
  let fault: Fault | undefined;
  const memory = new Map<number, number>();
  for (const [name, value] of tokensOf(text)) {
    const register = GPR_NAMES.indexOf(name);
    if (register >= 0) gpr[register] = BigInt(`0x${value}`);
    else if (name === 'flags') flags = parseFlags(value);
    else if (name === 'rip')
      rip = value.startsWith('!') ? BigInt(`0x${value.slice(1)}`) : ripInWindow(setup, parseHex(value));
    else if (name === 'fault') fault = parseFault(value);
    else if (name.startsWith('[')) for (const [at, byte] of memoryBytes(name, value)) memory.set(at, byte);
    else assert.fail(`what is ${name}?`);
  }
  // A value may be named whole although some of its bytes stay.
  for (const [at, byte] of memory) if ((setup.cells.get(at) ?? patternByte(at)) === byte) memory.delete(at);
  rip ??= RIP_OF(setup) + (fault ? 0n : BigInt(setup.code.length));
  return { fault, gpr, rip, flags, memory };
}

const ripInWindow = (setup: Setup, offset: number): bigint =>
  RIP_OF(setup) - BigInt(setup.codeAt) + BigInt(CODE.at + offset);

/** What `text` of one line says; the columns are trimmed. */
function columnsOf(text: string): readonly [string, string, string] {
  const columns = text
    .replace(/^!/, '')
    .split('|')
    .map((column) => column.trim());
  assert.equal(columns.length, 3, `three columns, not ${columns.length}`);
  return columns as [string, string, string];
}

const isCase = (text: string): boolean => text.trim() !== '' && !/^[#[]/.test(text);

export function parseFixture(source: string, name: string): FixtureCase[] {
  let bits: CodeBits = 64;
  const cases: FixtureCase[] = [];
  source.split('\n').forEach((text, index) => {
    const size = /^\[(16|32|64)\]$/.exec(text);
    if (size) bits = Number(size[1]) as CodeBits;
    if (!isCase(text)) return;
    try {
      const [asm, before, after] = columnsOf(text);
      const setup = parseBefore(asm, bits, before);
      cases.push({
        line: index + 1,
        text: asm,
        bits,
        onHost: !text.startsWith('!'),
        setup,
        expected: parseAfter(setup, after),
      });
    } catch (error) {
      throw new Error(`${name}:${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  });
  return cases;
}

/** The same source with the last column replaced by what `outcomeOf` says, and the columns aligned; for UPDATE_GOLDEN. */
export function rewriteFixture(
  source: string,
  cases: readonly FixtureCase[],
  outcomeOf: (c: FixtureCase) => Outcome,
): string {
  const byLine = new Map(cases.map((c) => [c.line, c]));
  const rows = source.split('\n').map((text, index) => {
    const found = byLine.get(index + 1);
    if (found === undefined) return text;
    const [asm, before, after] = columnsOf(text);
    const mark = found.onHost ? '' : '!';
    return [mark + asm, before, found.onHost ? formatAfter(found.setup, outcomeOf(found)) : after] as const;
  });
  const widths = [0, 1].map((i) =>
    Math.max(0, ...rows.map((row) => (typeof row === 'string' ? 0 : Math.min(row[i]!.length, 48)))),
  );
  return rows
    .map((row) =>
      typeof row === 'string'
        ? row
        : `${row[0].padEnd(widths[0]!)} | ${row[1].padEnd(widths[1]!)} | ${row[2]}`.trimEnd(),
    )
    .join('\n');
}

function formatAfter(setup: Setup, outcome: Outcome): string {
  const tokens: string[] = [];
  const { fault } = outcome;
  if (fault) {
    const name = Object.keys(VECTORS).find((key) => VECTORS[key] === fault.vector);
    assert.ok(name, `exception ${fault.vector} has no name here`);
    const details = [fault.errorCode, fault.linear]
      .filter((part) => part !== undefined)
      .map((part) => part.toString(16));
    tokens.push(`fault=${[name, ...(fault.vector === 14 ? details : [])].join(':')}`);
  }
  const next = RIP_OF(setup) + (fault ? 0n : BigInt(setup.code.length));
  if (outcome.rip !== next) {
    const inWindow = outcome.rip - RIP_OF(setup) + BigInt(setup.codeAt - CODE.at);
    tokens.push(
      inWindow >= 0n && inWindow < BigInt(CODE.bytes)
        ? `rip=${inWindow.toString(16)}`
        : `rip=!${outcome.rip.toString(16)}`,
    );
  }
  const width = setup.bits === 64 ? 64 : 32;
  outcome.gpr.forEach((value, i) => {
    const kept = BigInt.asUintN(width, value);
    if (kept !== setup.gpr[i]) tokens.push(`${GPR_NAMES[i]}=${kept.toString(16)}`);
  });
  tokens.push(...formatMemory(outcome.memory));
  const mask = ~undefinedFlags(decodeSetup(setup), setup.gpr[1]!);
  const flags = outcome.flags & mask;
  if (flags !== (setup.flags & mask)) {
    const names = Object.keys(FLAG_BITS).filter((name) => (flags & FLAG_BITS[name]!) !== 0);
    tokens.push(`flags=${names.join('+') || '0'}`);
  }
  return tokens.join(' ');
}

/** Changed bytes as values of up to eight bytes. */
function formatMemory(memory: ReadonlyMap<number, number>): string[] {
  const addresses = [...memory.keys()].sort((a, b) => a - b);
  const tokens: string[] = [];
  for (let i = 0; i < addresses.length;) {
    const from = addresses[i]!;
    let value = 0n;
    let bytes = 0;
    for (; i < addresses.length && addresses[i] === from + bytes && bytes < 8; i++, bytes++)
      value |= BigInt(memory.get(from + bytes)!) << BigInt(8 * bytes);
    tokens.push(`[${from.toString(16)}]:${bytes}=${value.toString(16)}`);
  }
  return tokens;
}
