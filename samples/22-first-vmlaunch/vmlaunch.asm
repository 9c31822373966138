; 22-first-vmlaunch: a hypervisor of your own, as small as it gets.
;
; Shows   VMXON, one VMCS with every field that VM entry looks at, VMLAUNCH into a guest of five instructions, and an exit
;         handler that answers CPUID, OUT, VMCALL and HLT
; Try     step into VMLAUNCH: the next instruction is the guest's first. Then continue to vm_exit and read the VM exit.
;         The folder broken/ has twelve variants with one fault each; find out which check refuses them, and why.
; By hand nasm -f bin -o vmlaunch.img vmlaunch.asm
;
; The guest runs in 64-bit mode with the host's own page tables and descriptor tables; EPT maps guest-physical memory to
; itself. Names of VMCS fields are in lib/vmcs.inc, the way into VMX operation is in lib/vmx.inc.

%include "../lib/boot.inc"
%include "../lib/console.inc"
%include "../lib/vmcs.inc"

VMXON_REGION    equ 100000h
VMCS_REGION     equ 101000h
EPT_PML4        equ 102000h
EPT_PDPT        equ 103000h
EPT_PD          equ 104000h
REGIONS_END     equ 105000h
HOST_STACK      equ 110000h     ; both grow down
GUEST_STACK     equ 120000h

; Controls by their bit, and what the access rights of a segment look like in a VMCS.
PROC1_HLT_EXITING   equ 1 << 7
PROC1_IO_EXITING    equ 1 << 24     ; every IN and OUT
PROC1_USE_PROC2     equ 1 << 31
PROC2_EPT           equ 1 << 1
EXIT1_HOST_64       equ 1 << 9
ENTRY_GUEST_64      equ 1 << 9
EPT_RWX             equ 7
EPT_WRITE_BACK      equ 6 << 3
EPT_LARGE           equ 80h
EPTP_WRITE_BACK     equ 6
EPTP_FOUR_LEVELS    equ 3 << 3
AR_CODE_64          equ 0A09Bh      ; present, code, accessed, L = 1, 4 KiB granularity
AR_DATA             equ 0C093h      ; present, data, writable, accessed
AR_BUSY_TSS         equ 0008Bh
AR_UNUSABLE         equ 10000h

EXIT_CPUID          equ 10
EXIT_HLT            equ 12
EXIT_VMCALL         equ 18
EXIT_IO             equ 30
ENTRY_FAILED_BIT    equ 31          ; of the exit reason

start16:
    PREPARE_CONSOLE
    jmp enter_long_mode

%include "../lib/long-mode.inc"

start64:
%ifndef FAULT_TR_NOT_LOADED
    mov ax, TSS_SELECTOR
    ltr ax                          ; VM exits reload TR, so the host must have one
%endif
    mov edi, VMXON_REGION
    mov ecx, (REGIONS_END - VMXON_REGION) / 8
    xor eax, eax
    rep stosq
    call enter_vmx_operation
    mov esi, in_vmx_text
    call print

build_ept:                          ; guest-physical = host-physical for the first 1 GiB
    mov qword [EPT_PML4], EPT_PDPT + EPT_RWX
    mov qword [EPT_PDPT], EPT_PD + EPT_RWX
    mov edi, EPT_PD
    mov eax, EPT_RWX + EPT_WRITE_BACK + EPT_LARGE
.next_page:
    mov [rdi], rax
    add rax, 200000h
    add edi, 8
    cmp edi, EPT_PD + 1000h
    jne .next_page

; --- Controls: what makes the guest exit, and how it enters and leaves ---
write_controls:
    mov ecx, IA32_VMX_PINBASED_CTLS
    xor eax, eax
    call allowed_controls
%ifdef FAULT_RESERVED_CONTROL
    or eax, 1 << 31                 ; fault: a bit the capability MSR does not allow
%endif
    VMSET PIN_CONTROLS, rax
    mov ecx, IA32_VMX_PROCBASED_CTLS
    mov eax, PROC1_HLT_EXITING + PROC1_IO_EXITING + PROC1_USE_PROC2
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
%ifdef FAULT_EPTP_MEMORY_TYPE
    VMSET EPTP, EPT_PML4 + EPTP_FOUR_LEVELS + 2     ; fault: memory type 2 does not exist
%else
    VMSET EPTP, EPT_PML4 + EPTP_FOUR_LEVELS + EPTP_WRITE_BACK
%endif
    VMSET EXCEPTION_BITMAP, 0
    VMSET CR3_TARGET_COUNT, 0
    VMSET CR0_GUEST_HOST_MASK, 0
    VMSET CR4_GUEST_HOST_MASK, 0
    VMSET EXIT_MSR_STORE_COUNT, 0
    VMSET EXIT_MSR_LOAD_COUNT, 0
    VMSET ENTRY_MSR_LOAD_COUNT, 0
%ifdef FAULT_INJECTION_WITHOUT_ERROR_CODE
    VMSET ENTRY_INTR_INFO, 8000030Eh                ; fault: #PF has an error code, so bit 11 must be 1
%else
    VMSET ENTRY_INTR_INFO, 0                        ; inject nothing
%endif

; --- Host state: where a VM exit arrives ---
write_host_state:
    mov rbx, cr0
    VMSET HOST_CR0, rbx
    mov rbx, cr3
    VMSET HOST_CR3, rbx
    mov rbx, cr4
%ifdef FAULT_HOST_VMXE_MISSING
    btr rbx, 13                     ; fault: VMXE must stay 1 in VMX operation
%endif
    VMSET HOST_CR4, rbx
    VMSET HOST_CS_SELECTOR, KERNEL_CODE
    VMSET HOST_SS_SELECTOR, KERNEL_DATA
    VMSET HOST_DS_SELECTOR, KERNEL_DATA
    VMSET HOST_ES_SELECTOR, KERNEL_DATA
    VMSET HOST_FS_SELECTOR, KERNEL_DATA
    VMSET HOST_GS_SELECTOR, KERNEL_DATA
    str ebx                         ; whatever TR really is
    VMSET HOST_TR_SELECTOR, rbx
    VMSET HOST_TR_BASE, TSS
    VMSET HOST_FS_BASE, 0
    VMSET HOST_GS_BASE, 0
    VMSET HOST_GDTR_BASE, gdt
    VMSET HOST_IDTR_BASE, IDT
    VMSET HOST_SYSENTER_CS, 0
    VMSET HOST_SYSENTER_ESP, 0
    VMSET HOST_SYSENTER_EIP, 0
    VMSET HOST_RSP, HOST_STACK
%ifdef FAULT_RIP_NOT_CANONICAL
    VMSET HOST_RIP, vm_exit + (1 << 52)             ; fault: bits 63:47 must be equal
%else
    VMSET HOST_RIP, vm_exit
%endif

; --- Guest state: where the guest begins ---
write_guest_state:
    mov rbx, cr0
    VMSET GUEST_CR0, rbx
    mov rbx, cr3
%ifdef FAULT_CR3_OVER_WIDTH
    bts rbx, 51                     ; fault: no processor has that many physical-address bits
%endif
    VMSET GUEST_CR3, rbx
    mov rbx, cr4
    VMSET GUEST_CR4, rbx
    VMSET GUEST_DR7, 400h
    VMSET GUEST_CS_SELECTOR, KERNEL_CODE
    VMSET GUEST_CS_BASE, 0
    VMSET GUEST_CS_LIMIT, 0FFFFFFFFh
%ifdef FAULT_CS_ACCESS_RIGHTS
    VMSET GUEST_CS_AR, AR_CODE_64 + 4000h           ; fault: 64-bit code (L = 1) has D = 0
%else
    VMSET GUEST_CS_AR, AR_CODE_64
%endif
; The data segments are all alike; %1 is the register's name.
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
    VMSET GUEST_IDTR_BASE, IDT
    VMSET GUEST_IDTR_LIMIT, 0FFFh
    VMSET GUEST_SYSENTER_CS, 0
    VMSET GUEST_SYSENTER_ESP, 0
    VMSET GUEST_SYSENTER_EIP, 0
    VMSET GUEST_IA32_DEBUGCTL, 0
    VMSET GUEST_INTERRUPTIBILITY, 0
    VMSET GUEST_PENDING_DEBUG, 0
%ifdef FAULT_ACTIVITY_STATE
    VMSET GUEST_ACTIVITY, 4                         ; fault: the states are 0 to 3
%else
    VMSET GUEST_ACTIVITY, 0                         ; active
%endif
%ifdef FAULT_LINK_POINTER
    VMSET VMCS_LINK_PTR, 0FFFFFFFFh                 ; fault: "none" is -1 in 64 bits, this is an address
%else
    VMSET VMCS_LINK_PTR, -1                         ; none
%endif
%ifdef FAULT_RFLAGS_BIT_1
    VMSET GUEST_RFLAGS, 0                           ; fault: bit 1 is always 1
%else
    VMSET GUEST_RFLAGS, 2
%endif
    VMSET GUEST_RSP, GUEST_STACK
    VMSET GUEST_RIP, guest

launch:
%ifdef FAULT_RESUME_BEFORE_LAUNCH
    vmresume                        ; fault: the first entry with a VMCS is a VMLAUNCH
%else
    vmlaunch
%endif
    jmp vm_entry_refused            ; only reached when VM entry did not even begin

; --- The guest ---
guest:
    xor eax, eax
    cpuid                           ; exits always
    mov dx, COM1
    mov al, '*'
guest_out:
    out dx, al                      ; exits because of PROC1_IO_EXITING
    vmcall                          ; the guest's own way to call its hypervisor
guest_hlt:
    hlt                             ; exits because of PROC1_HLT_EXITING

; --- The exit handler: interrupts off, host state loaded, general registers still the guest's ---
vm_exit:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    mov esi, exit_text
    call print
    VMGET rbx, EXIT_REASON
    movzx eax, bx                   ; bits 15:0 are the basic reason
    call print_decimal
    mov esi, qualification_text
    call print
    VMGET rax, EXIT_QUALIFICATION
    call print_hex
    bt ebx, ENTRY_FAILED_BIT
    jc entry_failed
    cmp bx, EXIT_CPUID
    je on_cpuid
    cmp bx, EXIT_IO
    je on_out
    cmp bx, EXIT_VMCALL
    je on_vmcall
    cmp bx, EXIT_HLT
    je on_hlt
    mov esi, unexpected_text
    jmp stop

; The saved registers, as offsets from RSP.
SAVED_RSI   equ 0
SAVED_RDX   equ 8
SAVED_RCX   equ 16
SAVED_RBX   equ 24
SAVED_RAX   equ 32

on_cpuid:
    mov esi, cpuid_text
    call print
    mov eax, [rsp + SAVED_RAX]
    mov ecx, [rsp + SAVED_RCX]
    cpuid                           ; a hypervisor may answer anything; this one tells the truth
    mov [rsp + SAVED_RAX], rax
    mov [rsp + SAVED_RBX], rbx
    mov [rsp + SAVED_RCX], rcx
    mov [rsp + SAVED_RDX], rdx
    jmp skip_instruction

on_out:
    mov esi, out_text
    call print
    mov al, [rsp + SAVED_RAX]
    call print_byte                 ; do it for the guest
    mov esi, line_end
    call print
    jmp skip_instruction

on_vmcall:
    mov esi, vmcall_text
    call print

skip_instruction:                   ; these exits come before the instruction: step over it
    VMGET rax, GUEST_RIP
    VMGET rbx, EXIT_INSTR_LEN
    add rbx, rax
    VMSET GUEST_RIP, rbx
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    vmresume
    jmp vm_entry_refused

on_hlt:
    vmxoff
    mov esi, hlt_text
stop:
    call print
    jmp power_off

entry_failed:
    mov esi, entry_failed_text
    jmp stop

CONSOLE_ROUTINES print, print_byte
%include "../lib/numbers.inc"
%include "../lib/power.inc"
%include "../lib/vmx.inc"

in_vmx_text:        db "vmlaunch: in VMX operation", 10, 0
exit_text:          db "vm exit: reason ", 0
qualification_text: db ", qualification ", 0
cpuid_text:         db ": CPUID", 10, 0
out_text:           db ": OUT of ", 0
vmcall_text:        db ": VMCALL", 10, 0
hlt_text:           db ": HLT", 10, "vmlaunch: the guest has halted, done", 10, 0
unexpected_text:    db ": unexpected", 10, 0
entry_failed_text:  db ": VM entry failed, no guest instruction ran", 10, 0

END_OF_IMAGE
