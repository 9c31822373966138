/** Every vector instruction against the host processor: registers, memory, RFLAGS, MXCSR and faults, bit for bit. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { EMITTED_VECTORS, SIMD_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/index.ts';
import { SAVE_INSTRUCTIONS } from '../../../debug-adapter/engine/instructions/simd/save.ts';
import { codeByName, codeName } from '../../../debug-adapter/engine/isa/codes.ts';
import { judgedByHost } from '../../oracles/host-features.ts';
import { requireHost } from '../../oracles/host.ts';
import { casesOf, Random, type VectorCase } from './cases.ts';
import { EmittedMachine } from './emitted-rig.ts';
import { MEMORY_AT, VectorMachine } from './rig.ts';

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

/** Executes a case on a machine of ours. */
function runHere(machine: VectorMachine, { bytes, vectors, mmx, general, mxcsr, memory }: VectorCase): State {
  const { state, physical } = machine;
  const ourMmx = new Uint8Array(state.words.buffer, state.base + LAYOUT.x87Registers, 128);
  const ourMemory = physical.bytes.subarray(physical.offsetOf(MEMORY_AT), physical.offsetOf(MEMORY_AT) + 64);
  machine.vectors.set(vectors);
  for (let i = 0; i < 8; i++) ourMmx.set(mmx.subarray(8 * i, 8 * i + 8), 16 * i);
  ourMemory.set(memory);
  general.forEach((value, i) => state.setGpr(i, value));
  state.setGpr(6, BigInt(MEMORY_AT));
  state.setGpr(7, BigInt(MEMORY_AT));
  state.set32(LAYOUT.mxcsr, mxcsr);
  state.rflags = 2;
  const result = machine.runBytes(bytes);
  if (result.kind === 'exit' || result.kind === 'stop') throw new Error(`${hex(bytes)}: ${result.kind}`);
  return {
    vectors: machine.vectors.slice(),
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
  requireHost({ avx: true });

  const random = new Random(20);
  const cases = judgedByHost([...SIMD_INSTRUCTIONS.keys()], (code) => code)
    .filter((code) => !NOT_LANES.has(code) && !isVendorChoice(codeName(code)))
    .flatMap((code) => [
      ...casesOf(code, CASES_OF_FORM, random, 'anything'),
      ...(EMITTED_VECTORS.get(code)?.traits.float ? casesOf(code, CASES_OF_FORM, random, 'ordinary') : []),
    ]);
  let hosts: readonly State[];
  before(() => {
    const folder = mkdtempSync(join(tmpdir(), 'hyperstep-vectors-'));
    try {
      const program = join(folder, 'vectors');
      const source = fileURLToPath(new URL('../../oracles/host/vectors.c', import.meta.url));
      execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-o', program, source]);
      hosts = runOnHost(program, cases);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  /** Runs every case and fails with the first difference of each form. */
  function compareAll(run: (one: VectorCase) => State): void {
    const wrong = new Map<string, string>();
    let failures = 0;
    cases.forEach((one, i) => {
      const found = differences(one, run(one), hosts[i]!);
      if (found.length === 0) return;
      failures++;
      const name = codeName(one.code);
      if (!wrong.has(name)) wrong.set(name, `${name} ${hex(one.bytes)}\n    ${found.join('\n    ')}`);
    });
    if (failures > 0)
      assert.fail(
        `${failures} of ${cases.length} cases differ, in ${wrong.size} forms:\n${[...wrong.values()].slice(0, 60).join('\n')}`,
      );
  }

  it('agree in every register, MXCSR, RFLAGS and memory', () => {
    const machine = new VectorMachine(3);
    compareAll((one) => runHere(machine, one));
  });

  it("whose result is the maker's choice agree with their TypeScript meaning where they are emitted", () => {
    const [plain, emitting] = [new VectorMachine(3), new EmittedMachine(3)];
    const emitted = new Set<string>();
    const approximations = [...EMITTED_VECTORS.keys()].filter((code) => isVendorChoice(codeName(code)));
    assert.equal(approximations.length, 10);
    for (const one of approximations.flatMap((code) => casesOf(code, 40, random, 'ordinary'))) {
      // Roots are of positive numbers only; some others stay.
      for (const values of [one.vectors, one.memory])
        if (one.general[0] % 4n !== 0n) for (let at = 3; at < values.length; at += 4) values[at]! &= 0x7f;
      const expected = runHere(plain, one);
      assert.deepEqual(runHere(emitting, one), expected, codeName(one.code));
      if (emitting.wasEmitted) emitted.add(`${one.code} ${one.shape}`);
    }
    assert.equal(emitted.size, 20);
  });

  it('agree where they are emitted, and are: each in registers and in memory', () => {
    let machine = new EmittedMachine(3);
    const emitted = new Set<string>();
    const shapeOf = ({ code, shape }: VectorCase): string => `${codeName(code)} ${shape}`;
    compareAll((one) => {
      // Each immediate takes a place of the table.
      if (machine.isFull) machine = new EmittedMachine(3);
      const state = runHere(machine, one);
      if (machine.wasEmitted) emitted.add(shapeOf(one));
      return state;
    });
    const expected = new Set(cases.filter(({ code }) => EMITTED_VECTORS.has(code)).map(shapeOf));
    assert.deepEqual(
      [...expected].filter((shape) => !emitted.has(shape)),
      [],
    );
  });
});
