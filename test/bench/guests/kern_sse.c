/* bench corpus: vector kernels, 128 bits (gcc -O2 -ffreestanding -msse2) */
#include "bench.h"
#include "vec.h"
#include <emmintrin.h>
/* y = a*x + y/2 in single precision */
void s_saxpy(float *y, const float *x, float a, u32 n) {
  __m128 va = _mm_set1_ps(a), half = _mm_set1_ps(0.5f); u32 i;
  for (i = 0; i < n; i += 4) _mm_store_ps(y + i, _mm_add_ps(_mm_mul_ps(va, _mm_load_ps(x + i)), _mm_mul_ps(half, _mm_load_ps(y + i))));
}
/* four sums, one a lane of two accumulators, added up in this order */
double s_dot(const double *x, const double *y, u32 n) {
  __m128d s = _mm_setzero_pd(), t = s; double r[4]; u32 i;
  for (i = 0; i < n; i += 4) {
    s = _mm_add_pd(s, _mm_mul_pd(_mm_load_pd(x + i), _mm_load_pd(y + i)));
    t = _mm_add_pd(t, _mm_mul_pd(_mm_load_pd(x + i + 2), _mm_load_pd(y + i + 2)));
  }
  _mm_storeu_pd(r, s); _mm_storeu_pd(r + 2, t);
  return r[0] + r[1] + r[2] + r[3];
}
/* code points of UTF-8 text: bytes but 80h-BFh; and the last place of a byte, found 16 bytes at a time */
u32 s_bytes(const u8 *p, u32 n, u8 c) {
  __m128i last = _mm_set1_epi8((char)0xbf), want = _mm_set1_epi8((char)c), zero = _mm_setzero_si128(), sum = zero; u32 i, at = 0;
  for (i = 0; i < n; i += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
    u32 m = (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(v, want));
    if (m) at = i + 31 - (u32)__builtin_clz(m);
    sum = _mm_add_epi32(sum, _mm_sad_epu8(_mm_sub_epi8(zero, _mm_cmpgt_epi8(v, last)), zero));
  }
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return ((u32)_mm_cvtsi128_si32(sum) << 8) + at;
}
/* blends two pictures of 8-bit channels by a factor of 256ths, in 16-bit lanes */
void s_blend(u8 *d, const u8 *x, const u8 *y, u32 n, u32 f) {
  __m128i zero = _mm_setzero_si128(), vf = _mm_set1_epi16((short)f); u32 i;
  for (i = 0; i < n; i += 16) {
    __m128i a = _mm_load_si128((const __m128i *)(x + i)), b = _mm_load_si128((const __m128i *)(y + i)), l, h;
    l = _mm_sub_epi16(_mm_unpacklo_epi8(a, zero), _mm_unpacklo_epi8(b, zero));
    h = _mm_sub_epi16(_mm_unpackhi_epi8(a, zero), _mm_unpackhi_epi8(b, zero));
    l = _mm_srli_epi16(_mm_add_epi16(_mm_mullo_epi16(l, vf), _mm_slli_epi16(_mm_unpacklo_epi8(b, zero), 8)), 8);
    h = _mm_srli_epi16(_mm_add_epi16(_mm_mullo_epi16(h, vf), _mm_slli_epi16(_mm_unpackhi_epi8(b, zero), 8)), 8);
    _mm_store_si128((__m128i *)(d + i), _mm_packus_epi16(l, h));
  }
}
/* iterations of z*z + c over a square of side w, two points at a time; points that have left go on until both have */
u32 s_mandel(u32 w, u32 most) {
  u32 x, y, i, sum = 0; double step = 3.0 / w;
  __m128d four = _mm_set1_pd(4.0);
  for (y = 0; y < w; y++) for (x = 0; x < w; x += 2) {
    __m128d cr = _mm_set_pd((int)(x + 1) * step - 2.0, (int)x * step - 2.0), ci = _mm_set1_pd((int)y * step - 1.5), zr = cr, zi = ci;
    __m128i count = _mm_setzero_si128();
    for (i = 0; i < most; i++) {
      __m128d rr = _mm_mul_pd(zr, zr), ii = _mm_mul_pd(zi, zi), in = _mm_cmple_pd(_mm_add_pd(rr, ii), four);
      if (!_mm_movemask_pd(in)) break;
      count = _mm_sub_epi64(count, _mm_castpd_si128(in));
      zi = _mm_add_pd(_mm_mul_pd(_mm_add_pd(zr, zr), zi), ci);
      zr = _mm_add_pd(_mm_sub_pd(rr, ii), cr);
    }
    count = _mm_add_epi64(count, _mm_unpackhi_epi64(count, count));
    sum += (u32)_mm_cvtsi128_si32(count);
  }
  return sum;
}
/* scalar double precision with conversions both ways */
u32 s_scalar(u32 n) {
  double x = 1.5; u32 i, s = 0;
  for (i = 1; i <= n; i++) {
    int k;
    x = x * 1.0000001 + (int)i / (x + 3.0);
    if (x > 1000.0) x -= 999.5;
    k = (int)(x * 64.0);
    s = (s << 1 | s >> 31) + (u32)k;
  }
  return s;
}
/* 64 bytes a turn, from an address that is not aligned */
void s_copy(u8 *d, const u8 *s, u32 n) {
  u32 i;
  for (i = 0; i < n; i += 64) {
    __m128 a = _mm_loadu_ps((const float *)(s + i)), b = _mm_loadu_ps((const float *)(s + i + 16));
    __m128 c = _mm_loadu_ps((const float *)(s + i + 32)), e = _mm_loadu_ps((const float *)(s + i + 48));
    _mm_storeu_ps((float *)(d + i), a); _mm_storeu_ps((float *)(d + i + 16), b);
    _mm_storeu_ps((float *)(d + i + 32), c); _mm_storeu_ps((float *)(d + i + 48), e);
  }
}
