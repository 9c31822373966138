/** FXSAVE, the XSAVE family and XCR0 (SDM Vol. 1, chapter 13). */
import assert from 'node:assert/strict';
import { ALL_FEATURES } from '../../../debug-adapter/engine/cpu/features.ts';
import { cpuid } from '../../../debug-adapter/engine/cpu/cpuid.ts';
import { CR0, CR4 } from '../../../debug-adapter/engine/cpu/control-bits.ts';
import { GP, NM, UD } from '../../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../../debug-adapter/engine/cpu/layout.ts';
import { MEMORY_AT, VectorMachine } from './rig.ts';

const [FXSAVE, FXRSTOR, FXSAVE64] = ['0f ae 06', '0f ae 0e', '48 0f ae 06'];
const [XSAVE, XRSTOR, XSAVEOPT, XSAVEC] = ['0f ae 26', '0f ae 2e', '0f ae 36', '0f c7 26'];
const [XGETBV, XSETBV] = ['0f 01 d0', '0f 01 d1'];
const HEADER = MEMORY_AT + 512;

function filled(): VectorMachine {
  const machine = new VectorMachine();
  const { state } = machine;
  for (let i = 0; i < 512; i++) machine.vectors[i] = (i * 7 + 1) & 0xff;
  state.set32(LAYOUT.mxcsr, 0x9fc5);
  state.set32(LAYOUT.x87Control, 0x27f);
  state.set32(LAYOUT.x87Status, 5 << 11);
  state.set32(LAYOUT.x87Tags, 0xa5);
  state.set32(LAYOUT.x87Opcode, 0x123);
  state.set64(LAYOUT.x87InstructionPointer, 0x1234_5678_9abcn);
  state.set64(LAYOUT.x87DataPointer, 0x2222_3333n);
  for (let i = 0; i < 8; i++) {
    state.set64(LAYOUT.x87Registers + 16 * i, 0x8000_0000_0000_0000n + BigInt(i));
    state.set32(LAYOUT.x87Registers + 16 * i + 8, 0x3fff + i);
  }
  return machine;
}
const ask = (machine: VectorMachine, components: number): void => {
  machine.state.setGpr(0, BigInt(components));
  machine.state.setGpr(2, 0n);
};
/** Everything that the instructions keep. */
const kept = (machine: VectorMachine): number[] => [
  ...machine.vectors,
  ...machine.state.words.subarray(LAYOUT.x87Registers >> 2, (LAYOUT.x87DataSelector >> 2) + 1),
  machine.state.get32(LAYOUT.mxcsr),
];
const forget = (machine: VectorMachine): void => {
  machine.vectors.fill(0x11);
  machine.state.words.fill(0, LAYOUT.x87Registers >> 2, (LAYOUT.x87DataSelector >> 2) + 1);
  machine.state.set32(LAYOUT.mxcsr, 0x1f80);
};
const vectorOf = (result: ReturnType<VectorMachine['run']>) => (result.kind === 'fault' ? result.vector : result.kind);

describe('FXSAVE and FXRSTOR', () => {
  it('put every field at its place', () => {
    const machine = filled();
    machine.run(FXSAVE64);
    const read = (at: number, bytes: 1 | 2 | 4 | 8): bigint => machine.read(MEMORY_AT + at, bytes);
    assert.deepEqual([read(0, 2), read(2, 2), read(4, 1), read(6, 2)], [0x27fn, 0x2800n, 0xa5n, 0x123n]);
    assert.deepEqual([read(8, 8), read(16, 8)], [0x1234_5678_9abcn, 0x2222_3333n]);
    assert.deepEqual([read(24, 4), read(28, 4)], [0x9fc5n, 0xffffn]);
    assert.deepEqual([read(32, 8), read(40, 2)], [0x8000_0000_0000_0005n, 0x4004n], 'ST0 is R5');
    assert.equal(read(160 + 16 * 15, 1), BigInt(machine.vectors[480]!));
  });
  it('bring back what they stored', () => {
    const machine = filled();
    const before = kept(machine);
    machine.run(FXSAVE64);
    machine.vectors.fill(0, 0, 16);
    machine.state.set32(LAYOUT.mxcsr, 0x1f80);
    machine.state.words.fill(0, LAYOUT.x87Registers >> 2, (LAYOUT.x87DataSelector >> 2) + 1);
    machine.run('48 0f ae 0e');
    assert.deepEqual(kept(machine), before);
  });
  it('refuse addresses, reserved MXCSR bits and CR0.TS', () => {
    const machine = filled();
    machine.state.setGpr(6, BigInt(MEMORY_AT + 8));
    assert.equal(vectorOf(machine.run(FXSAVE)), GP);
    machine.state.setGpr(6, BigInt(MEMORY_AT));
    machine.write(MEMORY_AT + 24, 0x1_0000, 4);
    assert.equal(vectorOf(machine.run(FXRSTOR)), GP);
    machine.state.set32(LAYOUT.cr0, machine.state.get32(LAYOUT.cr0) | CR0.TS);
    assert.equal(vectorOf(machine.run(FXSAVE)), NM);
  });
});

describe('the XSAVE family', () => {
  for (const [name, code] of [
    ['XSAVE', XSAVE],
    ['XSAVEOPT', XSAVEOPT],
    ['XSAVEC', XSAVEC],
  ] as const)
    it(`${name} keeps all components, XRSTOR brings them back`, () => {
      const machine = filled();
      machine.state.set64(LAYOUT.x87InstructionPointer, 0x1234n);
      const before = kept(machine);
      ask(machine, -1 >>> 0);
      assert.equal(vectorOf(machine.run(code)), 'done');
      assert.equal(machine.read(HEADER), 7n);
      assert.equal(machine.read(HEADER + 8), name === 'XSAVEC' ? (1n << 63n) | 7n : 0n);
      assert.equal(machine.read(MEMORY_AT + 576, 1), BigInt(machine.vectors[16]!));
      forget(machine);
      assert.equal(vectorOf(machine.run(XRSTOR)), 'done');
      assert.deepEqual(kept(machine), before);
    });

  it('touch only what EDX:EAX and XCR0 name', () => {
    const machine = filled();
    machine.write(HEADER, 3);
    ask(machine, 4);
    machine.run(XSAVE);
    assert.deepEqual([machine.read(MEMORY_AT, 8), machine.read(MEMORY_AT + 160), machine.read(HEADER)], [0n, 0n, 7n]);
    assert.equal(machine.read(MEMORY_AT + 24, 4), 0x9fc5n, 'MXCSR goes with AVX too');
  });
  it('XSAVEOPT and XSAVEC leave components alone that are in their initial state', () => {
    for (const code of [XSAVEOPT, XSAVEC]) {
      const machine = filled();
      for (let i = 0; i < 16; i++) machine.vectors.fill(0, 32 * i + 16, 32 * i + 32);
      machine.write(MEMORY_AT + 576, 0x55n);
      ask(machine, 7);
      machine.run(code);
      assert.deepEqual([machine.read(HEADER), machine.read(MEMORY_AT + 576)], [3n, 0x55n]);
    }
  });
  it('XRSTOR initializes what the header says is not there', () => {
    const machine = filled();
    ask(machine, 7);
    machine.write(MEMORY_AT + 24, 0x1f80, 4);
    assert.equal(vectorOf(machine.run(XRSTOR)), 'done');
    assert.ok(machine.vectors.every((byte) => byte === 0));
    assert.deepEqual([machine.state.get32(LAYOUT.x87Control), machine.state.get32(LAYOUT.x87Tags)], [0x37f, 0]);
  });

  const BAD_HEADERS: readonly [string, number, bigint][] = [
    ['XSTATE_BV with a component that XCR0 has not', 0, 8n],
    ['reserved bytes', 16, 1n],
    ['XCOMP_BV without bit 63', 8, 7n],
    ['XCOMP_BV with a component that XCR0 has not', 8, (1n << 63n) | 8n],
    ['reserved bytes of the compacted format', 24, 1n],
  ];
  for (const [name, at, value] of BAD_HEADERS)
    it(`XRSTOR refuses a header: ${name}`, () => {
      const machine = filled();
      ask(machine, 7);
      if (at === 24) machine.write(HEADER + 8, (1n << 63n) | 7n);
      machine.write(HEADER + at, value);
      assert.equal(vectorOf(machine.run(XRSTOR)), GP);
    });

  it('need CR4.OSXSAVE, availability and 64-byte alignment', () => {
    const machine = filled();
    ask(machine, 7);
    machine.state.setGpr(6, BigInt(MEMORY_AT + 16));
    assert.equal(vectorOf(machine.run(XSAVE)), GP);
    machine.state.set32(LAYOUT.cr0, machine.state.get32(LAYOUT.cr0) | CR0.TS);
    assert.equal(vectorOf(machine.run(XSAVE)), NM);
    machine.state.set32(LAYOUT.cr4, machine.state.get32(LAYOUT.cr4) & ~CR4.OSXSAVE);
    for (const code of [XSAVE, XRSTOR, XGETBV, XSETBV]) assert.equal(vectorOf(machine.run(code)), UD);
  });
});

describe('XCR0', () => {
  const ROWS: readonly [number, number, number, 'done' | number][] = [
    [0, 7, 0, 'done'],
    [0, 3, 0, 'done'],
    [0, 1, 0, 'done'],
    [0, 5, 0, GP],
    [0, 6, 0, GP],
    [0, 15, 0, GP],
    [1, 7, 0, GP],
    [0, 7, 3, GP],
  ];
  for (const [index, value, cpl, expected] of ROWS)
    it(`XSETBV of ${value} to XCR${index} at CPL ${cpl}`, () => {
      const machine = new VectorMachine(cpl as 0 | 3);
      machine.state.set64(LAYOUT.xcr0, 1n);
      machine.state.setGpr(1, BigInt(index));
      ask(machine, value);
      assert.equal(vectorOf(machine.run(XSETBV)), expected);
      assert.equal(machine.state.get64(LAYOUT.xcr0), expected === 'done' ? BigInt(value) : 1n);
    });
  it('XGETBV gives XCR0, and what of it is in use', () => {
    const machine = filled();
    machine.vectors.fill(0);
    machine.state.setGpr(1, 0n);
    machine.run(XGETBV);
    assert.equal(machine.state.gpr(0), 7n);
    machine.state.setGpr(1, 1n);
    machine.run(XGETBV);
    assert.equal(machine.state.gpr(0), 1n);
    machine.state.setGpr(1, 2n);
    assert.equal(vectorOf(machine.run(XGETBV)), GP);
  });
  it('CPUID leaf 0Dh gives components, their places and sizes', () => {
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 0, 3), { eax: 0x207, ebx: 576, ecx: 2696, edx: 0 });
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 0, 7), { eax: 0x207, ebx: 832, ecx: 2696, edx: 0 });
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 0, 0x207), { eax: 0x207, ebx: 2696, ecx: 2696, edx: 0 });
    assert.equal(cpuid(ALL_FEATURES, 0xd, 1, 0x207).ebx, 840, 'the compacted format');
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 2), { eax: 256, ebx: 576, ecx: 0, edx: 0 });
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 9), { eax: 8, ebx: 2688, ecx: 0, edx: 0 });
    assert.deepEqual(cpuid(ALL_FEATURES, 0xd, 3), { eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });
});
