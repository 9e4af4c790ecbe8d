/*
 * Queries as their keys need them: rotated where keys are, with static key scales folded in, rounded
 * to what is multiplied. Orders of additions are those of dev.octet.kernels.attention.Rotation, so
 * the codes are the same as every provider's.
 */
#include "attn_tile.h"
#include <string.h>

#define LOG2_E 1.4426950408889634

static double mean_product(const float *q, const float *mean, int n) {
  enum { CHAINS = 16 };
  double sum[CHAINS] = {0}, total = 0;
  int c = 0;
  for (; c + CHAINS <= n; c += CHAINS) {
    for (int i = 0; i < CHAINS; i++) {
      sum[i] += (double)q[c + i] * mean[c + i];
    }
  }
  for (; c < n; c++) {
    sum[0] += (double)q[c] * mean[c];
  }
  for (int i = 0; i < CHAINS; i++) {
    total += sum[i];
  }
  return total;
}

static void butterflies(float *restrict a, float *restrict b, int n) {
  for (int i = 0; i < n; i++) {
    float x = a[i], y = b[i];
    a[i] = x + y;
    b[i] = x - y;
  }
}

/* Blocks of fewer channels than a vector has lanes, or of more than fit into registers. */
static void rotate_in_memory(float *x, const float *signs, int dim, int block, float norm) {
  for (int c = 0; c < dim; c++) {
    x[c] *= signs[c];
  }
  for (int half = 1; half < block; half *= 2) {
    for (int base = 0; base < dim; base += 2 * half) {
      butterflies(x + base, x + base + half, half);
    }
  }
  for (int c = 0; c < dim; c++) {
    x[c] *= norm;
  }
}

enum { MOST_VECTORS = 16 };

/* A block of so many vectors: pairs within each first, then whole ones. */
INLINE void rotate_vectors(int vectors, float *x, const float *signs, vf norm) {
  vf v[MOST_VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < vectors; i++) {
    v[i] = vf_mul(vf_load(x + i * LANES), vf_load(signs + i * LANES));
#pragma GCC unroll 4
    for (int half = 1; half < LANES; half *= 2) {
      v[i] = vf_butterfly(v[i], half);
    }
  }
#pragma GCC unroll 4
  for (int half = 1; half < vectors; half *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < vectors; i++) {
      if ((i & half) == 0) {
        vf a = v[i], b = v[i + half];
        v[i] = vf_add(a, b);
        v[i + half] = vf_sub(a, b);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < vectors; i++) {
    vf_store(x + i * LANES, vf_mul(v[i], norm));
  }
}

void octet_rotate(float *x, const float *signs, int dim, int block) {
  float norm = (float)(1 / sqrt((double)block));
  if (block < LANES || block > MOST_VECTORS * LANES) {
    rotate_in_memory(x, signs, dim, block, norm);
    return;
  }
  for (int c = 0; c < dim; c += block) {
    switch (block / LANES) {
      case 1: rotate_vectors(1, x + c, signs + c, vf_set1(norm)); break;
      case 2: rotate_vectors(2, x + c, signs + c, vf_set1(norm)); break;
      case 4: rotate_vectors(4, x + c, signs + c, vf_set1(norm)); break;
      case 8: rotate_vectors(8, x + c, signs + c, vf_set1(norm)); break;
      default: rotate_vectors(16, x + c, signs + c, vf_set1(norm)); break;
    }
  }
}

/* The scale of a row, NaN if it holds a NaN or an infinity. n is a multiple of LANES. */
static float scale_of(const float *x, int n) {
  vf max = vf_zero(), nan = vf_zero();
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_load(x + c);
    max = vf_max(vf_abs(v), max);
    nan = vf_if_nan(v, v, nan);
  }
  float scale = (vf_hmax(max) + vf_hsum(nan)) / 127;
  return isinf(scale) ? NAN : scale;
}

/* What a product with a reciprocal may be off, where quotients are below 128, is far less than 1/2 less this. */
#define SURELY 0.4999f

/*
 * Codes as words, and the bias that makes up for keys being 128 more. Dividing takes most of the
 * time, so x is multiplied by 1 / scale, unless that leaves in doubt how a quotient is rounded.
 */
INLINE int quantize_by(int divide, const float *x, int n, float scale, int32_t *out, int32_t *bias) {
  vi sum = vi_set1(0);
  int sure = 1;
  vf divisor = vf_set1(scale == 0 ? 1 : scale);
  vf inverse = vf_div(vf_set1(1), divisor);
  for (int c = 0; c < n; c += LANES) {
    vf v = divide ? vf_div(vf_load(x + c), divisor) : vf_mul(vf_load(x + c), inverse);
    v = vf_max(vf_set1(-127), vf_min(vf_set1(127), v));
    vi code = vf_round(v);
    if (!divide) {
      sure &= vf_all_at_most(vf_abs(vf_sub(v, vi_float(code))), SURELY); /* of a NaN nothing is */
    }
    sum = vi_add(sum, code);
#ifdef __AVX512VNNI__
    _mm_storeu_si128((__m128i *)((int8_t *)out + c), _mm512_cvtepi32_epi8(code));
#else
    _mm_storeu_si128(
        (__m128i *)((int16_t *)out + c),
        _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1)));
#endif
  }
#ifdef __AVX512VNNI__
  *bias = -128 * _mm512_reduce_add_epi32(sum);
#else
  *bias = 0;
#endif
  return sure;
}

static int32_t quantize(const float *x, int n, float scale, int32_t *out) {
  int32_t bias;
  if (!quantize_by(0, x, n, scale, out, &bias)) {
    quantize_by(1, x, n, scale, out, &bias);
  }
  return bias;
}

static void narrow(const plan *how, const float *x, int n, int32_t *out) {
  for (int c = 0; c < n; c += LANES) {
#ifdef __AVX512VNNI__
    if (how->scores_in == IN_BF16) {
      __m256i halves = (__m256i)_mm512_cvtneps_pbh(vf_load(x + c));
      _mm256_storeu_si256((__m256i *)((uint16_t *)out + c), halves);
      continue;
    }
#endif
    vf v = vf_load(x + c);
    vf_store((float *)out + c, how->round_keys ? vf_to_bf16(v) : v);
  }
}

query octet_query(
    const octet_attention *call, const plan *how, int head, const float *q, int32_t *out,
    float *row) {
  int dim = call->key_dim;
  int width = round_up(dim, LANES);
  query result = {.factor = 1, .bias = 0, .shift = 0};
  memcpy(row, q, 4 * (size_t)dim);
  memset(row + dim, 0, 4 * (size_t)(width - dim));
  if (call->signs) {
    const float *mean = call->mean + (ptrdiff_t)head * dim;
    result.shift = call->lse ? mean_product(row, mean, dim) * call->scale : 0;
    octet_rotate(row, call->signs, dim, call->hadamard);
  }
  if (how->scores_in == IN_INT8) {
    if (call->key_scales) {
      for (int c = 0; c < dim; c++) {
        row[c] *= call->key_scales[(ptrdiff_t)head * dim + c];
      }
    }
    result.factor = scale_of(row, width);
    result.bias = quantize(row, width, result.factor, out);
  } else {
    narrow(how, row, width, out);
  }
  result.factor = (float)(result.factor * (double)call->scale * LOG2_E);
  return result;
}
