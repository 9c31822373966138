; 02-tinyos: a complete operating system in one track of a floppy.
;
; Shows   real mode with firmware calls -> protected mode -> page tables built entry by entry -> long mode; interrupts from
;         a timer; a task in ring 3 that makes system calls and touches memory that is not there yet
; Try     breakpoint on enable_long_mode and open Page Tables; stop on the VM exit CPUID with the condition
;         rax == 0x80000001; single-step over SYSCALL and see CPL go from 3 to 0
; By hand nasm -f bin -o tinyos.img tinyos.asm
;
; Memory (physical)                          Linear addresses in long mode
;    600h   memory map from the firmware        7000h-8FFFh   kernel, identity mapped, 4 KiB pages, ring 0
;   7C00h   this program                        9000h         user code, identity mapped, ring 3, read-only
;   9000h   its part for user mode             10000h         user stack -> 400000h, ring 3, no execute
; 200000h   page tables, IDT, TSS, stack       20000h         one page on demand -> 401000h, ring 3, no execute
; 400000h   user stack, then the page        200000h-3FFFFFh  kernel data, one 2 MiB page, ring 0, no execute
;           given out on demand                everything else is not mapped; so address 0 faults

%include "../lib/boot.inc"
%include "../lib/console.inc"

MEMORY_MAP      equ 600h        ; entries of 24 bytes: base, length, type, attributes
MEMORY_MAP_ENTRY equ 24
SMAP            equ 534D4150h   ; "SMAP", asked for and answered by INT 15h/E820h
RAM             equ 1           ; entry type: usable memory
NEEDED_MIB      equ 16

PML4            equ 200000h
PDPT            equ 201000h
PD              equ 202000h
PT              equ 203000h
IDT             equ 204000h
TSS             equ 205000h
TABLES_END      equ 206000h
KERNEL_STACK    equ 300000h     ; grows down from here
USER_STACK_FRAME equ 400000h
DEMAND_FRAME    equ 401000h
KERNEL_PAGE     equ 200000h     ; the 2 MiB page that holds all of the above but the two frames

USER_PAGE       equ 9000h
USER_STACK_PAGE equ 10000h
DEMAND_PAGE     equ 20000h

P               equ 1           ; present
W               equ 2           ; writable
U               equ 4           ; user mode may use it
PS              equ 80h         ; large page
NX              equ 80000000h   ; no execute, in the upper half of an entry

CODE32          equ 08h
DATA            equ 10h
CODE64          equ 18h
USER_BASE       equ 20h         ; SYSRET wants user data at +8 and 64-bit user code at +16
USER_DATA       equ 28h + 3
USER_CODE       equ 30h + 3
TSS_SELECTOR    equ 38h

CR0_PE          equ 1
CR0_WP          equ 1 << 16
CR0_PG          equ 80000000h
CR4_PAE         equ 1 << 5
EFER            equ 0C0000080h
EFER_SCE        equ 1           ; SYSCALL and SYSRET exist
EFER_LME        equ 1 << 8
EFER_NXE        equ 1 << 11
STAR            equ 0C0000081h
LSTAR           equ 0C0000082h
FMASK           equ 0C0000084h
RFLAGS_FIXED    equ 2
RFLAGS_IF       equ 200h

PAGE_FAULT_VECTOR equ 14
TIMER_VECTOR    equ 20h
CALL_VECTOR     equ 80h
INTERRUPT_GATE  equ 8Eh
USER_GATE       equ 0EEh        ; the same, and user mode may call it

PIC1            equ 20h         ; interrupt controllers: command port, +1 data port
PIC2            equ 0A0h
END_OF_INTERRUPT equ 20h
PIT_CHANNEL0    equ 40h
PIT_COMMAND     equ 43h
PIT_DIVISOR     equ 1193        ; 1,193,182 Hz / 1193 = 1 kHz
TICKS_WANTED    equ 3

CALL_PRINT      equ 1           ; system calls: RAX = number, RSI = text
CALL_EXIT       equ 2

; --- Real mode -------------------------------------------------------------------------------------------------------------

start16:
    PREPARE_CONSOLE
    mov si, real_mode_text
    call print16

read_memory_map:
    xor ebx, ebx                ; 0 = first entry; the firmware returns where to go on
    xor ebp, ebp                ; EBP counts bytes of RAM
    mov di, MEMORY_MAP
.next_entry:
    mov eax, 0E820h
    mov edx, SMAP
    mov ecx, MEMORY_MAP_ENTRY
    int 15h
    jc .done
    cmp dword [di + 16], RAM
    jne .skip
    add ebp, [di + 8]
.skip:
    add di, MEMORY_MAP_ENTRY
    test ebx, ebx
    jnz .next_entry
.done:
    mov si, enough_memory_text
    cmp ebp, NEEDED_MIB << 20
    jae .tell
    mov si, little_memory_text
.tell:
    call print16

enable_a20:
    mov ax, 2401h
    int 15h
    mov ax, 0FFFFh              ; FFFF:7E0E is 107DFEh; with A20 off the bus makes that 007DFEh,
    mov fs, ax                  ; where the boot signature lies
    mov si, a20_on_text
    not word [fs:7E0Eh]
    cmp word [7DFEh], 0AA55h
    je .tell
    mov si, a20_off_text
.tell:
    call print16

enter_protected_mode:
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or eax, CR0_PE
    mov cr0, eax
    jmp CODE32:start32

CONSOLE_ROUTINES print16, print_byte16

; --- Protected mode --------------------------------------------------------------------------------------------------------

bits 32
start32:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov esp, KERNEL_STACK
    mov esi, protected_mode_text
    call print32

identify_processor:
    xor eax, eax
cpuid_vendor:
    cpuid                       ; twelve letters in EBX, EDX, ECX
    mov [vendor], ebx
    mov [vendor + 4], edx
    mov [vendor + 8], ecx
    mov eax, 80000000h
cpuid_highest_extended:
    cpuid                       ; EAX = highest extended function
    mov esi, no_long_mode_text
    cmp eax, 80000001h
    jb stop32
    mov eax, 80000001h
cpuid_extended_features:
    cpuid                       ; EDX bit 29 = long mode, bit 20 = no execute
    and edx, (1 << 29) + (1 << 20)
    cmp edx, (1 << 29) + (1 << 20)
    jne stop32
    mov esi, long_mode_text
    call print32

; Writes one 8-byte entry: %1 table, %2 index, %3 low half, %4 high half.
%macro ENTRY 4
    mov dword [%1 + (%2) * 8], %3
    mov dword [%1 + (%2) * 8 + 4], %4
%endmacro

build_page_tables:
    cld
    mov edi, PML4
    mov ecx, (TABLES_END - PML4) / 4
    xor eax, eax
    rep stosd

; Upper levels allow everything; the last level decides. A user page needs U at every level.
    ENTRY PML4, 0, PDPT + P + W + U, 0
    ENTRY PDPT, 0, PD + P + W + U, 0
    ENTRY PD, 0, PT + P + W + U, 0                          ; first 2 MiB: 4 KiB pages
    ENTRY PD, 1, KERNEL_PAGE + P + W + PS, NX               ; second: one large page
    ENTRY PT, 07h, 7000h + P + W, 0                         ; kernel code
    ENTRY PT, 08h, 8000h + P + W, 0
    ENTRY PT, 09h, USER_PAGE + P + U, 0                     ; user code
    ENTRY PT, USER_STACK_PAGE >> 12, USER_STACK_FRAME + P + W + U, NX

enable_long_mode:
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, PML4
load_cr3:
    mov cr3, eax
    mov ecx, EFER
    rdmsr
    or eax, EFER_SCE + EFER_LME + EFER_NXE
write_efer:
    wrmsr                       ; long mode enabled, not yet active
    mov eax, cr0
    or eax, CR0_PG + CR0_WP
    mov cr0, eax                ; paging on: long mode active, still running 32-bit code
    jmp CODE64:start64

stop32:
    call print32
.halt:
    hlt
    jmp .halt

CONSOLE_ROUTINES print32, print_byte32

; --- Long mode -------------------------------------------------------------------------------------------------------------

bits 64
start64:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, KERNEL_STACK
    mov esi, paging_text
    call print

load_task_register:
    mov qword [TSS + 4], KERNEL_STACK   ; RSP0: the stack for whatever interrupts user mode
    mov ax, TSS_SELECTOR
    ltr ax

build_idt:
    mov edi, PAGE_FAULT_VECTOR
    mov esi, page_fault
    mov dl, INTERRUPT_GATE
    call set_gate
    mov edi, TIMER_VECTOR
    mov esi, timer_interrupt
    call set_gate
    mov edi, CALL_VECTOR
    mov esi, call_interrupt
    mov dl, USER_GATE
    call set_gate
    lidt [idt_pointer]

start_timer:
    mov al, 11h                 ; both controllers: edge-triggered, cascaded, four initialization words follow
    out PIC1, al
    out PIC2, al
    mov al, TIMER_VECTOR        ; vectors 20h-27h: the default 8-0Fh are exceptions
    out PIC1 + 1, al
    mov al, TIMER_VECTOR + 8
    out PIC2 + 1, al
    mov al, 4                   ; the second controller sits at line 2
    out PIC1 + 1, al
    mov al, 2
    out PIC2 + 1, al
    mov al, 1                   ; 8086 mode
    out PIC1 + 1, al
    out PIC2 + 1, al
    mov al, 0FEh                ; all lines masked but line 0
    out PIC1 + 1, al
    mov al, 0FFh
    out PIC2 + 1, al
    mov al, 34h                 ; channel 0, low then high byte, mode 2: a pulse every PIT_DIVISOR clocks
    out PIT_COMMAND, al
    mov al, PIT_DIVISOR & 0FFh
    out PIT_CHANNEL0, al
    mov al, PIT_DIVISOR >> 8
    out PIT_CHANNEL0, al

wait_for_ticks:
    cli                         ; no tick may come between the question and HLT
    cmp dword [ticks], TICKS_WANTED
    jae .enough
    sti                         ; takes effect after the next instruction, so HLT cannot miss the tick
    hlt
    jmp wait_for_ticks
.enough:
    mov esi, timer_text
    call print
    mov eax, [ticks]
    call print_decimal
    mov al, 10
    call print_byte

allow_system_calls:
    mov eax, 80000001h
cpuid_syscall:
    cpuid                       ; EDX bit 11 = SYSCALL; Intel processors say so in 64-bit mode only
    mov esi, no_syscall_text
    bt edx, 11
    jnc stop64
    mov ecx, STAR               ; selectors: SYSCALL loads CODE64 and the next, SYSRET takes them from USER_BASE
    xor eax, eax
    mov edx, (USER_BASE + 3) << 16 | CODE64
    wrmsr
    mov ecx, LSTAR              ; where SYSCALL goes
    mov eax, call_syscall
    xor edx, edx
    wrmsr
    mov ecx, FMASK              ; flags that SYSCALL clears: no interrupts while the stack is still the user's
    mov eax, RFLAGS_IF
    wrmsr

enter_user_mode:
    mov esi, user_mode_text
    call print
    push USER_DATA              ; IRETQ takes SS, RSP, RFLAGS, CS and RIP
    push USER_STACK_PAGE + 1000h
    push RFLAGS_FIXED + RFLAGS_IF
    push USER_CODE
    push user_task
    iretq

stop64:
    call print
    jmp power_off

set_gate:                       ; RDI = vector, RSI = handler below 4 GiB, DL = type
    shl edi, 4
    mov eax, esi
    mov [IDT + rdi], ax
    mov word [IDT + rdi + 2], CODE64
    mov [IDT + rdi + 5], dl
    shr eax, 16
    mov [IDT + rdi + 6], ax
    ret

; --- Interrupts, faults and system calls -----------------------------------------------------------------------------------

timer_interrupt:
    push rax
    inc dword [ticks]
    cmp dword [ticks], TICKS_WANTED
    jb .acknowledge
    mov al, 0FFh                ; enough: mask the timer, so that a run does not depend on its length
    out PIC1 + 1, al
.acknowledge:
    mov al, END_OF_INTERRUPT
    out PIC1, al
    pop rax
    iretq

; The one page fault that is not a mistake: user mode writes (error code 110b: user, write, not present) to the page that
; is given out on demand. The handler maps it and returns to the instruction, which then succeeds.
page_fault:
    push rax
    push rdx
    mov rax, cr2
    and rax, -1000h
    cmp rax, DEMAND_PAGE
    jne .unexpected
    cmp qword [rsp + 16], 110b
    jne .unexpected
    inc dword [faults_served]
    ENTRY PT, DEMAND_PAGE >> 12, DEMAND_FRAME + P + W + U, NX
    invlpg [DEMAND_PAGE]
    pop rdx
    pop rax
    add rsp, 8                  ; the error code
    iretq
.unexpected:
    mov esi, bad_fault_text
    call print
    mov rax, cr2
    call print_hex
    mov al, 10
    call print_byte
    jmp power_off

; SYSCALL leaves RIP in RCX and RFLAGS in R11 and does not touch RSP; one processor, so one place to keep it is enough.
call_syscall:
    mov [user_rsp], rsp
    mov esp, KERNEL_STACK
    push rcx
    push r11
    call system_call
    pop r11
    pop rcx
    mov rsp, [user_rsp]
    o64 sysret

; INT 80h does the same through the IDT and the TSS.
call_interrupt:
    call system_call
    iretq

system_call:
    cmp eax, CALL_PRINT
    je print                    ; the text at RSI: the kernel can read user memory
    cmp eax, CALL_EXIT
    je .exit
    mov esi, bad_call_text
    call print
.exit:
    mov esi, exit_text
    call print
    mov eax, [faults_served]
    call print_decimal
    mov esi, done_text
    call print
    jmp power_off

CONSOLE_ROUTINES print, print_byte
%include "../lib/numbers.inc"
%include "../lib/power.inc"

; --- Data of the kernel ----------------------------------------------------------------------------------------------------

    align 8
gdt:
    dq 0
    dq 00CF9B000000FFFFh        ; 08h 32-bit code, 4 GiB
    dq 00CF93000000FFFFh        ; 10h data, 4 GiB
    dq 00209B0000000000h        ; 18h 64-bit code (L = 1); SYSCALL takes the next entry for SS
    dq 00CF93000000FFFFh        ; 20h data
    dq 00CFF3000000FFFFh        ; 28h user data (DPL 3)
    dq 0020FB0000000000h        ; 30h 64-bit user code
    dw 103, TSS & 0FFFFh        ; 38h TSS: limit, base 15:0
    db TSS >> 16, 89h, 0, 0     ;     base 23:16, present and available
    dq 0
gdt_end:
gdt_pointer:
    dw gdt_end - gdt - 1
    dq gdt
idt_pointer:
    dw 1000h - 1
    dq IDT

user_rsp:       dq 0
ticks:          dd 0
faults_served:  dd 0
vendor:         times 12 db 0

real_mode_text:         db "tinyos: real mode, printing through COM1", 10, 0
enough_memory_text:     db "memory map: at least 16 MiB of RAM", 10, 0
little_memory_text:     db "memory map: LESS than 16 MiB of RAM", 10, 0
a20_on_text:            db "a20: on", 10, 0
a20_off_text:           db "a20: STILL OFF", 10, 0
protected_mode_text:    db "tinyos: protected mode", 10, 0
long_mode_text:         db "cpuid: long mode yes, no-execute yes", 10, 0
no_long_mode_text:      db "cpuid: long mode or no-execute missing, stopped", 10, 0
paging_text:            db "tinyos: long mode, four-level paging", 10, 0
timer_text:             db "timer: ticks seen: ", 0
no_syscall_text:        db "cpuid: SYSCALL missing, stopped", 10, 0
user_mode_text:         db "tinyos: entering user mode", 10, 0
bad_fault_text:         db "kernel: unexpected page fault at ", 0
bad_call_text:          db "kernel: unknown system call", 10, 0
exit_text:              db "kernel: user task ended; page faults served: ", 0
done_text:              db 10, "tinyos: done", 10, 0

; --- The user task, alone on its page --------------------------------------------------------------------------------------

    times USER_PAGE - 7C00h - ($ - $$) db 0

MAGIC           equ 1234567890ABCDEFh

user_task:
    mov esi, syscall_text
    mov eax, CALL_PRINT
user_syscall:
    syscall

    mov esi, interrupt_text
    mov eax, CALL_PRINT
user_interrupt:
    int CALL_VECTOR

    mov rbx, MAGIC
user_first_touch:
    mov [DEMAND_PAGE + 8], rbx  ; nothing is mapped there yet; the kernel sees to it
    cmp [DEMAND_PAGE + 8], rbx
    mov esi, memory_text
    je .tell
    mov esi, memory_lost_text
.tell:
    mov eax, CALL_PRINT
    syscall

    mov eax, CALL_EXIT
    syscall

syscall_text:       db "user: hello through SYSCALL", 10, 0
interrupt_text:     db "user: hello through INT 80h", 10, 0
memory_text:        db "user: wrote to a page that was not there, and read it back", 10, 0
memory_lost_text:   db "user: WRONG, the page lost what was written", 10, 0

END_OF_IMAGE
