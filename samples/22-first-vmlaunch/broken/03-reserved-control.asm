; 22-first-vmlaunch with one fault: a reserved pin-based control is set.
; By hand nasm -f bin -i ../ -o broken.img 03-reserved-control.asm
%define FAULT_RESERVED_CONTROL
%include "../vmlaunch.asm"
