; Draws a coloured frame on the text screen, then shows each letter typed.
    bits 16
    org 7c00h

COLUMNS equ 80

start:
    cli                             ; the firmware would take the keys otherwise
    cld
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 7c00h
    mov ax, 0b800h
    mov es, ax
    xor di, di
    mov ax, 1720h                   ; white on blue
    mov cx, COLUMNS * 25
    rep stosw

    mov di, (4 * COLUMNS + 20) * 2
    mov si, top
    call draw
    mov di, (5 * COLUMNS + 20) * 2
    mov si, title
    mov ah, 1eh                     ; yellow
    call draw
    mov di, (6 * COLUMNS + 20) * 2
    mov si, bottom
    mov ah, 17h
    call draw
    mov di, (8 * COLUMNS + 20) * 2
    mov si, blinking
    mov ah, 0cfh                    ; white on red, blinking
    call draw
    mov di, (10 * COLUMNS + 20) * 2

typed:
    in al, 64h                      ; status of the keyboard controller
    test al, 1
    jz typed
    in al, 60h
    test al, al
    js typed                        ; a key that comes up
    mov bx, letters
    xlatb
    test al, al
    jz typed
    mov ah, 1ah                     ; green
    stosw
    jmp typed

draw:
    lodsb
    test al, al
    jz .done
    stosw
    jmp draw
.done:
    ret

top      db 201, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 187, 0
title    db 186, ' Virtual  machine ', 186, 0
bottom   db 200, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 205, 188, 0
blinking db ' type something ', 0

; By scan code; only letters and the space bar.
letters:
    times 10h db 0
    db 'qwertyuiop', 0, 0, 0, 0, 'asdfghjkl', 0, 0, 0, 0, 0, 'zxcvbnm'
    times 39h - 33h db 0
    db ' '
    times 80h db 0

    times 510 - ($ - $$) db 0
    dw 0aa55h
