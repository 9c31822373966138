#pragma once
/* kernels: s_* with 128 bits (kern_sse.c), a_* with 256 (kern_avx.c) */
void s_saxpy(float *y, const float *x, float a, u32 n); void a_saxpy(float *y, const float *x, float a, u32 n);
double s_dot(const double *x, const double *y, u32 n); double a_dot(const double *x, const double *y, u32 n);
u32 s_bytes(const u8 *p, u32 n, u8 c); u32 a_bytes(const u8 *p, u32 n, u8 c);
void s_blend(u8 *d, const u8 *x, const u8 *y, u32 n, u32 f); void a_blend(u8 *d, const u8 *x, const u8 *y, u32 n, u32 f);
u32 s_mandel(u32 w, u32 most); u32 a_mandel(u32 w, u32 most);
u32 s_scalar(u32 n);
void s_copy(u8 *d, const u8 *s, u32 n); void a_copy(u8 *d, const u8 *s, u32 n);
/* phases, with their results as integers (phase_sse.c) */
u64 v_saxpy(int wide); u64 v_dot(int wide); u64 v_bytes(int wide); u64 v_blend(int wide);
u64 v_mandel(int wide); u64 v_copy(int wide); u64 v_scalar(void);
