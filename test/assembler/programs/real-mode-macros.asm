; Real and protected mode: macros, structures, conditionals, branches of every reach. Compared with nasm byte by byte.
        org 0x7c00
        bits 16
%define VGA 0xb800
%assign COUNT 3
%macro multipush 1-*
  %rep %0
        push %1
  %rotate 1
  %endrep
%endmacro
%macro print 1+
        jmp %%over
%%text: db %1, 0
%%over: mov si, %%text
        call puts
%endmacro
%macro retz 0
        jnz %%skip
        ret
%%skip:
%endmacro
%macro if_ 1
        j%-1 %%no
        nop
%%no:
%endmacro
struc point
.x:     resw 1
.y:     resw 1
.name:  resb 8
endstruc

start:  xor ax, ax
        mov ds, ax
        multipush ax, bx, cx, word [es:di+4]
        print "Hello, ", 13, 10
        if_ nz
        if_ ae
        mov bx, [p1 + point.y]
        mov cx, point_size
        mov byte [p1+point.x], 5
.loop:  dec cx
        jnz .loop
        jmp near .loop
        jmp far_away
        jz far_away
        loop .loop
        retz
%if COUNT > 2 && COUNT < 5
        mov al, COUNT
%elif COUNT == 0
        hlt
%else
        cli
%endif
%ifdef VGA
        mov ax, VGA
        mov es, ax
%endif
%ifidni foo, FOO
        db "same"
%endif
%rep 4
  %assign COUNT COUNT+1
        db COUNT
  %if COUNT = 6
    %exitrep
  %endif
%endrep
puts:   lodsb
        or al, al
        jz .done
        mov ah, 0x0e
        int 0x10
        jmp puts
.done:  ret
%xdefine LEN ($ - puts)
        dw LEN
        align 4
p1:     istruc point
        at .x, dw 1
        at .y, dw 2
        at .name, db "abc"
        iend
msg:    db 'it', "it's", `a\tb\n`, 0
msglen  equ $ - msg
        dd msglen, 1.5, 'ab', 'abcd'
        dq 0x1122334455667788, 3.25
        times 5 db 0xaa, 1
        db 3 dup (1, 2)
        times 130 nop
far_away:
        jmp start
        jmp $
        jmp short $+2
        call far [es:bx]
        jmp 0x10:0x20
        jmp dword 0x08:pm
        lea eax, [eax*2+ebx]
        mov eax, [eax*5]
        times 400-($-$$) db 0
bits 32
pm:     mov eax, [eax*2]
        mov eax, [esp+eax]
        mov eax, [ebp+ecx*1]
        mov eax, [ecx*1+ebp]
        mov eax, [eax+eax*4+far_away]
        mov eax, [byte eax+0]
        mov eax, [dword eax+4]
        mov eax, [nosplit eax*2]
        mov ax, [word 0x1234]
        movzx eax, byte [eax]
        jecxz pm
        a16 loop pm
        rep movsd
        repne scasb
        lock add [eax], ebx
        es lodsd
        o16 push 5
        enter 8, 0
        test al, 1
        xchg eax, ebx
        retf 4
        times 510-($-$$) db 0
        dw 0xaa55
section .data
x:      dd x, y
section .bss
y:      resd 4
z:      resb 1
section .text
        dd x, y, z
