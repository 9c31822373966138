import assert from 'node:assert/strict';
import { IF, RF, TF } from '../../debug-adapter/engine/cpu/flags.ts';
import { DB, NMI } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { gate, IDT, SEL, TestMachine } from './harness.ts';

const STI = 'fb';
const NOP = '90';

function machine(flags = 2): TestMachine {
  const made = new TestMachine().protectedMode();
  for (let vector = 0; vector < 64; vector++) made.write(IDT + vector * 8, gate(SEL.code0, 0x10000 + vector, 0x8e));
  made.state.rflags = flags;
  return made;
}
/** An instruction of the emitted kind: only counts. */
function plain(made: TestMachine): void {
  made.state.rip += 1n;
  made.retired++;
}
const at = (made: TestMachine): number => Number(made.state.rip) - 0x10000;
const attention = (made: TestMachine): number => made.state.get32(LAYOUT.attention);

describe('instruction boundaries', () => {
  it('an interrupt waits for IF', () => {
    const made = machine();
    made.pendingVector = 0x20;
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(attention(made), 0);
    made.state.systemFlags |= IF;
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.equal(at(made), 0x20);
    assert.equal(made.pendingVector, undefined);
  });

  it('STI lets one more instruction run, and asks to be looked at again', () => {
    const made = machine();
    made.pendingVector = 0x20;
    made.execute(STI);
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(attention(made), 1);
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
  });

  it('STI with IF already set blocks nothing', () => {
    const made = machine(IF | 2);
    made.pendingVector = 0x20;
    made.execute(STI);
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
  });

  it('TF traps after the next instruction, DR6.BS set, and not while it only fetches', () => {
    const made = machine(TF | 2);
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(attention(made), 1);
    assert.equal(made.cpu.pendingBoundary(), 'nothing', 'nothing has completed in between');
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.equal(at(made), DB);
    assert.equal(made.state.get64(LAYOUT.dr6), 0xffff_4ff0n);
    assert.equal(made.stack(1, 4)[0], 0x8001n);
    assert.equal(made.state.rflags & TF, 0);
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'nothing', 'the handler runs without traps');
  });

  it('POPF that sets TF traps after the instruction behind it', () => {
    const made = machine();
    made.write(0xa000, TF | 2, 4);
    made.cpu.pendingBoundary();
    made.execute('9d');
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
  });

  it('a fault in between forgets the single step', () => {
    const made = machine(TF | 2);
    made.cpu.pendingBoundary();
    made.fault(13, 0);
    made.cpu.pendingBoundary();
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(at(made), 14);
  });

  it('MOV SS holds the trap back until the next instruction has completed', () => {
    const made = machine(TF | 2);
    made.state.setGpr(0, BigInt(SEL.data0));
    made.cpu.pendingBoundary();
    made.execute('8e d0');
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    plain(made);
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.equal(at(made), DB);
  });

  it('RF lasts for one instruction', () => {
    const made = machine(RF | 2);
    made.cpu.pendingBoundary();
    assert.equal(made.state.rflags & RF, RF);
    plain(made);
    made.cpu.pendingBoundary();
    assert.equal(made.state.rflags & RF, 0);
  });

  it('HLT waits; an interrupt wakes and returns behind it', () => {
    const made = machine(IF | 2);
    made.execute('f4');
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(made.state.get32(LAYOUT.activity), 1);
    made.pendingVector = 0x21;
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.deepEqual([made.state.get32(LAYOUT.activity), at(made), made.stack(1, 4)[0]], [0, 0x21, 0x8001n]);
  });

  it('an NMI comes whatever IF says and blocks others until IRET', () => {
    const made = machine();
    made.cpu.requestNmi();
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
    assert.equal(at(made), NMI);
    made.cpu.requestNmi();
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(made.cpu.interruptibility(), 8);
    made.execute('cf');
    assert.equal(made.cpu.pendingBoundary(), 'delivered');
  });

  it('shutdown is woken by no interrupt', () => {
    const made = machine(IF | 2);
    made.cpu.shutdown();
    made.pendingVector = 0x20;
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
  });

  it('in VMX non-root operation windows come before interrupts, and external-interrupt exiting ignores IF', () => {
    const made = machine();
    made.state.set32(LAYOUT.vmxMode, 2);
    made.pendingVector = 0x20;
    made.intercepts.interruptsExit = true;
    assert.equal(made.cpu.pendingBoundary(), 'exited');
    assert.equal(made.intercepts.vector, 0x20);
    made.pendingVector = 0x21;
    made.intercepts.exitOn.add('boundary');
    assert.equal(made.cpu.pendingBoundary(), 'exited');
    assert.equal(made.pendingVector, 0x21, 'not acknowledged');
    made.intercepts.exitOn = new Set(['wants boundary']);
    made.pendingVector = undefined;
    assert.equal(made.cpu.pendingBoundary(), 'nothing');
    assert.equal(attention(made), 1);
  });

  it('NOP is not a system instruction', () => assert.throws(() => machine().execute(NOP)));
});
