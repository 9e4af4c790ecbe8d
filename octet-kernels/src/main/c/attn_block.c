/*
 * A block of keys and values taken in by the rows of a task: unpacked, multiplied by queries, made P,
 * multiplied with P. Few rows are rows of the products, many of them columns, a tile of them at a time.
 */
#ifdef OCTET_TILES
#include "amx/attn_tiles.h"
#endif
#include "attn_task.h"
#include <string.h>

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
      .lowest = c->key_scale_at < 0,
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
      .lowest = c->value_scale_at < 0,
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
    octet_hide_across(t, first_key, count);
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

/* Lines of scales, where a head has them. */
static void fetch_scales(const uint8_t *head, int64_t at) {
  for (int i = 0; at >= 0 && i < 4 * KEY_TILE; i += 64) {
    _mm_prefetch((const char *)head + at + i, _MM_HINT_T0);
  }
}

/* Bytes ahead from which on memory comes in time; much more would not stay in the first cache. */
#define IN_TIME 8192

/*
 * few_rows without unpacking the tiles first. While keys are multiplied their values are asked for and then the
 * next keys or, where that is too near, keys for keys and values for values: reading stops for no softmax.
 */
static void few_rows_direct(task *t, const uint8_t *head, const uint8_t *next, int first_key, int count, int all) {
  const octet_attention *c = t->call;
  workspace *w = &t->w;
  fetch_scales(next, c->key_scale_at);
  fetch_scales(next, c->value_scale_at);
  int half = KEY_TILE * c->key_dim >= IN_TIME;
  const uint8_t *first = half ? head + c->value_at : next + c->key_at;
  const uint8_t *then = half ? next + c->key_at : next + c->value_at;
  direct keys = {(const int8_t *)head + c->key_at, c->key_dim, KEY_TILE, first};
  scores x = {w->x, KEY_TILE, w->factor, w->key_scale, w->bias};
  octet_scores_direct(&keys, w->queries, &x, t->rows);
  if (!all) {
    octet_hide_across(t, first_key, count);
  }
  octet_softmax_across(&t->how, t->odd_scales || !all, w->x, w->p, t->rows, w->value_scale, t->bound, &w->s);
  direct values = {(const int8_t *)head + c->value_at, count, c->value_dim, then};
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

static void all_scores(task *t, const product *kq, const scores *x, int keys, int columns) {
#ifdef OCTET_TILES
  if (t->tiled) {
    sums_on_tiles(t, kq->b, columns);
    octet_tile_scale(t->how.scores_in, x, columns);
    return;
  }
#endif
  octet_scores(t->how.scores_in, 0, kq, x, keys, columns);
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

/* Keys of a block behind which a tile of rows sees none, in whole words. A prompt's own tile sees half of them. */
static int keys_in_sight(const task *t, int first, int first_key, int count) {
  if (t->tiled) {
    return KEY_TILE; /* of matrix tiles there are no parts */
  }
  int last = first + TILE_QUERIES < t->rows ? first + TILE_QUERIES : t->rows;
  int keys = 1;
  for (int r = first; r < last; r++) {
    int own = (int)clamp((int64_t)t->w.end[r] - first_key, 0, count);
    keys = own > keys ? own : keys;
  }
  return round_up(keys, 4);
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
  int keys = all ? KEY_TILE : keys_in_sight(t, first, first_key, count);
  int done = all ? quick_step(t, &kq, &x, columns, &s) : STEP_NOT;
  if (done == STEP_NOT) {
    int careful = t->odd_scales || !all;
    all_scores(t, &kq, &x, keys, columns);
    if (!all) {
      octet_hide_down(t, first, columns, first_key, count, keys);
    }
    float bound = keys == KEY_TILE ? t->bound : 0;
    octet_softmax_down(how, careful, w->x, w->p, TILE_QUERIES, keys, columns, w->value_scale, bound, &s);
  }
  int seen = count < keys ? count : keys;
  product vp = {w->values, 1, how->width, w->p, TILE_QUERIES, words(seen, how->values_in)};
  outputs o = {w->acc + (ptrdiff_t)first * how->width, TILE_QUERIES, done == STEP_KEPT ? NULL : s.alpha, s.beta};
  if (all || spotless(t, count)) {
    all_outputs(t, &vp, &o, columns);
  } else {
    octet_outputs_seen(how->values_in, 0, &vp, &o, w->x, TILE_QUERIES, t->call->value_dim, columns);
  }
}

int octet_sees_block(const task *t, int block) {
  int first_key = block * KEY_TILE;
  int count = (int)clamp((int64_t)t->call->keys - first_key, 0, KEY_TILE);
  return octet_seen(t, 0, t->rows, first_key, count) != 0;
}

void octet_block_of_keys(task *t, int block, const uint8_t *head, const uint8_t *next) {
  const octet_attention *c = t->call;
  int first_key = block * KEY_TILE;
  int count = (int)clamp((int64_t)c->keys - first_key, 0, KEY_TILE);
  int sight = octet_seen(t, 0, t->rows, first_key, count);
  if (!sight) {
    return;
  }
  ptrdiff_t ahead = next - head;
  load_scales(head, c->key_scale_at, count, t->w.key_scale);
  load_scales(head, c->value_scale_at, count, t->w.value_scale);
  t->odd_scales = any_odd(t->w.value_scale);
  t->bound = t->how.fast && count == KEY_TILE
      ? octet_fast_bound(t->w.key_scale, t->w.value_scale, t->w.weight) : 0;
  if (t->direct) {
    few_rows_direct(t, head, next, first_key, count, sight == 2);
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
    sight = octet_seen(t, first, end, first_key, count);
    if (sight) {
      tile_of_rows(t, tile, first_key, count, sight == 2);
    }
  }
}
