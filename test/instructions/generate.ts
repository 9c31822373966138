/**
 * Random instructions with random operands, the same ones each time. Bytes are drawn from an encoding's parts, kept where they
 * decode to an instruction that the engine emits, and given registers that lead its address into the windows.
 */
import { Code, OpKind, Register } from 'iced-x86';
import type { CodeBits } from '../../debug-adapter/engine/base/program.ts';
import { decode, type DecodedInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import { mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import { registerInfo } from '../../debug-adapter/engine/isa/registers.ts';
import {
  CODE,
  CODE_OFFSET,
  DATA,
  DEFAULT_SEGMENTS,
  STACK,
  TESTED_FLAGS,
  type Setup,
  type TestSegments,
} from './environment.ts';
import { DEFERRED_NAMES, executedBy, GENERAL_HANDLER_NAMES } from './handler-of.ts';
import { resultUndefined } from './undefined-flags.ts';

const RSP = 4;
const RBP = 5;

/** A small generator of pseudo-random 32-bit numbers (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
type Random = ReturnType<typeof randomFrom>;

/**
 * Forms on which processors differ, by make or because the SDM reserves them, so that the host cannot be the judge.
 * - Near branches (and MOVSXD) with an operand-size prefix in 64-bit mode: Intel ignores it (SDM Vol. 1, "Near Branches in
 *   64-Bit Mode" 6.3.7), AMD does not.
 * - A 32-bit CMPXCHG that fails writes its register operand back (SDM Vol. 2A, "CMPXCHG"), clearing the upper half; AMD does not.
 * - Repeat prefixes with LOOPcc are reserved (SDM Vol. 2A, "Instruction Prefixes" 2.1.1); some processors take F2h for LOOPNE.
 */
function isNotForTheHost(d: DecodedInstruction, code: readonly number[], bits: CodeBits): boolean {
  const mnemonic = mnemonicOf(d.code);
  const prefixes = code.slice(0, 5);
  if (/^loop/.test(mnemonic) && prefixes.some((byte) => byte === 0xf2 || byte === 0xf3)) return true;
  if (bits !== 64) return false;
  if (d.code === Code.Cmpxchg_rm32_r32 && d.op0Kind === OpKind.Register) return true;
  return prefixes.includes(0x66) && /^(j|loop|call|ret|movsxd)/.test(mnemonic);
}

/** The opcodes worth drawing: those of which at least one form in 64- or 32-bit code is the engine's. 100h and up: behind 0Fh. */
function knownOpcodes(): number[] {
  const known = (opcode: number, reg: number, bits: CodeBits): boolean => {
    const code = [...(opcode > 0xff ? [0x0f] : []), opcode & 0xff, 0xc0 | (reg << 3), ...Array<number>(12).fill(0)];
    return executedBy(decode(Uint8Array.from(code), 0, code.length, 0n, bits), bits) !== undefined;
  };
  return Array.from({ length: 0x200 }, (_, opcode) => opcode).filter((opcode) =>
    [0, 1, 2, 3, 4, 5, 6, 7].some((reg) => known(opcode, reg, 64) || known(opcode, reg, 32)),
  );
}

interface Bytes {
  readonly code: number[];
  /** Where a displacement without base register lies, for patching; undefined where there is none. */
  readonly displacementAt: number | undefined;
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

function randomBytes(random: Random, bits: CodeBits, opcodes: readonly number[]): Bytes {
  const code: number[] = [];
  if (random(4) === 0) code.push(0x66);
  const address = random(6) === 0;
  if (address) code.push(0x67);
  if (random(6) === 0) code.push(SEGMENT_PREFIXES[random(6)]!);
  if (random(6) === 0) code.push(0xf2 + random(2));
  if (random(20) === 0) code.push(0xf0);
  if (bits === 64 && random(2) === 0) code.push(0x40 | random(16) | (random(2) << 3));
  const drawn = opcodes[random(opcodes.length)]!;
  if (drawn > 0xff) code.push(0x0f);
  const opcode = drawn & 0xff;
  code.push(opcode);
  const wordAddress = bits === 16 ? !address : bits === 32 && address;
  let displacementAt: number | undefined;
  if (drawn === opcode && opcode >= 0xa0 && opcode <= 0xa3) displacementAt = code.length;
  else {
    const modRm = random(256);
    code.push(modRm);
    const [mod, rm] = [modRm >> 6, modRm & 7];
    if (mod === 0 && rm === (wordAddress ? 6 : 5)) displacementAt = code.length;
    else if (mod !== 3 && rm === 4 && !wordAddress) {
      const sib = random(256);
      code.push(sib);
      if (mod === 0 && (sib & 7) === 5) displacementAt = code.length;
    }
  }
  while (code.length < 15) code.push(random(256));
  return { code, displacementAt };
}

/** Register values at which arithmetic changes its ways. */
export const EDGES = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  0x7fn,
  0x80n,
  0x7fffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  (1n << 63n) - 1n,
  1n << 63n,
];

function randomValue(random: Random): bigint {
  const kind = random(4);
  if (kind === 0) return BigInt.asUintN(64, EDGES[random(EDGES.length)]!);
  const word = (): bigint => BigInt(random(2 ** 32));
  const value = (word() << 32n) | word();
  return kind === 1 ? BigInt.asUintN(64, BigInt.asIntN(64, value) >> BigInt(random(64))) : value;
}

/** A place for an operand: mostly plain memory, often unaligned or across pages, now and then a fault. */
function randomPlace(random: Random): number {
  const page = random(20) === 0 ? 13 + random(3) : 1 + random(12);
  const inPage = random(3) === 0 ? 4096 - 1 - random(8) : random(4090);
  return DATA.at + page * 4096 + inPage;
}

function segmentsFor(bits: CodeBits, random: Random): TestSegments {
  const segments = DEFAULT_SEGMENTS[bits];
  if (bits !== 64) return segments;
  const based = (base: number) => ({ ...segments.FS, base });
  return { ...segments, FS: based(0x1000 * random(4)), GS: based(0x1000 * random(4)) };
}

const ADDRESS_BITS = { 2: 16, 4: 32, 8: 64 } as const;

/** Sets registers (or the displacement) so that the memory operand lies at `place`. */
function aim(
  d: DecodedInstruction,
  setup: Setup,
  gpr: bigint[],
  place: number,
  at: number | undefined,
  random: Random,
): void {
  const width = ADDRESS_BITS[d.addressSize];
  const offset = BigInt(place) - baseOf(d, setup);
  const put = (register: number, value: bigint): void => {
    const number = registerInfo(register)!.number;
    const mask = (1n << BigInt(width)) - 1n;
    // Bits above the address size must not matter.
    gpr[number] = BigInt.asUintN(setup.bits === 64 ? 64 : 32, (gpr[number]! & ~mask) | (value & mask));
  };
  const none = d.memoryBase === Register.None || d.memoryBase === Register.RIP || d.memoryBase === Register.EIP;
  let rest = offset;
  if (d.memoryIndex !== Register.None) {
    if (none && at === undefined) return;
    const index = BigInt(random(4));
    if (d.memoryIndex === d.memoryBase) {
      put(d.memoryBase, (offset - BigInt.asIntN(width, d.displacement)) / BigInt(1 + d.memoryScale));
      return;
    }
    put(d.memoryIndex, index);
    rest -= index * BigInt(d.memoryScale);
  }
  if (!none) {
    put(d.memoryBase, rest - d.displacement);
    return;
  }
  if (at === undefined) return;
  const ripRelative = d.memoryBase !== Register.None;
  const target = ripRelative ? rest - BigInt(setup.codeAt + d.length) : rest;
  const moffs = d.op0Kind === OpKind.Memory ? d.op1Kind === OpKind.Register : d.op0Kind === OpKind.Register;
  const bytes = isMoffs(setup.code, at) && moffs ? d.addressSize : Math.min(d.addressSize, 4);
  for (let i = 0; i < bytes; i++) setup.code[at + i] = Number((target >> BigInt(8 * i)) & 0xffn);
}

/** The displacement of MOV with a memory offset follows the opcode directly. */
const isMoffs = (code: Uint8Array, at: number): boolean => (code[at - 1]! & 0xfc) === 0xa0 && code[at - 2] !== 0x0f;

function baseOf(d: DecodedInstruction, { segments, bits }: Setup): bigint {
  const named: Readonly<Record<number, keyof TestSegments>> = {
    [Register.ES]: 'ES',
    [Register.CS]: 'CS',
    [Register.SS]: 'SS',
    [Register.DS]: 'DS',
    [Register.FS]: 'FS',
    [Register.GS]: 'GS',
  };
  const name = named[d.segment];
  if (name === undefined || (bits === 64 && name !== 'FS' && name !== 'GS')) return 0n;
  return BigInt(segments[name].base);
}

/** The others need more state than a setup has, or enter the kernel: tests of their own and `npm run conform host` execute them. */
const FOR_THE_HOST: ReadonlySet<string> = new Set([...GENERAL_HANDLER_NAMES, ...DEFERRED_NAMES]);

/** One random setup, or undefined where the bytes drawn are nothing to test. */
function draw(
  random: Random,
  bits: CodeBits,
  opcodes: readonly number[],
): { readonly setup: Setup; readonly by: string } | undefined {
  const { code, displacementAt } = randomBytes(random, bits, opcodes);
  const d = decode(Uint8Array.from(code), 0, code.length, 0n, bits);
  const by = executedBy(d, bits);
  if (by === undefined || !FOR_THE_HOST.has(by) || isNotForTheHost(d, code, bits)) return undefined;

  const segments = segmentsFor(bits, random);
  const gpr = Array.from({ length: 16 }, (_, i) => {
    const value = randomValue(random);
    return bits === 64 ? value : i < 8 ? value & 0xffff_ffffn : 0n;
  });
  const stackBase = BigInt(bits === 16 ? 0 : STACK.at);
  // A CALL with both a bad target and a bad stack may report either.
  const nearEdge = random(12) === 0 && !by.startsWith('call');
  const stack = (): bigint => stackBase + BigInt(nearEdge ? random(16) : 0x4000 + random(0x8000));
  gpr[RSP] = stack();
  if (/^(leave|Enter)/i.test(by)) gpr[RBP] = stack();
  if (/^i?div/i.test(by) && random(3) > 0) gpr[2] = random(2) === 0 ? 0n : BigInt(random(64));
  const setup: Setup = {
    bits,
    code: Uint8Array.from(code.slice(0, d.length)),
    codeAt: CODE.at + CODE_OFFSET,
    gpr,
    flags: random(0x1000) & TESTED_FLAGS,
    segments,
    cells: new Map(),
  };
  if (/(movs|stos|lods|cmps|scas)[1248]$/.test(by)) aimStrings(by, setup, gpr, random);
  else if (d.hasMemory) {
    if (/^bt[a-z]?\d memory,register/.test(by)) {
      const register = registerInfo(d.op1Register)!.number;
      gpr[register] = BigInt.asUintN(bits === 64 ? 64 : 32, BigInt(random(0x4000) - 0x2000));
    }
    aim(d, setup, gpr, randomPlace(random), displacementAt, random);
  }
  if (bits !== 64) gpr.forEach((value, i) => (gpr[i] = value & 0xffff_ffffn));
  return resultUndefined(d, gpr[1]!) ? undefined : { setup, by };
}

function aimStrings(by: string, setup: Setup, gpr: bigint[], random: Random): void {
  const base = setup.bits === 16 ? DATA.at : 0;
  gpr[1] = BigInt(random(7));
  gpr[6] = BigInt(randomPlace(random) - base);
  gpr[7] = BigInt(randomPlace(random) - base);
  if (!/cmps|scas/.test(by)) return;
  // Equal bytes make repeated comparisons go on.
  for (let i = -32; i < 32; i++) {
    const [source, destination] = [base + Number(gpr[6]) + i, base + Number(gpr[7]) + i];
    const cells = setup.cells as Map<number, number>;
    const inside = (at: number): boolean => at >= DATA.at && at < DATA.absentFrom;
    if (inside(source)) cells.set(source, i === 7 ? 1 : 0x55);
    if (inside(destination)) cells.set(destination, 0x55);
  }
  if (by.includes('scas')) gpr[0] = 0x5555_5555_5555_5555n;
}

export interface Drawn {
  readonly setup: Setup;
  /** See `executedBy`. */
  readonly by: string;
}

/** Setups for 16-, 32- and 64-bit code, at most `perHandler` for each handler and code size. */
export function drawSetups(seed: number, tries: number, perHandler: number): Drawn[] {
  const random = randomFrom(seed);
  const opcodes = knownOpcodes();
  const counts = new Map<string, number>();
  const drawn: Drawn[] = [];
  for (const bits of [64, 32, 16] as const) {
    for (let i = 0; i < tries; i++) {
      const found = draw(random, bits, opcodes);
      if (found === undefined) continue;
      const key = `${bits} ${found.by}`;
      const count = counts.get(key) ?? 0;
      if (count >= perHandler) continue;
      counts.set(key, count + 1);
      drawn.push(found);
    }
  }
  return drawn;
}
