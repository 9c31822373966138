; 22-first-vmlaunch with one fault: a page fault is injected without its error code.
; By hand nasm -f bin -i ../ -o broken.img 11-injection-without-error-code.asm
%define FAULT_INJECTION_WITHOUT_ERROR_CODE
%include "../vmlaunch.asm"
