/* bench corpus: the vector kernels with 256 bits (gcc -O2 -ffreestanding -mavx2) */
#include "bench.h"
#include "vec.h"
#include <immintrin.h>
void a_saxpy(float *y, const float *x, float a, u32 n) {
  __m256 va = _mm256_set1_ps(a), half = _mm256_set1_ps(0.5f); u32 i;
  for (i = 0; i < n; i += 8) _mm256_store_ps(y + i, _mm256_add_ps(_mm256_mul_ps(va, _mm256_load_ps(x + i)), _mm256_mul_ps(half, _mm256_load_ps(y + i))));
}
double a_dot(const double *x, const double *y, u32 n) {
  __m256d s = _mm256_setzero_pd(); double r[4]; u32 i;
  for (i = 0; i < n; i += 4) s = _mm256_add_pd(s, _mm256_mul_pd(_mm256_load_pd(x + i), _mm256_load_pd(y + i)));
  _mm256_storeu_pd(r, s);
  return r[0] + r[1] + r[2] + r[3];
}
u32 a_bytes(const u8 *p, u32 n, u8 c) {
  __m256i last = _mm256_set1_epi8((char)0xbf), want = _mm256_set1_epi8((char)c), zero = _mm256_setzero_si256(), sum = zero; u32 i, at = 0;
  __m128i half;
  for (i = 0; i < n; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
    u32 m = (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, want));
    if (m) at = i + 31 - (u32)__builtin_clz(m);
    sum = _mm256_add_epi32(sum, _mm256_sad_epu8(_mm256_sub_epi8(zero, _mm256_cmpgt_epi8(v, last)), zero));
  }
  half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return ((u32)_mm_cvtsi128_si32(half) << 8) + at;
}
void a_blend(u8 *d, const u8 *x, const u8 *y, u32 n, u32 f) {
  __m256i zero = _mm256_setzero_si256(), vf = _mm256_set1_epi16((short)f); u32 i;
  for (i = 0; i < n; i += 32) {
    __m256i a = _mm256_load_si256((const __m256i *)(x + i)), b = _mm256_load_si256((const __m256i *)(y + i)), l, h;
    l = _mm256_sub_epi16(_mm256_unpacklo_epi8(a, zero), _mm256_unpacklo_epi8(b, zero));
    h = _mm256_sub_epi16(_mm256_unpackhi_epi8(a, zero), _mm256_unpackhi_epi8(b, zero));
    l = _mm256_srli_epi16(_mm256_add_epi16(_mm256_mullo_epi16(l, vf), _mm256_slli_epi16(_mm256_unpacklo_epi8(b, zero), 8)), 8);
    h = _mm256_srli_epi16(_mm256_add_epi16(_mm256_mullo_epi16(h, vf), _mm256_slli_epi16(_mm256_unpackhi_epi8(b, zero), 8)), 8);
    _mm256_store_si256((__m256i *)(d + i), _mm256_packus_epi16(l, h));
  }
}
u32 a_mandel(u32 w, u32 most) {
  u32 x, y, i, sum = 0; double step = 3.0 / w;
  __m256d four = _mm256_set1_pd(4.0);
  for (y = 0; y < w; y++) for (x = 0; x < w; x += 4) {
    __m256d cr = _mm256_sub_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(_mm_add_epi32(_mm_set1_epi32((int)x), _mm_set_epi32(3, 2, 1, 0))), _mm256_set1_pd(step)), _mm256_set1_pd(2.0));
    __m256d ci = _mm256_set1_pd((int)y * step - 1.5), zr = cr, zi = ci;
    __m256i count = _mm256_setzero_si256(); __m128i half;
    for (i = 0; i < most; i++) {
      __m256d rr = _mm256_mul_pd(zr, zr), ii = _mm256_mul_pd(zi, zi), in = _mm256_cmp_pd(_mm256_add_pd(rr, ii), four, _CMP_LE_OS);
      if (!_mm256_movemask_pd(in)) break;
      count = _mm256_sub_epi64(count, _mm256_castpd_si256(in));
      zi = _mm256_add_pd(_mm256_mul_pd(_mm256_add_pd(zr, zr), zi), ci);
      zr = _mm256_add_pd(_mm256_sub_pd(rr, ii), cr);
    }
    half = _mm_add_epi64(_mm256_castsi256_si128(count), _mm256_extracti128_si256(count, 1));
    half = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
    sum += (u32)_mm_cvtsi128_si32(half);
  }
  return sum;
}
void a_copy(u8 *d, const u8 *s, u32 n) {
  u32 i;
  for (i = 0; i < n; i += 64) {
    __m256 a = _mm256_loadu_ps((const float *)(s + i)), b = _mm256_loadu_ps((const float *)(s + i + 32));
    _mm256_storeu_ps((float *)(d + i), a); _mm256_storeu_ps((float *)(d + i + 32), b);
  }
}
