; From the monitor into a case and back. `enter_case` loads every register from `entry` and leaves by IRET; whatever event
; ends the case arrives in one of the stubs, which stores every register in `outcome` and returns to the caller of
; `enter_case`. Nothing is assumed of the case's segment registers.
%include "layout.inc"
global enter_case, stubs, entry, outcome, double_fault_entry
extern tss, double_fault_tss, kernel_stack, fatal
STUB_BYTES equ 16
%define E(n) [entry+(n)*W]
%define O(n) [outcome+(n)*W]
; Order of both arrays, as enum in layout.h: 0-15 general registers, 16 ip, 17 flags, 18 cs, 19 ss, 20 ds, 21 es, 22 fs, 23 gs,
; and of outcome alone: 24 vector, 25 error code, 26 stack pointer of the handler at the vector's push, 27 its ss, 28 its cs.
section .text
%ifdef B64
bits 64
enter_case:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov [return_stack], rsp
        mov fs, E(22)
        mov gs, E(23)
        mov es, E(21)
        mov ds, E(20)
        push qword E(19)
        push qword E(4)
        push qword E(17)
        push qword E(18)
        push qword E(16)
        mov rax, E(0)
        mov rcx, E(1)
        mov rdx, E(2)
        mov rbx, E(3)
        mov rbp, E(5)
        mov rsi, E(6)
        mov rdi, E(7)
        mov r8, E(8)
        mov r9, E(9)
        mov r10, E(10)
        mov r11, E(11)
        mov r12, E(12)
        mov r13, E(13)
        mov r14, E(14)
        mov r15, E(15)
        iretq
arrive: mov O(0), rax
        mov O(1), rcx
        mov O(2), rdx
        mov O(3), rbx
        mov O(5), rbp
        mov O(6), rsi
        mov O(7), rdi
        mov O(8), r8
        mov O(9), r9
        mov O(10), r10
        mov O(11), r11
        mov O(12), r12
        mov O(13), r13
        mov O(14), r14
        mov O(15), r15
        mov O(20), ds
        mov O(21), es
        mov O(22), fs
        mov O(23), gs
        mov O(26), rsp
        mov O(27), ss
        mov O(28), cs
        pop rax
        mov O(24), rax
        xor ecx, ecx
        cmp eax, 32
        jae .plain
        mov edx, 0x60227d00             ; vectors with an error code
        bt edx, eax
        jnc .plain
        pop rcx
.plain: mov O(25), rcx
        pop qword O(16)
        pop qword O(18)
        pop qword O(17)
        pop qword O(4)
        pop qword O(19)
        cld
        mov rsp, [return_stack]
        test rsp, rsp
        jz lost
        mov qword [return_stack], 0
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
double_fault_entry:
        jmp $
%else
bits 32
enter_case:
        push ebx
        push ebp
        push esi
        push edi
        mov [return_stack], esp
        test dword E(17), 0x20000
        jnz .v86
        mov fs, E(22)
        mov gs, E(23)
        mov es, E(21)
        test dword E(18), 3
        jnz .outer
        mov ss, E(19)
        mov esp, E(4)
        jmp .frame
.v86:   push dword E(23)
        push dword E(22)
        push dword E(20)
        push dword E(21)
.outer: push dword E(19)
        push dword E(4)
.frame: push dword E(17)
        push dword E(18)
        push dword E(16)
        push dword E(20)
        mov eax, E(0)
        mov ecx, E(1)
        mov edx, E(2)
        mov ebx, E(3)
        mov ebp, E(5)
        mov esi, E(6)
        mov edi, E(7)
        test dword E(17), 0x20000
        jnz .discard
        pop ds
        iretd
.discard:
        lea esp, [esp+4]
        iretd
arrive: push ds
        push eax
        mov ax, KERNEL_DATA
        mov ds, ax
        pop dword O(0)
        pop eax
        movzx eax, ax
        mov O(20), eax
        mov O(1), ecx
        mov O(2), edx
        mov O(3), ebx
        mov O(5), ebp
        mov O(6), esi
        mov O(7), edi
        mov O(21), es
        mov O(22), fs
        mov O(23), gs
        mov O(26), esp
        mov O(27), ss
        mov O(28), cs
        mov eax, esp
        pop eax
        mov O(24), eax
        xor ecx, ecx
        cmp eax, 32
        jae .plain
        mov edx, 0x60227d00
        bt edx, eax
        jnc .plain
        pop ecx
.plain: mov O(25), ecx
        pop dword O(16)
        pop dword O(18)
        pop dword O(17)
        test dword O(17), 0x20000
        jnz .from_v86
        test dword O(18), 3
        jnz .inner
        mov O(4), esp
        mov eax, ss
        mov O(19), eax
        jmp .out
.from_v86:
        pop dword O(4)
        pop dword O(19)
        pop dword O(21)
        pop dword O(20)
        pop dword O(22)
        pop dword O(23)
        jmp .out
.inner: pop dword O(4)
        pop dword O(19)
.out:   mov ax, KERNEL_DATA
        mov ss, ax
        mov esp, [return_stack]
        test esp, esp
        jz lost
        mov dword [return_stack], 0
        mov es, ax
        cld
        pop edi
        pop esi
        pop ebp
        pop ebx
        ret
; The double fault has a task of its own, so that it arrives whatever the stack was. Everything the case left is in the TSS.
double_fault_entry:
        mov esi, tss+40
        lea edi, [outcome]
        mov ecx, 8
        rep movsd                       ; eax to edi
        mov eax, [tss+32]
        mov O(16), eax
        mov eax, [tss+36]
        mov O(17), eax
%assign i 0
%rep 6
        movzx eax, word [tss+72+i*4]
%if i = 0
        mov O(21), eax
%elif i = 1
        mov O(18), eax
%elif i = 2
        mov O(19), eax
%elif i = 3
        mov O(20), eax
%elif i = 4
        mov O(22), eax
%else
        mov O(23), eax
%endif
%assign i i+1
%endrep
        mov dword O(24), 8
        pop dword O(25)
        mov dword O(26), 0
        mov dword O(27), 0
        mov dword O(28), 0
        ; Back to the monitor's task by hand: its TSS is made available again and loaded.
        pushfd
        and dword [esp], ~0x4000        ; NT
        popfd
        extern gdt
        and byte [gdt+TASK+5], 0xfd
        and byte [gdt+DOUBLE_FAULT_TASK+5], 0xfd
        mov dword [double_fault_tss+32], double_fault_entry
        mov ax, TASK
        ltr ax
        mov esp, [return_stack]
        mov dword [return_stack], 0
        cld
        clts
        pop edi
        pop esi
        pop ebp
        pop ebx
        ret
%endif
; An event that no case raised: the monitor's own mistake.
lost:
%ifdef B64
        mov rsp, kernel_stack
%else
        mov esp, kernel_stack
%endif
        call fatal
align STUB_BYTES
stubs:
%assign v 0
%rep 256
        align STUB_BYTES
%ifdef B64
        push qword v
%else
        push dword v
%endif
        jmp near arrive
%assign v v+1
%endrep
section .bss
alignb 16
entry:   resb 32*8
outcome: resb 32*8
return_stack: resb 8
