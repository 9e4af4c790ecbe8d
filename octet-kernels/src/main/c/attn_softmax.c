/*
 * One step of the online softmax on a tile. x becomes P = 2^(x - m) under the raised maximum m; the
 * row sum takes P as it is. INT8: the values' token scales c are folded in, and P's unsigned codes
 * are c P relative to the tile's largest one, 255 c P / max(c P): the exact tau of the tile, without
 * a logarithm. Neither an attention sink nor small values lose them.
 */
#include "attn_tile.h"

/* What a raised maximum means for what is there; the maximum to subtract is finite or NaN. */
INLINE vf raise(vf old, vf top, vf *alpha) {
  vf raised = vf_max(top, old); /* of a NaN in top, the scores themselves tell */
  vf finite = vf_if_equal(raised, vf_set1(-INFINITY), vf_zero(), raised);
  *alpha = vf_exp2(vf_sub(old, finite));
  return raised;
}

INLINE vf safe(vf max) { return vf_if_equal(max, vf_set1(-INFINITY), vf_zero(), max); }

/* c P, 0 for what is unseen (x is -inf) even if its c is NaN; collects NaN of what is seen. */
INLINE vf fold(vf x, vf p, vf c, int careful, vf *nan) {
  vf f = vf_mul(p, c);
  if (careful) {
    f = vf_if_equal(x, vf_set1(-INFINITY), vf_zero(), f);
    *nan = vf_if_nan(f, f, *nan);
  }
  return f;
}

INLINE vf maximum_down(const float *x, int stride, int keys) {
  vf m0 = vf_load(x), m1 = vf_load(x + stride);
  vf m2 = vf_load(x + 2 * stride), m3 = vf_load(x + 3 * stride);
  for (int j = 4; j < keys; j += 4) {
    const float *at = x + j * stride;
    m0 = vf_max(vf_load(at), m0);
    m1 = vf_max(vf_load(at + stride), m1);
    m2 = vf_max(vf_load(at + 2 * stride), m2);
    m3 = vf_max(vf_load(at + 3 * stride), m3);
  }
  return vf_max(vf_max(m0, m1), vf_max(m2, m3));
}

/* Codes of INT_GROUP keys as one word a lane. */
INLINE vi code_word(const float *f, int stride, vf inverse) {
  vi word = vf_round(vf_mul(vf_load(f), inverse));
  word = vi_or(word, vi_shl(vf_round(vf_mul(vf_load(f + stride), inverse)), 32 / INT_GROUP));
#if INT_GROUP == 4
  word = vi_or(word, vi_shl(vf_round(vf_mul(vf_load(f + 2 * stride), inverse)), 16));
  word = vi_or(word, vi_shl(vf_round(vf_mul(vf_load(f + 3 * stride), inverse)), 24));
#endif
  return word;
}

INLINE vf minimum_down(const float *x, int stride) {
  vf m = vf_load(x);
  for (int j = 1; j < KEY_TILE; j++) {
    m = vf_min(vf_load(x + j * stride), m);
  }
  return m;
}

/* What the fast step needs of columns of which some see all of a tile: their least score is finite. */
typedef struct {
  vf least;
  vf own;    /* maximum of the tile */
  vf weight; /* of P relative to it under the raised maximum */
} fast_columns;

INLINE fast_columns fast_columns_of(const float *x, int stride, vf raised) {
  vf own = maximum_down(x, stride, KEY_TILE);
  return (fast_columns){minimum_down(x, stride), own, vf_exp2(vf_sub(own, raised))};
}

/* yes for columns that see all, else no. */
INLINE vf where_all(const fast_columns *f, vf yes, vf no) {
  return vf_if_equal(f->least, vf_set1(-INFINITY), no, yes);
}

/* P of the fast step for columns that see all, which is not to hide a NaN. */
INLINE vf fast_p(const fast_columns *f, vf x, vf p) {
  vf fast = vf_mul(vf_exp2_coarse(vf_sub(x, f->own)), f->weight);
  return vf_if_nan(p, p, where_all(f, fast, p));
}

INLINE vf int8_down(
    int careful, float *x, int32_t *p, int stride, int keys, const float *scale, float bound, vf max, vf *beta) {
  fast_columns fast = {vf_zero(), vf_zero(), vf_zero()};
  if (bound != 0) {
    fast = fast_columns_of(x, stride, max);
  }
  vf sum0 = vf_zero(), sum1 = vf_zero(), top0 = vf_zero(), top1 = vf_zero(), nan = vf_zero();
  for (int j = 0; j < keys; j += 2) {
    float *at = x + j * stride;
    vf x0 = vf_load(at), x1 = vf_load(at + stride);
    vf p0 = vf_exp2(vf_sub(x0, max));
    vf p1 = vf_exp2(vf_sub(x1, max));
    if (bound != 0) {
      p0 = fast_p(&fast, x0, p0);
      p1 = fast_p(&fast, x1, p1);
    }
    sum0 = vf_add(sum0, p0);
    sum1 = vf_add(sum1, p1);
    vf f0 = fold(x0, p0, vf_set1(scale[j]), careful, &nan);
    vf f1 = fold(x1, p1, vf_set1(scale[j + 1]), careful, &nan);
    top0 = vf_max(f0, top0);
    top1 = vf_max(f1, top1);
    vf_store(at, f0);
    vf_store(at + stride, f1);
  }
  vf top = vf_max(top0, top1);
  if (careful) {
    top = vf_if_nan(nan, nan, top);
  }
  if (bound != 0) {
    top = where_all(&fast, vf_mul(fast.weight, vf_set1(bound)), top);
  }
  vf inverse = octet_inverse_top(top);
  *beta = vf_mul(top, vf_set1(1 / 255.0f));
  for (int j = 0; j < keys; j += INT_GROUP) {
    vi_store(p + j / INT_GROUP * stride, code_word(x + j * stride, stride, inverse));
  }
  return vf_add(sum0, sum1);
}

INLINE vf wide_down(
    int in, int round, int folded, int careful, const float *x, int32_t *p, int stride, int keys,
    const float *scale, vf max) {
  vf sum0 = vf_zero(), sum1 = vf_zero(), nan = vf_zero();
  for (int j = 0; j < keys; j += 2) {
    const float *at = x + j * stride;
    vf x0 = vf_load(at), x1 = vf_load(at + stride);
    vf p0 = vf_exp2(vf_sub(x0, max));
    vf p1 = vf_exp2(vf_sub(x1, max));
    sum0 = vf_add(sum0, p0);
    sum1 = vf_add(sum1, p1);
    if (folded) {
      p0 = fold(x0, p0, vf_set1(scale[j]), careful, &nan);
      p1 = fold(x1, p1, vf_set1(scale[j + 1]), careful, &nan);
    }
#ifdef __AVX512VNNI__
    if (in == IN_BF16) {
      vi_store(p + j / 2 * stride, vf_bf16_pairs(p0, p1));
      continue;
    }
#endif
    vf_store((float *)p + j * stride, round ? vf_to_bf16(p0) : p0);
    vf_store((float *)p + (j + 1) * stride, round ? vf_to_bf16(p1) : p1);
  }
  (void)in;
  return vf_add(sum0, sum1);
}

INLINE void step_down(
    int in, int round, int folded, int careful, float *x, int32_t *p, int stride, int keys, int columns,
    const float *value_scale, float bound, const state *s) {
  for (int c = 0; c < columns; c += LANES) {
    vf alpha;
    vf max = raise(vf_load(s->max + c), maximum_down(x + c, stride, keys), &alpha);
    vf beta = vf_set1(1);
    vf added = in == IN_INT8
        ? int8_down(careful, x + c, p + c, stride, keys, value_scale, bound, safe(max), &beta)
        : wide_down(in, round, folded, careful, x + c, p + c, stride, keys, value_scale, safe(max));
    vf_store(s->sum + c, vf_fma(alpha, vf_load(s->sum + c), added));
    vf_store(s->max + c, max);
    vf_store(s->alpha + c, alpha);
    vf_store(s->beta + c, beta);
  }
}

void octet_softmax_down(
    const plan *how, int careful, float *x, int32_t *p, int stride, int keys, int columns,
    const float *value_scale, float bound, const state *s) {
#define STEP(in, round, folded, careful) \
  step_down(in, round, folded, careful, x, p, stride, keys, columns, value_scale, bound, s)
  if (how->values_in == IN_INT8) {
    if (careful) {
      STEP(IN_INT8, 0, 1, 1);
    } else {
      STEP(IN_INT8, 0, 1, 0);
    }
  } else if (how->values_in == IN_BF16) {
    if (how->fold) {
      STEP(IN_BF16, 0, 1, careful);
    } else {
      STEP(IN_BF16, 0, 0, 0);
    }
  } else if (how->fold) {
    STEP(IN_F32, 1, 1, careful);
  } else {
    STEP(IN_F32, how->round_values, 0, 0);
  }
#undef STEP
}

enum { ACROSS = KEY_TILE / LANES };

#ifdef __AVX512VNNI__

INLINE void store_codes(int32_t *p, int at, vi code) {
  _mm_storeu_si128((__m128i *)((uint8_t *)p + at), _mm512_cvtepi32_epi8(code));
}

INLINE void store_bf16(int32_t *p, int at, vf x) {
  _mm256_storeu_si256((__m256i *)((uint16_t *)p + at), (__m256i)_mm512_cvtneps_pbh(x));
}

#else

INLINE void store_codes(int32_t *p, int at, vi code) {
  __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
  _mm_storeu_si128((__m128i *)((uint16_t *)p + at), halves);
}

#endif

INLINE float largest(const vf x[ACROSS]) {
  vf top = x[0];
  for (int i = 1; i < ACROSS; i++) {
    top = vf_max(x[i], top);
  }
  return vf_hmax(top);
}

/* Whether a row sees all of the tile. */
INLINE int sees_all(const float *x) {
  vf least = vf_load(x);
  for (int i = 1; i < ACROSS; i++) {
    least = vf_min(vf_load(x + i * LANES), least);
  }
  return vf_hmax(vf_if_equal(least, vf_set1(-INFINITY), vf_set1(1), vf_zero())) == 0;
}

INLINE void int8_across(
    const float *x, const vf p[ACROSS], int32_t *out, const float *scale, int careful, float *beta) {
  vf f[ACROSS];
  vf nan = vf_zero();
  for (int i = 0; i < ACROSS; i++) {
    f[i] = fold(vf_load(x + i * LANES), p[i], vf_load(scale + i * LANES), careful, &nan);
  }
  float top = largest(f);
  float poison = vf_hsum(nan); /* NaN if there is one, else 0 */
  vf all = vf_set1(top + poison);
  vf inverse = octet_inverse_top(all);
  for (int i = 0; i < ACROSS; i++) {
    store_codes(out, i * LANES, vf_round(vf_mul(f[i], inverse)));
  }
  *beta = (top + poison) * (1 / 255.0f);
}

INLINE void wide_across(int in, int round, const vf p[ACROSS], int32_t *out) {
  for (int i = 0; i < ACROSS; i++) {
#ifdef __AVX512VNNI__
    if (in == IN_BF16) {
      store_bf16(out, i * LANES, p[i]);
      continue;
    }
#endif
    vf_store((float *)out + i * LANES, round ? vf_to_bf16(p[i]) : p[i]);
  }
  (void)in;
}

/* The first of equal lanes. */
INLINE float first_of(vf x) {
  float lanes[LANES];
  vf_store(lanes, x);
  return lanes[0];
}

/* The fast step of a row that sees all, whose largest score is top. */
static void fast_row_across(
    const float *x, int32_t *out, const float *value_scale, float bound, float top, const state *s, int row) {
  vf alpha, sum = vf_zero(), unit = vf_set1(255 / bound);
  vf max = raise(vf_set1(s->max[row]), vf_set1(top), &alpha);
  float weight = first_of(vf_exp2(vf_sub(vf_set1(top), max)));
  for (int i = 0; i < ACROSS; i++) {
    vf p = vf_exp2_coarse(vf_sub(vf_load(x + i * LANES), vf_set1(top)));
    sum = vf_add(sum, p);
    vf scale = vf_mul(vf_load(value_scale + i * LANES), unit);
    store_codes(out, i * LANES, vf_round(vf_mul(p, scale)));
  }
  s->alpha[row] = first_of(alpha);
  s->sum[row] = first_of(alpha) * s->sum[row] + weight * vf_hsum(sum);
  s->max[row] = first_of(max);
  s->beta[row] = weight * bound * (1 / 255.0f);
}

INLINE void row_across(
    int in, int round, int folded, int careful, const float *x, int32_t *out, const float *value_scale,
    float bound, const state *s, int row) {
  vf p[ACROSS];
  for (int i = 0; i < ACROSS; i++) {
    p[i] = vf_load(x + i * LANES);
  }
  float top = largest(p);
  if (bound != 0 && isfinite(top) && sees_all(x)) {
    fast_row_across(x, out, value_scale, bound, top, s, row);
    return;
  }
  vf alpha;
  vf max = raise(vf_set1(s->max[row]), vf_set1(top), &alpha);
  vf sum = vf_zero();
  for (int i = 0; i < ACROSS; i++) {
    p[i] = vf_exp2(vf_sub(p[i], safe(max)));
    sum = vf_add(sum, p[i]);
  }
  s->alpha[row] = first_of(alpha);
  s->sum[row] = first_of(alpha) * s->sum[row] + vf_hsum(sum);
  s->max[row] = first_of(max);
  s->beta[row] = 1;
  if (in == IN_INT8) {
    int8_across(x, p, out, value_scale, careful, s->beta + row);
  } else {
    vf nan = vf_zero();
    for (int i = 0; folded && i < ACROSS; i++) {
      p[i] = fold(vf_load(x + i * LANES), p[i], vf_load(value_scale + i * LANES), careful, &nan);
    }
    wide_across(in, round, p, out);
  }
}

#ifdef __AVX512VNNI__

/* Four lanes of every row, all of them equal. */
INLINE vf load_four(const float *x) {
  const vi quads = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(quads, _mm512_castps128_ps512(_mm_loadu_ps(x)));
}

INLINE void store_four(float *to, vf x) {
  const vi firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
  _mm_storeu_ps(to, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, x)));
}

/* All lanes from those of one row. */
INLINE vf spread_one(vf x, int row) {
  switch (row) {
    case 0: return _mm512_shuffle_f32x4(x, x, 0x00);
    case 1: return _mm512_shuffle_f32x4(x, x, 0x55);
    case 2: return _mm512_shuffle_f32x4(x, x, 0xaa);
    default: return _mm512_shuffle_f32x4(x, x, 0xff);
  }
}

/* Sums, or maxima, of all lanes of four rows, in the order of vf_hsum. */
#define REDUCE_FOUR(op, x)                                                                       \
  vf t01 = op(_mm512_shuffle_f32x4(x[0], x[1], 0xee), _mm512_shuffle_f32x4(x[0], x[1], 0x44));   \
  vf t23 = op(_mm512_shuffle_f32x4(x[2], x[3], 0xee), _mm512_shuffle_f32x4(x[2], x[3], 0x44));   \
  vf t = op(_mm512_shuffle_f32x4(t01, t23, 0xdd), _mm512_shuffle_f32x4(t01, t23, 0x88));         \
  t = op(t, vf_partner(t, 2));                                                                   \
  return op(t, vf_partner(t, 1));

INLINE vf sum_four(const vf x[4]) { REDUCE_FOUR(vf_add, x) }

INLINE vf max_four(const vf x[4]) { REDUCE_FOUR(vf_max, x) }

/* Four rows of INT8 that see all, whose scales are numbers: one waits for its sums and maxima while others compute. */
static void four_rows_across(const float *x, int32_t *out, const float *value_scale, const state *s, int row) {
  enum { CODES = KEY_TILE / 4 };
  vf p[4][ACROSS], most[4], sum[4];
#pragma GCC unroll 4
  for (int r = 0; r < 4; r++) {
    most[r] = vf_load(x + r * KEY_TILE);
#pragma GCC unroll 4
    for (int i = 1; i < ACROSS; i++) {
      most[r] = vf_max(vf_load(x + r * KEY_TILE + i * LANES), most[r]);
    }
  }
  vf alpha;
  vf max = raise(load_four(s->max + row), max_four(most), &alpha);
  store_four(s->max + row, max);
  store_four(s->alpha + row, alpha);
  max = safe(max);
#pragma GCC unroll 4
  for (int r = 0; r < 4; r++) {
    vf own = spread_one(max, r);
    sum[r] = vf_zero();
#pragma GCC unroll 4
    for (int i = 0; i < ACROSS; i++) {
      p[r][i] = vf_exp2(vf_sub(vf_load(x + r * KEY_TILE + i * LANES), own));
      sum[r] = vf_add(sum[r], p[r][i]);
      p[r][i] = vf_mul(p[r][i], vf_load(value_scale + i * LANES));
      most[r] = i == 0 ? p[r][0] : vf_max(p[r][i], most[r]);
    }
  }
  vf before = vf_mul(alpha, load_four(s->sum + row));
  store_four(s->sum + row, vf_add(before, sum_four(sum)));
  vf top = max_four(most);
  store_four(s->beta + row, vf_mul(top, vf_set1(1 / 255.0f)));
  vf inverse = octet_inverse_top(top);
#pragma GCC unroll 4
  for (int r = 0; r < 4; r++) {
    vf own = spread_one(inverse, r);
#pragma GCC unroll 4
    for (int i = 0; i < ACROSS; i++) {
      store_codes(out + r * CODES, i * LANES, vf_round(vf_mul(p[r][i], own)));
    }
  }
}

#endif

void octet_softmax_across(
    const plan *how, int careful, float *x, int32_t *p, int rows, const float *value_scale,
    float bound, const state *s) {
  int in = how->values_in;
  int stride = words(KEY_TILE, in);
  int r = 0;
#ifdef __AVX512VNNI__
  for (; in == IN_INT8 && !careful && bound == 0 && r + 4 <= rows; r += 4) {
    four_rows_across(x + r * KEY_TILE, p + r * stride, value_scale, s, r);
  }
#endif
  for (; r < rows; r++) {
    float *row = x + r * KEY_TILE;
    int32_t *out = p + r * stride;
    if (in == IN_INT8) {
      row_across(IN_INT8, 0, 1, careful, row, out, value_scale, bound, s, r);
    } else if (in == IN_BF16) {
      row_across(IN_BF16, 0, how->fold, careful, row, out, value_scale, 0, s, r);
    } else {
      row_across(IN_F32, how->round_values, how->fold, careful, row, out, value_scale, 0, s, r);
    }
  }
}
