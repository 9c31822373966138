/** What a debugger may read and change: registers, memory in three address spaces. */
import assert from 'node:assert/strict';
import type { RegisterName } from '../../debug-adapter/engine/index.ts';
import { budget, mapPage, runToStop, startCode, startSample, stopsFor, WINDOW, type Guest } from './guest.ts';

const set = ({ machine }: Guest, name: RegisterName, value: bigint): string | undefined =>
  machine.setRegister(0, name, value);
const get = ({ machine }: Guest, name: RegisterName): bigint => machine.inspect.register(0, name);

describe('register edits', () => {
  it('are what the program goes on with', () => {
    const guest = startCode(64, 'nop\n add rax, rbx\n jc carry\n mov ecx, 1\n hlt\ncarry: mov ecx, 2\n hlt');
    guest.machine.run(budget(1));
    for (const [name, value] of [
      ['RAX', (1n << 64n) - 1n],
      ['RBX', 2n],
      ['R15', 0x1234n],
      ['RFLAGS', 0x8d7n],
    ] as const) {
      assert.equal(set(guest, name, value), undefined);
      assert.equal(get(guest, name), value);
    }
    guest.machine.run(budget(3));
    assert.deepEqual([get(guest, 'RAX'), get(guest, 'RCX'), get(guest, 'R15')], [1n, 2n, 0x1234n]);
  });

  it('move RIP', () => {
    const guest = startCode(64, 'mov ecx, 1\n hlt\nother: mov ecx, 2\n hlt');
    guest.machine.run(budget(1));
    assert.equal(set(guest, 'RIP', guest.label('other')), undefined);
    guest.machine.run(budget(1));
    assert.equal(get(guest, 'RCX'), 2n);
  });

  it('set every arithmetic flag by itself', () => {
    const guest = startCode(64, 'pushfq\n pop rax\n hlt');
    for (const bit of [0, 2, 4, 6, 7, 10, 11]) {
      guest.machine.reset();
      const value = (1n << BigInt(bit)) | 2n;
      assert.equal(set(guest, 'RFLAGS', value), undefined);
      guest.machine.run(budget(2));
      assert.equal(get(guest, 'RAX'), value, `bit ${bit}`);
    }
  });

  const REFUSED: readonly (readonly [RegisterName, bigint, RegExp])[] = [
    ['RAX', 1n << 64n, /RAX has 64 bits/],
    ['RAX', -1n, /RAX has 64 bits/],
    ['CS', 0x1_0000n, /CS has 16 bits/],
    ['RIP', 1n << 47n, /not canonical/],
    ['IA32_LSTAR', 0x8000_0000_0000_0000n, /not canonical/],
    ['GDTR_LIMIT', 1n << 32n, /32 bits/],
    ['CR0', 0n, /refuses/], // long mode needs paging
    ['CR0', 0x8000_0000n, /refuses/], // paging needs protection
    ['CR4', 0n, /refuses/], // long mode needs PAE
    ['CR4', 1n << 63n, /refuses|reserved/],
    ['CR8', 0x10n, /refuses/],
    ['IA32_EFER', 1n << 1n, /refuses/],
    ['DS', 0xfff8n, /refuses/], // beyond the GDT
    ['CS', 0x8n, /far branches/],
  ];
  for (const [name, value, why] of REFUSED)
    it(`refuse ${name} = ${value.toString(16)}h with a reason, and change nothing`, () => {
      const guest = startCode(64, 'nop\n nop');
      guest.machine.run(budget(1));
      const before = get(guest, name);
      assert.match(set(guest, name, value) ?? 'accepted', why);
      assert.equal(get(guest, name), before);
      assert.equal(guest.machine.run(budget(1)).kind, 'budget');
    });

  it('load segments as the processor does', () => {
    const protectedMode = startCode(32, 'nop');
    assert.equal(set(protectedMode, 'ES', 0x10n), undefined);
    assert.equal(set(protectedMode, 'ES', 0n), undefined);
    const realMode = startCode(16, 'mov al, [es:0]');
    realMode.machine.writeMemory('host-physical', 0x1_2340n, Uint8Array.of(0x5a), 0);
    assert.equal(set(realMode, 'ES', 0x1234n), undefined);
    realMode.machine.run(budget(1));
    assert.equal(get(realMode, 'RAX'), 0x5an);
  });

  it('of CR3 take effect on the next access', () => {
    const guest = startCode(
      64,
      `again: mov eax, [${WINDOW + 8n}]\n jmp again`.replace('[549755813896]', '[qword 8000000008h]'),
    );
    mapPage(guest, 0, 0x3_0000);
    guest.machine.writeMemory('host-physical', 0x3_0008n, Uint8Array.of(1), 0);
    guest.machine.run(budget(2));
    assert.equal(get(guest, 'RAX'), 1n);
    mapPage(guest, 0, 0x3_1000);
    guest.machine.writeMemory('host-physical', 0x3_1008n, Uint8Array.of(2), 0);
    assert.equal(set(guest, 'CR3', get(guest, 'CR3')), undefined);
    guest.machine.run(budget(2));
    assert.equal(get(guest, 'RAX'), 2n);
  });
});

describe('memory', () => {
  const read = (
    { machine }: Guest,
    space: 'linear' | 'guest-physical' | 'host-physical',
    at: bigint,
    bytes: number,
  ) => [...machine.inspect.readMemory(space, at, bytes, 0)];

  it('is read and written through the mapping, across pages that lie apart', () => {
    const guest = startCode(64, 'nop');
    mapPage(guest, 0, 0x3_0000);
    mapPage(guest, 1, 0x5_0000);
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);
    assert.equal(guest.machine.writeMemory('linear', WINDOW + 0xffdn, bytes, 0), 6);
    assert.deepEqual(read(guest, 'linear', WINDOW + 0xffdn, 6), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(read(guest, 'guest-physical', 0x3_0ffdn, 3), [1, 2, 3]);
    assert.deepEqual(read(guest, 'host-physical', 0x5_0000n, 3), [4, 5, 6]);
  });

  it('ends where nothing is mapped, or memory ends', () => {
    const guest = startCode(64, 'nop');
    mapPage(guest, 0, 0x3_0000);
    assert.equal(read(guest, 'linear', WINDOW + 0xff0n, 64).length, 16);
    assert.equal(read(guest, 'linear', WINDOW + 0x1000n, 1).length, 0);
    assert.equal(guest.machine.writeMemory('linear', WINDOW + 0xffcn, new Uint8Array(9), 0), 4);
    assert.equal(guest.machine.writeMemory('linear', 1n << 63n, new Uint8Array(9), 0), 0);
    assert.equal(read(guest, 'linear', 1n << 63n, 8).length, 0);
    const end = BigInt(guest.machine.options.memoryBytes);
    assert.equal(read(guest, 'host-physical', end - 3n, 8).length, 3);
    assert.equal(read(guest, 'guest-physical', end - 3n, 8).length, 3);
    assert.equal(guest.machine.writeMemory('host-physical', end - 3n, new Uint8Array(8), 0), 3);
  });

  it('sets no accessed or dirty bit when a debugger writes', () => {
    const guest = startCode(64, 'nop');
    mapPage(guest, 0, 0x3_0000);
    const entry = (): number[] => read(guest, 'host-physical', 0x10_2000n, 8);
    const before = entry();
    guest.machine.writeMemory('linear', WINDOW, Uint8Array.of(1), 0);
    read(guest, 'linear', WINDOW, 8);
    assert.deepEqual(entry(), before);
  });

  it('that holds decoded code can be patched', () => {
    const guest = startCode(64, 'again: mov eax, 1\n jmp again');
    guest.machine.run(budget(1000));
    assert.equal(guest.machine.writeMemory('linear', guest.label('again') + 1n, Uint8Array.of(9), 0), 1);
    guest.machine.run(budget(4));
    assert.equal(get(guest, 'RAX'), 9n);
  });

  it("under the hypervisor: guest-physical is the program's, host-physical the hypervisor's", () => {
    const guest = startSample('00-hello/hello.asm', 'vm');
    const { machine } = guest;
    const boot = read(guest, 'guest-physical', 0x7c00n, 16);
    assert.deepEqual(read(guest, 'linear', 0x7c00n, 16), boot);
    assert.notDeepEqual(read(guest, 'host-physical', 0x7c00n, 16), boot);
    assert.equal(machine.writeMemory('guest-physical', 0x5000n, Uint8Array.of(7), 0), 1);
    assert.deepEqual(read(guest, 'linear', 0x5000n, 1), [7]);
    machine.setStopConditions(stopsFor({}));
    assert.equal(runToStop(machine).kind, 'power-off');
  });
});

describe('start states', () => {
  it('of a boot sector: 0:7C00h, DL = 0, the firmware below and above', () => {
    const guest = startSample('00-hello/hello.asm');
    assert.deepEqual([get(guest, 'CS'), get(guest, 'RIP'), get(guest, 'RDX')], [0n, 0x7c00n, 0n]);
    assert.equal(guest.machine.inspect.mode(0).operation, 'real');
  });

  it('of flat code in its own size, with code that may write itself', () => {
    for (const [bits, operation, paging] of [
      [16, 'real', 'off'],
      [32, 'protected', 'off'],
      [64, '64-bit', '4-level'],
    ] as const) {
      const guest = startCode(bits, 'here: mov byte [cs:here], 90h\n nop'.replace('cs:', bits === 16 ? 'cs:' : ''));
      const mode = guest.machine.inspect.mode(0);
      assert.deepEqual([mode.operation, mode.bits, mode.paging, mode.cpl], [operation, bits, paging, 0]);
      assert.equal(guest.machine.run(budget(1)).kind, 'budget');
      assert.equal(guest.machine.instructionsRetired, 1);
      assert.equal(guest.machine.inspect.readMemory('linear', guest.label('here'), 1, 0)[0], 0x90);
    }
  });
});
