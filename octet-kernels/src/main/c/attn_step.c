/*
 * A step of the online softmax for a tile that its queries see all of: scores become P while they are
 * still in registers. That needs the maximum before the scores are known, so P is taken relative to
 * the one the queries have. Nothing is lost by one that is too low, since P is a floating-point
 * number and INT8 codes are relative to the tile's own largest one; only once P gets large (sums
 * above STEP_LIMIT, which the first tile always reaches) is it raised, by the step that takes its
 * time. So alpha is 1 here, and what was summed before need not be rescaled.
 */
#include "attn_tile.h"

#ifdef __AVX512VNNI__

#ifdef OCTET_TILES
/* Additions share their ports with products here: two instructions of AVX-512 take the place of six. */
#define EXP2_BY_SCALEF
#endif

/* Sums of a tile's P from which on the maximum must be raised. */
#define STEP_LIMIT 65536.0f

/* 1.5 * 2^23 + 127: a number added to it is rounded, and is an exponent when shifted to its place. */
#define EXPONENT_MAGIC 12583039.0f

/* 2^f on [-1/2, 1/2], exactly 1 at 0: minimax by Lawson iteration, relative errors 3e-6 and 9e-8. */
INLINE vf exp2_fraction(vf f, int fine) {
  vf p;
  if (fine) {
    p = vf_fma(f, vf_set1(0.0013264737f), vf_set1(0.009671517f));
    p = vf_fma(f, p, vf_set1(0.055507336f));
    p = vf_fma(f, p, vf_set1(0.24022242f));
    p = vf_fma(f, p, vf_set1(0.693147f));
  } else {
    p = vf_fma(f, vf_set1(0.009582862f), vf_set1(0.055906463f));
    p = vf_fma(f, p, vf_set1(0.24024099f));
    p = vf_fma(f, p, vf_set1(0.6931242f));
  }
  return vf_fma(f, p, vf_set1(1));
}

/*
 * 2^x within the range of exponents; beyond, the nearest. Additions and shifts go where the processor
 * does not multiply; a NaN stays whatever its bits.
 */
INLINE vf exp2_near(vf x, int fine) {
#ifdef EXP2_BY_SCALEF
  vf f = _mm512_reduce_ps(x, 0x08); /* x less the nearest integer */
  return _mm512_scalef_ps(exp2_fraction(f, fine), vf_sub(x, f));
#else
  x = vf_min(vf_set1(126), vf_max(vf_set1(-126), x));
  vf shifted = vf_add(x, vf_set1(EXPONENT_MAGIC));
  vf f = vf_sub(x, vf_sub(shifted, vf_set1(EXPONENT_MAGIC)));
  return vf_mul(exp2_fraction(f, fine), vi_as_vf(vi_shl(vf_as_vi(shifted), 23)));
#endif
}

/* Columns of the tile in work. */
typedef struct {
  vf max[2];
  vf factor[2];
  vf sum[2];
  vf top[2]; /* INT8: the largest c P */
} columns_state;

/* P of a row of scores, which is stored as `values_in` wants it: INT8 in F32 with c folded in. */
INLINE void row_of_p(
    int given, int scores_in, int values_in, int folded, int vectors, const vi *sum, const vi *bias,
    float key_scale, float c, columns_state *s, vf *p) {
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    vi exact = given ? sum[v] : vi_add(sum[v], bias[v]); /* tiles need no bias */
    vf x = scores_in == IN_INT8 ? vi_float(exact) : vi_as_vf(sum[v]);
    x = vf_fms(x, vf_mul(vf_set1(key_scale), s->factor[v]), s->max[v]);
    p[v] = exp2_near(x, values_in == IN_F32);
    s->sum[v] = vf_add(p[v], s->sum[v]);
    if (folded) {
      p[v] = vf_mul(p[v], vf_set1(c));
    }
    if (values_in == IN_INT8) {
      s->top[v] = vf_max(p[v], s->top[v]);
    }
  }
}

INLINE void put_p(int values_in, int vectors, vf p[2][2], float *x, int32_t *out, int stride) {
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    if (values_in == IN_INT8) {
      vf_store(x + v * LANES, p[0][v]);
      vf_store(x + stride + v * LANES, p[1][v]);
    } else if (values_in == IN_BF16) {
      vi_store(out + v * LANES, vf_bf16_pairs(p[0][v], p[1][v]));
    } else {
      vf_store((float *)out + v * LANES, p[0][v]);
      vf_store((float *)out + stride + v * LANES, p[1][v]);
    }
  }
}

/* P of some columns; rows of keys are taken a band at a time. */
INLINE void panel_of_p(
    int given, int scores_in, int values_in, int folded, int vectors, const product *kq,
    const scores *to, int32_t *p, const float *value_scale, int column, columns_state *s) {
  enum { BAND_ROWS = 8 };
  int form = scores_in == IN_INT8 ? DOT_INT_LEFT : scores_in == IN_BF16 ? DOT_BF16 : DOT_F32;
  vi bias[2];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    int at = column + v * LANES;
    bias[v] = vi_load(to->bias + at);
    s->factor[v] = vf_load(to->column + at);
    s->sum[v] = vf_zero();
    s->top[v] = vf_zero();
  }
  for (int row = 0; row < KEY_TILE; row += BAND_ROWS) {
    vi sum[8][4];
    if (given) {
      load_sums(BAND_ROWS, vectors, to, row, column, sum);
    } else {
      multiply(form, BAND_ROWS, vectors, kq, row, column, sum);
    }
#pragma GCC unroll 4
    for (int r = 0; r < BAND_ROWS; r += 2) {
      vf two[2][2];
      int key = row + r;
#pragma GCC unroll 2
      for (int i = 0; i < 2; i++) {
        row_of_p(
            given, scores_in, values_in, folded, vectors, sum[r + i], bias, to->row[key + i],
            value_scale[key + i], s, two[i]);
      }
      int32_t *out = p + (ptrdiff_t)(values_in == IN_BF16 ? key / 2 : key) * to->stride + column;
      put_p(values_in, vectors, two, to->x + key * to->stride + column, out, (int)to->stride);
    }
  }
}

/* 2^23: a number below it added to it is rounded into its low bits. */
#define ROUND_MAGIC 8388608.0f

/* Codes of c P, four keys a word. */
INLINE void codes_of(const float *x, ptrdiff_t stride, vf inverse, int32_t *p) {
  vf magic = vf_set1(ROUND_MAGIC);
  for (int j = 0; j < KEY_TILE; j += 4) {
    vi code[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      code[i] = vi_shl(vf_as_vi(vf_fma(vf_load(x + (j + i) * stride), inverse, magic)), 8 * i);
    }
    /* Only the first keeps the bits of the magic number above its code. */
    vi word = vi_xor(vf_as_vi(magic), vi_xor(vi_xor(code[0], code[1]), vi_xor(code[2], code[3])));
    vi_store(p + j / 4 * stride, word);
  }
}

INLINE int step_panel(
    int given, int scores_in, int values_in, int folded, int vectors, const product *kq,
    const scores *to, int32_t *p, const float *value_scale, const state *s, int column) {
  columns_state own;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    own.max[v] = vf_load(s->max + column + v * LANES);
  }
  panel_of_p(given, scores_in, values_in, folded, vectors, kq, to, p, value_scale, column, &own);
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    if (!vf_all_at_most(own.sum[v], STEP_LIMIT)) {
      return STEP_NOT;
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    int at = column + v * LANES;
    vf beta = vf_set1(1);
    if (values_in == IN_INT8) {
      codes_of(to->x + at, to->stride, octet_inverse_top(own.top[v]), p + at);
      beta = vf_mul(own.top[v], vf_set1(1 / 255.0f));
    }
    vf_store(s->beta + at, beta);
    vf_store(s->added + at, own.sum[v]);
  }
  return STEP_KEPT;
}

INLINE int step(
    int given, int scores_in, int values_in, int folded, const product *kq, const scores *to,
    int32_t *p, int columns, const float *value_scale, const state *s) {
  int column = 0;
  for (; column + 2 * LANES <= columns; column += 2 * LANES) {
    if (!step_panel(given, scores_in, values_in, folded, 2, kq, to, p, value_scale, s, column)) {
      return STEP_NOT;
    }
  }
  for (; column < columns; column += LANES) {
    if (!step_panel(given, scores_in, values_in, folded, 1, kq, to, p, value_scale, s, column)) {
      return STEP_NOT;
    }
  }
  for (column = 0; column < columns; column += LANES) {
    vf_store(s->sum + column, vf_add(vf_load(s->sum + column), vf_load(s->added + column)));
  }
  return STEP_KEPT;
}

int octet_step_down(
    const plan *how, const product *kq, const scores *to, int32_t *p, int columns,
    const float *value_scale, const state *s) {
#define STEP(scores_in, values_in, folded)                                                   \
  (HAS_TILES && !kq ? step(1, scores_in, values_in, folded, kq, to, p, columns, value_scale, s) \
                    : step(0, scores_in, values_in, folded, kq, to, p, columns, value_scale, s))
  int qk = how->scores_in;
  switch (how->values_in) {
    case IN_INT8: return qk == IN_INT8 ? STEP(IN_INT8, IN_INT8, 1) : STEP_NOT;
    case IN_BF16:
      if (qk == IN_INT8) {
        return how->fold ? STEP(IN_INT8, IN_BF16, 1) : STEP(IN_INT8, IN_BF16, 0);
      }
      return how->fold ? STEP(IN_BF16, IN_BF16, 1) : STEP(IN_BF16, IN_BF16, 0);
    default: return qk == IN_F32 ? STEP(IN_F32, IN_F32, 0) : STEP_NOT;
  }
#undef STEP
}

#else

/* Sixteen registers do not hold sums and a polynomial at once: scores through memory are faster. */
int octet_step_down(
    const plan *how, const product *kq, const scores *to, int32_t *p, int columns,
    const float *value_scale, const state *s) {
  (void)how, (void)kq, (void)to, (void)p, (void)columns, (void)value_scale, (void)s;
  return STEP_NOT;
}

#endif
