/** Hardware breakpoints where no other machine can be asked: RFLAGS.RF, the debugger beside them, their cost, VT-x. */
import assert from 'node:assert/strict';
import { RF } from '../../debug-adapter/engine/cpu/flags.ts';
import { LAYOUT } from '../../debug-adapter/engine/cpu/layout.ts';
import { budget, runToStop, startCode, stopsFor } from '../machine/guest.ts';
import { gate, IDT, SEL, TestMachine } from './harness.ts';
import { withDebugHandler } from './debug-handler.ts';

const DATUM = 0x20_0000;

describe('hardware breakpoints', () => {
  it('push RF set between iterations of REP and for general detect, clear for an instruction breakpoint', () => {
    const pushedRf = (body: string): boolean => {
      const { machine, label } = startCode(64, withDebugHandler(body));
      machine.setStopConditions(stopsFor({ breakpoints: new Set([label('handler')]) }));
      assert.equal(machine.run(budget(100)).kind, 'breakpoint');
      const frame = machine.inspect.readMemory('linear', machine.inspect.register(0, 'RSP') + 16n, 4, 0);
      return (Buffer.from(frame).readUInt32LE() & RF) !== 0;
    };
    const setUp = (dr0: string, dr7: string): string =>
      `mov eax, ${dr0}\n mov dr0, rax\n mov eax, ${dr7}\n mov dr7, rax`;
    const string = `mov edi, ${DATUM}\n mov ecx, 4`;
    assert.equal(pushedRf(`${setUp(`${DATUM + 1}`, '0D0001h')}\n ${string}\n rep stosb`), true);
    assert.equal(pushedRf(`${setUp(`${DATUM + 3}`, '010001h')}\n ${string}\n rep stosb`), false, 'the last iteration');
    assert.equal(pushedRf(`mov eax, 2400h\n mov dr7, rax\n mov rax, dr0`), true);
    assert.equal(pushedRf(`${setUp('here', '1')}\nhere: nop`), false);
  });

  it('stop behind the debugger, which sees the instruction first', () => {
    const { machine, label } = startCode(
      64,
      withDebugHandler(`mov eax, here\n mov dr0, rax\n mov eax, 1\n mov dr7, rax\nhere: nop`),
    );
    const here = { kind: 'breakpoint', linear: label('here') };
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('here')]) }));
    assert.deepEqual(machine.run(budget(100)), here);
    machine.run(budget(1, { ignoreFirstBreakpoint: true }));
    assert.equal(machine.inspect.register(0, 'RIP'), label('handler'));
    assert.equal(machine.inspect.register(0, 'DR6'), 0xffff_0ff1n);
  });

  it('stop nothing where only the offset in the page agrees', () => {
    const { machine, label } = startCode(
      64,
      withDebugHandler(`mov eax, here + 1000h\n mov dr0, rax\n mov eax, 1\n mov dr7, rax\nhere: inc ebx\n jmp here`),
    );
    assert.equal(machine.run(budget(1000)).kind, 'budget');
    assert.notEqual(machine.inspect.register(0, 'RIP'), label('handler'));
  });

  it('keep the emitted loop in WebAssembly: only accesses to a watched page leave it', () => {
    const crossings = (dr7: string, address: number): number => {
      const { machine } = startCode(
        64,
        `mov eax, ${DATUM}\n mov dr0, rax\n mov eax, ${dr7}\n mov dr7, rax\n mov ebx, ${address}\nagain: inc dword [rbx]\n jmp again`,
      );
      machine.run(budget(10_000));
      return machine.crossings;
    };
    const unarmed = crossings('400h', DATUM + 0x800);
    assert.ok(crossings('0D0001h', DATUM + 0x1000) < unarmed + 10, 'another page');
    assert.ok(crossings('0D0001h', DATUM + 0x800) > 1000, 'the same page');
  });

  it('set by a debugger in DR0 and DR7 count as those that a guest sets', () => {
    const { machine, label } = startCode(64, withDebugHandler('nop\nhere: nop'));
    machine.run(budget(2));
    assert.equal(machine.setRegister(0, 'DR0', label('here')), undefined);
    assert.equal(machine.setRegister(0, 'DR7', 0x1n), undefined);
    assert.equal(machine.inspect.register(0, 'DR7'), 0x401n);
    machine.run(budget(3));
    assert.equal(machine.inspect.register(0, 'RIP'), label('handler'));
  });

  it('in an instruction that faults do not count', () => {
    const guest = startCode(
      64,
      `${withDebugHandler(
        `mov eax, ${DATUM}\n mov dr0, rax\n mov eax, 0D0001h\n mov dr7, rax\n mov esi, ${DATUM}\n mov rdi, -1000h\n movsb`,
      )}`,
    );
    // No handler for #PF: a double and a triple fault. A debug trap would have gone to its handler.
    assert.equal(runToStop(guest.machine).kind, 'triple-fault');
    assert.equal(guest.machine.inspect.register(0, 'DR6'), 0xffff_0ff0n);
  });

  it('clear DR7.GD and exit to a hypervisor with their conditions', () => {
    const machine = new TestMachine().protectedMode();
    machine.write(IDT + 8, gate(SEL.code0, 0x1_0001, 0x8e));
    machine.state.setGpr(0, 0x2400n);
    assert.equal(machine.execute('0f 23 f8').kind, 'done'); // mov dr7, eax
    assert.equal(machine.execute('0f 21 c0').kind, 'fault'); // mov eax, dr0
    machine.fault(1);
    assert.equal(machine.state.get64(LAYOUT.dr7), 0x400n);
    assert.equal(machine.state.get64(LAYOUT.dr6), 0xffff_2ff0n);
    assert.equal(machine.state.get64(LAYOUT.pendingDebug), 0n);
  });
});
