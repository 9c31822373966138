/* Multiboot header and entry of a small kernel in C: 32-bit protected mode without paging. */
    .section .multiboot, "a"
    .align 4
    .long 0x1BADB002, 0, -0x1BADB002

    .section .text
    .globl _start
_start:
    movl $stack_top, %esp
    xorl %ebp, %ebp
    call kernel_main
1:  cli
    hlt
    jmp 1b

    .section .bss
    .align 16
    .skip 4096
stack_top:
    .section .note.GNU-stack, "", @progbits
