/*
 * The two products of attention on tiles. S' = K Q' and O' = V' P' both take as their right operand
 * what lies there already, words [k][32 queries]: packed queries, and P as the softmax leaves it. The
 * left operand, 16 keys or 16 channels of a tile of the cache, is turned once for all queries that
 * share it, those of a group's heads among them.
 *
 * Products go to memory in whole blocks before vectors read them: 64 keys of 32 queries of scores are
 * 8 KiB, which stay in L1; outputs follow one pair of tiles behind the product (docs/performance.md
 * has the count).
 */
#include "attn_tiles.h"

enum {
  BLOCK_WORDS = TILE_ROWS * LANES,
  QUERIES = 32, /* in a row of the right operand and of the result */
  ROW = 4 * QUERIES,
};

void octet_tiles_begin(tile_file *t) {
  const tile_config config = whole_tiles();
  TILE_CONFIGURE(t, &config);
}

void octet_tiles_end(tile_file *t) { TILE_RELEASE(t); }

/* 16 x 16 words, of which there are `rows` rows, zeros behind them. */
static void transpose(const int32_t *in, ptrdiff_t stride, int rows, int32_t *out) {
  __m512i r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    r[i] = i < rows ? vi_load(in + i * stride) : vi_set1(0);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  /* Lane l of r[4 i + j] holds column 4 l + j of rows 4 i and after. */
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    __m512i even01 = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
    __m512i odd01 = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
    __m512i even23 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    __m512i odd23 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    vi_store(out + j * LANES, _mm512_shuffle_i32x4(even01, even23, 0x88));
    vi_store(out + (4 + j) * LANES, _mm512_shuffle_i32x4(odd01, odd23, 0x88));
    vi_store(out + (8 + j) * LANES, _mm512_shuffle_i32x4(even01, even23, 0xdd));
    vi_store(out + (12 + j) * LANES, _mm512_shuffle_i32x4(odd01, odd23, 0xdd));
  }
}

void octet_tile_operand(const int32_t *words, ptrdiff_t stride, int steps, int k_tiles, int columns, int32_t *out) {
  for (int column = 0; column < columns; column += LANES) {
    for (int k = 0; k < k_tiles; k++, out += BLOCK_WORDS) {
      transpose(words + (ptrdiff_t)k * LANES * stride + column, stride, steps - k * LANES, out);
    }
  }
}

#define SCORES_DOT(in, t, c, a, b)    \
  do {                                \
    if ((in) == IN_INT8) {            \
      TILE_DOT_SS(t, c, a, b);        \
    } else {                          \
      TILE_DOT_BF16(t, c, a, b);      \
    }                                 \
  } while (0)

/* 32 keys: sums in tiles 0 to 3, keys in 4 and 5, queries in 6 and 7. */
INLINE void scores_of_pair(
    int in, int both, tile_file *t, const int32_t *keys, const int32_t *queries, int k_tiles, float *x) {
  TILE_ZERO(t, 0);
  TILE_ZERO(t, 2);
  if (both) {
    TILE_ZERO(t, 1);
    TILE_ZERO(t, 3);
  }
  for (int k = 0; k < k_tiles; k++) {
    const int32_t *right = queries + k * LANES * QUERIES;
    TILE_LOAD(t, 4, keys + k * BLOCK_WORDS, TILE_ROW_BYTES);
    TILE_LOAD(t, 6, right, ROW);
    SCORES_DOT(in, t, 0, 4, 6);
    TILE_LOAD(t, 5, keys + (k_tiles + k) * BLOCK_WORDS, TILE_ROW_BYTES);
    SCORES_DOT(in, t, 2, 5, 6);
    if (both) {
      TILE_LOAD(t, 7, right + LANES, ROW);
      SCORES_DOT(in, t, 1, 4, 7);
      SCORES_DOT(in, t, 3, 5, 7);
    }
  }
  TILE_STORE(t, 0, x, ROW);
  TILE_STORE(t, 2, x + TILE_ROWS * QUERIES, ROW);
  if (both) {
    TILE_STORE(t, 1, x + LANES, ROW);
    TILE_STORE(t, 3, x + TILE_ROWS * QUERIES + LANES, ROW);
  }
}

void octet_tile_scores(
    tile_file *t, int in, const int32_t *keys, const int32_t *queries, int k_tiles, int columns, float *x) {
  for (int pair = 0; pair < KEY_TILE; pair += 2 * TILE_ROWS) {
    const int32_t *own = keys + (ptrdiff_t)pair / TILE_ROWS * k_tiles * BLOCK_WORDS;
    if (columns <= LANES) {
      if (in == IN_INT8) {
        scores_of_pair(IN_INT8, 0, t, own, queries, k_tiles, x + pair * QUERIES);
      } else {
        scores_of_pair(IN_BF16, 0, t, own, queries, k_tiles, x + pair * QUERIES);
      }
    } else if (in == IN_INT8) {
      scores_of_pair(IN_INT8, 1, t, own, queries, k_tiles, x + pair * QUERIES);
    } else {
      scores_of_pair(IN_BF16, 1, t, own, queries, k_tiles, x + pair * QUERIES);
    }
  }
}

void octet_tile_scale(int in, const scores *to, int columns) {
  for (int key = 0; key < KEY_TILE; key++) {
    vf scale = vf_set1(to->row[key]);
    float *x = to->x + key * to->stride;
    for (int c = 0; c < columns; c += LANES) {
      vf sum = in == IN_INT8 ? vi_float(vi_load(x + c)) : vf_load(x + c);
      vf_store(x + c, vf_mul(vf_mul(sum, scale), vf_load(to->column + c)));
    }
  }
}

/* o = alpha o + beta sum for 16 channels of 16 queries. */
INLINE void add_column(int rescale, const outputs *to, int channel, int c, const int32_t *sums) {
  vf alpha = rescale ? vf_load(to->alpha + c) : vf_zero(), beta = vf_load(to->beta + c);
#pragma GCC unroll 4
  for (int r = 0; r < TILE_ROWS; r++) {
    float *o = to->o + (channel + r) * to->stride + c;
    vf old = rescale ? vf_mul(vf_load(o), alpha) : vf_load(o);
    vf_store(o, vf_fma(vi_float(vi_load(sums + r * QUERIES + c)), beta, old));
  }
}

static void add_sums(const outputs *to, int channel, int columns, const int32_t *sums) {
  for (int c = 0; c < columns; c += LANES) {
    if (to->alpha) {
      add_column(1, to, channel, c, sums);
    } else {
      add_column(0, to, channel, c, sums);
    }
  }
}

/* P stays in tiles 6 and 7: 64 keys of INT8 are one step. Sums of a pair wait for the next one's products. */
static void outputs_int8(
    tile_file *t, const int32_t *values, const int32_t *p, const outputs *to, int width, int columns,
    int32_t *room) {
  int both = columns > LANES;
  int waiting = -1;
  TILE_LOAD(t, 6, p, ROW);
  if (both) {
    TILE_LOAD(t, 7, p + LANES, ROW);
  }
  for (int channel = 0; channel < width; channel += TILE_ROWS) {
    int32_t *sums = room + channel / TILE_ROWS % 2 * TILE_ROWS * QUERIES;
    TILE_LOAD(t, 4, values + channel / TILE_ROWS * BLOCK_WORDS, TILE_ROW_BYTES);
    TILE_ZERO(t, 0);
    TILE_DOT_SU(t, 0, 4, 6);
    if (both) {
      TILE_ZERO(t, 1);
      TILE_DOT_SU(t, 1, 4, 7);
    }
    if (waiting >= 0) {
      add_sums(to, waiting, columns, room + waiting / TILE_ROWS % 2 * TILE_ROWS * QUERIES);
    }
    TILE_STORE(t, 0, sums, ROW);
    if (both) {
      TILE_STORE(t, 1, sums + LANES, ROW);
    }
    waiting = channel;
  }
  add_sums(to, waiting, columns, room + waiting / TILE_ROWS % 2 * TILE_ROWS * QUERIES);
}

static void rescale(const outputs *to, int width, int columns) {
  for (int channel = 0; channel < width; channel++) {
    for (int c = 0; c < columns; c += LANES) {
      float *o = to->o + channel * to->stride + c;
      vf_store(o, vf_mul(vf_load(o), vf_load(to->alpha + c)));
    }
  }
}

/* P, 64 keys of which are two steps, stays in tiles 4 to 7; sums are outputs. */
static void outputs_bf16(
    tile_file *t, const int32_t *values, const int32_t *p, const outputs *to, int width, int columns) {
  int both = columns > LANES;
  if (to->alpha) {
    rescale(to, width, columns);
  }
  TILE_LOAD(t, 4, p, ROW);
  TILE_LOAD(t, 5, p + LANES * QUERIES, ROW);
  if (both) {
    TILE_LOAD(t, 6, p + LANES, ROW);
    TILE_LOAD(t, 7, p + LANES * QUERIES + LANES, ROW);
  }
  for (int channel = 0; channel < width; channel += TILE_ROWS, values += 2 * BLOCK_WORDS) {
    float *o = to->o + channel * to->stride;
    TILE_LOAD(t, 0, o, ROW);
    TILE_LOAD(t, 2, values, TILE_ROW_BYTES);
    TILE_DOT_BF16(t, 0, 2, 4);
    if (both) {
      TILE_LOAD(t, 1, o + LANES, ROW);
      TILE_DOT_BF16(t, 1, 2, 6);
    }
    TILE_LOAD(t, 3, values + BLOCK_WORDS, TILE_ROW_BYTES);
    TILE_DOT_BF16(t, 0, 3, 5);
    TILE_STORE(t, 0, o, ROW);
    if (both) {
      TILE_DOT_BF16(t, 1, 3, 7);
      TILE_STORE(t, 1, o + LANES, ROW);
    }
  }
}

void octet_tile_outputs(
    tile_file *t, int in, const int32_t *values, const int32_t *p, const outputs *to, int width,
    int columns, int32_t *room) {
  if (in == IN_INT8) {
    outputs_int8(t, values, p, to, width, columns, room);
  } else {
    outputs_bf16(t, values, p, to, width, columns);
  }
}
