/**
 * The host processor as the judge of user-mode instructions: each is executed natively, alone, by host/steps.c. Needs an
 * x86-64 Linux and GCC.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode as decodeInstruction } from '../../debug-adapter/engine/isa/decode.ts';
import { mnemonicOf } from '../../debug-adapter/engine/isa/codes.ts';
import { NOT_RUN } from '../harness/result.ts';
import { hostHasAvx } from './host-features.ts';
import { requireTool } from '../harness/tools.ts';
import {
  DEFAULT_SEGMENTS,
  patternByte,
  patternOf,
  RIP_OF,
  SEGMENT_ORDER,
  TESTED_FLAGS,
  WINDOWS,
  type Outcome,
  type Setup,
} from '../instructions/environment.ts';

const SOURCE = fileURLToPath(new URL('host/steps.c', import.meta.url));
const REQUEST_BYTES = 296;
const REPLY_BYTES = 168;
const CELL_BYTES = 8;
/** Iterations of one repeated string instruction. */
const MOST_STEPS = 100_000;
const DEBUG_TRAP = 1;
const PAGE_FAULT = 14;

/**
 * Makes the suite it is called in need the host processor: see `requireTool`.
 * @param avx whether its program loads and stores YMM registers
 */
export function requireHost({ avx = false } = {}): void {
  requireTool('gcc');
  before('needs an x86-64 processor under Linux', function () {
    const right = process.platform === 'linux' && process.arch === 'x64';
    if (right && (!avx || hostHasAvx())) return;
    const suite = this.test?.parent as (Mocha.Suite & { [NOT_RUN]?: string }) | undefined;
    const missing = right ? 'AVX' : 'an x86-64 processor under Linux';
    if (suite !== undefined) suite[NOT_RUN] = `not run: ${missing} is missing`;
    this.skip();
  });
}

/** Executes every setup on the host processor. */
export function runOnHost(setups: readonly Setup[]): Outcome[] {
  const folder = mkdtempSync(join(tmpdir(), 'hyperstep-host-'));
  try {
    const program = join(folder, 'steps');
    execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-fno-stack-protector', '-o', program, SOURCE]);
    const input = Buffer.concat([windowTable(), ...WINDOWS.map(patternOf), ...setups.map(encode)]);
    const output = execFileSync(program, { input, maxBuffer: 1 << 30 });
    return decode(output, setups);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const windowTable = (): Buffer =>
  Buffer.from(
    Uint32Array.from(
      WINDOWS.flatMap(({ at, bytes, readOnlyFrom, absentFrom }) => [at, bytes, readOnlyFrom, absentFrom]),
    ).buffer,
  );

function encode(setup: Setup): Buffer {
  const cells = [...setup.cells];
  const record = Buffer.alloc(REQUEST_BYTES + cells.length * CELL_BYTES);
  const { bits, code, segments } = setup;
  record.writeUInt32LE(bits, 0);
  record.writeUInt32LE(code.length, 4);
  record.writeBigUInt64LE(BigInt(setup.codeAt), 8);
  record.set(code, 16);
  setup.gpr.forEach((value, index) => record.writeBigUInt64LE(value, 32 + 8 * index));
  record.writeBigUInt64LE(RIP_OF(setup), 160);
  record.writeBigUInt64LE(BigInt(setup.flags | 0x202), 168);
  record.writeBigUInt64LE(BigInt(segments.FS.base), 176);
  record.writeBigUInt64LE(BigInt(segments.GS.base), 184);
  SEGMENT_ORDER.forEach((name, index) => {
    const { base, limit, rights } = segments[name];
    // The kernel's own selectors serve where the segment is flat.
    const own = bits !== 64 && (bits === 16 || segments[name] !== DEFAULT_SEGMENTS[32][name]);
    [base, limit, rights, own ? 1 : 0].forEach((value, i) => record.writeUInt32LE(value, 192 + 16 * index + 4 * i));
  });
  record.writeUInt32LE(isRepeated(setup) ? MOST_STEPS : 1, 288);
  record.writeUInt32LE(cells.length, 292);
  cells.forEach(([at, value], i) => {
    record.writeUInt32LE(at, REQUEST_BYTES + i * CELL_BYTES);
    record.writeUInt32LE(value, REQUEST_BYTES + i * CELL_BYTES + 4);
  });
  return record;
}

/** Whether the instruction stays where it is until it has run its count, one trap for each iteration. */
function isRepeated(setup: Setup): boolean {
  const d = decodeInstruction(setup.code, 0, setup.code.length, 0n, setup.bits);
  return (d.rep || d.repne) && !d.invalid && /^(movs|stos|lods|cmps|scas)/.test(mnemonicOf(d.code));
}

function decode(output: Buffer, setups: readonly Setup[]): Outcome[] {
  let at = 0;
  return setups.map((setup) => {
    const trap = output.readUInt32LE(at);
    const gpr = Array.from({ length: 16 }, (_, i) => output.readBigUInt64LE(at + 16 + 8 * i));
    const rip = output.readBigUInt64LE(at + 144);
    const flags = Number(output.readBigUInt64LE(at + 152)) & TESTED_FLAGS;
    const fault =
      trap === DEBUG_TRAP
        ? undefined
        : {
            vector: trap,
            errorCode: output.readUInt32LE(at + 4),
            linear: trap === PAGE_FAULT ? output.readBigUInt64LE(at + 8) : undefined,
          };
    const changes = output.readUInt32LE(at + 164);
    at += REPLY_BYTES;
    const before = new Map(setup.cells);
    setup.code.forEach((byte, i) => before.set(setup.codeAt + i, byte));
    const memory = new Map<number, number>();
    const now = new Map<number, number>();
    for (let i = 0; i < changes; i++, at += CELL_BYTES) now.set(output.readUInt32LE(at), output.readUInt32LE(at + 4));
    for (const address of new Set([...before.keys(), ...now.keys()])) {
      const value = now.get(address) ?? patternByte(address);
      if (value !== (before.get(address) ?? patternByte(address))) memory.set(address, value);
    }
    return { fault, gpr, rip, flags, memory };
  });
}
