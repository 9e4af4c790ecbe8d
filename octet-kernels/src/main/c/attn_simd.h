/*
 * The vectors attention is written in: 16 lanes of 32 bits with AVX-512, 8 with AVX2. Maximum and
 * minimum return their second operand where either is NaN, as the instructions do; callers rely on
 * it.
 */
#ifndef OCTET_ATTN_SIMD_H
#define OCTET_ATTN_SIMD_H

#include "inline.h"
#include <immintrin.h>
#include <math.h>
#include <stdint.h>

/* 2^f on [0,1), relative error 8e-8, exactly 1 at 0: minimax by Lawson iteration. */
#define EXP2_C1 0.6931512951850891f
#define EXP2_C2 0.24016444385051727f
#define EXP2_C3 0.05579991266131401f
#define EXP2_C4 0.009017029777169228f
#define EXP2_C5 0.0018671301659196615f

#ifdef __AVX512VNNI__

enum { LANES = 16 };
typedef __m512 vf;
typedef __m512i vi;

INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
INLINE vf vf_set1(float x) { return _mm512_set1_ps(x); }
INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }
INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
/* a b - c */
INLINE vf vf_fms(vf a, vf b, vf c) { return _mm512_fmsub_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf vf_abs(vf a) { return _mm512_abs_ps(a); }
INLINE float vf_hmax(vf a) { return _mm512_reduce_max_ps(a); }
INLINE float vf_hsum(vf a) { return _mm512_reduce_add_ps(a); }
INLINE vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE void vi_store(void *p, vi x) { _mm512_storeu_si512(p, x); }
INLINE vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
INLINE vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
INLINE vf vi_float(vi a) { return _mm512_cvtepi32_ps(a); }
INLINE vi vf_round(vf a) { return _mm512_cvtps_epi32(a); }
INLINE vf vi_as_vf(vi a) { return _mm512_castsi512_ps(a); }
INLINE vi vf_as_vi(vf a) { return _mm512_castps_si512(a); }
#define vi_shl(a, n) _mm512_slli_epi32(a, n)
#define vi_shr(a, n) _mm512_srli_epi32(a, n)
INLINE vi vi_counting(void) {
  return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
/* x where from <= at < end, else -inf. */
INLINE vf vf_within(vf x, vi at, vi from, vi end) {
  __mmask16 seen = _mm512_cmple_epi32_mask(from, at) & _mm512_cmplt_epi32_mask(at, end);
  return _mm512_mask_blend_ps(seen, _mm512_set1_ps(-INFINITY), x);
}
/* Whether every lane is at most `limit`; none is NaN then. */
INLINE int vf_all_at_most(vf x, float limit) {
  return _mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_LE_OQ) == 0xffff;
}
/* yes where x == y, else no. */
INLINE vf vf_if_equal(vf x, vf y, vf yes, vf no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ), no, yes);
}
/* yes where x is NaN, else no. */
INLINE vf vf_if_nan(vf x, vf yes, vf no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), no, yes);
}
/* 2^x for x <= 0, also -inf. */
INLINE vf vf_exp2(vf x) {
  vf f = _mm512_reduce_ps(x, 0x09); /* x - floor(x); 0 for -inf */
  vf p = vf_fma(f, vf_set1(EXP2_C5), vf_set1(EXP2_C4));
  p = vf_fma(f, p, vf_set1(EXP2_C3));
  p = vf_fma(f, p, vf_set1(EXP2_C2));
  p = vf_fma(f, p, vf_set1(EXP2_C1));
  p = vf_fma(f, p, vf_set1(1));
  return _mm512_scalef_ps(p, x); /* takes floor(x) itself, flushes to 0 */
}
/* Every lane's partner `half` lanes away. */
INLINE vf vf_partner(vf x, int half) {
  switch (half) {
    case 1: return _mm512_permute_ps(x, 0xb1);
    case 2: return _mm512_permute_ps(x, 0x4e);
    case 4: return _mm512_shuffle_f32x4(x, x, 0xb1);
    default: return _mm512_shuffle_f32x4(x, x, 0x4e);
  }
}
/* Columns become rows. */
INLINE void vf_transpose(vf v[LANES]) {
  vf t[LANES];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    vf a = _mm512_unpacklo_ps(v[i], v[i + 1]), b = _mm512_unpackhi_ps(v[i], v[i + 1]);
    vf c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_shuffle_ps(a, c, 0x44);
    t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
    t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    vf a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    vf c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    v[i] = _mm512_shuffle_f32x4(a, c, 0x88);
    v[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
    v[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
    v[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}
/* Two rows, rounded to BF16, as one row of pairs. */
INLINE vi vf_bf16_pairs(vf even, vf odd) {
  static const uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  vi both = (vi)_mm512_cvtne2ps_pbh(odd, even);
  return _mm512_permutexvar_epi16(_mm512_loadu_si512(order), both);
}

#else

enum { LANES = 8 };
typedef __m256 vf;
typedef __m256i vi;

INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }
INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
/* a b - c */
INLINE vf vf_fms(vf a, vf b, vf c) { return _mm256_fmsub_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE float vf_hmax(vf a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
INLINE float vf_hsum(vf a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
INLINE vi vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE void vi_store(void *p, vi x) { _mm256_storeu_si256((__m256i *)p, x); }
INLINE vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
INLINE vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
INLINE vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
INLINE vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
INLINE vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
INLINE vf vi_float(vi a) { return _mm256_cvtepi32_ps(a); }
INLINE vi vf_round(vf a) { return _mm256_cvtps_epi32(a); }
INLINE vf vi_as_vf(vi a) { return _mm256_castsi256_ps(a); }
INLINE vi vf_as_vi(vf a) { return _mm256_castps_si256(a); }
#define vi_shl(a, n) _mm256_slli_epi32(a, n)
#define vi_shr(a, n) _mm256_srli_epi32(a, n)
INLINE vi vi_counting(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
INLINE vf vf_within(vf x, vi at, vi from, vi end) {
  vi hidden = _mm256_cmpgt_epi32(from, at);
  vi seen = _mm256_andnot_si256(hidden, _mm256_cmpgt_epi32(end, at));
  return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), x, _mm256_castsi256_ps(seen));
}
INLINE vf vf_partner(vf x, int half) {
  switch (half) {
    case 1: return _mm256_permute_ps(x, 0xb1);
    case 2: return _mm256_permute_ps(x, 0x4e);
    default: return _mm256_permute2f128_ps(x, x, 0x01);
  }
}
INLINE void vf_transpose(vf v[LANES]) {
  vf t[LANES];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    vf a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
    vf c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm256_shuffle_ps(a, c, 0x44);
    t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}
INLINE int vf_all_at_most(vf x, float limit) {
  return _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LE_OQ)) == 0xff;
}
INLINE vf vf_if_equal(vf x, vf y, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, y, _CMP_EQ_OQ));
}
INLINE vf vf_if_nan(vf x, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
INLINE vf vf_exp2(vf x) {
  x = vf_max(vf_set1(-127), x); /* a NaN stays */
  vf whole = _mm256_floor_ps(x);
  vf f = vf_sub(x, whole);
  vf p = vf_fma(f, vf_set1(EXP2_C5), vf_set1(EXP2_C4));
  p = vf_fma(f, p, vf_set1(EXP2_C3));
  p = vf_fma(f, p, vf_set1(EXP2_C2));
  p = vf_fma(f, p, vf_set1(EXP2_C1));
  p = vf_fma(f, p, vf_set1(1));
  vi power = vi_shl(vi_add(vf_round(whole), vi_set1(127)), 23); /* 0 at -127: flushes */
  return vf_mul(p, vi_as_vf(power));
}

#endif

/* 2^f on [-1/2, 1/2] as dev.octet.kernels.attention.FastStep has it, relative error 1.7e-3. */
INLINE vf vf_exp2_coarse_fraction(vf f) {
  vf p = vf_fma(f, vf_set1(0.23842894f), vf_set1(0.70344824f));
  return vf_fma(f, p, vf_set1(1.0004431f));
}

/*
 * 2^x for a number x of at most about 0, never 0. A shift and an addition of integers go where
 * nothing is multiplied.
 */
INLINE vf vf_exp2_coarse(vf x) {
#ifdef OCTET_TILES /* see attn_step.c */
  vf f = _mm512_reduce_ps(x, 0x08);
  return _mm512_scalef_ps(vf_exp2_coarse_fraction(f), vf_sub(x, f));
#else
  vf magic = vf_set1(12582912.0f); /* 1.5 * 2^23: what is added to it is rounded into its low bits */
  x = vf_max(vf_set1(-126), x);
  vf shifted = vf_add(x, magic);
  vf f = vf_sub(x, vf_sub(shifted, magic));
  return vi_as_vf(vi_add(vf_as_vi(vf_exp2_coarse_fraction(f)), vi_shl(vf_as_vi(shifted), 23)));
#endif
}

/* a + b in the lower lane of every pair `half` lanes apart, a - b in the upper one. */
INLINE vf vf_butterfly(vf x, int half) {
  vi upper = vi_and(vi_counting(), vi_set1(half));
  vi sign = vi_shl(upper, half == 1 ? 31 : half == 2 ? 30 : half == 4 ? 29 : 28);
  vf one = vi_as_vf(vi_or(vf_as_vi(vf_set1(1)), sign));
  return vf_fma(x, one, vf_partner(x, half)); /* exact but for the sum's own rounding */
}

/* Rounded to BF16, half to even, still an F32; a NaN stays one. */
INLINE vf vf_to_bf16(vf x) {
  vi bits = vf_as_vi(x);
  vi odd = vi_and(vi_shr(bits, 16), vi_set1(1));
  vi up = vi_add(vi_add(bits, vi_set1(0x7fff)), odd);
  vf rounded = vi_as_vf(vi_and(up, vi_set1((int32_t)0xffff0000)));
  vf quiet = vi_as_vf(vi_or(bits, vi_set1(0x400000))); /* its payload may be in what is cut off */
  return vf_if_nan(x, quiet, rounded);
}

#endif
