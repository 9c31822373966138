/** Several processors: how they are started and stopped, what each has of its own, and that their order is nobody's choice. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { budget, runToStop, startCode, type Guest } from './guest.ts';
import { snapshot } from './snapshot.ts';

/**
 * A 32-bit flat program that sends INIT and two start-up IPIs to all other processors. They come up in real mode at 9000h, enter
 * protected mode and call `work` as the bootstrap processor does, with EAX = APIC id and a stack of their own; then they
 * count in `done` and halt. `finish` ends the machine with the status in EAX.
 */
const parallel = (work: string, after = 'mov eax, [done]'): string => `
  mov esp, 0x7000
  mov dword [0xfee000f0], 0x1ff
  mov dword [0xfee00300], 0xc4500
  mov dword [0xfee00300], 0xc4609
  mov dword [0xfee00300], 0xc4609
  call body
  mov dx, 0x510
  mov ax, 5
  out dx, ax
  mov dx, 0x511
  xor eax, eax
  in al, dx
all_done:
  pause
  cmp [done], eax
  jne all_done
  ${after}
finish:
  mov dx, 0xf4
  out dx, eax
  hlt

body:
  mov eax, [0xfee00020]
  shr eax, 24
  push eax
  call work
  pop eax
  lock inc dword [done]
  ret

work:
  ${work}
  ret

ap32:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, [0xfee00020]
  shr eax, 14
  add eax, 0x20000
  mov esp, eax
  mov dword [0xfee000f0], 0x1ff
  call body
  cli
ap_halt:
  hlt
  jmp ap_halt

align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
lock_word: dd 0
shared: dd 0
done: dd 0
per_processor: times 8 dd 0

times 0x1000 - ($ - $$) db 0
bits 16
trampoline:
  cli
  o32 lgdt [cs:gdtr - trampoline]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:ap32
gdtr: dw 23
  dd gdt
bits 32
`;

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

const startParallel = (work: string, processors: number, after?: string): Guest =>
  startCode(32, parallel(work, after), 'bare', processors);

/** What the program wrote to port F4h. */
function result({ machine }: Guest): number {
  const stop = runToStop(machine);
  assert.ok(stop.kind === 'power-off', inspect(stop));
  return (stop.status - 1) / 2;
}

function word({ machine, label }: Guest, name: string, index = 0): number {
  const bytes = machine.inspect.readMemory('host-physical', label(name) + BigInt(4 * index), 4, 0);
  return Buffer.from(bytes).readUInt32LE();
}

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
});
