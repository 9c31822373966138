; 14-popf: the instruction that broke trap-and-emulate.
;
; POPF loads the flags from the stack. In ring 0 that includes IF, the interrupt flag. With less privilege than the I/O
; privilege level (CPL > IOPL) it keeps IF as it is and says nothing: no fault, no trap. CLI in the same place faults.
; A hypervisor that runs a kernel in ring 3 and waits for traps therefore sees CLI and misses POPF.
;
; Shows   CLI, STI, PUSHF and POPF in ring 0, then POPF and CLI in ring 3 with IOPL 0
; Right   every line says "yes"; the words are chosen from what PUSHF really showed
; By hand nasm -f bin -o popf.img popf.asm

%include "../lib/boot.inc"
%include "../lib/console.inc"

RFLAGS_FIXED    equ 2           ; bit 1 is always 1
RFLAGS_IF       equ 200h
REPORT_VECTOR   equ 80h         ; user mode hands over its findings here
GP_VECTOR       equ 13
CLI_BYTES       equ 1
USER_STACK_TOP  equ 20000h

start16:
    PREPARE_CONSOLE
    mov al, 0FFh                ; mask both interrupt controllers: IF may be set here, but nothing must come
    out 21h, al
    out 0A1h, al
    jmp enter_long_mode

%include "../lib/long-mode.inc"

start64:
    mov edi, GP_VECTOR
    mov esi, general_protection
    mov dl, 8Eh
    call set_gate
    mov edi, REPORT_VECTOR
    mov esi, user_report
    mov dl, 0EEh
    call set_gate
    mov qword [TSS_RSP0], STACK_TOP
    mov ax, TSS_SELECTOR
    ltr ax

; Ring 0: each instruction does what it was asked to.
    cli
    pushfq
    pop rax
    test eax, RFLAGS_IF
    setz al                     ; AL = 1 if IF is 0, as asked
    mov esi, cli_text
    call report

    sti
    pushfq
    pop rax
    test eax, RFLAGS_IF
    setnz al
    mov esi, sti_text
    call report

    push RFLAGS_FIXED           ; an image of the flags with IF = 0
popf_clears:
    popfq
    pushfq
    pop rax
    test eax, RFLAGS_IF
    setz al
    mov esi, popf_clears_text
    call report

    push RFLAGS_FIXED + RFLAGS_IF
popf_sets:
    popfq
    pushfq
    pop rax
    test eax, RFLAGS_IF
    setnz al
    mov esi, popf_sets_text
    call report

; Ring 3: IRETQ takes RIP, CS, RFLAGS, RSP and SS from the stack. IF = 1, IOPL = 0.
    push USER_DATA
    push USER_STACK_TOP
    push RFLAGS_FIXED + RFLAGS_IF
    push USER_CODE
    push user_task
    iretq

user_task:
    push RFLAGS_FIXED           ; ask for IF = 0 again ...
popf_is_silent:
    popfq                       ; ... and nothing happens, not even a fault
    pushfq
    pop rbx                     ; RBX = the flags after POPF
cli_faults:
    cli                         ; the same wish, but this one raises #GP; the handler skips it
    int REPORT_VECTOR

; #GP: the error code lies above RIP on the stack. CLI has one byte, so RIP + 1 is the next instruction.
general_protection:
    add rsp, 8
    inc dword [faults]
    add qword [rsp], CLI_BYTES
    iretq

user_report:
    test ebx, RFLAGS_IF
    setnz al
    mov esi, popf_silent_text
    call report
    cmp dword [faults], 1       ; one fault: POPF raised none, CLI raised one
    sete al
    mov esi, cli_faults_text
    call report

    mov esi, right_text
    cmp byte [wrong_answers], 0
    je .end
    mov esi, wrong_text
.end:
    call print
    jmp power_off

; Prints the text at RSI and then yes (AL = 1) or NO (AL = 0).
report:
    movzx ebp, al
    call print
    mov esi, yes_text
    test ebp, ebp
    jnz .end
    inc byte [wrong_answers]
    mov esi, no_text
.end:
    jmp print

CONSOLE_ROUTINES print, print_byte
%include "../lib/power.inc"

faults:             dd 0
wrong_answers:      db 0

cli_text:           db "ring 0: cli clears IF:              ", 0
sti_text:           db "ring 0: sti sets IF:                ", 0
popf_clears_text:   db "ring 0: popf clears IF:             ", 0
popf_sets_text:     db "ring 0: popf sets IF:               ", 0
popf_silent_text:   db "ring 3: popf keeps IF, no fault:    ", 0
cli_faults_text:    db "ring 3: cli raises #GP:             ", 0
yes_text:           db "yes", 10, 0
no_text:            db "NO", 10, 0
right_text:         db "popf: IF changed as the processor manual says", 10, 0
wrong_text:         db "popf: WRONG, this is not how the processor behaves", 10, 0

END_OF_IMAGE
