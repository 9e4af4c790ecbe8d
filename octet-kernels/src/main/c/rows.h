/* What kernels over rows of floats share beside lanes.h: sums in double precision, exponentials. */
#ifndef OCTET_ROWS_H
#define OCTET_ROWS_H

#include "lanes.h"
#include "octet.h"

/*
 * Sixteen sums in double precision, one a lane and in one order on every tier and for every length: the
 * same rows give the same bits.
 */
#ifdef __AVX512VNNI__
typedef struct { __m512d part[2]; } f64x16;
enum { PARTS = 2 };
INLINE __m512d d_part(f32x16 x, int i) {
  return _mm512_cvtps_pd(i == 0 ? _mm512_castps512_ps256(x) : _mm512_extractf32x8_ps(x, 1));
}
INLINE __m512d d_zero_part(void) { return _mm512_setzero_pd(); }
INLINE __m512d d_add_part(__m512d a, __m512d b) { return _mm512_add_pd(a, b); }
INLINE __m512d d_fma_part(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
INLINE void d_store_part(double *p, __m512d x) { _mm512_storeu_pd(p, x); }
#else
typedef struct { __m256d part[4]; } f64x16;
enum { PARTS = 4 };
INLINE __m256d d_part(f32x16 x, int i) {
  const __m256 half = i < 2 ? x.lo : x.hi;
  return _mm256_cvtps_pd(i % 2 == 0 ? _mm256_castps256_ps128(half) : _mm256_extractf128_ps(half, 1));
}
INLINE __m256d d_zero_part(void) { return _mm256_setzero_pd(); }
INLINE __m256d d_add_part(__m256d a, __m256d b) { return _mm256_add_pd(a, b); }
INLINE __m256d d_fma_part(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
INLINE void d_store_part(double *p, __m256d x) { _mm256_storeu_pd(p, x); }
#endif

INLINE f64x16 d_zero(void) {
  f64x16 sum;
  UNROLL
  for (int i = 0; i < PARTS; i++) {
    sum.part[i] = d_zero_part();
  }
  return sum;
}
INLINE f64x16 d_add(f64x16 sum, f32x16 x) {
  UNROLL
  for (int i = 0; i < PARTS; i++) {
    sum.part[i] = d_add_part(sum.part[i], d_part(x, i));
  }
  return sum;
}
/* sum + x²: no float's square leaves the range of double. */
INLINE f64x16 d_add_square(f64x16 sum, f32x16 x) {
  UNROLL
  for (int i = 0; i < PARTS; i++) {
    const __typeof__(sum.part[0]) wide = d_part(x, i);
    sum.part[i] = d_fma_part(wide, wide, sum.part[i]);
  }
  return sum;
}
INLINE double d_total(f64x16 sum) {
  double lanes[LANES];
  UNROLL
  for (int i = 0; i < PARTS; i++) {
    d_store_part(lanes + i * (LANES / PARTS), sum.part[i]);
  }
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) {
      lanes[i] += lanes[i + width];
    }
  }
  return lanes[0];
}

/*
 * 2^x for x ≤ 0: the integer part by adding 1.5·2²³, whose lowest bits then hold it with the exponent's
 * bias, and a polynomial of degree 6 on [-½, ½] (minimax in relative error, constant term exactly 1).
 * Relative error 1.0e-7; 0 from -126.5 down; NaN stays NaN.
 */
INLINE f32x16 f_exp2(f32x16 x) {
  const f32x16 biased = f_set(12582912.0f + 127);
  x = f_max(f_set(-127), x); /* the second operand where one is NaN */
  const f32x16 shifted = f_add(x, biased);
  const f32x16 f = f_sub(x, f_sub(shifted, biased));
  f32x16 p = f_fma(f, f_set(0.00015353362f), f_set(0.0013398874f));
  p = f_fma(p, f, f_set(0.009618437f));
  p = f_fma(p, f, f_set(0.055503324f));
  p = f_fma(p, f, f_set(0.24022648f));
  p = f_fma(p, f, f_set(0.6931472f));
  p = f_fma(p, f, f_set(1));
  return f_mul(p, f_bits(i_shl(i_cast(shifted), 23)));
}

static const float LOG2_E = 1.442695f;

/* How many of the lanes from j on there are. */
INLINE int lanes_of(int64_t count, int64_t j) { return count - j < LANES ? (int)(count - j) : LANES; }

/* Whether rows of so many elements cannot be: beyond what Java's sizes allow. */
static inline int wrong_size(int64_t rows, int64_t n) {
  const int64_t most = (int64_t)1 << 31;
  return rows < 0 || n < 0 || rows >= most || n >= most;
}

#endif
