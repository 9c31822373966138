/* bench corpus: data, repetitions and results of the vector kernels (gcc -O2 -ffreestanding -msse2) */
#include "bench.h"
#include "kern.h"
#include "vec.h"
static u64 bits(double d) { union { double d; u64 u; } v = { d }; return v.u; }
/* random numbers in [1, 2) */
static void singles(u32 *p, u32 n, u32 seed) { u32 i; k_fill(p, n, seed); for (i = 0; i < n; i++) p[i] = 0x3f800000u | p[i] >> 9; }
static void doubles(u32 *p, u32 n, u32 seed) { u32 i; k_fill(p, 2 * n, seed); for (i = 0; i < n; i++) p[2 * i + 1] = 0x3ff00000u | p[2 * i + 1] >> 12; }
u64 v_saxpy(int wide) {
  u32 *x = (u32 *)buf, *y = x + SX_N, i;
  singles(x, SX_N, 0x2545F491); singles(y, SX_N, 0x1234567);
  for (i = 0; i < N_SX; i++) (wide ? a_saxpy : s_saxpy)((float *)y, (float *)x, 0.75f, SX_N);
  return k_sum(y, SX_N);
}
u64 v_dot(int wide) {
  u32 *x = (u32 *)buf, *y = x + 2 * DOT_N, i; double s = 0;
  doubles(x, DOT_N, 0x2545F491); doubles(y, DOT_N, 0x1234567);
  for (i = 0; i < N_DOT; i++) { *(double *)x = 1.0 + (int)i; s += (wide ? a_dot : s_dot)((double *)x, (double *)y, DOT_N); }
  return bits(s);
}
u64 v_bytes(int wide) {
  u32 i; u64 s = 0;
  k_fill((u32 *)buf, BY_BYTES / 4, 0x2545F491);
  for (i = 0; i < N_BY; i++) s = s * 31 + (wide ? a_bytes : s_bytes)(buf, BY_BYTES, (u8)i);
  return s;
}
u64 v_blend(int wide) {
  u8 *x = buf, *y = buf + BL_BYTES, *d = y + BL_BYTES; u32 i, s = 0;
  k_fill((u32 *)x, BL_BYTES / 2, 0x2545F491);
  for (i = 0; i < N_BL; i++) { (wide ? a_blend : s_blend)(d, x, y, BL_BYTES, i & 255); s += ((u32 *)d)[i & (BL_BYTES / 4 - 1)]; }
  return (u64)s << 32 | k_sum((u32 *)d, BL_BYTES / 4);
}
u64 v_mandel(int wide) { return (wide ? a_mandel : s_mandel)(MB_W, MB_MOST); }
u64 v_scalar(void) { return s_scalar(N_SC); }
u64 v_copy(int wide) {
  u8 *s = buf, *d = buf + 0x800000; u32 i;
  k_fill((u32 *)s, MC_BYTES / 4 + 64, 0x2545F491);
  for (i = 0; i < N_VC; i++) (wide ? a_copy : s_copy)(d, s + 4 * (i & 15), MC_BYTES);
  return k_sum((u32 *)d, MC_BYTES / 4);
}
