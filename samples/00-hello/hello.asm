; 00-hello: a boot sector that prints one line and turns the machine off.
;
; Shows   the smallest guest there is: 512 bytes, 16-bit real mode, one port for text.
; Try     step with F11 and watch SI walk through the text, one OUT per letter.
;         In mode "vm" every IN and OUT leaves the guest: open the VM Exits view.
; By hand nasm -f bin -o hello.img hello.asm

COM1        equ 3F8h            ; first serial port: +0 data, +3 line control, +5 line status
POWER_PORT  equ 8900h           ; the machine goes off when it has read "Shutdown" here

bits 16
org 7C00h                       ; the firmware loads the boot sector here and jumps to it

start:
    xor ax, ax                  ; labels count from address 0, so the data segment must start there
    mov ds, ax
    cld                         ; LODSB goes upwards
    mov dx, COM1 + 3
    mov al, 3                   ; 8 data bits, no parity, 1 stop bit
    out dx, al

    mov si, text
next_letter:
    lodsb                       ; AL := [SI], SI := SI + 1
    mov ah, al                  ; IN needs AL, so AH keeps the letter
    mov dx, COM1 + 5
wait_for_uart:
    in al, dx
    test al, 40h                ; transmitter completely empty?
    jz wait_for_uart
    test ah, ah                 ; the text ends with a zero byte
    jz power_off
    mov al, ah
    mov dx, COM1
    out dx, al
    jmp next_letter

power_off:
    mov si, shutdown_word
    mov cx, 8
    mov dx, POWER_PORT
next_byte:
    lodsb
    out dx, al
    loop next_byte
    cli                         ; a machine without that port just stops here
    hlt

text:           db "hello from the boot sector", 10, 0
shutdown_word:  db "Shutdown"

    times 510 - ($ - $$) db 0
    dw 0AA55h                   ; without this signature the firmware refuses to boot
