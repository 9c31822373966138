; Everything that C cannot say: the entry, where the other processors begin, what surrounds a trap, and the switch of stacks.
bits 32

extern kernel_main
extern processor_main
extern process_begins
extern trap

%define KERNEL_DATA 0x10
%define OWN_DATA 0x28
; Where `start_processors` copies the trampoline to.
%define TRAMPOLINE 0x8000

section .multiboot
align 4
  dd 0x1badb002
  dd 3
  dd -(0x1badb002 + 3)

section .text

global start
start:
  mov esp, boot_stack_top
  xor ebp, ebp
  call kernel_main
.never:
  hlt
  jmp .never

; The other processors begin here in real mode, copied to the page that the start-up IPI names. What it needs is filled in by
; `start_processors` before each of them is started.
global trampoline
global trampoline_end
global trampoline_stack
global trampoline_directory
trampoline:
bits 16
  cli
  mov ax, cs
  mov ds, ax
  o32 lgdt [trampoline_gdtr - trampoline]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp dword 8:trampoline_protected
trampoline_gdtr:
  dw trampoline_gdt_end - trampoline_gdt - 1
  dd trampoline_gdt
trampoline_stack: dd 0
trampoline_directory: dd 0
trampoline_end:

; From here on the kernel's own text is reachable: it is mapped where it lies.
bits 32
trampoline_protected:
  mov eax, KERNEL_DATA
  mov ds, eax
  mov es, eax
  mov ss, eax
  mov ebx, TRAMPOLINE
  mov esp, [ebx + trampoline_stack - trampoline]
  mov eax, cr4
  or eax, 0x10 ; CR4.PSE: the kernel is mapped by large pages
  mov cr4, eax
  mov eax, [ebx + trampoline_directory - trampoline]
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000 ; CR0.PG and CR0.WP
  mov cr0, eax
  xor ebp, ebp
  call processor_main

align 8
trampoline_gdt:
  dq 0
  dq 0x00cf9b000000ffff
  dq 0x00cf93000000ffff
trampoline_gdt_end:

; Traps. Each vector has a stub that makes all frames alike: where the processor pushes no error code, a zero is.
%assign vector 0
%rep 64
stub_ %+ vector:
%if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17
%else
  push dword 0
%endif
  push dword vector
  jmp trap_entry
%assign vector vector + 1
%endrep

trap_entry:
  push ds
  push es
  push gs
  pushad
  mov eax, KERNEL_DATA
  mov ds, eax
  mov es, eax
  mov eax, OWN_DATA
  mov gs, eax
  cld
  push esp
  call trap
  add esp, 4
trap_return:
  popad
  pop gs
  pop es
  pop ds
  add esp, 8 ; vector and error code
  iret

section .rodata
global trap_stubs
trap_stubs:
%assign vector 0
%rep 64
  dd stub_ %+ vector
%assign vector vector + 1
%endrep

section .text

; void switch_stacks(uint32_t *save, uint32_t load): puts what a C function must keep on this stack, and takes it from the other.
global switch_stacks
switch_stacks:
  mov eax, [esp + 4]
  mov edx, [esp + 8]
  push ebp
  push ebx
  push esi
  push edi
  mov [eax], esp
  mov esp, edx
  pop edi
  pop esi
  pop ebx
  pop ebp
  ret

; Where a new process begins: its stack holds the frame of the trap that it seems to return from.
global first_return
first_return:
  call process_begins
  jmp trap_return

section .bss
align 4096
global boot_stack_top
boot_stack:
  resb 8192
boot_stack_top:
