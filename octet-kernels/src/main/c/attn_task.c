/* How a task is laid out in its scratch, and the queries it begins with. */
#include "attn_task.h"
#include <string.h>

plan octet_plan(const octet_attention *call) {
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
  w->codes = take(base, &at, 4 * LANES * (how->key_words + LANES));
  w->x = take(base, &at, 4LL * KEY_TILE * TILE_QUERIES);
  w->p = take(base, &at, 4LL * KEY_TILE * TILE_QUERIES);
  w->acc = take(base, &at, 4 * padded * how->width);
  w->row = take(base, &at, 4 * LANES * widest);
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
  w->key_scale = take(base, &at, 4 * KEY_TILE);
  w->value_scale = take(base, &at, 4 * KEY_TILE);
  w->weight = take(base, &at, 4 * KEY_TILE);
  return at;
}

int octet_sizes_fit(const octet_attention *c) {
  int64_t query_heads = (int64_t)c->heads * c->group;
  return c->key_dim > 0 && c->key_dim <= MAX_DIM && c->value_dim > 0 && c->value_dim <= MAX_DIM
      && c->heads > 0 && c->group > 0 && query_heads <= INT32_MAX && c->queries >= 0 && c->keys >= 0
      && (int64_t)c->queries * c->group <= INT32_MAX && c->window >= 0 && c->splits > 0
      && c->head_bytes >= 0
      && (!c->signs || (c->hadamard > 0 && c->key_dim % c->hadamard == 0 && c->mean))
      && (c->splits == 1 || c->parts);
}

int octet_forms_fit(const octet_attention *c) {
  return c->scores_in >= IN_F32 && c->scores_in <= IN_INT8 && c->values_in >= IN_F32
      && c->values_in <= IN_INT8 && c->key_type >= KV_F32 && c->key_type <= KV_E5M2
      && c->value_type >= KV_F32 && c->value_type <= KV_E5M2
      && (c->scores_in != IN_INT8 || c->key_type == KV_INT8)
      && (c->values_in != IN_INT8 || c->value_type == KV_INT8)
      && (!c->fast || (c->scores_in == IN_INT8 && c->values_in == IN_INT8));
}

/* Codes of up to LANES rows' queries, `stride` words each. */
_Static_assert((int)FEW_ROWS <= (int)LANES, "few rows are loaded at once");
static void load_some(task *t, int first, int count, int32_t *codes, ptrdiff_t stride) {
  workspace *w = &t->w;
  const float *q[LANES] = {0};
  query made[LANES];
  for (int i = 0; i < count; i++) {
    q[i] = t->call->q + position(t, first + i) * t->call->key_dim;
    octet_set_visibility(t, first + i);
  }
  octet_queries(t->call, &t->how, t->head, count, q, codes, stride, w->row, made);
  for (int i = 0; i < count; i++) {
    w->factor[first + i] = made[i].factor;
    w->bias[first + i] = t->tiled ? 0 : made[i].bias;
    w->shift[first + i] = made[i].shift;
  }
}

/* Codes of up to LANES rows from `first` on, each `stride` words, go into columns of their tile. */
static void put_into_tile(task *t, int first, const int32_t *codes, ptrdiff_t stride) {
  ptrdiff_t tile = (ptrdiff_t)(first / TILE_QUERIES) * TILE_QUERIES * t->query_words;
  int32_t *to = t->w.queries + tile + first % TILE_QUERIES;
  int words = t->how.key_words;
  for (int k = 0; k < words; k += LANES) {
    vf v[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
      v[i] = vi_as_vf(vi_load(codes + i * stride + k));
    }
    vf_transpose(v);
    for (int i = 0; i < LANES && k + i < words; i++) {
      vi_store(to + (ptrdiff_t)(k + i) * TILE_QUERIES, vf_as_vi(v[i]));
    }
  }
}

static void load_queries(task *t) {
  workspace *w = &t->w;
  int padded = t->few ? t->rows : t->tiles * TILE_QUERIES;
  if (t->few) {
    load_some(t, 0, t->rows, w->queries, t->how.key_words);
  } else {
    ptrdiff_t stride = t->how.key_words + LANES;
    memset(w->queries, 0, 4 * (size_t)padded * t->query_words);
    for (int first = 0; first < t->rows; first += LANES) {
      int some = t->rows - first < LANES ? t->rows - first : LANES;
      if (some < LANES) {
        memset(w->codes, 0, 4 * (size_t)(LANES * stride));
      }
      load_some(t, first, some, w->codes, stride);
      put_into_tile(t, first, w->codes, stride);
    }
  }
  for (int r = t->rows; r < padded; r++) {
    octet_pad_row(t, r);
  }
  for (int r = 0; r < padded; r++) {
    w->s.max[r] = r < t->rows ? -INFINITY : 0; /* what fills the last tile is never raised */
    w->s.sum[r] = 0;
  }
  memset(w->acc, 0, 4 * (size_t)padded * t->how.width);
}

int64_t octet_task_bytes(const octet_attention *call, const plan *how, int rows) {
  workspace none;
  return ((int64_t)sizeof(task) + 63) / 64 * 64 + lay_out(how, call->key_dim, rows, NULL, &none);
}

task *octet_begin_task(
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
  load_queries(t);
  return t;
}

void octet_share_room(task *t, const task *first) {
  t->w.keys = first->w.keys;
  t->w.values = first->w.values;
  t->w.key_tiles = first->w.key_tiles;
  t->w.value_tiles = first->w.value_tiles;
  t->w.x = first->w.x;
  t->w.p = first->w.p;
  t->w.key_scale = first->w.key_scale;
  t->w.value_scale = first->w.value_scale;
  t->w.weight = first->w.weight;
}
