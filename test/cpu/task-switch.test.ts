import assert from 'node:assert/strict';
import { CR0, VMX_NON_ROOT } from '../../debug-adapter/engine/cpu/control-bits.ts';
import { NT, VM } from '../../debug-adapter/engine/cpu/flags.ts';
import { GP, NP, SS_FAULT, TS } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { CODE, descriptor, gate, GDT, IDT, SEL, TestMachine, TSS, type Result } from './harness.ts';

const NEW = SEL.free;
const GATE = SEL.free + 8;
const LDT = SEL.free + 16;
const NEW_TSS = 0x6000;
const NEW_EIP = 0xc000;
const NEW_ESP = 0xb000;
const AVAILABLE_32 = 0x89;
const AVAILABLE_16 = 0x81;
const BUSY_BIT = 2n;

const accessByte = (machine: TestMachine, selector: number): bigint => machine.read(GDT + selector + 5, 1);
const outcome = (result: Result): unknown => (result.kind === 'fault' ? [result.vector, result.error] : result.kind);

/** A machine whose GDT has a second, 32-bit task; `fields` overrides words of its TSS by offset. */
function withTask(fields: Readonly<Record<number, number>> = {}): TestMachine {
  const machine = new TestMachine().protectedMode();
  machine.gdt(NEW, descriptor(NEW_TSS, 0x67, AVAILABLE_32, 0));
  machine.gdt(GATE, (BigInt(NEW) << 16n) | (0xe5n << 40n));
  const defaults: Record<number, number> = { 32: NEW_EIP, 36: 0x202, 56: NEW_ESP, 40: 0xa0a0, 68: 0xd1d1 };
  for (const at of [72, 80, 84, 88, 92]) defaults[at] = SEL.data0;
  defaults[76] = SEL.code0;
  for (const [at, value] of Object.entries({ ...defaults, ...fields })) machine.write(NEW_TSS + Number(at), value, 4);
  machine.state.setGpr(0, 0x1111n);
  machine.state.setGpr(7, 0x7777n);
  return machine;
}

/** `jmp far` and `call far` to a selector. */
const jump = (selector: number): string => `ea 00 00 00 00 ${selector.toString(16).padStart(2, '0')} 00`;
const call = (selector: number): string => `9a 00 00 00 00 ${selector.toString(16).padStart(2, '0')} 00`;

describe('hardware task switches', () => {
  it('JMP saves the old task, frees it and takes up the new one', () => {
    const machine = withTask();
    assert.equal(outcome(machine.execute(jump(NEW))), 'done');
    const { state } = machine;
    assert.equal(machine.read(TSS + 32, 4), BigInt(CODE + 7), 'EIP behind the jump');
    assert.equal(machine.read(TSS + 40, 4), 0x1111n);
    assert.equal(machine.read(TSS + 68, 4), 0x7777n);
    assert.equal(machine.read(TSS + 76, 2), BigInt(SEL.code0));
    assert.equal(state.gpr(0), 0xa0a0n);
    assert.equal(state.gpr(7), 0xd1d1n);
    assert.equal(machine.rsp, BigInt(NEW_ESP));
    assert.equal(state.rip, BigInt(NEW_EIP));
    assert.equal(state.selector('TR'), NEW);
    assert.equal(accessByte(machine, SEL.tss) & BUSY_BIT, 0n);
    assert.equal(accessByte(machine, NEW) & BUSY_BIT, BUSY_BIT);
    assert.notEqual(state.get32(LAYOUT.cr0) & CR0.TS, 0);
    assert.equal(state.systemFlags & NT, 0);
  });

  for (const [name, selector] of [
    ['a TSS', NEW],
    ['a task gate', GATE],
  ] as const)
    it(`CALL to ${name} nests, IRET returns`, () => {
      const machine = withTask();
      assert.equal(outcome(machine.execute(call(selector))), 'done');
      const { state } = machine;
      assert.equal(machine.read(NEW_TSS, 2), BigInt(SEL.tss), 'link');
      assert.notEqual(state.systemFlags & NT, 0);
      assert.equal(accessByte(machine, SEL.tss) & BUSY_BIT, BUSY_BIT);
      state.setGpr(0, 0x5555n);
      assert.equal(outcome(machine.execute('cf')), 'done');
      assert.equal(state.rip, BigInt(CODE + 7));
      assert.equal(state.gpr(0), 0x1111n);
      assert.equal(state.selector('TR'), SEL.tss);
      assert.equal(state.systemFlags & NT, 0);
      assert.equal(machine.read(NEW_TSS + 40, 4), 0x5555n);
      assert.equal(machine.read(NEW_TSS + 36, 4) & BigInt(NT), 0n, 'NT is cleared in the saved flags');
      assert.equal(accessByte(machine, NEW) & BUSY_BIT, 0n);
    });

  it('an exception through a task gate leaves its error code on the new stack', () => {
    const machine = withTask();
    machine.write(IDT + GP * 8, (BigInt(NEW) << 16n) | (0x85n << 40n));
    machine.fault(GP, 0x1230);
    assert.equal(machine.state.rip, BigInt(NEW_EIP));
    assert.equal(machine.rsp, BigInt(NEW_ESP - 4));
    assert.deepEqual(machine.stack(1, 4), [0x1230n]);
    assert.equal(machine.read(TSS + 32, 4), BigInt(CODE), 'the faulting instruction');
    assert.equal(machine.read(NEW_TSS, 2), BigInt(SEL.tss));
  });

  it('a 16-bit task loads and saves 16 bits', () => {
    const machine = withTask();
    machine.gdt(NEW, descriptor(NEW_TSS, 0x2b, AVAILABLE_16, 0));
    const words: Record<number, number> = { 14: 0xc100, 16: 2, 18: 0xbeef, 26: 0xb100, 34: SEL.data0, 36: SEL.code0 };
    for (let at = 0; at <= 42; at += 2) machine.write(NEW_TSS + at, words[at] ?? 0, 2);
    machine.write(NEW_TSS + 38, SEL.data0, 2);
    machine.write(NEW_TSS + 40, SEL.data0, 2);
    assert.equal(outcome(machine.execute(jump(NEW))), 'done');
    assert.equal(machine.state.gpr(0), 0xffff_beefn, 'the upper half is undefined');
    assert.equal(machine.state.rip, 0xc100n);
    assert.equal(machine.state.selector('FS'), 0);
    machine.state.setGpr(0, 0x1234_5678n);
    assert.equal(outcome(machine.execute(jump(SEL.tss))), 'done');
    assert.equal(machine.read(NEW_TSS + 18, 2), 0x5678n);
    assert.equal(machine.state.gpr(0), 0x1111n);
  });

  it('a task may be virtual-8086', () => {
    const machine = withTask({ 32: 0x100, 36: VM | 2, 76: 0x1234, 80: 0x2000 });
    assert.equal(outcome(machine.execute(jump(NEW))), 'done');
    assert.equal(machine.state.segmentBase('CS'), 0x12340n);
    assert.equal(machine.state.cpl, 3);
  });

  it('the T bit of the new TSS traps before its first instruction, with DR6.BT', () => {
    const machine = withTask({ 100: 1 });
    machine.write(IDT + 8, gate(SEL.code0, 0xd000, 0x8e));
    machine.execute(jump(NEW));
    assert.equal(machine.cpu.pendingBoundary(), 'delivered');
    assert.equal(machine.state.rip, 0xd000n);
    assert.equal(machine.stack(1, 4)[0], BigInt(NEW_EIP));
    assert.equal(machine.state.get64(LAYOUT.dr6) & 0xf000n, 0x8000n);
  });

  it('local breakpoints end with the task', () => {
    const machine = withTask();
    machine.state.set64(LAYOUT.dr7, 0x7ffn);
    machine.execute(jump(NEW));
    assert.equal(machine.state.get64(LAYOUT.dr7), 0x6aan);
  });

  describe('refuse', () => {
    const beforeCommit: readonly (readonly [string, (machine: TestMachine) => void, string, number, number])[] = [
      ['a TSS that is busy', (m) => m.gdt(NEW, descriptor(NEW_TSS, 0x67, 0x8b, 0)), jump(GATE), GP, NEW],
      ['a TSS that is not present', (m) => m.gdt(NEW, descriptor(NEW_TSS, 0x67, 0x09, 0)), jump(NEW), NP, NEW],
      ['a TSS that is too small', (m) => m.gdt(NEW, descriptor(NEW_TSS, 0x66, 0x89, 0)), jump(NEW), TS, NEW],
      ['a gate that names no TSS', (m) => m.gdt(GATE, (0x10n << 16n) | (0xe5n << 40n)), call(GATE), GP, 0x10],
      [
        'IRET to a task that is not busy',
        (m) => {
          m.state.systemFlags |= NT;
          m.write(TSS, NEW, 2);
        },
        'cf',
        TS,
        NEW,
      ],
    ];
    for (const [name, prepare, code, vector, error] of beforeCommit)
      it(name, () => {
        const machine = withTask();
        prepare(machine);
        assert.deepEqual(outcome(machine.execute(code)), [vector, error]);
        assert.equal(machine.state.selector('TR'), SEL.tss);
        assert.equal(machine.state.rip, BigInt(CODE));
      });

    const inTheNewTask: readonly (readonly [string, Readonly<Record<number, number>>, number, number])[] = [
      ['a code selector that is data', { 76: SEL.data0 }, TS, SEL.data0],
      ['a null code selector', { 76: 0 }, TS, 0],
      ['a stack of another privilege', { 80: SEL.data3 }, TS, SEL.data3 & ~3],
      ['a stack that is not there', { 80: LDT + 8 }, SS_FAULT, LDT + 8],
      ['data beyond the table', { 84: 0xff8 }, TS, 0xff8],
      ['an LDT that is none', { 96: SEL.data0 }, TS, SEL.data0],
    ];
    for (const [name, fields, vector, error] of inTheNewTask)
      it(`${name}, in the new task`, () => {
        const machine = withTask(fields);
        machine.gdt(LDT + 8, descriptor(0, 0xfffff, 0x13, 0xc));
        assert.deepEqual(outcome(machine.execute(jump(NEW))), [vector, error]);
        assert.equal(machine.state.selector('TR'), NEW);
        assert.equal(machine.state.rip, BigInt(NEW_EIP));
      });
  });

  it('leave VMX non-root operation before anything changes', () => {
    const machine = withTask();
    machine.state.set32(LAYOUT.vmxMode, VMX_NON_ROOT);
    machine.intercepts.exitOn.add('task-switch');
    machine.intercepts.exitOn.add(`task gate ${NEW.toString(16)}`);
    assert.equal(machine.execute(jump(NEW)).kind, 'exit');
    machine.write(IDT + GP * 8, (BigInt(NEW) << 16n) | (0x85n << 40n));
    assert.equal(machine.attempt(() => machine.fault(GP, 0)).kind, 'exit');
    assert.equal(machine.state.selector('TR'), SEL.tss);
    assert.equal(accessByte(machine, NEW) & BUSY_BIT, 0n);
  });

  it('do not exist in IA-32e mode', () => {
    const machine = new TestMachine().longMode();
    machine.gdt(NEW, descriptor(NEW_TSS, 0x67, AVAILABLE_32, 0));
    machine.write(0x5000, BigInt(NEW) << 32n);
    machine.state.setGpr(3, 0x5000n);
    assert.deepEqual(outcome(machine.execute('ff 2b')), [GP, NEW]);
  });
});
