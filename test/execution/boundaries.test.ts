/** What happens between two instructions: budgets, single steps, interrupts, their shadows, HLT, the trap flag. */
import assert from 'node:assert/strict';
import type { Machine, RegisterName } from '../../debug-adapter/engine/index.ts';
import { budget, runToStop, startCode, stopsFor, type Guest } from '../machine/guest.ts';

const register = (machine: Machine, name: RegisterName): bigint => machine.inspect.register(0, name);
const read32 = ({ machine, label }: Guest, name: string, index = 0): number =>
  Buffer.from(machine.inspect.readMemory('linear', label(name) + BigInt(4 * index), 4, 0)).readUInt32LE();

/** The end of every program here: port F4h. */
const END = `
        mov al, 0
        out 0F4h, al`;

/** 32-bit set-up: an IDT with the timer or the serial port at 20h to 2Fh, #DB at 1, and both interrupt controllers. */
const interrupts = (mask: string): string => `
        lidt [idtr]
        mov al, 11h
        out 20h, al
        mov al, 20h
        out 21h, al
        mov al, 4
        out 21h, al
        mov al, 1
        out 21h, al
        mov al, ${mask}
        out 21h, al`;
const gate = (handler: string): string => `dw ${handler}, 18h, 8E00h, 0`;
const table = (handlers: Readonly<Record<number, string>>): string => `
        align 8
idt:    ${Array.from({ length: 0x30 }, (_, vector) => gate(handlers[vector] ?? 'unexpected')).join('\n        ')}
idtr:   dw 30h * 8 - 1
        dd idt
unexpected:
        mov al, 7Fh
        out 0F4h, al`;

/** Serial port interrupts on: a byte of input raises IRQ 4. */
const SERIAL_ON = `
        mov dx, 3FCh
        mov al, 0Bh
        out dx, al
        mov dx, 3F9h
        mov al, 1
        out dx, al`;
/** The handler's way to make the serial port and the controller quiet again. */
const SERIAL_DONE = `
        mov dx, 3F8h
        in al, dx
        mov al, 20h
        out 20h, al`;
const SERIAL_ONLY = '0EFh';
const IRQ4 = 0x24;

/** Timer every 64h ticks of its own clock. */
const TIMER_ON = `
        mov al, 34h
        out 43h, al
        mov al, 64h
        out 40h, al
        mov al, 0
        out 40h, al`;
const TIMER_ONLY = '0FEh';
const IRQ0 = 0x20;

function runTo(guest: Guest, name: string): void {
  guest.machine.setStopConditions(stopsFor({ breakpoints: new Set([guest.label(name)]) }));
  const stop = runToStop(guest.machine);
  assert.deepEqual(stop, { kind: 'breakpoint', linear: guest.label(name) });
  guest.machine.setStopConditions(stopsFor({}));
}

describe('budgets', function () {
  this.timeout(20_000);

  const COUNTING = 'again: inc rax\n mov rbx, rax\n call leaf\n jmp again\nleaf: push rbx\n pop rcx\n ret';

  it('run(n) retires exactly n, however it is cut', () => {
    const whole = startCode(64, COUNTING).machine;
    const cut = startCode(64, COUNTING).machine;
    assert.equal(whole.run(budget(10_000)).kind, 'budget');
    let done = 0;
    for (let n = 1; done < 10_000; n++) {
      const now = Math.min(n, 10_000 - done);
      assert.equal(cut.run(budget(now)).kind, 'budget');
      done += now;
      assert.equal(cut.instructionsRetired, done);
    }
    assert.equal(whole.instructionsRetired, 10_000);
    for (const name of ['RAX', 'RBX', 'RCX', 'RSP', 'RIP'] as const)
      assert.equal(register(cut, name), register(whole, name), name);
  });

  it('counts instructions written in TypeScript like the others', () => {
    const { machine } = startCode(64, 'again: cpuid\n nop\n pushfq\n popfq\n sidt [rsp - 16]\n jmp again');
    for (const n of [1, 2, 3, 7, 100, 1001]) {
      const before = machine.instructionsRetired;
      assert.equal(machine.run(budget(n)).kind, 'budget');
      assert.equal(machine.instructionsRetired - before, n);
    }
  });

  it('a step over REP is one step, whatever its count', () => {
    const { machine, label } = startCode(64, `mov ecx, 2500000\n mov edi, 100000h\nrepeated: rep stosb\nbehind: nop`);
    machine.run(budget(2));
    assert.equal(machine.run(budget(1)).kind, 'budget');
    assert.equal(register(machine, 'RIP'), label('behind'));
    assert.equal(register(machine, 'RCX'), 0n);
    assert.equal(machine.instructionsRetired, 3);
  });

  it('a step over REP calls the loop a few times, not once for each iteration', () => {
    const { machine } = startCode(64, `mov ecx, 100000\n mov edi, 100000h\n rep stosb\n nop`);
    machine.run(budget(2));
    const before = machine.crossings;
    machine.run(budget(1));
    assert.equal(register(machine, 'RCX'), 0n);
    const pages = 100_000 / 4096;
    assert.ok(machine.crossings - before < 4 * pages, `${machine.crossings - before} crossings`);
  });

  it('a breakpoint on REP stops before its first iteration only, and the one behind it before that', () => {
    const { machine, label } = startCode(
      64,
      `mov ecx, 5\n mov edi, 100000h\nhere: rep stosb\nbehind: nop\nend: jmp end`,
    );
    const at = (name: string) => ({ kind: 'breakpoint', linear: label(name) });
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('here'), label('behind')]) }));
    assert.deepEqual(machine.run(budget(100)), at('here'));
    assert.equal(register(machine, 'RCX'), 5n);
    assert.deepEqual(machine.run(budget(100, { ignoreFirstBreakpoint: true })), at('behind'));
    assert.equal(register(machine, 'RCX'), 0n);
    machine.reset();
    assert.deepEqual(machine.run(budget(100)), at('here'));
    assert.deepEqual(machine.run(budget(1, { ignoreFirstBreakpoint: true })), { kind: 'budget' });
    assert.equal(register(machine, 'RIP'), label('behind'));
    assert.deepEqual(machine.run(budget(1)), at('behind'));
  });

  it('a longer run may come back within a long REP, and goes on from there', () => {
    const { machine, label } = startCode(
      64,
      `mov ecx, 2500000\n mov edi, 100000h\nrepeated: rep stosb\n mov eax, 1\nhere: jmp here`,
    );
    const stop = machine.run(budget(1000));
    assert.equal(stop.kind, 'budget');
    assert.equal(register(machine, 'RIP'), label('repeated'));
    const left = register(machine, 'RCX');
    assert.ok(left > 0n && left < 2_500_000n, `${left} left`);
    assert.equal(register(machine, 'RDI'), 0x10_0000n + 2_500_000n - left);
    for (let i = 0; i < 3; i++) machine.run(budget(1000));
    assert.equal(register(machine, 'RIP'), label('here'));
  });
});

describe('interrupts', () => {
  it('land between iterations of REP, which goes on behind them', () => {
    const guest = startCode(
      32,
      `${interrupts(SERIAL_ONLY)}${SERIAL_ON}
        mov ecx, 3000000
        mov esi, 100000h
        sti
        nop
repeated: rep lodsb
        mov ebx, ecx${END}
handler:
        mov [saved_count], ecx
        mov eax, [esp]
        mov [saved_ip], eax
        push edx${SERIAL_DONE}
        pop edx
        iret
saved_count: dd 0
saved_ip: dd 0
${table({ [IRQ4]: 'handler' })}`,
    );
    const { machine, label } = guest;
    while (register(machine, 'RIP') !== label('repeated')) machine.run(budget(1));
    assert.equal(machine.run(budget(100)).kind, 'budget');
    machine.sendInput(Uint8Array.of(65));
    assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
    assert.equal(read32(guest, 'saved_ip'), Number(label('repeated')));
    const at = read32(guest, 'saved_count');
    assert.ok(at > 0 && at < 3_000_000, `count ${at} in the handler`);
    assert.equal(register(machine, 'RSI'), 0x10_0000n + 3_000_000n);
    assert.equal(register(machine, 'RBX'), 0n);
  });

  it('wait for the instruction behind STI', () => {
    const guest = startCode(
      32,
      `${interrupts(SERIAL_ONLY)}${SERIAL_ON}
        xor ebx, ebx
ready:  nop
        sti
        inc ebx
        inc ebx
        inc ebx${END}
handler: mov [seen], ebx${SERIAL_DONE}
        iret
seen:   dd 99
${table({ [IRQ4]: 'handler' })}`,
    );
    runTo(guest, 'ready');
    guest.machine.sendInput(Uint8Array.of(65));
    assert.equal(runToStop(guest.machine).kind, 'power-off');
    assert.equal(read32(guest, 'seen'), 1);
  });

  it('come at once where POPF opens the window, and not at all between STI and CLI', () => {
    const guest = startCode(
      32,
      `${interrupts(SERIAL_ONLY)}${SERIAL_ON}
        xor ebx, ebx
ready:  nop
        sti
        cli
        inc ebx
        push dword 202h
        popfd
        inc ebx
        inc ebx${END}
handler: mov [seen], ebx${SERIAL_DONE}
        iret
seen:   dd 99
${table({ [IRQ4]: 'handler' })}`,
    );
    runTo(guest, 'ready');
    guest.machine.sendInput(Uint8Array.of(65));
    assert.equal(runToStop(guest.machine).kind, 'power-off');
    assert.equal(read32(guest, 'seen'), 1);
  });

  it('wake the processor from HLT, which then goes on behind it', () => {
    const guest = startCode(
      32,
      `${interrupts(TIMER_ONLY)}${TIMER_ON}
        sti
        hlt
        mov ebx, [ticks]
        hlt
        mov ecx, [ticks]${END}
handler:
        push eax
        inc dword [ticks]
        mov al, 20h
        out 20h, al
        pop eax
        iret
ticks:  dd 0
${table({ [IRQ0]: 'handler' })}`,
    );
    assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 1 });
    assert.equal(register(guest.machine, 'RBX'), 1n);
    assert.equal(register(guest.machine, 'RCX'), 2n);
  });

  it('are found where the count says, however the run is cut', () => {
    const source = `${interrupts(TIMER_ONLY)}${TIMER_ON}
        sti
again:  inc ebx
        cmp dword [ticks], 5
        jb again${END}
handler:
        push eax
        mov eax, [ticks]
        mov [places + eax * 4], ebx
        inc dword [ticks]
        mov al, 20h
        out 20h, al
        pop eax
        iret
ticks:  dd 0
places: times 8 dd 0
${table({ [IRQ0]: 'handler' })}`;
    const whole = startCode(32, source);
    assert.equal(runToStop(whole.machine).kind, 'power-off');
    const cut = startCode(32, source);
    let stop = cut.machine.run(budget(1));
    for (let n = 2; stop.kind === 'budget'; n = (n % 13) + 1) stop = cut.machine.run(budget(n));
    assert.equal(stop.kind, 'power-off');
    const places = (guest: Guest): number[] => [0, 1, 2, 3, 4].map((i) => read32(guest, 'places', i));
    assert.deepEqual(places(cut), places(whole));
    assert.ok(places(whole)[4]! > places(whole)[0]!);
  });
});

describe('RFLAGS.TF', () => {
  /** Runs `body` with TF set by POPF and cleared by the handler when it has seen `done`; gives the EIPs pushed. */
  function traps(body: string): { readonly guest: Guest; readonly places: readonly number[] } {
    const guest = startCode(
      32,
      `${interrupts('0FFh')}
        mov esi, 9000h
        mov edi, 0A000h
        mov ecx, 3
        mov ax, ss
        push dword 102h
        popfd
${body}
done:   nop
        nop${END}
trap:   push eax
        push ebx
        mov eax, [esp + 8]
        mov ebx, [count]
        mov [places + ebx * 4], eax
        inc dword [count]
        cmp eax, done
        jne .again
        and dword [esp + 16], ~100h
.again: pop ebx
        pop eax
        iret
count:  dd 0
places: times 32 dd 0
${table({ 1: 'trap' })}`,
    );
    assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 1 });
    const count = read32(guest, 'count');
    return { guest, places: Array.from({ length: count }, (_, i) => read32(guest, 'places', i)) };
  }
  const at = (guest: Guest, names: readonly string[]): number[] => names.map((name) => Number(guest.label(name)));

  it('traps behind each instruction, the first one behind the one that follows POPF', () => {
    const { guest, places } = traps('a: nop\nb: mov ebx, 5\nc: cpuid\nd: nop');
    assert.deepEqual(places, at(guest, ['b', 'c', 'd', 'done']));
  });

  it('is held back by MOV SS for one instruction', () => {
    const { guest, places } = traps('a: nop\nb: mov ss, ax\nc: nop\nd: nop');
    assert.deepEqual(places, at(guest, ['b', 'd', 'done']));
  });

  it('traps behind each iteration of a repeated string instruction', () => {
    const { guest, places } = traps('a: nop\nb: rep movsb\nc: nop');
    assert.deepEqual(places, at(guest, ['b', 'b', 'b', 'c', 'done']));
  });
});
