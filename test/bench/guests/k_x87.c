/* bench corpus: the x87 work, compiled for the x87 FPU */
#include "bench.h"
#include "kern.h"
#include "x87.h"
u64 k_horner(u32 n) { return x87_horner(n); }
u64 k_bodies(u32 n) { return x87_bodies(n); }
u64 k_matrix(u8 *memory, u32 n) { return x87_matrix((double *)memory, n); }
u64 k_convert(u8 *memory, u32 n) { return x87_convert(memory, n); }
u64 k_mandelbrot(u32 n) { return x87_mandelbrot((int)n); }
u64 k_integrate(u32 n) { return x87_integrate(n); }
