/*
 * The two products of attention on one tile. All operands are words of 32 bits that hold four INT8,
 * two INT16, two BF16 or one F32 of neighbouring k: the left one is broadcast word by word, the
 * right one loaded a vector at a time. Inlined with constant forms, so that nothing is decided
 * inside.
 */
#ifndef OCTET_ATTN_GEMM_H
#define OCTET_ATTN_GEMM_H

#include "attn_simd.h"
#include <stddef.h>

/* How two words are multiplied. LEFT and RIGHT: which operand of INT8 is unsigned. */
enum { DOT_F32, DOT_BF16, DOT_INT_LEFT, DOT_INT_RIGHT };

/* Values of k in a word. */
#ifdef __AVX512VNNI__
#define INT_GROUP 4
#else
#define INT_GROUP 2 /* INT16 pairs: VPMADDUBSW would saturate */
#endif

/* C[row][column] = sum over k of A[row][k] B[k][column]. */
typedef struct {
  const int32_t *a;
  ptrdiff_t a_row;
  ptrdiff_t a_step;
  const int32_t *b;
  ptrdiff_t b_step;
  int steps;
} product;

INLINE vi dot(int form, vi sum, vi a, vi b) {
#ifdef __AVX512VNNI__
  switch (form) {
    case DOT_INT_LEFT: return _mm512_dpbusd_epi32(sum, a, b);
    case DOT_INT_RIGHT: return _mm512_dpbusd_epi32(sum, b, a);
    case DOT_BF16:
      return vf_as_vi(_mm512_dpbf16_ps(vi_as_vf(sum), (__m512bh)a, (__m512bh)b));
    default: return vf_as_vi(vf_fma(vi_as_vf(a), vi_as_vf(b), vi_as_vf(sum)));
  }
#else
  if (form == DOT_F32) {
    return vf_as_vi(vf_fma(vi_as_vf(a), vi_as_vf(b), vi_as_vf(sum)));
  }
  return vi_add(sum, _mm256_madd_epi16(a, b));
#endif
}

/* Keeps a sum in the register it is in: gcc 12 otherwise copies some to and fro, through memory too. */
#define KEEP(sum) __asm__("" : "+v"(sum))

/* rows x vectors of the product from (row, column) on, added to registers. */
INLINE void multiply_on(
    int form, int rows, int vectors, const product *p, int row, int column, vi sum[8][4]) {
  const int32_t *a = p->a + row * p->a_row;
  const int32_t *b = p->b + column;
  for (int k = 0; k < p->steps; k++) {
    vi right[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      right[v] = vi_load(b + v * LANES);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
      vi left = vi_set1(a[r * p->a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        sum[r][v] = dot(form, sum[r][v], left, right[v]);
        KEEP(sum[r][v]);
      }
    }
    a += p->a_step;
    b += p->b_step;
  }
}

/* The same from zero. */
INLINE void multiply(
    int form, int rows, int vectors, const product *p, int row, int column, vi sum[8][4]) {
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      sum[r][v] = vi_set1(0);
    }
  }
  multiply_on(form, rows, vectors, p, row, column, sum);
}

/* Where scores go: x = (sum + bias) * row factor * column factor. */
typedef struct {
  float *x;
  ptrdiff_t stride;
  const float *row;
  const float *column;
  const int32_t *bias; /* of each query */
} scores;

/* rows x vectors of sums that lie where the scores go. */
INLINE void load_sums(int rows, int vectors, const scores *to, int row, int column, vi sum[8][4]) {
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      sum[r][v] = vi_load(to->x + (row + r) * to->stride + column + v * LANES);
    }
  }
}

/* Where outputs go: o = alpha * o + beta * sum, with a query's alpha and beta. */
typedef struct {
  float *o;
  ptrdiff_t stride;
  const float *alpha; /* or null: 1 */
  const float *beta;
} outputs;

/* queries_down: queries are the rows of the product, else its columns. */
INLINE void multiply_scores(
    int form, int queries_down, int rows, int vectors, const product *p, const scores *to, int row,
    int column) {
  vi sum[8][4];
  multiply(form, rows, vectors, p, row, column, sum);
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
    vf own = vf_set1(to->row[row + r]);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      int at = column + v * LANES;
      vf x;
      if (form == DOT_INT_LEFT || form == DOT_INT_RIGHT) {
        vi bias = queries_down ? vi_set1(to->bias[row + r]) : vi_load(to->bias + at);
        x = vi_float(vi_add(sum[r][v], bias));
      } else {
        x = vi_as_vf(sum[r][v]);
      }
      x = vf_mul(vf_mul(x, own), vf_load(to->column + at));
      vf_store(to->x + (row + r) * to->stride + at, x);
    }
  }
}

INLINE void multiply_outputs(
    int form, int queries_down, int rescale, int rows, int vectors, const product *p, const outputs *to, int row,
    int column) {
  vi sum[8][4];
  multiply(form, rows, vectors, p, row, column, sum);
  int integer = form == DOT_INT_LEFT || form == DOT_INT_RIGHT;
  ptrdiff_t stride = to->stride;
  float *out = to->o + row * stride + column;
  const float *alpha = rescale ? to->alpha + (queries_down ? row : column) : NULL;
  const float *beta = to->beta + (queries_down ? row : column);
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      float *o = out + r * stride + v * LANES;
      vf old = vf_load(o);
      if (rescale) {
        old = vf_mul(old, queries_down ? vf_set1(alpha[r]) : vf_load(alpha + v * LANES));
      }
      if (integer) {
        vf scale = queries_down ? vf_set1(beta[r]) : vf_load(beta + v * LANES);
        vf_store(o, vf_fma(vi_float(sum[r][v]), scale, old));
      } else {
        vf_store(o, vf_add(old, vi_as_vf(sum[r][v])));
      }
    }
  }
}

/* Bands of R rows, in panels of V vectors, then of one. */
#define BAND(PANEL, R, V, rows, columns)                              \
  for (; row + (R) <= (rows); row += (R)) {                           \
    int column = 0;                                                   \
    for (; column + (V) * LANES <= (columns); column += (V) * LANES) { \
      PANEL(R, V);                                                    \
    }                                                                 \
    for (; column < (columns); column += LANES) {                     \
      PANEL(R, 1);                                                    \
    }                                                                 \
  }

/* All of a product: as many sums at once as there are registers for. */
#ifdef __AVX512VNNI__
#define COVER(PANEL, rows, columns)      \
  do {                                   \
    int row = 0;                         \
    BAND(PANEL, 8, 2, rows, columns)     \
    BAND(PANEL, 4, 4, rows, columns)     \
    BAND(PANEL, 2, 4, rows, columns)     \
    BAND(PANEL, 1, 4, rows, columns)     \
  } while (0)
#else
#define COVER(PANEL, rows, columns)      \
  do {                                   \
    int row = 0;                         \
    BAND(PANEL, 4, 2, rows, columns)     \
    BAND(PANEL, 2, 4, rows, columns)     \
    BAND(PANEL, 1, 4, rows, columns)     \
  } while (0)
#endif

/* columns is a multiple of LANES in both. */
INLINE void scores_of(
    int form, int queries_down, const product *p, const scores *to, int rows, int columns) {
#define PANEL(R, V) multiply_scores(form, queries_down, R, V, p, to, row, column)
  COVER(PANEL, rows, columns);
#undef PANEL
}

INLINE void outputs_of(
    int form, int queries_down, int rescale, const product *p, const outputs *to, int rows, int columns) {
#define PANEL(R, V) multiply_outputs(form, queries_down, rescale, R, V, p, to, row, column)
  COVER(PANEL, rows, columns);
#undef PANEL
}

#endif
