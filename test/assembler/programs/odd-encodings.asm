; Encodings where several would be right and NASM has a choice of its own.
bits 32
 nop
 mov eax, [0xfee00000]
bits 64
 mov eax, [0xfee00000]
 mov eax, [0x80000000]
 mov rax, [rbx+0xffffffff]
 mov rax, [rbx+0x80000000]
 jmp [rax]
 call [rax]
 push qword [fs:0]
 mov [rax], ds
 lea eax, [rel foo]
foo:
 mov rax, foo-$$
 mov rax, strict foo-$$
 mov rax, dword 5
 mov rax, qword 5
 mov rax, strict qword 5
 mov eax, foo
 mov rax, foo+5
 add rax, foo
 cmp byte [rax], foo-$$
 mov word [rax], foo
 test rax, -1
 test eax, foo
 mov al, foo-$$
 sub rax, -128
 add rax, 128
 retfq
 retf
 iretd
 iret
 sysret
 in al, 0x60
 mov rsp, stack_top
 mov [foo], rax
 mov rbx, cr3
 mov fs, ax
 mov gs, rax
 mov ax, gs
 push fs
 str ax
 sldt [rax]
 smsw eax
 lar eax, ax
 vmxon [rsp]
 vmclear [rel foo]
 vmcall
 invvpid rax, [rsp]
 rdtscp
 mov rax, [rel foo + 8]
 mov rax, [foo + rax]
 mov rax, [foo + rax*8]
 mov dword [rel foo], foo
 times 3 call foo
 times 2 jmp $
 lock inc dword [rdi]
 rep outsb
 xchg rax, rax
 nop
 nop dword [rax]
 ud2
 pause
 monitor
 mwait
 xsetbv
 fxsave [rax]
 fxsave64 [rax]
 xsave [rax]
 ldmxcsr [rax]
 clflush [rax]
 lfence
 stac
 rdrand rax
 wbinvd
 invd
 invlpg [rax]
 lidt [rax]
 bts [rdi], rax
 shld rax, rbx, cl
 movnti [rdi], rax
 cmpxchg8b [rdi]
 movbe eax, [rdi]
 popcnt eax, edx
 crc32 eax, byte [rdi]
 xadd [rdi], al
 loop $
 jrcxz $
 jmp far [rdi]
 jmp far dword [rdi]
 call far [rdi]
 mov dr0, rax
 enter 16, 0
stack_top equ 0x7c00
