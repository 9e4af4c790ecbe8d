/*
 * Sixteen lanes of 32 bits under one name on every tier: one register of AVX-512, two of AVX2. The
 * linear kernels are written once on top of it; a panel of weights is sixteen outputs wide.
 */
#ifndef OCTET_LANES_H
#define OCTET_LANES_H

#include "inline.h"
#include <immintrin.h>
#include <stdint.h>

#define LANES 16

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#ifdef __AVX512VNNI__

typedef __m512 f32x16;
typedef __m512i i32x16; /* also 64 bytes */

INLINE f32x16 f_zero(void) { return _mm512_setzero_ps(); }
INLINE f32x16 f_set(float x) { return _mm512_set1_ps(x); }
INLINE f32x16 f_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void f_store(float *p, f32x16 x) { _mm512_storeu_ps(p, x); }
INLINE f32x16 f_add(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
INLINE f32x16 f_sub(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
INLINE f32x16 f_mul(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
/* a·b + c */
INLINE f32x16 f_fma(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
INLINE f32x16 f_div(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
INLINE f32x16 f_min(f32x16 a, f32x16 b) { return _mm512_min_ps(a, b); }
INLINE f32x16 f_max(f32x16 a, f32x16 b) { return _mm512_max_ps(a, b); }
/* To the nearest integer, ties to even. */
INLINE i32x16 i_near(f32x16 a) { return _mm512_cvtps_epi32(a); }
INLINE f32x16 f_bits(i32x16 a) { return _mm512_castsi512_ps(a); }
INLINE f32x16 f_of(i32x16 a) { return _mm512_cvtepi32_ps(a); }
/* Sixteen halves. */
INLINE f32x16 f_of_f16(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* The lowest four bits of every lane; what is above does not matter. */
INLINE f32x16 f_of_nibble(i32x16 a) {
  const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_permutexvar_ps(a, table);
}
/* E2M1 in the lowest four bits of every lane; what is above does not matter. */
INLINE f32x16 f_of_e2m1(i32x16 a) {
  const __m512 table =
      _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6);
  return _mm512_permutexvar_ps(a, table);
}
/* Halves in the low bits of every lane. */
INLINE f32x16 f_of_halves(i32x16 a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }

/* The first count (0…16) lanes in memory, zeros beyond. */
INLINE f32x16 f_load_some(const float *p, int count) {
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
INLINE void f_store_some(float *p, f32x16 x, int count) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
}

INLINE i32x16 i_zero(void) { return _mm512_setzero_si512(); }
INLINE i32x16 i_set(int32_t x) { return _mm512_set1_epi32(x); }
INLINE i32x16 i_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE i32x16 i_add(i32x16 a, i32x16 b) { return _mm512_add_epi32(a, b); }
INLINE i32x16 i_sub(i32x16 a, i32x16 b) { return _mm512_sub_epi32(a, b); }
INLINE i32x16 i_mul(i32x16 a, i32x16 b) { return _mm512_mullo_epi32(a, b); }
INLINE i32x16 i_and(i32x16 a, i32x16 b) { return _mm512_and_si512(a, b); }
INLINE i32x16 i_xor(i32x16 a, i32x16 b) { return _mm512_xor_si512(a, b); }
INLINE i32x16 i_shl(i32x16 a, int bits) { return _mm512_slli_epi32(a, (unsigned)bits); }
INLINE i32x16 i_shr(i32x16 a, int bits) { return _mm512_srli_epi32(a, (unsigned)bits); }
INLINE i32x16 i_sar(i32x16 a, int bits) { return _mm512_srai_epi32(a, (unsigned)bits); }
INLINE i32x16 i_or(i32x16 a, i32x16 b) { return _mm512_or_si512(a, b); }
INLINE i32x16 i_cast(f32x16 a) { return _mm512_castps_si512(a); }
INLINE void i_store(void *p, i32x16 x) { _mm512_storeu_si512(p, x); }
INLINE i32x16 i_max(i32x16 a, i32x16 b) { return _mm512_max_epi32(a, b); }
INLINE i32x16 i_min(i32x16 a, i32x16 b) { return _mm512_min_epi32(a, b); }
/* The lowest byte of the first count lanes. */
INLINE void i_store_bytes(void *p, i32x16 a, int count) {
  _mm512_mask_cvtepi32_storeu_epi8(p, (__mmask16)((1u << count) - 1), a);
}
/* All bits of a lane where a > b, where a == b. */
INLINE i32x16 i_above(i32x16 a, i32x16 b) {
  return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b));
}
INLINE i32x16 i_equal(i32x16 a, i32x16 b) {
  return _mm512_movm_epi32(_mm512_cmpeq_epi32_mask(a, b));
}
/* Sixteen bytes without a sign. */
INLINE i32x16 i_of_u8(const uint8_t *p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}

/* Four signed bytes of x, to meet every lane's four bytes. */
typedef i32x16 bytes4;
INLINE bytes4 x_set(const int8_t *p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
/*
 * acc + Σ of four products u8·s8 a lane, exact. Not the intrinsic: around it GCC 12 copies every
 * accumulator twice and spills a third of them.
 */
INLINE i32x16 i_dot(i32x16 acc, i32x16 u8, bytes4 s8) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u8), "v"(s8));
  return acc;
}
/* The same where u8 is below 16. */
INLINE i32x16 i_dot_small(i32x16 acc, i32x16 u4, bytes4 s8) { return i_dot(acc, u4, s8); }

/* a·(x·scale) + bias, computed in double precision and rounded once. */
INLINE __m256 scaled_half(__m256i a, __m512d x, __m256 scale, __m256 bias) {
  const __m512d product = _mm512_mul_pd(_mm512_cvtepi32_pd(a), _mm512_mul_pd(x, _mm512_cvtps_pd(scale)));
  return _mm512_cvtpd_ps(_mm512_add_pd(product, _mm512_cvtps_pd(bias)));
}
INLINE f32x16 f_scaled(i32x16 a, float x, f32x16 scale, f32x16 bias) {
  const __m512d wide = _mm512_set1_pd((double)x);
  const __m256 low = scaled_half(_mm512_castsi512_si256(a), wide, _mm512_castps512_ps256(scale),
                                 _mm512_castps512_ps256(bias));
  const __m256 high = scaled_half(_mm512_extracti64x4_epi64(a, 1), wide, _mm512_extractf32x8_ps(scale, 1),
                                  _mm512_extractf32x8_ps(bias, 1));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

#else /* AVX2 */

typedef struct { __m256 lo, hi; } f32x16;
typedef struct { __m256i lo, hi; } i32x16;

#define F16(e_lo, e_hi) ((f32x16){(e_lo), (e_hi)})
#define I16(e_lo, e_hi) ((i32x16){(e_lo), (e_hi)})

INLINE f32x16 f_zero(void) { return F16(_mm256_setzero_ps(), _mm256_setzero_ps()); }
INLINE f32x16 f_set(float x) { return F16(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
INLINE f32x16 f_load(const float *p) { return F16(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
INLINE void f_store(float *p, f32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
INLINE f32x16 f_add(f32x16 a, f32x16 b) {
  return F16(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi));
}
INLINE f32x16 f_sub(f32x16 a, f32x16 b) {
  return F16(_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi));
}
INLINE f32x16 f_mul(f32x16 a, f32x16 b) {
  return F16(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi));
}
INLINE f32x16 f_fma(f32x16 a, f32x16 b, f32x16 c) {
  return F16(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
INLINE f32x16 f_div(f32x16 a, f32x16 b) {
  return F16(_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi));
}
INLINE f32x16 f_min(f32x16 a, f32x16 b) {
  return F16(_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi));
}
INLINE f32x16 f_max(f32x16 a, f32x16 b) {
  return F16(_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi));
}
INLINE i32x16 i_near(f32x16 a) { return I16(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)); }
INLINE f32x16 f_bits(i32x16 a) { return F16(_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)); }
INLINE f32x16 f_of(i32x16 a) { return F16(_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)); }
INLINE f32x16 f_of_f16(const uint16_t *p) {
  return F16(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
             _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8))));
}

INLINE f32x16 f_of_halves(i32x16 a) {
  __m256i halves = _mm256_permute4x64_epi64(_mm256_packus_epi32(a.lo, a.hi), 0xd8);
  return F16(_mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
             _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)));
}

INLINE __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE f32x16 f_load_some(const float *p, int count) {
  return F16(_mm256_maskload_ps(p, first_lanes(count)),
             _mm256_maskload_ps(p + 8, first_lanes(count - 8)));
}
INLINE void f_store_some(float *p, f32x16 x, int count) {
  _mm256_maskstore_ps(p, first_lanes(count), x.lo);
  _mm256_maskstore_ps(p + 8, first_lanes(count - 8), x.hi);
}

INLINE i32x16 i_zero(void) { return I16(_mm256_setzero_si256(), _mm256_setzero_si256()); }
INLINE i32x16 i_set(int32_t x) { return I16(_mm256_set1_epi32(x), _mm256_set1_epi32(x)); }
INLINE i32x16 i_load(const void *p) {
  return I16(_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)p + 1));
}
#define I_BINARY(name, instruction)                                        \
  INLINE i32x16 name(i32x16 a, i32x16 b) {                                 \
    return I16(instruction(a.lo, b.lo), instruction(a.hi, b.hi));          \
  }
I_BINARY(i_add, _mm256_add_epi32)
I_BINARY(i_sub, _mm256_sub_epi32)
I_BINARY(i_mul, _mm256_mullo_epi32)
I_BINARY(i_and, _mm256_and_si256)
I_BINARY(i_xor, _mm256_xor_si256)
I_BINARY(i_or, _mm256_or_si256)
I_BINARY(i_max, _mm256_max_epi32)
I_BINARY(i_min, _mm256_min_epi32)
I_BINARY(i_above, _mm256_cmpgt_epi32)
I_BINARY(i_equal, _mm256_cmpeq_epi32)
INLINE i32x16 i_cast(f32x16 a) { return I16(_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)); }
INLINE void i_store(void *p, i32x16 x) {
  _mm256_storeu_si256((__m256i *)p, x.lo);
  _mm256_storeu_si256((__m256i *)p + 1, x.hi);
}
INLINE i32x16 i_shl(i32x16 a, int bits) {
  return I16(_mm256_slli_epi32(a.lo, bits), _mm256_slli_epi32(a.hi, bits));
}
INLINE i32x16 i_shr(i32x16 a, int bits) {
  return I16(_mm256_srli_epi32(a.lo, bits), _mm256_srli_epi32(a.hi, bits));
}
INLINE i32x16 i_sar(i32x16 a, int bits) {
  return I16(_mm256_srai_epi32(a.lo, bits), _mm256_srai_epi32(a.hi, bits));
}
INLINE i32x16 i_of_u8(const uint8_t *p) {
  return I16(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)),
             _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8))));
}

/*
 * vpmaddubsw saturates at 16 bits, which 2·255·128 exceeds: the bytes are widened first, those of
 * even and of odd place apart.
 */
typedef struct { __m256i bytes, even, odd; } bytes4;
INLINE bytes4 x_set(const int8_t *p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  __m256i x = _mm256_set1_epi32(four);
  return (bytes4){x, _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), _mm256_srai_epi16(x, 8)};
}
INLINE __m256i dot_half(__m256i acc, __m256i u8, bytes4 s8) {
  __m256i even = _mm256_and_si256(u8, _mm256_set1_epi16(0xff));
  __m256i odd = _mm256_srli_epi16(u8, 8);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(even, s8.even));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(odd, s8.odd));
}
INLINE i32x16 i_dot(i32x16 acc, i32x16 u8, bytes4 s8) {
  return I16(dot_half(acc.lo, u8.lo, s8), dot_half(acc.hi, u8.hi, s8));
}
/* Below 16, pairs stay within 2·15·128: vpmaddubsw is exact. */
INLINE __m256i dot_small_half(__m256i acc, __m256i u4, bytes4 s8) {
  __m256i pairs = _mm256_maddubs_epi16(u4, s8.bytes);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
INLINE i32x16 i_dot_small(i32x16 acc, i32x16 u4, bytes4 s8) {
  return I16(dot_small_half(acc.lo, u4.lo, s8), dot_small_half(acc.hi, u4.hi, s8));
}

/* Lanes hold what fits a signed byte. */
INLINE void i_store_bytes(void *p, i32x16 a, int count) {
  __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  if (count == LANES) {
    _mm_storeu_si128((__m128i *)p, bytes);
  } else {
    __builtin_memcpy(p, &bytes, (size_t)count);
  }
}
INLINE f32x16 f_of_nibble(i32x16 a) { return f_of(i_and(a, i_set(15))); }
INLINE __m256 e2m1_half(__m256i a) {
  const __m256 table = _mm256_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6);
  const __m256 sign = _mm256_castsi256_ps(
      _mm256_and_si256(_mm256_slli_epi32(a, 28), _mm256_set1_epi32((int)0x80000000)));
  return _mm256_or_ps(_mm256_permutevar8x32_ps(table, a), sign);
}
INLINE f32x16 f_of_e2m1(i32x16 a) { return F16(e2m1_half(a.lo), e2m1_half(a.hi)); }

/* a·(x·scale) + bias, computed in double precision and rounded once. */
INLINE __m128 scaled_quarter(__m128i a, __m256d x, __m128 scale, __m128 bias) {
  const __m256d product = _mm256_mul_pd(_mm256_cvtepi32_pd(a), _mm256_mul_pd(x, _mm256_cvtps_pd(scale)));
  return _mm256_cvtpd_ps(_mm256_add_pd(product, _mm256_cvtps_pd(bias)));
}
INLINE __m256 scaled_half(__m256i a, __m256d x, __m256 scale, __m256 bias) {
  const __m128 low = scaled_quarter(_mm256_castsi256_si128(a), x, _mm256_castps256_ps128(scale),
                                    _mm256_castps256_ps128(bias));
  const __m128 high = scaled_quarter(_mm256_extracti128_si256(a, 1), x, _mm256_extractf128_ps(scale, 1),
                                     _mm256_extractf128_ps(bias, 1));
  return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}
INLINE f32x16 f_scaled(i32x16 a, float x, f32x16 scale, f32x16 bias) {
  const __m256d wide = _mm256_set1_pd((double)x);
  return F16(scaled_half(a.lo, wide, scale.lo, bias.lo), scaled_half(a.hi, wide, scale.hi, bias.hi));
}

#endif

/* a where mask has ones, b elsewhere. */
INLINE i32x16 i_choose(i32x16 mask, i32x16 a, i32x16 b) {
  return i_xor(b, i_and(mask, i_xor(a, b)));
}
INLINE int32_t i_total(i32x16 a) {
  int32_t all[LANES], sum = 0;
  i_store(all, a);
  for (int i = 0; i < LANES; i++) {
    sum += all[i];
  }
  return sum;
}
INLINE int32_t i_largest(i32x16 a) {
  int32_t all[LANES], most = INT32_MIN;
  i_store(all, a);
  for (int i = 0; i < LANES; i++) {
    most = all[i] > most ? all[i] : most;
  }
  return most;
}

#endif
