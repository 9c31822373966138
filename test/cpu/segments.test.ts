import assert from 'node:assert/strict';
import { GP, NP, SS_FAULT, UD } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { descriptor, GDT, SEL, TestMachine } from './harness.ts';

const DATA = 0x93;
type Expected = 'ok' | readonly [vector: number, error: number];

/** name, descriptor at SEL.free, CPL, selector bits (RPL and TI), segment register, result */
const LOADS: readonly [string, bigint, 0 | 3, number, 'DS' | 'SS', Expected][] = [
  ['data', descriptor(0, 0xffff, DATA, 0), 0, 0, 'DS', 'ok'],
  ['data with RPL 3 and DPL 0', descriptor(0, 0xffff, DATA, 0), 0, 3, 'DS', [GP, 0x48]],
  ['data of DPL 0 at CPL 3', descriptor(0, 0xffff, DATA, 0), 3, 0, 'DS', [GP, 0x48]],
  ['data of DPL 3 at CPL 0', descriptor(0, 0xffff, 0xf3, 0), 0, 0, 'DS', 'ok'],
  ['readable code', descriptor(0, 0xffff, 0x9a, 4), 0, 0, 'DS', 'ok'],
  ['execute-only code', descriptor(0, 0xffff, 0x98, 4), 0, 0, 'DS', [GP, 0x48]],
  ['conforming readable code of DPL 0 at CPL 3', descriptor(0, 0xffff, 0x9e, 4), 3, 3, 'DS', 'ok'],
  ['not present', descriptor(0, 0xffff, 0x13, 0), 0, 0, 'DS', [NP, 0x48]],
  ['a system descriptor', descriptor(0, 0xffff, 0x89, 0), 0, 0, 'DS', [GP, 0x48]],
  ['SS writable data', descriptor(0, 0xffff, DATA, 0), 0, 0, 'SS', 'ok'],
  ['SS read-only data', descriptor(0, 0xffff, 0x91, 0), 0, 0, 'SS', [GP, 0x48]],
  ['SS with RPL not CPL', descriptor(0, 0xffff, DATA, 0), 0, 3, 'SS', [GP, 0x48]],
  ['SS with DPL not CPL', descriptor(0, 0xffff, 0xf3, 0), 0, 0, 'SS', [GP, 0x48]],
  ['SS code', descriptor(0, 0xffff, 0x9a, 4), 0, 0, 'SS', [GP, 0x48]],
  ['SS not present', descriptor(0, 0xffff, 0x13, 0), 0, 0, 'SS', [SS_FAULT, 0x48]],
];

const MOV = { DS: '8e d8', SS: '8e d0' } as const; // mov ds, ax; mov ss, ax

function expectResult(result: ReturnType<TestMachine['execute']>, expected: Expected): void {
  if (expected === 'ok') assert.deepEqual(result, { kind: 'done' });
  else
    assert.deepEqual(
      [result.kind, 'vector' in result && result.vector, 'error' in result && result.error],
      ['fault', ...expected],
    );
}

describe('loading segment registers', () => {
  for (const [name, value, cpl, bits, register, expected] of LOADS)
    it(`protected mode: ${name}`, () => {
      const machine = new TestMachine().protectedMode(cpl);
      machine.gdt(SEL.free, value);
      machine.state.setGpr(0, BigInt(SEL.free | bits));
      const before = machine.state.segment(register);
      expectResult(machine.execute(MOV[register]), expected);
      if (expected !== 'ok') assert.deepEqual(machine.state.segment(register), before);
      else assert.equal(machine.state.selector(register), SEL.free | bits);
    });

  it('null: allowed in DS, refused in SS and for use', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(0, 3n);
    expectResult(machine.execute(MOV.DS), 'ok');
    expectResult(machine.execute(MOV.SS), [GP, 0]);
    expectResult(machine.execute('0f 01 15 00 40 00 00'), [GP, 0]); // lgdt [4000h] through the null DS
  });

  it('64-bit mode takes a null SS below CPL 3 with RPL = CPL', () => {
    const kernel = new TestMachine().longMode();
    kernel.state.setGpr(0, 0n);
    expectResult(kernel.execute(MOV.SS), 'ok');
    kernel.state.setGpr(0, 3n);
    expectResult(kernel.execute(MOV.SS), [GP, 0]);
    const user = new TestMachine().longMode(3);
    user.state.setGpr(0, 3n);
    expectResult(user.execute(MOV.SS), [GP, 0]);
  });

  it('selectors beyond the table, and in an absent LDT', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(0, 0x100n);
    expectResult(machine.execute(MOV.DS), [GP, 0x100]);
    machine.state.setGpr(0, 0x4cn);
    expectResult(machine.execute(MOV.DS), [GP, 0x4c]);
  });

  it('computes base and limit, and sets the accessed bit in memory', () => {
    const machine = new TestMachine().protectedMode();
    machine.gdt(SEL.free, descriptor(0x12345678, 0x54321, 0x92, 0xc));
    machine.state.setGpr(0, BigInt(SEL.free));
    machine.execute(MOV.DS);
    const { base, limit, accessRights } = machine.state.segment('DS');
    assert.deepEqual([base, limit, accessRights], [0x12345678n, 0x54321fff, 0xc093]);
    assert.equal(machine.read(GDT + SEL.free + 5, 1), 0x93n);
  });

  it('real mode: selector times 16, limit and size kept', () => {
    const machine = new TestMachine();
    machine.state.setSegment('DS', { selector: 0, base: 0n, limit: 0xffff_ffff, accessRights: 0xc093 });
    machine.state.setGpr(0, 0xb800n);
    expectResult(machine.execute(MOV.DS), 'ok');
    const { base, limit } = machine.state.segment('DS');
    assert.deepEqual([base, limit], [0xb8000n, 0xffff_ffff]);
  });

  it('LLDT and LTR: types, presence, busy bit, 16 bytes in IA-32e mode', () => {
    const machine = new TestMachine().protectedMode();
    const rows: readonly [string, bigint, Expected][] = [
      ['0f 00 d0', descriptor(0x5000, 0xff, 0x82, 0), 'ok'], // lldt ax
      ['0f 00 d0', descriptor(0x5000, 0xff, 0x89, 0), [GP, 0x48]],
      ['0f 00 d0', descriptor(0x5000, 0xff, 0x02, 0), [NP, 0x48]],
      ['0f 00 d8', descriptor(0x5000, 0x67, 0x89, 0), 'ok'], // ltr ax
      ['0f 00 d8', descriptor(0x5000, 0x67, 0x8b, 0), [GP, 0x48]],
      ['0f 00 d8', descriptor(0x5000, 0x67, 0x09, 0), [NP, 0x48]],
    ];
    for (const [bytes, value, expected] of rows) {
      machine.gdt(SEL.free, value);
      machine.state.setGpr(0, BigInt(SEL.free));
      expectResult(machine.execute(bytes), expected);
    }
    machine.gdt(SEL.free, descriptor(0x5000, 0x67, 0x89, 0));
    machine.execute('0f 00 d8');
    assert.equal(machine.read(GDT + SEL.free + 5, 1), 0x8bn);
    assert.equal(machine.state.accessRights('TR'), 0x8b);

    const long = new TestMachine().longMode();
    long.gdt(SEL.free, descriptor(0x5000, 0x67, 0x89, 0));
    long.gdt(SEL.free + 8, 0xffff_8000n);
    long.state.setGpr(0, BigInt(SEL.free));
    expectResult(long.execute('0f 00 d8'), 'ok');
    assert.equal(long.state.segmentBase('TR'), 0xffff_8000_0000_5000n);

    const real = new TestMachine();
    const result = real.execute('0f 00 d8');
    assert.deepEqual([result.kind, 'vector' in result && result.vector], ['fault', UD]);
  });

  it('LAR, LSL, VERR, VERW answer with ZF', () => {
    const machine = new TestMachine().protectedMode(3);
    const zero = () => (machine.state.rflags >> 6) & 1;
    machine.state.setGpr(0, BigInt(SEL.data3));
    machine.execute('0f 02 d8'); // lar ebx, eax
    assert.deepEqual([zero(), machine.state.gpr(3)], [1, 0xcff300n]);
    machine.execute('0f 03 d8'); // lsl ebx, eax
    assert.deepEqual([zero(), machine.state.gpr(3)], [1, 0xffff_ffffn]);
    machine.execute('0f 00 e8'); // verw ax
    assert.equal(zero(), 1);
    machine.state.setGpr(0, BigInt(SEL.code3));
    machine.execute('0f 00 e8');
    assert.equal(zero(), 0);
    machine.execute('0f 00 e0'); // verr ax
    assert.equal(zero(), 1);
    machine.state.setGpr(0, BigInt(SEL.data0));
    machine.execute('0f 02 d8');
    assert.deepEqual([zero(), machine.state.gpr(3)], [0, 0xffff_ffffn]);
  });

  it('MOV SS blocks interrupts and debug traps for one instruction', () => {
    const machine = new TestMachine().protectedMode();
    machine.state.setGpr(0, BigInt(SEL.data0));
    machine.execute(MOV.SS);
    assert.equal(machine.cpu.interruptibility(), 2);
    machine.retired++;
    assert.equal(machine.cpu.interruptibility(), 0);
    assert.equal(machine.state.get32(LAYOUT.interruptibility), 0);
  });
});
