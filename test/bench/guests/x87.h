/* bench corpus: work for the x87 FPU. Every intermediate result is a long double, so that it does not depend on what the
   compiler keeps in registers: the guest, and the host processor in reference.c, must agree to the last bit. */
#pragma once
typedef long double ld;
typedef union { ld value; struct { uint64_t significand; uint16_t sign_exponent; } bits; } x87_value;
/* folds all 80 bits into a checksum */
static uint64_t x87_mix(uint64_t sum, ld value) {
  x87_value v; v.value = value;
  sum = (sum << 7 | sum >> 57) ^ v.bits.significand;
  return sum + v.bits.sign_exponent;
}
static uint32_t x87_next(uint32_t *x) { *x ^= *x << 13; *x ^= *x >> 17; *x ^= *x << 5; return *x; }

/* polynomials by Horner's rule: chains of FMUL and FADD with operands in memory */
static uint64_t x87_horner(uint32_t n) {
  static const double c[16] = { 1.0, 0.5, 0.3333333333333333, -0.25, 0.2, 0.16666666666666666, -0.14285714285714285, 0.125,
    0.1111111111111111, -0.1, 0.09090909090909091, 0.08333333333333333, 0.07692307692307693, -0.07142857142857142, 0.06666666666666667, 0.0625 };
  uint64_t sum = 0;
  ld x = -1, step = (ld)2 / n;
  for (uint32_t i = 0; i < n; i++, x += step) {
    ld p = c[15];
    for (int k = 14; k >= 0; k--) p = p * x + c[k];
    if (!(i & 255)) sum = x87_mix(sum, p);
  }
  return sum;
}
/* five bodies under gravitation: everything stays on the stack or is spilled as 80 bits; FSQRT and FDIV for each pair */
static uint64_t x87_bodies(uint32_t steps) {
  ld at[5][3] = { { 0, 0, 0 }, { 5, -1, 0.5L }, { 8, 4, -0.25L }, { -12, 15, 0.125L }, { 15, -26, 0.75L } };
  ld by[5][3] = { { 0, 0, 0 }, { 0.5L, 2.5L, 0 }, { -1.25L, 2, 0.125L }, { 1, 0.75L, 0 }, { 1, 0.5L, -0.25L } };
  static const double mass[5] = { 39.5, 0.04, 0.01, 0.002, 0.0025 };
  const ld dt = 0.01L;
  for (uint32_t s = 0; s < steps; s++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        ld d[3], square = 0;
        for (int k = 0; k < 3; k++) { d[k] = at[i][k] - at[j][k]; square += d[k] * d[k]; }
        ld pull = dt / (square * __builtin_sqrtl(square));
        for (int k = 0; k < 3; k++) { by[i][k] -= d[k] * mass[j] * pull; by[j][k] += d[k] * mass[i] * pull; }
      }
    for (int i = 0; i < 5; i++) for (int k = 0; k < 3; k++) at[i][k] += dt * by[i][k];
  }
  uint64_t sum = 0;
  for (int i = 0; i < 5; i++) for (int k = 0; k < 3; k++) sum = x87_mix(sum, at[i][k]);
  return sum;
}
/* product of matrices of doubles, accumulated in 80 bits */
#define X87_SIDE 64
static uint64_t x87_matrix(double *a, uint32_t rounds) {
  double *b = a + X87_SIDE * X87_SIDE, *c = b + X87_SIDE * X87_SIDE;
  uint32_t x = 0x2545F491;
  for (int i = 0; i < 2 * X87_SIDE * X87_SIDE; i++) a[i] = (double)((ld)(int32_t)x87_next(&x) / 2147483648.0L);
  uint64_t sum = 0;
  for (uint32_t r = 0; r < rounds; r++) {
    for (int i = 0; i < X87_SIDE; i++)
      for (int j = 0; j < X87_SIDE; j++) {
        ld t = 0;
        for (int k = 0; k < X87_SIDE; k++) t += (ld)a[i * X87_SIDE + k] * b[k * X87_SIDE + j];
        c[i * X87_SIDE + j] = (double)(t / 8);
      }
    sum = x87_mix(sum, c[r % (X87_SIDE * X87_SIDE)]);
    double *t = a; a = c; c = t;
  }
  return sum;
}
/* integers to 80 bits and back, through single and double precision in memory */
static uint64_t x87_convert(uint8_t *memory, uint32_t n) {
  float *single = (float *)memory; double *wide = (double *)(memory + 4096);
  uint32_t x = 0x1234567; uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    int32_t v = (int32_t)x87_next(&x);
    single[i & 1023] = (float)((ld)v * 0.001L);
    wide[i & 1023] = (double)((ld)single[i & 1023] + (ld)(int16_t)v);
    int64_t whole = (int64_t)((ld)wide[i & 1023] * 1024);
    sum = (sum << 3 | sum >> 61) ^ (uint64_t)whole ^ (uint32_t)(int32_t)((ld)whole / 4096);
  }
  return sum;
}
/* the Mandelbrot set: short loops that end on a comparison */
static uint64_t x87_mandelbrot(int side) {
  uint64_t sum = 0;
  ld step = (ld)3 / side;
  for (int i = 0; i < side; i++)
    for (int j = 0; j < side; j++) {
      ld cx = j * step - 2, cy = i * step - 1.5L, x = 0, y = 0, xx = 0, yy = 0;
      uint32_t k = 0;
      while (k < 100 && xx + yy <= 4) { y = 2 * x * y + cy; x = xx - yy + cx; xx = x * x; yy = y * y; k++; }
      sum = sum * 31 + k;
    }
  return sum;
}
/* areas under a quarter of a circle and under 4 / (1 + x^2): FSQRT and FDIV, both of which approach pi */
static uint64_t x87_integrate(uint32_t n) {
  ld h = (ld)1 / n, x = h / 2, circle = 0, tangent = 0;
  for (uint32_t i = 0; i < n; i++, x += h) { circle += __builtin_sqrtl(1 - x * x); tangent += 1 / (1 + x * x); }
  return x87_mix(x87_mix(0, circle * 4 * h), tangent * 4 * h);
}
