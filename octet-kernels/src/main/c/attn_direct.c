/*
 * The products of few rows with INT8 tiles as they are stored: their rows are interleaved in
 * registers, on their way to the dot products of up to four queries. Decoding reads every tile once,
 * so writing the words down first would cost as much as multiplying them.
 */
#include "attn_bytes.h"
#include "attn_tile.h"

int octet_direct(const octet_attention *call, const plan *how) {
#ifdef __AVX512VNNI__
  return how->scores_in == IN_INT8 && how->values_in == IN_INT8 && call->key_dim % 4 == 0
      && call->value_dim % 64 == 0;
#else
  return how->scores_in == IN_INT8 && how->values_in == IN_INT8 && call->key_dim % 2 == 0
      && call->value_dim % 16 == 0;
#endif
}

enum { AT_ONCE = 4 };

#ifdef __AVX512VNNI__

/* Words of 64 columns of four rows; asks for the four lines from `ahead` on. */
INLINE void words_of(const int8_t *at, ptrdiff_t stride, const uint8_t *ahead, int unsign, __m512i words[4]) {
  __m512i r[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    _mm_prefetch((const char *)ahead + i * 64, _MM_HINT_T0);
    r[i] = _mm512_loadu_si512(at + i * stride);
    if (unsign) {
      r[i] = _mm512_xor_si512(r[i], _mm512_set1_epi8((char)0x80));
    }
    r[i] = spread(r[i]);
  }
  interleave(r, words);
}

INLINE void scores_of_rows(int rows, const direct *d, const int32_t *queries, const scores *to, int first) {
  vi sum[AT_ONCE][4];
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      sum[r][v] = vi_set1(to->bias[first + r]);
    }
  }
  int steps = d->rows / 4;
  queries += (ptrdiff_t)first * steps;
  const uint8_t *ahead = d->ahead;
  for (int k = 0; k < steps; k++) {
    __m512i keys[4];
    words_of(d->at + (ptrdiff_t)k * 4 * KEY_TILE, KEY_TILE, ahead + k * 256, 1, keys);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      vi q = vi_set1(queries[r * steps + k]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], keys[v], q);
        KEEP(sum[r][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++) {
    vf own = vf_set1(to->row[first + r]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      vf x = vf_mul(vf_mul(vi_float(sum[r][v]), own), vf_load(to->column + v * LANES));
      vf_store(to->x + (first + r) * to->stride + v * LANES, x);
    }
  }
}

INLINE void outputs_of_rows(int rows, const direct *d, const int32_t *p, const outputs *to, int first) {
  enum { STEPS = KEY_TILE / 4 };
  p += (ptrdiff_t)first * STEPS;
  const uint8_t *ahead = d->ahead;
  for (int c = 0; c < d->columns; c += 64) {
    vi sum[AT_ONCE][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        sum[r][v] = vi_set1(0);
      }
    }
    for (int k = 0; k < words(d->rows, IN_INT8); k++, ahead += 256) {
      __m512i values[4];
      words_of(d->at + (ptrdiff_t)k * 4 * d->columns + c, d->columns, ahead, 0, values);
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) {
        vi own = vi_set1(p[r * STEPS + k]);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
          sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], own, values[v]);
          KEEP(sum[r][v]);
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      vf alpha = vf_set1(to->alpha[first + r]), beta = vf_set1(to->beta[first + r]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        float *o = to->o + (first + r) * to->stride + c + v * LANES;
        vf_store(o, vf_fma(vi_float(sum[r][v]), beta, vf_mul(vf_load(o), alpha)));
      }
    }
  }
}

#else

/* Words of 16 columns of two rows; asks for the line at `ahead`. */
INLINE void words_of(const int8_t *at, ptrdiff_t stride, const uint8_t *ahead, vi words[2]) {
  _mm_prefetch((const char *)ahead, _MM_HINT_T0);
  __m128i even = _mm_loadu_si128((const __m128i *)at);
  __m128i odd = _mm_loadu_si128((const __m128i *)(at + stride));
  words[0] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(even, odd));
  words[1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(even, odd));
}

/* Sums of 16 columns of a tile for some rows of an operand, the first `steps` words of each. */
INLINE void sums_of(
    int rows, const int8_t *at, ptrdiff_t stride, const uint8_t *ahead, const int32_t *left, int left_stride,
    int steps, vi sum[AT_ONCE][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++) {
    sum[r][0] = vi_set1(0);
    sum[r][1] = vi_set1(0);
  }
  for (int k = 0; k < steps; k++, ahead += 32) {
    vi right[2];
    words_of(at + 2 * k * stride, stride, ahead, right);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      vi own = vi_set1(left[r * left_stride + k]);
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        sum[r][v] = dot(DOT_INT_LEFT, sum[r][v], own, right[v]);
        KEEP(sum[r][v]);
      }
    }
  }
}

INLINE void scores_of_rows(int rows, const direct *d, const int32_t *queries, const scores *to, int first) {
  int steps = d->rows / 2;
  const uint8_t *ahead = d->ahead;
  for (int c = 0; c < KEY_TILE; c += 2 * LANES, ahead += 32 * steps) {
    vi sum[AT_ONCE][2];
    sums_of(rows, d->at + c, KEY_TILE, ahead, queries + (ptrdiff_t)first * steps, steps, steps, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      vf own = vf_set1(to->row[first + r]);
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        int at = c + v * LANES;
        vf x = vf_mul(vf_mul(vi_float(sum[r][v]), own), vf_load(to->column + at));
        vf_store(to->x + (first + r) * to->stride + at, x);
      }
    }
  }
}

INLINE void outputs_of_rows(int rows, const direct *d, const int32_t *p, const outputs *to, int first) {
  enum { STEPS = KEY_TILE / 2 };
  const uint8_t *ahead = d->ahead;
  int steps = words(d->rows, IN_INT8);
  for (int c = 0; c < d->columns; c += 2 * LANES, ahead += 32 * steps) {
    vi sum[AT_ONCE][2];
    sums_of(rows, d->at + c, d->columns, ahead, p + (ptrdiff_t)first * STEPS, STEPS, steps, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      vf alpha = vf_set1(to->alpha[first + r]), beta = vf_set1(to->beta[first + r]);
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        float *o = to->o + (first + r) * to->stride + c + v * LANES;
        vf_store(o, vf_fma(vi_float(sum[r][v]), beta, vf_mul(vf_load(o), alpha)));
      }
    }
  }
}

#endif

#define BY_FOUR(ROWS_OF, rows, operand)                \
  for (int r = 0; r < (rows); r += AT_ONCE) {          \
    switch ((rows) - r) {                              \
      case 1: ROWS_OF(1, d, operand, to, r); break;    \
      case 2: ROWS_OF(2, d, operand, to, r); break;    \
      case 3: ROWS_OF(3, d, operand, to, r); break;    \
      default: ROWS_OF(4, d, operand, to, r); break;   \
    }                                                  \
  }

void octet_scores_direct(const direct *d, const int32_t *queries, const scores *to, int rows) {
  BY_FOUR(scores_of_rows, rows, queries)
}

void octet_outputs_direct(const direct *d, const int32_t *p, const outputs *to, int rows) {
  BY_FOUR(outputs_of_rows, rows, p)
}
