; Alignment checks: CR0.AM, RFLAGS.AC and CPL 3 together, for every size and kind of access.
%include "protected.inc"

DATUM       equ 60000h
AC_FLAG     equ 40000h
AM          equ 40000h          ; CR0.AM
USER_STACK  equ 70000h

; Runs the rest of the probe at CPL 3 with these RFLAGS.
%macro USER 1
    push USER_DATA
    push USER_STACK
    push %1
    push USER_CODE
    push %%user
    mov ax, USER_DATA
    mov ds, ax
    mov es, ax
    iretd
%%user:
%endmacro

; One case at CPL 3 with alignment checked: the fault, or that it was done.
%macro TRY 2
    PROBE %%next, %1
    USER AC_FLAG | 2
    mov edi, DATUM
    mov esi, DATUM + 100h
    mov ebx, DATUM
    mov ecx, 1
    xor eax, eax
    %2
    int 21h
%%next:
%endmacro

start32:
    mov eax, cr4
    or eax, 600h                ; OSFXSR, OSXMMEXCPT
    mov cr4, eax
    fninit
    mov word [IDT + 21h * 8], done21
    mov word [IDT + 21h * 8 + 6], 0

    PROBE off1, "without CR0.AM"
    USER AC_FLAG | 2
    mov eax, [DATUM + 1]
    int 21h
off1:
    mov eax, cr0
    or eax, AM
    mov cr0, eax
    PROBE off2, "without RFLAGS.AC"
    USER 2
    mov eax, [DATUM + 1]
    int 21h
off2:
    PROBE off3, "at CPL 0"
    push AC_FLAG | 2
    popfd
    mov eax, [DATUM + 1]
    push 2
    popfd
    SAY "  done", 10
off3:

    TRY "byte", {mov al, [ebx + 1]}
    TRY "word, even", {mov ax, [ebx + 2]}
    TRY "word, odd", {mov ax, [ebx + 1]}
    TRY "double word, at 2", {mov eax, [ebx + 2]}
    TRY "double word, at 4", {mov eax, [ebx + 4]}
    TRY "store", {mov [ebx + 1], eax}
    TRY "read-modify-write", {add [ebx + 3], eax}
    TRY "read-modify-write, word", {inc word [ebx + 3]}
    TRY "across pages", {mov eax, [ebx + 0FFEh]}
    TRY "locked", {lock xadd [ebx + 1], eax}
    TRY "MOVS, source", {movsd}
    TRY "bit string", {bts [ebx + 1], ecx}
    TRY "CMPXCHG8B at 4", {cmpxchg8b [ebx + 4]}
    TRY "CMPXCHG8B at 8", {cmpxchg8b [ebx + 8]}
    TRY "PUSH", {push eax}
    TRY "x87 single at 2", {fld dword [ebx + 2]}
    TRY "x87 double at 4", {fld qword [ebx + 4]}
    TRY "x87 double at 8", {fld qword [ebx + 8]}
    TRY "x87 word at 1", {fnstcw [ebx + 1]}
    TRY "MOVQ at 4", {movq xmm0, [ebx + 4]}
    TRY "MOVD at 1", {movd xmm0, [ebx + 1]}
    TRY "MOVAPS at 16", {movaps xmm0, [ebx + 16]}
    TRY "MOVAPS at 8", {movaps xmm0, [ebx + 8]}
    TRY "LES, offset at 2", {les eax, [ebx + 102h]}
    TRY "SGDT at 2", {sgdt [ebx + 2]}
    TRY "SGDT at 4", {sgdt [ebx + 4]}
    TRY "SMSW at 1", {smsw [ebx + 1]}
    TRY "page fault or alignment", {mov eax, [ebx + 1]}

    PROBE stack1, "PUSH on a stack that is not aligned"
    USER AC_FLAG | 2
    dec esp
    push eax
    int 21h
stack1:
    PROBE stack2, "CALL on a stack that is not aligned"
    USER AC_FLAG | 2
    dec esp
    dec esp
    call stack2
    int 21h
stack2:
    PROBE stack3, "POPF that sets RFLAGS.AC, and the access behind it"
    USER 2
    pushfd
    or dword [esp], AC_FLAG
    popfd
    mov eax, [DATUM + 1]
    int 21h
stack3:
    PROBE stack4, "a repeated store that becomes unaligned nowhere"
    USER AC_FLAG | 2
    mov edi, DATUM + 2
    mov ecx, 8
    xor eax, eax
    rep stosw
    int 21h
stack4:
    jmp power_off

; The end of a probe that did not fault: back to CPL 0.
done21:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov esp, [recover_esp]
    SAY "  done", 10
    jmp [recover]

END_OF_GUEST
