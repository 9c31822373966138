#include "bench.h"
#include "kern.h"
#include "vec.h"
#include "expect.h"
/* As an operating system turns the vector state on; whether AVX and AVX2 are there. */
static int vector_on(void) {
  u32 a, b, c, d; int avx;
  cpuid(1, 0, &a, &b, &c, &d);
  avx = (c >> 28 & 1) && (c >> 26 & 1);
#ifndef NATIVE
  { uptr r;
    __asm__ volatile("mov %%cr0,%0" : "=r"(r)); r = (r & ~(uptr)12) | 2; __asm__ volatile("mov %0,%%cr0" :: "r"(r));
    __asm__ volatile("mov %%cr4,%0" : "=r"(r)); r |= 0x600 | (avx ? 0x40000 : 0); __asm__ volatile("mov %0,%%cr4" :: "r"(r)); }
  __asm__ volatile("fninit");            /* 32-bit functions give doubles back in st0 */
  if (avx) __asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
#endif
  cpuid(0, 0, &a, &b, &c, &d);
  if (!avx || a < 7) return 0;
  cpuid(7, 0, &a, &b, &c, &d);
  return b >> 5 & 1;
}
#define PH(name, call, exp, units) b_begin(name); b_end(name, call, exp, units)
static void phases(int w) {
  PH(w ? "saxpy256" : "saxpy", v_saxpy(w), EXP_SX, N_SX * SX_N);
  PH(w ? "dot256" : "dot", v_dot(w), EXP_DOT, N_DOT * DOT_N);
  PH(w ? "bytes256" : "bytes", v_bytes(w), EXP_BY, N_BY * (BY_BYTES >> 10));
  PH(w ? "blend256" : "blend", v_blend(w), EXP_BL, N_BL * (BL_BYTES >> 10));
  PH(w ? "mandel256" : "mandel", v_mandel(w), EXP_MB, MB_W * MB_W);
  PH(w ? "copy256" : "copy", v_copy(w), EXP_VC, N_VC * (MC_BYTES >> 10));
}
void bench_main(void) {
  int wide;
  b_start(BITS == 64 ? "sse64" : "sse32");
  wide = vector_on();
  phases(0);
  PH("scalar", v_scalar(), EXP_SC, N_SC);
  if (wide) phases(1); else b_skip("avx2", "CPUID has no AVX2");
  b_done();
}
