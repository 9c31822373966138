; 25-ept: two translations on top of each other.
;
; The guest has page tables of its own (linear -> guest-physical), the hypervisor has EPT (guest-physical -> physical). The
; tables of the guest are themselves in guest-physical memory, so every one of them is found through EPT: with four levels
; on both sides one guest access makes up to 4 * (4 + 1) + 4 = 24 memory references.
;
; Shows   the walk in two dimensions; an EPT violation for a page that is not mapped, and one for a write to a read-only
;         page, both repaired by the exit handler without the guest noticing
; Try     stop at guest_read and open Page Tables for the address 20000h: four guest entries, each with its EPT walk, and
;         the missing one marked. ept-misconfigured.asm has an entry that no processor accepts.
; By hand nasm -f bin -o ept.img ept.asm
;
; Guest-physical           Physical                   Guest linear
;      0h-1FFFFFh   ->   400000h-5FFFFFh, 4 KiB         7000h-9FFFh    this program, same guest-physical address
;   1000h-4FFFh          the guest's page tables       20000h          -> 400000h: not in EPT at first
;   5000h                read-only at first            21000h          ->   5000h: read-only in EPT at first
; 200000h-3FFFFFh  ->   600000h, one 2 MiB page       200000h-3FFFFFh -> the same, one 2 MiB page, with the stack
; 400000h          ->   800000h, once it is asked for

%include "../lib/boot.inc"
%include "../lib/console.inc"
%include "../lib/vmcs.inc"

VMXON_REGION    equ 100000h
VMCS_REGION     equ 101000h
EPT_PML4        equ 102000h
EPT_PDPT        equ 103000h
EPT_PD          equ 104000h
EPT_PT          equ 105000h     ; for guest-physical 0-1FFFFFh
EPT_PT2         equ 106000h     ; for guest-physical 400000h-5FFFFFh
REGIONS_END     equ 107000h
HOST_STACK      equ 110000h
GUEST_MEMORY    equ 400000h     ; guest-physical 0 lies here
GUEST_LARGE     equ 600000h     ; guest-physical 200000h lies here
SPARE_FRAME     equ 800000h     ; given to the guest on demand

; The guest's side: guest-physical addresses of its tables, and two linear addresses it uses.
GUEST_PML4      equ 1000h
GUEST_PDPT      equ 2000h
GUEST_PD        equ 3000h
GUEST_PT        equ 4000h
READ_ONLY_PAGE  equ 5000h
GUEST_STACK     equ 300000h
ABSENT_PAGE     equ 400000h
ABSENT_LINEAR   equ 20000h
READ_ONLY_LINEAR equ 21000h

PROC1_HLT_EXITING equ 1 << 7
PROC1_USE_PROC2 equ 1 << 31
PROC2_EPT       equ 1 << 1
EXIT1_HOST_64   equ 1 << 9
ENTRY_GUEST_64  equ 1 << 9
EPT_READ        equ 1
EPT_WRITE       equ 2
EPT_RWX         equ 7
EPT_WRITE_BACK  equ 6 << 3
EPT_LARGE       equ 80h
EPTP_WRITE_BACK equ 6
EPTP_FOUR_LEVELS equ 3 << 3
INVEPT_SINGLE   equ 1           ; drop what is cached for one EPT pointer
AR_CODE_64      equ 0A09Bh
AR_DATA         equ 0C093h
AR_BUSY_TSS     equ 0008Bh
AR_UNUSABLE     equ 10000h

EXIT_HLT        equ 12
EXIT_VMCALL     equ 18
EXIT_EPT_VIOLATION equ 48
EXIT_EPT_MISCONFIGURATION equ 49

FOUND_VALUE     equ 600DF00Dh   ; what lies in the spare frame
WRITTEN_VALUE   equ 0CAFEh

start16:
    PREPARE_CONSOLE
    jmp enter_long_mode

%include "../lib/long-mode.inc"

start64:
    mov ax, TSS_SELECTOR
    ltr ax
    mov edi, VMXON_REGION
    mov ecx, (REGIONS_END - VMXON_REGION) / 8
    xor eax, eax
    rep stosq
    call enter_vmx_operation

; --- The guest's memory, filled before it runs ---
copy_guest:                         ; this whole program, so that labels mean the same on both sides
    mov esi, boot
    mov edi, GUEST_MEMORY + 7C00h
    mov ecx, SECTORS_PER_TRACK * 512 / 8
    rep movsq

build_guest_tables:                 ; entries hold guest-physical addresses; we write them where these really are
    mov edi, GUEST_MEMORY + GUEST_PML4
    mov ecx, 4 * 1000h / 8
    xor eax, eax
    rep stosq
    mov qword [GUEST_MEMORY + GUEST_PML4], GUEST_PDPT + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PDPT], GUEST_PD + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PD], GUEST_PT + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PD + 8], 200000h + PAGE_PRESENT + PAGE_WRITE + PAGE_LARGE
    mov qword [GUEST_MEMORY + GUEST_PT + 7 * 8], 7000h + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PT + 8 * 8], 8000h + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PT + 9 * 8], 9000h + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PT + (ABSENT_LINEAR >> 12) * 8], ABSENT_PAGE + PAGE_PRESENT + PAGE_WRITE
    mov qword [GUEST_MEMORY + GUEST_PT + (READ_ONLY_LINEAR >> 12) * 8], READ_ONLY_PAGE + PAGE_PRESENT + PAGE_WRITE
    mov dword [SPARE_FRAME], FOUND_VALUE

; --- EPT ---
build_ept:
    mov qword [EPT_PML4], EPT_PDPT + EPT_RWX
    mov qword [EPT_PDPT], EPT_PD + EPT_RWX
    mov qword [EPT_PD], EPT_PT + EPT_RWX
    mov qword [EPT_PD + 8], GUEST_LARGE + EPT_RWX + EPT_WRITE_BACK + EPT_LARGE
    mov qword [EPT_PD + 16], EPT_PT2 + EPT_RWX      ; leads to a table without a single entry
    mov edi, EPT_PT
    mov eax, GUEST_MEMORY + EPT_RWX + EPT_WRITE_BACK
.next_page:
    mov [rdi], rax
    add rax, 1000h
    add edi, 8
    cmp edi, EPT_PT + 1000h
    jne .next_page
    mov qword [EPT_PT + (READ_ONLY_PAGE >> 12) * 8], GUEST_MEMORY + READ_ONLY_PAGE + EPT_READ + EPT_WRITE_BACK
%ifdef WRITE_ONLY_ENTRY
    mov qword [EPT_PT2], SPARE_FRAME + EPT_WRITE + EPT_WRITE_BACK   ; 010b: write without read
%endif

; --- The VMCS; 22-first-vmlaunch explains it ---
write_controls:
    mov ecx, IA32_VMX_PINBASED_CTLS
    xor eax, eax
    call allowed_controls
    VMSET PIN_CONTROLS, rax
    mov ecx, IA32_VMX_PROCBASED_CTLS
    mov eax, PROC1_HLT_EXITING + PROC1_USE_PROC2
    call allowed_controls
    VMSET PROC1_CONTROLS, rax
    mov ecx, IA32_VMX_PROCBASED_CTLS2
    mov eax, PROC2_EPT
    call allowed_controls
    VMSET PROC2_CONTROLS, rax
    mov ecx, IA32_VMX_EXIT_CTLS
    mov eax, EXIT1_HOST_64
    call allowed_controls
    VMSET EXIT1_CONTROLS, rax
    mov ecx, IA32_VMX_ENTRY_CTLS
    mov eax, ENTRY_GUEST_64
    call allowed_controls
    VMSET ENTRY_CONTROLS, rax
    mov rbx, [ept_pointer]
    VMSET EPTP, rbx
    VMSET EXCEPTION_BITMAP, 0
    VMSET CR3_TARGET_COUNT, 0
    VMSET CR0_GUEST_HOST_MASK, 0
    VMSET CR4_GUEST_HOST_MASK, 0
    VMSET EXIT_MSR_STORE_COUNT, 0
    VMSET EXIT_MSR_LOAD_COUNT, 0
    VMSET ENTRY_MSR_LOAD_COUNT, 0
    VMSET ENTRY_INTR_INFO, 0

write_host_state:
    mov rbx, cr0
    VMSET HOST_CR0, rbx
    VMSET GUEST_CR0, rbx                ; both sides run in the same mode
    mov rbx, cr4
    VMSET HOST_CR4, rbx
    VMSET GUEST_CR4, rbx
    mov rbx, cr3
    VMSET HOST_CR3, rbx
    VMSET HOST_CS_SELECTOR, KERNEL_CODE
    VMSET HOST_SS_SELECTOR, KERNEL_DATA
    VMSET HOST_DS_SELECTOR, KERNEL_DATA
    VMSET HOST_ES_SELECTOR, KERNEL_DATA
    VMSET HOST_FS_SELECTOR, KERNEL_DATA
    VMSET HOST_GS_SELECTOR, KERNEL_DATA
    VMSET HOST_TR_SELECTOR, TSS_SELECTOR
    VMSET HOST_TR_BASE, TSS
    VMSET HOST_FS_BASE, 0
    VMSET HOST_GS_BASE, 0
    VMSET HOST_GDTR_BASE, gdt
    VMSET HOST_IDTR_BASE, IDT
    VMSET HOST_SYSENTER_CS, 0
    VMSET HOST_SYSENTER_ESP, 0
    VMSET HOST_SYSENTER_EIP, 0
    VMSET HOST_RSP, HOST_STACK
    VMSET HOST_RIP, vm_exit

write_guest_state:
    VMSET GUEST_CR3, GUEST_PML4     ; a guest-physical address
    VMSET GUEST_DR7, 400h
    VMSET GUEST_CS_SELECTOR, KERNEL_CODE
    VMSET GUEST_CS_BASE, 0
    VMSET GUEST_CS_LIMIT, 0FFFFFFFFh
    VMSET GUEST_CS_AR, AR_CODE_64
; %1 is a data segment register.
%macro GUEST_DATA_SEGMENT 1
    VMSET GUEST_%1_SELECTOR, KERNEL_DATA
    VMSET GUEST_%1_BASE, 0
    VMSET GUEST_%1_LIMIT, 0FFFFFFFFh
    VMSET GUEST_%1_AR, AR_DATA
%endmacro
    GUEST_DATA_SEGMENT SS
    GUEST_DATA_SEGMENT DS
    GUEST_DATA_SEGMENT ES
    GUEST_DATA_SEGMENT FS
    GUEST_DATA_SEGMENT GS
    VMSET GUEST_LDTR_SELECTOR, 0
    VMSET GUEST_LDTR_BASE, 0
    VMSET GUEST_LDTR_LIMIT, 0
    VMSET GUEST_LDTR_AR, AR_UNUSABLE
    VMSET GUEST_TR_SELECTOR, TSS_SELECTOR
    VMSET GUEST_TR_BASE, TSS
    VMSET GUEST_TR_LIMIT, TSS_LIMIT
    VMSET GUEST_TR_AR, AR_BUSY_TSS
    VMSET GUEST_GDTR_BASE, gdt
    VMSET GUEST_GDTR_LIMIT, gdt_end - gdt - 1
    VMSET GUEST_IDTR_BASE, 0
    VMSET GUEST_IDTR_LIMIT, 0
    VMSET GUEST_SYSENTER_CS, 0
    VMSET GUEST_SYSENTER_ESP, 0
    VMSET GUEST_SYSENTER_EIP, 0
    VMSET GUEST_IA32_DEBUGCTL, 0
    VMSET GUEST_INTERRUPTIBILITY, 0
    VMSET GUEST_PENDING_DEBUG, 0
    VMSET GUEST_ACTIVITY, 0
    VMSET VMCS_LINK_PTR, -1
    VMSET GUEST_RFLAGS, 2
    VMSET GUEST_RSP, GUEST_STACK
    VMSET GUEST_RIP, guest

launch:
    vmlaunch
    jmp vm_entry_refused

; --- The guest: reads, writes, reads back, and reports in EBX ---
guest:
guest_read:
    mov ebx, [ABSENT_LINEAR]        ; EPT has nothing for this page: exit, repair, and the MOV runs again
    vmcall
guest_write:
    mov dword [READ_ONLY_LINEAR], WRITTEN_VALUE     ; EPT allows reading only: exit, repair, again
    mov ebx, [READ_ONLY_LINEAR]
    vmcall
    push rbx                        ; a page that EPT maps with one 2 MiB entry: no exit
    pop rbx
    hlt

; --- The exit handler. The print routines leave RBX alone, and the guest uses nothing else. ---
vm_exit:
    mov esi, exit_text
    call print
    VMGET rcx, EXIT_REASON
    movzx eax, cx
    call print_decimal
    cmp ecx, EXIT_EPT_VIOLATION
    je on_ept_violation
    cmp ecx, EXIT_EPT_MISCONFIGURATION
    je on_ept_misconfiguration
    cmp ecx, EXIT_VMCALL
    je on_vmcall
    cmp ecx, EXIT_HLT
    je on_hlt
    mov esi, unexpected_text
stop:
    call print
    jmp power_off

; Qualification: bits 2:0 what was tried (read, write, fetch), bits 5:3 what EPT allows, bit 7 the linear address is known,
; bit 8 the access was to the final address and not to a guest page table.
on_ept_violation:
    mov esi, violation_text
    call print_address
    mov esi, qualification_text
    call print
    VMGET rax, EXIT_QUALIFICATION
    call print_hex
    mov esi, line_end
    call print
    VMGET rcx, GUEST_PHYSICAL_ADDRESS
    and rcx, -1000h
    cmp rcx, ABSENT_PAGE
    je .map
    cmp rcx, READ_ONLY_PAGE
    je .allow_write
    mov esi, unexpected_text
    jmp stop
.map:
    mov qword [EPT_PT2], SPARE_FRAME + EPT_RWX + EPT_WRITE_BACK
    jmp .again
.allow_write:
    or qword [EPT_PT + (READ_ONLY_PAGE >> 12) * 8], EPT_WRITE
.again:
    mov eax, INVEPT_SINGLE
    invept rax, [ept_pointer]       ; the processor may remember what the entry said before
    vmresume                        ; RIP still points to the instruction: it runs again
    jmp vm_entry_refused

on_ept_misconfiguration:            ; no qualification: the entry itself is wrong, whatever the access was
    mov esi, misconfiguration_text
    call print_address
    mov esi, entry_text
    call print
    mov rax, [EPT_PT2]
    call print_hex
    mov esi, misconfigured_text
    jmp stop

on_vmcall:
    mov esi, vmcall_text
    call print
    mov eax, ebx
    call print_hex
    mov esi, line_end
    call print
    VMGET rax, GUEST_RIP
    VMGET rcx, EXIT_INSTR_LEN
    add rcx, rax
    VMSET GUEST_RIP, rcx
    vmresume
    jmp vm_entry_refused

on_hlt:
    vmxoff
    mov esi, hlt_text
    jmp stop

print_address:
    call print
    VMGET rax, GUEST_PHYSICAL_ADDRESS
    jmp print_hex

CONSOLE_ROUTINES print, print_byte
%include "../lib/numbers.inc"
%include "../lib/power.inc"
%include "../lib/vmx.inc"

    align 16
ept_pointer:            ; INVEPT takes it with a second, zero quadword
    dq EPT_PML4 + EPTP_FOUR_LEVELS + EPTP_WRITE_BACK
    dq 0

exit_text:              db "vm exit: reason ", 0
violation_text:         db ": EPT violation at ", 0
qualification_text:     db ", qualification ", 0
misconfiguration_text:  db ": EPT misconfiguration at ", 0
entry_text:             db ", entry ", 0
misconfigured_text:     db 10, "ept: bits 2:0 are 010, writable but not readable; done", 10, 0
vmcall_text:            db ": VMCALL, the guest found ", 0
hlt_text:               db ": HLT", 10, "ept: the guest has halted, done", 10, 0
unexpected_text:        db ": unexpected", 10, 0

END_OF_IMAGE
