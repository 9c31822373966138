/** Decoded code against what happens to the pages it was decoded from: stores, other mappings, breakpoints, no room left. */
import assert from 'node:assert/strict';
import type { RegisterName } from '../../debug-adapter/engine/index.ts';
import {
  budget,
  mapPage,
  place,
  runToStop,
  startCode,
  stopsFor,
  WINDOW,
  windowEntry,
  type Guest,
} from '../machine/guest.ts';

const END = `
        mov al, 0
        out 0F4h, al`;
const hex = (value: bigint | number): string => `0${value.toString(16)}h`;
const register = ({ machine }: Guest, name: RegisterName): bigint => machine.inspect.register(0, name);

function finish(guest: Guest): void {
  assert.deepEqual(runToStop(guest.machine), { kind: 'power-off', status: 1 });
}

/** Places `mov eax, imm32; ret` so that only the opcode and one byte lie in the first page. */
function placeCrossing(guest: Guest, first: number, seconds: Readonly<Record<number, number>>): void {
  place(guest, first + 0xffe, 'db 0B8h, 0AAh');
  for (const [second, byte] of Object.entries(seconds))
    place(guest, Number(second), `db ${byte}, ${byte}, ${byte}, 0C3h`);
}
const CROSSING = WINDOW + 0xffen;

describe('an instruction that crosses into another page', () => {
  it('is decoded again when that page is mapped elsewhere', () => {
    const guest = startCode(
      64,
      `mov rdi, ${hex(CROSSING)}
        call rdi
        mov ebx, eax
        mov qword [${hex(windowEntry(1))}], 32003h
        mov rsi, ${hex(WINDOW + 0x1000n)}
        invlpg [rsi]
        call rdi
        mov ecx, eax${END}`,
    );
    placeCrossing(guest, 0x3_0000, { 0x3_1000: 0x11, 0x3_2000: 0x22 });
    mapPage(guest, 0, 0x3_0000);
    mapPage(guest, 1, 0x3_1000);
    finish(guest);
    assert.equal(register(guest, 'RBX'), 0x1111_11aan);
    assert.equal(register(guest, 'RCX'), 0x2222_22aan);
  });

  it('is decoded again when its tail in the second page is written', () => {
    const guest = startCode(
      64,
      `mov rdi, ${hex(CROSSING)}
        call rdi
        mov ebx, eax
        mov byte [31001h], 77h
        call rdi
        mov ecx, eax
        mov byte [30fffh], 55h
        call rdi
        mov edx, eax${END}`,
    );
    placeCrossing(guest, 0x3_0000, { 0x3_1000: 0x11 });
    mapPage(guest, 0, 0x3_0000);
    mapPage(guest, 1, 0x3_1000);
    finish(guest);
    assert.equal(register(guest, 'RBX'), 0x1111_11aan);
    assert.equal(register(guest, 'RCX'), 0x1177_11aan);
    assert.equal(register(guest, 'RDX'), 0x1177_1155n);
  });

  it('stops on a breakpoint, and is executed whole behind it', () => {
    const guest = startCode(64, `mov rdi, ${hex(CROSSING)}\n call rdi\n call rdi${END}`);
    placeCrossing(guest, 0x3_0000, { 0x3_1000: 0x11 });
    mapPage(guest, 0, 0x3_0000);
    mapPage(guest, 1, 0x3_1000);
    guest.machine.setStopConditions(stopsFor({ breakpoints: new Set([CROSSING]) }));
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(guest.machine.run(budget(100)), { kind: 'breakpoint', linear: CROSSING });
      assert.deepEqual(guest.machine.run(budget(1, { ignoreFirstBreakpoint: true })), { kind: 'budget' });
      assert.equal(register(guest, 'RAX'), 0x1111_11aan);
      assert.equal(register(guest, 'RIP'), WINDOW + 0x1003n);
      guest.machine.setRegister(0, 'RAX', 0n);
    }
    finish(guest);
  });
});

describe('code under another mapping', () => {
  it('is what INVLPG makes visible', () => {
    const guest = startCode(
      64,
      `mov rdi, ${hex(WINDOW)}
        call rdi
        call rdi
        mov qword [${hex(windowEntry(0))}], 31003h
        invlpg [rdi]
        call rdi${END}`,
    );
    place(guest, 0x3_0000, 'inc ebx\n ret');
    place(guest, 0x3_1000, 'add ebx, 100h\n ret');
    mapPage(guest, 0, 0x3_0000);
    finish(guest);
    assert.equal(register(guest, 'RBX'), 0x102n);
  });

  it('may change under the instruction that is running', () => {
    const body = (result: number): string =>
      `mov qword [${hex(windowEntry(0))}], 31003h
        invlpg [rdi]
        mov ebx, ${result}
        ret`;
    const guest = startCode(64, `mov rdi, ${hex(WINDOW)}\n call rdi${END}`);
    place(guest, 0x3_0000, body(1));
    place(guest, 0x3_1000, body(2));
    mapPage(guest, 0, 0x3_0000);
    finish(guest);
    assert.equal(register(guest, 'RBX'), 2n);
  });

  it('shares decoded instructions between mappings, but not breakpoints', () => {
    const guest = startCode(
      64,
      `mov rdi, ${hex(WINDOW)}
        mov ecx, 3
again:  call rdi
        lea rsi, [rdi + 1000h]
        call rsi
        dec ecx
        jnz again${END}`,
    );
    place(guest, 0x3_0000, 'inc ebx\n ret');
    mapPage(guest, 0, 0x3_0000);
    mapPage(guest, 1, 0x3_0000);
    const second = WINDOW + 0x1000n;
    guest.machine.setStopConditions(stopsFor({ breakpoints: new Set([second]) }));
    for (const before of [1n, 3n, 5n]) {
      assert.deepEqual(runToStop(guest.machine), { kind: 'breakpoint', linear: second });
      assert.equal(register(guest, 'RBX'), before);
      guest.machine.run(budget(1, { ignoreFirstBreakpoint: true }));
    }
    finish(guest);
    assert.equal(register(guest, 'RBX'), 6n);
  });

  it('does not stop for a breakpoint at the same offset of another page', () => {
    const guest = startCode(64, `mov ebx, 1\nhere: mov ecx, 2${END}`);
    const elsewhere = guest.label('here') + 0x7000n;
    guest.machine.setStopConditions(stopsFor({ breakpoints: new Set([elsewhere]) }));
    finish(guest);
  });
});

describe('room for decoded code', function () {
  this.timeout(20_000);

  it('is made when more pages hold code than there are tables for', () => {
    const pages = 700;
    const guest = startCode(
      64,
      `mov edx, 2
outer:  mov rdi, 200000h
        mov ecx, ${pages}
again:  call rdi
        add rdi, 1000h
        dec ecx
        jnz again
        dec edx
        jnz outer${END}`,
    );
    const code = Uint8Array.of(0xff, 0xc3, 0xc3); // inc ebx; ret
    for (let page = 0; page < pages; page++)
      guest.machine.writeMemory('host-physical', BigInt(0x20_0000 + page * 0x1000), code, 0);
    finish(guest);
    assert.equal(register(guest, 'RBX'), BigInt(2 * pages));
  });

  it('is made when more instructions are decoded than there are records for', () => {
    const nops = 140_000;
    const guest = startCode(64, `mov rdi, 200000h\n call rdi\n call rdi${END}`);
    guest.machine.writeMemory('host-physical', 0x20_0000n, new Uint8Array(nops).fill(0x90), 0);
    place(guest, 0x20_0000 + nops, 'inc ebx\n ret');
    finish(guest);
    assert.equal(register(guest, 'RBX'), 2n);
    // mov, two calls of nops, inc and ret, mov and out.
    assert.equal(guest.machine.instructionsRetired, 1 + 2 * (1 + nops + 2) + 2);
  });
});
