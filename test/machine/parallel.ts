/** Programs for several processors, and what they leave behind. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { runToStop, startCode, type Guest } from './guest.ts';

/**
 * A 32-bit flat program that sends INIT and two start-up IPIs to all other processors. They come up in real mode at 9000h, enter
 * protected mode and call `work` as the bootstrap processor does, with EAX = APIC id and a stack of their own; then they
 * count in `done` and halt. The bootstrap processor ends the machine when all have counted. `more` lies behind it.
 */
const parallel = (work: string, more: string): string => `
  lgdt [gdtr]
  jmp 8:flat
flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
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
  mov eax, [done]
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

${more}
align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
lock_word: dd 0
shared: dd 0
done: dd 0
per_processor: times 8 dd 0
ready: dd 0
go: dd 0
idtr: dw 0x7ff
  dd 0x60000

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

export const startParallel = (work: string, processors: number, more = ''): Guest =>
  startCode(32, parallel(work, more), 'bare', processors);

/** What the program wrote to port F4h. */
export function result({ machine }: Guest): number {
  const stop = runToStop(machine);
  assert.ok(stop.kind === 'power-off', inspect(stop));
  return (stop.status - 1) / 2;
}

export function word({ machine, label }: Guest, name: string, index = 0): number {
  const bytes = machine.inspect.readMemory('host-physical', label(name) + BigInt(4 * index), 4, 0);
  return Buffer.from(bytes).readUInt32LE();
}
