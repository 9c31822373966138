; Protection keys: which accesses PKRU denies, at CPL 3 and CPL 0, and what they leave alone.
EXTRA_CR4   equ 0
%include "long.inc"

CR4_OSXSAVE equ 40000h
CR4_PKE     equ 400000h
CR4_SMAP    equ 200000h
CR4_FXSR    equ 200h
AREA        equ 50000h          ; XSAVE area
KEY         equ 5
AD          equ 1
WD          equ 2

; Sets PKRU to rights %1 for the key of the test page.
%macro RIGHTS 1
    mov eax, (%1) << (2 * KEY)
    xor ecx, ecx
    xor edx, edx
    wrpkru
%endmacro
; The test page with flags %1 (present, writable, user ...) and the key.
%macro PAGE 1
    mov rax, (KEY << 59) | TEST_PAGE | (%1)
    mov [TEST_PTE], rax
    mov eax, TEST_PAGE
    invlpg [rax]
%endmacro
%macro CASE 5
    PROBE %%next, %1
    PAGE %2
    RIGHTS %3
%if %4
    USER
%endif
    mov ebx, TEST_PAGE
    %5
    DONE
%%next:
%endmacro
P   equ 1
W   equ 2
U   equ 4

start64:
    PROBE without1, "RDPKRU without CR4.PKE"
    xor ecx, ecx
    rdpkru
    DONE
without1:
    mov byte [TEST_PAGE], 0C3h  ; RET
    mov rax, cr4
    or eax, CR4_PKE | CR4_OSXSAVE | CR4_FXSR
    mov cr4, rax
    PROBE ecx1, "WRPKRU with ECX 1"
    mov ecx, 1
    xor edx, edx
    wrpkru
    DONE
ecx1:
    PROBE edx1, "WRPKRU with EDX 1"
    xor ecx, ecx
    mov edx, 1
    wrpkru
    DONE
edx1:
    PROBE read1, "RDPKRU gives what was written:"
    RIGHTS WD
    mov edx, -1
    rdpkru
    call print8
    mov eax, edx
    call print8
    DONE
read1:
    PROBE cpuid1, "CPUID.7:ECX.OSPKE:"
    mov eax, 7
    xor ecx, ecx
    cpuid
    shr ecx, 4
    and ecx, 1
    mov al, cl
    call print2
    DONE
cpuid1:
    CASE "user read, no restriction", P | W | U, 0, 1, {mov al, [rbx]}
    CASE "user read, AD", P | W | U, AD, 1, {mov al, [rbx]}
    CASE "user write, AD", P | W | U, AD, 1, {mov [rbx], al}
    CASE "user read, WD", P | W | U, WD, 1, {mov al, [rbx]}
    CASE "user write, WD", P | W | U, WD, 1, {mov [rbx], al}
    CASE "user write, WD, read-only page", P | U, WD, 1, {mov [rbx], al}
    CASE "user write, read-only page", P | U, 0, 1, {mov [rbx], al}
    CASE "user read, AD, supervisor page", P | W, AD, 1, {mov al, [rbx]}
    CASE "user read, AD, page not present", 0, AD, 1, {mov al, [rbx]}
    CASE "user fetch, AD and WD", P | W | U, AD | WD, 1, {call rbx}
    CASE "supervisor read, AD", P | W | U, AD, 0, {mov al, [rbx]}
    CASE "supervisor write, WD", P | W | U, WD, 0, {mov [rbx], al}
    CASE "supervisor read, AD, supervisor page", P | W, AD, 0, {mov al, [rbx]}
    CASE "supervisor read-modify-write, WD", P | W | U, WD, 0, {inc byte [rbx]}
    mov rax, cr0
    and eax, ~10000h
    mov cr0, rax
    CASE "supervisor write, WD, CR0.WP clear", P | W | U, WD, 0, {mov [rbx], al}
    CASE "supervisor write, AD, CR0.WP clear", P | W | U, AD, 0, {mov [rbx], al}
    mov rax, cr0
    or eax, 10000h
    mov cr0, rax
    PROBE change1, "WRPKRU after the page was used"
    PAGE P | W | U
    RIGHTS 0
    mov byte [TEST_PAGE], 0C3h
    RIGHTS WD
    mov byte [TEST_PAGE], 0C3h
    DONE
change1:
    PROBE other1, "another key's rights"
    PAGE P | W | U
    mov eax, 3 << (2 * (KEY + 1))
    xor ecx, ecx
    xor edx, edx
    wrpkru
    mov byte [TEST_PAGE], 0C3h
    DONE
other1:
    PROBE xsave1, "XSAVE keeps PKRU and XRSTOR brings it back:"
    xor ecx, ecx
    mov eax, 203h
    xor edx, edx
    xsetbv
    RIGHTS WD
    mov edi, AREA
    mov ecx, 400h
    xor eax, eax
    rep stosd
    mov eax, 200h
    xor edx, edx
    xsave [AREA]
    RIGHTS 0
    mov eax, 200h
    xor edx, edx
    xrstor [AREA]
    xor ecx, ecx
    rdpkru
    call print8
    mov eax, 0Dh
    mov ecx, 9
    cpuid
    mov eax, [AREA + rbx]
    call print8
    mov eax, ebx
    call print8
    mov byte [TEST_PAGE], 0C3h
    DONE
xsave1:
    PROBE xcr1, "XRSTOR of an area without PKRU clears it:"
    RIGHTS AD
    mov dword [AREA + 512], 0
    mov eax, 200h
    xor edx, edx
    xrstor [AREA]
    xor ecx, ecx
    rdpkru
    call print8
    DONE
xcr1:
    jmp power_off

END_OF_GUEST
