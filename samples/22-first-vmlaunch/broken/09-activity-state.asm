; 22-first-vmlaunch with one fault: the guest's activity state is one that does not exist.
; By hand nasm -f bin -i ../ -o broken.img 09-activity-state.asm
%define FAULT_ACTIVITY_STATE
%include "../vmlaunch.asm"
