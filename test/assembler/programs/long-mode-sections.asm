; 64-bit code in three sections: RIP-relative and absolute addresses, VMX and system instructions.
bits 64
default rel
org 0x100000
section .text
global _start
_start: mov rax, [msg]
        lea rsi, [rel msg]
        mov rdi, msg
        mov rdx, len
        mov edi, msg
        mov eax, [abs 0x1000]
        mov rax, [fs:0x28]
        mov rax, [gs:msg]
        mov qword [msg], 5
        mov rax, 0x123456789abcdef
        mov rax, -1
        mov rax, 0xffffffff
        mov rax, 0x80000000
        mov r8, 1
        mov rax, [qword 0x1122334455667788]
        push msg
        push 127
        push 128
        push -129
        call _start
        jmp _start.x
.x:     vmlaunch
        vmread rax, rbx
        vmwrite rbx, [rel msg]
        vmptrld [rsp+8]
        invept rax, [rdi]
        invvpid rax, oword [rdi]
        cpuid
        lgdt [rel gdtr]
        ltr ax
        mov cr4, rax
        mov dr7, rax
        wrmsr
        iretq
        o64 sysret
        swapgs
        lock cmpxchg16b [rdi]
        movaps xmm0, [rel msg]
        cmpeqps xmm0, xmm1
        bt qword [rdi], 5
        imul rax, rbx, msg - _start
        add rax, len
        cmp rax, buf
        sub rsp, 0x80
        sub rsp, 0x7f
        jrcxz .x
        loop .x, ecx
        xlatb
        movabs:
        mov al, [msg+1]
        mov [rsp+rax*8+len], rbx
        in al, dx
        in eax, 0x80
        out 0xe9, al
        int 0x80
        int3
        rep stosq
        movsx rax, byte [rdi]
        movsxd rax, dword [rdi]
        movzx ax, byte [rdi]
        bswap r9
        shl rax, 1
        shl rax, cl
        shl qword [rdi], 4
        test rax, 0x1000
        test [rdi], al
        xchg [rdi], rax
        setnz al
        cmovge rax, [rdi]
        leave
        ret
        ret 8
section .data align=16
msg:    db "text"
len     equ $ - msg
gdtr:   dw 0
        dq msg
        align 8
        dq buf, _start
section .bss
buf:    resq 512
