/**
 * Emitted x87 instructions against their TypeScript implementations and the host processor: operands for which emitted code
 * computes itself, at the borders of its roundings and carries, in every rounding mode and precision. X87_CASES multiplies the cases.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { CR0 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { X87_ROWS } from '../../../debug-adapter/engine/instructions/x87/emitted/index.ts';
import { decode } from '../../../debug-adapter/engine/isa/decode.ts';
import { codeName } from '../../../debug-adapter/engine/isa/codes.ts';
import { requireHost } from '../../oracles/host.ts';
import { borderValues } from './borders.ts';
import { Random, randomCase } from './cases.ts';
import { EmittedMachine } from './emitted.ts';
import { describeCase, difference, runOnHost, type Case } from './host.ts';

const TIMES = Number(process.env['X87_CASES'] ?? '1');
const ALL_MASKED = 0x3f;
const PRECISIONS = [0, 2, 3];
const ONE = (16383n << 64n) | (1n << 63n);
const INVALID = 1;
const NM = 7;
const MF = 16;

/** What computes, and how often it is tried. */
const COMPUTING: readonly (readonly [cases: number, codes: readonly string[]])[] = [
  [600, ['d8 c1', 'd8 e1', 'd8 e9', 'd8 c9', 'd8 f1', 'd8 f9', 'd9 fa']],
  [60, ['d8 06', 'dc 06', 'da 06', 'de 06', 'd8 0e', 'dc 0e', 'da 0e', 'de 0e', 'd8 26', 'dc 26', 'da 26', 'de 26']],
  [60, ['d8 2e', 'dc 2e', 'da 2e', 'de 2e', 'd8 36', 'dc 36', 'da 36', 'de 36', 'd8 3e', 'dc 3e', 'da 3e', 'de 3e']],
  [40, ['dc c2', 'dc ca', 'dc e2', 'dc ea', 'dc f2', 'dc fa', 'de c2', 'de ca', 'de e2', 'de ea', 'de f2', 'de fa']],
  [200, ['d9 16', 'dd 16', 'd9 1e', 'dd 1e', 'df 16', 'db 16', 'df 1e', 'db 1e', 'df 3e', 'df 0e', 'db 0e', 'dd 0e']],
];
/** What moves and compares. */
const OTHERS = [
  ...[
    'd9 06',
    'dd 06',
    'db 2e',
    'd9 c2',
    'df 06',
    'db 06',
    'df 2e',
    'db 3e',
    'dd d2',
    'dd da',
    'dd d8',
    'df d1',
    'df d9',
  ],
  ...['d9 e8', 'd9 e9', 'd9 ea', 'd9 eb', 'd9 ec', 'd9 ed', 'd9 ee', 'd9 c9', 'dd c9', 'df c9', 'd9 e1', 'd9 e0'],
  ...['da c1', 'da c9', 'da d1', 'da d9', 'db c1', 'db c9', 'db d1', 'db d9', 'd9 2e', 'd9 3e', 'dd 3e', 'df e0'],
  ...['db e2', 'dd c1', 'd9 f7', 'd9 f6', 'd9 d0', '9b', 'd8 16', 'd8 1e', 'dc 16', 'dc 1e', 'de 16', 'de 1e', 'da 16'],
  ...['da 1e', 'd8 d1', 'dc d1', 'd8 d9', 'dc d9', 'de d1', 'de d9', 'dd e1', 'dd e9', 'da e9', 'db f1', 'df f1'],
  ...['db e9', 'df e9', 'd9 e4'],
];

/** Mostly all exceptions masked, nothing pending, ST(0) to ST(6) filled. */
function borderCase(random: Random, code: string, value: (random: Random) => bigint): Case {
  const test = randomCase(random, code, value);
  if (random.below(10) === 0) return test;
  const control = 0x40 | ALL_MASKED | (random.pick(PRECISIONS) << 8) | (random.below(4) << 10);
  const top = (test.status >> 11) & 7;
  return { ...test, control, status: test.status & ~0xff, tags: 3 << (2 * ((top + 7) & 7)) };
}
function casesOf(codes: readonly string[], count: number): Case[] {
  const random = new Random(387);
  const value = borderValues();
  return codes.flatMap((code) => Array.from({ length: count * TIMES }, () => borderCase(random, code, value)));
}
const bytesOf = (code: string): Uint8Array => Uint8Array.from(Buffer.from(code.replaceAll(' ', ''), 'hex'));

function compareWithTypeScript(machine: EmittedMachine, cases: readonly Case[], bits: 32 | 64): void {
  for (const test of cases) {
    const [emitted, defined] = [machine.emitted(test, bits), machine.defined(test, bits)];
    if (!isDeepStrictEqual(emitted, defined)) assert.deepEqual(emitted, defined, describeCase(test));
  }
}

describe('emitted x87 instructions', () => {
  it('are all tried', () => {
    const tried = new Set(
      [...COMPUTING.flatMap(([, codes]) => codes), ...OTHERS].map((code) => {
        const bytes = bytesOf(code);
        return codeName(decode(bytes, 0, bytes.length, 0n, 64).code);
      }),
    );
    const missing = X87_ROWS.flatMap(({ codes }) => codes).filter((code) => !tried.has(code));
    assert.deepEqual(missing, []);
  });

  it('do exactly what their TypeScript implementations do, and do most of it themselves', function () {
    this.timeout(60_000 * TIMES);
    const machine = new EmittedMachine();
    let count = 0;
    for (const [number, codes] of [...COMPUTING, [30, OTHERS] as const]) {
      const cases = casesOf(codes, number);
      count += cases.length;
      compareWithTypeScript(machine, cases, 64);
    }
    const share = machine.handedOver / count;
    assert.ok(share < 0.25, `${(100 * share).toFixed(1)} % of ${count} were handed over`);
  });

  it('look at CR0 and at what is pending', () => {
    const machine = new EmittedMachine();
    const quiet = borderCase(new Random(1), '9b', () => ONE);
    const pending = { ...quiet, control: 0x37e, status: quiet.status | INVALID };
    const controls = ['df e0', 'dd 3e', 'd9 3e', 'db e2'];
    for (const code of [...COMPUTING.flatMap(([, codes]) => codes), ...OTHERS]) {
      const waits = code === '9b';
      for (const bit of [CR0.EM, CR0.TS])
        assert.equal(machine.fault({ ...quiet, code }, bit), waits ? undefined : NM, `${code} with CR0 ${bit}`);
      if (waits) assert.equal(machine.fault({ ...quiet, code }, CR0.MP | CR0.TS), NM);
      const expected = controls.includes(code) ? undefined : MF;
      assert.equal(machine.fault({ ...pending, code }, CR0.NE), expected, `${code} with an exception pending`);
    }
  });

  it('do so in 32-bit code', function () {
    this.timeout(60_000 * TIMES);
    const machine = new EmittedMachine();
    for (const [, codes] of [...COMPUTING, [10, OTHERS] as const])
      compareWithTypeScript(machine, casesOf(codes, 8), 32);
  });
});

describe('emitted x87 arithmetic against the host processor', () => {
  requireHost();
  it('rounds every result alike', function () {
    this.timeout(60_000 * TIMES);
    const cases = COMPUTING.flatMap(([number, codes]) => casesOf(codes, number));
    const hosts = runOnHost(cases);
    const machine = new EmittedMachine();
    cases.forEach((test, index) => {
      const found = difference(hosts[index]!, machine.after(test));
      assert.equal(found, undefined, describeCase(test));
    });
  });
});
