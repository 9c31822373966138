; 25b: the same guest with one EPT entry that is writable but not readable. That is not a missing permission (violation,
; exit 48) but an entry that may not exist (misconfiguration, exit 49).
; By hand nasm -f bin -o ept-misconfigured.img ept-misconfigured.asm
%define WRITE_ONLY_ENTRY
%include "ept.asm"
