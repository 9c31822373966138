/** Accesses to what is not plain memory, and instructions that nobody executes. */
import assert from 'node:assert/strict';
import { budget, runToStop, startCode } from '../machine/guest.ts';

const ROM = 0xc_0000;
const HOLE = 0x7f00_0000;

describe('ROM', () => {
  it('drops writes of every kind and answers reads', () => {
    const { machine } = startCode(
      64,
      `mov rsi, 0F0000h
        mov rbx, [rsi]
        mov rax, 1122334455667788h
        mov [rsi], rax
        mov rcx, [rsi]
        mov edi, ${ROM}
        inc byte [rdi]
        add qword [rdi + 0FFCh], 1
        xchg [rdi], eax
        mov ecx, 40h
        rep stosb
        mov rdx, [${ROM}]
        mov rbp, [${ROM + 0xffc}]
        mov rcx, [rsi]
        mov al, 0
        out 0F4h, al`,
    );
    const firmware = machine.inspect.readMemory('host-physical', 0xf_0000n, 8, 0);
    assert.equal(runToStop(machine).kind, 'power-off');
    const register = (name: 'RBX' | 'RCX' | 'RDX' | 'RBP'): bigint => machine.inspect.register(0, name);
    assert.equal(register('RBX'), Buffer.from(firmware).readBigUInt64LE());
    assert.equal(register('RCX'), register('RBX'));
    assert.equal(register('RDX'), 0n);
    assert.equal(register('RBP'), 0n);
    assert.deepEqual(machine.inspect.readMemory('host-physical', 0xf_0000n, 8, 0), firmware);
  });
});

describe('where there is nothing', () => {
  for (const [access, instruction] of [
    ['read', 'mov eax, [rbx]'],
    ['write', 'mov [rbx], eax'],
    ['read', 'rep movsb'],
    ['write', 'push rax'],
  ] as const)
    it(`${instruction} stops by name, before it does anything`, () => {
      const { machine, label } = startCode(
        64,
        `mov ebx, ${HOLE}\n mov esi, ebx\n mov edi, 100000h\n mov ecx, 3\n lea rsp, [rbx + 8]\nhere: ${instruction}\n nop`,
      );
      machine.run(budget(5));
      for (let i = 0; i < 2; i++) {
        const stop = machine.run(budget(10));
        assert.ok(stop.kind === 'nowhere', stop.kind);
        assert.deepEqual([stop.address, stop.access, stop.linear], [HOLE, access, label('here')]);
        assert.equal(machine.inspect.register(0, 'RIP'), label('here'));
        assert.equal(machine.inspect.register(0, 'RCX'), 3n);
        assert.equal(machine.inspect.register(0, 'RSP'), BigInt(HOLE + 8));
      }
    });

  it('a jump stops at its target and knows where it came from', () => {
    const { machine, label } = startCode(64, `mov eax, ${HOLE}\nhere: jmp rax`);
    const stop = runToStop(machine);
    assert.deepEqual(stop, {
      kind: 'nowhere',
      address: HOLE,
      access: 'fetch',
      linear: BigInt(HOLE),
      from: label('here'),
    });
    assert.equal(machine.instructionsRetired, 2);
  });

  it('one step of that jump ends before anything is fetched', () => {
    const { machine } = startCode(64, `mov eax, ${HOLE}\n jmp rax`);
    assert.deepEqual(machine.run(budget(2)), { kind: 'budget' });
    assert.equal(machine.inspect.register(0, 'RIP'), BigInt(HOLE));
    assert.equal(machine.run(budget(1)).kind, 'nowhere');
  });
});

describe('an instruction that is not built', () => {
  it('stops with its name, bytes and address, each time', () => {
    const { machine, label } = startCode(64, `nop\nhere: pconfig\n nop`);
    for (let i = 0; i < 2; i++)
      assert.deepEqual(machine.run(budget(10)), {
        kind: 'unimplemented',
        what: 'instruction PCONFIG (CPUID feature PCONFIG)',
        bytes: Uint8Array.of(0x0f, 0x01, 0xc5),
        linear: label('here'),
      });
    assert.equal(machine.instructionsRetired, 1);
  });
});
