; bench corpus: minimal bare-metal VMX hypervisor (64-bit host, 64-bit guest, EPT).
;   u64 virt_setup(u64 eptp_root)  0 = ok; 1 locked out by IA32_FEATURE_CONTROL;
;                                  2 VMXON failed; 3 a wanted control is missing;
;                                  4 VMCLEAR/VMPTRLD failed; 5 VMWRITE failed (field in virt_err)
;   u64 virt_run(void *guest_fn, u64 n)   0 = guest ended by VMCALL (its RAX in virt_result);
;                                  else 1 = VM entry failed (virt_err = VM-instruction error)
;                                       2 = unexpected exit  (virt_err = exit reason)
bits 64
default rel
global virt_setup, virt_run, virt_flush, virt_result, virt_exits, virt_cpuids, virt_outs, virt_outsum, virt_npfs, virt_err, virt_pt
global g_cpuid, g_out, g_alu, g_touch, g_walk
extern gdt, tss, idt, k_alu, k_walk
section .text
%macro VMW 2                            ; field, value (register or immediate); clobbers rax, rdx
        mov rax, %2
        mov edx, %1
        call vmw
%endmacro
vmw:    vmwrite rdx, rax
        jbe .bad
        ret
.bad:   mov [virt_err], rdx
        mov qword [vmw_bad], 1
        ret
; adjust: ecx = capability MSR, esi = wanted, edi = required subset -> eax = value, sets ctl_bad
adjust: rdmsr
        or eax, esi
        and eax, edx
        mov edx, eax
        and edx, edi
        cmp edx, edi
        je .ok
        mov qword [ctl_bad], 1
.ok:    ret
virt_setup:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        mov r12, rdi                    ; EPT root
        mov ecx, 0x3a                   ; IA32_FEATURE_CONTROL
        rdmsr
        test al, 1
        jnz .locked
        or eax, 5
        wrmsr
        rdmsr
.locked: and eax, 5
        cmp eax, 5
        mov ebx, 1
        jne .ret
        ; CR0/CR4 to their VMX-fixed values
        mov ecx, 0x486
        rdmsr
        mov esi, eax
        inc ecx
        rdmsr
        mov rdi, cr0
        or edi, esi
        and edi, eax
        mov cr0, rdi
        mov ecx, 0x488
        rdmsr
        mov esi, eax
        inc ecx
        rdmsr
        mov rdi, cr4
        or edi, esi
        and edi, eax
        mov cr4, rdi
        mov ecx, 0x480                  ; IA32_VMX_BASIC
        rdmsr
        and eax, 0x7fffffff
        mov [vmxon_area], eax
        mov [vmcs_area], eax
        mov r13d, edx                   ; bit 23 = TRUE controls
        lea rax, [vmxon_area]
        mov [vmptr], rax
        mov ebx, 2
        vmxon [vmptr]
        jbe .ret
        lea rax, [vmcs_area]
        mov [vmptr], rax
        mov ebx, 4
        vmclear [vmptr]
        jbe .ret
        vmptrld [vmptr]
        jbe .ret
        ; execution controls
        xor ebp, ebp
        bt r13d, 23
        jnc .old
        mov ebp, 0x48d-0x481            ; TRUE MSRs: 48D pin 48E proc 48F exit 490 entry
.old:   lea ecx, [rbp+0x481]
        xor esi, esi
        xor edi, edi
        call adjust
        mov r14d, eax
        VMW 0x4000, r14
        lea ecx, [rbp+0x482]
        mov esi, 0x81000000             ; secondary controls, unconditional I/O exiting
        mov edi, esi
        call adjust
        mov r14d, eax
        VMW 0x4002, r14
        lea ecx, [rbp+0x483]
        mov esi, 0x200                  ; 64-bit host
        mov edi, esi
        call adjust
        mov r14d, eax
        VMW 0x400c, r14
        lea ecx, [rbp+0x484]
        mov esi, 0x200                  ; IA-32e guest
        mov edi, esi
        call adjust
        mov r14d, eax
        VMW 0x4012, r14
        mov ecx, 0x48b
        mov esi, 0x22                   ; EPT, VPID
        mov edi, 2                      ; EPT is a must
        call adjust
        mov r14d, eax
        VMW 0x401e, r14
        mov ebx, 3
        cmp qword [ctl_bad], 0
        jne .ret
        bt r14d, 5
        jnc .novpid
        VMW 0x0000, 1
.novpid:
        or r12, 0x1e                    ; write-back, 4 levels
        VMW 0x201a, r12
        mov [eptp], r12
        ; constant fields from the table
        lea r15, [fields]
.tab:   mov edx, [r15]
        cmp edx, -1
        je .tabend
        movsxd rax, dword [r15+4]
        call vmw
        add r15, 8
        jmp .tab
.tabend:
        mov r14, cr0
        VMW 0x6800, r14
        VMW 0x6c00, r14
        VMW 0x6004, r14
        mov r14, cr3
        VMW 0x6802, r14
        VMW 0x6c02, r14
        mov r14, cr4
        VMW 0x6804, r14
        VMW 0x6c04, r14
        VMW 0x6006, r14
        lea r14, [tss]
        VMW 0x6814, r14
        VMW 0x6c0a, r14
        lea r14, [gdt]
        VMW 0x6816, r14
        VMW 0x6c0c, r14
        lea r14, [idt]
        VMW 0x6818, r14
        VMW 0x6c0e, r14
        lea r14, [vmx_exit]
        VMW 0x6c16, r14
        mov ebx, 5
        cmp qword [vmw_bad], 0
        jne .ret
        xor ebx, ebx
.ret:   mov eax, ebx
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
virt_run:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        VMW 0x681e, rdi                 ; guest RIP
        lea rcx, [gstack_top]
        VMW 0x681c, rcx
        VMW 0x6820, 2
        VMW 0x6c14, rsp                 ; host RSP
        mov rdi, rsi                    ; argument of the guest function
        cmp qword [launched], 0
        jne .res
        mov qword [launched], 1
        vmlaunch
        jmp .fail
.res:   vmresume
.fail:  mov edx, 0x4400
        vmread rax, rdx
        mov [virt_err], rax
        mov eax, 1
        jmp vmx_leave
align 16
vmx_exit:                               ; save the guest's registers as a real monitor would
        push r15
        push r14
        push r13
        push r12
        push r11
        push r10
        push r9
        push r8
        push rdi
        push rsi
        push rbp
        push rbx
        push rdx
        push rcx
        push rax
        inc qword [virt_exits]
        mov edx, 0x4402
        vmread rax, rdx
        cmp eax, 10
        je .cpuid
        cmp eax, 30
        je .io
        cmp eax, 48
        je .ept
        cmp eax, 18
        je .call
        mov [virt_err], rax
        mov eax, 2
        add rsp, 15*8
        jmp vmx_leave
.cpuid: mov rax, [virt_cpuids]
        inc rax
        mov [virt_cpuids], rax
        mov [rsp], rax                  ; guest RAX = running count
        mov qword [rsp+8], 0x6b6e6568   ; RCX
        mov qword [rsp+16], 0x68636e65  ; RDX
        mov qword [rsp+24], 0x42656e63  ; RBX
        jmp .skip
.io:    mov edx, 0x6400
        vmread rax, rdx
        shr eax, 16
        cmp eax, 0x80
        jne .skip
        inc qword [virt_outs]
        movzx eax, byte [rsp]
        add [virt_outsum], rax
.skip:  mov edx, 0x440c                 ; instruction length
        vmread rcx, rdx
        mov edx, 0x681e
        vmread rax, rdx
        add rax, rcx
        vmwrite rdx, rax
.resume:
        pop rax
        pop rcx
        pop rdx
        pop rbx
        pop rbp
        pop rsi
        pop rdi
        pop r8
        pop r9
        pop r10
        pop r11
        pop r12
        pop r13
        pop r14
        pop r15
        vmresume
        sub rsp, 15*8
        mov edx, 0x4400
        vmread rax, rdx
        mov [virt_err], rax
        mov eax, 1
        add rsp, 15*8
        jmp vmx_leave
.ept:   mov edx, 0x2400                 ; guest-physical address
        vmread rax, rdx
        and rax, -4096
        mov rcx, rax
        sub rcx, 0x02000000
        shr rcx, 12
        cmp rcx, 8192
        jae .badept
        mov rdx, [virt_pt]
        or eax, 0x37
        mov [rdx+rcx*8], rax
        inc qword [virt_npfs]
        jmp .resume
.badept: mov [virt_err], rax
        mov eax, 3
        add rsp, 15*8
        jmp vmx_leave
.call:  pop rax
        mov [virt_result], rax
        add rsp, 14*8
        xor eax, eax
vmx_leave:
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
virt_flush:                             ; INVEPT, single context
        sub rsp, 24
        mov rax, [eptp]
        mov [rsp], rax
        mov qword [rsp+8], 0
        mov ecx, 1
        invept rcx, [rsp]
        add rsp, 24
        ret
%macro HYPERCALL 0
        vmcall
%endmacro
%include "guest.inc"
section .data
align 4
fields: dd 0x0800,0x10, 0x0802,0x08, 0x0804,0x10, 0x0806,0x10, 0x0808,0x10, 0x080a,0x10, 0x080c,0, 0x080e,0x30
        dd 0x0c00,0x10, 0x0c02,0x08, 0x0c04,0x10, 0x0c06,0x10, 0x0c08,0x10, 0x0c0a,0x10, 0x0c0c,0x30
        dd 0x2800,-1, 0x2802,0
        dd 0x4004,0, 0x4006,0, 0x4008,0, 0x400a,0, 0x400e,0, 0x4010,0, 0x4014,0, 0x4016,0
        dd 0x4800,-1, 0x4802,-1, 0x4804,-1, 0x4806,-1, 0x4808,-1, 0x480a,-1, 0x480c,0, 0x480e,103, 0x4810,63, 0x4812,4095
        dd 0x4814,0xc093, 0x4816,0xa09b, 0x4818,0xc093, 0x481a,0xc093, 0x481c,0xc093, 0x481e,0xc093, 0x4820,0x10000, 0x4822,0x8b
        dd 0x4824,0, 0x4826,0, 0x482a,0, 0x4c00,0
        dd 0x6000,0, 0x6002,0
        dd 0x6806,0, 0x6808,0, 0x680a,0, 0x680c,0, 0x680e,0, 0x6810,0, 0x6812,0, 0x681a,0x400, 0x6822,0, 0x6824,0, 0x6826,0
        dd 0x6c06,0, 0x6c08,0, 0x6c10,0, 0x6c12,0
        dd -1
align 8
virt_result: dq 0
virt_exits:  dq 0
virt_cpuids: dq 0
virt_outs:   dq 0
virt_outsum: dq 0
virt_npfs:   dq 0
virt_err:    dq 0
virt_pt:     dq 0
launched:    dq 0
ctl_bad:     dq 0
vmw_bad:     dq 0
vmptr:         dq 0
eptp:        dq 0
section .bss
alignb 4096
vmxon_area: resb 4096
vmcs_area:  resb 4096
