/** The ways a run ends, and what the machine says about each. */
import assert from 'node:assert/strict';
import type { FaultRecord } from '../../debug-adapter/engine/index.ts';
import { budget, runToStop, startCode, stopsFor } from './guest.ts';

const DE = 0;
const DF = 8;
const GP = 13;
const PF = 14;

/** A 64-bit IDT with one gate, at `vector`. */
const idtWith = (vector: number, handler: string): string => `
        align 16
idt:    times ${2 * vector} dq 0
        dw ${handler}, 8, 8E00h, 0, 0, 0, 0, 0
idtr:   dw ${16 * (vector + 1) - 1}
        dq idt`;

describe('power off', () => {
  for (const [value, status] of [
    [0, 1],
    [1, 3],
    [0x10, 33],
  ] as const)
    it(`port F4h with ${value} gives status ${status}`, () => {
      const { machine } = startCode(32, `mov al, ${value}\n out 0F4h, al\n mov ebx, 1`);
      assert.deepEqual(runToStop(machine), { kind: 'power-off', status });
      assert.equal(machine.instructionsRetired, 2);
      assert.deepEqual(machine.run(budget(100)), { kind: 'power-off', status });
      assert.equal(machine.inspect.register(0, 'RBX'), 0n);
    });

  it('the word Shutdown to port 8900h gives status 0, other words nothing', () => {
    const { machine, label } = startCode(
      32,
      `mov dx, 8900h
        mov esi, almost
        mov ecx, 8
        rep outsb
here:   mov esi, word_
        mov ecx, 8
        rep outsb
        nop
almost: db "Shutdowm"
word_:  db "Shutdown"`,
    );
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('here')]) }));
    assert.equal(runToStop(machine).kind, 'breakpoint');
    machine.setStopConditions(stopsFor({}));
    assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 0 });
  });
});

describe('halted', () => {
  it('with interrupts disabled nothing can wake the processor', () => {
    const { machine } = startCode(64, 'cli\n hlt\n nop');
    const stop = runToStop(machine);
    assert.ok(stop.kind === 'halted' && /IF = 0/.test(stop.because), JSON.stringify(stop));
    assert.equal(machine.inspect.mode(0).activity, 'hlt');
    assert.equal(machine.run(budget(1)).kind, 'halted');
  });

  it('with interrupts enabled and every line masked nothing ever comes', () => {
    const { machine } = startCode(64, 'mov al, 0FFh\n out 21h, al\n out 0A1h, al\n sti\n hlt\n nop');
    assert.equal(runToStop(machine).kind, 'halted');
  });
});

describe('triple fault', () => {
  it('tells the whole chain, and is the end', () => {
    const { machine, label } = startCode(64, 'xor ecx, ecx\nhere: div ecx');
    const stop = runToStop(machine);
    assert.ok(stop.kind === 'triple-fault', stop.kind);
    assert.deepEqual(
      stop.chain.map(({ vector, errorCode }) => [vector, errorCode]),
      [
        [DE, undefined],
        [GP, (DE << 3) | 3],
        [DF, 0],
        [GP, (DF << 3) | 3],
      ],
    );
    assert.equal(stop.chain[0]!.rip, label('here'));
    assert.equal(machine.inspect.mode(0).activity, 'shutdown');
    assert.deepEqual(machine.run(budget(1)), stop);
  });

  it('by a page fault while a page fault is delivered', () => {
    const { machine } = startCode(
      64,
      `lidt [rel idtr]\n mov rsp, 8000000000h\n mov eax, [rsp]\n${idtWith(PF, 'handler')}\nhandler: jmp handler`,
    );
    const stop = runToStop(machine);
    assert.ok(stop.kind === 'triple-fault', stop.kind);
    assert.deepEqual(
      stop.chain.slice(0, 3).map(({ vector, linear }) => [vector, linear]),
      [
        [PF, 0x80_0000_0000n],
        [PF, 0x7f_ffff_fff8n],
        [DF, undefined],
      ],
    );
  });
});

describe('an exception that is asked for', () => {
  const SOURCE = `lidt [rel idtr]
        xor ecx, ecx
        mov eax, 5
here:   div ecx
behind: jmp behind
${idtWith(DE, 'handler')}
handler: inc ebx
        mov ecx, 2
        iretq`;

  it('stops before it is delivered; the next run delivers it', () => {
    const { machine, label } = startCode(64, SOURCE);
    const asked: FaultRecord[] = [];
    machine.setStopConditions(stopsFor({ exception: (fault) => asked.push(fault) > 0 && fault.vector === DE }));
    const rsp = machine.inspect.register(0, 'RSP');
    const stop = runToStop(machine);
    assert.ok(stop.kind === 'exception', stop.kind);
    assert.deepEqual([stop.fault.vector, stop.fault.name, stop.fault.rip], [DE, '#DE', label('here')]);
    assert.equal(machine.inspect.register(0, 'RIP'), label('here'));
    assert.equal(machine.inspect.register(0, 'RSP'), rsp);
    assert.equal(machine.instructionsRetired, 3);

    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('handler'), label('behind')]) }));
    assert.deepEqual(machine.run(budget(100)), { kind: 'breakpoint', linear: label('handler') });
    assert.deepEqual(machine.run(budget(100, { ignoreFirstBreakpoint: true })), {
      kind: 'breakpoint',
      linear: label('behind'),
    });
    assert.equal(machine.inspect.register(0, 'RBX'), 1n);
    assert.equal(asked.length, 1);
  });

  it('is not asked for again when the condition says no', () => {
    const { machine, label } = startCode(64, SOURCE);
    let asked = 0;
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('behind')]), exception: () => ++asked < 0 }));
    assert.equal(runToStop(machine).kind, 'breakpoint');
    assert.equal(asked, 1);
  });
});

describe('breakpoints', () => {
  it('stop before the instruction, each time round, and not again when told to ignore the first', () => {
    const { machine, label } = startCode(64, 'mov ecx, 3\nagain: inc ebx\n loop again\nend: jmp end');
    const linear = label('again');
    machine.setStopConditions(stopsFor({ breakpoints: new Set([linear]) }));
    for (const before of [0n, 1n, 2n]) {
      assert.deepEqual(machine.run(budget(100, { ignoreFirstBreakpoint: before > 0n })), {
        kind: 'breakpoint',
        linear,
      });
      assert.equal(machine.inspect.register(0, 'RBX'), before);
      // Without ignoring it stays where it is.
      assert.deepEqual(machine.run(budget(100)), { kind: 'breakpoint', linear });
    }
    assert.equal(machine.run(budget(100, { ignoreFirstBreakpoint: true })).kind, 'budget');
  });

  it('can be set on code that has run already, and removed', () => {
    const { machine, label } = startCode(64, 'again: inc rbx\nhere: nop\n jmp again');
    assert.equal(machine.run(budget(1000)).kind, 'budget');
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('here')]) }));
    assert.equal(machine.run(budget(1000)).kind, 'breakpoint');
    machine.setStopConditions(stopsFor({}));
    assert.equal(machine.run(budget(1000)).kind, 'budget');
  });

  it('do not stop in the middle of an instruction', () => {
    const { machine, label } = startCode(64, 'here: mov eax, 90909090h\n mov ebx, eax\nend: jmp end');
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('here') + 1n]) }));
    assert.equal(machine.run(budget(10)).kind, 'budget');
    assert.equal(machine.inspect.register(0, 'RBX'), 0x9090_9090n);
  });
});
