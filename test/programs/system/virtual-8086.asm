; Virtual-8086 mode with and without CR4.VME, at IOPL 0 and 3, and CR4.PVI at CPL 3: the interrupt flag that is VIF, INT n by the
; redirection bitmap, and what faults.
%include "protected.inc"

VME         equ 1
PVI         equ 2
IF_FLAG     equ 200h
IOPL3       equ 3000h
VIF_FLAG    equ 80000h
VIP_FLAG    equ 100000h
V86_CODE    equ 3000h           ; segment of the 8086 program; its code is copied there
V86_STACK   equ 4000h
REDIRECTION equ TSS_IO_MAP - 20h
USER_STACK  equ 70000h

; Runs 8086 code with these EFLAGS beside VM; the code ends with HLT, which is not let there.
%macro V86 2
    mov esi, %%code
    mov edi, V86_CODE * 16
    mov ecx, %%end - %%code
    rep movsb
    mov dword [origin], V86_CODE * 16
    push 0                      ; GS, FS, DS, ES
    push 0
    push 0
    push 0
    push V86_STACK
    push 1000h
    push (%1) | VM_FLAG | 2
    push V86_CODE
    push 0
    xor eax, eax
    iretd
bits 16
%%code:
    %2
    hlt
%%end:
bits 32
%endmacro

%macro CASE 4
    PROBE %%next, %1
    mov eax, %2
    mov cr4, eax
    V86 %3, {%4}
%%next:
%endmacro

%macro USER_CASE 4
    PROBE %%next, %1
    mov eax, %2
    mov cr4, eax
    push USER_DATA
    push USER_STACK
    push (%3) | 2
    push USER_CODE
    push %%user
    mov ax, USER_DATA
    mov ds, ax
    mov es, ax
    xor eax, eax
    iretd
%%user:
    %4
    int 22h
%%next:
%endmacro

%macro POPPED 1
    push word %1
    popf
%endmacro
%macro RETURNED 1
    push word %1
    push cs
    call %%there
    jmp %%behind
%%there:
    iret
%%behind:
%endmacro

start32:
    mov word [IDT + 22h * 8], done22
    mov word [IDT + 22h * 8 + 6], 0
    ; Everything but INT 30h and 31h goes to the protected-mode handlers.
    mov edi, REDIRECTION
    mov ecx, 8
    mov eax, -1
    rep stosd
    mov byte [REDIRECTION + 6], 0FCh
    ; The 8086's own handlers: 30h counts and returns, 31h shows its flags.
    mov dword [30h * 4], V86_STACK << 16 | 2000h
    mov dword [31h * 4], V86_STACK << 16 | 2010h
    mov esi, handlers
    mov edi, V86_STACK * 16 + 2000h
    mov ecx, 20h
    rep movsb

    CASE "CLI at IOPL 0", 0, 0, {cli}
    CASE "STI at IOPL 0", 0, 0, {sti}
    CASE "PUSHF at IOPL 0", 0, 0, {pushf}
    CASE "INT 30h at IOPL 0", 0, 0, {int 30h}
    CASE "INT3 at IOPL 0", 0, 0, {int3}
    CASE "CLI and STI at IOPL 3", 0, IOPL3, {sti}
    CASE "PUSHF at IOPL 3", 0, IOPL3 | IF_FLAG, {pushf}
    CASE "VME: CLI", VME, VIF_FLAG | IF_FLAG, {cli}
    CASE "VME: STI", VME, 0, {sti}
    CASE "VME: STI with VIP", VME, VIP_FLAG, {sti}
    CASE "VME: PUSHF with VIF", VME, VIF_FLAG, {pushf}
    CASE "VME: PUSHF without VIF", VME, IF_FLAG, {pushf}
    CASE "VME: PUSHFD", VME, 0, {pushfd}
    CASE "VME: POPF with IF", VME, 0, {POPPED 7206h}
    CASE "VME: POPF without IF", VME, VIF_FLAG | IF_FLAG, {POPPED 0CD7h}
    CASE "VME: POPF with IF and VIP", VME, VIP_FLAG, {POPPED 202h}
    CASE "VME: POPF with TF", VME, 0, {POPPED 102h}
    CASE "VME: POPFD", VME, 0, {popfd}
    CASE "VME: IRET with IF", VME, 0, {RETURNED 7206h}
    CASE "VME: IRET with IF and VIP", VME, VIP_FLAG, {RETURNED 202h}
    CASE "VME: IRETD", VME, 0, {iretd}
    CASE "VME: INT 30h goes to the 8086", VME, VIF_FLAG, {int 30h}
    CASE "VME: INT 31h shows its flags, VIF set", VME, VIF_FLAG | IF_FLAG, {int 31h}
    CASE "VME: INT 31h shows its flags, VIF clear", VME, IF_FLAG, {int 31h}
    CASE "VME: INT 32h does not go there", VME, 0, {int 32h}
    CASE "VME: INT 20h at IOPL 3 goes to the protected-mode handler", VME, IOPL3, {int 20h}
    CASE "VME: INT 31h at IOPL 3", VME, IOPL3 | IF_FLAG, {int 31h}
    CASE "VME: CLI at IOPL 3", VME, IOPL3 | IF_FLAG | VIF_FLAG, {cli}
    CASE "VME: PUSHF at IOPL 3", VME, IOPL3 | VIF_FLAG, {pushf}
    CASE "VME: HLT", VME, 0, {hlt}
    CASE "PVI does nothing there", PVI, 0, {sti}

    CASE "VME: VIF and VIP at once", VME, VIP_FLAG | VIF_FLAG, {nop}
    CASE "VME, IOPL 3: VIF and VIP at once", VME, IOPL3 | VIP_FLAG | VIF_FLAG, {nop}
    CASE "without VME: VIF and VIP at once", 0, VIP_FLAG | VIF_FLAG, {nop}
    USER_CASE "CPL 3, PVI: VIF and VIP at once", PVI, VIP_FLAG | VIF_FLAG, {nop}
    USER_CASE "CPL 3, PVI, IOPL 3: VIF and VIP at once", PVI, IOPL3 | VIP_FLAG | VIF_FLAG, {nop}
    USER_CASE "CPL 3: STI", 0, 0, {sti}
    USER_CASE "CPL 3, PVI: STI", PVI, 0, {sti}
    USER_CASE "CPL 3, PVI: STI with VIP", PVI, VIP_FLAG, {sti}
    USER_CASE "CPL 3, PVI: CLI with VIP", PVI, VIP_FLAG | VIF_FLAG, {cli}
    USER_CASE "CPL 3, PVI: CLI at IOPL 3", PVI, IOPL3 | IF_FLAG | VIF_FLAG, {cli}
    USER_CASE "CPL 3, PVI: PUSHFD", PVI, VIF_FLAG, {pushfd}
    USER_CASE "CPL 3, VME does nothing there", VME, 0, {sti}
    jmp power_off

; In the segment of the 8086's stack: INT 30h makes AX 1 and returns; INT 31h ends with its flags in AX.
handlers:
bits 16
    inc ax
    iret
    times 10h - ($ - handlers) nop
    pushf
    pop ax
    hlt
    times 20h - ($ - handlers) nop
bits 32

; INT 22h: the end of a case at CPL 3. EFLAGS, AX, the top of the stack.
done22:
    mov bx, DATA
    mov ds, bx
    mov es, bx
    SAY "  done, flags "
    push eax
    mov eax, [esp + 4 + 8]
    and eax, FLAGS_SHOWN
    call print8
    SAY " AX "
    pop eax
    call print4
    SAY " stack "
    mov ebx, [esp + 12]
    mov eax, [ebx]
    and eax, FLAGS_SHOWN
    call print4
    call newline
    mov esp, [recover_esp]
    push 2
    popfd
    jmp [recover]

END_OF_GUEST
