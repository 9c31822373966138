/** Several processors: how they are started and stopped, what each has of its own, and that their order is nobody's choice. */
import assert from 'node:assert/strict';
import { budget, runToStop, startCode, stopsFor } from './guest.ts';
import { result, startParallel, word } from './parallel.ts';
import { snapshot } from './snapshot.ts';

/** Each adds its number plus one a thousand times, under a lock that it spins for. */
const UNDER_LOCK = `
  mov ebx, eax
  inc ebx
  mov ecx, 1000
.again:
  mov edx, 1
.spin:
  xchg edx, [lock_word]
  test edx, edx
  jnz .spin
  mov esi, [shared]
  add esi, ebx
  mov [shared], esi
  mov dword [lock_word], 0
  dec ecx
  jnz .again`;

describe('processors', function () {
  this.timeout(30_000);

  for (const processors of [1, 2, 4, 8])
    it(`${processors}: come up by INIT and SIPI, and exclude each other by XCHG`, () => {
      const guest = startParallel(UNDER_LOCK, processors);
      assert.equal(result(guest), processors);
      assert.equal(word(guest, 'shared'), (1000 * processors * (processors + 1)) / 2);
    });

  it('know their place by CPUID', () => {
    const facts = (work: string): number[] => {
      const guest = startParallel(`push eax\n${work}\npop esi\nmov [per_processor + esi * 4], eax`, 3);
      assert.equal(result(guest), 3);
      return [0, 1, 2].map((index) => word(guest, 'per_processor', index));
    };
    assert.deepEqual(facts('mov eax, 1\ncpuid\nshr ebx, 16\nmov eax, ebx'), [0x003, 0x103, 0x203], 'id and count');
    assert.deepEqual(facts('mov eax, 1\ncpuid\nshr edx, 28\nmov eax, edx\nand eax, 1'), [1, 1, 1], 'HTT');
    assert.deepEqual(facts('mov eax, 4\nxor ecx, ecx\ncpuid\nshr eax, 26'), [3, 3, 3], 'cores');
    assert.deepEqual(facts('mov eax, 0xb\nmov ecx, 1\ncpuid\nshl ebx, 8\nor eax, ebx'), [0x302, 0x302, 0x302]);
    assert.deepEqual(facts('mov eax, 0xb\nmov ecx, 1\ncpuid\nmov eax, edx'), [0, 1, 2], 'x2APIC id');
    assert.deepEqual(facts('mov ecx, 0x1b\nrdmsr\nshr eax, 8\nand eax, 9'), [9, 8, 8], 'bootstrap processor');
  });

  it('draw random numbers of their own', () => {
    const guest = startParallel('mov esi, eax\nrdrand ebx\nmov [per_processor + esi * 4], ebx', 4);
    assert.equal(result(guest), 4);
    assert.equal(new Set([0, 1, 2, 3].map((index) => word(guest, 'per_processor', index))).size, 4);
  });

  it('do the same whatever the runs are given', () => {
    const whole = startParallel(UNDER_LOCK, 4);
    const stop = runToStop(whole.machine);
    const expected = { stop, ...snapshot(whole.machine) };
    for (const slice of [1, 7, 1000]) {
      const cut = startParallel(UNDER_LOCK, 4);
      let last;
      do last = cut.machine.run(budget(slice));
      while (last.kind === 'budget');
      assert.deepEqual({ stop: last, ...snapshot(cut.machine) }, expected, `slices of ${slice}`);
    }
  });

  it('do the same with breakpoints, watchpoints and steps of any of them', () => {
    const whole = startParallel(UNDER_LOCK, 3);
    const expected = { stop: runToStop(whole.machine), ...snapshot(whole.machine) };
    const watched = startParallel(UNDER_LOCK, 3);
    const { machine } = watched;
    machine.setStopConditions(
      stopsFor({
        breakpoints: new Set([watched.label('work.again')]),
        watchpoints: [{ id: 1, linear: watched.label('shared'), bytes: 4, access: 'write' }],
      }),
    );
    const seen = new Set<string>();
    for (let turn = 0; ; turn++) {
      const step = turn % 5 === 4 ? { maxInstructions: 1, cpu: turn % 3 } : { maxInstructions: 5000 };
      const stop = machine.run(budget(1, { ...step, ignoreFirstBreakpoint: true }));
      seen.add(`${stop.kind} ${machine.current}`);
      if (stop.kind !== 'power-off') continue;
      machine.setStopConditions(stopsFor({}));
      assert.deepEqual({ stop, ...snapshot(machine) }, expected);
      break;
    }
    for (const kind of ['breakpoint', 'watchpoint', 'budget'])
      for (const cpu of [0, 1, 2]) assert.ok(seen.has(`${kind} ${cpu}`), `${kind} ${cpu} of ${[...seen].join(', ')}`);
  });

  it('make exactly one instruction each time they are stepped, while the others go on', () => {
    const { machine, label } = startParallel('jmp $', 3);
    machine.setStopConditions(stopsFor({ breakpoints: new Set([label('work')]) }));
    while (machine.current !== 2) machine.run(budget(1_000_000, { ignoreFirstBreakpoint: true }));
    machine.setStopConditions(stopsFor({}));
    const retired = machine.instructionsRetired;
    assert.deepEqual(machine.run(budget(1, { cpu: 2 })), { kind: 'budget' });
    assert.equal(machine.instructionsRetired, retired + 1, 'its turn goes on');
    assert.deepEqual(machine.run(budget(1, { cpu: 1 })), { kind: 'budget' });
    assert.equal(machine.current, 1);
    const others = machine.instructionsRetired - retired - 2;
    assert.ok(others > 500 && others < 4000, `${others} instructions of the others`);
  });

  it('that wait for ever can be stepped, too, and ask for patience', () => {
    const { machine } = startCode(32, 'jmp $', 'bare', 2);
    assert.deepEqual(machine.run(budget(1, { cpu: 1 })), { kind: 'waiting' });
    assert.equal(machine.run(budget(1)).kind, 'budget');
    assert.equal(machine.current, 0);
  });

  it('stop the machine by a triple fault, and are named', () => {
    const guest = startParallel(
      `test eax, eax
       jz .others
       cmp eax, 2
       jne .others
       lidt [.none]
       int3
     .none: dd 0, 0
     .others:
       pause
       jmp .others`,
      3,
    );
    assert.equal(runToStop(guest.machine).kind, 'triple-fault');
    assert.equal(guest.machine.current, 2);
    assert.equal(guest.machine.inspect.mode(2).activity, 'shutdown');
  });

  it('go on while one of them only faults', () => {
    // In real mode UD2 leads to itself, on a stack that wraps.
    const guest = startCode(
      32,
      `mov dword [6 * 4], 0x09000005
       mov dword [0xfee000f0], 0x1ff
       mov dword [0xfee00300], 0xc4500
       mov dword [0xfee00300], 0xc4609
       mov ecx, 50
     again:
       pause
       loop again
       mov dx, 0xf4
       mov eax, 3
       out dx, eax
       hlt
       times 0x1000 - ($ - $$) db 0
       bits 16
       mov ax, 0x5000
       mov ss, ax
       ud2`,
      'bare',
      2,
    );
    const stop = guest.machine.run(budget(1_000_000));
    assert.deepEqual(stop, { kind: 'power-off', status: 7 });
    assert.equal(guest.machine.inspect.register(1, 'RIP'), 5n);
  });

  it('have translations of their own: INVLPG of one leaves those of another', () => {
    // 400000h is mapped by a page table at 101000h; all else by large pages.
    const guest = startParallel(
      `mov esi, eax
       mov dword [0x100000], 0x83
       mov dword [0x100004], 0x101003
       mov ebx, 0xfec00093
       mov [0x100fec], ebx
       cmp dword [0x101000], 0
       jne .mapped
       mov dword [0x101000], 0x200003
     .mapped:
       mov eax, cr4
       or eax, 0x10
       mov cr4, eax
       mov eax, 0x100000
       mov cr3, eax
       mov eax, cr0
       or eax, 0x80000000
       mov cr0, eax
       test esi, esi
       jz .changer
       mov dword [0x200000], 0x11
       mov dword [0x201000], 0x22
       mov eax, [0x400000]
       mov [per_processor], eax
       mov dword [ready], 1
     .wait:
       pause
       cmp dword [go], 0
       je .wait
       mov eax, [0x400000]
       mov [per_processor + 4], eax
       invlpg [0x400000]
       mov eax, [0x400000]
       mov [per_processor + 8], eax
       ret
     .changer:
       pause
       cmp dword [ready], 1
       jne .changer
       mov eax, [0x400000]
       mov [per_processor + 12], eax
       mov dword [0x101000], 0x201003
       invlpg [0x400000]
       mov eax, [0x400000]
       mov [per_processor + 16], eax
       mov dword [go], 1`,
      2,
    );
    assert.equal(result(guest), 2);
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((index) => word(guest, 'per_processor', index)),
      [0x11, 0x11, 0x22, 0x11, 0x22],
    );
  });

  it('execute what another one has written', () => {
    const guest = startParallel(
      `test eax, eax
       jz .writer
     .again:
       lock inc dword [ready]
     .patched:
       mov eax, 0x11
       cmp eax, 0x11
       je .again
       mov [per_processor], eax
       ret
     .writer:
       cmp dword [ready], 1000
       jb .writer
       mov byte [.patched + 1], 0x22`,
      2,
    );
    assert.equal(result(guest), 2);
    assert.equal(word(guest, 'per_processor'), 0x22);
  });

  it('share one clock: no time-stamp counter is ahead by more than a turn', () => {
    const guest = startParallel(
      `mov esi, eax
       mov ecx, 300
     .again:
       rdtsc
       mov edi, eax
       sub eax, [shared]
       mov [shared], edi
       cmp eax, [per_processor + esi * 4]
       jge .smallest
       mov [per_processor + esi * 4], eax
     .smallest:
       mov edx, 50
     .wait:
       dec edx
       jnz .wait
       loop .again`,
      4,
    );
    assert.equal(result(guest), 4);
    const furthestBack = Math.min(...[0, 1, 2, 3].map((index) => word(guest, 'per_processor', index) | 0));
    assert.ok(furthestBack < 0 && furthestBack > -1100, `${furthestBack}`);
  });
});
