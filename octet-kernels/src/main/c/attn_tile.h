/* Tiles of a cache as operands, and the softmax between the two products. */
#ifndef OCTET_ATTN_TILE_H
#define OCTET_ATTN_TILE_H

#include "attention.h"
#include "attn_gemm.h"

/* With OCTET_TILES many rows of INT8 and BF16 are multiplied on tiles (amx/attn_tiles.h). */
#ifdef OCTET_TILES
#include "amx/tile.h"
enum { HAS_TILES = 1 };
#else
typedef struct {
  char none;
} tile_file;
enum { HAS_TILES = 0 };
#endif

/* How a call computes on this tier. */
typedef struct {
  int scores_in;   /* IN_F32, IN_BF16 or IN_INT8 */
  int values_in;
  int round_keys;  /* round keys and queries to BF16, but multiply in F32 */
  int round_values; /* the same for P and values */
  int fold;         /* the values' scales go into P and onto outputs: values are multiplied as codes */
  int key_words;   /* words of a key or query */
  int value_words; /* words of 64 P, or of one channel of 64 values */
  int width;       /* value_dim in whole vectors */
  int tiles;       /* many rows are multiplied on tiles */
  int fast;        /* tiles are taken by octet_step_fast where it suits them */
} plan;

/* Values of k in a word. */
INLINE int in_word(int in) { return in == IN_INT8 ? INT_GROUP : in == IN_BF16 ? 2 : 1; }

INLINE int words(int n, int in) { return (n + in_word(in) - 1) / in_word(in); }

INLINE int round_up(int n, int to) { return (n + to - 1) / to * to; }

/* Elements of a tile as they are stored: rows one after the other. */
typedef struct {
  const uint8_t *at;
  int type;
  int rows;
  int columns;
  int lowest;                /* whether codes of INT8 may be -128: static scales clamp there */
  const float *row_scale;    /* or null */
  const float *column_scale; /* or null */
  ptrdiff_t ahead;           /* from here to the tile that is read next */
} stored;

/*
 * Makes a tile's words [words(rows)][stride] with zeros for rows beyond the last and columns up to
 * whole vectors. bias: INT8 becomes unsigned, 128 more, where the dot product wants it so.
 */
void octet_pack_tile(
    const stored *tile, int in, int round, int bias, int32_t *out, int stride);

void octet_scores(int in, int queries_down, const product *p, const scores *to, int rows, int columns);

/* to->alpha null: it is 1. */
void octet_outputs(int in, int queries_down, const product *p, const outputs *to, int rows, int columns);

/* Codes of an INT8 tile as they are stored, rows one after the other. */
typedef struct {
  const int8_t *at;
  int rows;
  int columns;
  const uint8_t *ahead; /* as many bytes that are read later, asked for meanwhile */
} direct;

/* Whether few rows are multiplied with tiles as they are stored, by the two functions that follow. */
int octet_direct(const octet_attention *call, const plan *how);

/* queries: [rows][key_words]; the tile is [key_dim][64]. */
void octet_scores_direct(const direct *d, const int32_t *queries, const scores *to, int rows);

/* p: [rows][words(64)]; the tile is [64][value_dim], of whose rows the first d->rows count, for the others P is 0. */
void octet_outputs_direct(const direct *d, const int32_t *p, const outputs *to, int rows);

/* Whether every value of a tile of F32 or BF16 words is a finite number. */
int octet_finite(int in, const int32_t *tile, ptrdiff_t n);

/*
 * octet_outputs key by key, over the keys that a query sees: 0 times the NaN of another would be NaN,
 * too. Only for F32 and BF16. x: the scores, -inf where unseen, laid out as the product's P.
 */
void octet_outputs_seen(
    int in, int queries_down, const product *p, const outputs *to, const float *x,
    ptrdiff_t x_stride, int rows, int columns);

/* A query as its keys need it. */
typedef struct {
  float factor;  /* of its scores, to be in the log2 domain */
  int32_t bias;  /* of its integer products */
  double shift;  /* what smoothing took from every score, natural logarithm */
} query;

/*
 * Rotates, scales and rounds up to LANES queries of a head into out [count][stride] words; rows is room for
 * key_dim values in whole vectors for each.
 */
void octet_queries(
    const octet_attention *call, const plan *how, int head, int count, const float *const *q, int32_t *out,
    ptrdiff_t stride, float *rows, query *made);

/* x M in place, M of the layout. */
void octet_rotate(float *x, const float *signs, int dim, int block);

/* One online softmax's state of some queries. */
typedef struct {
  float *max;
  float *sum;
  float *alpha; /* what the old output is multiplied by */
  float *beta;  /* what the new product is multiplied by */
  float *added; /* what a step adds to sum, until all of it is known to be small enough */
} state;

/* Below it, 255 / top overflows: every value in sight is zero. */
#define SMALLEST_TOP 1e-36f

/* What makes codes of c P, whose largest is top. */
INLINE vf octet_inverse_top(vf top) {
  vf small = vf_max(vf_set1(SMALLEST_TOP), top); /* a NaN stays */
  return vf_if_equal(small, vf_set1(SMALLEST_TOP), vf_zero(), vf_div(vf_set1(255), small));
}

/* What a step did with the maxima: nothing at all, kept them (alpha is 1), or raised some. */
enum { STEP_NOT, STEP_KEPT, STEP_RAISED };

/*
 * Scores, P and beta of a tile that all queries, which are columns, see all of. STEP_NOT, having
 * changed nothing but beta and the room for x and p, if a query's maximum is too low or something is
 * no number: then octet_scores and octet_softmax_down do it. kq null: its sums lie in x.
 */
int octet_step_down(
    const plan *how, const product *kq, const scores *to, int32_t *p, int columns,
    const float *value_scale, const state *s);

/*
 * What octet_step_fast needs to know of a tile's value scales: the largest, or 0 if the tile does not
 * suit it, and 255 c / max c.
 */
float octet_fast_bound(const float *key_scale, const float *value_scale, float *weight);

/*
 * Scores, P, alpha and beta of a tile that all queries, which are columns, see all of, with codes of P
 * relative to bound. STEP_NOT, having changed nothing but beta and the room for x and p, if something is no
 * number. weight: of octet_fast_bound. kq null: its sums lie in x.
 */
int octet_step_fast(
    const product *kq, const scores *to, int32_t *p, int columns, const float *weight, float bound,
    const state *s);

/*
 * One step for a vector's worth of queries: x is [keys][stride] of scores, the log2 domain, -inf where
 * unseen; p becomes words [words(keys)][stride]. keys: 64, or a multiple of 4 beyond which nobody sees
 * any. value_scale goes into P if the plan says so. careful: scores may be -inf, scales NaN. bound, unless
 * 0: of octet_fast_bound, for queries that see all of 64.
 */
void octet_softmax_down(
    const plan *how, int careful, float *x, int32_t *p, int stride, int keys, int columns,
    const float *value_scale, float bound, const state *s);

/* The same for queries that are rows: x is [rows][64], p words [rows][words(64)]. */
void octet_softmax_across(
    const plan *how, int careful, float *x, int32_t *p, int rows, const float *value_scale,
    float bound, const state *s);

#endif
