; 5-level paging: 57-bit addresses, the PML5 entry, and what is canonical where.
EXTRA_CR4   equ 1000h           ; LA57
%include "long.inc"

FAR_LINEAR  equ 00A0_0000_0000_0000h ; PML5 entry A0h; canonical with 57 bits only
PML4_FAR    equ 18000h          ; page tables that FAR_LINEAR goes through

start64:
    PROBE leaf1, "CPUID: LA57, linear-address bits"
    mov eax, 7
    xor ecx, ecx
    cpuid
    shr ecx, 16
    mov al, cl
    and al, 1
    call print2
    mov eax, 80000008h
    cpuid
    mov al, ah
    call print2
    DONE
leaf1:
    PROBE off1, "CR4.LA57 cannot be cleared in IA-32e mode"
    mov rax, cr4
    and eax, ~1000h
    mov cr4, rax
    DONE
off1:
    mov rbx, FAR_LINEAR
    PROBE far1, "PML5 entry not present"
    mov al, [rbx]
    DONE
far1:
    mov qword [PML5 + 8 * 0A0h], PML4 | 7
    PROBE far2, "read through it"
    mov byte [TEST_PAGE], 5Ah
    mov al, [rbx + TEST_PAGE]
    call print2
    DONE
far2:
    PROBE far4, "a supervisor PML5 entry at CPL 3"
    mov qword [PML5 + 8 * 0A2h], PML4 | 3
    mov rcx, FAR_LINEAR + (2 << 48)
    USER
    mov al, [rcx + TEST_PAGE]
    DONE
far4:
    PROBE far5, "no-execute in the PML5 entry"
    mov rax, (1 << 63) | PML4 | 7
    mov [PML5 + 8 * 0A3h], rax
    mov rcx, FAR_LINEAR + (3 << 48) + TEST_PAGE
    mov byte [TEST_PAGE], 0C3h
    call rcx
    DONE
far5:
    PROBE far6, "accessed flag of the PML5 entry"
    mov rax, [PML5 + 8 * 0A0h]
    call print4
    DONE
far6:
    PROBE jump1, "call beyond 48 bits and return"
    mov rcx, FAR_LINEAR + TEST_PAGE
    call rcx
    DONE
jump1:
    PROBE jump2, "call beyond 57 bits"
    mov rcx, 1 << 56
    call rcx
    DONE
jump2:
    PROBE stack1, "a stack beyond 48 bits"
    mov rdx, rsp
    mov rsp, FAR_LINEAR + TEST_PAGE + 800h
    push 1234h
    pop rax
    mov rsp, rdx
    call print4
    DONE
stack1:
    PROBE hole1, "an address that is not canonical"
    mov rcx, 1 << 56
    mov al, [rcx]
    DONE
hole1:
    PROBE high1, "an address in the upper half, not mapped"
    mov rcx, -(1 << 56)
    mov al, [rcx]
    DONE
high1:
    PROBE msr1, "IA32_KERNEL_GS_BASE with 57 bits"
    mov rax, FAR_LINEAR
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0C0000102h
    wrmsr
    DONE
msr1:
    PROBE lgdt1, "LGDT and LIDT with bases beyond 48 bits, and an exception through them"
    mov rax, FAR_LINEAR
    add [gdt_pointer + 2], rax
    add [idt_pointer + 2], rax
    lgdt [gdt_pointer]
    lidt [idt_pointer]
    ud2
    DONE
lgdt1:
    PROBE sysret1, "SYSRET beyond 57 bits"
    mov rcx, 1 << 56
    mov r11d, 2
    o64 sysret
    DONE
sysret1:
    PROBE invlpg1, "INVLPG and the page read again"
    mov qword [TEST_PTE], 0
    invlpg [rbx + TEST_PAGE]
    mov al, [rbx + TEST_PAGE]
    DONE
invlpg1:
    jmp power_off

END_OF_GUEST
