; 22-first-vmlaunch with one fault: the VMCS link pointer is -1 in 32 bits instead of 64.
; By hand nasm -f bin -i ../ -o broken.img 04-link-pointer.asm
%define FAULT_LINK_POINTER
%include "../vmlaunch.asm"
