/* A task of attention: some rows of a head against some blocks. */
#ifdef OCTET_TILES
#include "amx/attn_tiles.h"
#endif
#include "attn_tile.h"
#include <string.h>

enum {
  FEW_ROWS = 8,      /* up to so many, queries are rows of the products */
  TILE_QUERIES = 32, /* columns of a tile otherwise */
  MAX_DIM = 1 << 16,
};

/* Where a task keeps things in its scratch. Rows are padded to whole tiles. */
typedef struct {
  int32_t *queries; /* few rows: [rows][key_words], else tiles of [key_words][TILE_QUERIES] */
  int32_t *keys;    /* [key_words][64] */
  int32_t *values;  /* [value_words][width] */
  int32_t *key_tiles;   /* both as left operands, with how.tiles */
  int32_t *value_tiles;
  int32_t *codes;   /* of a query on its way into a tile */
  float *x;         /* [64][TILE_QUERIES] or [rows][64] */
  int32_t *p;
  float *acc;       /* few rows: [rows][width], else tiles of [width][TILE_QUERIES] */
  float *row;
  float *factor;    /* of each row */
  int32_t *bias;
  double *shift;
  int32_t *from;    /* first key seen */
  int32_t *end;     /* one past the last */
  state s;
  float key_scale[KEY_TILE];
  float value_scale[KEY_TILE];
  float weight[KEY_TILE]; /* of octet_fast_bound */
  uint8_t key_bytes[256]; /* octet_bf16_bytes of their types */
  uint8_t value_bytes[256];
} workspace;

typedef struct {
  const octet_attention *call;
  plan how;
  int head;
  int first_row;
  int rows;
  int few;
  int direct; /* few, and tiles are multiplied as they are stored */
  int tiled;  /* many, and multiplied on tiles */
  tile_file *matrix;
  int query_words; /* of a query in its tile */
  int tiles;
  int odd_scales; /* whether a scale of the values in work is no number */
  float bound;    /* octet_fast_bound of the tile in work; 0 without how.fast */
  workspace w;
} task;

static plan plan_of(const octet_attention *call) {
  int codes = call->value_type >= KV_INT8; /* exact in BF16 */
  plan how = {
      .scores_in = call->scores_in,
      .values_in = call->values_in,
      .fast = call->fast && call->scale >= 0,
      .fold = call->values_in == IN_INT8 || (call->values_in == IN_BF16 && codes)};
#ifndef __AVX512VNNI__
  how.round_keys = how.scores_in == IN_BF16;
  how.round_values = how.values_in == IN_BF16;
  how.scores_in = how.round_keys ? IN_F32 : how.scores_in;
  how.values_in = how.round_values ? IN_F32 : how.values_in;
#endif
  how.key_words = words(call->key_dim, how.scores_in);
  how.value_words = words(KEY_TILE, how.values_in);
  how.tiles = HAS_TILES && how.scores_in != IN_F32 && how.values_in != IN_F32;
  how.width = round_up(call->value_dim, LANES);
  return how;
}

/* Tiles of 16 words. */
static int word_tiles(int words) { return (words + LANES - 1) / LANES; }

/* The next n bytes of scratch; counts only where there is none. */
static void *take(uint8_t *base, int64_t *at, int64_t n) {
  int64_t here = *at;
  *at = here + (n + 63) / 64 * 64;
  return base ? base + here : NULL;
}

static int64_t lay_out(const plan *how, int key_dim, int rows, uint8_t *base, workspace *w) {
  int64_t at = 0;
  int64_t padded = round_up(rows, TILE_QUERIES);
  int64_t widest = round_up(key_dim, LANES) > how->width ? round_up(key_dim, LANES) : how->width;
  w->queries = take(base, &at, 4 * padded * (how->key_words + LANES));
  w->keys = take(base, &at, 4LL * (how->key_words + INT_GROUP) * KEY_TILE);
  w->values = take(base, &at, 4LL * how->value_words * how->width);
  w->key_tiles = take(base, &at, how->tiles ? 4LL * word_tiles(how->key_words) * LANES * KEY_TILE : 0);
  w->value_tiles = take(base, &at, how->tiles ? 4LL * how->value_words * how->width : 0);
  w->codes = take(base, &at, 4 * (widest + LANES));
  w->x = take(base, &at, 4LL * KEY_TILE * TILE_QUERIES);
  w->p = take(base, &at, 4LL * KEY_TILE * TILE_QUERIES);
  w->acc = take(base, &at, 4 * padded * how->width);
  w->row = take(base, &at, 8 * widest);
  w->factor = take(base, &at, 4 * padded);
  w->bias = take(base, &at, 4 * padded);
  w->shift = take(base, &at, 8 * padded);
  w->from = take(base, &at, 4 * padded);
  w->end = take(base, &at, 4 * padded);
  w->s.max = take(base, &at, 4 * padded);
  w->s.sum = take(base, &at, 4 * padded);
  w->s.alpha = take(base, &at, 4 * padded);
  w->s.beta = take(base, &at, 4 * padded);
  w->s.added = take(base, &at, 4 * padded);
  return at;
}

static int sizes_fit(const octet_attention *c) {
  int64_t query_heads = (int64_t)c->heads * c->group;
  return c->key_dim > 0 && c->key_dim <= MAX_DIM && c->value_dim > 0 && c->value_dim <= MAX_DIM
      && c->heads > 0 && c->group > 0 && query_heads <= INT32_MAX && c->queries >= 0 && c->keys >= 0
      && (int64_t)c->queries * c->group <= INT32_MAX && c->window >= 0 && c->splits > 0
      && c->head_bytes >= 0
      && (!c->signs || (c->hadamard > 0 && c->key_dim % c->hadamard == 0 && c->mean))
      && (c->splits == 1 || c->parts);
}

static int forms_fit(const octet_attention *c) {
  return c->scores_in >= IN_F32 && c->scores_in <= IN_INT8 && c->values_in >= IN_F32
      && c->values_in <= IN_INT8 && c->key_type >= KV_F32 && c->key_type <= KV_E5M2
      && c->value_type >= KV_F32 && c->value_type <= KV_E5M2
      && (c->scores_in != IN_INT8 || c->key_type == KV_INT8)
      && (c->values_in != IN_INT8 || c->value_type == KV_INT8)
      && (!c->fast || (c->scores_in == IN_INT8 && c->values_in == IN_INT8));
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

/* Position of row r of the task in q and out, both seen as rows of a head's channels. */
static int64_t position(const task *t, int r) {
  const octet_attention *c = t->call;
  int64_t row = (int64_t)t->first_row + r;
  return row / c->group * c->heads * c->group + (int64_t)t->head * c->group + row % c->group;
}

static int64_t query_of(const task *t, int r) { return ((int64_t)t->first_row + r) / t->call->group; }

static void set_visibility(task *t, int r) {
  const octet_attention *c = t->call;
  int64_t own = c->offset + query_of(t, r);
  t->w.from[r] = c->window ? (int32_t)clamp(own - c->window + 1, 0, c->keys) : 0;
  t->w.end[r] = c->causal ? (int32_t)clamp(own + 1, 0, c->keys) : c->keys;
}

/* Rows beyond the last, which fill the last tile: nobody reads what they compute. */
static void pad_row(task *t, int r) {
  t->w.from[r] = 0;
  t->w.end[r] = INT32_MAX;
  t->w.factor[r] = 0;
  t->w.bias[r] = 0;
}

static void load_queries(task *t) {
  workspace *w = &t->w;
  int padded = t->few ? t->rows : t->tiles * TILE_QUERIES;
  int words = t->how.key_words;
  if (!t->few) {
    memset(w->queries, 0, 4 * (size_t)padded * t->query_words);
  }
  for (int r = 0; r < t->rows; r++) {
    const float *q = t->call->q + position(t, r) * t->call->key_dim;
    int32_t *codes = t->few ? w->queries + (ptrdiff_t)r * words : w->codes;
    query made = octet_query(t->call, &t->how, t->head, q, codes, w->row);
    w->factor[r] = made.factor;
    w->bias[r] = t->tiled ? 0 : made.bias;
    w->shift[r] = made.shift;
    set_visibility(t, r);
    if (!t->few) {
      ptrdiff_t tile = (ptrdiff_t)(r / TILE_QUERIES) * TILE_QUERIES * t->query_words;
      int32_t *to = w->queries + tile + r % TILE_QUERIES;
      for (int k = 0; k < words; k++) {
        to[k * TILE_QUERIES] = codes[k];
      }
    }
  }
  for (int r = t->rows; r < padded; r++) {
    pad_row(t, r);
  }
  for (int r = 0; r < padded; r++) {
    w->s.max[r] = r < t->rows ? -INFINITY : 0; /* what fills the last tile is never raised */
    w->s.sum[r] = 0;
  }
  memset(w->acc, 0, 4 * (size_t)padded * t->how.width);
}

static void load_scales(const uint8_t *head, int64_t at, int count, float *out) {
  if (at >= 0 && count == KEY_TILE) {
    memcpy(out, head + at, 4 * KEY_TILE);
    return;
  }
  for (int j = 0; j < KEY_TILE; j++) {
    out[j] = at < 0;
  }
  if (at >= 0) {
    memcpy(out, head + at, 4 * (size_t)count);
  }
}

static void load_keys(task *t, const uint8_t *head, ptrdiff_t ahead) {
  const octet_attention *c = t->call;
  int fold = c->key_scales && t->how.scores_in != IN_INT8;
  stored tile = {
      .at = head + c->key_at,
      .type = c->key_type,
      .rows = c->key_dim,
      .columns = KEY_TILE,
      .bytes = t->w.key_bytes,
      .ahead = ahead,
      .row_scale = fold ? c->key_scales + (ptrdiff_t)t->head * c->key_dim : NULL};
  octet_pack_tile(&tile, t->how.scores_in, t->how.round_keys, !t->tiled, t->w.keys, KEY_TILE);
#ifdef OCTET_TILES
  if (t->tiled) {
    int words = t->how.key_words;
    octet_tile_operand(t->w.keys, KEY_TILE, words, word_tiles(words), KEY_TILE, t->w.key_tiles);
  }
#endif
}

static void load_values(task *t, const uint8_t *head, ptrdiff_t ahead, int count) {
  const octet_attention *c = t->call;
  int codes = t->how.fold;
  stored tile = {
      .at = head + c->value_at,
      .type = c->value_type,
      .rows = count,
      .columns = c->value_dim,
      .bytes = t->w.value_bytes,
      .ahead = ahead,
      .row_scale = !codes && c->value_scale_at >= 0 ? t->w.value_scale : NULL,
      .column_scale =
          !codes && c->value_scales ? c->value_scales + (ptrdiff_t)t->head * c->value_dim : NULL};
  octet_pack_tile(&tile, t->how.values_in, t->how.round_values, 0, t->w.values, t->how.width);
#ifdef OCTET_TILES
  if (t->tiled) {
    const plan *how = &t->how;
    int steps = words(count, how->values_in);
    int tiles = word_tiles(how->value_words);
    octet_tile_operand(t->w.values, how->width, steps, tiles, how->width, t->w.value_tiles);
  }
#endif
}

/* Whether rows from..to see nothing (0), a part (1) or all (2) of a tile. */
static int seen(const task *t, int from, int to, int first_key, int count) {
  int any = 0;
  int all = count == KEY_TILE && !t->call->mask;
  for (int r = from; r < to; r++) {
    any |= t->w.from[r] < first_key + count && t->w.end[r] > first_key;
    all &= t->w.from[r] <= first_key && t->w.end[r] >= first_key + count;
  }
  return any + (any & all);
}

static int hidden(const task *t, int r, int key) {
  const octet_attention *c = t->call;
  return key < c->keys && !c->mask[query_of(t, r) * c->keys + key];
}

static void hide_across(task *t, int first_key, int count) {
  for (int r = 0; r < t->rows; r++) {
    float *x = t->w.x + r * KEY_TILE;
    int last = t->w.end[r] < first_key + count ? t->w.end[r] : first_key + count;
    for (int j = 0; j < KEY_TILE; j += LANES) {
      vi at = vi_add(vi_counting(), vi_set1(first_key + j));
      vf_store(x + j, vf_within(vf_load(x + j), at, vi_set1(t->w.from[r]), vi_set1(last)));
    }
    for (int j = 0; t->call->mask && j < count; j++) {
      x[j] = hidden(t, r, first_key + j) ? -INFINITY : x[j];
    }
  }
}

static void hide_down(task *t, int first, int columns, int first_key, int count) {
  for (int j = 0; j < KEY_TILE; j++) {
    float *x = t->w.x + j * TILE_QUERIES;
    /* At count the tile ends for everyone: as if no row reached so far. */
    vi at = vi_set1(j < count ? first_key + j : -1);
    for (int c = 0; c < columns; c += LANES) {
      vi from = vi_load(t->w.from + first + c), end = vi_load(t->w.end + first + c);
      vf_store(x + c, vf_within(vf_load(x + c), at, from, end));
    }
    for (int c = 0; t->call->mask && j < count && c < columns && first + c < t->rows; c++) {
      x[c] = hidden(t, first + c, first_key + j) ? -INFINITY : x[c];
    }
  }
}

/* Whether a value's scale is no number, of which INT8 P must take care. */
static int any_odd(const float *scales) {
  vf odd = vf_zero();
  for (int j = 0; j < KEY_TILE; j += LANES) {
    vf c = vf_load(scales + j);
    odd = vf_add(odd, vf_sub(c, c)); /* 0, or NaN for NaN and infinities */
  }
  return vf_hsum(odd) != 0;
}

/* Whether hidden keys can do no harm: 0 times the values of the tile's `count` is 0. */
static int spotless(const task *t, int count) {
  int in = t->how.values_in;
  return in == IN_INT8 || octet_finite(in, t->w.values, (ptrdiff_t)words(count, in) * t->how.width);
}

static void few_rows(task *t, int first_key, int count, int all) {
  workspace *w = &t->w;
  const plan *how = &t->how;
  product qk = {w->queries, how->key_words, 1, w->keys, KEY_TILE, how->key_words};
  scores x = {w->x, KEY_TILE, w->factor, w->key_scale, w->bias};
  octet_scores(how->scores_in, 1, &qk, &x, t->rows, KEY_TILE);
  if (!all) {
    hide_across(t, first_key, count);
  }
  octet_softmax_across(
      how, t->odd_scales || !all, w->x, w->p, t->rows, w->value_scale, t->bound, &w->s);
  product pv = {w->p, how->value_words, 1, w->values, how->width, words(count, how->values_in)};
  outputs o = {w->acc, how->width, w->s.alpha, w->s.beta};
  if (all || spotless(t, count)) {
    octet_outputs(how->values_in, 1, &pv, &o, t->rows, how->width);
  } else {
    octet_outputs_seen(how->values_in, 1, &pv, &o, w->x, KEY_TILE, t->rows, how->width);
  }
}

/* few_rows without unpacking the tiles first. */
static void few_rows_direct(task *t, const uint8_t *head, ptrdiff_t ahead, int first_key, int count, int all) {
  const octet_attention *c = t->call;
  workspace *w = &t->w;
  direct keys = {(const int8_t *)head + c->key_at, c->key_dim, KEY_TILE, ahead};
  scores x = {w->x, KEY_TILE, w->factor, w->key_scale, w->bias};
  octet_scores_direct(&keys, w->queries, &x, t->rows);
  if (!all) {
    hide_across(t, first_key, count);
  }
  octet_softmax_across(&t->how, t->odd_scales || !all, w->x, w->p, t->rows, w->value_scale, t->bound, &w->s);
  direct values = {(const int8_t *)head + c->value_at, KEY_TILE, c->value_dim, ahead};
  outputs o = {w->acc, t->how.width, w->s.alpha, w->s.beta};
  octet_outputs_direct(&values, w->p, &o, t->rows);
}

/* Sums of a tile's scores on tiles, into x. */
static void sums_on_tiles(task *t, const int32_t *queries, int columns) {
#ifdef OCTET_TILES
  int tiles = word_tiles(t->how.key_words);
  octet_tile_scores(t->matrix, t->how.scores_in, t->w.key_tiles, queries, tiles, columns, t->w.x);
#else
  (void)t, (void)queries, (void)columns;
#endif
}

static void all_scores(task *t, const product *kq, const scores *x, int columns) {
#ifdef OCTET_TILES
  if (t->tiled) {
    sums_on_tiles(t, kq->b, columns);
    octet_tile_scale(t->how.scores_in, x, columns);
    return;
  }
#endif
  octet_scores(t->how.scores_in, 0, kq, x, KEY_TILE, columns);
}

static void all_outputs(task *t, const product *vp, const outputs *o, int columns) {
#ifdef OCTET_TILES
  if (t->tiled) {
    int32_t *room = (int32_t *)(void *)t->w.x; /* the scores are done with */
    octet_tile_outputs(
        t->matrix, t->how.values_in, t->w.value_tiles, vp->b, o, t->how.width, columns, room);
    return;
  }
#endif
  octet_outputs(t->how.values_in, 0, vp, o, t->call->value_dim, columns);
}

/* The step that makes P while scores are in registers, where it can be taken. */
static int quick_step(task *t, const product *kq, const scores *x, int columns, const state *s) {
  /* Before the first tile there is no maximum; only the fast step looks for one. */
  if (t->odd_scales || (t->bound == 0 && s->max[0] == -INFINITY)) {
    return STEP_NOT;
  }
  if (t->tiled) {
    sums_on_tiles(t, kq->b, columns);
    kq = NULL;
  }
  return t->bound != 0
      ? octet_step_fast(kq, x, t->w.p, columns, t->w.weight, t->bound, s)
      : octet_step_down(&t->how, kq, x, t->w.p, columns, t->w.value_scale, s);
}

static void tile_of_rows(task *t, int tile, int first_key, int count, int all) {
  workspace *w = &t->w;
  const plan *how = &t->how;
  int first = tile * TILE_QUERIES;
  int columns = round_up(t->rows - first, LANES);
  columns = columns < TILE_QUERIES ? columns : TILE_QUERIES;
  state s = {w->s.max + first, w->s.sum + first, w->s.alpha + first, w->s.beta + first, w->s.added + first};
  const int32_t *queries = w->queries + (ptrdiff_t)first * t->query_words;
  product kq = {w->keys, 1, KEY_TILE, queries, TILE_QUERIES, how->key_words};
  scores x = {w->x, TILE_QUERIES, w->key_scale, w->factor + first, w->bias + first};
  int done = all ? quick_step(t, &kq, &x, columns, &s) : STEP_NOT;
  if (done == STEP_NOT) {
    int careful = t->odd_scales || !all;
    all_scores(t, &kq, &x, columns);
    if (!all) {
      hide_down(t, first, columns, first_key, count);
    }
    octet_softmax_down(how, careful, w->x, w->p, TILE_QUERIES, columns, w->value_scale, t->bound, &s);
  }
  product vp = {w->values, 1, how->width, w->p, TILE_QUERIES, words(count, how->values_in)};
  outputs o = {w->acc + (ptrdiff_t)first * how->width, TILE_QUERIES, done == STEP_KEPT ? NULL : s.alpha, s.beta};
  if (all || spotless(t, count)) {
    all_outputs(t, &vp, &o, columns);
  } else {
    octet_outputs_seen(how->values_in, 0, &vp, &o, w->x, TILE_QUERIES, t->call->value_dim, columns);
  }
}

/* A head's part of a block. */
static const uint8_t *part_of_block(const octet_attention *c, int block, int head) {
  return c->blocks[block] + head * c->head_bytes;
}

/* next: the part of a block that is read next. */
static void block_of_keys(task *t, int block, const uint8_t *next) {
  const octet_attention *c = t->call;
  int first_key = block * KEY_TILE;
  int count = (int)clamp((int64_t)c->keys - first_key, 0, KEY_TILE);
  int sight = seen(t, 0, t->rows, first_key, count);
  if (!sight) {
    return;
  }
  const uint8_t *head = part_of_block(c, block, t->head);
  ptrdiff_t ahead = next - head;
  load_scales(head, c->key_scale_at, count, t->w.key_scale);
  load_scales(head, c->value_scale_at, count, t->w.value_scale);
  t->odd_scales = any_odd(t->w.value_scale);
  t->bound = t->how.fast && count == KEY_TILE
      ? octet_fast_bound(t->w.key_scale, t->w.value_scale, t->w.weight) : 0;
  if (t->direct) {
    few_rows_direct(t, head, ahead, first_key, count, sight == 2);
    return;
  }
  load_keys(t, head, ahead);
  load_values(t, head, ahead, count);
  if (t->few) {
    few_rows(t, first_key, count, sight == 2);
    return;
  }
  for (int tile = 0; tile < t->tiles; tile++) {
    int first = tile * TILE_QUERIES;
    int end = first + TILE_QUERIES < t->rows ? first + TILE_QUERIES : t->rows;
    sight = seen(t, first, end, first_key, count);
    if (sight) {
      tile_of_rows(t, tile, first_key, count, sight == 2);
    }
  }
}

static void put_lse(const octet_attention *c, int head, int64_t row, double max, double sum, double shift) {
  if (c->lse) {
    int64_t query_head = (int64_t)head * c->group + row % c->group;
    double value = sum == 0 ? -INFINITY : max * 0.6931471805599453 + log(sum) + shift;
    c->lse[query_head * c->queries + row / c->group] = (float)value;
  }
}

/* The output of row r, before it is divided by the row sum, times factor. */
static void copy_output(const task *t, int r, float factor, float *out) {
  int dim = t->call->value_dim;
  if (t->few) {
    const float *acc = t->w.acc + (ptrdiff_t)r * t->how.width;
    for (int c = 0; c < dim; c++) {
      out[c] = acc[c] * factor;
    }
  } else {
    int tile = r / TILE_QUERIES * TILE_QUERIES;
    const float *acc = t->w.acc + (ptrdiff_t)tile * t->how.width + r - tile;
    for (int c = 0; c < dim; c++) {
      out[c] = acc[c * TILE_QUERIES] * factor;
    }
  }
  if (t->how.fold && t->call->value_scales) {
    const float *scales = t->call->value_scales + (ptrdiff_t)t->head * dim;
    for (int c = 0; c < dim; c++) {
      out[c] *= scales[c];
    }
  }
}

static int64_t part_of(const octet_attention *c, int head, int split, int64_t row) {
  int64_t rows = (int64_t)c->queries * c->group;
  return (((int64_t)head * c->splits + split) * rows + row) * (c->value_dim + 3);
}

static void finish(const task *t, int split) {
  const octet_attention *c = t->call;
  for (int r = 0; r < t->rows; r++) {
    float max = t->w.s.max[r];
    float sum = t->w.s.sum[r];
    int64_t row = (int64_t)t->first_row + r;
    if (c->splits == 1) {
      /* A sum of 0: no key was seen, and the output is 0. */
      copy_output(t, r, sum == 0 ? 0 : 1 / sum, c->out + position(t, r) * c->value_dim);
      put_lse(c, t->head, row, max, sum, t->w.shift[r]);
    } else {
      float *part = c->parts + part_of(c, t->head, split, row);
      copy_output(t, r, 1, part);
      part[c->value_dim] = max;
      part[c->value_dim + 1] = sum;
      part[c->value_dim + 2] = (float)t->w.shift[r];
    }
  }
}

/* Bytes of a head's task and of its workspace. */
static int64_t task_bytes(const octet_attention *call, const plan *how, int rows) {
  workspace none;
  return ((int64_t)sizeof(task) + 63) / 64 * 64 + lay_out(how, call->key_dim, rows, NULL, &none);
}

int32_t octet_attend_scratch(const octet_attention *call, int32_t heads, int32_t rows, int64_t *bytes) {
  if (!sizes_fit(call) || rows < 1 || rows > MAX_DIM || heads < 1 || heads > call->heads) {
    return OCTET_BAD_SIZE;
  }
  if (!forms_fit(call)) {
    return OCTET_BAD_FORM;
  }
  plan how = plan_of(call);
  *bytes = heads * task_bytes(call, &how, rows);
  return OCTET_OK;
}

/* The task of a head, with its queries. */
static task *begin(
    const octet_attention *call, const plan *how, int head, int first_row, int rows, tile_file *matrix,
    uint8_t *scratch) {
  int few = rows <= FEW_ROWS;
  task *t = (task *)(void *)scratch;
  *t = (task){
      .call = call,
      .how = *how,
      .head = head,
      .first_row = first_row,
      .rows = rows,
      .few = few,
      .direct = few && octet_direct(call, how),
      .tiled = !few && how->tiles,
      .matrix = matrix,
      .tiles = few ? 1 : (rows + TILE_QUERIES - 1) / TILE_QUERIES};
  t->query_words = t->tiled ? LANES * word_tiles(how->key_words) : how->key_words;
  lay_out(how, call->key_dim, rows, scratch + (sizeof(task) + 63) / 64 * 64, &t->w);
  octet_bf16_bytes(call->key_type, t->w.key_bytes);
  octet_bf16_bytes(call->value_type, t->w.value_bytes);
  load_queries(t);
  return t;
}

/* What a task needs for one tile alone is the same for all heads, and stays in the first cache. */
static void share_room(task *t, const task *first) {
  t->w.keys = first->w.keys;
  t->w.values = first->w.values;
  t->w.key_tiles = first->w.key_tiles;
  t->w.value_tiles = first->w.value_tiles;
  t->w.x = first->w.x;
  t->w.p = first->w.p;
}

int32_t octet_attend(
    const octet_attention *call, int32_t head, int32_t heads, int32_t first_row, int32_t rows,
    int32_t from_block, int32_t to_block, int32_t split, void *scratch, int64_t scratch_bytes) {
  int64_t need = 0;
  int32_t status = octet_attend_scratch(call, heads, rows, &need);
  if (status != OCTET_OK) {
    return status;
  }
  int64_t blocks = ((int64_t)call->keys + KEY_TILE - 1) / KEY_TILE;
  if (scratch_bytes < need || head < 0 || head > call->heads - heads || first_row < 0
      || (int64_t)first_row + rows > (int64_t)call->queries * call->group || from_block < 0
      || to_block < from_block || to_block > blocks || split < 0 || split >= call->splits) {
    return OCTET_BAD_SIZE;
  }
  tile_file matrix;
  plan how = plan_of(call);
  int64_t stride = need / heads;
  for (int h = 0; h < heads; h++) {
    task *t = begin(call, &how, head + h, first_row, rows, &matrix, (uint8_t *)scratch + h * stride);
    share_room(t, scratch);
  }
#ifdef OCTET_TILES
  octet_tiles_begin(&matrix);
#endif
  for (int block = from_block; block < to_block; block++) {
    for (int h = 0; h < heads; h++) {
      task *t = (task *)(void *)((uint8_t *)scratch + h * stride);
      int last = h + 1 == heads;
      int next_block = last && block + 1 < to_block ? block + 1 : block;
      block_of_keys(t, block, part_of_block(call, next_block, last ? head : head + h + 1));
    }
  }
#ifdef OCTET_TILES
  octet_tiles_end(&matrix);
#endif
  for (int h = 0; h < heads; h++) {
    finish((const task *)(const void *)((uint8_t *)scratch + h * stride), split);
  }
  return OCTET_OK;
}

static void merge_row(const octet_attention *c, int head, int64_t row) {
  int dim = c->value_dim;
  double max = -INFINITY, sum = 0;
  for (int s = 0; s < c->splits; s++) {
    double own = c->parts[part_of(c, head, s, row) + dim];
    max = own > max ? own : max;
  }
  int64_t at = row / c->group * c->heads * c->group + (int64_t)head * c->group + row % c->group;
  float *out = c->out + at * dim;
  memset(out, 0, 4 * (size_t)dim);
  for (int s = 0; s < c->splits; s++) {
    const float *part = c->parts + part_of(c, head, s, row);
    if (part[dim + 1] == 0) {
      continue; /* saw no key */
    }
    double weight = exp2(part[dim] - max);
    sum += weight * part[dim + 1];
    for (int i = 0; i < dim; i++) {
      out[i] += (float)weight * part[i];
    }
  }
  float factor = sum == 0 ? 0 : (float)(1 / sum);
  for (int i = 0; i < dim; i++) {
    out[i] *= factor;
  }
  put_lse(c, head, row, max, sum, c->parts[part_of(c, head, 0, row) + dim + 2]);
}

int32_t octet_attend_merge(const octet_attention *call, int32_t head) {
  if (!sizes_fit(call) || head < 0 || head >= call->heads || !call->parts) {
    return OCTET_BAD_SIZE;
  }
  for (int64_t row = 0; row < (int64_t)call->queries * call->group; row++) {
    merge_row(call, head, row);
  }
  return OCTET_OK;
}
