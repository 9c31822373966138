/* bench corpus: the fixed amounts of work. SCALE multiplies the iteration
   counts (make SCALE=4); the expected results are derived by reference.c and
   hash-references.ts for the same constants. */
#pragma once
#ifndef SCALE
#define SCALE 1
#endif
#define N_ALU        (24000000u*SCALE)   /* loop iterations, ~20.6 insns each */
#define SIEVE_N      8388608u            /* 8 MiB, one byte a number */
#define N_SIEVE      (3u*SCALE)
#define HASH_BYTES   1048576u
#define N_CRC        (16u*SCALE)
#define N_SHA        (4u*SCALE)
#define QS_N         1048576u
#define N_QS         (1u*SCALE)
#define MC_BYTES     4194304u
#define N_MC         (64u*SCALE)         /* 256 MiB moved a phase */
#define N_MCSMALL    (2000000u*SCALE)    /* 64-byte rep movsb copies */
#define PW_PAGES     8192u               /* 32 MiB of 4 KiB pages */
#define N_PWWALK     (1000u*SCALE)       /* passes over all pages */
#define N_PWCR3      (50000u*SCALE)      /* CR3 loads, 32 touches after each */
#define N_PWINV      (500000u*SCALE)     /* PTE swap + 2 invlpg + 2 touches */
#define N_SYS        (1000000u*SCALE)
#define N_EXIT       (1000000u*SCALE)
#define N_EXITE9     (100000u*SCALE)
#define N_FIB        33u
#define N_FIBREP     (1u*SCALE)
#define N_DISP       (20000000u*SCALE)
#define N_SMC        (100000u*SCALE)
#define N_VMX        (1000000u*SCALE)
#define N_VMXALU     (12000000u*SCALE)
#define N_VMXEPT     (8192u)             /* EPT-violation exits a pass */
#define N_VMXEPTREP  (8u*SCALE)
#define SX_N         4096u                /* saxpy: singles */
#define N_SX         (8000u*SCALE)
#define DOT_N        4096u                /* dot: doubles */
#define N_DOT        (4000u*SCALE)
#define BY_BYTES     65536u               /* bytes: text */
#define N_BY         (1600u*SCALE)
#define BL_BYTES     65536u               /* blend: each picture */
#define N_BL         (600u*SCALE)
#define MB_W         (192u)               /* mandel: side of the square, a multiple of 4 */
#define MB_MOST      (256u*SCALE)
#define N_VC         (64u*SCALE)          /* copy: passes over MC_BYTES */
#define N_SC         (6000000u*SCALE)     /* scalar: turns */
#define N_HORNER     (500000u*SCALE)     /* polynomials of degree 15 */
#define N_BODIES     (30000u*SCALE)      /* steps of five bodies */
#define N_MATRIX     (16u*SCALE)         /* products of 64 by 64 doubles */
#define N_CONVERT    (1000000u*SCALE)
#define N_MANDELBROT (120u)              /* points a side; SCALE does not change the picture */
#define N_INTEGRATE  (1000000u*SCALE)
