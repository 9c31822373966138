; Writes every word of 64 MiB from 2 MiB up, so that a debugger pays for all the memory the guest was promised.
bits 32
org 100000h
FIRST   equ 200000h
ROUNDS  equ 50000000
LAST    equ 3F00000h            ; the machine keeps tables of its own in the last pages
start:
        cld
        mov edi, FIRST
        mov ecx, (LAST - FIRST) / 4
        mov eax, 1
        rep stosd
        mov ecx, ROUNDS         ; long enough for the engine's code to be optimised, which takes memory of its own
round:  add eax, ecx
        dec ecx
        jnz round
        mov al, 10h             ; isa-debug-exit: status 33
        out 0F4h, al
stop:   hlt
        jmp stop
