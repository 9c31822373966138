; Hardware breakpoints, general detect, single steps and what holds them back.
%include "protected.inc"

DE          equ 8               ; CR4.DE
DATUM          equ 60000h          ; data that breakpoints wait for

; DR7 for breakpoint %1 with G, condition %2 and length %3.
%define G(n) (2 << (2 * (n)))
%define RW(n, what, length) (((what) | (length) << 2) << (16 + 4 * (n)))
EXECUTE     equ 0
WRITE       equ 1
IO          equ 2
ACCESS      equ 3
L1          equ 0
L2          equ 1
L8          equ 2
L4          equ 3

%macro SET_DR7 1
    mov eax, %1
    mov dr7, eax
%endmacro
%macro SET_DR 2
    mov eax, %2
    mov dr%1, eax
%endmacro
%macro STEP_ON 0
    pushfd
    or dword [esp], TF_FLAG
    popfd
%endmacro

start32:
    PROBE next1, "instruction breakpoint: a fault, once"
    SET_DR 0, .here1
    SET_DR7 G(0) | RW(0, EXECUTE, L1)
    nop
.here1:
    nop
    nop
next1:
    PROBE next2, "the same on the target of a jump and in a loop"
    SET_DR 1, .here2
    SET_DR7 G(1) | RW(1, EXECUTE, L1)
    mov ecx, 3
    jmp .here2
    nop
.here2:
    loop .here2
next2:
    PROBE next3, "on a repeated string instruction: before the first iteration only"
    SET_DR 2, .here3
    SET_DR7 G(2) | RW(2, EXECUTE, L1)
    mov edi, DATUM
    mov ecx, 4
    xor eax, eax
.here3:
    rep stosb
next3:
    PROBE next5, "behind MOV SS it does not count"
    SET_DR 0, .here4
    SET_DR7 G(0) | RW(0, EXECUTE, L1)
    mov ax, ss
    mov ss, ax
.here4:
    nop
    nop
next5:
    SET_DR7 400h
    PROBE next6, "write breakpoints of 1, 2 and 4 bytes, and what they do not see"
    SET_DR 0, DATUM
    SET_DR 1, DATUM + 11h          ; aligned down to 10h
    SET_DR 2, DATUM + 23h          ; aligned down to 20h
    SET_DR7 G(0) | RW(0, WRITE, L1) | G(1) | RW(1, WRITE, L2) | G(2) | RW(2, WRITE, L4)
    mov byte [DATUM], 1
    mov dword [DATUM - 3], 1
    mov dword [DATUM - 4], 1
    mov byte [DATUM + 1], 1
    mov al, [DATUM]
    mov byte [DATUM + 10h], 1
    mov byte [DATUM + 11h], 1
    mov byte [DATUM + 12h], 1
    inc dword [DATUM + 20h]
    xchg al, [DATUM + 23h]
    mov byte [DATUM + 24h], 1
    nop
next6:
    PROBE next7, "read or write, by the stack and by string instructions"
    SET_DR 3, DATUM + 40h
    SET_DR7 G(3) | RW(3, ACCESS, L4)
    mov al, [DATUM + 43h]
    mov [DATUM + 40h], al
    add [DATUM + 41h], al
    mov edx, esp
    mov esp, DATUM + 44h
    push eax
    mov esp, edx
    mov esi, DATUM + 3Eh
    mov edi, DATUM + 80h
    mov ecx, 4
    rep movsb
    push dword [DATUM + 40h]
    pop eax
    bt dword [DATUM + 30h], 4
    mov ebx, DATUM + 30h
    mov eax, 8 * 10h
    bt [ebx], eax
next7:
    PROBE next8, "disabled breakpoints show in DR6 beside an enabled one"
    SET_DR 0, DATUM
    SET_DR 1, DATUM
    SET_DR7 G(1) | RW(1, WRITE, L1) | RW(0, WRITE, L1)
    mov byte [DATUM], 2
    nop
next8:
    PROBE next9, "MOV SS holds a data breakpoint back"
    SET_DR 0, DATUM
    SET_DR7 G(0) | RW(0, ACCESS, L2)
    mov ax, ss
    mov [DATUM], ax
    mov ss, [DATUM]
    nop
    nop
next9:
    SET_DR7 400h
    PROBE next10, "general detect"
    SET_DR7 2400h
    mov eax, dr0
    mov ebx, dr7
next10:
    PROBE next11, "DR4 and DR5 without and with CR4.DE"
    mov eax, dr4
    call print8
    call newline
    mov eax, DE
    mov cr4, eax
    mov eax, dr5
next11:
    PROBE next12, "I/O breakpoints"
    SET_DR 0, 80h
    SET_DR 1, 71h               ; aligned down to 70h
    SET_DR7 G(0) | RW(0, IO, L1) | G(1) | RW(1, IO, L2)
    mov al, 0Fh
    out 80h, al
    out 70h, al
    in al, 71h
    in al, 61h
    in ax, 70h
    mov dx, 71h
    mov edi, DATUM
    insb
next12:
    SET_DR7 400h
    PROBE next13, "single steps: POPF, MOV SS, REP, a jump"
    mov byte [keep_stepping], 9
    mov ecx, 2
    mov edi, DATUM
    mov ax, ss
    STEP_ON
    nop
    mov ss, ax
    nop
    nop
    rep stosb
    jmp .behind13
    nop
.behind13:
    nop
    nop
    nop
    nop
next13:
    mov byte [keep_stepping], 0
    PROBE next14, "a single step of INT n and of a faulting instruction"
    STEP_ON
    int 20h
    nop
    nop
    STEP_ON
    ud2
next14:
    PROBE next15, "a single step and a data breakpoint at once"
    SET_DR 0, DATUM
    SET_DR7 G(0) | RW(0, WRITE, L4)
    STEP_ON
    mov dword [DATUM], 5
    nop
next15:
    PROBE next16, "INT1 is no debug trap of DR6"
    SET_DR7 400h
    db 0F1h
    nop
next16:
    PROBE next17, "what DR6 and DR7 keep of ones"
    mov eax, -1
    mov dr6, eax
    mov ebx, dr6
    mov eax, ebx
    call print8
    call newline
    mov eax, 0FFFFFC00h & ~2000h
    mov dr7, eax
    mov ebx, dr7
    mov eax, 400h
    mov dr7, eax
    mov eax, ebx
    call print8
    call newline
next17:
    jmp power_off

END_OF_GUEST
