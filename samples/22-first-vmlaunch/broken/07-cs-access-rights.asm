; 22-first-vmlaunch with one fault: the guest's code segment is 64-bit and 32-bit at once.
; By hand nasm -f bin -i ../ -o broken.img 07-cs-access-rights.asm
%define FAULT_CS_ACCESS_RIGHTS
%include "../vmlaunch.asm"
