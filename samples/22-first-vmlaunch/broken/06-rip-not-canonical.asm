; 22-first-vmlaunch with one fault: the address of the exit handler has a stray bit above bit 47.
; By hand nasm -f bin -i ../ -o broken.img 06-rip-not-canonical.asm
%define FAULT_RIP_NOT_CANONICAL
%include "../vmlaunch.asm"
