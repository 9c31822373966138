; 22-first-vmlaunch with one fault: the host's CR4 is written without VMXE.
; By hand nasm -f bin -i ../ -o broken.img 02-host-vmxe-missing.asm
%define FAULT_HOST_VMXE_MISSING
%include "../vmlaunch.asm"
