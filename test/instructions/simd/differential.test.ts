/** Every vector instruction against the host processor: registers, memory, RFLAGS, MXCSR and faults, bit for bit. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CR4 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { raise, UD } from '../../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { SIMD_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/index.ts';
import { SAVE_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/save.ts';
import { codeByName, codeName } from '../../../debug-adapter/engine/isa/codes.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { TestMachine } from '../../cpu/harness.ts';
import { requireHost } from '../../oracles/host.ts';
import { casesOf, Random, type VectorCase } from './cases.ts';

const MEMORY_AT = 0x20000;
const REQUEST_BYTES = 16 + 544 + 8 + 64 + 64;
const STATE_BYTES = REQUEST_BYTES - 16;
const CASES_OF_FORM = 20;
const ARITHMETIC = 0x8d5;

interface State {
  readonly vectors: Uint8Array;
  readonly mmx: Uint8Array;
  readonly general: readonly bigint[];
  readonly flags: number;
  readonly mxcsr: number;
  readonly trap: number;
  readonly memory: Uint8Array;
}

function encode({ bytes, vectors, mmx, general, mxcsr, memory }: VectorCase): Buffer {
  const record = Buffer.alloc(REQUEST_BYTES, 0x90);
  record.set(bytes, 0);
  record[bytes.length] = 0xc3;
  record.set(vectors, 16);
  general.forEach((value, i) => record.writeBigUInt64LE(value, 528 + 8 * i));
  record.writeBigUInt64LE(0x202n, 552);
  record.writeUInt32LE(mxcsr, 560);
  record.writeUInt32LE(0, 564);
  record.set(memory, 568);
  record.set(mmx, 632);
  return record;
}
function decodeState(record: Buffer): State {
  return {
    vectors: record.subarray(0, 512),
    general: [0, 1, 2].map((i) => record.readBigUInt64LE(512 + 8 * i)),
    flags: Number(record.readBigUInt64LE(536)) & ARITHMETIC,
    mxcsr: record.readUInt32LE(544),
    trap: record.readUInt32LE(548),
    memory: record.subarray(552, 616),
    mmx: record.subarray(616, 680),
  };
}

function runOnHost(program: string, cases: readonly VectorCase[]): State[] {
  const output = execFileSync(program, { input: Buffer.concat(cases.map(encode)), maxBuffer: 1 << 30 });
  assert.equal(output.length, cases.length * STATE_BYTES);
  return cases.map((_, i) => decodeState(output.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES)));
}

const machine = new TestMachine().longMode(3);
machine.state.set64(LAYOUT.cr4, BigInt(CR4.PAE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
machine.state.set64(LAYOUT.xcr0, 7n);
const ourVectors = new Uint8Array(machine.state.words.buffer, machine.state.base + LAYOUT.vectors, 512);
const ourMmx = new Uint8Array(machine.state.words.buffer, machine.state.base + LAYOUT.x87Registers, 128);
const ourMemory = machine.physical.bytes.subarray(
  machine.physical.offsetOf(MEMORY_AT),
  machine.physical.offsetOf(MEMORY_AT) + 64,
);

function runHere({ bytes, vectors, mmx, general, mxcsr, memory }: VectorCase): State {
  const { state, cpu } = machine;
  const instruction = decode(bytes, 0, bytes.length, 0n, 64);
  ourVectors.set(vectors);
  for (let i = 0; i < 8; i++) ourMmx.set(mmx.subarray(8 * i, 8 * i + 8), 16 * i);
  ourMemory.set(memory);
  general.forEach((value, i) => state.setGpr(i, value));
  state.setGpr(6, BigInt(MEMORY_AT));
  state.setGpr(7, BigInt(MEMORY_AT));
  state.set32(LAYOUT.mxcsr, mxcsr);
  state.rflags = 2;
  cpu.beginInstruction(instruction.length);
  const meaning = SIMD_INSTRUCTIONS.get(instruction.code);
  if (meaning === undefined && !instruction.invalid)
    throw new Error(`${hex(bytes)} decodes as ${codeName(instruction.code)}`);
  const result = machine.attempt(() => {
    if (meaning === undefined) raise(UD, undefined, 'no instruction');
    else meaning(cpu, instruction);
  });
  if (result.kind === 'exit' || result.kind === 'stop')
    throw new Error(`${codeName(instruction.code)}: ${result.kind}`);
  return {
    vectors: ourVectors.slice(),
    general: [0, 1, 2].map((i) => state.gpr(i)),
    flags: state.rflags & ARITHMETIC,
    mxcsr: state.get32(LAYOUT.mxcsr),
    trap: result.kind === 'fault' ? result.vector : 0,
    memory: ourMemory.slice(),
    mmx: Uint8Array.from({ length: 64 }, (_, i) => ourMmx[16 * (i >> 3) + (i & 7)]!),
  };
}

/** State, not lanes: `save.test.ts`. */
const NOT_LANES: ReadonlySet<number> = new Set(Object.keys(SAVE_INSTRUCTIONS).map((name) => codeByName(name)!));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Forms in which a host of another make rightly differs; they are judged by `gates.test.ts`. */
const VENDOR_CHOICES: readonly { readonly forms: RegExp; readonly reason: string }[] = [
  {
    forms: /^(VEX_V)?R(sqrt|cp)[ps]s_/i,
    reason:
      'The value of an approximation within its error bound is the maker\'s choice (SDM Vol. 2B, "RCPPS", "RSQRTPS").',
  },
  {
    forms: /^(VEX_V)?Ldmxcsr_/i,
    reason: 'MXCSR bit 17 exists on processors of AMD and is reserved on those of Intel.',
  },
];
const isVendorChoice = (name: string): boolean => VENDOR_CHOICES.some(({ forms }) => forms.test(name));

function differences(one: VectorCase, ours: State, hosts: State): string[] {
  const found: string[] = [];
  const compare = (what: string, a: string | number | bigint, b: typeof a): void => {
    if (a !== b) found.push(`${what}: ${a.toString(16)}, should be ${b.toString(16)}`);
  };
  compare('fault', ours.trap, hosts.trap);
  compare('mxcsr', ours.mxcsr, hosts.mxcsr);
  compare('flags', ours.flags, hosts.flags);
  ours.general.forEach((value, i) => compare(['rax', 'rcx', 'rdx'][i]!, value, hosts.general[i]!));
  for (let i = 0; i < 16; i++) {
    const at = 32 * i;
    compare(`ymm${i}`, hex(ours.vectors.subarray(at, at + 32)), hex(hosts.vectors.subarray(at, at + 32)));
  }
  compare('mmx', hex(ours.mmx), hex(hosts.mmx));
  compare('memory', hex(ours.memory), hex(hosts.memory));
  if (found.length > 0) {
    const used = [0, 1, 2, 5, 9, 14].map((i) => `ymm${i}=${hex(one.vectors.subarray(32 * i, 32 * i + 32))}`);
    found.push(`mxcsr before ${one.mxcsr.toString(16)}, memory ${hex(one.memory)}, mmx ${hex(one.mmx)}`, ...used);
  }
  return found;
}

describe('vector instructions against the host processor', function () {
  this.timeout(60_000);
  requireHost();

  it('agree in every register, MXCSR, RFLAGS and memory', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hyperstep-vectors-'));
    try {
      const program = join(folder, 'vectors');
      const source = fileURLToPath(new URL('../../oracles/host/vectors.c', import.meta.url));
      execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-o', program, source]);
      const random = new Random(20);
      const cases = [...SIMD_INSTRUCTIONS.keys()]
        .filter((code) => !NOT_LANES.has(code) && !isVendorChoice(codeName(code)))
        .flatMap((code) => casesOf(code, CASES_OF_FORM, random));
      const hosts = runOnHost(program, cases);
      const wrong = new Map<string, string>();
      let failures = 0;
      cases.forEach((one, i) => {
        const found = differences(one, runHere(one), hosts[i]!);
        if (found.length === 0) return;
        failures++;
        const name = codeName(one.code);
        if (!wrong.has(name)) wrong.set(name, `${name} ${hex(one.bytes)}\n    ${found.join('\n    ')}`);
      });
      if (failures > 0)
        assert.fail(
          `${failures} of ${cases.length} cases differ, in ${wrong.size} forms:\n${[...wrong.values()].slice(0, 60).join('\n')}`,
        );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
