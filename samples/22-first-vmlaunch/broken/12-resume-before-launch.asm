; 22-first-vmlaunch with one fault: the first VM entry is a VMRESUME.
; By hand nasm -f bin -i ../ -o broken.img 12-resume-before-launch.asm
%define FAULT_RESUME_BEFORE_LAUNCH
%include "../vmlaunch.asm"
