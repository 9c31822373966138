; 22-first-vmlaunch with one fault: nobody has executed LTR, so STR reads 0 and that goes into the host state.
; By hand nasm -f bin -i ../ -o broken.img 01-tr-not-loaded.asm
%define FAULT_TR_NOT_LOADED
%include "../vmlaunch.asm"
