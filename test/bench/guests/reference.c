/* Independent references for the guests' self-checks; prints the expected values of both word sizes as a header. */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "work.h"
#include "x87.h"
typedef uint32_t u32; typedef uint64_t u64; typedef unsigned __int128 u128;
static int cmp(const void *a, const void *b) { u32 x = *(u32 *)a, y = *(u32 *)b; return x < y ? -1 : x > y; }
static u32 rl(u32 x, int n) { return x << n | x >> (32 - n); }
static u64 rl64(u64 x, int n) { return x << n | x >> (64 - n); }
static void fill(u32 *p, u32 n, u32 x) { for (u32 i = 0; i < n; i++) { x ^= x << 13; x ^= x >> 17; x ^= x << 5; p[i] = x; } }
static u64 alu64(u64 n) {
  u64 x = 0x9E3779B97F4A7C15ull, l = 0x0123456789ABCDEFull, a = 0;
  while (n--) {
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    l = l * 6364136223846793005ull + 1442695040888963407ull;
    a = rl64(a, 11) ^ (l >> 33); a = a + 2 * x + 1;
    if (!(x & 7)) { u128 m = (u128)x * l; u64 lo = m, hi = m >> 64, t = a + lo; a = t + hi + (t < lo); }
  }
  return a;
}
static u64 alu32(u32 n) {
  u32 x = 0x9E3779B9u, l = 0x89ABCDEFu, a = 0;
  while (n--) {
    x ^= x << 13; x ^= x >> 17; x ^= x << 5;
    l = l * 1664525u + 1013904223u;
    a = rl(a, 11) ^ (l >> 16); a = a + 2 * x + 1;
    if (!(x & 7)) { u64 m = (u64)x * l; u32 lo = m, hi = m >> 32, t = a + lo; a = t + hi + (t < lo); }
  }
  return a;
}
static u32 primes(u32 n) { unsigned char *c = calloc(n, 1); u32 k = 0; for (u32 i = 2; i < n; i++) if (!c[i]) { k++; for (u64 j = (u64)i * i; j < n; j += i) c[j] = 1; } free(c); return k; }
static u32 sum(u32 *a, u32 n) { u32 s = 0; for (u32 i = 0; i < n; i++) s = rl(s, 1) + a[i]; return s; }
static u32 fr[PW_PAGES][64]; static u32 map[2][PW_PAGES];
static void pwinit(void) { memset(fr, 0, sizeof fr); for (u32 i = 0; i < PW_PAGES; i++) { fr[i][i & 63] = i * 2654435761u; fr[i][~i & 63] = i * 2246822519u; map[0][i] = i; map[1][i] = PW_PAGES - 1 - i; } }
static u32 walk(int sp, u32 idx, u64 t, u32 s) { while (t--) { idx = (idx * 1229 + 3) % PW_PAGES; u32 *q = &fr[map[sp][idx]][idx & 63]; s = rl(s, 1) + *q; *q = s; } return s; }
/* The vector kernels lane by lane: no vector type, no contraction to fused operations (see the Makefile). */
static void singles(u32 *p, u32 n, u32 seed) { fill(p, n, seed); for (u32 i = 0; i < n; i++) p[i] = 0x3f800000u | p[i] >> 9; }
static void doubles(u32 *p, u32 n, u32 seed) { fill(p, 2 * n, seed); for (u32 i = 0; i < n; i++) p[2 * i + 1] = 0x3ff00000u | p[2 * i + 1] >> 12; }
static u32 saxpy(void) {
  static u32 x[SX_N], y[SX_N]; float *fx = (float *)x, *fy = (float *)y;
  singles(x, SX_N, 0x2545F491); singles(y, SX_N, 0x1234567);
  for (u32 r = 0; r < N_SX; r++) for (u32 i = 0; i < SX_N; i++) { float p = 0.75f * fx[i], q = 0.5f * fy[i]; fy[i] = p + q; }
  return sum(y, SX_N);
}
static u64 dot(void) {
  static u32 x[2 * DOT_N], y[2 * DOT_N]; double *dx = (double *)x, *dy = (double *)y, s = 0; u64 u;
  doubles(x, DOT_N, 0x2545F491); doubles(y, DOT_N, 0x1234567);
  for (u32 r = 0; r < N_DOT; r++) {
    double lane[4] = { 0, 0, 0, 0 }; dx[0] = 1.0 + r;
    for (u32 i = 0; i < DOT_N; i++) lane[i & 3] += dx[i] * dy[i];
    s += lane[0] + lane[1] + lane[2] + lane[3];
  }
  memcpy(&u, &s, 8); return u;
}
static u64 bytes(void) {
  static u32 w[BY_BYTES / 4]; unsigned char *p = (unsigned char *)w; u64 s = 0;
  fill(w, BY_BYTES / 4, 0x2545F491);
  for (u32 r = 0; r < N_BY; r++) {
    u32 count = 0, at = 0;
    for (u32 i = 0; i < BY_BYTES; i++) { if ((p[i] & 0xc0) != 0x80) count++; if (p[i] == (r & 255)) at = i; }
    s = s * 31 + (u32)((count << 8) + at);
  }
  return s;
}
static u64 blend(void) {
  static u32 w[BL_BYTES / 2], d[BL_BYTES / 4]; unsigned char *x = (unsigned char *)w, *y = x + BL_BYTES, *o = (unsigned char *)d; u32 s = 0;
  fill(w, BL_BYTES / 2, 0x2545F491);
  for (u32 r = 0; r < N_BL; r++) {
    int f = r & 255;
    for (u32 i = 0; i < BL_BYTES; i++) o[i] = (x[i] * f + y[i] * (256 - f)) >> 8;
    s += d[r & (BL_BYTES / 4 - 1)];
  }
  return (u64)s << 32 | sum(d, BL_BYTES / 4);
}
static u32 mandel(void) {
  u32 n = 0; double step = 3.0 / MB_W;
  for (u32 y = 0; y < MB_W; y++) for (u32 x = 0; x < MB_W; x++) {
    double cr = x * step - 2.0, ci = y * step - 1.5, zr = cr, zi = ci;
    for (u32 i = 0; i < MB_MOST && zr * zr + zi * zi <= 4.0; i++) { double t = zr * zr - zi * zi + cr; zi = 2 * zr * zi + ci; zr = t; n++; }
  }
  return n;
}
static u32 scalar(void) {
  double x = 1.5; u32 s = 0;
  for (u32 i = 1; i <= N_SC; i++) { double p = x * 1.0000001, q = i / (x + 3.0); x = p + q; if (x > 1000.0) x -= 999.5; s = rl(s, 1) + (u32)(int)(x * 64.0); }
  return s;
}
static u32 copied(void) {
  u32 n = MC_BYTES / 4, *a = malloc(4 * n + 256); fill(a, n + 64, 0x2545F491);
  u32 s = sum(a + ((N_VC - 1) & 15), n); free(a); return s;
}
int main(void) {
  printf("#if BITS == 64\n#define EXP_ALU 0x%llxull\n#define EXP_VMXALU 0x%llxull\n#else\n#define EXP_ALU 0x%llxull\n#endif\n",
    (unsigned long long)alu64(N_ALU), (unsigned long long)alu64(N_VMXALU), (unsigned long long)alu32(N_ALU));
  printf("#define EXP_PRIMES %uu\n", primes(SIEVE_N));
  u32 *a = malloc(4u << 20); fill(a, QS_N, 0x1234567 + N_QS - 1); qsort(a, QS_N, 4, cmp); printf("#define EXP_QS 0x%xu\n", sum(a, QS_N));
  fill(a, MC_BYTES / 4, 0x2545F491); { u32 w = a[0]; a[0] = N_MC - 1; printf("#define EXP_MC 0x%xu\n", sum(a, MC_BYTES / 4)); a[0] = w; }
  printf("#define EXP_MCS 0x%xu\n", sum(a, 1024));
  u32 b[1024]; for (int i = 0; i < 1024; i++) b[i] = 0x01010101u * ((N_MC - 1) & 255); printf("#define EXP_STOS 0x%xu\n", sum(b, 1024));
  pwinit(); printf("#define EXP_PWWALK 0x%xu\n", walk(0, 1, (u64)N_PWWALK * PW_PAGES, 0));
  pwinit(); { u32 s = 0, idx = 1; for (u32 i = 0; i < N_PWCR3; i++) { s = walk((i + 1) & 1, idx, 32, s); idx = s % PW_PAGES; } printf("#define EXP_PWCR3 0x%xu\n", s); }
  pwinit(); { u32 s = 0, idx = 1; for (u32 i = 0; i < N_PWINV; i++) { idx = (idx * 1229 + 3) % PW_PAGES; u32 t = map[0][idx]; map[0][idx] = map[0][idx ^ 1]; map[0][idx ^ 1] = t; s = rl(s, 1) + fr[map[0][idx]][idx & 63]; fr[map[0][idx ^ 1]][idx & 63] = s; } printf("#define EXP_PWINV 0x%xu\n", s); }
  { u32 x = 0, y = 1; for (u32 i = 0; i < N_FIB; i++) { u32 t = x + y; x = y; y = t; } printf("#define EXP_FIB %uu\n", x); }
  { u32 p[1024]; fill(p, 1024, 0x2545F491); unsigned char *o = (unsigned char *)p; u32 pc = 0, v = 1, n = N_DISP;
    while (--n) { int op = o[pc] >> 3 & 7; pc = (pc + 1) & 4095;
      switch (op) { case 0: v += 0x1234567; break; case 1: v ^= 0x5bd1e995; break; case 2: v = rl(v, 7); break; case 3: v *= 0x01000193; break;
        case 4: v -= pc; break; case 5: v = ~v; break; case 6: v = __builtin_bswap32(v); break; case 7: v ^= v >> 15; } }
    printf("#define EXP_DISP 0x%xu\n", v); }
  printf("#define EXP_SX 0x%xu\n#define EXP_DOT 0x%llxull\n#define EXP_BY 0x%llxull\n#define EXP_BL 0x%llxull\n", saxpy(), (unsigned long long)dot(), (unsigned long long)bytes(), (unsigned long long)blend());
  printf("#define EXP_MB 0x%xu\n#define EXP_SC 0x%xu\n#define EXP_VC 0x%xu\n", mandel(), scalar(), copied());
  double *m = malloc(3 * X87_SIDE * X87_SIDE * sizeof *m); uint8_t *v = malloc(3 * 4096);
  printf("#define EXP_HORNER 0x%llxull\n#define EXP_BODIES 0x%llxull\n", (unsigned long long)x87_horner(N_HORNER), (unsigned long long)x87_bodies(N_BODIES));
  printf("#define EXP_MATRIX 0x%llxull\n#define EXP_CONVERT 0x%llxull\n", (unsigned long long)x87_matrix(m, N_MATRIX), (unsigned long long)x87_convert(v, N_CONVERT));
  printf("#define EXP_MANDELBROT 0x%llxull\n#define EXP_INTEGRATE 0x%llxull\n", (unsigned long long)x87_mandelbrot(N_MANDELBROT), (unsigned long long)x87_integrate(N_INTEGRATE));
  return 0;
}
