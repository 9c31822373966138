; 22-first-vmlaunch with one fault: the EPT pointer asks for a memory type that does not exist.
; By hand nasm -f bin -i ../ -o broken.img 10-eptp-memory-type.asm
%define FAULT_EPTP_MEMORY_TYPE
%include "../vmlaunch.asm"
