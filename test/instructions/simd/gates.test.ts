/** When vector instructions exist, fault and are available (SDM Vol. 2A, "Exceptions and Exception Classes" 2.4). */
import assert from 'node:assert/strict';
import { CR0, CR4 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { GP, MF, NM, UD, XM } from '../../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { EmittedMachine } from './emitted-rig.ts';
import { MEMORY_AT, VectorMachine } from './rig.ts';

const ADDPS = '0f 58 ca'; // addps xmm1, xmm2
const VADDPS = 'c5 f0 58 ca'; // vaddps xmm1, xmm1, xmm2
const PADDB_MM = '0f fc ca'; // paddb mm1, mm2
const PAVGB_MM = '0f e0 ca'; // pavgb mm1, mm2
const clear = (at: number, bits: number) => (m: VectorMachine) => m.state.set32(at, m.state.get32(at) & ~bits);
const set = (at: number, bits: number) => (m: VectorMachine) => m.state.set32(at, m.state.get32(at) | bits);
const pointAt = (address: number) => (m: VectorMachine) => m.state.setGpr(6, BigInt(address));
/** Divide 1 by 0 with ZE not masked. */
const divides = (m: VectorMachine): void => {
  m.setSingle(1, 0, 0x3f80_0000);
  m.state.set32(LAYOUT.mxcsr, 0x1f80 & ~(4 << 7));
};
const both =
  (...steps: ((m: VectorMachine) => void)[]) =>
  (m: VectorMachine): void => {
    for (const step of steps) step(m);
  };

const ROWS: readonly [string, string, (m: VectorMachine) => void, number | 'done'][] = [
  ['SSE with everything on', ADDPS, () => {}, 'done'],
  ['AVX with everything on', VADDPS, () => {}, 'done'],
  ['SSE without CR4.OSFXSR', ADDPS, clear(LAYOUT.cr4, CR4.OSFXSR), UD],
  ['SSE with CR0.EM', ADDPS, set(LAYOUT.cr0, CR0.EM), UD],
  ['SSE with CR0.TS', ADDPS, set(LAYOUT.cr0, CR0.TS), NM],
  ['SSE with CR0.EM and CR0.TS', ADDPS, set(LAYOUT.cr0, CR0.EM | CR0.TS), UD],
  ['AVX without CR4.OSXSAVE', VADDPS, clear(LAYOUT.cr4, CR4.OSXSAVE), UD],
  ['AVX without AVX state in XCR0', VADDPS, clear(LAYOUT.xcr0, 4), UD],
  ['AVX with CR0.EM, which it does not ask', VADDPS, set(LAYOUT.cr0, CR0.EM), 'done'],
  ['AVX without CR4.OSFXSR, which it does not ask', VADDPS, clear(LAYOUT.cr4, CR4.OSFXSR), 'done'],
  ['AVX with CR0.TS', VADDPS, set(LAYOUT.cr0, CR0.TS), NM],
  ['MMX without CR4.OSFXSR, which it does not ask', PADDB_MM, clear(LAYOUT.cr4, CR4.OSFXSR), 'done'],
  ['MMX with CR0.EM', PADDB_MM, set(LAYOUT.cr0, CR0.EM), UD],
  ['SSE on MMX registers with CR0.TS', PAVGB_MM, set(LAYOUT.cr0, CR0.TS), NM],
  ['MMX with a pending x87 exception', PADDB_MM, set(LAYOUT.x87Status, 0x80), MF],
  ['SSE with a pending x87 exception', ADDPS, set(LAYOUT.x87Status, 0x80), 'done'],
  ['unmasked exception', '0f 5e ca', divides, XM],
  ['unmasked exception without CR4.OSXMMEXCPT', '0f 5e ca', both(divides, clear(LAYOUT.cr4, CR4.OSXMMEXCPT)), UD],
  ['ADDPS of memory that is not aligned', '0f 58 0e', pointAt(MEMORY_AT + 8), GP],
  ['VADDPS of memory that is not aligned', 'c5 f0 58 0e', pointAt(MEMORY_AT + 8), 'done'],
  ['MOVAPS to memory that is not aligned', '0f 29 0e', pointAt(MEMORY_AT + 1), GP],
  ['MOVUPS to memory that is not aligned', '0f 11 0e', pointAt(MEMORY_AT + 1), 'done'],
  ['VMOVAPS of 32 bytes aligned to 16', 'c5 fc 28 0e', pointAt(MEMORY_AT + 16), GP],
  ['PCMPISTRI of memory that is not aligned', '66 0f 3a 63 0e 00', pointAt(MEMORY_AT + 1), 'done'],
  ['ADDSS of memory that is not aligned', 'f3 0f 58 0e', pointAt(MEMORY_AT + 1), 'done'],
  ['MOVAPS from an address that is not canonical', '0f 28 0e', (m) => m.state.setGpr(6, 1n << 60n), GP],
  ['LDMXCSR with bit 16', '0f ae 16', (m) => m.write(MEMORY_AT, 0x1_1f80, 4), GP],
];

describe('vector instructions: when they may run', () => {
  const emitted = new EmittedMachine();
  for (const [name, code, prepare, expected] of ROWS)
    it(name, () => {
      for (const machine of [new VectorMachine(), emitted.again()]) {
        prepare(machine);
        const result = machine.run(code);
        assert.equal(result.kind === 'fault' ? result.vector : result.kind, expected, machine.constructor.name);
      }
    });

  it('an unmasked exception leaves the destination and sets its flag', () => {
    const machine = new VectorMachine();
    divides(machine);
    const before = machine.vectors.slice();
    machine.run('0f 5e ca');
    assert.deepEqual(machine.vectors.slice(), before);
    assert.equal(machine.state.get32(LAYOUT.mxcsr) & 0x3f, 5, 'IE of the lanes 0/0 and ZE');
  });

  it('LDMXCSR loads what STMXCSR stores', () => {
    for (const [load, store] of [
      ['0f ae 16', '0f ae 1e'],
      ['c5 f8 ae 16', 'c5 f8 ae 1e'],
    ] as const) {
      const machine = new VectorMachine();
      machine.write(MEMORY_AT, 0xffc5, 4);
      machine.run(load);
      assert.equal(machine.state.get32(LAYOUT.mxcsr), 0xffc5);
      machine.write(MEMORY_AT, 0, 4);
      machine.run(store);
      assert.equal(machine.read(MEMORY_AT, 4), 0xffc5n);
    }
  });

  it('MMX marks every x87 register as used, EMMS as empty', () => {
    for (const machine of [new VectorMachine(), emitted.again()])
      for (const code of [PADDB_MM, '0f 6e c8', '0f 7e c8', '0f 7f 0e', '0f d7 c1']) {
        const writes = code === PADDB_MM || code === '0f 6e c8';
        machine.state.set32(LAYOUT.x87Status, 3 << 11);
        machine.state.set32(LAYOUT.x87Tags, 0);
        machine.state.set32(LAYOUT.x87Registers + 16 + 8, 0);
        machine.run(code);
        if (machine instanceof EmittedMachine) assert.ok(machine.wasEmitted, code);
        assert.deepEqual([machine.state.get32(LAYOUT.x87Tags), machine.state.get32(LAYOUT.x87Status)], [0xff, 0], code);
        assert.equal(machine.state.get32(LAYOUT.x87Registers + 16 + 8) & 0xffff, writes ? 0xffff : 0, code);
        machine.run('0f 77');
        assert.equal(machine.state.get32(LAYOUT.x87Tags), 0);
      }
  });

  it('VZEROUPPER and VZEROALL clear what the mode can name', () => {
    for (const [code, from] of [
      ['c5 f8 77', 16],
      ['c5 fc 77', 0],
    ] as const)
      for (const machine of [new VectorMachine(), emitted.again()]) {
        machine.vectors.fill(0x77);
        machine.run(code);
        if (machine instanceof EmittedMachine) assert.ok(machine.wasEmitted);
        assert.deepEqual(
          [...machine.vectors],
          Array.from({ length: 512 }, (_, i) => ((i & 31) < from ? 0x77 : 0)),
        );
      }
  });
});

describe('approximations', () => {
  const value = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!;
  /** RCPPS and RSQRTPS of special values (SDM Vol. 2B). */
  const SPECIAL: readonly [number, number, number][] = [
    [0x0000_0000, 0x7f80_0000, 0x7f80_0000],
    [0x8000_0000, 0xff80_0000, 0xff80_0000],
    [0x0000_0001, 0x7f80_0000, 0x7f80_0000],
    [0x7f80_0000, 0x0000_0000, 0x0000_0000],
    [0xff80_0000, 0x8000_0000, 0xffc0_0000],
    [0xbf80_0000, 0xbf80_0000, 0xffc0_0000],
    [0x7f80_0001, 0x7fc0_0001, 0x7fc0_0001],
  ];
  for (const [input, reciprocal, root] of SPECIAL)
    it(`of ${input.toString(16)}`, () => {
      const machine = new VectorMachine();
      machine.setSingle(2, 0, input);
      machine.run('f3 0f 53 ca');
      const first = machine.single(1, 0);
      machine.run('f3 0f 52 ca');
      if (input === 0xbf80_0000) assert.ok(Math.abs(value(first) + 1) <= 1.5 * 2 ** -12);
      else assert.equal(first, reciprocal);
      assert.equal(machine.single(1, 0), root);
      assert.equal(machine.state.get32(LAYOUT.mxcsr), 0x1f80);
    });

  it('are within 1.5 * 2^-12 of the true value', function () {
    this.timeout(20_000);
    const machine = new VectorMachine();
    for (let bits = 0x0100_0000; bits < 0x7e00_0000; bits += 0x01_2345) {
      machine.setSingle(2, 0, bits);
      machine.run('f3 0f 53 ca');
      assert.ok(Math.abs(value(machine.single(1, 0)) * value(bits) - 1) <= 1.5 * 2 ** -12, bits.toString(16));
      machine.run('f3 0f 52 ca');
      assert.ok(
        Math.abs(value(machine.single(1, 0)) * Math.sqrt(value(bits)) - 1) <= 1.5 * 2 ** -12,
        bits.toString(16),
      );
    }
  });
});

describe('vector accesses to memory', () => {
  const PAGE_END = MEMORY_AT + 0x1000;
  const AROUND = Array.from({ length: 128 }, (_, i) => PAGE_END - 64 + i);
  const MOVES: readonly [name: string, load: string, store: string, bytes: number][] = [
    ['MOVD', '66 0f 6e 0e', '66 0f 7e 0e', 4],
    ['MOVSD', 'f2 0f 10 0e', 'f2 0f 11 0e', 8],
    ['MOVUPS', '0f 10 0e', '0f 11 0e', 16],
    ['VMOVDQU of 32 bytes', 'c5 fe 6f 0e', 'c5 fe 7f 0e', 32],
  ];
  const emitted = new EmittedMachine();
  for (const [name, load, store, bytes] of MOVES)
    it(`${name} reaches into the next page from everywhere`, () => {
      for (let before = 1; before <= bytes; before++) {
        const machine = emitted.again();
        AROUND.forEach((address, i) => machine.write(address, i + 1, 1));
        machine.state.setGpr(6, BigInt(PAGE_END - before));
        // Both pages into the TLB: what is not there goes to TypeScript.
        for (let at = 0; at < 2; at++) machine.run(load);
        assert.ok(machine.wasEmitted, `load ${before}`);
        const expected = Array.from({ length: bytes }, (_, i) => 65 - before + i);
        assert.deepEqual([...machine.vectors.slice(32, 32 + bytes)], expected);
        machine.vectors.fill(0xee, 32, 64);
        for (let at = 0; at < 2; at++) machine.run(store);
        assert.ok(machine.wasEmitted, `store ${before}`);
        const stored = Array.from({ length: 128 }, (_, i) =>
          i >= 64 - before && i < 64 - before + bytes ? 0xee : i + 1,
        );
        assert.deepEqual(
          AROUND.map((address) => Number(machine.read(address, 1))),
          stored,
        );
      }
    });
});
