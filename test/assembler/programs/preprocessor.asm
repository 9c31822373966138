; Branch chains that grow each other, and the corners of the preprocessor.
bits 32
%macro chain 2
%1:     jmp %2
        times 60 nop
%endmacro
%assign i 0
%rep 12
  %assign j i+3
  chain L %+ i, L%[j]
  %assign i i+1
%endrep
L12:
L13:
L14: nop
%define f(x) ((x)*2)
%define g(x,y) f(x)+f(y)
 dd f(4)
%define empty
%ifempty empty
 db 'E'
%endif
%macro m 0-2 7, 8
 db %1, %2, %0
%endmacro
 m
 m 1
 m 1, 2
%macro outer 1
 %macro inner_%1 0
   db 77
 %endmacro
%endmacro
 outer 9
 inner_9
%imacro MiXed 1
  db %1
%endmacro
 mixed 3
%strlen n 'hello'
 db n
%substr s 'hello' 2,3
 db s
%defstr q hello there
 db q
%ifnum 5
 db 1
%endif
%ifid abc
 db 2
%endif
%ifstr 'x'
 db 3
%endif
%ifn 0
 db 4
%endif
%if ($-$$) > 100
 db 5
%endif
a equ 5
b equ a*3 + 1 << 2
 dd b, ~a, -a, !a, a//2, -7//2, -7 %% 3, 7 % 3, a ? 1 : 2, (a > 3) + (a <= 5), a ^ 3, a | 8, a & 4
 dd 0b101, 101b, 0o17, 17q, 0ffh, 0xff, $0ff, 1_000, 0d10
 dw 'a', 'ab', 'abc'
lbl: dd lbl-$$, $-lbl, lbl
..@ext: dd ..@ext
.local: dd .local
%line 5+1 foo
%macro cond 1
 %if %1
   db 1
 %else
   db 0
 %endif
%endmacro
 cond 1
 cond 0
 cond (1==1)
%macro rest 1-2+
 db %1
 db %{2}
%endmacro
 rest 1, 2, 3, 4
%macro rng 1-*
 db %{1:-1}
 db %{-1:1}
%endmacro
 rng 1,2,3
 db 1, \
    2, \
    3
align 16
 db 1
align 8, db 0xcc
alignb 4
 db 2
  mov eax, [lbl + ecx*4]
  mov eax, [ecx*8 + lbl - 4]
  cmp dword [lbl], a
  cmp dword [lbl], 200
  add ecx, byte 5
  add ecx, strict dword 5
  push strict dword 5
  push byte 5
  jmp strict near lbl2
  jmp strict short lbl2
lbl2: jne near lbl2
  mov eax, 'abcd'
  mov eax, strict 5
  fld st1
  fadd st1
  fadd st0, st2
  faddp
  fxch
  fld qword [eax]
  fstp tword [eax]
  fnstcw [eax]
  fstsw ax
  wait
  fwait
  fsave [eax]
  fcomi st1
  fcomip st0, st1
parent: nop
constant equ 5
.child: dd parent.child
struc record
.field: resb 1
endstruc
.after: dd record.after, record_size, record.field
        dq 15 << 71, -1 >> 65, (~3 | 64) >= 0x7fffffffffffffff, 2 > 1 - 0x7fffffffffffffff, -8 >>> 1
