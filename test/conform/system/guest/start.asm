; Entry of the conformance guest: Multiboot 1 header, then the processor is brought into the mode of the monitor, with paging
; on. -DB64 makes the 64-bit guest. The batch that `parameters` names is patched into the image by who runs it.
%include "layout.inc"
global _start, parameters, gdt, tss, idt, double_fault_tss, root_table, kernel_stack
extern guest_main, __bss_start, __bss_end, build_page_tables
section .boot progbits alloc exec write align=16
bits 32
_start: jmp short entry
align 4
        dd 0x1BADB002, 0x00000002, -(0x1BADB002+0x00000002)
align 16
        db "PARAMETERS", 0, 0, 0, 0, 0, 0
parameters:
        times 16 dd 0
entry:  cli
        cld
        mov esp, kernel_stack
        mov edi, __bss_start
        mov ecx, __bss_end
        sub ecx, edi
        shr ecx, 2
        xor eax, eax
        rep stosd
        mov al, 0xff                    ; both interrupt controllers masked
        out 0x21, al
        out 0xa1, al
%ifdef B64
        ; The first 4 MiB for the monitor; the guest builds the rest with the same tables.
        mov eax, table_pdpt
        or eax, 7
        mov [root_table], eax
        mov eax, table_pd
        or eax, 7
        mov [table_pdpt], eax
        mov dword [table_pd], 0x83
        mov dword [table_pd+8], 0x200083
        mov eax, table_pt
        or eax, 7
        mov [table_pd+16], eax
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov eax, root_table
        mov cr3, eax
        mov ecx, 0xC0000080
        rdmsr
        or eax, 0x900                   ; LME, NXE
        wrmsr
        lgdt [gdtr]
        mov eax, cr0
        and eax, ~0x6000000C
        or eax, 0x80010021              ; PG, WP, NE, PE
        mov cr0, eax
        jmp dword KERNEL_CODE:.long
bits 64
.long:  mov ax, KERNEL_DATA
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov rsp, kernel_stack
%else
        mov dword [root_table], 0x83
        mov eax, table_pt
        or eax, 7
        mov [root_table+4], eax
        mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov eax, root_table
        mov cr3, eax
        lgdt [gdtr]
        mov eax, cr0
        and eax, ~0x6000000C
        or eax, 0x80010021
        mov cr0, eax
        jmp dword KERNEL_CODE:.flat
.flat:  mov ax, KERNEL_DATA
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov esp, kernel_stack
%endif
        call guest_main
        ; The three ways out that the three machines know.
        mov dx, 0x8900
        mov al, 'S'
        out dx, al
        mov al, 'h'
        out dx, al
        mov al, 'u'
        out dx, al
        mov al, 't'
        out dx, al
        mov al, 'd'
        out dx, al
        mov al, 'o'
        out dx, al
        mov al, 'w'
        out dx, al
        mov al, 'n'
        out dx, al
        xor eax, eax
        out 0xf4, al
.halt:  cli
        hlt
        jmp .halt
section .data
gdtr:   dw GDT_BYTES-1
%ifdef B64
        dq gdt
%else
        dd gdt
%endif
align 16
gdt:    dq 0
%ifdef B64
        dq 0x00af9b000000ffff
%else
        dq 0x00cf9b000000ffff
%endif
        dq 0x00cf93000000ffff
        times GDT_BYTES-($-gdt) db 0
section .bss
global table_pt, table_pd, table_pdpt
alignb 4096
root_table: resb 4096
table_pdpt: resb 4096
table_pd:   resb 4096
table_pt:   resb 4096
idt:        resb 4096
tss:        resb 512
double_fault_tss: resb 256
        resb 16384
kernel_stack: resb 16
