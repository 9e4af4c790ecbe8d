/*
 * Queries as their keys need them: rotated where keys are, with static key scales folded in, rounded
 * to what is multiplied. Orders of additions are those of dev.octet.kernels.attention.Rotation, so
 * the codes are the same as every provider's.
 */
#include "attn_tile.h"
#include <float.h>
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

/* A block of so many vectors, from one place to another: pairs within each first, then whole ones. */
INLINE void rotate_vectors(int vectors, const float *from, float *to, const float *signs, vf norm) {
  vf v[MOST_VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < vectors; i++) {
    v[i] = vf_mul(vf_load(from + i * LANES), vf_load(signs + i * LANES));
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
    vf_store(to + i * LANES, vf_mul(v[i], norm));
  }
}

/* from M into x. */
static void rotate(const float *from, float *x, const float *signs, int dim, int block) {
  float norm = (float)(1 / sqrt((double)block));
  if (block < LANES || block > MOST_VECTORS * LANES) {
    memmove(x, from, 4 * (size_t)dim);
    rotate_in_memory(x, signs, dim, block, norm);
    return;
  }
  for (int c = 0; c < dim; c += block) {
    switch (block / LANES) {
      case 1: rotate_vectors(1, from + c, x + c, signs + c, vf_set1(norm)); break;
      case 2: rotate_vectors(2, from + c, x + c, signs + c, vf_set1(norm)); break;
      case 4: rotate_vectors(4, from + c, x + c, signs + c, vf_set1(norm)); break;
      case 8: rotate_vectors(8, from + c, x + c, signs + c, vf_set1(norm)); break;
      default: rotate_vectors(16, from + c, x + c, signs + c, vf_set1(norm)); break;
    }
  }
}

void octet_rotate(float *x, const float *signs, int dim, int block) { rotate(x, x, signs, dim, block); }

/* The scale of a row, NaN if it holds a NaN or an infinity. n is a multiple of LANES. */
static float scale_of(const float *x, int n) {
  /* Without their signs numbers are in the order of their bits, and what is none comes last. */
  vi most = vi_set1(0), magnitude = vi_set1(0x7fffffff);
  for (int c = 0; c < n; c += LANES) {
    most = vi_max(most, vi_and(vf_as_vi(vf_load(x + c)), magnitude));
  }
  vf top = vi_as_vf(most);
  return vf_all_at_most(top, FLT_MAX) ? vf_hmax(top) / 127 : NAN;
}

/* Codes as words, and the bias that makes up for keys being 128 more. */
static int32_t quantize(const float *x, int n, float scale, int32_t *out) {
  vi sum = vi_set1(0);
  vf divisor = vf_set1(scale == 0 ? 1 : scale);
  for (int c = 0; c < n; c += LANES) {
    vf v = vf_div(vf_load(x + c), divisor);
    v = vf_max(vf_set1(-127), vf_min(vf_set1(127), v));
    vi code = vf_round(v);
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
  return -128 * _mm512_reduce_add_epi32(sum);
#else
  (void)sum;
  return 0;
#endif
}

#ifdef __AVX512VNNI__

/* A reciprocal has full precision from here on, and quotients are at most 127. */
#define LEAST_SCALE 1e-30f

/* What the product with a reciprocal may be off is far less than 1/2 less this. */
#define SURELY 0.4999f

/*
 * The same for whole lines. Division takes most of the time, so x is multiplied with 1 / scale, unless that
 * leaves in doubt how a quotient is rounded.
 */
static int32_t quantize_lines(const float *x, int n, float scale, int32_t *out) {
  vf inverse = vf_set1(1 / scale), off = vf_zero();
  vi sum = vi_set1(0), order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int c = 0; c < n; c += 64) {
    vi code[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      vf v = vf_mul(vf_load(x + c + i * LANES), inverse);
      code[i] = vf_round(v);
      off = _mm512_range_ps(off, _mm512_reduce_ps(v, 0x08), 0x0b); /* the larger magnitude */
    }
    vi pairs = _mm512_packs_epi16(_mm512_packs_epi32(code[0], code[1]), _mm512_packs_epi32(code[2], code[3]));
    vi line = _mm512_permutexvar_epi32(order, pairs);
    sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), line);
    vi_store((int8_t *)out + c, line);
  }
  return vf_all_at_most(off, SURELY) ? -128 * _mm512_reduce_add_epi32(sum) : quantize(x, n, scale, out);
}

#else
#define LEAST_SCALE INFINITY
#define quantize_lines quantize
#endif

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

/* A query turned as keys are: as it is, or in row. */
static const float *turn(const octet_attention *call, int head, const float *q, float *row, query *made) {
  int dim = call->key_dim;
  int width = round_up(dim, LANES);
  *made = (query){.factor = 1, .bias = 0, .shift = 0};
  if (width > dim) {
    memcpy(row, q, 4 * (size_t)dim);
    memset(row + dim, 0, 4 * (size_t)(width - dim));
    q = row;
  }
  if (call->signs) {
    const float *mean = call->mean + (ptrdiff_t)head * dim;
    made->shift = call->lse ? mean_product(q, mean, dim) * call->scale : 0;
    rotate(q, row, call->signs, dim, call->hadamard);
    q = row;
  }
  return q;
}

/* Steps of several queries side by side: each of one waits for the one before. */
void octet_queries(
    const octet_attention *call, const plan *how, int head, int count, const float *const *q, int32_t *out,
    ptrdiff_t stride, float *rows, query *made) {
  int width = round_up(call->key_dim, LANES);
  const float *turned[LANES];
  for (int i = 0; i < count; i++) {
    turned[i] = turn(call, head, q[i], rows + (ptrdiff_t)i * width, made + i);
  }
  if (how->scores_in != IN_INT8) {
    for (int i = 0; i < count; i++) {
      narrow(how, turned[i], width, out + i * stride);
    }
  } else {
    for (int i = 0; i < count; i++) {
      if (call->key_scales) {
        float *row = rows + (ptrdiff_t)i * width;
        for (int c = 0; c < call->key_dim; c++) {
          row[c] = turned[i][c] * call->key_scales[(ptrdiff_t)head * call->key_dim + c];
        }
        turned[i] = row;
      }
      made[i].factor = scale_of(turned[i], width);
    }
    for (int i = 0; i < count; i++) {
      float scale = made[i].factor;
      int quick = scale >= LEAST_SCALE && width % 64 == 0;
      made[i].bias = quick ? quantize_lines(turned[i], width, scale, out + i * stride)
                           : quantize(turned[i], width, scale, out + i * stride);
    }
  }
  for (int i = 0; i < count; i++) {
    made[i].factor = (float)(made[i].factor * (double)call->scale * LOG2_E);
  }
}
