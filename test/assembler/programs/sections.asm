; Sections out of order, alignment, a section that runs elsewhere, and conditionals that depend on addresses.
org 0x8000
bits 16
section .data
counter: dw 1
section .text
        mov ax, [counter]
        call relocated
        jmp $
%if $ - $$ < 64
        times 3 nop
%else
        hlt
%endif
%assign here $ - $$
        db here
section .extra align=32
        dw counter, end_of_text
section .moved vstart=0x500 align=16
relocated:
        mov bx, relocated
        ret
section .data
        align 8
        dd zeroed, relocated
section .bss
zeroed: resb 100
        alignb 16
later:  resd 1
section .text
end_of_text:
        mov si, later
        mov di, zeroed
