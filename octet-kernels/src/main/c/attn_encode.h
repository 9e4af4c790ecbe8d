/*
 * A row of values as elements of a cache, code for code what BlockEncoder, ElementCodec and ZeroQuant of
 * dev.octet.kernels.attention write.
 */
#ifndef OCTET_ATTN_ENCODE_H
#define OCTET_ATTN_ENCODE_H

#include <string.h>

#include "attention.h"
#include "attn_simd.h"

/* How rows are encoded. Static scales and offsets are padded to whole vectors, scales with ones. */
typedef struct {
  int type;
  const float *divisors; /* static scales; null: every row has its own */
  const float *offsets;  /* added to quotients, with INT8 and static scales */
} encoding;

/* What belongs to a row beside its codes. */
typedef struct {
  float scale;
  int32_t zero; /* the code of 0, of INT4 */
} row_scale;

#ifdef __AVX512VNNI__

INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
INLINE vi vi_min(vi a, vi b) { return _mm512_min_epi32(a, b); }
/* yes where x < y, else no, also where either is NaN. */
INLINE vf vf_if_less(vf x, vf y, vf yes, vf no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), no, yes);
}

INLINE void store_bytes(uint8_t *to, vi x) { _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x)); }

INLINE void store_upper_halves(uint8_t *to, vi x) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(vi_shr(x, 16)));
}

INLINE void store_f16(uint8_t *to, vf x) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#else

INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
INLINE vi vi_min(vi a, vi b) { return _mm256_min_epi32(a, b); }
INLINE vf vf_if_less(vf x, vf y, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}

INLINE __m128i halves(vi x) {
  return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}

INLINE void store_bytes(uint8_t *to, vi x) {
  __m128i h = halves(vi_and(x, vi_set1(0xff)));
  _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(h, h));
}

INLINE void store_upper_halves(uint8_t *to, vi x) {
  _mm_storeu_si128((__m128i *)to, halves(vi_shr(x, 16)));
}

INLINE void store_f16(uint8_t *to, vf x) {
  _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#endif

#define MOST_FINITE 3.4028235e38f

/* Bytes a code takes while rows are encoded: codes of four bits are packed when they are stored. */
INLINE int element_bytes(int type) {
  return type == KV_F32 ? 4 : type == KV_F16 || type == KV_BF16 ? 2 : 1;
}

/* The largest code of a type with a symmetric scale. */
INLINE float top_code(int type) { return type == KV_INT8 ? 127 : type == KV_E4M3 ? 448 : 57344; }

/* max|x|, NaN for a row that holds one. n is a multiple of LANES. */
INLINE float largest_magnitude(const float *x, int n) {
  vf max = vf_zero(), nan = vf_zero();
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_abs(vf_load(x + c));
    max = vf_max(v, max);
    nan = vf_if_nan(v, v, nan);
  }
  return vf_hmax(max) + vf_hsum(nan);
}

/*
 * Codes of FP8, nearest, ties to even, no larger than the largest; NaN is 0x7f under its sign. Normal
 * numbers round by adding half a step to the bits, subnormal ones by an addition whose last place is
 * the type's smallest step.
 */
INLINE vi fp8_codes(vf x, int e4m3) {
  const int mantissa = e4m3 ? 3 : 2;
  const int bias = e4m3 ? 7 : 15;
  const int half = 1 << (22 - mantissa);
  const vf smallest_normal = vi_as_vf(vi_set1((1 - bias + 127) << 23));
  const vi magic = vi_set1((1 - bias - mantissa + 23 + 127) << 23);
  vf magnitude = vf_abs(x);
  vi bits = vi_min(vf_as_vi(magnitude), vf_as_vi(vf_set1(e4m3 ? 448 : 57344)));
  vi odd = vi_and(e4m3 ? vi_shr(bits, 20) : vi_shr(bits, 21), vi_set1(1));
  vi up = vi_add(vi_add(bits, vi_set1(half - 1)), odd);
  vi normal = vi_sub(e4m3 ? vi_shr(up, 20) : vi_shr(up, 21), vi_set1((127 - bias) << mantissa));
  vi subnormal = vi_sub(vf_as_vi(vf_add(magnitude, vi_as_vf(magic))), magic);
  vf code = vf_if_less(magnitude, smallest_normal, vi_as_vf(subnormal), vi_as_vf(normal));
  code = vf_if_nan(x, vi_as_vf(vi_set1(0x7f)), code);
  return vi_or(vf_as_vi(code), vi_and(vi_shr(vf_as_vi(x), 24), vi_set1(0x80)));
}

/* INT8 under a scale of the row: 0 for NaN, whose scale tells. */
INLINE void int8_row(const float *x, int n, float scale, uint8_t *out) {
  const vf divisor = vf_set1(scale == 0 ? 1 : scale);
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_div(vf_load(x + c), divisor);
    store_bytes(out + c, vf_round(vf_max(vf_set1(-127), vf_min(vf_set1(127), v))));
  }
}

/* INT8 under static scales; no scale would tell of what is not finite: such a row is refused. */
INLINE int32_t int8_fixed_row(const float *x, int n, const encoding *how, uint8_t *out) {
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    if (!vf_all_at_most(vf_abs(v), MOST_FINITE)) {
      return OCTET_NOT_FINITE;
    }
    v = vf_div(v, vf_load(how->divisors + c));
    v = vf_add(v, how->offsets ? vf_load(how->offsets + c) : vf_zero());
    store_bytes(out + c, vf_round(vf_max(vf_set1(-128), vf_min(vf_set1(127), v))));
  }
  return OCTET_OK;
}

/* FP8 under a scale of the row. */
INLINE void fp8_row(const float *x, int n, int e4m3, float scale, uint8_t *out) {
  if (scale == 0) {
    memset(out, 0, (size_t)n);
    return;
  }
  const vf divisor = vf_set1(scale);
  for (int c = 0; c < n; c += LANES) {
    store_bytes(out + c, fp8_codes(vf_div(vf_load(x + c), divisor), e4m3));
  }
}

/* FP8 under static scales. Saturation is for numbers: an infinity becomes NaN. */
INLINE void fp8_fixed_row(const float *x, int n, int e4m3, const float *divisors, uint8_t *out) {
  const vf nan = vf_set1(__builtin_nanf(""));
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    vf quotient = vf_div(v, vf_load(divisors + c));
    store_bytes(out + c, fp8_codes(vf_if_less(vf_abs(v), vf_set1(INFINITY), quotient, nan), e4m3));
  }
}

/* INT4, a code a byte: s = (max - min) / 15 over a range that holds 0, q = x / s + zero. */
INLINE row_scale int4_row(const float *x, int n, uint8_t *out) {
  vf max = vf_zero(), min = vf_zero(), nan = vf_zero();
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    max = vf_max(v, max);
    min = vf_max(vf_sub(vf_zero(), v), min);
    nan = vf_if_nan(v, v, nan);
  }
  const float lowest = -vf_hmax(min);
  row_scale own = {(float)(((double)vf_hmax(max) - lowest + vf_hsum(nan)) / 15), 0};
  if (!(own.scale <= MOST_FINITE) || own.scale == 0) {
    own.scale = own.scale == 0 ? 0 : __builtin_nanf("");
    memset(out, 0, (size_t)n);
    return own;
  }
  const float zero = rintf(-lowest / own.scale);
  own.zero = (int32_t)(zero > 15 ? 15 : zero);
  const vf divisor = vf_set1(own.scale);
  for (int c = 0; c < n; c += LANES) {
    vi code = vi_add(vf_round(vf_div(vf_load(x + c), divisor)), vi_set1(own.zero));
    store_bytes(out + c, vi_max(vi_set1(0), vi_min(vi_set1(15), code)));
  }
  return own;
}

/* Types that need no scale. */
INLINE void wide_row(const float *x, int n, int type, uint8_t *out) {
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    switch (type) {
      case KV_F32: vf_store((float *)(void *)(out + 4 * c), v); break;
      case KV_F16: store_f16(out + 2 * c, v); break;
      default: store_upper_halves(out + 2 * c, vf_as_vi(vf_to_bf16(v))); break;
    }
  }
}

/*
 * n values, a multiple of LANES, as elements. own: what is stored beside them, where the row has a scale of
 * its own. OCTET_NOT_FINITE: they hold what the codes cannot.
 */
INLINE int32_t encode_row(const encoding *how, const float *x, int n, uint8_t *out, row_scale *own) {
  const int type = how->type;
  if (type <= KV_BF16) {
    wide_row(x, n, type, out);
    return OCTET_OK;
  }
  if (type == KV_INT4) {
    *own = int4_row(x, n, out);
    return OCTET_OK;
  }
  if (!how->divisors) {
    own->scale = largest_magnitude(x, n) / top_code(type);
  }
  if (type == KV_INT8) {
    if (how->divisors) {
      return int8_fixed_row(x, n, how, out);
    }
    int8_row(x, n, own->scale, out);
  } else if (how->divisors) {
    fp8_fixed_row(x, n, type == KV_E4M3, how->divisors, out);
  } else if (type == KV_E4M3) {
    fp8_row(x, n, 1, own->scale, out);
  } else {
    fp8_row(x, n, 0, own->scale, out);
  }
  return OCTET_OK;
}

#endif
