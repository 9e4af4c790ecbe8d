/* Which keys a query sees: by its position, a window, a mask. */
#include "attn_task.h"

void octet_set_visibility(task *t, int r) {
  const octet_attention *c = t->call;
  int64_t own = c->offset + query_of(t, r);
  t->w.from[r] = c->window ? (int32_t)clamp(own - c->window + 1, 0, c->keys) : 0;
  t->w.end[r] = c->causal ? (int32_t)clamp(own + 1, 0, c->keys) : c->keys;
}

void octet_pad_row(task *t, int r) {
  t->w.from[r] = 0;
  t->w.end[r] = INT32_MAX;
  t->w.factor[r] = 0;
  t->w.bias[r] = 0;
}

int octet_seen(const task *t, int from, int to, int first_key, int count) {
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

void octet_hide_across(task *t, int first_key, int count) {
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

void octet_hide_down(task *t, int first, int columns, int first_key, int count, int keys) {
  for (int j = 0; j < keys; j++) {
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
