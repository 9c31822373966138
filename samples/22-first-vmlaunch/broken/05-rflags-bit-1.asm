; 22-first-vmlaunch with one fault: the guest's RFLAGS is 0.
; By hand nasm -f bin -i ../ -o broken.img 05-rflags-bit-1.asm
%define FAULT_RFLAGS_BIT_1
%include "../vmlaunch.asm"
