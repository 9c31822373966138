; 22-first-vmlaunch with one fault: the guest's CR3 has a bit above the physical-address width.
; By hand nasm -f bin -i ../ -o broken.img 08-cr3-over-width.asm
%define FAULT_CR3_OVER_WIDTH
%include "../vmlaunch.asm"
