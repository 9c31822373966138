import assert from 'node:assert/strict';
import { cpuid } from '../../debug-adapter/engine/cpu/cpuid.ts';
import { CR4 } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { ALL_FEATURES } from '../../debug-adapter/engine/cpu/features.ts';
import { GP } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { MSRS } from '../../debug-adapter/engine/cpu/msrs.ts';
import { TestMachine } from './harness.ts';

type Expected = 'ok' | 'fault' | 'stop';
const LME_ONLY = 0x901n;
/** index, value, result of WRMSR */
const WRITES: readonly [number, bigint, Expected][] = [
  [0x10, 0x1234n, 'ok'],
  [0x17, 0n, 'fault'],
  [0x1b, 0xfee0_0100n, 'ok'],
  [0x1b, 0xfee0_0d00n, 'fault'], // x2APIC
  [0x3a, 5n, 'ok'],
  [0x3a, 0x100n, 'fault'],
  [0x174, 8n, 'ok'],
  [0x176, 0x8000_0000_0000n, 'fault'],
  [0x1a0, 1n, 'ok'],
  [0x1a0, 1n << 22n, 'ok'],
  [0x1a0, 1n << 34n, 'stop'],
  [0x1d9, 0n, 'ok'],
  [0x1d9, 0x43n, 'ok'],
  [0x1d9, 1n << 7n, 'fault'],
  [0x1c8, 0x1ffn, 'ok'],
  [0x1c8, 0x200n, 'fault'],
  [0x1c9, 16n, 'fault'],
  [0x345, 0n, 'fault'],
  [0xda0, 0n, 'ok'],
  [0xda0, 1n, 'fault'],
  [0x1d9, 1n << 20n, 'fault'],
  [0x200, 0x1006n, 'ok'],
  [0x200, 0x1002n, 'fault'],
  [0x201, 0x800n | (0xffn << 32n), 'ok'],
  [0x201, 1n << 40n, 'fault'],
  [0x250, 0x0606_0606_0606_0606n, 'ok'],
  [0x250, 0x0606_0606_0606_0602n, 'fault'],
  [0x277, 0x0007_0406_0007_0406n, 'ok'],
  [0x277, 0x0200_0000_0000_0000n, 'fault'],
  [0x2ff, 0xc06n, 'ok'],
  [0x2ff, 0x1000n, 'fault'],
  [0x480, 0n, 'fault'],
  [0xc000_0080, LME_ONLY, 'fault'], // paging is on, and LME was clear
  [0xc000_0080, 0xd01n, 'ok'],
  [0xc000_0080, 0x1d01n, 'fault'],
  [0xc000_0082, 0xffff_8000_0000_0000n, 'ok'],
  [0xc000_0082, 0x8000_0000_0000n, 'fault'],
  [0xc000_0084, 1n << 32n, 'fault'],
  [0xc000_0100, 0x1234n, 'ok'],
  [0xc000_0103, 7n, 'ok'],
  [0x12345, 0n, 'stop'],
];

function access(
  machine: TestMachine,
  bytes: '0f 30' | '0f 32',
  index: number,
  value = 0n,
): ReturnType<TestMachine['execute']> {
  machine.state.setGpr(1, BigInt(index));
  machine.state.setGpr(0, value & 0xffff_ffffn);
  machine.state.setGpr(2, value >> 32n);
  return machine.execute(bytes);
}
const edxEax = (machine: TestMachine): bigint => (machine.state.gpr(2) << 32n) | machine.state.gpr(0);

describe('MSRs', () => {
  for (const [index, value, expected] of WRITES)
    it(`WRMSR ${index.toString(16)}h = ${value.toString(16)}h: ${expected}`, () => {
      const machine = new TestMachine().longMode();
      if (index === 0xc000_0080 && value === LME_ONLY) machine.state.set64(LAYOUT.efer, 0xc01n);
      const result = access(machine, '0f 30', index, value);
      assert.equal(result.kind, expected === 'ok' ? 'done' : expected);
      if (result.kind === 'fault') assert.deepEqual([result.vector, result.error], [GP, 0]);
      if (expected === 'ok' && index !== 0x10) {
        access(machine, '0f 32', index);
        assert.equal(edxEax(machine), value);
      }
    });

  it('the feature-control MSR locks', () => {
    const machine = new TestMachine().longMode();
    assert.equal(access(machine, '0f 30', 0x3a, 5n).kind, 'done');
    assert.equal(access(machine, '0f 30', 0x3a, 5n).kind, 'fault');
  });

  it('an MSR that is not built stops by its index, a missing VMX capability faults', () => {
    const machine = new TestMachine().longMode();
    assert.deepEqual(access(machine, '0f 32', 0x1234), { kind: 'stop', what: 'RDMSR of MSR 1234h' });
    assert.equal(access(machine, '0f 32', 0x491).kind, 'fault');
    assert.equal(access(machine, '0f 32', 0x488).kind, 'done');
    assert.equal(edxEax(machine), 0x2000n);
  });

  it('the TSC counts instructions and follows writes; VMX non-root operation sees it offset', () => {
    const machine = new TestMachine().longMode();
    machine.execute('0f 31');
    assert.equal(edxEax(machine), 200n);
    access(machine, '0f 30', 0x10, 5000n);
    machine.retired += 9;
    machine.execute('0f 31');
    assert.equal(edxEax(machine), 5020n);
    assert.equal(machine.state.get64(LAYOUT.tscAdjust), 5000n - 202n);
    machine.state.set32(LAYOUT.vmxMode, 2);
    machine.execute('0f 31');
    assert.equal(edxEax(machine), 6022n);
    access(machine, '0f 32', 0x10);
    assert.equal(edxEax(machine), 6024n);
  });

  it('every MSR reads as its reset value after power-on', () => {
    const machine = new TestMachine();
    for (const [index, row] of MSRS) {
      if (row.reset === undefined) continue;
      assert.equal(machine.cpu.readMsr(index), row.reset, row.name);
    }
  });

  it('FS and GS base MSRs are the segment bases; SWAPGS swaps', () => {
    const machine = new TestMachine().longMode();
    access(machine, '0f 30', 0xc000_0101, 0x1111n);
    access(machine, '0f 30', 0xc000_0102, 0x2222n);
    machine.execute('0f 01 f8');
    assert.equal(machine.state.segmentBase('GS'), 0x2222n);
    access(machine, '0f 32', 0xc000_0102);
    assert.equal(edxEax(machine), 0x1111n);
  });
});

describe('CPUID', () => {
  it('says GenuineIntel, VMX, long mode, the widths and the brand', () => {
    const machine = new TestMachine();
    const ask = (leaf: number, subleaf = 0): number[] => {
      machine.state.setGpr(0, BigInt(leaf));
      machine.state.setGpr(1, BigInt(subleaf));
      machine.execute('0f a2');
      return [0, 3, 1, 2].map((register) => machine.state.gpr32(register));
    };
    const text = (words: number[]) => Buffer.from(Uint32Array.from(words).buffer).toString('latin1');
    const [, b, c, d] = ask(0);
    assert.equal(text([b!, d!, c!]), 'GenuineIntel');
    assert.equal((ask(1)[2]! >> 5) & 1, 1);
    assert.equal((ask(0x8000_0001)[3]! >> 29) & 1, 1);
    assert.equal(ask(0x8000_0008)[0], 0x3028);
    const brand = [0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf) => ask(leaf));
    assert.equal(text(brand).replaceAll('\0', ''), 'Hyperstep simulated processor');
    assert.deepEqual(
      cpuid(ALL_FEATURES, 0x1234, 0),
      cpuid(ALL_FEATURES, 0xd, 0),
      'beyond the range: the highest basic leaf',
    );
  });

  it('ends at leaf 2 while IA32_MISC_ENABLE limits it', () => {
    const machine = new TestMachine().longMode();
    machine.state.set32(LAYOUT.cr4, machine.state.get32(LAYOUT.cr4) | CR4.PKE);
    const ask = (leaf: number): number[] => {
      machine.state.setGpr(0, BigInt(leaf));
      machine.state.setGpr(1, 0n);
      machine.execute('0f a2');
      return [0, 3, 1, 2].map((register) => machine.state.gpr32(register));
    };
    const unlimited = [0, 1, 2, 0x8000_0001].map(ask);
    assert.equal(unlimited[0]![0], 0xd);
    assert.notDeepEqual(ask(7), unlimited[2]);
    access(machine, '0f 30', 0x1a0, (1n << 22n) | 1n);
    assert.deepEqual(ask(0), [2, ...unlimited[0]!.slice(1)]);
    assert.deepEqual([1, 2, 0x8000_0001].map(ask), unlimited.slice(1));
    for (const leaf of [3, 7, 0xb, 0xd, 0x1234, 0x8000_0009]) assert.deepEqual(ask(leaf), unlimited[2]);
    access(machine, '0f 30', 0x1a0, 1n);
    assert.deepEqual([0, 1, 2, 0x8000_0001].map(ask), unlimited);
  });
});
