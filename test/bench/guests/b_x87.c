#include "bench.h"
#include "kern.h"
#include "expect.h"
void bench_main(void) {
  u64 r;
  b_start("x87");
  __asm__ volatile("fninit");
  b_begin("horner"); r = k_horner(N_HORNER); b_end("horner", r, EXP_HORNER, N_HORNER);
  b_begin("bodies"); r = k_bodies(N_BODIES); b_end("bodies", r, EXP_BODIES, N_BODIES);
  b_begin("matrix"); r = k_matrix(buf, N_MATRIX); b_end("matrix", r, EXP_MATRIX, N_MATRIX);
  b_begin("convert"); r = k_convert(buf, N_CONVERT); b_end("convert", r, EXP_CONVERT, N_CONVERT);
  b_begin("mandelbrot"); r = k_mandelbrot(N_MANDELBROT); b_end("mandelbrot", r, EXP_MANDELBROT, N_MANDELBROT);
  b_begin("integrate"); r = k_integrate(N_INTEGRATE); b_end("integrate", r, EXP_INTEGRATE, N_INTEGRATE);
  b_done();
}
