/** Watchpoints: which accesses they see, and where the machine stands when it has stopped. */
import assert from 'node:assert/strict';
import type { Watchpoint } from '../../debug-adapter/engine/index.ts';
import { budget, runToStop, startCode, stopsFor, type Guest } from './guest.ts';

const AT = 0x20_0ffen;

function watch(guest: Guest, access: Watchpoint['access'], bytes = 4, linear = AT): void {
  guest.machine.setStopConditions(stopsFor({ watchpoints: [{ id: 7, linear, bytes, access }] }));
}

interface Row {
  readonly body: string;
  /** The stop, or that there is none. */
  readonly stop: readonly [access: 'read' | 'write', linear: bigint] | 'none';
}

/** All with RBX = the watched address, 4 bytes that straddle two pages. */
const ROWS: Readonly<Record<Watchpoint['access'], readonly Row[]>> = {
  read: [
    { body: 'mov eax, [rbx]', stop: ['read', AT] },
    { body: 'mov al, [rbx + 3]', stop: ['read', AT + 3n] },
    { body: 'mov rax, [rbx - 7]', stop: ['read', AT - 7n] },
    { body: 'mov rax, [rbx - 8]', stop: 'none' },
    { body: 'mov al, [rbx + 4]', stop: 'none' },
    { body: 'mov [rbx], eax', stop: 'none' },
    { body: 'add [rbx], eax', stop: ['read', AT] },
    { body: 'mov rsp, rbx\n pop rax', stop: ['read', AT] },
    { body: 'mov rsi, rbx\n lodsb', stop: ['read', AT] },
    { body: 'lea rax, [rbx]\n nop dword [rbx]', stop: 'none' },
  ],
  write: [
    { body: 'mov [rbx], eax', stop: ['write', AT] },
    { body: 'mov byte [rbx + 3], 1', stop: ['write', AT + 3n] },
    { body: 'mov [rbx - 7], rax', stop: ['write', AT - 7n] },
    { body: 'mov [rbx - 8], rax', stop: 'none' },
    { body: 'mov [rbx + 4], rax', stop: 'none' },
    { body: 'mov eax, [rbx]', stop: 'none' },
    { body: 'inc byte [rbx + 1]', stop: ['write', AT + 1n] },
    { body: 'lea rsp, [rbx + 8]\n push rax', stop: ['write', AT] },
    { body: 'lea rsp, [rbx + 10]\n pushfq', stop: ['write', AT + 2n] },
    { body: 'sgdt [rbx - 6]', stop: ['write', AT - 4n] },
    { body: 'xor eax, eax\n lock cmpxchg [rbx], ecx', stop: ['write', AT] },
  ],
  readWrite: [
    { body: 'mov eax, [rbx]', stop: ['read', AT] },
    { body: 'mov [rbx], eax', stop: ['write', AT] },
    { body: 'mov [rbx + 4], eax\n mov eax, [rbx - 4]', stop: 'none' },
  ],
};

describe('watchpoints', () => {
  for (const [access, rows] of Object.entries(ROWS) as [Watchpoint['access'], readonly Row[]][])
    for (const { body, stop } of rows)
      it(`${access}: ${body.replace('\n', ';')} ${stop === 'none' ? 'passes' : 'stops'}`, () => {
        const guest = startCode(64, `mov ebx, ${AT}\n ${body}\nbehind: nop\nend: jmp end`);
        watch(guest, access);
        const found = guest.machine.run(budget(20));
        if (stop === 'none') assert.equal(found.kind, 'budget');
        else {
          assert.deepEqual(found, { kind: 'watchpoint', id: 7, linear: stop[1], access: stop[0] });
          assert.equal(guest.machine.inspect.register(0, 'RIP'), guest.label('behind'));
        }
      });

  it('stop within a repeated string instruction, behind the iteration that touched, and go on from there', () => {
    const guest = startCode(
      64,
      `mov edi, ${AT - 5n}\n mov ecx, 16\n mov al, 9\nhere: rep stosb\n mov al, 0\n out 0F4h, al`,
    );
    watch(guest, 'write', 1);
    assert.deepEqual(guest.machine.run(budget(20)), { kind: 'watchpoint', id: 7, linear: AT, access: 'write' });
    const { inspect } = guest.machine;
    assert.deepEqual(
      [inspect.register(0, 'RIP'), inspect.register(0, 'RCX'), inspect.register(0, 'RDI')],
      [guest.label('here'), 10n, AT + 1n],
    );
    assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 1 });
    assert.deepEqual(inspect.readMemory('linear', AT - 6n, 18, 0), Uint8Array.of(0, ...Array<number>(16).fill(9), 0));
  });

  it('see what exception delivery pushes', () => {
    const guest = startCode(
      64,
      `lea rsp, [rel stack + 64]\n lidt [rel idtr]\n ud2\nhandler: jmp handler\n align 16\nidt: times 6 dq 0, 0\n dw handler, 8, 8E00h, 0, 0, 0, 0, 0\nidtr: dw 6Fh\n dq idt\n align 16\nstack: times 10 dq 0`,
    );
    const pushed = guest.label('stack') + 24n; // below SS, RSP, RFLAGS, CS: RIP
    watch(guest, 'write', 8, pushed);
    assert.deepEqual(guest.machine.run(budget(20)), { kind: 'watchpoint', id: 7, linear: pushed, access: 'write' });
    assert.equal(guest.machine.inspect.register(0, 'RIP'), guest.label('handler'));
  });

  it('stop for an access after they have been set while the page was in the TLB, and no more once removed', () => {
    const guest = startCode(64, `mov ebx, ${AT}\nagain: inc dword [rbx]\n jmp again`);
    const { machine } = guest;
    assert.equal(machine.run(budget(1001)).kind, 'budget');
    watch(guest, 'write');
    assert.equal(machine.run(budget(10)).kind, 'watchpoint');
    assert.equal(machine.run(budget(10)).kind, 'watchpoint');
    machine.setStopConditions(stopsFor({}));
    assert.equal(machine.run(budget(1000)).kind, 'budget');
  });
});
