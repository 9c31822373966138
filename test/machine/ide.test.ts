/** Guests that read and write the hard disk: by PIO with polling, and by bus mastering with IRQ 14. */
import assert from 'node:assert/strict';
import { createMachine } from '../../debug-adapter/engine/index.ts';
import { sectorContents, SECTORS } from '../devices/ide-rig.ts';
import { programOf, runToStop } from './guest.ts';
import { snapshot } from './snapshot.ts';

const PIO = `
bits 32
org 8000h
    mov edi, 10000h
    mov ecx, 3
    mov ebx, 100
next_sector:
    push ecx
    mov dx, 1F2h
    mov al, 1
    out dx, al
    inc dx
    mov al, bl
    out dx, al
    inc dx
    xor al, al
    out dx, al
    inc dx
    out dx, al
    inc dx
    mov al, 0E0h
    out dx, al
    inc dx
    mov al, 20h
    out dx, al
wait_for_data:
    in al, dx
    test al, 80h
    jnz wait_for_data
    test al, 8
    jz wait_for_data
    mov dx, 1F0h
    mov ecx, 256
    rep insw
    inc ebx
    pop ecx
    loop next_sector
    xor eax, eax
    out 0F4h, eax
`;

/** Reads sector 200 to 12000h and writes it to sector 201, both through the bus master that PCI configuration names. */
const DMA = `
bits 32
org 8000h
    lidt [idt_pointer]
    mov word [idt + 76h * 8], interrupt
    mov word [idt + 76h * 8 + 2], cs
    mov word [idt + 76h * 8 + 4], 8E00h
    mov word [idt + 76h * 8 + 6], 0
    lgdt [gdt_pointer]
    jmp 18h:reloaded
reloaded:
    mov word [idt + 76h * 8 + 2], cs
%macro port 2
    mov al, %2
    mov dx, %1
    out dx, al
%endmacro
    port 20h, 11h
    port 21h, 8
    port 21h, 4
    port 21h, 1
    port 0A0h, 11h
    port 0A1h, 70h
    port 0A1h, 2
    port 0A1h, 1
    port 21h, 0FBh
    port 0A1h, 0BFh
    mov dx, 0CF8h
    mov eax, 80000920h
    out dx, eax
    mov dx, 0CFCh
    in eax, dx
    and eax, 0FFF0h
    mov ebp, eax
    mov dword [13000h], 12000h
    mov dword [13004h], 80000200h
    lea edx, [ebp + 4]
    mov eax, 13000h
    out dx, eax
    mov ebx, 0C8C8h
    mov bh, 200
    mov cl, 9
    call transfer
    mov bl, 0CAh
    mov bh, 201
    mov cl, 1
    call transfer
    xor eax, eax
    out 0F4h, eax

transfer:                       ; BL the command, BH the sector, CL the bus master's direction and start
    port 1F2h, 1
    port 1F3h, bh
    port 1F4h, 0
    port 1F5h, 0
    port 1F6h, 0E0h
    port 1F7h, bl
    mov byte [done], 0
    mov edx, ebp
    mov al, cl
    out dx, al
    sti
asleep:
    hlt
    cmp byte [done], 0
    je asleep
    cli
    lea edx, [ebp + 2]
    in al, dx
    and al, 7
    cmp al, 4
    jne failed
    out dx, al
    mov edx, ebp
    xor al, al
    out dx, al
    ret

interrupt:
    push eax
    push edx
    mov byte [done], 1
    mov dx, 1F7h
    in al, dx
    port 0A0h, 20h
    port 20h, 20h
    pop edx
    pop eax
    iret
failed:
    mov eax, 1
    out 0F4h, eax

done: db 0
align 8
gdt: dq 0, 0, 00CF93000000FFFFh, 00CF9B000000FFFFh
gdt_pointer: dw 31
    dd gdt
idt_pointer: dw 7FFh
    dd idt
idt equ 14000h
`;

function machineOf(source: string, mode: 'bare' | 'vm') {
  return createMachine({
    program: programOf('ide.asm', source),
    mode,
    memoryBytes: 8 << 20,
    onConsole: () => undefined,
    disk: { sectors: SECTORS, read: sectorContents },
  });
}

describe('IDE disk in a machine', function () {
  this.timeout(30_000);

  for (const mode of ['bare', 'vm'] as const) {
    it(`is read sector by sector, mode ${mode}`, () => {
      const machine = machineOf(PIO, mode);
      assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
      const read = machine.inspect.readMemory('guest-physical', 0x1_0000n, 3 * 512, 0);
      assert.deepEqual(
        [...read],
        [100, 101, 102].flatMap((lba) => [...sectorContents(lba)]),
      );
      assert.equal(machine.diskChanges.size, 0);
    });

    it(`is a bus master that interrupts, mode ${mode}`, () => {
      const machine = machineOf(DMA, mode);
      assert.deepEqual(runToStop(machine), { kind: 'power-off', status: 1 });
      assert.deepEqual(machine.inspect.readMemory('guest-physical', 0x1_2000n, 512, 0), sectorContents(200));
      assert.deepEqual([...machine.diskChanges], [[201, sectorContents(200)]]);
      const first = snapshot(machine);
      machine.reset();
      assert.equal(machine.diskChanges.size, 0);
      runToStop(machine);
      assert.deepEqual(snapshot(machine), first, 'a run with a disk is the same each time');
    });
  }
});
