/*
 * The fast step of the softmax in INT8 (dev.octet.kernels.attention.FastStep): where the scales c of a
 * tile's values are much alike, codes of c P are relative to max c, P being 1 at a query's own largest
 * score in the tile. So scores need no more than one product and a maximum while they are in
 * registers, and a second pass makes P, by a polynomial of degree 2, and its codes at once: no P is
 * stored and read again, no largest c P looked for.
 */
#include "attn_tile.h"
#include <float.h>

/* dev.octet.kernels.attention.FastStep */
#define MOST_SPREAD 4.0f

/* 2^23: a number below it added to it is rounded into its low bits. */
#define CODE_MAGIC 8388608.0f

/* A query's maximum is raised once a score exceeds it by so much: 2^16 keeps sums far from the end. */
#define RAISE_BY 16.0f

#ifdef __AVX512VNNI__
enum { BAND_ROWS = 8 };
#else
enum { BAND_ROWS = 4 };
#endif

float octet_fast_bound(const float *key_scale, const float *value_scale, float *weight) {
  vf least = vf_set1(INFINITY), most = vf_zero(), odd = vf_zero();
  for (int j = 0; j < KEY_TILE; j += LANES) {
    vf k = vf_load(key_scale + j), c = vf_load(value_scale + j);
    least = vf_min(c, least);
    most = vf_max(c, most);
    odd = vf_add(odd, vf_add(vf_sub(c, c), vf_sub(k, k))); /* 0, or NaN for what is no number */
  }
  float low = -vf_hmax(vf_sub(vf_zero(), least)), top = vf_hmax(most);
  if (vf_hsum(odd) != 0 || low < SMALLEST_TOP || top > MOST_SPREAD * low) {
    return 0;
  }
  vf unit = vf_set1(255 / top);
  for (int j = 0; j < KEY_TILE; j += LANES) {
    vf_store(weight + j, vf_mul(vf_load(value_scale + j), unit));
  }
  return top;
}

/* With INT16 there is no bias, and no register for it. */
INLINE void begin_sums(int vectors, const vi bias[2], vi sum[8][4]) {
#pragma GCC unroll 8
  for (int r = 0; r < BAND_ROWS; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      sum[r][v] = INT_GROUP == 4 ? bias[v] : vi_set1(0);
    }
  }
}

/* Scores of some columns without the queries' factors, and the largest of each column. */
INLINE void panel_of_scores(int given, int vectors, const product *kq, const scores *to, int column, vf most[2]) {
  vi bias[2];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    bias[v] = vi_load(to->bias + column + v * LANES);
    most[v] = vf_set1(-INFINITY);
  }
  for (int row = 0; row < KEY_TILE; row += BAND_ROWS) {
    vi sum[8][4];
    if (given) {
      load_sums(BAND_ROWS, vectors, to, row, column, sum);
    } else {
      begin_sums(vectors, bias, sum);
      multiply_on(DOT_INT_LEFT, BAND_ROWS, vectors, kq, row, column, sum);
    }
#pragma GCC unroll 8
    for (int r = 0; r < BAND_ROWS; r++) {
      vf scale = vf_set1(to->row[row + r]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        vf y = vf_mul(vi_float(sum[r][v]), scale);
        most[v] = vf_max(y, most[v]);
        vf_store(to->x + (row + r) * to->stride + column + v * LANES, y);
      }
    }
  }
}

/* Codes of some columns, INT_GROUP keys a word; adds their P to sum. */
INLINE void panel_of_codes(
    int vectors, const scores *to, int32_t *p, const float *weight, int column, const vf factor[2],
    const vf top[2], vf sum[2]) {
  vf magic = vf_set1(CODE_MAGIC);
  for (int j = 0; j < KEY_TILE; j += INT_GROUP) {
    vi word[2];
#pragma GCC unroll 4
    for (int i = 0; i < INT_GROUP; i++) {
      vf w = vf_set1(weight[j + i]);
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        vf y = vf_load(to->x + (j + i) * to->stride + column + v * LANES);
        vf one = vf_exp2_coarse(vf_fms(y, factor[v], top[v]));
        sum[v] = vf_add(sum[v], one);
        vi code = vf_as_vi(vf_fma(one, w, magic));
        /* Only the first keeps the bits of the magic number above its code. */
        word[v] = i == 0 ? vi_xor(code, vf_as_vi(magic)) : vi_xor(word[v], vi_shl(code, 32 / INT_GROUP * i));
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      vi_store(p + j / INT_GROUP * to->stride + column + v * LANES, word[v]);
    }
  }
}

/* Scores of some columns and, into beta, their largest; 0 if one is no number. */
INLINE int begin_panel(int vectors, const product *kq, const scores *to, const state *s, int column) {
  vf most[2];
  int all = 1;
  if (HAS_TILES && !kq) {
    panel_of_scores(1, vectors, kq, to, column, most);
  } else {
    panel_of_scores(0, vectors, kq, to, column, most);
  }
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    int at = column + v * LANES;
    vf top = vf_mul(most[v], vf_load(to->column + at));
    all &= vf_all_at_most(vf_abs(top), FLT_MAX);
    vf_store(s->beta + at, top);
  }
  return all;
}

/* The rest of the step; whether a maximum was raised. */
INLINE int end_panel(
    int vectors, const scores *to, int32_t *p, const float *weight, float bound, const state *s, int column) {
  vf factor[2], top[2], sum[2];
  int raised = 0;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    factor[v] = vf_load(to->column + column + v * LANES);
    top[v] = vf_load(s->beta + column + v * LANES);
    sum[v] = vf_zero();
  }
  panel_of_codes(vectors, to, p, weight, column, factor, top, sum);
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    int at = column + v * LANES;
    vf old = vf_load(s->max + at), max = old, alpha = vf_set1(1);
    if (!vf_all_at_most(vf_sub(top[v], old), RAISE_BY)) {
      max = vf_max(old, top[v]);
      alpha = vf_exp2(vf_sub(old, max));
      raised = 1;
      vf_store(s->max + at, max);
    }
    vf own = vf_exp2(vf_sub(top[v], max));
    vf_store(s->sum + at, vf_fma(alpha, vf_load(s->sum + at), vf_mul(own, sum[v])));
    vf_store(s->alpha + at, alpha);
    vf_store(s->beta + at, vf_mul(own, vf_set1(bound / 255)));
  }
  return raised;
}

int octet_step_fast(
    const product *kq, const scores *to, int32_t *p, int columns, const float *weight, float bound,
    const state *s) {
  int all = 1, raised = 0, pairs = columns / (2 * LANES) * 2 * LANES;
  for (int column = 0; column < pairs; column += 2 * LANES) {
    all &= begin_panel(2, kq, to, s, column);
  }
  for (int column = pairs; column < columns; column += LANES) {
    all &= begin_panel(1, kq, to, s, column);
  }
  if (!all) {
    return STEP_NOT;
  }
  for (int column = 0; column < pairs; column += 2 * LANES) {
    raised |= end_panel(2, to, p, weight, bound, s, column);
  }
  for (int column = pairs; column < columns; column += LANES) {
    raised |= end_panel(1, to, p, weight, bound, s, column);
  }
  return raised ? STEP_RAISED : STEP_KEPT;
}
