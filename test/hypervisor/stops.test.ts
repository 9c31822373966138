/** Where handlers do not get to VMRESUME: waits, ends, and what the machine stops for by name. */
import assert from 'node:assert/strict';
import { MachineStop } from '../../debug-adapter/engine/cpu/guest-fault.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { EXIT_HANDLERS } from '../../debug-adapter/engine/hypervisor/handlers/index.ts';
import { EXIT_NAMES } from '../../debug-adapter/engine/vmx/exit-reasons.ts';
import { TestMachine, type Bits } from './harness.ts';

const stopOf = (body: () => unknown): string => {
  try {
    body();
  } catch (thrown) {
    if (!(thrown instanceof MachineStop)) throw thrown;
    const { what, nowhere } = thrown;
    if (nowhere === undefined) return what;
    return `${what}: ${nowhere.access} of ${nowhere.address.toString(16).toUpperCase()}h`;
  }
  return assert.fail('nothing stopped');
};

describe('hypervisor: waiting and stopping', () => {
  it('HLT waits until the controller has an interrupt', () => {
    const machine = new TestMachine({ bits: 16, source: 'sti\nhlt\nnop' });
    machine.runTo('hlt');
    const run = machine.run!;
    assert.deepEqual(run.finish(), { kind: 'wait' });
    assert.equal(run.next?.name, 'wait for an interrupt');
    assert.deepEqual(run.finish(), { kind: 'wait' });
    machine.pendingVector = 0x20;
    assert.deepEqual(run.finish(), { kind: 'done' });
    assert.equal(run.next, undefined);
    assert.deepEqual(
      run.done.map(({ name }) => name),
      [
        'look at RFLAGS.IF',
        'advance GUEST_RIP',
        'wait for an interrupt',
        'acknowledge the interrupt',
        'inject the interrupt',
        'VMRESUME',
      ],
    );
  });

  it('HLT with interrupts disabled is the end until somebody enables them', () => {
    const machine = new TestMachine({ bits: 32, source: 'hlt' });
    machine.runTo('hlt');
    for (let time = 0; time < 2; time++) assert.equal(machine.run!.finish().kind, 'halted');
    machine.vmx.setField('GUEST_RFLAGS', 0x202n);
    assert.deepEqual(machine.run!.finish(), { kind: 'wait' });
  });

  it('without HLT exiting the guest sleeps by itself and an interrupt wakes it', () => {
    const source = 'sti\nhlt\nmov bl, 1\nout 80h, al\njmp $\nhandler: iret';
    const machine = new TestMachine({ bits: 16, source, exiting: { hlt: false } });
    const handler = Number(machine.symbol('handler'));
    machine.poke(0x21 * 4, Uint8Array.of(handler & 0xff, handler >> 8, 0, 0));
    machine.launch().finish();
    for (let exits = 0; machine.state.get32(LAYOUT.activity) === 0 && exits < 10; exits++) {
      machine.executor.run(1000, false);
      if (machine.run!.next !== undefined) machine.run!.finish();
    }
    machine.pendingVector = 0x21;
    machine.runTo('ioInstruction');
    assert.equal(machine.state.gpr32(3) & 0xff, 1);
    assert.ok(machine.exits.some(({ name }) => name === 'externalInterrupt'));
  });

  it('a triple fault ends the guest for good', () => {
    const machine = new TestMachine({ bits: 32, source: 'lidt [idtr]\nud2\nidtr: dw 0\ndd 0' });
    machine.runTo('tripleFault');
    for (let time = 0; time < 2; time++) assert.deepEqual(machine.run!.finish(), { kind: 'triple-fault' });
  });

  /** Guest and the name that its exit stops the machine with. */
  const STOPS: readonly (readonly [title: string, bits: Bits, source: string, what: RegExp])[] = [
    ['a port without a device', 32, 'mov dx, 666h\nout dx, al', /^OUT to port 666h/],
    ['a read of nothing', 32, 'mov al, [0FEF00000h]', /^an access outside memory: read of FEF00000h$/],
    ['a write to nothing', 32, 'mov [7F000000h], al', /^an access outside memory: write of 7F000000h$/],
    ['a jump into nothing', 32, 'mov eax, 7F000000h\njmp eax', /^an access outside memory: fetch of 7F000000h$/],
    ['an MSR that the machine lacks', 32, 'mov ecx, 12345h\nrdmsr', /^RDMSR of MSR 12345h/],
    ['writing one', 32, 'mov ecx, 12345h\nwrmsr', /^WRMSR of MSR 12345h/],
  ];
  for (const [title, bits, source, what] of STOPS)
    it(`${title} stops by name, and again when asked to go on`, () => {
      const machine = new TestMachine({ bits, source });
      const first = stopOf(() => machine.runTo(() => false));
      assert.match(first, what);
      const { next } = machine.run!;
      assert.notEqual(next, undefined);
      assert.equal(
        stopOf(() => machine.run!.step()),
        first,
      );
      assert.equal(machine.run!.next, next);
    });

  it('has a handler that begins with a step for every exit reason', () => {
    const machine = new TestMachine({ bits: 32, source: 'cpuid' });
    const exit = machine.runTo('cpuid');
    for (const name of EXIT_NAMES) {
      assert.equal(typeof EXIT_HANDLERS[name], 'function');
      const run = machine.hypervisor.begin({ ...exit, name });
      assert.notEqual(run.next, undefined, name);
      assert.deepEqual(run.done, []);
    }
  });

  it('stops by name for an exit that its controls do not ask for', () => {
    const machine = new TestMachine({ bits: 32, source: 'cpuid\nlgdt [8000h]' });
    machine.runTo('cpuid');
    const proc2 = machine.field('PROC2_CONTROLS');
    machine.vmx.setField('PROC2_CONTROLS', proc2 | 4n); // descriptor-table exiting
    assert.match(
      stopOf(() => machine.runTo(() => false)),
      /VM exit "Access to GDTR or IDTR", which the built-in hypervisor does not handle/,
    );
  });
});
